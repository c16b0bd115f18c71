"""Work around the import of another package."""

import importlib
import sys

import pytest

from pipeline.imported import when_imported


@pytest.fixture
def package(tmp_path, monkeypatch):
    """The name of a package that nothing has imported."""
    (tmp_path / "not_yet_imported.py").write_text("VALUE = 1\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "meta_path", [*sys.meta_path])
    yield "not_yet_imported"
    sys.modules.pop("not_yet_imported", None)


def test_package_is_loaded_by_the_first_function(package):
    """It runs the module, and can change it; a second function for the same package is not called."""

    def load(run, module):
        run(module)
        module.VALUE += 1

    when_imported(package, load)
    when_imported(package, lambda run, module: pytest.fail("The second function was called."))

    assert importlib.import_module(package).VALUE == 2


def test_other_packages_and_loaded_ones_are_not_touched(package):
    """A package that is imported already stays as it is, and nothing is put in front of other imports."""
    importlib.import_module(package)
    before = [*sys.meta_path]
    when_imported(package, lambda run, module: pytest.fail("The function was called."))

    assert sys.meta_path == before
    assert importlib.import_module(package).VALUE == 1
