"""Who sees progress bars, and which."""

import io
import os
import subprocess
import sys
from types import ModuleType, SimpleNamespace

import pytest

from pipeline.progress import is_shown, is_watched, progress_bar
from pipeline.settings import Settings
from pipeline.transformer import FeatureExtractor


class _Terminal(io.StringIO):
    def isatty(self):
        return True


class _Tee:
    """What programs put in the place of standard error to keep a copy of it in a file."""

    def write(self, text):
        return len(text)


@pytest.fixture
def notebook(monkeypatch):
    """IPython as the kernel of a notebook has it. Real ones are in tests/notebooks."""
    fake = ModuleType("IPython")
    fake.get_ipython = lambda: SimpleNamespace(config={"IPKernelApp": {}})
    monkeypatch.setitem(sys.modules, "IPython", fake)


def test_bars_are_shown_on_a_terminal_and_hidden_in_a_file(monkeypatch):
    """Functions show them by default only where standard error is a terminal; `progress` overrides both ways."""
    monkeypatch.setattr(sys, "stderr", io.StringIO())

    assert not is_watched()
    assert not Settings.of().compute.progress
    assert Settings.of(progress=True).compute.progress
    monkeypatch.setattr(sys, "stderr", _Terminal())
    assert is_watched()
    assert Settings.of().compute.progress
    assert not Settings.of(progress=False).compute.progress
    assert (is_shown(None), is_shown(False)) == (True, False)
    closed = io.StringIO()
    closed.close()
    for stream in (_Tee(), closed, None):
        monkeypatch.setattr(sys, "stderr", stream)
        assert not is_watched()


@pytest.mark.usefixtures("notebook")
def test_bars_are_shown_in_a_notebook(monkeypatch):
    """Its standard error is no terminal; bars are shown all the same, as text where ipywidgets is not installed."""
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    monkeypatch.setitem(sys.modules, "ipywidgets", None)
    with progress_bar(desc="rows", unit="row", total=3, progress=True, delay=0) as bar:
        bar.update(3)

    assert Settings.of().compute.progress
    assert FeatureExtractor("squeezenet")._settings().compute.progress
    assert not FeatureExtractor("squeezenet", progress=False)._settings().compute.progress
    assert "3/3" in sys.stderr.getvalue()


def test_an_interactive_shell_of_ipython_is_no_notebook(monkeypatch):
    """Only a kernel shows widgets; IPython in a terminal is a terminal, and without a terminal nobody watches."""
    fake = ModuleType("IPython")
    fake.get_ipython = lambda: SimpleNamespace(config={"TerminalIPythonApp": {}})
    monkeypatch.setitem(sys.modules, "IPython", fake)
    monkeypatch.setattr(sys, "stderr", io.StringIO())

    assert not is_watched()


@pytest.mark.parametrize(
    ("variable", "is_kept"),
    [
        ("TQDM_MININTERVAL=x", False),
        ("TQDM_FILE=bars.txt", False),
        ("TQDM_BAR_FORMAT={nothing}", False),
        ("TQDM_MININTERVAL=5", True),
    ],
)
def test_variables_with_which_no_bar_can_be_drawn_are_dropped(variable, is_kept):
    """They are named, and bars are as without them; tqdm cannot be imported with some of them."""
    name, _, value = variable.partition("=")
    code = (
        "import os, pipeline.progress as progress\n"
        "list(progress.progress_bar(range(2), desc='rows', unit='row', progress=True, delay=0))\n"
        f"print({name!r} in os.environ)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], env=os.environ | {name: value}, capture_output=True, text=True, check=True
    )

    assert done.stdout.strip() == str(is_kept)
    assert (f"No progress bar can be drawn with {name} in the environment" in done.stderr) is not is_kept
    assert "2/2" in done.stderr
