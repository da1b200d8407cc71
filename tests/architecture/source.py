"""The program's own source as syntax trees, for the rules that import-linter cannot express."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SRC = ROOT / "src"


@dataclass(frozen=True, slots=True)
class Module:
    """One source file: its dotted name, its path, its tree and its number of lines."""

    name: str
    path: Path
    tree: ast.Module
    lines: int

    @property
    def room(self) -> str:
        """The second part of the dotted name: `buildplate.core.jobs` lives in `core`."""
        parts = self.name.split(".")
        return parts[1] if len(parts) > 1 else ""

    @property
    def package(self) -> str:
        """The first part of the dotted name."""
        return self.name.split(".")[0]

    @property
    def where(self) -> str:
        """The path as people type it."""
        return self.path.relative_to(ROOT).as_posix()

    def imports(self) -> set[str]:
        """Dotted names this file imports anywhere, also inside functions and for types only."""
        names: set[str] = set()
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                names.update(alias.name for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.module:
                names.add(node.module)
                names.update(f"{node.module}.{alias.name}" for alias in node.names)
        return names

    def imports_of(self, *packages: str) -> set[str]:
        """Those of `imports` that are one of the packages, or lie inside one."""
        return {n for n in self.imports() if any(within(n, package) for package in packages)}


def within(name: str, package: str) -> bool:
    """Whether a dotted name is the package or lies inside it."""
    return name == package or name.startswith(f"{package}.")


@cache
def modules() -> tuple[Module, ...]:
    """Every Python file under src/."""
    found = []
    for path in sorted(SRC.rglob("*.py")):
        text = path.read_text(encoding="utf-8")
        parts = path.relative_to(SRC).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        found.append(Module(name, path, ast.parse(text), text.count("\n")))
    return tuple(found)


@cache
def drivers() -> tuple[str, ...]:
    """The names of the driver folders."""
    home = SRC / "buildplate" / "drivers"
    folders = (p.parent.name for p in home.glob("*/__init__.py"))
    return tuple(sorted(name for name in folders if name != "sdk"))
