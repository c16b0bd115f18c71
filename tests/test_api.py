"""The public functions: one per command, from `pipeline` itself."""

import ast
import inspect
from pathlib import Path

import numpy as np
import pytest

import pipeline
from pipeline import api, maintenance
from pipeline.errors import SettingError
from tests.cli.commands import COMMANDS
from tests.cli.test_options import FUNCTIONS
from tests.conftest import RANDOM


def test_every_command_has_a_function():
    """Each command of the command line has its function in `pipeline`, under its own name or a Python-like one."""
    names = {" ".join(path) for path in COMMANDS}
    functions = {function for name in names for function in FUNCTIONS.get(name, name).split()}

    assert functions <= set(pipeline.__all__)
    assert set(FUNCTIONS) <= names


@pytest.mark.parametrize("name", pipeline.__all__)
def test_public_name_can_be_imported_and_is_explained(name):
    """Each name is there, and its docstring says what it is."""
    assert inspect.getdoc(getattr(pipeline, name))
    assert name in dir(pipeline)


def test_tab_key_lists_public_names_alone():
    """What the package itself imports, such as `os`, is not offered."""
    assert [name for name in dir(pipeline) if not name.startswith("_")] == sorted(pipeline.__all__)


def test_one_regime_is_given_as_a_text():
    """It is no sequence of letters."""
    with pytest.raises(SettingError, match=r"Received: quick\."):
        pipeline.compare("nowhere", "quick")


def test_unknown_name_is_an_attribute_error():
    """As for any module."""
    with pytest.raises(AttributeError, match="module 'pipeline' has no attribute 'verbs'"):
        _ = pipeline.verbs


@pytest.mark.parametrize("module", [api, maintenance], ids=lambda module: module.__name__)
def test_functions_explain_their_keywords(module):
    """Whatever a function takes besides a cache folder is in its docstring, if it takes more than one argument."""
    for name, function in inspect.getmembers(module, inspect.isfunction):
        if function.__module__ == module.__name__ and name in pipeline.__all__ and "Args:" in function.__doc__:
            missing = [
                key for key in inspect.signature(function).parameters if f"        {key}: " not in function.__doc__
            ]

            assert missing == [], name


def test_api_decides_nothing():
    """No branch and no loop: a function gathers, enters a room and returns its result. A choice of one expression is allowed."""
    tree = ast.parse(Path(api.__file__).read_text(encoding="utf-8"))
    functions = [node for node in tree.body if isinstance(node, ast.FunctionDef)]
    found = [
        (function.name, node.lineno)
        for function in functions
        for node in ast.walk(function)
        if isinstance(node, ast.If | ast.For | ast.While | ast.Try | ast.Raise)
    ]

    assert len(functions) >= 19
    assert found == []


def test_keywords_are_enough_to_train_and_predict(warm, photos):
    """`fit` takes settings as keywords; its run predicts, and can be loaded, listed, exported and reported by name."""
    run = pipeline.fit(photos, "knn:k=1", **RANDOM, **warm, name="near", plots=False)
    again = pipeline.load_run("near", runs=warm["runs"])

    assert run.info.recipe["base"] == "squeezenet"
    assert [found.name for found in pipeline.list_runs(warm["runs"])] == ["near"]
    assert (again.name, again.classes) == (run.name, run.classes)
    assert list(pipeline.report("near", **warm).runs) == ["near"]


def test_scanned_data_is_not_scanned_again(warm, photos):
    """A manifest takes the place of the data, as a part of it does."""
    manifest = pipeline.scan(photos, cache=warm["cache"])
    done = pipeline.extract(manifest.split("test"), **RANDOM, **warm)

    assert (done.num_rows, done.num_new) == (12, 0)


def test_unknown_keyword_is_refused_before_anything_is_read():
    """The message names the nearest keyword."""
    with pytest.raises(SettingError, match=r"fit\(\) has no keyword 'bass'\. Did you mean 'base'\?"):
        pipeline.fit("nowhere", bass="vgg16")


def test_features_are_those_of_the_store(warm, photos):
    """The transformer and `extract` give the same numbers."""
    manifest = pipeline.scan(photos, cache=warm["cache"]).split("test")
    done = pipeline.extract(manifest, **RANDOM, **warm)
    extractor = pipeline.FeatureExtractor(**RANDOM, cache=warm["cache"])
    paths = [photos / name for name in manifest.names]

    assert np.array_equal(extractor.transform(paths), done.store.read(done.keys(), pooling="avg"))
