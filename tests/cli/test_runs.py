"""The commands `predict`, `classify`, `export`, `report` and `runs`."""

import io

import pytest

from tests.cli.commands import call


def test_predict_prints_each_image(work, photos):
    """One entry an image: path, label, its probability, and the classes from the most likely down."""
    image = photos / "test" / "red" / "red000.png"
    (entry,) = call("predict", "linear", image, *work["places"], "--json").json["predictions"]

    assert set(entry) == {"path", "label", "probability", "top", "reason", "p_value"}
    assert entry["path"] == str(image)
    assert entry["top"][0] == [entry["label"], entry["probability"]]
    assert sorted(label for label, _ in entry["top"]) == ["blue", "red"]


def test_predict_says_what_it_cannot_read(work, photos, tmp_path, caplog):
    """Each image has its line, a warning counts those that cannot be read, and --strict makes them an error."""
    image, broken = photos / "test" / "red" / "red000.png", tmp_path / "broken.png"
    broken.write_bytes(b"no image")
    shown = call("predict", "linear", image, broken, "gone.png", *work["places"])
    entries = call("predict", "linear", image, broken, "gone.png", *work["places"], "--json").json["predictions"]
    strict = call("predict", "linear", image, broken, "--strict", *work["places"])

    assert (shown.code, len(shown.out.splitlines())) == (0, 4)
    assert shown.out.splitlines()[3].endswith("no such file")
    assert f"2 of 3 images cannot be read; the first: {broken}: not an image" in caplog.text
    assert [entry["label"] is None for entry in entries] == [False, True, True]
    assert (strict.code, strict.out) == (2, "")
    assert f"1 of 2 images cannot be read; the first: {broken}: not an image" in strict.err


def test_results_replace_nothing_that_is_needed(own, photos, tmp_path):
    """Neither the table of the images, nor the predictions of the run itself; nothing is predicted before that is said."""
    table, predictions = tmp_path / "new.csv", own[3] / "linear" / "predictions.csv"
    table.write_text(f"path\n{photos / 'test' / 'red' / 'red000.png'}\n")
    before = table.read_bytes(), predictions.read_bytes()
    for words in (
        ("predict", "linear", table, "--out", table),
        ("predict", "linear", table, "--out", predictions),
        ("evaluate", "linear", photos, "--out", predictions.parent),
    ):
        outcome = call(*words, *own)

        assert outcome.code == 2
        assert "so it is not replaced. Choose another --out." in outcome.err
    assert (table.read_bytes(), predictions.read_bytes()) == before


@pytest.mark.parametrize("command", [("predict", "linear"), ("classify",)])
@pytest.mark.parametrize("top", [0, -1])
def test_at_least_one_class_is_listed(command, top, work, photos):
    """--top below 1 is a mistake of usage."""
    outcome = call(*command, photos / "test", "--top", top, *work["places"])

    assert outcome.code == 2
    assert "--top" in outcome.err


@pytest.fixture(scope="module")
def exported(work, tmp_path_factory):
    """A Keras file of the linear run, and what the command printed. Read only."""
    path = tmp_path_factory.mktemp("exported") / "model.keras"
    return path, call("export", "linear", path, *work["places"], "--json")


def test_export_writes_a_model(exported):
    """The model's file and how far it is from the run are printed."""
    path, outcome = exported

    assert outcome.json["file"] == str(path)
    assert outcome.json["largest_difference"] < 1e-4
    assert (outcome.json["format"], outcome.json["images"], outcome.json["encoded"]) == ("Keras", 200, None)
    assert path.with_name("model.labels.json").is_file()


def test_an_exported_file_predicts_in_the_place_of_a_run(work, exported, photos, tmp_path):
    """The same labels, and nothing of the run, the cache or the base is needed."""
    image = photos / "test" / "red" / "red000.png"
    [expected] = call("predict", "linear", image, *work["places"], "--json").json["predictions"]
    [received] = call("predict", exported[0], image, "--cache", tmp_path / "cache", "--json").json["predictions"]

    assert received["label"] == expected["label"]
    assert received["probability"] == pytest.approx(expected["probability"], abs=1e-3)


def test_report_writes_a_page(work, tmp_path):
    """All runs are on the page, or those that are named."""
    every = call("report", "--out", tmp_path / "all.html", *work["places"], "--json").json
    one = call("report", "linear", "--out", tmp_path / "one.html", *work["places"], "--json").json

    assert every["report"] == str(tmp_path / "all.html")
    assert every["runs"] == ["dense", "linear"]
    assert one["runs"] == ["linear"]
    assert '"name":"dense"' in (tmp_path / "all.html").read_text(encoding="utf-8")
    assert '"name":"dense"' not in (tmp_path / "one.html").read_text(encoding="utf-8")


def test_runs_are_listed_best_first(work):
    """Each run has its data, base, head and accuracies; the best by validation comes first."""
    rows = call("runs", *work["places"], "--json").json

    assert {row["run"] for row in rows} == {"linear", "dense"}
    assert {
        "run",
        "kind",
        "data",
        "label_column",
        "split",
        "base",
        "size",
        "head",
        "augmentation",
        "validation",
    } <= set(rows[0])
    assert rows[0]["validation"] >= rows[1]["validation"]


def test_predictions_are_written(work, photos, tmp_path):
    """--out has a row for each image; a name that cannot be written is a mistake of usage, before the work."""
    out = tmp_path / "labels.csv"
    shown = call("predict", "linear", photos / "test", "gone.png", *work["places"], "--out", out)
    refused = call("predict", "nobody", photos, "--out", tmp_path / "labels.xlsx", *work["places"])
    lines = out.read_text().splitlines()

    assert shown.code == 0
    assert len(lines) == 1 + 12 + 1
    assert lines[-1] == "gone.png,,,,,,no such file"
    assert shown.out.splitlines()[-1] == f"Wrote {out}: 13 rows."
    assert (refused.code, ".csv, .jsonl, .parquet" in refused.err) == (2, True)


def test_predict_points_to_evaluate(work, photos):
    """If class folders have the names of the run's classes, the command for scores is shown on stderr."""
    labelled = call("predict", "linear", photos / "test", *work["places"])
    plain = call("predict", "linear", photos / "test" / "red", *work["places"])

    assert f"For scores: bottleneck evaluate linear {photos / 'test'}" in labelled.err
    assert "evaluate" not in plain.err + labelled.out


def test_one_image_may_come_from_stdin(work, photos, monkeypatch):
    """A dash is the bytes of one image."""
    image = photos / "test" / "red" / "red000.png"
    [expected] = call("predict", "linear", image, *work["places"], "--json").json["predictions"]
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(image.read_bytes())))
    [received] = call("predict", "linear", "-", *work["places"], "--json").json["predictions"]

    assert received["top"] == expected["top"]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\0"])
def test_paths_may_come_from_stdin(end, work, photos, monkeypatch):
    """As `find` writes them, with `-print0` too; an image that is not there has its row."""
    names = [str(photos / "test" / "red" / "red000.png"), "gone.jpg", str(photos / "test" / "red")]
    expected = call("predict", "linear", *names, *work["places"], "--json").json["predictions"]
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(end.join([*names, ""]).encode())))
    received = call("predict", "linear", "-", *work["places"], "--json").json["predictions"]

    assert received == expected


def test_evaluate_prints_scores(work, photos, tmp_path):
    """The test images of the data by default; the same scores as those of the run, and a folder of results."""
    args = ("evaluate", "linear", photos, *work["places"])
    result = call(*args, "--out", tmp_path / "out", "--json").json
    shown = call(*args, "--split", "all")

    assert result["accuracy"] == work["linear"].json["test"]["accuracy"]
    assert result["loss"] == pytest.approx(work["linear"].json["test"]["loss"], abs=1e-5)
    assert (result["split"], result["n"], result["trained_on"]) == ("test", 12, 0)
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        *("evaluation.json", "predictions.csv", "confusion.png", "roc.png", "report.html"),
    }
    assert f"linear on {photos}: 48 images" in shown.out
    assert "24 of the 48 images are training images of this run" in shown.out


def test_evaluate_takes_an_exported_file(work, exported, photos):
    """With the scores of its run."""
    result = call("evaluate", exported[0], photos / "test", *work["places"], "--json").json

    assert (result["run"], result["n"]) == (str(exported[0]), 12)
    assert result["accuracy"] == work["linear"].json["test"]["accuracy"]


def test_predict_writes_overlays(work, exported, photos, tmp_path):
    """And says where they are; each is named in the JSON. An exported file has none."""
    image = photos / "test" / "red" / "red001.png"
    shown = call("predict", "linear", image, "--evidence", tmp_path / "looked", *work["places"])
    [entry] = call("predict", "dense", image, "--evidence", tmp_path / "looked", *work["places"], "--json").json[
        "predictions"
    ]

    assert f"Wrote 1 overlay to {tmp_path / 'looked'}." in shown.out
    assert entry["evidence"] == str(tmp_path / "looked" / "red-red001.jpg")
    refused = call("predict", exported[0], image, "--evidence", tmp_path / "looked", "--cache", tmp_path / "cache")
    assert refused.code != 0
    assert "is an exported file" in refused.err
