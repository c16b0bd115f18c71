"""The folders are the architecture: which modules and libraries a module may import, read from its source."""

import ast
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "pipeline"
MODULES = {path.relative_to(PACKAGE.parent).with_suffix("").as_posix(): path for path in sorted(PACKAGE.rglob("*.py"))}

# What each room may import of the others, in the order in which the data flows: only rooms above it. A room may import itself.
MAY_IMPORT = {
    "version": "",
    "errors": "",
    "imported": "",
    "surroundings": "errors imported",
    "disk": "",
    "files": "disk",
    "html": "",
    "progress": "",
    "quiet": "imported",
    "interrupts": "",
    "watchdog": "interrupts",
    "execution": "version errors quiet",  # workers have to have this version
    "tasks": "errors html",
    "images": "errors files html surroundings progress tasks",
    "predictions": "errors html images tasks",
    "cells": "",
    "prediction_files": "cells errors files surroundings predictions",
    "bases": "errors files progress quiet surroundings tasks images predictions",
    "cache": "tasks errors disk files images bases progress html",
    "settings": "errors surroundings execution images bases cache progress",  # after the cache: which dtypes are stored is a recipe's to know
    "stage_one": "errors files watchdog execution images bases settings cache progress html",
    "stage_two": "tasks errors files surroundings html watchdog execution images cache stage_one progress",
    "runs": "tasks cells errors files surroundings html images predictions bases settings cache stage_one stage_two version",
    "training": "tasks errors files html images bases settings cache stage_one stage_two runs",
    "insight": "tasks cells errors files surroundings images cache settings stage_one stage_two runs training progress",
    "evidence": "tasks errors files images bases cache settings stage_one stage_two runs",
    "forgetting": "tasks errors files surroundings html images bases cache settings stage_one stage_two runs training progress version",
    "exports": "tasks errors quiet files surroundings html images predictions bases settings cache stage_one stage_two runs progress",
    "predicting": "errors surroundings evidence exports images prediction_files predictions runs settings stage_one",
    "reports": "tasks errors files html images settings cache runs insight evidence progress version",
    "comparison": "tasks errors files html execution images bases settings cache stage_one stage_two runs training progress",
    "tuner": "tasks errors files interrupts images bases cache settings stage_one stage_two runs training insight evidence",
    "effects": "bases errors images stage_two",
    "keywords": "errors tasks images bases settings stage_one stage_two effects",
    "maintenance": "errors surroundings images bases cache settings forgetting stage_one keywords progress html",
    "inspection": "surroundings images runs insight evidence keywords",
    "api": "surroundings images predictions bases stage_one stage_two runs training exports predicting reports comparison tuner keywords",
    "cli": "tasks errors quiet interrupts watchdog execution images predictions bases settings cache stage_two comparison tuner runs effects maintenance inspection api version",
    "transformer": "images settings stage_one",
    "__main__": "cli",
    "__init__": "version images runs settings maintenance inspection api transformer progress",
}

# Modules, or whole rooms, that alone may import a library; the modules named here import it when they are loaded,
# the ones in brackets inside functions only.
TENSORFLOW = "bases stage_one/engines stage_two/dense training/finetune comparison/costs exports/stitch exports/head_layers exports/p_value_layers (exports) (comparison)"
MAY_USE = {
    "tensorflow": f"{TENSORFLOW} exports/decoding exports/served_files (surroundings)",
    "keras": f"{TENSORFLOW} (images/sources/arrays/arrays) (surroundings)",
    "h5py": "cache bases",
    "hdf5plugin": "cache",
    "sklearn": "(stage_two/linear) (stage_two/folds) (images/sources/arrays/arrays) transformer",
    "matplotlib": "runs/plots/plots (runs/plots/fonts)",
    "umap": "(reports/projection)",
    "faiss": "(insight/index)",
    "openvino": "stage_one/engines/compiled stage_one/engines/conversion stage_one/engines/winograd",
    "onnx": "(exports/onnx_file) (bases)",
    "onnxruntime": "(exports/onnx_file) (bases/onnx_model)",
    "tf2onnx": "(exports/onnx_file)",
    "ai_edge_litert": "(exports/tflite_file)",
    "tensorflow_datasets": "(images/sources/arrays/tfds)",
    "pyarrow": "(prediction_files) (images/sources/tables/parquet) (images/sources/tables/huggingface) (images/sources/arrays/tfds)",
    "narwhals": "(images/sources/tables/frames) images/scan",
    "pillow_heif": "images/decoding/heif",
    "tensorboard": "(runs/tracking/tensorboard)",
    "mlflow": "(runs/tracking/mlflow)",
    "joblib": "(execution)",
    "distributed": "(execution)",
    "nicegui": "tuner/page tuner/alike tuner/suspect_list tuner/controls tuner/view tuner/parts tuner/panes tuner/visits",
    "fastapi": "tuner/page",
    "starlette": "tuner/page tuner/border tuner/visits",
    "fsspec": "(images/remote/filesystems) (images/remote/loop)",
    "aiohttp": "(images/remote/filesystems)",
    "botocore": "(images/remote/filesystems)",
    "aiobotocore": "(images/remote/filesystems)",
    "click": "cli",
    "rich": "(cli/table)",
}

# Parts of scikit-learn that are not estimators.
NO_ESTIMATORS = {
    "stage_two/folds": "sklearn.model_selection",
    "images/sources/arrays/arrays": "sklearn.datasets",
    "transformer": "sklearn.base",
}

# All of these can be loaded without TensorFlow: a linear head on a warm cache needs no more, and the command line starts with them.
LIGHT_ROOMS = (
    "api",
    "cli",
    "effects",
    "evidence",
    "execution",
    "forgetting",
    "images",
    "insight",
    "inspection",
    "keywords",
    "maintenance",
    "predicting",
    "predictions",
    "reports",
    "settings",
    "tasks",
    "transformer",
    "tuner",
)
LIGHT = {
    *(name for name in MODULES if name.split("/")[1] in (*LIGHT_ROOMS, "cache", "runs", "__main__")),
    *(f"pipeline/bases/{name}" for name in ("digests", "files", "parts", "table", "trunks")),
    *(f"pipeline/exports/{name}" for name in ("formats", "load", "parity")),
    *(name for name in MODULES if name.startswith("pipeline/stage_one/") and "/engines/" not in name),
    *(name for name in MODULES if name.startswith("pipeline/stage_two/") and "/dense/" not in name),
    *(name for name in MODULES if name.startswith("pipeline/training/") and "/finetune/" not in name),
    *(f"pipeline/stage_two/dense/{name}" for name in ("checkpoint", "settings")),
    "pipeline/stage_one/engines/choose",
    "pipeline/training/finetune/settings",
}


@dataclass(frozen=True)
class Import:
    """One import in a source text."""

    name: str
    """What is imported, with dots: `keras`, `sklearn.metrics`, `pipeline.images.manifest`."""

    where: str
    """`top` (when the module is loaded), `function`, or `typing` (below `if TYPE_CHECKING`)."""


def find_imports(source):
    """All imports of a source text, nested ones too."""
    found = []

    def visit(node, where):
        if isinstance(node, ast.Import):
            found.extend(Import(alias.name, where) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            name = "." * node.level + (f"{node.module}." if node.module else "")
            found.extend(Import(f"{name}{alias.name}", where) for alias in node.names)
        for child in ast.iter_child_nodes(node):
            visit(child, _where(node, child, where))

    visit(ast.parse(source), "top")
    return found


def _where(node, child, where):
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
        return "function"
    if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING" and child in node.body:
        return "typing"
    return where


@cache
def imports_of(module):
    return tuple(find_imports(MODULES[module].read_text(encoding="utf-8")))


def module_of(name):
    """The module of the package that a name is in: `pipeline.errors.PipelineError` is in `pipeline/errors`."""
    parts = name.split(".")
    for length in range(len(parts), 0, -1):
        path = "/".join(parts[:length])
        if path in MODULES:
            return path
        if f"{path}/__init__" in MODULES:
            return f"{path}/__init__"
    return None


def own_imports(module):
    """Modules of the package that a module imports, and where: see `Import.where`."""
    return [
        (module_of(entry.name), entry.where) for entry in imports_of(module) if entry.name.split(".")[0] == "pipeline"
    ]


def inside(module):
    """A module's name inside the package: `pipeline/images/manifest` is `images/manifest`."""
    return module.removeprefix("pipeline/")


def room_of(module):
    """The folder or file of the package that a module is in: `pipeline/images/sources/tables` is in `images`."""
    return inside(module).split("/")[0]


def is_named(module, names):
    """Whether a module, or a folder that it is in, is among these names."""
    parts = inside(module).split("/")
    return any("/".join(parts[:length]) in names for length in range(1, len(parts) + 1))


def allowed(module):
    return {room_of(module), *MAY_IMPORT[room_of(module)].split()}


def loaded_with(module):
    """Libraries that are loaded when a module is, through all that it imports at its top."""
    seen, waiting, libraries = set(), [module], set()
    while waiting:
        current = waiting.pop()
        if current in seen:
            continue
        seen.add(current)
        parents = ["/".join(current.split("/")[:depth]) for depth in range(1, current.count("/") + 1)]
        waiting += [f"{parent}/__init__" for parent in parents if f"{parent}/__init__" in MODULES]
        waiting += [name for name, where in own_imports(current) if where == "top"]
        libraries |= {entry.name.split(".")[0] for entry in imports_of(current) if entry.where == "top"}
    return libraries


def nodes_of(module):
    return ast.walk(ast.parse(MODULES[module].read_text(encoding="utf-8")))


def test_imports_are_found_wherever_they_are():
    """Imports at the top, in functions, in methods, and for types alone are found."""
    source = """
import a.b, c
from d import e
from . import near
if TYPE_CHECKING:
    from f import G
else:
    import h
class K:
    import i
    def method(self):
        if True:
            import j
lazy = lambda: __import__("x")
async def later():
    from k.l import m
"""
    found = {(entry.name, entry.where) for entry in find_imports(source)}

    assert found == {
        *{("a.b", "top"), ("c", "top"), ("d.e", "top"), (".near", "top"), ("f.G", "typing"), ("h", "top")},
        *{("i", "top"), ("j", "function"), ("k.l.m", "function")},
    }


def test_every_room_is_in_the_table():
    """The tests look at the whole package, and the table has each room of it and no other."""
    rooms = {room_of(module) for module in MODULES}

    assert len(MODULES) > 150
    assert rooms | {"html"} == set(MAY_IMPORT)


@pytest.mark.parametrize("module", MODULES)
def test_imports_point_one_way(module):
    """A module imports only from rooms that come before its own in the flow of data."""
    wrong = {inside(name) for name, _ in own_imports(module) if room_of(name) not in allowed(module)}

    assert wrong == set(), f"{inside(module)} may not import {', '.join(sorted(wrong))}"


def test_every_room_imports_only_rooms_above_it():
    """The table is in order."""
    order = list(MAY_IMPORT)
    wrong = [
        (room, other)
        for room, others in MAY_IMPORT.items()
        for other in others.split()
        if order.index(other) >= order.index(room)
    ]

    assert wrong == []


def find_circles(imports):
    """Groups of modules that import each other, directly or through others: `imports` has what each of them imports."""

    def reached(module):
        seen, waiting = set(), [module]
        while waiting:
            new = set(imports[waiting.pop()]) - seen
            seen |= new
            waiting += new
        return seen

    after = {module: reached(module) for module in imports}
    return sorted({tuple(sorted(m for m in after[module] if module in after[m])) for module in after} - {()})


def test_circles_are_found():
    """Of two modules, and of three; a module that only imports from a circle is in none."""
    imports = {"a": ["b"], "b": ["a"], "c": ["d"], "d": ["e"], "e": ["c"], "f": ["a", "g"], "g": []}

    assert find_circles(imports) == [("a", "b"), ("c", "d", "e")]


def test_no_modules_import_each_other():
    """Neither when they are loaded, nor inside functions, nor for types alone: calls go one way inside a room, too."""
    imports = {module: {name for name, _ in own_imports(module) if name} for module in MODULES}
    imports = {module: {name for name in names if not name.endswith("__init__")} for module, names in imports.items()}

    assert find_circles(imports) == []


@pytest.mark.parametrize("room", [room for room in MAY_IMPORT if room != "html"])
def test_table_allows_no_more_than_is_needed(room):
    """An import that is gone is removed from the table, too."""
    used = {room_of(name) for module in MODULES if room_of(module) == room for name, _ in own_imports(module)}

    assert {name for name in MAY_IMPORT[room].split() if name != "html"} <= used


@pytest.mark.parametrize("module", MODULES)
def test_imports_are_absolute(module):
    """Imports name modules in full; only the package itself imports a module by a name in a variable."""
    calls = {ast.unparse(node.func) for node in nodes_of(module) if isinstance(node, ast.Call)}

    assert [entry.name for entry in imports_of(module) if entry.name.startswith(".")] == []
    assert module == "pipeline/__init__" or calls.isdisjoint({"importlib.import_module", "__import__", "import_module"})


@pytest.mark.parametrize("library", MAY_USE)
def test_only_named_modules_import_a_library(library):
    """Each of these libraries is imported by the modules in the table, and by no other."""
    names = MAY_USE[library].split()
    anywhere = {name for name in names if not name.startswith("(")}
    lazily = {name.strip("()") for name in names if name.startswith("(")}
    wrong = [
        f"{inside(module)} ({entry.where})"
        for module in MODULES
        for entry in imports_of(module)
        if entry.name.split(".")[0] == library
        and not is_named(module, anywhere)
        and not (is_named(module, lazily) and entry.where != "top")
    ]
    users = {
        inside(module) for module in MODULES for entry in imports_of(module) if entry.name.split(".")[0] == library
    }

    assert wrong == []
    assert users


def test_estimators_are_those_of_linear_heads():
    """Outside the linear heads, only a data set and the base class of a transformer come from scikit-learn."""
    for module in MODULES:
        for entry in imports_of(module):
            if entry.name.startswith("sklearn") and not inside(module).startswith("stage_two/linear/"):
                assert entry.name.startswith(NO_ESTIMATORS[inside(module)]), f"{inside(module)}: {entry.name}"


@pytest.mark.parametrize("module", sorted(LIGHT))
def test_linear_heads_load_no_tensorflow(module):
    """Modules that a linear head on a warm cache needs, and all that the command line loads, load without TensorFlow or Keras."""
    assert loaded_with(module).isdisjoint({"tensorflow", "keras"})


def test_what_loads_tensorflow_is_known_to_do_so():
    """Following the imports of a module that needs TensorFlow finds TensorFlow."""
    assert {"tensorflow", "keras"} <= loaded_with("pipeline/stage_two/dense/train")
    assert "keras" in loaded_with("pipeline/training/finetune/tail")


@pytest.mark.parametrize("module", ["pipeline/__init__", "pipeline/cli/app", "pipeline/errors"])
def test_start_loads_nothing_heavy(module):
    """The command line starts, and the package is imported, without numpy or anything larger."""
    assert loaded_with(module).isdisjoint({"tensorflow", "keras", "numpy", "sklearn", "h5py", "matplotlib", "scipy"})


@pytest.mark.parametrize("module", MODULES)
def test_only_the_command_line_prints(module):
    """Only the command line writes to standard output; everything else logs."""
    prints = [
        node.lineno for node in nodes_of(module) if isinstance(node, ast.Call) and ast.unparse(node.func) == "print"
    ]
    writes = [
        node.lineno
        for node in nodes_of(module)
        if isinstance(node, ast.Attribute) and ast.unparse(node) == "sys.stdout"
    ]

    assert room_of(module) == "cli" or (prints, writes) == ([], [])


@pytest.mark.parametrize("module", MODULES)
def test_package_code_has_no_asserts(module):
    """An assert is removed by -O and has no message for a user: package code raises errors."""
    assert [node.lineno for node in nodes_of(module) if isinstance(node, ast.Assert)] == []


@pytest.mark.parametrize("module", MODULES)
def test_no_constant_is_set_twice(module):
    """A block that a merge left twice is found."""
    targets = [
        node.targets
        for node in ast.parse(MODULES[module].read_text(encoding="utf-8")).body
        if isinstance(node, ast.Assign)
    ]
    names = [target.id for found in targets for target in found if isinstance(target, ast.Name)]

    assert len(names) == len(set(names))


@pytest.mark.parametrize("module", MODULES)
def test_no_module_is_outgrown(module):
    """A module that cannot be read in one sitting is split while that is cheap; `api` is one function per command."""
    most = 720 if inside(module) == "api" else 400

    assert len(MODULES[module].read_text(encoding="utf-8").splitlines()) <= most
