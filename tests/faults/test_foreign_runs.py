"""Runs from elsewhere: one bad run is named and passed over, and no file of it makes a command wait."""

import io
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from pipeline.cells import as_cell, from_cell
from pipeline.errors import DamagedStoreError, PipelineError
from pipeline.reports.content import gather
from pipeline.reports.selection import select
from pipeline.runs.folder import RunFolder, save_arrays, write_predictions
from pipeline.runs.images import find_images
from pipeline.runs.listing import group_runs, list_runs
from pipeline.runs.run import load_run
from pipeline.settings import Settings
from pipeline.tasks.classification import Classification
from tests.runs.samples import HISTORY, make_run

HEAD = {
    "mean": np.zeros(4, np.float32),
    "scale": np.ones(4, np.float32),
    "weights": np.ones((4, 2), np.float32),
    "bias": np.zeros(2, np.float32),
    "temperature": np.ones(1, np.float32),
}
NOVELTY = {"centres": np.eye(4, dtype=np.float16), "calibration": np.array([0, 0.25, 0.5], np.float32)}
DEEP = "[" * 100_000 + "]" * 100_000


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    """A good run, and one to be spoiled."""
    for name in ("good", "bad"):
        run = make_run(tmp_path / "runs", name, history=HISTORY)
        save_arrays(run.path / "head.npz", HEAD)
        p = np.array([0.25, 0.75], np.float32)
        write_predictions(
            run.path / "predictions.csv", [("a.png", "test", "ant", b"\1" * 32, p)], Classification(("ant", "bee"))
        )
    return tmp_path / "runs"


def _change(**values: object) -> Callable[[Path], None]:
    def change(path: Path) -> None:
        path.write_text(json.dumps(json.loads(path.read_text()) | values))

    return change


def _text(content: str) -> Callable[[Path], None]:
    return lambda path: path.write_text(content) and None


def _pipe(path: Path) -> None:
    path.unlink(missing_ok=True)
    os.mkfifo(path)


def _endless(path: Path) -> None:
    path.unlink(missing_ok=True)
    path.symlink_to("/dev/zero")


def _digest(text: str) -> Callable[[Path], None]:
    return _text(f"path,split,label,predicted,sha256,p:ant,p:bee\na.png,train,ant,ant,{text},1,0\n")


WHOLE = {
    "run.json: deep JSON": _text(f'{{"a": {DEEP}}}'),
    "run.json: a list": _text("[]"),
    "run.json: classes are a number": _change(classes=3),
    "run.json: the recipe is a text": _change(recipe="vgg16"),
    "run.json: seconds are infinite": _text('{"seconds": Infinity}'),
    "run.json: views are a list": _change(views=[1, 2]),
    "run.json: a pipe": _pipe,
    "run.json: an endless file": _endless,
    "metrics.json: deep JSON": _text(DEEP),
    "metrics.json: scores are texts": _text('{"validation": {"accuracy": "high"}}'),
    "metrics.json: no validation": _text("{}"),
    "metrics.json: a pipe": _pipe,
}
"""Faults without which nothing of a run can be shown."""

PARTS = {
    "sweep.json: deep JSON": _text(DEEP),
    "sweep.json: numbers": _text("[1, 2]"),
    "sweep.json: other fields": _text('[{"head": 1}]'),
    "sweep.json: a pipe": _pipe,
    "history.csv: texts": _text("epoch,loss\n1,high\n"),
    "history.csv: a long field": _text(f"epoch\n{'1' * 200_000}\n"),
    "predictions.csv: a long field": _text(f"path\n{'a' * 200_000}\n"),
    "predictions.csv: ragged": _text("path,split\na\n"),
    "predictions.csv: bytes": lambda path: path.write_bytes(b"path\n\xff\n") and None,
    "predictions.csv: an endless file": _endless,
    "predictions.csv: a digest of odd length": _digest("abc"),
    "predictions.csv: a short digest": _digest("abcd"),
    "predictions.csv: a digest of other letters": _digest("x" * 64),
}
"""Faults of parts of a run."""


def _spoil(runs: Path, fault: str, faults: dict[str, Callable[[Path], None]]) -> None:
    faults[fault](runs / "bad" / fault.partition(":")[0])


@pytest.mark.parametrize("fault", WHOLE)
def test_bad_run_is_passed_over(fault: str, runs: Path, caplog: pytest.LogCaptureFixture):
    """Lists and pages have the good run, and a warning names the other one."""
    _spoil(runs, fault, WHOLE)

    assert [run.name for group in list_runs(runs).groups() for run in group.runs] == ["good"]
    assert [run.name for run in select([], runs).runs] == ["good"]
    assert "run bad is left out" in caplog.text


@pytest.mark.parametrize("fault", PARTS)
def test_bad_part_of_a_run_is_passed_over(fault: str, runs: Path, caplog: pytest.LogCaptureFixture):
    """The page has both runs, with what can be read of them."""
    _spoil(runs, fault, PARTS)
    content = gather(
        group_runs(select([], runs).runs), Settings.of(cache=runs / "cache", progress=False), near=1, with_umap=False
    )

    assert {section["name"] for section in content.sections} == {"good", "bad"}
    assert "of the run bad" in caplog.text
    assert "run good" not in caplog.text


@pytest.mark.parametrize("text", ["abc", "abcd", "x" * 64, "\\x00"])
def test_digest_that_is_none_is_an_error_of_the_table(text: str, runs: Path):
    """Whoever asks for the digests of the training images, such as an evaluation, is told the file."""
    _digest(text)(runs / "bad" / "predictions.csv")

    with pytest.raises(DamagedStoreError, match=r"predictions\.csv has a SHA-256 that is not 64 hexadecimal digits"):
        load_run("bad", settings=Settings.of(runs=runs)).training_digests()


def _arrays(**changes: object) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        arrays = {name: array for name, array in (HEAD | changes).items() if array is not None}
        np.savez(path, **arrays)

    return write


def _corrupt_deflate(path: Path) -> None:
    stream = io.BytesIO()
    np.savez_compressed(stream, **{name: np.resize(array, 1000) for name, array in HEAD.items()})
    data = bytearray(stream.getvalue())
    data[60:90] = b"\xff" * 30
    path.write_bytes(data)


def _bomb(path: Path) -> None:
    np.savez_compressed(path, **HEAD, more=np.zeros((257, 2**20), np.uint8))


HEADS = {
    "NaN weights": _arrays(weights=np.full((4, 2), np.nan, np.float32)),
    "infinite bias": _arrays(bias=np.array([np.inf, 0], np.float32)),
    "texts": _arrays(weights=np.full((4, 2), "x")),
    "complex numbers": _arrays(mean=np.zeros(4, np.complex64)),
    "records": _arrays(mean=np.zeros(4, [("a", "f4")])),
    "no dimension": _arrays(mean=np.float32(0)),
    "another shape": _arrays(weights=np.ones((2, 4), np.float32)),
    "three classes": _arrays(weights=np.ones((4, 3), np.float32), bias=np.zeros(3, np.float32)),
    "no class": _arrays(weights=np.ones((4, 0), np.float32), bias=np.zeros(0, np.float32)),
    "an array is missing": _arrays(bias=None),
    "an empty temperature": _arrays(temperature=np.ones(0, np.float32)),
    "labels of neighbours are floats": _arrays(
        rows=np.ones((3, 4), np.float32), labels=np.ones(3), num_classes=np.array([2]), k=np.array([1])
    ),
    "corrupt deflate": _corrupt_deflate,
    "a bomb": _bomb,
    "no archive": _text("content"),
    "a pipe": _pipe,
    "an endless file": _endless,
}


@pytest.mark.parametrize("fault", HEADS)
def test_bad_head_is_an_error_of_its_file(fault: str, runs: Path):
    """Nothing predicts with it, nothing waits, and the message names the file or its run."""
    HEADS[fault](runs / "bad" / "head.npz")

    with pytest.raises(PipelineError, match="bad"):
        load_run("bad", settings=Settings.of(runs=runs))
    assert load_run("good", settings=Settings.of(runs=runs)).classes == ("ant", "bee")


DETECTORS = {
    "NaN": lambda path: save_arrays(path, NOVELTY | {"centres": np.full((2, 4), np.nan, np.float16)}),
    "a head": lambda path: save_arrays(path, HEAD),
    "objects": lambda path: np.savez(path, centres=np.array([Path()], dtype=object)),
    "corrupt deflate": _corrupt_deflate,
    "a bomb": _bomb,
    "no archive": _text("content"),
    "a pipe": _pipe,
    "an endless file": _endless,
    "a link": lambda path: path.symlink_to(path.with_name("head.npz")),
    "a large file": lambda path: path.write_bytes(b"") or os.truncate(path, 2**26 + 1),
}


@pytest.mark.parametrize("fault", DETECTORS)
def test_bad_detector_is_an_error_of_its_file(fault: str, runs: Path):
    """No image is judged by it, nothing waits, and the message names the file; the run's other files can be read."""
    DETECTORS[fault](runs / "bad" / "novelty.npz")
    run = load_run("bad", settings=Settings.of(runs=runs))

    with pytest.raises(PipelineError, match=r"bad/novelty\.npz"):
        _ = run.detector
    assert run.classes == ("ant", "bee")


def test_head_of_another_run_is_refused(runs: Path):
    """A head that takes rows of another length says so."""
    head = load_run("good", settings=Settings.of(runs=runs)).head

    with pytest.raises(DamagedStoreError, match=r"takes rows of 4 features.* makes rows of 5\."):
        head.outputs(np.zeros((1, 5), np.float32))


def test_only_what_a_run_knows_is_read(runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A run that names a folder as its source reads nothing in it."""
    shutil.copytree(runs, tmp_path / "system")
    monkeypatch.setattr("pipeline.runs.images.scan", lambda *_: pytest.fail("scanned"))
    for source in (str(tmp_path / "system"), "a\0b", "keras:../x", "/dev/zero"):
        _change(source=source, root=None)(runs / "bad" / "run.json")
        found = find_images(RunFolder(runs / "bad"), ["a.png"], [b"\1" * 32], Settings())

        assert found.read(b"\1" * 32) is None
        assert "not a folder, archive or table" in str(found.note)


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@x", "\t=1", "\r=1", "'=1", "''@x"])
def test_formulas_are_texts_in_a_spreadsheet(text: str, tmp_path: Path):
    """A name that begins like a formula is written with an apostrophe, and read back as it was."""
    run = make_run(tmp_path)
    write_predictions(
        run.path / "predictions.csv",
        [(text, "test", text, b"\1" * 32, np.ones(1, np.float32))],
        Classification((text,)),
    )

    assert as_cell(text) == f"'{text}"
    assert run.predictions()[0]["path"] == run.predictions()[0]["predicted"] == text
    assert f"'{text}".encode() in (run.path / "predictions.csv").read_bytes()
    assert [from_cell(as_cell(plain)) for plain in ("a.png", "'quoted'", "")] == ["a.png", "'quoted'", ""]
