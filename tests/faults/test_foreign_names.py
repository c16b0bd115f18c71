"""Names and labels from elsewhere: whatever they contain, the terminal and the pipe get printable characters."""

import json
import os
from pathlib import Path

import pytest

from pipeline.cli.names import escape_json, visible, visible_name
from pipeline.tasks.classification import Classification
from tests.cli.commands import call
from tests.conftest import draw_photo
from tests.exports.models import describe
from tests.faults.test_foreign_exports import _model
from tests.runs.samples import make_run

HOSTILE = "a\x1b]0;title\x07\x1b[2J\x9b31m\u202egnp.\x7f\rb"
LABELS = (HOSTILE, "line\nfeed", "plain")


def _is_clean(text: str) -> bool:
    return all(character == "\n" or character.isprintable() for character in text)


@pytest.fixture
def export() -> Path:
    """An export whose labels are hostile."""
    model = _model()
    model.metadata_props[0].value = describe(task=Classification(LABELS)).to_json()
    Path("model.onnx").write_bytes(model.SerializeToString())
    return Path("model.onnx")


@pytest.mark.parametrize("more", [(), ("--json",)])
def test_names_and_labels_are_shown(more: tuple[str, ...], export: Path, caplog: pytest.LogCaptureFixture):
    """File names and labels in a result and in a warning, as text and as JSON, whose values are the real ones."""
    image = draw_photo(Path(f"{HOSTILE}.png"), (9, 9, 9), 0)
    Path(f"{HOSTILE}-broken.png").write_bytes(b"no image")
    done = call("predict", export, image, f"{HOSTILE}-broken.png", "--top", 3, *more)

    assert done.code == 0, done.err
    assert _is_clean(done.out)
    assert _is_clean(done.err)
    if more:
        assert done.json["predictions"][0]["path"] == str(image)
        assert sorted(label for label, _ in done.json["predictions"][0]["top"]) == sorted(LABELS)
    else:
        assert len(done.out.splitlines()) == 3
        assert r"\x1b]0;title\x07\x1b[2J\x9b31m\u202egnp.\x7f\rb" in done.out
        assert r"line\nfeed" in done.out


@pytest.mark.parametrize("more", [(), ("--json",)])
def test_names_in_errors_are_shown(more: tuple[str, ...]):
    """Of paths that do not exist, of options, and of runs that cannot be read."""
    for words in (("features", HOSTILE), ("predict", HOSTILE, "a.png"), ("features", f"--{HOSTILE}")):
        done = call(*words, *more)

        assert done.code == 2
        assert _is_clean(done.out + done.err)


def test_names_of_runs_are_shown(tmp_path: Path):
    """In the list, and in the warning on one that cannot be read."""
    run = make_run(tmp_path / "runs", head=HOSTILE)
    run.path.rename(tmp_path / "runs" / f"good{HOSTILE}")
    (tmp_path / "runs" / f"bad{HOSTILE}").mkdir()
    (tmp_path / "runs" / f"bad{HOSTILE}" / "run.json").write_text("[]")
    done = call("runs", "--runs", tmp_path / "runs")

    assert done.code == 0
    assert r"good" + visible_name(HOSTILE) in done.out
    assert _is_clean(done.out + done.err)


def test_ordinary_names_stay():
    """Letters of all languages, combining marks and symbols are printed as they are; lines of a message stay lines."""
    for name in ("ä.png", "照片.png", "e\u0301", "🐈.png", "a b", "שלום", "C:\\x"):
        assert visible_name(name) == visible(name) == name
    assert visible("first\nsecond") == "first\nsecond"
    assert json.loads(escape_json(json.dumps(HOSTILE, ensure_ascii=False))) == HOSTILE


def test_names_that_are_not_unicode_are_kept():
    """A path of any bytes can be the folder of runs: the run and its files are written, and read again."""
    folder = Path(os.fsdecode(b"runs-\xff"))
    run = make_run(folder, root=str(folder), source=str(folder))

    assert run.info.root == json.loads((run.path / "run.json").read_bytes())["root"] == str(folder)
