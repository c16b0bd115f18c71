"""The folders are the architecture: which module may import which, and what, by its source."""

import ast
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "pipeline"
MODULES = {path.relative_to(PACKAGE.parent).with_suffix("").as_posix(): path for path in sorted(PACKAGE.rglob("*.py"))}

# What each folder or file of the package may import of the others, in the order in which the data flows. A folder
# may import itself. `a/b` allows the one module b of a; a key with a slash adds to what its folder may.
MAY_IMPORT = {
    "errors": "",
    "files": "",
    "quiet": "",
    "interrupts": "",
    "watchdog": "",
    "workers": "errors quiet __init__",
    "text": "",
    "images": "errors files",
    "bases": "errors files images",
    "cache": "errors files images bases",
    "stage_one": "errors files images bases cache workers watchdog",
    "stage_two": "errors files images bases cache",
    "stage_two/sweep": "results/scores workers",  # ranks heads by the scores that a run would have
    "stage_two/trainer": "results/scores watchdog",  # an epoch's loss is the one that a run's scores have
    "comparison": "errors images bases stage_two",
    "results": "errors files",
    "report": "errors results",
    "exports": "errors images",
    "exports/stitch": "bases",
    "tuner": "errors files images stage_two results",
    "verbs": "errors files workers images bases cache stage_one stage_two comparison results report exports tuner",
    "transformer": "errors images cache verbs",
    "cli": "errors interrupts quiet text watchdog images bases cache stage_one stage_two comparison results exports verbs __init__ cli_cache cli_compare "
    "cli_complete cli_options cli_terminal cli_tune",
    "cli_cache": "errors text images bases cache stage_one stage_two comparison results verbs cli_complete cli_options",
    "cli_compare": "errors text images bases cache stage_one stage_two comparison results verbs cli_complete cli_options",
    "cli_options": "errors text images bases cache stage_one stage_two comparison results verbs cli_complete cli_terminal",
    "cli_tune": "tuner verbs cli_complete cli_options",
    "cli_complete": "bases stage_two comparison",
    "cli_terminal": "",
    "__main__": "cli",
    "__init__": "stage_two verbs transformer",
}

# Modules, or whole folders, that alone may import a library; the modules named here import it when they are loaded,
# the ones in brackets inside functions only.
TENSORFLOW = (
    "bases stage_one/engines stage_two/dense stage_two/tail stage_two/trainer comparison images/views exports/stitch"
)
MAY_USE = {
    "tensorflow": f"{TENSORFLOW} exports/decoding (exports) (verbs)",
    "keras": f"{TENSORFLOW} (stage_two/checkpoint) (exports) (images/arrays) (verbs)",
    "h5py": "cache bases",
    "hdf5plugin": "cache",
    "sklearn": "(stage_two/linear_fit) (stage_two/sweep) (results/scores) (images/arrays) transformer",
    "matplotlib": "results/plots",
    "umap": "(report/projection)",
    "openvino": "stage_one/openvino",
    "onnx": "(exports/onnx_file)",
    "onnxruntime": "(exports/onnx_file)",
    "tf2onnx": "(exports/onnx_file)",
    "ai_edge_litert": "(exports/tflite_file)",
    "tensorflow_datasets": "(images/tfds)",
    "pyarrow": "(images/tables) (images/shards) (images/tfds)",
    "narwhals": "(images/frames) images/scan",
    "tensorboard": "(results/events)",
    "mlflow": "(results/tracking)",
    "nicegui": "tuner/page tuner/controls tuner/view tuner/parts",
    "fastapi": "tuner/page",
    "starlette": "tuner/page",
    "click": "cli cli_cache cli_compare cli_complete cli_options cli_terminal cli_tune",
}

# Parts of scikit-learn that are no estimators.
NO_ESTIMATORS = {
    "results/scores": "sklearn.metrics",
    "images/arrays": "sklearn.datasets",
    "transformer": "sklearn.base",
}

# What works on a warm cache without TensorFlow.
LIGHT = (
    *("pipeline/cli", "pipeline/__main__", "pipeline/transformer", "pipeline/text", "pipeline/results/runs"),
    *("pipeline/reports/page", "pipeline/results/scores", "pipeline/stage_two/linear", "pipeline/stage_two/sweep"),
    *("pipeline/stage_two/factors", "pipeline/stage_two/linear_fit", "pipeline/stage_two/linear_stream"),
    *("pipeline/stage_two/spec", "pipeline/stage_two/features", "pipeline/stage_two/training"),
    *("pipeline/tuner/page", "pipeline/tuner/session", "pipeline/tuner/labels", "pipeline/verbs/tuner"),
    *("pipeline/exports/formats", "pipeline/exports/parity"),
    *("pipeline/stage_one/extract", "pipeline/bases/zoo", "pipeline/bases/digests", "pipeline/bases/locations"),
)


@dataclass(frozen=True)
class Import:
    """One import in a source text."""

    name: str
    """What is imported, with dots: `keras`, `sklearn.metrics`, `pipeline.images.manifest`."""

    place: str
    """`top` (when the module is loaded), `function`, or `typing` (below `if TYPE_CHECKING`)."""


def find_imports(source):
    """All imports of a source text, nested ones too."""
    found = []

    def visit(node, place):
        if isinstance(node, ast.Import):
            found.extend(Import(alias.name, place) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            name = "." * node.level + (f"{node.module}." if node.module else "")
            found.extend(Import(f"{name}{alias.name}", place) for alias in node.names)
        for child in ast.iter_child_nodes(node):
            visit(child, _place(node, child, place))

    visit(ast.parse(source), "top")
    return found


def _place(node, child, place):
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
        return "function"
    if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING" and child in node.body:
        return "typing"
    return place


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
    """Modules of the package that a module imports, with the place of each import."""
    return [
        (module_of(entry.name), entry.place) for entry in imports_of(module) if entry.name.split(".")[0] == "pipeline"
    ]


def inside(module):
    """A module's name inside the package: `pipeline/images/manifest` is `images/manifest`."""
    return module.removeprefix("pipeline/")


def is_named(module, names):
    """Whether a module, or its folder, is among these names."""
    name = inside(module)
    return name in names or name.split("/")[0] in names


def allowed(module):
    folder = inside(module).split("/")[0]
    return {folder, *MAY_IMPORT[folder].split(), *MAY_IMPORT.get(inside(module), "").split()}


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
        waiting += [name for name, place in own_imports(current) if place == "top"]
        libraries |= {entry.name.split(".")[0] for entry in imports_of(current) if entry.place == "top"}
    return libraries


def nodes_of(module):
    return ast.walk(ast.parse(MODULES[module].read_text(encoding="utf-8")))


def test_imports_are_seen_wherever_they_stand():
    """What these tests go by sees imports at the top, in functions, in methods, and for types alone."""
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
    found = {(entry.name, entry.place) for entry in find_imports(source)}

    assert found == {
        *{("a.b", "top"), ("c", "top"), ("d.e", "top"), (".near", "top"), ("f.G", "typing"), ("h", "top")},
        *{("i", "top"), ("j", "function"), ("k.l.m", "function")},
    }


def test_package_is_found():
    """The tests look at the whole package, and every part of it has its place in the table."""
    parts = {inside(module).split("/")[0] for module in MODULES}

    assert len(MODULES) > 40
    assert parts == {name for name in MAY_IMPORT if "/" not in name}


@pytest.mark.parametrize("module", MODULES)
def test_imports_point_one_way(module):
    """A module imports only what stands before it in the flow of data: errors, images, bases, cache, the stages, ..."""
    wrong = {inside(name) for name, _ in own_imports(module) if not is_named(name, allowed(module))}

    assert wrong == set(), f"{inside(module)} may not import {', '.join(sorted(wrong))}"


def test_table_of_layers_has_no_circle():
    """The folders themselves can be put in an order in which each imports only earlier ones."""
    graph = {
        name: {
            part.split("/")[0] for part in " ".join(v for k, v in MAY_IMPORT.items() if k.split("/")[0] == name).split()
        }
        for name in MAY_IMPORT
        if "/" not in name
    }
    # The package itself names everything lazily, and the command line takes its version from it.
    graph["__init__"] = set()
    placed = set()
    while ready := {name for name in graph if name not in placed and graph[name] <= placed}:
        placed |= ready

    assert placed == set(graph)


@pytest.mark.parametrize("module", MODULES)
def test_imports_are_absolute(module):
    """A module is named in full wherever it is imported, and none is imported by a text, but by the package itself."""
    calls = {ast.unparse(node.func) for node in nodes_of(module) if isinstance(node, ast.Call)}

    assert [entry.name for entry in imports_of(module) if entry.name.startswith(".")] == []
    assert module == "pipeline/__init__" or calls.isdisjoint({"importlib.import_module", "__import__", "import_module"})


@pytest.mark.parametrize("library", MAY_USE)
def test_libraries_stay_where_they_belong(library):
    """Each of these libraries is imported by the modules that are named for it, and by no other."""
    names = MAY_USE[library].split()
    anywhere = {name for name in names if not name.startswith("(")}
    lazily = {name.strip("()") for name in names if name.startswith("(")}
    wrong = [
        f"{inside(module)} ({entry.place})"
        for module in MODULES
        for entry in imports_of(module)
        if entry.name.split(".")[0] == library
        and not is_named(module, anywhere)
        and not (is_named(module, lazily) and entry.place != "top")
    ]

    assert wrong == []


def test_estimators_are_those_of_linear_heads():
    """Beside the linear heads, scikit-learn gives metrics, a data set and the base of a transformer, nothing else."""
    for module in MODULES:
        for entry in imports_of(module):
            if entry.name.startswith("sklearn") and not inside(module).startswith("stage_two/"):
                assert entry.name.startswith(NO_ESTIMATORS[inside(module)]), f"{inside(module)}: {entry.name}"


@pytest.mark.parametrize("module", [*LIGHT, *(name for name in MODULES if name.startswith("pipeline/verbs/"))])
def test_linear_heads_load_no_tensorflow(module):
    """What a linear head on a warm cache is made of can be imported without TensorFlow or Keras."""
    assert loaded_with(module).isdisjoint({"tensorflow", "keras"})


def test_what_loads_tensorflow_is_known_to_do_so():
    """The way in which these tests follow imports finds TensorFlow where it is."""
    assert {"tensorflow", "keras"} <= loaded_with("pipeline/stage_two/dense")
    assert "keras" in loaded_with("pipeline/stage_two/tail")


@pytest.mark.parametrize("module", ["pipeline/__init__", "pipeline/cli", "pipeline/errors"])
def test_start_loads_nothing_heavy(module):
    """The command line starts, and the package is imported, without even numpy."""
    assert loaded_with(module).isdisjoint({"tensorflow", "keras", "numpy", "sklearn", "h5py", "matplotlib", "scipy"})


@pytest.mark.parametrize("module", MODULES)
def test_only_the_command_line_prints(module):
    """Standard output is written by the command line alone; all else logs."""
    prints = [
        node.lineno for node in nodes_of(module) if isinstance(node, ast.Call) and ast.unparse(node.func) == "print"
    ]
    writes = [
        node.lineno
        for node in nodes_of(module)
        if isinstance(node, ast.Attribute) and ast.unparse(node) == "sys.stdout"
    ]

    assert inside(module).startswith("cli") or (prints, writes) == ([], [])


@pytest.mark.parametrize("module", MODULES)
def test_package_code_has_no_asserts(module):
    """An assert vanishes with -O and tells a user nothing: package code raises."""
    assert [node.lineno for node in nodes_of(module) if isinstance(node, ast.Assert)] == []


@pytest.mark.parametrize("module", MODULES)
def test_no_module_is_outgrown(module):
    """A module that can't be read in one sitting is split while that is cheap."""
    assert len(MODULES[module].read_text(encoding="utf-8").splitlines()) <= 400
