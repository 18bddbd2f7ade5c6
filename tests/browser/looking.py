"""What a test sees of a page."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Seen:
    """A page, and what a person with open developer tools would see of it."""

    page: Any
    problems: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    def pixel(self, x: float, y: float) -> tuple[int, ...]:
        """(r, g, b) of the viewer's canvas at a share of its width and height."""
        code = """([x, y]) => {
            const canvas = document.getElementById("viewer-canvas");
            const at = [Math.floor(x * canvas.width), Math.floor(y * canvas.height)];
            return [...canvas.getContext("2d").getImageData(...at, 1, 1).data].slice(0, 3);
        }"""
        return tuple(self.page.evaluate(code, [x, y]))


Open = Callable[..., Any]
