"""How each kind of thing in a toycity scene is painted: poles, signs, trees, vehicles, people."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from bench.data.toycity import scene as ts
from bench.data.toycity.canvas import Canvas, foliage, green
from bench.data.toycity.scene import Thing, thin


def draw(c: Canvas, t: Thing) -> None:
    """Paint one thing and its shadow."""
    _cast_shadow(c, t)
    _PAINTERS[t.kind](c, t)


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
    colour = foliage(c, rows, cols, green(c), 0.6)
    colour = colour * np.clip(1 - 0.3 * dv - c.sunny * 0.3 * c.sun * -du, 0.4, 1.7)[..., None]
    c.put(rows, cols, mask, colour, ts.VEGETATION, t.z)


def _flank(
    c: Canvas, t: Thing, length: float, low: float, high: float, colour: Any, inset: float = 1.0
) -> None:
    """The long side that the camera sees of a vehicle, between two heights (shares of its own)."""
    s = c.scene
    near_u, far_u = s.u(t.x, t.z), s.u(t.x, t.z + length)
    turn = -1 if near_u > s.cx else 1
    ends = []
    for u, z in ((near_u, t.z), (far_u, t.z + length)):
        x = u + turn * inset * s.fx * t.width / z / 2
        ends.append((x, s.v(high * t.height, z), s.v(low * t.height, z)))
    if (ends[1][0] - ends[0][0]) * turn > 0:
        c.flank(ends[0], ends[1], colour, t.kind, t.z + length / 3)


def _car(c: Canvas, t: Thing) -> None:
    """Rear or front view, with the flank that the camera sees."""
    s = c.scene
    paint = c.colour(0.9, 0.08, 0.85)
    half, tall = s.fx * t.width / t.z / 2, s.fy * t.height / t.z
    u, foot = s.u(t.x, t.z), s.v(0, t.z)
    glass = np.array([0.10, 0.13, 0.17]) + c.rng.uniform(0, 0.25)
    tone = paint * (0.8 if t.x * c.sun < 0 else 0.55)
    _flank(c, t, 3.0, 0.55, 1.0, tone, 0.7)
    _flank(c, t, 2.9, 0.60, 0.94, glass, 0.74)
    _flank(c, t, 4.1, 0.10, 0.62, tone)
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
    side = paint * (0.85 if t.x * c.sun < 0 else 0.6)
    _flank(c, t, length, 0.08, 1.0, side)
    if t.kind != ts.TRUCK:
        _flank(c, t, length, 0.46, 0.84, glass)
    else:
        _flank(c, t, length, 0.08, 0.3, side * 0.4)
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
        c.box(
            u + end * half * 0.7, foot - 0.1 * tall, half * 0.22, 0.1 * tall, (0.04, 0.04, 0.05), t.kind, t.z
        )
        c.box(
            u + end * half * 0.82, foot - 0.24 * tall, half * 0.12, 0.06 * tall, (0.8, 0.1, 0.1), t.kind, t.z
        )


def _figure(c: Canvas, t: Thing, kind: int, lift: float) -> None:
    """A person of `t.height`, its feet `lift` metres above the ground."""
    s = c.scene
    half, tall = max(s.fx * min(t.width, 0.6) / t.z / 2, 0.016), s.fy * t.height / t.z * (1 - lift)
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
