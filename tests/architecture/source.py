"""Reads the repository as text and syntax trees for the rules beside it; runs none of it."""

import ast
import io
import os
import tokenize
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

ROOT = Path(__file__).parents[2]

# Made by tools or by running; never part of what the project says. (.ci and other dotted folders of ours are read.)
NOT_OURS = {
    ".git", ".venv", "__pycache__", ".pytest_cache", ".mypy_cache", ".ruff_cache", ".import_linter_cache",
    ".hypothesis", ".throughline", ".demo", "build", "dist", "throughline.egg-info", "node_modules",
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Source:
    """One Python file: its path from the repository root, and its text."""

    path: str
    text: str

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.text)

    @cached_property
    def comments(self) -> dict[int, str]:
        """Line number -> comment without its hash."""
        tokens = tokenize.generate_tokens(io.StringIO(self.text).readline)
        return {t.start[0]: t.string.lstrip("# ").strip() for t in tokens if t.type == tokenize.COMMENT}

    @cached_property
    def names(self) -> dict[str, str]:
        """What an imported name stands for, wherever in the file it was imported: `dt` -> `datetime`."""
        found: dict[str, str] = {}
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                for alias in node.names:
                    root = alias.name.split(".")[0]
                    found[alias.asname or root] = alias.name if alias.asname else root
            elif isinstance(node, ast.ImportFrom) and node.module:
                found.update({a.asname or a.name: f"{node.module}.{a.name}" for a in node.names})
        return found

    @cached_property
    def imports(self) -> list[tuple[int, str]]:
        """(line, dotted name) of everything imported, absolute."""
        found: list[tuple[int, str]] = []
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                found += [(node.lineno, alias.name) for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.module:
                found += [(node.lineno, f"{node.module}.{alias.name}") for alias in node.names]
        return found

    def dotted(self, node: ast.expr) -> str:
        """`dt.datetime.now` -> 'datetime.datetime.now', through the file's own imports; '' for other shapes."""
        if isinstance(node, ast.Name):
            return self.names.get(node.id, node.id)
        if isinstance(node, ast.Attribute):
            left = self.dotted(node.value)
            return f"{left}.{node.attr}" if left else ""
        return ""

    def at(self, node_or_line: ast.AST | int) -> str:
        line = node_or_line if isinstance(node_or_line, int) else getattr(node_or_line, "lineno", 0)
        return f"{self.path}:{line}"


def python_files(folder: str) -> list[Source]:
    return [
        Source(path=path.relative_to(ROOT).as_posix(), text=path.read_text("utf-8"))
        for path in sorted((ROOT / folder).rglob("*.py"))
    ]


def text_files() -> Iterator[tuple[str, str]]:
    """(path, text) of every file of the repository that is text."""
    for folder, subfolders, names in os.walk(ROOT):
        subfolders[:] = sorted(set(subfolders) - NOT_OURS)
        for name in sorted(names):
            path = Path(folder, name)
            try:
                yield path.relative_to(ROOT).as_posix(), path.read_text("utf-8")
            except (UnicodeDecodeError, FileNotFoundError):
                continue  # a picture or an archive, or a scratch file that is gone again: nothing to read
