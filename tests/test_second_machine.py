"""A machine that has rows and a manifest file, and not the images."""

import shutil

import pytest

import pipeline
from pipeline.errors import DataLayoutError, MissingRowsError
from tests.cli.commands import call
from tests.conftest import RANDOM


@pytest.fixture(scope="module")
def second(tmp_path_factory, places, photos):
    """Keywords of the second machine, and its manifest file."""
    folder = tmp_path_factory.mktemp("second")
    pipeline.extract(photos, **RANDOM, cache=places["cache"], manifest=folder / "photos.jsonl", progress=False)
    shutil.copytree(places["cache"], folder / "cache")
    return {**RANDOM, "cache": folder / "cache", "runs": folder / "runs", "progress": False}, folder / "photos.jsonl"


@pytest.mark.parametrize("head", ["ridge", "logreg", "dense:4,relu"])
def test_heads_are_equal_bit_for_bit(head, warm, photos, second):
    """The same rows in the same order, and the same labels: files of the head and predictions."""
    keywords, file = second
    epochs = {"epochs": 2} if "dense" in head else {}
    own = pipeline.fit(photos, head, **RANDOM, **warm, **epochs, plots=False)
    there = pipeline.fit(file, head, **keywords, **epochs, plots=False)
    names = ["predictions.csv", *([] if epochs else ["head.npz"])]  # a .keras file has a date in it

    for name in names:
        assert (own.folder.path / name).read_bytes() == (there.folder.path / name).read_bytes(), name
    assert own.info.data == there.info.data
    assert there.info.root is None


def test_commands_on_rows_need_no_pixels(second):
    """Predictions, scores, an audit, similar images and a page."""
    keywords, file = second
    folders = {name: keywords[name] for name in ("cache", "runs", "progress")}
    run = pipeline.fit(file, "ridge", **keywords, name="whole", plots=False)
    predictions = pipeline.predict("whole", file, **folders)

    assert len(predictions) == 48
    assert predictions.skipped == ()
    assert {entry.label for entry in predictions} == set(run.classes)
    assert all(entry.path.startswith(f"{file}/") for entry in predictions)
    assert pipeline.evaluate("whole", file, **folders).scores == run.scores["test"]
    assert pipeline.audit(file, **keywords).page.exists()
    assert pipeline.report("whole", **folders).path.exists()
    assert "data:image" not in predictions._repr_html_()


@pytest.mark.parametrize(
    ("function", "more"),
    [
        ("end_to_end", {}),
        ("advise", {}),
        ("plan", {}),
        ("fit", {"preprocess": "standardize"}),
    ],
)
def test_what_needs_pixels_says_so(function, more, second):
    """Before any work is done."""
    keywords, file = second

    with pytest.raises(
        DataLayoutError, match=r"needs the images themselves, and .*photos\.jsonl lists their digests only"
    ):
        getattr(pipeline, function)(file, **keywords, **more)


def test_rows_that_are_missing_are_counted(second):
    """With the store that lacks them."""
    keywords, file = second

    with pytest.raises(
        MissingRowsError, match=r"48 of 48 rows are not in .*squeezenet-64px.*lists digests and no pixels"
    ):
        pipeline.fit(file, **keywords | {"size": 64})


def test_every_question_has_its_labels_and_splits(tmp_path, photos, second):
    """Several label columns that are a question each: one file, a head for each column."""
    keywords, _ = second
    names = pipeline.scan(photos, cache=keywords["cache"]).names
    rows = [f"{name},{'ab'[n % 2]},{'xyz'[n % 3]}" for n, name in enumerate(names)]
    (tmp_path / "t.csv").write_text("\n".join(["path,kind,season", *rows]))
    file, asked = tmp_path / "t.jsonl", {"label": "kind,season", "root": photos, **keywords}
    pipeline.extract(tmp_path / "t.csv", manifest=file, **asked)
    own = pipeline.fit(tmp_path / "t.csv", **asked, plots=False)
    there = pipeline.fit(file, **keywords, plots=False)

    assert list(there) == ["kind", "season"]
    for name, run in there.items():
        assert run.metrics == own[name].metrics
        assert pipeline.scan(file, label=name, cache=keywords["cache"]).label_column == name


def test_the_command_line_writes_and_reads_it(tmp_path, photos, second):
    """`features --manifest`, and again from the file itself."""
    keywords, file = second
    options = ["--base", "squeezenet", "--size", "48", "--weights", "random", "--cache", keywords["cache"], "-q"]
    call("features", photos, "--manifest", tmp_path / "a.jsonl", *options)
    call("features", tmp_path / "a.jsonl", "--manifest", tmp_path / "b.jsonl", *options)

    assert (tmp_path / "a.jsonl").read_bytes() == (tmp_path / "b.jsonl").read_bytes() == file.read_bytes()
