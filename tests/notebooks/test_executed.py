"""docs/notebooks and progress bars in a real kernel."""

import os
import subprocess
import sys

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook

from tests.documents import PROJECT
from tests.notebooks.test_stored import NOTEBOOKS

WIDGET = "application/vnd.jupyter.widget-view+json"
BAR = """
from time import perf_counter
from pipeline.progress import progress_bar
def work(seconds, progress=True):
    with progress_bar(desc="rows", unit="row", total=10_000, progress=progress, delay=0.1) as bar:
        start = perf_counter()
        while perf_counter() - start < seconds:
            bar.update()
"""


def execute(notebook, folder):
    """Run all cells in a folder, by a process that takes sockets and threads with it; its code cells with what they show."""
    (folder / "given").mkdir()
    nbformat.write(notebook, folder / "given" / "notebook.ipynb")
    environment = os.environ | {"PYTHONPATH": str(PROJECT), "IPYTHONDIR": str(folder / "ipython")}
    command = [sys.executable, "-m", "nbconvert", "--to", "notebook", "--execute", "--output-dir", folder]
    done = subprocess.run(
        [*command, folder / "given" / "notebook.ipynb"],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=500,
    )
    assert done.returncode == 0, done.stderr
    executed = nbformat.read(folder / "notebook.ipynb", as_version=4)
    return [cell for cell in executed.cells if cell.cell_type == "code"]


@pytest.mark.real
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_runs_and_shows_its_results(path, tmp_path):
    """Every cell runs in an empty folder; results are tables, and TensorFlow's messages are not among them."""
    cells = execute(nbformat.read(path, as_version=4), tmp_path)
    outputs = [output for cell in cells for output in cell.outputs]
    tables = [output for output in outputs if "<table" in output.get("data", {}).get("text/html", "")]
    said = "".join(output.text for output in outputs if output.output_type == "stream")

    assert len(tables) >= 5
    assert [word for word in ("port.cc", "cuda", "retracing", "Traceback") if word in said] == []


def test_bars_are_widgets_or_one_line_of_text(tmp_path):
    """A bar is one widget where ipywidgets is installed, and otherwise one line that rewrites itself; what is quick shows none."""
    without = "import sys\nsys.modules['ipywidgets'] = None"
    sources = (BAR, "work(0.4)", "work(0.01)", "work(0.4, progress=False)", without, "work(0.4)", "work(0.01)")
    cells = execute(new_notebook(cells=[new_code_cell(source) for source in sources]), tmp_path)
    _, widget, quick, hidden, _, text, quick_text = (cell.outputs for cell in cells)
    lines = "".join(output.text for output in text)

    assert [WIDGET in output.data for output in widget] == [True]
    assert (quick, hidden, quick_text) == ([], [], [])
    assert "rows:" in lines
    assert lines.count("\n") == 1
    assert lines.count("\r") < 20
