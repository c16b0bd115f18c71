"""docs/notebooks as they are in git."""

import re

import nbformat
import pytest

from tests.documents import PROJECT

FOLDER = PROJECT / "docs" / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))


def cells_of(path, kind):
    return [cell for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == kind]


def test_there_are_three():
    """The tests look at them, and docs/README.md leads to each."""
    listed = (PROJECT / "docs" / "README.md").read_text(encoding="utf-8")

    assert len(NOTEBOOKS) == 3
    assert [path.name for path in NOTEBOOKS if f"(notebooks/{path.name})" not in listed] == []


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_is_stored_without_output(path):
    """No results, numbers of executions or facts of a machine: a change of the text is all that git shows."""
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)

    assert [cell.outputs for cell in notebook.cells if cell.get("outputs")] == []
    assert {cell.execution_count for cell in cells_of(path, "code")} == {None}
    assert all(not cell.metadata for cell in notebook.cells)
    assert set(notebook.metadata) == {"kernelspec", "language_info"}


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_links_of_a_notebook_lead_somewhere(path):
    """Its texts link to pages and notebooks that exist."""
    text = "\n".join(cell.source for cell in cells_of(path, "markdown"))
    targets = [target for target in re.findall(r"\]\(([^)\s]+)\)", text) if "://" not in target]

    assert targets
    assert [target for target in targets if not (FOLDER / target).exists()] == []
