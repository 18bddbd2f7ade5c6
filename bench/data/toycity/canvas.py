"""The canvas of a toycity scene: photo, train ids and depth, written with the same masks.

So the labels are exact. Nothing is anti-aliased.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.data.toycity import scene as ts
from bench.data.toycity.scene import Scene

Array = NDArray[np.float32]
Mask = NDArray[np.bool_]
_TILE = 1024


@lru_cache(maxsize=1)
def _tiles() -> tuple[Array, Array, Array]:
    """White, rough and smooth noise, (1024, 1024) float32, periodic, mean 0, deviation 1."""
    white = np.random.Generator(np.random.PCG64(20161121)).standard_normal((_TILE, _TILE))
    spectrum = np.fft.rfft2(white)
    radius = np.hypot(np.fft.fftfreq(_TILE)[:, None], np.fft.rfftfreq(_TILE)[None, :]) * _TILE
    tiles = [white]
    for exponent in (0.75, 1.7):
        shaped = np.fft.irfft2(spectrum / np.maximum(radius, 2.0) ** exponent, s=white.shape)
        tiles.append((shaped - shaped.mean()) / shaped.std())
    first, second, third = (tile.astype(np.float32) for tile in tiles)
    return first, second, third


class Canvas:
    """The image being painted: photo (S, S, 3) float32 in [0, 1], train ids, depth in metres."""

    def __init__(self, scene: Scene, size_px: int, rng: np.random.Generator) -> None:
        self.scene, self.size, self.rng = scene, size_px, rng
        self.centres: Array = ((np.arange(size_px) + 0.5) / size_px).astype(np.float32)
        self.photo: Array = np.zeros((size_px, size_px, 3), np.float32)
        self.ids = np.full((size_px, size_px), ts.VOID, np.uint8)
        self.depth: Array = np.full((size_px, size_px), 400.0, np.float32)
        self.sun = 1 if rng.random() < 0.5 else -1  # the side the light comes from
        self.sunny = float(rng.uniform(0.0, 1.0))  # 0 overcast, 1 hard shadows
        offsets = rng.integers(0, _TILE, (3, 2))
        pixels = np.arange(size_px)
        step = max(1, 512 // size_px)  # noise scales with the scene, not with the pixel grid
        white, rough, smooth = _tiles()
        y, x = (((pixels + offsets[0, axis]) % _TILE) for axis in (0, 1))
        self.white: Array = white[np.ix_(y, x)]
        y, x = (((pixels * step + offsets[1, axis]) % _TILE) for axis in (0, 1))
        self.rough: Array = rough[np.ix_(y, x)]
        y, x = (((pixels * step + offsets[2, axis]) % _TILE) for axis in (0, 1))
        self.smooth: Array = smooth[np.ix_(y, x)]

    def span(self, low: float, high: float) -> slice:
        """The pixels with centres in [low, high)."""
        first, last = (min(max(int(np.ceil(edge * self.size - 0.5)), 0), self.size) for edge in (low, high))
        return slice(first, max(first, last))

    def put(self, rows: slice, cols: slice, mask: Mask | None, colour: Any, kind: int, depth: float) -> None:
        """Paint `colour`, (3,) or (h, w, 3), over the pixels of a window in `mask` (None: all)."""
        if mask is None:
            self.photo[rows, cols] = colour
            self.ids[rows, cols] = kind
            self.depth[rows, cols] = depth
            return
        colour = np.asarray(colour, dtype=np.float32)
        self.photo[rows, cols][mask] = colour[mask] if colour.ndim == 3 else colour
        self.ids[rows, cols][mask] = kind
        self.depth[rows, cols][mask] = depth

    def box(self, u: float, v: float, half: float, height: float, colour: Any, kind: int, z: float) -> None:
        """A rectangle with its top edge centred at (u, v)."""
        self.put(self.span(v, v + height), self.span(u - half, u + half), None, colour, kind, z)

    def disc(self, u: float, v: float, a: float, b: float, colour: Any, kind: int, z: float) -> None:
        """An ellipse with half axes `a` and `b`, centred at (u, v)."""
        rows, cols = self.span(v - b, v + b), self.span(u - a, u + a)
        du, dv = (self.centres[cols] - u) / a, (self.centres[rows] - v) / b
        self.put(rows, cols, (du**2)[None, :] + (dv**2)[:, None] <= 1, colour, kind, z)

    def taper(
        self, u: float, v: float, top: float, bottom: float, height: float, colour: Any, kind: int, z: float
    ) -> None:
        """A trapezoid of half widths `top` and `bottom` with its top edge centred at (u, v)."""
        wide = max(top, bottom)
        rows, cols = self.span(v, v + height), self.span(u - wide, u + wide)
        half = top + (bottom - top) * (self.centres[rows] - v) / max(height, 1e-6)
        self.put(rows, cols, np.abs(self.centres[cols] - u)[None, :] <= half[:, None], colour, kind, z)

    def flank(
        self,
        near: tuple[float, float, float],
        far: tuple[float, float, float],
        colour: Any,
        kind: int,
        z: float,
    ) -> None:
        """The side of something long: (u, top v, bottom v) of its near and its far edge."""
        if near[0] == far[0]:
            return
        cols = self.span(min(near[0], far[0]), max(near[0], far[0]))
        share = (self.centres[cols] - near[0]) / (far[0] - near[0])
        top, bottom = (near[i] + (far[i] - near[i]) * share for i in (1, 2))
        rows = self.span(min(near[1], far[1]), max(near[2], far[2]))
        v = self.centres[rows][:, None]
        self.put(rows, cols, (v >= top[None, :]) & (v < bottom[None, :]), colour, kind, z)

    def colour(self, spread: float = 1.0, low: float = 0.12, high: float = 0.85) -> Array:
        """A random paint: grey when `spread` is 0."""
        grey = self.rng.uniform(low, high)
        tint = self.rng.uniform(-0.35, 0.35, 3) * spread
        return np.clip(grey + tint, 0.03, 0.97).astype(np.float32)


def green(c: Canvas) -> Array:
    """A random green of leaves or grass, (3,)."""
    hue = c.rng.uniform(0, 1)
    base = np.array([0.16 + 0.30 * hue, 0.36 + 0.10 * hue, 0.12]) * c.rng.uniform(0.7, 1.25)
    return base.astype(np.float32)


def foliage(c: Canvas, rows: slice, cols: slice, base: Array, strength: float) -> Array:
    """Leaves: dark holes and bright tips, different at every pixel."""
    leaf = 0.75 * c.rough[rows, cols] + 0.55 * c.white[rows, cols]
    return np.asarray(base * np.clip(1 + strength * leaf, 0.15, 2.3)[..., None], dtype=np.float32)
