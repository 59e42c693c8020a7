"""Text for a drawing: broken into lines that fit a width, without asking any font.

Widths are those of a plain sans-serif face, rounded up, so that what fits here fits in a browser and on paper.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from html import escape
from textwrap import wrap

_FORBIDDEN = re.compile(r"[^\t\n\x20-\ud7ff\ue000-\ufffd]")
"""Whatever XML 1.0 (2.2) has no place for."""
EM = {"regular": 0.47, "bold": 0.54}
"""How wide a character is on average, in parts of the font size."""
LEADING = 1.35


@dataclass(frozen=True, kw_only=True)
class Style:
    """How lines are set."""

    size: int
    weight: str = "regular"
    kind: str = "text"
    """The class of the element, for the style sheet of the drawing."""

    @property
    def line(self) -> float:
        """From one line to the next."""
        return self.size * LEADING


@dataclass(frozen=True, kw_only=True)
class Lines:
    """Text that was broken for a width."""

    lines: tuple[str, ...]
    style: Style

    @property
    def height(self) -> float:
        return len(self.lines) * self.style.line

    def at(self, x: float, y: float) -> list[str]:
        """As SVG, the first line below `y`."""
        first = y + self.style.size
        return [
            f'<text class="{self.style.kind}" x="{x:g}" y="{first + n * self.style.line:g}">{safe(line)}</text>'
            for n, line in enumerate(self.lines)
        ]


def broken(text: str, width: float, style: Style, *, bullet: str = "") -> Lines:
    """The text in lines; with a bullet, the following lines stand below its first word."""
    most = max(8, int(width / (style.size * EM[style.weight])))
    indent = "\u2003" if bullet else ""
    lines = wrap(" ".join(text.split()), most, initial_indent=bullet, subsequent_indent=indent)
    return Lines(lines=tuple(lines) or (bullet,), style=style)


def together(blocks: Iterable[Lines]) -> float:
    """How high these are below each other."""
    return sum(block.height for block in blocks)


def safe(text: str) -> str:
    """Text inside an element or an attribute."""
    return escape(_FORBIDDEN.sub("", text), quote=True)
