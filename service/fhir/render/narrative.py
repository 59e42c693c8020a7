"""The narrative `text` of what is written: what a clinician reads when no system renders the structured part.

Made from the structured resource or from words given; everything is escaped (R4 Narrative: XHTML, no active content).
Wording names the gap in the pathway, never anybody's fault.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

XHTML = "http://www.w3.org/1999/xhtml"
_FORBIDDEN = re.compile(r"[^\t\n\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Whatever is not a character of XML 1.0 (2.2), and carriage returns, which mean nothing in XHTML."""


@dataclass(frozen=True, kw_only=True)
class Section:
    """A heading and its lines; a section without lines is left out unless it says what that means."""

    title: str
    lines: Sequence[str]
    when_empty: str = ""


def narrative(title: str, lines: Iterable[str], sections: Iterable[Section] = ()) -> dict[str, Any]:
    """A generated Narrative: a title, a few lines, then lists under headings."""
    parts = [_element("p", _element("b", _text(title)))]
    parts += [_element("p", _text(line)) for line in lines if line]
    parts += [part for section in sections for part in _section(section)]
    return {"status": "generated", "div": f'<div xmlns="{XHTML}">{"".join(parts)}</div>'}


def _section(section: Section) -> list[str]:
    lines = [line for line in section.lines if line] or ([section.when_empty] if section.when_empty else [])
    if not lines:
        return []
    items = "".join(_element("li", _text(line)) for line in lines)
    return [_element("p", _element("b", _text(section.title))), _element("ul", items)]


def _element(name: str, content: str) -> str:
    return f"<{name}>{content}</{name}>"


def _text(words: str) -> str:
    """Escaped, without characters that XML 1.0 forbids (a control character would make the whole resource invalid)."""
    return escape(_FORBIDDEN.sub("", words), quote=True)
