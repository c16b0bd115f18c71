"""Code that runs at the import of another package, whichever program imports it."""

import importlib.machinery
import sys
from collections.abc import Callable, Sequence
from types import ModuleType

Run = Callable[[ModuleType], None]
"""Runs the code of a module, as its own loader does."""


def when_imported(name: str, load: Callable[[Run, ModuleType], None]) -> None:
    """Let a function load a package, whenever it is imported. If it is imported already, or has such a function, nothing happens.

    Args:
        name: Of the package.
        load: Called in place of the loader, with what runs the module, and the module.
    """
    is_known = any(isinstance(finder, _Finder) and finder.name == name for finder in sys.meta_path)
    if name not in sys.modules and not is_known:
        sys.meta_path.insert(0, _Finder(name, load))


class _Finder:
    """Finds one package, and replaces its loader."""

    def __init__(self, name: str, load: Callable[[Run, ModuleType], None]) -> None:
        self.name, self._load = name, load

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if name != self.name:
            return None
        spec = importlib.machinery.PathFinder.find_spec(name, path, target)
        if spec is not None and spec.loader is not None:
            run = spec.loader.exec_module
            spec.loader.exec_module = lambda module: self._load(run, module)  # type: ignore[method-assign]
        return spec
