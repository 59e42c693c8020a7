"""Measure how long the functions are; used by `make check` and by tests/architecture.

Counts lines from `def` to the last statement, decorators and docstring left out: a long explanation is no fault.
Must not judge anything else; style is ruff's business.
"""

import ast
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

LIMIT = 60
SHOWN = 10


@dataclass(frozen=True, kw_only=True)
class Measured:
    path: Path
    line: int
    name: str
    lines: int

    def __str__(self) -> str:
        return f"{self.lines:4}  {self.path}:{self.line}  {self.name}"


def lengths_in(path: Path, text: str) -> Iterator[Measured]:
    """Every function of one file, nested ones and methods included."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield Measured(path=path, line=node.lineno, name=node.name, lines=_lines_of(node))


def lengths_under(root: Path) -> list[Measured]:
    """Every function below a folder, longest first."""
    found = [m for path in sorted(root.rglob("*.py")) for m in lengths_in(path, path.read_text("utf-8"))]
    return sorted(found, key=lambda measured: -measured.lines)


def summary(measured: list[Measured]) -> str:
    if not measured:
        return "no functions yet"
    sizes = sorted(m.lines for m in measured)
    median, most = sizes[len(sizes) // 2], sizes[int(len(sizes) * 0.9)]
    longest = "\n".join(str(m) for m in measured[:SHOWN])
    return f"{len(sizes)} functions: median {median} lines, nine in ten up to {most}\n{longest}"


def _lines_of(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    whole = (node.end_lineno or node.lineno) - node.lineno + 1
    if ast.get_docstring(node) is None:
        return whole
    docstring = node.body[0]
    return whole - ((docstring.end_lineno or docstring.lineno) - docstring.lineno + 1)


def main(folders: list[str]) -> int:
    measured = [m for folder in folders or ["service"] for m in lengths_under(Path(folder))]
    measured.sort(key=lambda m: -m.lines)
    print(summary(measured))
    too_long = [m for m in measured if m.lines > LIMIT]
    if too_long:
        print(
            f"{len(too_long)} over {LIMIT} lines: split where the function gets its second reason to change."
        )
    return 1 if too_long else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
