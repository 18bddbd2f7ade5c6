"""Geometry of a toycity scene: what stands where, in metres, independent of the image size.

A pinhole camera looks along +z down a street. A point (x, y, z) in metres (x right, y up from the ground) is
seen at `u = cx + fx * x / z`, `v = horizon + fy * (cam - y) / z`, both in [0, 1] from the top left corner.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

ROAD, SIDEWALK, BUILDING, WALL, FENCE, POLE, LIGHT, SIGN, VEGETATION, TERRAIN = range(10)
SKY, PERSON, RIDER, CAR, TRUCK, BUS, TRAIN, MOTORCYCLE, BICYCLE = range(10, 19)
VOID = 255

FAR = 110.0  # metres: where rows of houses end and the skyline begins
_THIN = 0.0085  # half width in image units below which nothing is drawn: about half a pixel at 64 px

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class Row:
    """One side of the street: segments along z in the plane `x = side * plane`.

    Attributes:
        side: -1 left, +1 right.
        plane: distance of the plane from the camera axis, metres.
        ends: (n,) z at which each segment ends, rising.
        kinds: (n,) train ids: building, wall, fence, vegetation, or sky for a gap.
        heights: (n,) metres.
        wobble: (n, 2) phases of the uneven top of vegetation.
    """

    side: int
    plane: float
    ends: FloatArray
    kinds: NDArray[np.uint8]
    heights: FloatArray
    wobble: FloatArray


@dataclass(frozen=True)
class Thing:
    """An upright object with its foot at (x, z); `shape` holds numbers in [0, 1) that set its form."""

    kind: int
    x: float
    z: float
    width: float
    height: float
    shape: tuple[float, ...]


@dataclass(frozen=True)
class Scene:
    """Everything that the label map depends on.

    Attributes:
        bounds: (m,) rising x at which the kind of ground changes.
        ground: (m + 1,) train ids of the strips between `bounds`.
        kerbs: x of the left and right edge of the road.
        crossing: z range of a road that crosses, or None.
        rows: rows of houses and hedges, in painting order.
        skyline: (k, 2) width in u and height in v above the horizon; `skyline_kinds` their train ids.
        things: far to near.
        bonnet: v of the top of the own car's bonnet at the middle, and how far its ends hang below.
    """

    cx: float
    horizon: float
    fx: float
    fy: float
    cam: float
    bounds: FloatArray
    ground: NDArray[np.uint8]
    kerbs: tuple[float, float]
    crossing: tuple[float, float] | None
    rows: tuple[Row, ...]
    skyline: FloatArray
    skyline_kinds: NDArray[np.uint8]
    things: tuple[Thing, ...]
    bonnet: tuple[float, float]

    def u(self, x: float, z: float) -> float:
        """Horizontal image coordinate of a point."""
        return self.cx + self.fx * x / z

    def v(self, y: float, z: float) -> float:
        """Vertical image coordinate of a point."""
        return self.horizon + self.fy * (self.cam - y) / z


def build(rng: np.random.Generator) -> Scene:
    """Draw a scene from `rng`."""
    cx, horizon = rng.uniform(0.40, 0.60), rng.uniform(0.40, 0.50)
    fx, fy, cam = rng.uniform(0.72, 0.88), rng.uniform(1.35, 1.6), rng.uniform(1.3, 1.7)
    kerbs = (-rng.uniform(3.2, 6.5), rng.uniform(2.4, 4.8))
    left, right = (_profile(rng, abs(kerb)) for kerb in kerbs)
    bounds = [-b for b in reversed(left[0])] + list(right[0])
    ground = [*reversed(left[1]), ROAD, *right[1]]
    crossing = None
    if rng.random() < 0.3:
        start = rng.uniform(12, 35)
        crossing = (start, start + rng.uniform(6, 10))
    rows: list[Row] = []
    for side, (edges, _) in ((-1, left), (1, right)):
        front = _row(rng, side, edges[-1], crossing, back=False)
        rows += [_row(rng, side, edges[-1] + rng.uniform(5, 9), None, back=True), front]
    widths = rng.uniform(0.04, 0.12, 24)
    skyline = np.stack([widths, rng.uniform(0.02, 0.13, 24)], axis=1)
    things = [
        *_street_furniture(rng, -1, left),
        *_street_furniture(rng, 1, right),
        *_traffic(rng, kerbs),
        *_people(rng, kerbs, left, right),
    ]
    return Scene(
        cx=cx,
        horizon=horizon,
        fx=fx,
        fy=fy,
        cam=cam,
        bounds=np.array(bounds),
        ground=np.array(ground, dtype=np.uint8),
        kerbs=kerbs,
        crossing=crossing,
        rows=tuple(rows),
        skyline=skyline,
        skyline_kinds=rng.choice(np.array([BUILDING, BUILDING, VEGETATION], dtype=np.uint8), 24),
        things=tuple(sorted(things, key=lambda thing: -thing.z)),
        bonnet=(rng.uniform(0.925, 0.96), rng.uniform(0.03, 0.07)),
    )


def thin(width: float, scale: float) -> float:
    """Half width in image units of something `width` metres wide, never too thin to be drawn at 64 px."""
    return max(width * scale / 2, _THIN)


def _profile(rng: np.random.Generator, kerb: float) -> tuple[list[float], list[int]]:
    """Strips of ground from the kerb outwards: their inner edges (last: the house front) and train ids."""
    edges, kinds = [kerb], []
    if rng.random() < 0.4:
        kinds.append(TERRAIN)
        edges.append(edges[-1] + rng.uniform(1.0, 2.5))
    kinds.append(SIDEWALK)
    edges.append(edges[-1] + rng.uniform(2.2, 5.0))
    if rng.random() < 0.45:
        kinds.append(TERRAIN)
        edges.append(edges[-1] + rng.uniform(1.5, 4.0))
    return edges, [*kinds, TERRAIN]


def _row(
    rng: np.random.Generator, side: int, plane: float, crossing: tuple[float, float] | None, *, back: bool
) -> Row:
    ends: list[float] = []
    kinds: list[int] = []
    heights: list[float] = []
    z = 2.0
    weights = [0.35, 0.0, 0.0, 0.65] if back else [0.50, 0.15, 0.20, 0.15]
    while z < FAR:
        kind = int(rng.choice([BUILDING, WALL, FENCE, VEGETATION], p=weights))
        length = rng.uniform(7, 18) if kind == BUILDING else rng.uniform(5, 14)
        low, high = {BUILDING: (6.0, 17.0), WALL: (1.5, 3.2), FENCE: (1.2, 2.4), VEGETATION: (2.0, 6.5)}[kind]
        height = rng.uniform(low, high)
        if crossing and z < crossing[1] and z + length > crossing[0]:
            if z < crossing[0]:  # this one stops at the corner; the side street follows
                ends.append(crossing[0])
                kinds.append(kind)
                heights.append(height)
            kind, height, length = SKY, 0.0, crossing[1] - z
        z += length
        ends.append(z)
        kinds.append(kind)
        heights.append(height)
    wobble = rng.uniform(0, 2 * np.pi, (len(ends), 2))
    return Row(side, plane, np.array(ends), np.array(kinds, dtype=np.uint8), np.array(heights), wobble)


def _thing(rng: np.random.Generator, kind: int, x: float, z: float, width: float, height: float) -> Thing:
    return Thing(kind, float(x), float(z), float(width), float(height), tuple(rng.random(8).tolist()))


def _street_furniture(
    rng: np.random.Generator, side: int, profile: tuple[list[float], list[int]]
) -> list[Thing]:
    """Trees, lamp posts, traffic lights and signs along one kerb."""
    edges, _ = profile
    near = edges[0] + 0.5
    things: list[Thing] = []
    z = rng.uniform(6, 12)
    while z < 60:
        what = rng.random()
        if what < 0.3:
            things.append(_thing(rng, POLE, side * near, z, 0.18, rng.uniform(5.0, 8.5)))
        elif what < 0.6:
            things.append(_thing(rng, SIGN, side * near, z, rng.uniform(0.8, 1.2), rng.uniform(2.4, 3.4)))
        else:
            things.append(_thing(rng, LIGHT, side * near, z, rng.uniform(0.55, 0.7), rng.uniform(3.2, 4.6)))
        z += rng.uniform(6, 16)
    if rng.random() < 0.6:
        z, line = rng.uniform(8, 16), rng.uniform(edges[0] + 0.9, edges[-1])
        while z < 70:
            height = rng.uniform(4.5, 9.0)
            things.append(_thing(rng, VEGETATION, side * line, z, height * rng.uniform(0.5, 0.75), height))
            z += rng.uniform(7, 18)
    return things


def _traffic(rng: np.random.Generator, kerbs: tuple[float, float]) -> list[Thing]:
    """Parked and moving vehicles on the road."""
    things: list[Thing] = []
    for side, kerb in zip((-1, 1), kerbs, strict=True):
        if rng.random() < 0.6:
            z = rng.uniform(7, 14)
            while z < 60:
                if rng.random() < 0.7:
                    things.append(_thing(rng, CAR, kerb - side * 1.05, z, rng.uniform(1.7, 1.95), 1.55))
                z += rng.uniform(6, 9)
    for _ in range(rng.integers(1, 4)):
        lane = rng.choice([-2.2, 0.2]) + rng.uniform(-0.4, 0.4)
        things.append(
            _thing(rng, CAR, lane, rng.uniform(9, 45), rng.uniform(1.7, 2.0), rng.uniform(1.4, 1.8))
        )
    if rng.random() < 0.5:
        kind = int(rng.choice([TRUCK, BUS, TRAIN], p=[0.42, 0.42, 0.16]))
        lane = rng.choice([kerbs[0] + 1.7, -1.8, 0.3])
        things.append(_thing(rng, kind, lane, rng.uniform(12, 38), 2.6, rng.uniform(2.9, 3.7)))
    if rng.random() < 0.35:
        x = rng.uniform(kerbs[0] + 0.6, kerbs[1] - 0.6)
        things.append(_thing(rng, MOTORCYCLE, x, rng.uniform(7, 20), 0.9, 1.2))
    return things


def _people(
    rng: np.random.Generator,
    kerbs: tuple[float, float],
    left: tuple[list[float], list[int]],
    right: tuple[list[float], list[int]],
) -> list[Thing]:
    """People on the pavements (a few on the road), cyclists, parked bicycles."""
    things: list[Thing] = []
    for _ in range(rng.integers(2, 7)):
        side, edges = (-1, left[0]) if rng.random() < 0.5 else (1, right[0])
        x = side * rng.uniform(edges[0] + 0.3, edges[-1] - 0.4)
        if rng.random() < 0.15:
            x = rng.uniform(*kerbs)
        things.append(
            _thing(rng, PERSON, x, rng.uniform(6, 26), rng.uniform(0.5, 0.65), rng.uniform(1.5, 1.9))
        )
    for _ in range(rng.integers(0, 3)):
        x = rng.uniform(kerbs[0] + 0.5, kerbs[1] - 0.3)
        things.append(_thing(rng, RIDER, x, rng.uniform(8, 24), rng.uniform(0.5, 1.5), rng.uniform(1.7, 1.9)))
    if rng.random() < 0.4:
        side, edges = (-1, left[0]) if rng.random() < 0.5 else (1, right[0])
        things.append(_thing(rng, BICYCLE, side * (edges[0] + 0.8), rng.uniform(6, 16), 1.6, 1.1))
    return things
