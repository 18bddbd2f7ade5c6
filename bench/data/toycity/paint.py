"""Appearance of a toycity scene: colours, textures, light and weather over a given geometry."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.data.toycity import scene as ts
from bench.data.toycity.canvas import Array, Canvas, foliage, green
from bench.data.toycity.scene import Row, Scene
from bench.data.toycity.things import draw


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
        draw(canvas, thing)
    _light(canvas)
    _bonnet(canvas)
    noise = rng.uniform(0.006, 0.02)
    photo = canvas.photo + noise * canvas.white[::-1, :, None]
    return (np.clip(photo, 0, 1) * 255 + 0.5).astype(np.uint8), canvas.ids


# --- background ---------------------------------------------------------------


def _sky(c: Canvas) -> None:
    overcast = c.rng.random() < 0.4
    day = c.rng.uniform(0.8, 1.0) if c.rng.random() < 0.65 else c.rng.uniform(0.3, 0.8)  # or dusk
    zenith = (
        np.array([0.62, 0.66, 0.70] if overcast else [0.25, 0.48, 0.82]) + c.rng.uniform(-0.08, 0.08)
    ) * day
    rim = (np.array([0.85, 0.88, 0.92]) + c.rng.uniform(-0.08, 0.05, 3)) * day
    height = np.clip(c.centres / c.scene.horizon, 0, 1)[:, None]
    gradient = zenith * (1 - height) + rim * height
    clouds = np.clip(c.smooth * c.rng.uniform(0.5, 0.9) + c.rng.uniform(-0.6, 0.5), 0, 1)[..., None]
    c.photo[:] = gradient[:, None, :] * (1 - clouds) + np.float32(c.rng.uniform(0.8, 1.0) * day) * clouds
    c.ids[c.span(0, c.scene.horizon)] = ts.SKY


def _skyline(c: Canvas) -> None:
    """Distant houses and trees along the horizon."""
    u = c.scene.cx - float(c.scene.skyline[:, 0].sum()) / 2
    for (width, height), kind in zip(c.scene.skyline.tolist(), c.scene.skyline_kinds.tolist(), strict=True):
        rows, cols = c.span(c.scene.horizon - height, c.scene.horizon + 0.02), c.span(u, u + width)
        u += width
        if kind == ts.VEGETATION:
            colour = foliage(c, rows, cols, green(c), 0.5)
        else:
            windows = 1 + 0.16 * np.sign(c.white[rows, cols, None])
            colour = np.asarray(c.colour(0.4, 0.35, 0.75) * windows, dtype=np.float32)
        c.put(rows, cols, None, colour, kind, 150.0)


def _ground(c: Canvas) -> None:
    s, rng = c.scene, c.rng
    rows = c.span(s.horizon, 1.0)
    z: Array = (s.fy * s.cam / (c.centres[rows] - s.horizon)).astype(np.float32)[:, None]
    x: Array = ((c.centres - s.cx)[None, :] * z / s.fx).astype(np.float32)
    strip = np.searchsorted(s.bounds, x)
    ids = s.ground[strip]
    if s.crossing:
        inside = (z[:, 0] > s.crossing[0]) & (z[:, 0] < s.crossing[1])
        ids[inside] = ts.ROAD
    rough, white = c.rough[rows], c.white[rows]
    table = np.zeros((256, 3), np.float32)
    table[ts.ROAD] = c.colour(0.08, 0.26, 0.45)
    table[ts.SIDEWALK] = c.colour(0.22, 0.42, 0.68)
    table[ts.TERRAIN] = green(c) * 1.25
    colour: Array = table[ids]
    grain = np.float32(rng.uniform(0.05, 0.12)) * white + np.float32(rng.uniform(0.05, 0.12)) * rough
    tile, phase = rng.uniform(0.5, 1.0), rng.random(2)
    joints = ((x / tile + phase[0]) % 1 < 0.16) | ((z / (1.6 * tile) + phase[1]) % 1 < 0.16)
    setts = np.where(joints, np.float32(-rng.uniform(0.15, 0.35)), 0.12 * np.sign(white))
    modulation = np.select([ids == ts.SIDEWALK, ids == ts.TERRAIN], [setts + grain, 3.2 * grain], grain)
    if rng.random() < 0.25:  # cobbles
        modulation = modulation + np.where((ids == ts.ROAD) & joints, np.float32(-0.2), np.float32(0))
    colour *= (1 + np.maximum(modulation, -0.8))[..., None].astype(np.float32)
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


# --- rows of houses, walls, fences and hedges ---------------------------------


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
        colour[:, chosen] = foliage(c, everything, cols, green(c), 0.55)[:, chosen]
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
    behind = green(c) * 0.7 * np.clip(1 + 0.5 * white, 0.2, 2)[..., None]
    rail = (y % 0.9) < 0.15
    return np.asarray(
        np.where((gap & ~rail)[..., None], behind, c.colour(0.35, 0.15, 0.85)), dtype=np.float32
    )


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


# --- light, and the car that carries the camera -------------------------------


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
