"""What a test sees of a page."""

from __future__ import annotations

import re
import zlib
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
PAPER = {"A4": (718, 1047), "Letter": (740, 980)}  # CSS pixels within margins of 1 cm


def printed(page: Any, paper: str) -> list[bytes]:
    """What Chromium draws on each sheet of paper, as PDF operators."""
    pdf = page.pdf(format=paper, margin=dict.fromkeys(("top", "right", "bottom", "left"), "1cm"))
    found = re.findall(rb"(?:^|\n)(\d+) 0 obj\s(.*?)\nendobj", pdf, re.DOTALL)
    objects = {int(number): content for number, content in found}
    sheets = []
    for content in objects.values():
        if re.search(rb"/Type /Page\b", content):
            drawn = objects[int(re.search(rb"/Contents (\d+)", content)[1])]  # type: ignore[index]
            stream = re.search(rb"stream\r?\n(.*)\nendstream", drawn, re.DOTALL)
            sheets.append(zlib.decompress(stream[1]))  # type: ignore[index]
    return sheets


def filled(sheet: bytes) -> int:
    """How much stands on a sheet: letters, and 60 for each image."""
    letters = sum(len(shown) // 4 for shown in re.findall(rb"<([0-9A-Fa-f]+)> Tj", sheet))
    return letters + 60 * len(re.findall(rb" Do\b", sheet))


def fills(sheet: bytes) -> set[str]:
    """The colours that areas of a sheet are filled with: "#0173b2"."""
    found = re.findall(rb"([\d.]+) ([\d.]+) ([\d.]+) rg\b", sheet)
    return {"#" + "".join(f"{round(255 * float(part)):02x}" for part in colour) for colour in found}
