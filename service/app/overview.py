"""The overview as HTML: landmarks, headings and plain tables, no script, nothing from elsewhere; every value escaped.

Knows nothing of where the numbers come from, and has no field that could hold something about a person.
"""

from __future__ import annotations

from base64 import b64encode
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from html import escape

from service.domain.vocabulary import Timeliness

RESPONSE = "response"
"""Standing of a Task that answers an escalation; it has no clocks of its own pathway."""
STANDINGS: Mapping[str, str] = {
    Timeliness.ACCEPTANCE_OVERDUE: "Not accepted by its time",
    Timeliness.OVERDUE: "Not completed by its time",
    Timeliness.AWAITING_ACCEPTANCE: "Waiting to be accepted",
    Timeliness.ON_TRACK: "Accepted, in time",
    Timeliness.ON_HOLD: "On hold",
    RESPONSE: "Answer to an escalation",
}
"""As people read it, the most pressing first."""
LATE = frozenset({Timeliness.ACCEPTANCE_OVERDUE.value, Timeliness.OVERDUE.value})


@dataclass(frozen=True, kw_only=True)
class Enrolled:
    """One running enrolment, without the person."""

    reference: str
    pathway: str
    stage: str
    reached: str
    """How far the evidence reaches; further than `stage` where a gate holds it."""
    unmet: tuple[str, ...]
    missing: int
    title: str = ""
    """What the pathway is called by its file."""

    @property
    def held(self) -> bool:
        return self.reached not in {"", self.stage}

    @property
    def name(self) -> str:
        """The pathway as people read it; escaped."""
        return escape(self.title) or _words(self.pathway)


@dataclass(frozen=True, kw_only=True)
class Overview:
    """What the page shows."""

    enrolled: tuple[Enrolled, ...] = ()
    follow_ups: Counter[str] = field(default_factory=Counter)
    """Open follow-ups by timeliness."""
    escalations: int = 0
    problem: str = ""


def page(overview: Overview, base_url: str) -> str:
    """The whole page as HTML."""
    if overview.problem:
        body = f'<p class="problem" role="alert">{escape(overview.problem)}</p>'
    else:
        parts = [_figures(overview), _stages(overview.enrolled), _clocks(overview.follow_ups)]
        body = "\n".join([*parts, _worklist(overview.enrolled, base_url)])
    return _FRAME.format(body=body, style=_STYLE)


def policy() -> str:
    """The Content-Security-Policy of the page: its own style, known by its hash (CSP Level 3, 2.3.1), and nothing else."""
    digest = b64encode(sha256(_STYLE.encode()).digest()).decode()
    return (
        f"default-src 'none'; style-src 'sha256-{digest}'; "
        "frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
    )


def _figures(overview: Overview) -> str:
    late = sum(number for standing, number in overview.follow_ups.items() if standing in LATE)
    figures = (
        ("On a pathway", len(overview.enrolled), ""),
        ("Held by a gate", sum(e.held for e in overview.enrolled), ""),
        ("Open follow-ups", overview.follow_ups.total(), ""),
        ("Past their time", late, "late" if late else ""),
        ("Running escalations", overview.escalations, "late" if overview.escalations else ""),
    )
    cells = "".join(
        f'<div class="{style}"><dt>{escape(name)}</dt><dd>{number}</dd></div>'
        for name, number, style in figures
    )
    return f'<dl aria-label="In short">{cells}</dl>'


def _stages(enrolled: Iterable[Enrolled]) -> str:
    counts = Counter((e.name, e.stage) for e in enrolled)
    held = Counter((e.name, e.stage) for e in enrolled if e.held)
    rows = [(name, _words(s), str(n), str(held[name, s])) for (name, s), n in sorted(counts.items())]
    return _table("stages", "People on each stage", ("Pathway", "Stage", "People", "Held by a gate"), rows)


def _clocks(follow_ups: Mapping[str, int]) -> str:
    known = [(words, follow_ups[code]) for code, words in STANDINGS.items() if follow_ups.get(code)]
    others = [(code, number) for code, number in sorted(follow_ups.items()) if code not in STANDINGS]
    rows = [(escape(words), str(number)) for words, number in [*known, *others]]
    return _table("clocks", "Open follow-ups by their clocks", ("Standing", "Follow-ups"), rows)


def _worklist(enrolled: Iterable[Enrolled], base_url: str) -> str:
    rows = [
        (_link(e.reference, base_url), e.name, _words(e.stage), _words(e.reached) if e.held else "",
         ", ".join(_words(gate) for gate in e.unmet) or "none", str(e.missing))
        for e in sorted(enrolled, key=lambda e: (not e.held, e.name, e.stage, e.reference))
    ]  # fmt: skip
    head = ("Enrolment", "Pathway", "Stage", "Held before", "Gates not met yet", "Fields missing yet")
    return _table("worklist", "Enrolments, those held by a gate first", head, rows)


def _link(reference: str, base_url: str) -> str:
    return f'<a href="{escape(base_url)}/{escape(reference)}">{escape(reference)}</a>'


def _words(code: str) -> str:
    """`intake-review` as people read it; escaped."""
    text = code.replace("-", " ")
    return escape(text[:1].upper() + text[1:])


def _table(name: str, title: str, head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    """`rows` are HTML already; the first cell of each names the row."""
    columns = "".join(f'<th scope="col">{escape(each)}</th>' for each in head)
    lines = "".join(
        f'<tr><th scope="row">{first}</th>{"".join(f"<td>{cell}</td>" for cell in rest)}</tr>'
        for first, *rest in rows
    )
    heading = f'<section aria-labelledby="{name}"><h2 id="{name}">{escape(title)}</h2>'
    if not lines:
        return f"{heading}<p>None.</p></section>"
    # A wide table scrolls within itself; the label and the tab stop make that reachable without a mouse.
    return (
        f'{heading}<div class="wide" role="region" aria-labelledby="{name}" tabindex="0"><table>'
        f"<thead><tr>{columns}</tr></thead><tbody>{lines}</tbody></table></div></section>"
    )


_STYLE = """
:root{color-scheme:light dark;--ink:#1b2430;--soft:#51606f;--line:#d9dde2;--page:#fbfbf9;--card:#fff;--late:#a3221a}
@media(prefers-color-scheme:dark){:root{--ink:#e8ebee;--soft:#a9b4bf;--line:#38424d;--page:#14191f;--card:#1c232b;--late:#ff9b91}}
body{font:1rem/1.5 system-ui,sans-serif;margin:2rem auto;max-width:64rem;padding:0 1rem;color:var(--ink);background:var(--page)}
h1{font-size:1.7rem;margin:0} h2{font-size:1.15rem;margin:2.2rem 0 .4rem} p{margin:.3rem 0} a{color:inherit}
a:focus-visible,.wide:focus-visible{outline:3px solid #3b82c4;outline-offset:2px}
.skip{position:absolute;left:-99rem} .skip:focus{left:1rem;top:1rem;background:var(--card);padding:.5rem}
nav ul{display:flex;gap:1.2rem;list-style:none;padding:0;margin:.6rem 0}
dl{display:grid;grid-template-columns:repeat(auto-fit,minmax(9rem,1fr));gap:.8rem;margin:1.6rem 0}
dl div{background:var(--card);border:1px solid var(--line);border-radius:.5rem;padding:.7rem .9rem}
dt{color:var(--soft);font-size:.9rem} dd{margin:0;font-size:1.8rem;font-weight:600} .late dd{color:var(--late)}
.wide{overflow-x:auto} table{border-collapse:collapse;width:100%}
th,td{text-align:left;padding:.4rem .7rem;border-bottom:1px solid var(--line);vertical-align:top}
thead th{font-weight:600;color:var(--soft)} tbody th{font-weight:400}
.problem{background:var(--card);border-left:.3rem solid var(--late);padding:.8rem 1rem}
footer{margin-top:3rem;color:var(--soft);font-size:.9rem}
"""
_FRAME = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Throughline: overview</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>{style}</style></head><body>
<a class="skip" href="#main">To the overview</a>
<header><h1>Throughline</h1><p>Nobody falls between services.</p>
<nav aria-label="Operations"><ul><li><a href="/">Look again</a></li><li><a href="/readyz">Readiness</a></li>
<li><a href="/metrics">Metrics</a></li><li><a href="/openapi.json">API</a></li></ul></nav></header>
<main id="main">{body}</main>
<footer><p>Read from the record just now. Nothing about a person is shown here; the links lead into the record, where
access is controlled.</p></footer>
</body></html>
"""
