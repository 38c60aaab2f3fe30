"""The repository's own Python files, read as syntax trees: what the architecture tests look at."""

from __future__ import annotations

import ast
import functools
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[2]
ROOTS_OF_PACKAGES = ("client", "daemon", "simulator")
_MADE = {"dist", "build", "node_modules", "__pycache__", "htmlcov"}


@dataclass(frozen=True, slots=True)
class Import:
    """One imported module, by its full name; for ``from a import b`` both ``a`` and ``a.b`` count."""

    module: str
    line: int


@dataclass(frozen=True, slots=True)
class Source:
    """One Python file: where it is, what it is called when imported, and its tree."""

    path: Path
    module: str
    text: str

    @property
    def tree(self) -> ast.Module:
        return _parsed(self.text, str(self.path))

    @property
    def place(self) -> str:
        return self.path.relative_to(ROOT).as_posix()

    def within(self, *packages: str) -> bool:
        return any(self.module == package or self.module.startswith(f"{package}.") for package in packages)


def files(*suffixes: str) -> list[Path]:
    """Every file of the repository with one of these suffixes (all files without), however it was fetched."""
    return sorted(path for path in _walk() if not suffixes or path.suffix in suffixes)


def python_files() -> list[Source]:
    return [_source(path) for path in files(".py")]


def packages() -> list[Source]:
    """The files of the three packages, tests and scripts left out."""
    return [source for source in python_files() if source.path.relative_to(ROOT).parts[0] in ROOTS_OF_PACKAGES]


def imports(source: Source) -> Iterator[Import]:
    """What a file imports anywhere in it, for type checking too: an arrow is an arrow."""
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(alias.name, node.lineno)
        elif isinstance(node, ast.ImportFrom):
            base = _absolute(source, node)
            yield Import(base, node.lineno)
            for alias in node.names:
                yield Import(f"{base}.{alias.name}", node.lineno)


def calls(source: Source) -> Iterator[tuple[str, ast.Call]]:
    """Each call with the dotted name of what is called: ``time.time``, ``asyncio.get_running_loop().time``."""
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Call):
            yield dotted(node.func), node


def dotted(node: ast.expr) -> str:
    if isinstance(node, ast.Attribute):
        return f"{dotted(node.value)}.{node.attr}"
    if isinstance(node, ast.Call):
        return f"{dotted(node.func)}()"
    return node.id if isinstance(node, ast.Name) else ""


def functions(source: Source) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(source.tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def _walk() -> Iterator[Path]:
    for folder, inner, names in os.walk(ROOT):
        inner[:] = [name for name in inner if _written_by_hand(name)]
        yield from (Path(folder, name) for name in names if not name.startswith(".coverage"))


def _written_by_hand(folder: str) -> bool:
    return folder == ".ci" or not (folder in _MADE or folder.startswith(".") or folder.endswith(".egg-info"))


def _source(path: Path) -> Source:
    parts = list(path.relative_to(ROOT).with_suffix("").parts)
    if parts[0] in ROOTS_OF_PACKAGES:
        del parts[0]
    if parts[-1] == "__init__":
        del parts[-1]
    return Source(path, ".".join(parts), path.read_text(encoding="utf-8"))


@functools.cache
def _parsed(text: str, name: str) -> ast.Module:
    return ast.parse(text, name)


def _absolute(source: Source, node: ast.ImportFrom) -> str:
    if not node.level:
        return node.module or ""
    package = source.module.split(".")
    if source.path.name != "__init__.py":
        package = package[:-1]
    kept = package[: len(package) - (node.level - 1)]
    return ".".join([*kept, *([node.module] if node.module else [])])
