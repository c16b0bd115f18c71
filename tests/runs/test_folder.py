"""Run folders."""

import json
import math
import re
import zipfile
from dataclasses import replace

import numpy as np
import pytest

from pipeline.errors import DamagedStoreError, RunNotFoundError, SettingError
from pipeline.files import read_json, write_json
from pipeline.runs.folder import (
    NewRun,
    RunFolder,
    load_arrays,
    open_run,
    save_arrays,
    write_history,
    write_predictions,
)
from pipeline.runs.listing import list_runs
from pipeline.runs.naming import check_run_name
from pipeline.tasks.classification import Classification
from tests.runs.samples import SCORES, make_info, make_run


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_finished_run_has_its_files(tmp_path):
    """A finished run is one folder with the files that were written into it, and info and scores come back."""
    run = make_run(tmp_path, "mine")

    assert names(tmp_path) == ["mine"]
    assert {"head.npz", "metrics.json", "run.json"} <= set(names(run.path))
    assert run.name == "mine"
    assert RunFolder(run.path).info.as_dict() == json.loads(json.dumps(make_info(name="mine").as_dict()))
    assert RunFolder(run.path).scores == SCORES
    assert run.head_path == run.path / "head.npz"


def test_names_are_made_up_one_after_the_other(tmp_path):
    """Runs without a name get the stem and a number that is free."""
    made = [make_run(tmp_path, None, stem="photos-vgg16-logreg").name for _ in range(3)]

    assert made == ["photos-vgg16-logreg-001", "photos-vgg16-logreg-002", "photos-vgg16-logreg-003"]
    assert [run.name for run in list_runs(tmp_path)] == made


def test_a_name_that_another_process_has_taken_is_left_to_it(tmp_path):
    """Two unnamed runs that finish at once get two folders; a failed one frees its name."""
    with NewRun(tmp_path, None, "stem") as first, NewRun(tmp_path, None, "other") as second:
        (tmp_path / "other-001").mkdir()  # taken by a process that is about to put its run there
        assert second.finish(make_info(), SCORES).name == "other-002"
        assert first.finish(make_info(), SCORES).name == "stem-001"
    with pytest.raises(ValueError, match="not JSON compliant"), NewRun(tmp_path, None, "stem") as failed:
        failed.finish(make_info(seconds=math.nan), SCORES)

    assert names(tmp_path) == ["other-001", "other-002", "stem-001"]


@pytest.mark.parametrize(
    ("stem", "name"),
    [("mein Ordner/../x-vgg16", "mein-Ordner-..-x-vgg16-001"), ("../..", "run-001"), ("\N{BULLET}", "run-001")],
)
def test_made_up_name_is_one_plain_folder(stem, name, tmp_path):
    """Whatever the data set is called, the name has no separators and stays in the runs folder."""
    assert make_run(tmp_path, None, stem=stem).path == tmp_path / name


def test_unfinished_run_leaves_nothing(tmp_path):
    """If the training fails after its first files, no folder stays."""

    def interrupted():
        with NewRun(tmp_path, "mine", "stem") as new:
            (new.path / "head.npz").write_bytes(b"arrays")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()

    assert names(tmp_path) == []


def test_scores_that_are_not_finite_leave_nothing(tmp_path):
    """A run whose scores cannot be written as JSON leaves no folder."""
    with pytest.raises(ValueError, match="not JSON compliant"), NewRun(tmp_path, "mine", "stem") as new:
        new.finish(make_info(), {"validation": replace(SCORES["validation"], loss=math.nan)})

    assert names(tmp_path) == []


def test_run_that_is_being_written_is_not_listed(tmp_path):
    """A run is listed only when it is complete."""
    with NewRun(tmp_path, "mine", "stem") as new:
        write_json(new.path / "run.json", make_info().as_dict())
        listed = list_runs(tmp_path)

    assert listed == []


def test_named_run_replaces_the_older_one(tmp_path):
    """A run that replaces another one has none of its files."""
    old = make_run(tmp_path, "mine", head="knn")
    (old.path / "curves.png").write_bytes(b"old")
    new = make_run(tmp_path, "mine", replace=True, head="ridge")

    assert names(tmp_path) == ["mine"]
    assert new.info.head == "ridge"
    assert not (new.path / "curves.png").exists()


def test_failed_run_keeps_the_older_one(tmp_path):
    """If a training fails, an older run of its name stays."""
    make_run(tmp_path, "mine", head="knn")
    with pytest.raises(RuntimeError), NewRun(tmp_path, "mine", "stem", replace=True):
        raise RuntimeError

    assert open_run("mine", tmp_path).info.head == "knn"


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "/x", "../x", ".hidden", "x/", "x" * 181, "a\nb", "\udce9"])
def test_invalid_name_is_refused(name, tmp_path):
    """A name that would leave the runs folder, or be hidden in it, is an error."""
    with pytest.raises(SettingError, match=r"A run's name is one folder name .*" + re.escape(f"Received: {name!r}.")):
        check_run_name(name, tmp_path)
    with pytest.raises(SettingError, match=r"A run's name is one folder name "):
        NewRun(tmp_path, name, "stem")


@pytest.mark.parametrize("name", [None, "mine", "v1.0", "Größe 3", "a..b"])
def test_valid_name_is_accepted(name, tmp_path):
    """The name of one folder is a valid name."""
    check_run_name(name, tmp_path)

    assert name is None or make_run(tmp_path, name).path == tmp_path / name


def test_folder_that_is_not_a_run_is_not_replaced(tmp_path):
    """If another folder has the name, it does not change: the name is refused before the work, and not used after it."""
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("all of it")

    with pytest.raises(SettingError, match=r"mine exists and is not a run\. Choose another --name\."):
        check_run_name("mine", tmp_path)
    assert make_run(tmp_path, "mine").name == "mine-001"
    assert (tmp_path / "mine" / "thesis.txt").read_text() == "all of it"


def test_existing_run_is_replaced_only_on_request(tmp_path):
    """The error comes before the work, names the run and both cures, and the run stays; --replace needs a name."""
    make_run(tmp_path, "mine", head="knn")

    with pytest.raises(
        SettingError, match=r"'mine' already exists .* another --name, or replace it with --replace \(in Python"
    ):
        check_run_name("mine", tmp_path)
    with pytest.raises(SettingError, match="--replace without --name"):
        check_run_name(None, tmp_path, replace=True)
    check_run_name("mine", tmp_path, replace=True)
    assert open_run("mine", tmp_path).info.head == "knn"


@pytest.mark.parametrize("is_run", [True, False])
def test_run_whose_name_was_taken_meanwhile_is_not_lost(is_run, tmp_path, caplog):
    """If another process makes a run or a folder of the name during the training, this one gets a numbered name."""
    with NewRun(tmp_path, "mine", "stem") as late:
        if is_run:
            make_run(tmp_path, "mine", head="knn")
        else:
            (tmp_path / "mine").mkdir()
        done = late.finish(make_info(head="ridge"), SCORES)

    assert (done.name, done.info.name, done.info.head) == ("mine-001", "mine-001", "ridge")
    assert "This run is mine-001." in caplog.text
    assert names(tmp_path) == ["mine", "mine-001"]


def test_unknown_run_suggests_the_nearest(tmp_path):
    """A typing error names the run that was meant; a name like no other lists the runs."""
    for name in ("best", "layers"):
        make_run(tmp_path, name)

    with pytest.raises(RunNotFoundError, match=r"No run 'bset' .* Did you mean 'best'\? Runs there: best, layers\."):
        open_run("bset", tmp_path)
    with pytest.raises(RunNotFoundError, match=r"below [^ ]+\. Runs there: best, layers\."):
        open_run("xyz", tmp_path)
    with pytest.raises(RunNotFoundError, match=r"Did you mean 'comparison-photos'\?"):
        open_run("comparison-photo", tmp_path, also=["comparison-photos"])


def test_few_of_many_runs_are_named(tmp_path):
    """In the order of their names, with the number of the others."""
    for number in range(11):
        make_run(tmp_path, f"{number:02d}")
    listed = r"Runs there: 00, 01, 02, 03, 04, 05, 06, 07 and 3 more \(`bottleneck runs` lists all\)\."

    with pytest.raises(RunNotFoundError, match=listed):
        open_run("xyz", tmp_path)


def test_run_is_found_by_name_or_by_folder(tmp_path):
    """A run can be given by its name or as a folder."""
    run = make_run(tmp_path / "runs", "mine")

    assert open_run("mine", tmp_path / "runs") == run
    assert open_run(run.path, tmp_path / "elsewhere") == run
    assert open_run("runs/mine", tmp_path / "elsewhere").name == "mine"  # below the working folder


def test_unknown_run_is_an_error(tmp_path):
    """The message lists the runs, or says how to make one."""
    with pytest.raises(RunNotFoundError, match=r"No run 'mine' below .*There are none; `bottleneck head DATA` makes"):
        open_run("mine", tmp_path)
    make_run(tmp_path, "yours")
    with pytest.raises(RunNotFoundError, match=r"No run 'mine' below .* Runs there: yours\."):
        open_run("mine", tmp_path)


def test_a_run_is_read_once(tmp_path, monkeypatch):
    """Info and scores are read from disk once."""
    run, read, names = make_run(tmp_path, "mine"), RunFolder._json, []
    monkeypatch.setattr(RunFolder, "_json", lambda run, name: (names.append(name), read(run, name))[1])
    for _ in range(3):
        _ = run.info, run.scores

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
    """A file that is not a JSON object is damaged data; the message has its path."""
    run = make_run(tmp_path, "mine")
    (run.path / name).write_bytes(content)

    with pytest.raises(DamagedStoreError, match=f"mine/{name} {expected}") as caught:
        _ = run.info, run.scores
    assert caught.value.exit_code == 3


@pytest.mark.parametrize("number", ["null", '"0.9"', "[]"])
def test_score_that_is_no_number_is_damage(number, tmp_path):
    """Scores that were edited by hand are no bug: runs are ranked by them."""
    run = make_run(tmp_path, "mine")
    stored = read_json(run.path / "metrics.json", 10**6)
    stored["validation"]["accuracy"] = json.loads(number)
    write_json(run.path / "metrics.json", stored)

    with pytest.raises(DamagedStoreError, match=r"mine/metrics\.json does not hold scores"):
        _ = run.scores


@pytest.mark.parametrize("missing", ["schema", "head", "recipe", "classes", "pool", "weights"])
def test_run_with_a_missing_field_is_damage(missing, tmp_path):
    """run.json without a field that is needed to predict is damaged data."""
    run = make_run(tmp_path, "mine")
    write_json(run.path / "run.json", {key: value for key, value in run.info.as_dict().items() if key != missing})
    run = open_run("mine", tmp_path)

    with pytest.raises(DamagedStoreError, match=rf"mine/run\.json is not a run of schema 1.*{missing}"):
        _ = run.info


def test_run_of_a_later_schema_is_refused(tmp_path):
    """A run of a later version is an error."""
    run = make_run(tmp_path, "mine")
    write_json(run.path / "run.json", run.info.as_dict() | {"schema": 2})
    run = open_run("mine", tmp_path)

    with pytest.raises(DamagedStoreError, match=r"mine/run\.json is not a run of schema 1"):
        _ = run.info


def test_run_without_a_head_is_damage(tmp_path):
    """A run without a head is damaged data."""
    run = make_run(tmp_path, "mine")
    (run.path / "head.npz").unlink()

    with pytest.raises(DamagedStoreError, match=r"mine has no head\.npz and no head\.keras"):
        _ = run.head_path


def test_history_and_predictions_come_back(tmp_path):
    """Histories are read as numbers; names and labels may have any characters."""
    run = RunFolder(tmp_path)
    history = [{"epoch": 1, "val_loss": 0.5}, {"epoch": 2, "val_loss": 0.25}]
    rows = [('a,"b"\n.png', "test", "ä;b", b"\x01\xff" * 16, np.array([0.25, 0.75], np.float32))]
    write_history(tmp_path / "history.csv", history)
    write_predictions(tmp_path / "predictions.csv", rows, Classification(("ä;b", "c")))

    assert run.history() == history
    assert run.predictions() == [
        {
            "path": 'a,"b"\n.png',
            "split": "test",
            "label": "ä;b",
            "predicted": "c",
            "sha256": "01ff" * 16,
            "p:ä;b": "0.250000",
            "p:c": "0.75",
        }
    ]


def test_of_many_classes_the_most_likely_are_listed(tmp_path):
    """More than 50 classes would make a table of hundreds of columns; the largest probability is exact."""
    classes = tuple(f"c{number:04d}" for number in range(1200))
    p = np.full(1200, 1e-5, np.float32)
    p[[7, 3, 11]] = 0.5, 0.3, 0.1
    write_predictions(
        tmp_path / "predictions.csv", [("a.png", "test", "c0003", bytes(32), p)] * 20, Classification(tuple(classes))
    )
    row = RunFolder(tmp_path).predictions()[19]

    assert list(row)[5:9] == ["probability", "label_2", "probability_2", "label_3"]
    assert (row["predicted"], np.float32(row["probability"])) == ("c0007", p[7])
    assert (row["label_2"], row["probability_2"], row["label_3"], row["label_5"]) == (
        "c0003",
        "0.300000",
        "c0011",
        "c0001",
    )
    assert (tmp_path / "predictions.csv").stat().st_size < 200 * 20


def test_history_of_a_head_without_epochs_is_empty(tmp_path):
    """A linear head has no history."""
    assert RunFolder(tmp_path).history() == []


def test_arrays_come_back(tmp_path):
    """Arrays have the same values, shapes and dtypes after writing and reading."""
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

    assert (tmp_path / "canary").exists()  # the same file runs its code if pickles are allowed


def test_objects_are_not_written(tmp_path):
    """Objects could not be read back safely, so they are not written."""
    with pytest.raises(ValueError, match="Object arrays cannot be saved"):
        save_arrays(tmp_path / "head.npz", {"weights": np.array([None], dtype=object)})


@pytest.mark.parametrize(
    "damage", ["missing", "empty", "text", "first half", "flipped", "one array", "no array inside"]
)
def test_damaged_arrays_are_damage(damage, tmp_path):
    """A damaged file of a head is a DamagedStoreError, whatever the damage."""
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


def test_folder_is_shown_in_one_line(tmp_path, monkeypatch):
    """The display has the path, and reads no file."""
    monkeypatch.setattr(RunFolder, "_json", lambda *_: pytest.fail("A file was read."))

    assert repr(RunFolder(tmp_path / "mine")) == f"RunFolder('{tmp_path}/mine')"
