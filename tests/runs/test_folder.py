"""Run folders."""

import re
import zipfile

import numpy as np
import pytest

from pipeline.errors import DamagedStoreError, RunNotFoundError, SettingError
from pipeline.files import write_json
from pipeline.runs.folder import (
    NewRun,
    RunFolder,
    check_run_name,
    list_runs,
    load_arrays,
    open_run,
    save_arrays,
    write_history,
    write_predictions,
)

INFO = {
    "head": "logreg",
    "command": "bottleneck head photos",
    "pool": "avg",
    "seconds": 1.5,
    "data": "photos",
    "classes": ["ant", "bee"],
    "recipe": {"base": "vgg16"},
    "fingerprint": "f" * 64,
    "weights": "imagenet",
    "created": "2026-11-23T05:33:19+00:00",
}
METRICS = {"validation": {"accuracy": 0.75, "ci95": [0.5, 0.9], "n": 4}}


def make_run(runs, name=None, stem="photos-vgg16-logreg", **info):
    with NewRun(runs, name, stem) as new:
        (new.path / "head.npz").write_bytes(b"arrays")
        return new.finish(INFO | info, METRICS)


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_finished_run_has_its_files(tmp_path):
    """A finished run is one folder with what was written into it, the info with its name, and the metrics."""
    run = make_run(tmp_path, "mine")

    assert names(tmp_path) == ["mine"]
    assert names(run.path) == ["head.npz", "metrics.json", "run.json"]
    assert run.name == "mine"
    assert run.info == {"schema": 1, "name": "mine", **INFO}
    assert run.metrics == METRICS
    assert run.head_path == run.path / "head.npz"


def test_names_are_made_up_one_after_the_other(tmp_path):
    """Runs without a name get the stem and a number that is free."""
    made = [make_run(tmp_path).name for _ in range(3)]

    assert made == ["photos-vgg16-logreg-001", "photos-vgg16-logreg-002", "photos-vgg16-logreg-003"]
    assert [run.name for run in list_runs(tmp_path)] == made


def test_a_name_that_another_process_has_taken_is_left_to_it(tmp_path):
    """Two unnamed runs that finish at once are two folders; a failed one gives its name back."""
    with NewRun(tmp_path, None, "stem") as first, NewRun(tmp_path, None, "other") as second:
        (tmp_path / "other-001").mkdir()  # taken by a process that is about to put its run there
        assert second.finish(INFO, METRICS).name == "other-002"
        assert first.finish(INFO, METRICS).name == "stem-001"
    with pytest.raises(ValueError, match="not JSON compliant"), NewRun(tmp_path, None, "stem") as failed:
        failed.finish({"value": float("nan")}, METRICS)

    assert names(tmp_path) == ["other-001", "other-002", "stem-001"]


@pytest.mark.parametrize(
    ("stem", "name"),
    [("mein Ordner/../x-vgg16", "mein-Ordner-..-x-vgg16-001"), ("../..", "run-001"), ("\N{BULLET}", "run-001")],
)
def test_made_up_name_is_one_plain_folder(stem, name, tmp_path):
    """Whatever the data set is called, the name has no separators and stays in the runs folder."""
    assert make_run(tmp_path, stem=stem).path == tmp_path / name


def test_unfinished_run_leaves_nothing(tmp_path):
    """When the training fails after its first files, no folder stays."""

    def interrupted():
        with NewRun(tmp_path, "mine", "stem") as new:
            (new.path / "head.npz").write_bytes(b"arrays")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()

    assert names(tmp_path) == []


def test_metrics_that_are_no_numbers_leave_nothing(tmp_path):
    """A run whose scores cannot be written as JSON is no run."""
    with pytest.raises(ValueError, match="not JSON compliant"), NewRun(tmp_path, "mine", "stem") as new:
        new.finish(INFO, {"validation": {"loss": float("nan")}})

    assert names(tmp_path) == []


def test_run_that_is_being_written_is_not_listed(tmp_path):
    """A run appears all at once: before it has its name, nobody sees it."""
    with NewRun(tmp_path, "mine", "stem") as new:
        write_json(new.path / "run.json", INFO)
        listed = list_runs(tmp_path)

    assert listed == []


def test_named_run_replaces_the_older_one(tmp_path):
    """The same name again is the new run alone, with no file of the old one left."""
    old = make_run(tmp_path, "mine", head="knn")
    (old.path / "curves.png").write_bytes(b"old")
    new = make_run(tmp_path, "mine", head="ridge")

    assert names(tmp_path) == ["mine"]
    assert new.info.head == "ridge"
    assert not (new.path / "curves.png").exists()


def test_failed_run_keeps_the_older_one(tmp_path):
    """A training that fails does not cost the run whose name it was to take."""
    make_run(tmp_path, "mine", head="knn")
    with pytest.raises(RuntimeError), NewRun(tmp_path, "mine", "stem"):
        raise RuntimeError

    assert open_run("mine", tmp_path).info.head == "knn"


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "/x", "../x", ".hidden", "x/", "x" * 300])
def test_name_that_is_no_folder_name_is_refused(name, tmp_path):
    """A name that would leave the runs folder, or hide in it, is refused."""
    with pytest.raises(SettingError, match=re.escape(f"A run's name is one folder name. Received: {name!r}.")):
        check_run_name(name, tmp_path)
    with pytest.raises(SettingError, match=r"A run's name is one folder name\."):
        NewRun(tmp_path, name, "stem")


@pytest.mark.parametrize("name", [None, "mine", "v1.0", "Größe 3", "a..b"])
def test_name_that_is_a_folder_name_is_taken(name, tmp_path):
    """Any one folder name will do."""
    check_run_name(name, tmp_path)

    assert name is None or make_run(tmp_path, name).path == tmp_path / name


def test_folder_that_is_no_run_is_not_replaced(tmp_path):
    """A folder of the user's own that happens to have the name is left alone."""
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("all of it")

    with pytest.raises(SettingError, match=r"mine exists and is not a run\. Choose another --name\."):
        check_run_name("mine", tmp_path)
    with pytest.raises(SettingError, match=r"mine exists and is not a run\. Choose another --name\."):
        make_run(tmp_path, "mine")
    assert (tmp_path / "mine" / "thesis.txt").read_text() == "all of it"
    assert names(tmp_path) == ["mine"]


def test_run_is_found_by_name_or_by_folder(tmp_path):
    """A run can be named, or pointed at."""
    run = make_run(tmp_path / "runs", "mine")

    assert open_run("mine", tmp_path / "runs") == run
    assert open_run(run.path, tmp_path / "elsewhere") == run
    assert open_run("runs/mine", tmp_path / "elsewhere").name == "mine"  # below the working folder


def test_unknown_run_is_an_error_that_names_those_that_are(tmp_path):
    """The message lists the runs there, or says how to make one."""
    with pytest.raises(RunNotFoundError, match=r"No run 'mine' below .*There are none; `bottleneck head DATA` makes"):
        open_run("mine", tmp_path)
    make_run(tmp_path, "yours")
    with pytest.raises(RunNotFoundError, match=r"No run 'mine' below .* Runs there: yours\."):
        open_run("mine", tmp_path)


def test_a_run_is_read_once(tmp_path, monkeypatch):
    """Who asks a run again and again for its classes or scores does not read its files as often."""
    run, read, names = make_run(tmp_path, "mine"), RunFolder._json, []
    monkeypatch.setattr(RunFolder, "_json", lambda run, name: (names.append(name), read(run, name))[1])
    for _ in range(3):
        _ = run.info, run.metrics

    assert names == ["run.json", "metrics.json"]


@pytest.mark.parametrize("name", ["run.json", "metrics.json"])
@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", "cannot be read"),
        (b'{"schema": 1,', "cannot be read"),
        (b"\xff\xfe", "cannot be read"),
        (b"[1, 2]", "is not a JSON object"),
    ],
)
def test_damaged_json_is_damage(name, content, expected, tmp_path):
    """A file that is not the JSON it should be is reported by its path, as damaged data."""
    run = make_run(tmp_path, "mine")
    (run.path / name).write_bytes(content)

    with pytest.raises(DamagedStoreError, match=f"mine/{name} {expected}") as caught:
        _ = run.info, run.metrics
    assert caught.value.exit_code == 3


@pytest.mark.parametrize("missing", ["schema", "head", "recipe", "classes", "pool", "weights"])
def test_run_without_what_a_run_says_is_damage(missing, tmp_path):
    """run.json of another schema, or without what is needed to predict, is damaged data."""
    run = make_run(tmp_path, "mine")
    write_json(run.path / "run.json", {key: value for key, value in run.info.items() if key != missing})
    run = open_run("mine", tmp_path)

    with pytest.raises(DamagedStoreError, match=rf"mine/run\.json is not a run of schema 1.*{missing}"):
        _ = run.info


def test_run_of_a_later_schema_is_refused(tmp_path):
    """A run that a later version wrote is not read as if it were one of this version."""
    run = make_run(tmp_path, "mine")
    write_json(run.path / "run.json", run.info | {"schema": 2})
    run = open_run("mine", tmp_path)

    with pytest.raises(DamagedStoreError, match=r"mine/run\.json is not a run of schema 1"):
        _ = run.info


def test_run_without_a_head_is_damage(tmp_path):
    """A run whose head is gone cannot predict."""
    run = make_run(tmp_path, "mine")
    (run.path / "head.npz").unlink()

    with pytest.raises(DamagedStoreError, match=r"mine has no head\.npz and no head\.keras"):
        _ = run.head_path


def test_history_and_predictions_come_back(tmp_path):
    """Curves come back as numbers; names and labels come back whatever characters they have."""
    run = RunFolder(tmp_path)
    history = [{"epoch": 1, "val_loss": 0.5}, {"epoch": 2, "val_loss": 0.25}]
    rows = [('a,"b"\n.png', "test", "ä;b", b"\x01\xff", np.array([0.25, 0.75], np.float32))]
    write_history(tmp_path / "history.csv", history)
    write_predictions(tmp_path / "predictions.csv", rows, ("ä;b", "c"))

    assert run.history() == history
    assert run.predictions() == [
        {
            "path": 'a,"b"\n.png',
            "split": "test",
            "label": "ä;b",
            "predicted": "c",
            "sha256": "01ff",
            "p:ä;b": "0.250000",
            "p:c": "0.750000",
        }
    ]


def test_history_of_a_head_without_epochs_is_empty(tmp_path):
    """A linear head has no curve."""
    assert RunFolder(tmp_path).history() == []


def test_arrays_come_back(tmp_path):
    """Arrays are the same after writing and reading, shapes and dtypes included."""
    arrays = {"weights": np.arange(6, dtype=np.float32).reshape(2, 3), "k": np.array([5])}
    save_arrays(tmp_path / "head.npz", arrays)
    again = load_arrays(tmp_path / "head.npz")

    assert list(again) == ["weights", "k"]
    for name, array in arrays.items():
        assert again[name].dtype == array.dtype
        assert np.array_equal(again[name], array)


class _Pickled:
    """Creates the file `canary` in the working folder when it is unpickled."""

    def __reduce__(self):
        return open, ("canary", "w")


def test_objects_are_not_unpickled(tmp_path):
    """A file with an object array is refused, and its code does not run."""
    np.savez(tmp_path / "head.npz", weights=np.array([_Pickled()], dtype=object))

    with pytest.raises(
        DamagedStoreError, match=r"head\.npz is not a readable file of plain arrays: .*allow_pickle=False"
    ):
        load_arrays(tmp_path / "head.npz")
    assert not (tmp_path / "canary").exists()

    np.load(tmp_path / "head.npz", allow_pickle=True)["weights"][0].close()

    assert (tmp_path / "canary").exists()  # the same file does run its code when it is trusted


def test_objects_are_not_written(tmp_path):
    """What could not be read back safely is not written either."""
    with pytest.raises(ValueError, match="Object arrays cannot be saved"):
        save_arrays(tmp_path / "head.npz", {"weights": np.array([None], dtype=object)})


@pytest.mark.parametrize(
    "damage", ["missing", "empty", "text", "first half", "flipped", "one array", "no array inside"]
)
def test_damaged_arrays_are_damage(damage, tmp_path):
    """Whatever is wrong with a head's file, it is damage that a user is told of."""
    path = tmp_path / "head.npz"
    save_arrays(path, {"weights": np.arange(100.0)})
    whole = path.read_bytes()
    if damage == "missing":
        path.unlink()
    elif damage == "one array":
        with path.open("wb") as file:
            np.save(file, np.arange(3))
    elif damage == "no array inside":
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("weights.npy", "not an array")
    else:
        flipped = whole[:300] + bytes([whole[300] ^ 1]) + whole[301:]
        contents = {"empty": b"", "text": b"weights", "first half": whole[: len(whole) // 2], "flipped": flipped}
        path.write_bytes(contents[damage])

    with pytest.raises(DamagedStoreError, match=r"head\.npz is not a readable file of plain arrays"):
        load_arrays(path)
