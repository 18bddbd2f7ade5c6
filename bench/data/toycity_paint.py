"""Appearance of a toycity scene: colours, textures, light and weather over a given geometry.

Labels and photo are written by the same masks, so that the labels are exact; nothing is anti-aliased.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.data import toycity_scene as ts
from bench.data.toycity_scene import Row, Scene, Thing, thin

Array = NDArray[np.float32]
Mask = NDArray[np.bool_]
_TILE = 1024


@lru_cache(maxsize=1)
def _tiles() -> tuple[Array, Array, Array]:
    """White, rough and smooth noise, (1024, 1024) float32, periodic, mean 0 and deviation 1, the same always."""
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
    """The picture being painted: photo (S, S, 3) float32 in [0, 1], train ids, depth in metres."""

    def __init__(self, scene: Scene, size_px: int, rng: np.random.Generator) -> None:
        self.scene, self.size, self.rng = scene, size_px, rng
        self.centres: Array = ((np.arange(size_px) + 0.5) / size_px).astype(np.float32)
        self.photo: Array = np.zeros((size_px, size_px, 3), np.float32)
        self.ids = np.full((size_px, size_px), ts.VOID, np.uint8)
        self.depth: Array = np.full((size_px, size_px), 400.0, np.float32)
        self.sun = 1 if rng.random() < 0.5 else -1  # the side that the light comes from
        self.sunny = float(rng.uniform(0.0, 1.0))  # 0 overcast, 1 hard shadows
        offsets = rng.integers(0, _TILE, (3, 2))
        pixels = np.arange(size_px)
        step = max(1, 512 // size_px)  # noise is as wide as the scene, not as the pixel grid
        white, rough, smooth = _tiles()
        y, x = (((pixels + offsets[0, axis]) % _TILE) for axis in (0, 1))
        self.white: Array = white[np.ix_(y, x)]
        y, x = (((pixels * step + offsets[1, axis]) % _TILE) for axis in (0, 1))
        self.rough: Array = rough[np.ix_(y, x)]
        y, x = (((pixels * step + offsets[2, axis]) % _TILE) for axis in (0, 1))
        self.smooth: Array = smooth[np.ix_(y, x)]

    def span(self, low: float, high: float) -> slice:
        """The pixels whose centres lie in [low, high)."""
        first, last = (min(max(int(np.ceil(edge * self.size - 0.5)), 0), self.size) for edge in (low, high))
        return slice(first, max(first, last))

    def put(self, rows: slice, cols: slice, mask: Mask | None, colour: Any, kind: int, depth: float) -> None:
        """Paint `colour`, (3,) or (h, w, 3), over a window, where `mask` (all of it when None)."""
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
        """A rectangle whose top edge is centred at (u, v)."""
        self.put(self.span(v, v + height), self.span(u - half, u + half), None, colour, kind, z)

    def disc(self, u: float, v: float, a: float, b: float, colour: Any, kind: int, z: float) -> None:
        """An ellipse with half axes `a` and `b`, centred at (u, v)."""
        rows, cols = self.span(v - b, v + b), self.span(u - a, u + a)
        du, dv = (self.centres[cols] - u) / a, (self.centres[rows] - v) / b
        self.put(rows, cols, (du**2)[None, :] + (dv**2)[:, None] <= 1, colour, kind, z)

    def taper(
        self, u: float, v: float, top: float, bottom: float, height: float, colour: Any, kind: int, z: float
    ) -> None:
        """A trapezoid of half widths `top` and `bottom` whose top edge is centred at (u, v)."""
        wide = max(top, bottom)
        rows, cols = self.span(v, v + height), self.span(u - wide, u + wide)
        half = top + (bottom - top) * (self.centres[rows] - v) / max(height, 1e-6)
        self.put(rows, cols, np.abs(self.centres[cols] - u)[None, :] <= half[:, None], colour, kind, z)

    def colour(self, spread: float = 1.0, low: float = 0.12, high: float = 0.85) -> Array:
        """A random paint: grey when `spread` is 0."""
        grey = self.rng.uniform(low, high)
        tint = self.rng.uniform(-0.35, 0.35, 3) * spread
        return np.clip(grey + tint, 0.03, 0.97).astype(np.float32)


def paint(
    scene: Scene, size_px: int, rng: np.random.Generator
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Photo (S, S, 3) uint8 and train ids (S, S) uint8 of `scene`, its looks drawn from `rng`."""
    canvas = Canvas(scene, size_px, rng)
    _sky(canvas)
    _skyline(canvas)
    _ground(canvas)
    for row in scene.rows:
        _end_faces(canvas, row)
        _row(canvas, row)
    for thing in scene.things:
        _cast_shadow(canvas, thing)
        _PAINTERS[thing.kind](canvas, thing)
    _light(canvas)
    _bonnet(canvas)
    noise = rng.uniform(0.006, 0.02)
    photo = canvas.photo + noise * canvas.white[::-1, :, None]
    return (np.clip(photo, 0, 1) * 255 + 0.5).astype(np.uint8), canvas.ids


# --- background -------------------------------------------------------------------------------------------


def _sky(c: Canvas) -> None:
    overcast = c.rng.random() < 0.4
    zenith = np.array([0.62, 0.66, 0.70] if overcast else [0.25, 0.48, 0.82]) + c.rng.uniform(-0.08, 0.08)
    rim = np.array([0.85, 0.88, 0.92]) + c.rng.uniform(-0.08, 0.05, 3)
    height = np.clip(c.centres / c.scene.horizon, 0, 1)[:, None]
    gradient = zenith * (1 - height) + rim * height
    clouds = np.clip(c.smooth * c.rng.uniform(0.5, 0.9) + c.rng.uniform(-0.6, 0.5), 0, 1)[..., None]
    c.photo[:] = gradient[:, None, :] * (1 - clouds) + np.float32(c.rng.uniform(0.8, 1.0)) * clouds
    c.ids[c.span(0, c.scene.horizon)] = ts.SKY


def _skyline(c: Canvas) -> None:
    """Distant houses and trees along the horizon."""
    u = c.scene.cx - float(c.scene.skyline[:, 0].sum()) / 2
    for (width, height), kind in zip(c.scene.skyline.tolist(), c.scene.skyline_kinds.tolist(), strict=True):
        rows, cols = c.span(c.scene.horizon - height, c.scene.horizon + 0.02), c.span(u, u + width)
        u += width
        if kind == ts.VEGETATION:
            colour = _foliage(c, rows, cols, _green(c), 0.5)
        else:
            colour = c.colour(0.4, 0.35, 0.75) * (1 + 0.16 * np.sign(c.white[rows, cols, None]))
        c.put(rows, cols, None, colour, kind, 150.0)


def _green(c: Canvas) -> Array:
    hue = c.rng.uniform(0, 1)
    base = np.array([0.16 + 0.30 * hue, 0.36 + 0.10 * hue, 0.12]) * c.rng.uniform(0.7, 1.25)
    return base.astype(np.float32)


def _foliage(c: Canvas, rows: slice, cols: slice, green: Array, strength: float) -> Array:
    """Leaves: dark holes and bright tips, different at every pixel."""
    leaf = 0.75 * c.rough[rows, cols] + 0.55 * c.white[rows, cols]
    return green * np.clip(1 + strength * leaf, 0.15, 2.3)[..., None]


def _ground(c: Canvas) -> None:
    s, rng = c.scene, c.rng
    rows = c.span(s.horizon, 1.0)
    z = (s.fy * s.cam / (c.centres[rows] - s.horizon))[:, None]
    x = (c.centres - s.cx)[None, :] * z / s.fx
    strip = np.searchsorted(s.bounds, x)
    ids = s.ground[strip]
    if s.crossing:
        inside = (z[:, 0] > s.crossing[0]) & (z[:, 0] < s.crossing[1])
        ids[inside] = ts.ROAD
    rough, white = c.rough[rows], c.white[rows]
    table = np.zeros((256, 3), np.float32)
    table[ts.ROAD] = c.colour(0.08, 0.26, 0.45)
    table[ts.SIDEWALK] = c.colour(0.22, 0.42, 0.68)
    table[ts.TERRAIN] = _green(c) * 1.25
    colour = table[ids]
    grain = np.float32(rng.uniform(0.05, 0.12)) * white + np.float32(rng.uniform(0.05, 0.12)) * rough
    tile, phase = rng.uniform(0.5, 1.0), rng.random(2)
    joints = ((x / tile + phase[0]) % 1 < 0.16) | ((z / (1.6 * tile) + phase[1]) % 1 < 0.16)
    setts = np.where(joints, np.float32(-rng.uniform(0.15, 0.35)), 0.12 * np.sign(white))
    modulation = np.select([ids == ts.SIDEWALK, ids == ts.TERRAIN], [setts + grain, 3.2 * grain], grain)
    if rng.random() < 0.25:  # cobbles
        modulation = modulation + np.where((ids == ts.ROAD) & joints, np.float32(-0.2), np.float32(0))
    colour = colour * (1 + np.maximum(modulation, -0.8))[..., None]
    _markings(c, colour, ids, x, z)
    c.photo[rows] = colour * _sunlight(c, x, z)[..., None]
    c.ids[rows], c.depth[rows] = ids, z


def _markings(c: Canvas, colour: Array, ids: NDArray[np.uint8], x: Array, z: Array) -> None:
    """Lane lines, a zebra crossing now and then, and the edges of the kerb."""
    s, rng = c.scene, c.rng
    road = ids == ts.ROAD
    half = np.maximum(0.07, 0.006 * z / s.fx)
    paint = (np.array([0.92, 0.92, 0.9]) * rng.uniform(0.75, 1.0)).astype(np.float32)
    period, phase = rng.uniform(4, 9), rng.random()
    for line in rng.uniform(*s.kerbs, rng.integers(1, 4)):
        dashes = (z / period + phase) % 1 < rng.choice([0.45, 1.1])
        colour[road & dashes & (np.abs(x - line) < half)] = paint
    if rng.random() < 0.3:
        start = rng.uniform(6, 16)
        stripes = ((x / rng.uniform(0.9, 1.2) + phase) % 1 < 0.5) & (z > start) & (z < start + 3.5)
        colour[road & stripes] = paint
    for kerb in s.kerbs:
        colour[(np.abs(x - kerb) < 1.5 * half) & (ids != ts.ROAD)] *= rng.uniform(0.6, 1.3)


def _sunlight(c: Canvas, x: Array, z: Array) -> Array:
    """Shade on the ground: the houses' on the sun's side, and spots under trees."""
    rng = c.rng
    edge = rng.uniform(-5, 7) + 1.5 * np.sign(np.sin(z / rng.uniform(3, 9) + rng.uniform(0, 6)))
    shade = (x * c.sun > edge).astype(np.float32)
    spots = np.clip(c.rough[-x.shape[0] :] + rng.uniform(-1.2, 0.2), 0, 1)
    return np.asarray(1 - c.sunny * (0.45 * shade + 0.25 * spots * (1 - shade)), dtype=np.float32)


# --- rows of houses, walls, fences and hedges -----------------------------------------------------------------


class _Facades:
    """The looks of the houses of a row, one entry per segment."""

    def __init__(self, c: Canvas, count: int) -> None:
        rng = c.rng
        self.wall = np.stack([c.colour(0.45, 0.3, 0.8) for _ in range(count)])
        self.glass = (
            rng.uniform(0.06, 0.4, (count, 1)) * np.array([0.85, 1.0, 1.15]) + rng.uniform(0, 0.05)
        ).astype(np.float32)
        self.cell = rng.uniform([1.5, 2.4], [3.4, 3.4], (count, 2)).astype(np.float32)
        self.share = rng.uniform(0.35, 0.72, (count, 2)).astype(np.float32)
        self.phase = rng.random((count, 2)).astype(np.float32)
        self.grain = rng.uniform(0.03, 0.16, count).astype(np.float32)
        self.shop = rng.random(count) < 0.4
        self.lit = rng.choice([0.05, 0.2, 0.55], count, p=[0.5, 0.3, 0.2]).astype(np.float32)
        self.dice = rng.random(512).astype(np.float32)
        self.lamp = np.array([0.98, 0.86, 0.55], np.float32) * np.float32(rng.uniform(0.8, 1.0))

    def shade(self, segment: NDArray[Any], along: Array, y: Array, white: Array) -> Array:
        """Colour (h, w, 3) of walls at `along` and `y` metres; `segment` is (w,) or broadcasts to it."""
        grid_a = along / self.cell[segment, 0] + self.phase[segment, 0]
        grid_y = y / self.cell[segment, 1] + self.phase[segment, 1] * 0.3
        cell_a, cell_y = np.floor(grid_a), np.floor(grid_y)
        window = (grid_a - cell_a < self.share[segment, 0]) & (grid_y - cell_y < self.share[segment, 1])
        ground_floor = (y < 3.0) & self.shop[segment]
        number = (cell_a * 73 + cell_y * 151 + segment * 37).astype(np.int64) % 512
        luck = self.dice[number][..., None]
        pane = np.where(luck < self.lit[segment][..., None], self.lamp, self.glass[segment] * (0.5 + luck))
        grain = 1 + self.grain[segment] * white
        wall = self.wall[segment] * np.where(ground_floor, 0.55 * grain, grain)[..., None]
        return np.asarray(np.where((window & (y > 0.7))[..., None], pane, wall), dtype=np.float32)


def _row(c: Canvas, row: Row) -> None:
    s = c.scene
    edge = s.cx + row.side * s.fx * row.plane / ts.FAR
    cols = c.span(edge, 1.0) if row.side > 0 else c.span(0.0, edge)
    u = c.centres[cols]
    if not len(u):
        return
    z = (s.fx * row.plane / np.abs(u - s.cx)).astype(np.float32)
    segment = np.minimum(np.searchsorted(row.ends, z), len(row.ends) - 1)
    kind, top = row.kinds[segment], row.heights[segment]
    waves = np.sin(z * 2.1 + row.wobble[segment, 0]) + np.sin(z * 4.7 + row.wobble[segment, 1])
    top = np.where(kind == ts.VEGETATION, top * (1 + 0.09 * waves), top)
    y = (s.cam - (c.centres[:, None] - s.horizon) * z[None, :] / s.fy).astype(np.float32)
    mask = (y > 0) & (y < top[None, :]) & (kind != ts.SKY)[None, :]
    everything = slice(0, c.size)
    white = c.white[:, cols]
    along = np.broadcast_to(z[None, :], y.shape)
    colour = _Facades(c, len(row.ends)).shade(segment, along, y, white)
    for what, texture in ((ts.WALL, _stones), (ts.FENCE, _bars)):
        chosen = kind == what
        if chosen.any():
            colour[:, chosen] = texture(c, along[:, chosen], y[:, chosen], white[:, chosen])
    chosen = kind == ts.VEGETATION
    if chosen.any():
        colour[:, chosen] = _foliage(c, everything, cols, _green(c), 0.55)[:, chosen]
    sunlit = 1 + (0.18 if row.side != c.sun else -0.28) * c.sunny
    colour *= np.float32(sunlit)
    colour *= (0.7 + 0.3 * np.clip(y / 2.0, 0, 1))[..., None]  # darker towards the ground
    c.photo[:, cols][mask] = colour[mask]
    c.ids[:, cols][mask] = np.broadcast_to(kind, y.shape)[mask]
    c.depth[:, cols][mask] = along[mask]


def _stones(c: Canvas, along: Array, y: Array, white: Array) -> Array:
    rng = c.rng
    course = y / rng.uniform(0.3, 0.6) + rng.random()
    joint = (course % 1 < 0.2) | ((along / rng.uniform(0.6, 1.2) + 0.5 * (np.floor(course) % 2)) % 1 < 0.15)
    tone = np.where(joint, np.float32(0.6), 1 + 0.16 * white)
    return np.asarray(c.colour(0.3, 0.35, 0.65) * tone[..., None], dtype=np.float32)


def _bars(c: Canvas, along: Array, y: Array, white: Array) -> Array:
    rng = c.rng
    gap = (along / rng.uniform(0.35, 0.8) + rng.random()) % 1 > rng.uniform(0.35, 0.6)
    behind = _green(c) * 0.7 * np.clip(1 + 0.5 * white, 0.2, 2)[..., None]
    rail = (y % 0.9) < 0.15
    return np.asarray(np.where((gap & ~rail)[..., None], behind, c.colour(0.35, 0.15, 0.85)), dtype=np.float32)


def _end_faces(c: Canvas, row: Row) -> None:
    """The walls that face the camera where a house stands behind something lower."""
    s = c.scene
    for i in range(len(row.ends) - 1, 0, -1):
        z = float(row.ends[i - 1])
        if row.kinds[i] != ts.BUILDING or row.heights[i - 1] >= row.heights[i] or z > ts.FAR:
            continue
        near, far = s.u(row.side * row.plane, z), s.u(row.side * (row.plane + 12), z)
        cols = c.span(min(near, far), max(near, far))
        rows = c.span(s.v(float(row.heights[i]), z), s.v(0, z))
        u, v = c.centres[cols], c.centres[rows]
        if not len(u) or not len(v):
            continue
        y = np.broadcast_to((s.cam - (v - s.horizon) * z / s.fy)[:, None], (len(v), len(u)))
        along = np.broadcast_to(((u - s.cx) * z / s.fx)[None, :], y.shape)
        segment = np.zeros(len(u), dtype=np.int64)
        colour = _Facades(c, 1).shade(segment, along, y.astype(np.float32), c.white[rows, cols])
        c.put(rows, cols, None, colour, ts.BUILDING, z)


# --- things -------------------------------------------------------------------------------------------------


def _cast_shadow(c: Canvas, t: Thing) -> None:
    """Darken the ground under a thing; the labels stay as they are."""
    s = c.scene
    half = s.fx * t.width * 0.65 / t.z
    foot, flat = s.v(0, t.z), 0.16 * s.fy / t.z
    rows, cols = c.span(foot - flat, foot + flat), c.span(s.u(t.x, t.z) - half, s.u(t.x, t.z) + half)
    c.photo[rows, cols] *= np.float32(0.75 - 0.35 * c.sunny)


def _post(c: Canvas, t: Thing, colour: Any) -> None:
    s = c.scene
    top = s.v(t.height, t.z)
    c.box(s.u(t.x, t.z), top, thin(0.13, s.fx / t.z), s.v(0, t.z) - top, colour, ts.POLE, t.z)


def _lamp_post(c: Canvas, t: Thing) -> None:
    s = c.scene
    colour = c.colour(0.15, 0.15, 0.6)
    _post(c, t, colour)
    u, v = s.u(t.x, t.z), s.v(t.height, t.z)
    reach = -np.sign(t.x) * s.fx * (0.6 + 0.8 * t.shape[0]) / t.z  # the arm hangs over the road
    thick = max(0.12 * s.fy / t.z, 0.012)
    c.box(u + reach / 2, v, abs(reach) / 2, thick, colour * 0.9, ts.POLE, t.z)


def _traffic_light(c: Canvas, t: Thing) -> None:
    s = c.scene
    _post(c, t, c.colour(0.1, 0.15, 0.5))
    u, top = s.u(t.x, t.z), s.v(t.height, t.z)
    half, height = max(s.fx * t.width / t.z / 2, 0.014), max(s.fy * 1.25 / t.z, 0.05)
    c.box(u, top, half, height, c.colour(0.1, 0.04, 0.16), ts.LIGHT, t.z)
    lamps = [(0.95, 0.15, 0.1), (0.98, 0.7, 0.1), (0.15, 0.95, 0.4)]
    on = int(c.rng.integers(0, 3))
    for i, lamp in enumerate(lamps):
        colour = np.array(lamp) * (1.0 if i == on else 0.22)
        c.disc(u, top + height * (0.18 + 0.32 * i), half * 0.75, height * 0.15, colour, ts.LIGHT, t.z)


_SIGN_COLOURS = [(0.8, 0.1, 0.12), (0.1, 0.25, 0.7), (0.95, 0.8, 0.1), (0.93, 0.93, 0.93), (0.1, 0.45, 0.25)]


def _traffic_sign(c: Canvas, t: Thing) -> None:
    s = c.scene
    _post(c, t, c.colour(0.05, 0.4, 0.7))
    u, top = s.u(t.x, t.z), s.v(t.height, t.z)
    a, b = max(s.fx * t.width / t.z / 2, 0.018), max(s.fy * t.width / t.z / 2, 0.03)
    colour, inner = (np.array(_SIGN_COLOURS[i]) for i in c.rng.choice(len(_SIGN_COLOURS), 2, replace=False))
    if t.shape[0] < 0.4:
        c.disc(u, top + b, a, b, colour, ts.SIGN, t.z)
        c.disc(u, top + b, a * 0.6, b * 0.6, inner, ts.SIGN, t.z)
    elif t.shape[0] < 0.7:
        c.taper(u, top, 0.0, a, 2 * b, colour, ts.SIGN, t.z)
        c.taper(u, top + b * 0.7, 0.0, a * 0.5, b, inner, ts.SIGN, t.z)
    else:
        c.box(u, top, a, 2 * b, colour, ts.SIGN, t.z)
        c.box(u, top + b * 0.5, a * 0.6, b * 0.5, inner, ts.SIGN, t.z)


def _tree(c: Canvas, t: Thing) -> None:
    s = c.scene
    u, foot = s.u(t.x, t.z), s.v(0, t.z)
    tall = s.fy * t.height / t.z
    trunk = c.colour(0.08, 0.16, 0.35) * np.array([1.1, 0.95, 0.8])
    c.box(u, foot - 0.5 * tall, thin(0.35, s.fx / t.z), 0.5 * tall, trunk, ts.VEGETATION, t.z)
    a, b = max(s.fx * t.width / t.z / 2, 0.02), 0.36 * tall
    v = foot - tall + b
    rows, cols = c.span(v - 1.25 * b, v + 1.25 * b), c.span(u - 1.25 * a, u + 1.25 * a)
    du, dv = (c.centres[cols] - u)[None, :] / a, (c.centres[rows] - v)[:, None] / b
    angle = np.arctan2(dv, du)
    bumps = sum(
        0.07 * np.sin(k * angle + 6.283 * phase) for k, phase in zip((3, 5, 8, 13), t.shape, strict=False)
    )
    mask = np.hypot(du, dv) < 0.95 + bumps
    colour = _foliage(c, rows, cols, _green(c), 0.6)
    colour = colour * np.clip(1 - 0.3 * dv - c.sunny * 0.3 * c.sun * -du, 0.4, 1.7)[..., None]
    c.put(rows, cols, mask, colour, ts.VEGETATION, t.z)


def _car(c: Canvas, t: Thing) -> None:
    """Rear or front view, with the flank that the camera sees."""
    s = c.scene
    paint = c.colour(0.9, 0.08, 0.85)
    half, tall = s.fx * t.width / t.z / 2, s.fy * t.height / t.z
    u, foot, behind = s.u(t.x, t.z), s.v(0, t.z), t.z + 3.9
    far_u, scale = s.u(t.x, behind), t.z / behind
    far_foot = s.v(0, behind)
    glass = np.array([0.10, 0.13, 0.17]) + c.rng.uniform(0, 0.25)
    for step in (1.0, 0.8, 0.6, 0.4, 0.2):  # the body between its two ends, far to near
        k = 1 + (scale - 1) * step
        x, y = u + (far_u - u) * step, foot + (far_foot - foot) * step
        tone = paint * (0.75 if t.x * c.sun < 0 else 0.5)
        c.box(x, y - 0.62 * tall * k, half * k, 0.52 * tall * k, tone, ts.CAR, t.z + 3.9 * step)
        if 0.1 < step < 0.9:
            c.taper(x, y - tall * k, half * k * 0.72, half * k * 0.9, 0.4 * tall * k, glass, ts.CAR, t.z)
    c.box(u - half * 0.72, foot - 0.2 * tall, half * 0.2, 0.2 * tall, (0.04, 0.04, 0.045), ts.CAR, t.z)
    c.box(u + half * 0.72, foot - 0.2 * tall, half * 0.2, 0.2 * tall, (0.04, 0.04, 0.045), ts.CAR, t.z)
    c.taper(u, foot - tall, half * 0.7, half * 0.92, 0.42 * tall, paint * 0.95, ts.CAR, t.z)
    c.taper(u, foot - 0.95 * tall, half * 0.62, half * 0.8, 0.32 * tall, glass, ts.CAR, t.z)
    c.box(u, foot - 0.62 * tall, half, 0.5 * tall, paint, ts.CAR, t.z)
    c.box(u, foot - 0.24 * tall, half * 0.96, 0.1 * tall, paint * 0.4, ts.CAR, t.z)
    lamp = np.array([0.75, 0.06, 0.05] if t.x > -0.8 else [0.95, 0.95, 0.85]) * c.rng.uniform(0.6, 1.1)
    for end in (-1, 1):
        c.box(u + end * 0.8 * half, foot - 0.52 * tall, 0.16 * half, 0.12 * tall, lamp, ts.CAR, t.z)
    c.box(u, foot - 0.38 * tall, 0.28 * half, 0.09 * tall, (0.9, 0.9, 0.85), ts.CAR, t.z)


def _large_vehicle(c: Canvas, t: Thing) -> None:
    """Truck, bus or tram: a tall box, its flank, a window or a tarpaulin."""
    s = c.scene
    paint, second = c.colour(0.9, 0.2, 0.85), c.colour(0.9, 0.2, 0.85)
    length = {ts.TRUCK: 8.0, ts.BUS: 11.0, ts.TRAIN: 26.0}[t.kind]
    glass = np.array([0.1, 0.13, 0.18]) + c.rng.uniform(0, 0.2)
    stripes = max(2.0, length / 1.6)
    for step in np.linspace(1, 0, max(6, min(24, c.size // 8)), endpoint=False).tolist():
        z = t.z + length * step
        u, foot, half, tall = s.u(t.x, z), s.v(0, z), s.fx * t.width / z / 2, s.fy * t.height / z
        c.box(u, foot - tall, half, 0.92 * tall, paint * (0.8 if t.x * c.sun < 0 else 0.55), t.kind, z)
        if t.kind != ts.TRUCK and (step * stripes) % 1 < 0.7:
            c.box(u, foot - 0.82 * tall, half, 0.34 * tall, glass, t.kind, z)
    u, foot, half, tall = s.u(t.x, t.z), s.v(0, t.z), s.fx * t.width / t.z / 2, s.fy * t.height / t.z
    c.box(u, foot - tall, half, 0.93 * tall, paint, t.kind, t.z)
    if t.kind == ts.TRUCK:
        c.box(u, foot - 0.94 * tall, half * 0.9, 0.66 * tall, second, t.kind, t.z)
        c.box(u, foot - 0.94 * tall, half * 0.05, 0.66 * tall, second * 0.6, t.kind, t.z)
    else:
        c.box(u, foot - 0.84 * tall, half * 0.86, 0.42 * tall, glass, t.kind, t.z)
        c.box(u, foot - 0.96 * tall, half * 0.6, 0.08 * tall, (0.95, 0.75, 0.2), t.kind, t.z)
    c.box(u, foot - 0.2 * tall, half, 0.06 * tall, second, t.kind, t.z)
    for end in (-1, 1):
        c.box(u + end * half * 0.7, foot - 0.1 * tall, half * 0.22, 0.1 * tall, (0.04, 0.04, 0.05), t.kind, t.z)
        c.box(u + end * half * 0.82, foot - 0.24 * tall, half * 0.12, 0.06 * tall, (0.8, 0.1, 0.1), t.kind, t.z)


def _figure(c: Canvas, t: Thing, kind: int, lift: float) -> None:
    """A person of `t.height`, its feet `lift` metres above the ground."""
    s = c.scene
    half, tall = max(s.fx * t.width / t.z / 2, 0.016), s.fy * t.height / t.z * (1 - lift)
    u, foot = s.u(t.x, t.z), s.v(lift * t.height, t.z)
    skin = np.array([0.85, 0.65, 0.52]) * c.rng.uniform(0.4, 1.1)
    coat, legs = c.colour(0.9, 0.08, 0.8), c.colour(0.35, 0.06, 0.5)
    stride = 0.25 + 0.35 * t.shape[0]
    for end in (-1, 1):
        c.box(u + end * half * stride, foot - 0.48 * tall, half * 0.32, 0.48 * tall, legs, kind, t.z)
    c.taper(u, foot - 0.84 * tall, half * 0.85, half * 0.7, 0.42 * tall, coat, kind, t.z)
    c.disc(u, foot - 0.92 * tall, half * 0.5, 0.09 * tall, skin, kind, t.z)


def _person(c: Canvas, t: Thing) -> None:
    _figure(c, t, ts.PERSON, 0.0)


def _wheels(c: Canvas, t: Thing, kind: int, colour: Any) -> None:
    """Two wheels apart by the width of the thing, and a frame between them."""
    s = c.scene
    u, foot = s.u(t.x, t.z), s.v(0, t.z)
    radius = min(0.36, t.width * 0.35)
    a, b = max(s.fx * radius / t.z, 0.012), s.fy * 0.36 / t.z
    spread = max(s.fx * (t.width / 2 - radius * 0.8) / t.z, 0.004)
    for end in (-1, 1):
        c.disc(u + end * spread, foot - b, a, b, (0.05, 0.05, 0.06), kind, t.z)
    c.box(u, foot - 2.3 * b, max(spread, 0.012), 1.3 * b, colour, kind, t.z)


def _rider(c: Canvas, t: Thing) -> None:
    _figure(c, t, ts.RIDER, 0.22)
    _wheels(c, t, ts.BICYCLE, c.colour(0.8, 0.1, 0.7))


def _bicycle(c: Canvas, t: Thing) -> None:
    _wheels(c, t, ts.BICYCLE, c.colour(0.8, 0.1, 0.7))


def _motorcycle(c: Canvas, t: Thing) -> None:
    colour = c.colour(0.9, 0.1, 0.7)
    _wheels(c, t, ts.MOTORCYCLE, colour)
    s = c.scene
    tall = s.fy * t.height / t.z
    half = max(s.fx * t.width / t.z / 2, 0.015)
    c.box(s.u(t.x, t.z), s.v(t.height, t.z), half, 0.12 * tall, (0.1, 0.1, 0.1), ts.MOTORCYCLE, t.z)
    c.box(s.u(t.x, t.z), s.v(t.height * 0.88, t.z), half * 0.6, 0.5 * tall, colour, ts.MOTORCYCLE, t.z)


_PAINTERS: dict[int, Callable[[Canvas, Thing], None]] = {
    ts.POLE: _lamp_post,
    ts.LIGHT: _traffic_light,
    ts.SIGN: _traffic_sign,
    ts.VEGETATION: _tree,
    ts.CAR: _car,
    ts.TRUCK: _large_vehicle,
    ts.BUS: _large_vehicle,
    ts.TRAIN: _large_vehicle,
    ts.PERSON: _person,
    ts.RIDER: _rider,
    ts.BICYCLE: _bicycle,
    ts.MOTORCYCLE: _motorcycle,
}


# --- light, and the car that carries the camera ---------------------------------------------------------------


def _light(c: Canvas) -> None:
    """Haze by depth, colour temperature, exposure and contrast."""
    rng = c.rng
    haze = np.array([0.78, 0.82, 0.88], np.float32) * np.float32(rng.uniform(0.75, 1.08))
    veil = 1 - np.exp(-c.depth / np.float32(rng.choice([60, 130, 400])))
    veil = np.where(c.ids == ts.SKY, 0.25 * veil, veil)[..., None]
    warmth = rng.uniform(-0.14, 0.16)
    gain = np.array([1 + warmth, 1 + 0.15 * warmth, 1 - warmth]) * rng.uniform(0.68, 1.15)
    lit = (c.photo * (1 - veil) + haze * veil) * gain.astype(np.float32)
    c.photo = np.clip(lit, 0, 1.2) ** np.float32(rng.uniform(0.8, 1.15))


def _bonnet(c: Canvas) -> None:
    """The own car's bonnet: void, as in Cityscapes."""
    top, sag = c.scene.bonnet
    edge = top + sag * (2 * (c.centres - 0.5)) ** 2
    mask = c.centres[:, None] > edge[None, :]
    paint = c.colour(0.15, 0.08, 0.35)
    gloss = 1 + 0.8 * np.clip(1 - (c.centres[:, None] - edge[None, :]) * 30, 0, 1)
    everything = slice(0, c.size)
    c.put(everything, everything, mask, paint * gloss[..., None], ts.VOID, 0.5)
