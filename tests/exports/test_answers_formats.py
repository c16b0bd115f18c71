"""Exports of runs that answer with labels or numbers, in all formats."""

from pathlib import Path

import pytest

from pipeline import export
from pipeline.exports import sample_images as samples
from pipeline.exports.formats import FORMATS
from pipeline.runs.run import Run
from pipeline.settings import Settings
from pipeline.tasks.decisions import Decisions
from tests.exports.answers import check_export, draw_answers, train
from tests.exports.models import build_once

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of flatbuffers and onnx

KINDS = {
    ("multilabel", "linear"): Decisions("f1", "isotonic"),
    ("multilabel", "dense"): Decisions("0.4", "temperature"),
    ("multilabel", "neighbours"): Decisions(),
    ("regression", "linear"): Decisions(),
    ("regression", "dense"): Decisions(),
    ("classification", "dense"): Decisions("recall=0.9", "temperature"),
}
CONVERTED = (".onnx", ".tflite")
"""Formats whose networks are converted: the others have the same layers."""

FILES = [
    (kind, ending)
    for kind in KINDS
    for ending in (FORMATS if kind[0] != "classification" and kind[1] != "neighbours" else CONVERTED)
]


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Images with a table for each kind of task."""
    return draw_answers(tmp_path_factory.mktemp("answers"))


@pytest.fixture(scope="module")
def runs(tables: dict[str, Path], settings: Settings) -> dict[tuple[str, str], Run]:
    """A run of each kind."""
    return {
        (kind, head): train(tables[kind], kind, head, settings, decisions=decisions, name=f"all-{kind}-{head}")
        for (kind, head), decisions in KINDS.items()
    }


@pytest.fixture(scope="module", autouse=True)
def _build_once():
    with pytest.MonkeyPatch.context() as patch:
        build_once(patch)
        patch.setattr(samples, "NUM_IMAGES", 20)
        yield


@pytest.mark.parametrize(("kind", "ending"), FILES)
def test_exported_file_says_what_its_run_does(kind, ending, runs, tables, tmp_path):
    """In each format: outputs, answers and scores."""
    done = export(runs[kind], tmp_path / f"model{ending}")

    check_export(runs[kind], done, tables[kind[0]], tmp_path)
