"""The command line."""

import contextlib
import io
import json
import logging
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import click
import h5py
import pytest

from pipeline import __version__
from pipeline.bases.table import BASES
from pipeline.cli.app import app, main
from tests.conftest import draw_photo, draw_tree

PROJECT = Path(__file__).parents[2]
BASE = ("--base", "squeezenet", "--size", "48", "--weights", "random")
HEAVY = ("tensorflow", "keras", "sklearn", "numpy", "h5py", "scipy", "matplotlib")
HEAD_KEYS = {
    *("run", "head", "train", "validation", "test", "seconds", "seconds_per_epoch", "epochs"),
    *("trainable_params", "total_params", "trunk_digest_before", "trunk_digest_after"),
}


@dataclass(frozen=True)
class Outcome:
    """What a command left behind."""

    code: int
    out: str
    err: str

    @property
    def json(self):
        """Standard output as the one JSON value that it must be."""
        assert self.out.endswith("\n")
        assert self.out.count("\n") == 1
        return json.loads(self.out, parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))


def call(*arguments):
    """Run a command in this process; the handlers that it installs are taken away again."""
    out, err = io.StringIO(), io.StringIO()
    signals = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    handlers = list(logging.getLogger().handlers)
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), pytest.raises(SystemExit) as caught:
            main([str(argument) for argument in arguments])
    finally:
        for number, handler in signals.items():
            signal.signal(number, handler)
        logging.getLogger().handlers[:] = handlers
    return Outcome(caught.value.code, out.getvalue(), err.getvalue())


def start(*arguments, **settings):
    """Run the program in a process of its own."""
    command = [sys.executable, *(str(argument) for argument in arguments)]
    return subprocess.run(
        command, capture_output=True, text=True, check=False, env=os.environ | {"PYTHONPATH": str(PROJECT)}, **settings
    )


def imported(outcome):
    """Top-level packages that a process started with -X importtime has loaded."""
    return {
        line.rsplit("|", 1)[1].strip().split(".")[0] for line in outcome.stderr.splitlines() if "import time:" in line
    }


def walk(command=app, path=()):
    """Every command that does something, by its words."""
    if isinstance(command, click.Group):
        for name, child in command.commands.items():
            yield from walk(child, (*path, name))
    else:
        yield path, command


COMMANDS = dict(walk())
NAMES = [" ".join(path) for path in COMMANDS]


@pytest.fixture(scope="module")
def work(tmp_path_factory, photos, home):
    """Places where the features of the photographs are in the cache, with a linear run and a dense one."""
    folder = tmp_path_factory.mktemp("work")
    places = ("--cache", folder / "cache", "--runs", folder / "runs")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BOTTLENECK_HOME", str(home))
        features = call("features", photos, *BASE, *places, "--json")
        linear = call("head", photos, "--head", "logreg:C=0.01", "--name", "linear", *BASE, *places, "--json")
        dense = call(
            "head", photos, "--head", "dense:8,relu", "--epochs", 2, "--name", "dense", *BASE, *places, "--json"
        )
    return {"features": features, "linear": linear, "dense": dense, "places": places, "folder": folder}


@pytest.fixture
def own(work, tmp_path):
    """A copy of these places that a test may change."""
    shutil.copytree(work["folder"] / "cache", tmp_path / "cache")
    shutil.copytree(work["folder"] / "runs", tmp_path / "runs")
    return ("--cache", tmp_path / "cache", "--runs", tmp_path / "runs")


# Help


@pytest.mark.parametrize("path", COMMANDS, ids=NAMES)
def test_every_command_has_help(path):
    """Each command says in a sentence what it does, and each of its options what it is for."""
    outcome = call(*path, "--help")
    command = COMMANDS[path]
    options = [parameter for parameter in command.params if isinstance(parameter, click.Option)]

    assert outcome.code == 0
    assert outcome.out.startswith(f"Usage: bottleneck {' '.join(path)} ")
    assert command.help[0].isupper()
    assert command.help.rstrip().endswith(".")
    assert [option.name for option in options if not option.help] == []
    assert "json" in {name for option in options for name in re.findall(r"\w+", " ".join(option.opts))}


def test_commands_of_the_design_are_there():
    """The commands that others rely on exist under their names."""
    design = """features head sweep finetune endtoend compare predict classify export report runs bases advise plan
        cache-ls cache-info cache-verify cache-repair cache-compact cache-prune cache-export cache-import weights-ls weights-fetch"""

    assert {name.replace(" ", "-") for name in NAMES} >= set(design.split())


@pytest.mark.parametrize("flag", ["--help", "-h"])
def test_help_lists_the_commands_in_the_order_of_their_use(flag):
    """Stage one comes before stage two, and the help goes to standard output."""
    outcome = call(flag)

    assert outcome.code == 0
    assert outcome.out.index("\n  features ") < outcome.out.index("\n  head ") < outcome.out.index("\n  predict ")


def test_help_loads_nothing_heavy():
    """In a clean process the help comes without TensorFlow, scikit-learn, or even numpy."""
    outcome = start("-X", "importtime", "-m", "pipeline", "--help")

    assert outcome.returncode == 0
    assert outcome.stdout.startswith("Usage: ")
    assert imported(outcome) >= {"click", "pipeline"}
    assert imported(outcome).isdisjoint(HEAVY)


def test_version_is_that_of_the_package():
    """The program says its version."""
    assert call("--version").out == f"bottleneck, version {__version__}\n"


# What is printed


def test_features_prints_what_stage_one_did(work, photos):
    """The keys that others rely on are there, with all rows new."""
    result = work["features"].json

    assert work["features"].code == 0
    assert result.keys() >= {
        *("rows", "new", "reused", "skipped", "shape", "store", "fingerprint"),
        *("images_per_second", "seconds", "engine", "trunk_digest"),
    }
    assert (result["rows"], result["new"], result["reused"], result["skipped"]) == (48, 48, 0, [])
    assert result["shape"] == [2, 2, 512]
    assert Path(result["store"]).is_dir()
    assert result["fingerprint"].startswith(result["store"].rsplit("-", 1)[1])
    assert re.fullmatch("[0-9a-f]{64}", result["trunk_digest"])


def test_features_again_reuses_all_rows(work, photos):
    """On a warm store no engine is needed, and nothing is new."""
    result = call("features", photos, *BASE, *work["places"], "--json").json

    assert (result["rows"], result["new"], result["reused"]) == (48, 0, 48)
    assert result["engine"] is result["images_per_second"] is None
    assert result["store"] == work["features"].json["store"]


def test_skipped_image_is_listed_with_its_reason(own, photos, tmp_path):
    """What cannot be read is left out, and named; with --strict it is an error."""
    tree = shutil.copytree(photos, tmp_path / "photos")
    (tree / "train" / "red" / "broken.png").write_bytes(b"no image")
    result = call("features", tree, *BASE, *own, "--json").json
    strict = call("features", tree, *BASE, *own, "--strict", "--json")

    assert result["rows"] == 48
    assert [entry["path"] for entry in result["skipped"]] == ["train/red/broken.png"]
    assert result["skipped"][0]["reason"]
    assert strict.code == 2
    assert "broken.png" in strict.json["message"]


@pytest.mark.parametrize("name", ["linear", "dense"])
def test_head_prints_scores_of_all_splits(name, work):
    """Accuracy, loss, number and interval of each split, and what was trained on what."""
    result = work[name].json

    assert work[name].code == 0
    assert result.keys() >= HEAD_KEYS
    for split, count in (("train", 24), ("validation", 12), ("test", 12)):
        low, high = result[split]["ci95"]

        assert set(result[split]) == {"accuracy", "loss", "n", "ci95"}
        assert result[split]["n"] == count
        assert 0 <= low <= result[split]["accuracy"] <= high <= 1
    assert result["run"] == name
    assert result["trunk_digest_before"] == result["trunk_digest_after"] == work["features"].json["trunk_digest"]


def test_linear_head_has_no_epochs(work):
    """A linear head on 512 pooled features has two columns of weights, and no epochs."""
    result = work["linear"].json

    assert result["head"] == "logreg:C=0.01"
    assert result["epochs"] is result["seconds_per_epoch"] is None
    assert result["trainable_params"] == 512 * 2 + 2
    assert result["total_params"] == BASES["squeezenet"].parameters + 512 * 2 + 2


def test_dense_head_has_epochs(work):
    """A dense head on the flattened grid tells its epochs and their time."""
    result = work["dense"].json

    assert result["epochs"] == 2
    assert result["seconds_per_epoch"] > 0
    assert result["trainable_params"] == 2048 * 8 + 8 + 8 + 1


def test_run_folder_holds_everything(work):
    """A run has its info, scores, predictions and pictures; a dense one also its history and curves."""
    files = {name: {path.name for path in (work["folder"] / "runs" / name).iterdir()} for name in ("linear", "dense")}
    common = {"run.json", "metrics.json", "predictions.csv", "confusion.png"}

    assert files["linear"] == common | {"head.npz"}
    assert files["dense"] == common | {"head.keras", "history.csv", "curves.png"}


def test_sweep_prints_a_ranked_table(own, photos):
    """Every head has its scores and time, the best one becomes a run, and the test split is that run's alone."""
    heads = ("--head", "logreg:C=0.01|1", "--head", "knn:k=1|3", "--head", "softmax")
    result = call("sweep", photos, *heads, "--epochs", 1, "--workers", 1, "--name", "best", *BASE, *own, "--json").json
    ranks = [(-entry["validation"]["accuracy"], entry["validation"]["loss"]) for entry in result["results"]]

    assert set(result) == {"results", "best", "seconds"}
    assert len(result["results"]) == 5
    assert all(entry.keys() >= {"head", "params", "validation", "seconds"} for entry in result["results"])
    assert ranks == sorted(ranks)
    assert not any("test" in entry for entry in result["results"])
    assert json.loads((Path(result["best"]["folder"]) / "sweep.json").read_text()) == result["results"]
    assert result["best"].keys() >= HEAD_KEYS
    assert (result["best"]["run"], result["best"]["head"]) == ("best", result["results"][0]["head"])


def test_predict_prints_each_image(work, photos):
    """One entry an image: path, label, its probability, and the classes from the most likely down."""
    image = photos / "test" / "red" / "red000.png"
    (entry,) = call("predict", "linear", image, *work["places"], "--json").json

    assert set(entry) == {"path", "label", "probability", "top", "reason"}
    assert entry["path"] == str(image)
    assert entry["top"][0] == [entry["label"], entry["probability"]]
    assert sorted(label for label, _ in entry["top"]) == ["blue", "red"]


def test_predict_says_what_it_cannot_read(work, photos, tmp_path, caplog):
    """Each image has its line, a warning counts those that cannot be read, and --strict makes them an error."""
    image, broken = photos / "test" / "red" / "red000.png", tmp_path / "broken.png"
    broken.write_bytes(b"no image")
    shown = call("predict", "linear", image, broken, "gone.png", *work["places"])
    entries = call("predict", "linear", image, broken, "gone.png", *work["places"], "--json").json
    strict = call("predict", "linear", image, broken, "--strict", *work["places"])

    assert (shown.code, len(shown.out.splitlines())) == (0, 4)
    assert shown.out.splitlines()[3].endswith("no such file")
    assert f"2 of 3 images cannot be read; the first: {broken}: not an image" in caplog.text
    assert [entry["label"] is None for entry in entries] == [False, True, True]
    assert (strict.code, strict.out) == (2, "")
    assert f"1 of 2 images cannot be read; the first: {broken}: not an image" in strict.err


@pytest.mark.parametrize("command", [("predict", "linear"), ("classify",)])
@pytest.mark.parametrize("top", [0, -1])
def test_at_least_one_class_is_listed(command, top, work, photos):
    """--top below 1 is a mistake of usage."""
    outcome = call(*command, photos / "test", "--top", top, *work["places"])

    assert outcome.code == 2
    assert "--top" in outcome.err


def test_verify_prints_what_is_whole(work):
    """Every row of the cache is read and counted."""
    assert call("cache", "verify", *work["places"], "--json").json == {"rows": 48, "ok": 48, "bad": []}


def test_verify_finds_one_changed_bit(own):
    """A shard with one other bit is named, and the exit code is 3."""
    shard = next(own[1].rglob("shards/*.h5"))
    data = bytearray(shard.read_bytes())
    data[len(data) // 2] ^= 1
    shard.write_bytes(data)
    outcome = call("cache", "verify", *own, "--json")
    (bad,) = outcome.json["bad"]

    assert outcome.code == 3
    assert set(bad) == {"shard", "row", "reason", "is_damage"}
    assert bad["is_damage"] is True
    assert bad["shard"].endswith(shard.name)
    assert outcome.json["ok"] == 0


def test_verify_can_compute_rows_again(work, photos):
    """With the data at hand, rows are compared with what the base gives now."""
    places = ("--recompute", 5, "--data", photos, *BASE, *work["places"])
    result = call("cache", "verify", *places, "--json").json["recomputed"]

    assert result["rows"] == 5
    assert result["bad"] == []
    assert result["largest_difference"] <= 1e-5


def test_export_writes_a_model(work, tmp_path):
    """The model's file and how far it is from the run are printed."""
    result = call("export", "dense", tmp_path / "model.keras", *work["places"], "--json").json

    assert result["file"] == str(tmp_path / "model.keras")
    assert result["largest_difference"] < 1e-4
    assert (result["format"], result["images"], result["encoded"]) == ("Keras", 200, None)
    assert (tmp_path / "model.labels.json").is_file()


def test_an_exported_file_predicts_in_the_place_of_a_run(work, photos, tmp_path):
    """The same labels, and nothing of the run, the cache or the base is needed."""
    image = photos / "test" / "red" / "red000.png"
    [expected] = call("predict", "linear", image, *work["places"], "--json").json
    call("export", "linear", tmp_path / "model.keras", *work["places"], "-q")
    [received] = call("predict", tmp_path / "model.keras", image, "--cache", tmp_path / "cache", "--json").json

    assert received["label"] == expected["label"]
    assert received["probability"] == pytest.approx(expected["probability"], abs=1e-3)


def test_report_writes_a_page(work, tmp_path):
    """All runs are on the page, or those that are named."""
    every = call("report", "--out", tmp_path / "all.html", *work["places"], "--json").json
    one = call("report", "linear", "--out", tmp_path / "one.html", *work["places"], "--json").json

    assert every == {"report": str(tmp_path / "all.html"), "runs": ["dense", "linear"]}
    assert one["runs"] == ["linear"]
    assert '"name":"dense"' in (tmp_path / "all.html").read_text(encoding="utf-8")
    assert '"name":"dense"' not in (tmp_path / "one.html").read_text(encoding="utf-8")


def test_runs_are_listed_best_first(work):
    """Each run has its data, base, head and accuracies; the best by validation comes first."""
    rows = call("runs", *work["places"], "--json").json

    assert {row["run"] for row in rows} == {"linear", "dense"}
    assert set(rows[0]) == {"run", "data", "base", "head", "validation", "test", "seconds"}
    assert rows[0]["validation"] >= rows[1]["validation"]


def test_bases_are_listed():
    """Every base of the table is listed; at a size, the shape of a base's features and its cuts are shown."""
    rows = call("bases", "--json").json
    (built,) = call("bases", "squeezenet", "--size", 48, "--json").json

    assert [row["base"] for row in rows] == list(BASES)
    assert built["shape"] == [2, 2, 512]
    assert built["cuts"][-1] == "fire9_concat"


def test_stores_are_listed_and_described(work):
    """The cache's stores are listed, and one of them is described by the end of its name."""
    (row,) = call("cache", "ls", *work["places"], "--json").json
    described = call("cache", "info", row["store"][-6:], *work["places"], "--json").json

    assert row["rows"] == 48
    assert row["store"].startswith("squeezenet-48px-fire9_concat-")
    assert described["fingerprint"] == work["features"].json["fingerprint"]
    assert described["recipe"]["base"] == "squeezenet"


def test_store_can_be_exported_and_imported(work, photos, tmp_path):
    """One plain HDF5 file has the splits with features and labels; a store's folder is taken over elsewhere."""
    exported = call("cache", "export", photos, tmp_path / "plain.h5", *BASE, *work["places"], "--json").json
    store = work["features"].json["store"]
    taken = call("cache", "import", store, "--cache", tmp_path / "other", "--json").json
    with h5py.File(tmp_path / "plain.h5") as file:
        shapes = {name: group["features"].shape for name, group in file.items()}

    assert exported["rows"] == {"train": 24, "validation": 12, "test": 12}
    assert shapes == {"train": (24, 2, 2, 512), "validation": (12, 2, 2, 512), "test": (12, 2, 2, 512)}
    assert taken["rows"] == 48
    assert Path(taken["store"]).parent == tmp_path / "other"


def test_prune_deletes_only_with_yes(own):
    """Without --yes it is only shown what would go."""
    store = next(own[1].glob("squeezenet-*"))
    shown = call("cache", "prune", store.name, *own, "--json").json
    kept = store.exists()
    deleted = call("cache", "prune", store.name, "--yes", *own, "--json").json

    assert shown["paths"] == deleted["paths"] == [str(store)]
    assert (shown["deleted"], kept) == (False, True)
    assert (deleted["deleted"], store.exists()) == (True, False)


def test_weights_are_listed(work, home):
    """The weights of the project's own folder are listed with their bytes."""
    result = call("weights", "ls", "--json").json

    assert result["folder"] == str(home / "weights")
    assert "squeezenet-random.weights.h5" in {entry["file"] for entry in result["weights"]}


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("features", "{photos}", *BASE), "48 rows of (2, 2, 512): 0 new, 48 reused."),
        (("head", "{photos}", "--head", "knn:k=1", *BASE), "95 % interval"),
        (("predict", "linear", "{photos}/test"), "probability"),
        (("runs",), "validation"),
        (("cache", "ls"), "compression"),
        (("cache", "verify"), "48 of 48 rows are whole."),
        (("cache", "prune"), "Nothing to delete."),
        (("bases",), "vgg16"),
        (("weights", "ls"), "squeezenet-random.weights.h5"),
    ],
)
def test_without_json_people_get_text(arguments, expected, own, photos):
    """The same results are printed as sentences and tables."""
    places = () if arguments[0] in ("bases", "weights") else own
    outcome = call(*(argument.format(photos=photos) for argument in arguments), *places)

    assert outcome.code == 0
    assert expected in outcome.out
    assert "{" not in outcome.out


def test_nothing_there_is_said_in_words(tmp_path):
    """Empty places are no error: what is missing is said, with the command that makes it."""
    places = ("--cache", tmp_path / "cache", "--runs", tmp_path / "runs")

    assert call("runs", *places).out == "No runs yet; `bottleneck head DATA` makes one.\n"
    assert call("cache", "ls", *places).out == "No stores yet.\n"
    assert call("cache", "verify", *places).out == "0 of 0 rows are whole.\n"


def test_duplicates_across_splits_are_reported(own, photos, tmp_path, caplog):
    """The same image in two splits is named, with a warning that scores may be too good."""
    tree = shutil.copytree(photos, tmp_path / "photos")
    shutil.copy(tree / "train" / "red" / "red000.png", tree / "test" / "red" / "again.png")
    result = call("head", tree, "--head", "knn:k=1", *BASE, *own, "--json").json

    assert result["duplicates"] == [["test: test/red/again.png", "train: train/red/red000.png"]]
    assert "1 images stand in more than one split" in caplog.text


@pytest.mark.parametrize("command", ["endtoend", "finetune"])
def test_live_training_prints_what_a_head_does(command, photos, own, tmp_path):
    """Training on live photographs has the keys of a head, and leaves the trunk as it was."""
    tree = draw_tree(tmp_path / "few", {"train": 4, "validation": 2})
    last = ("--last", 3, "--head-epochs", 1) if command == "finetune" else ()
    outcome = call(command, tree, "--head", "softmax", "--pool", "avg", "--epochs", 1, *last, *BASE, *own, "--json")
    result = outcome.json

    assert result.keys() >= HEAD_KEYS - {"test"}
    assert result["trunk_digest_before"] == result["trunk_digest_after"]
    assert result["seconds_per_epoch"] > 0


# Errors


@pytest.mark.parametrize(
    ("arguments", "error", "expected"),
    [
        (("teach",), "UsageError", "No such command 'teach'"),
        (("features",), "UsageError", "Missing argument 'DATA'"),
        (("head", "{photos}", "--epochs", "many"), "UsageError", "'many' is not a valid integer"),
        (("head", "{photos}", "--colour", "red"), "UsageError", "No such option '?--colour"),
        (("cache", "verify", "--recompute", "3"), "UsageError", "--recompute needs --data"),
        (("finetune", "{photos}"), "UsageError", "--from"),
        (("features", "nowhere"), "DataNotFoundError", "No such data: 'nowhere'"),
        (("features", "{photos}", "--base", "vgg11"), "UnknownBaseError", "Unknown base 'vgg11'"),
        (("features", "{photos}", "--base", "xception", "--size", "48"), "UnknownBaseError", "at least 71 px"),
        (("features", "{photos}", "--weights", "w.h5"), "WeightsUnavailableError", "No such weights: 'w.h5'"),
        (("features", "{photos}", *BASE, "--cut", "fire99"), "InvalidCutError", "fire99"),
        (("features", "{photos}", *BASE, "--dtype", "int8"), "SettingError", "int8"),
        (("features", "{photos}", *BASE, "--pool", "mean"), "SettingError", "Received: 'mean'"),
        (("head", "{photos}", "--head", "forest"), "HeadSpecError", "Cannot understand 'forest'"),
        (("head", "{photos}", "--name", "a/b"), "SettingError", "A run's name is one folder name. Received: 'a/b'"),
        (("head", "{photos}", "--keep", "first"), "SettingError", "Keep is one of"),
        (("head", "{photos}", *BASE, "--pool", "mean"), "SettingError", "Received: 'mean'"),
        (("sweep", "{photos}", "--random", "0"), "SettingError", "A sweep needs at least one head"),
        (("predict", "nobody", "{photos}"), "RunNotFoundError", "No run 'nobody'"),
        (("export", "linear", "model.h5"), "SettingError", "A run is exported as name.keras, name.onnx"),
        (("predict", "gone.onnx", "{photos}"), "RunNotFoundError", "No run 'gone.onnx'"),
        (("cache", "info", "vgg16"), "DataNotFoundError", "'vgg16' names 0 stores"),
    ],
)
def test_error_of_the_user_has_exit_code_2(arguments, error, expected, work, photos):
    """A mistake is one JSON object with the state and a message, and exit code 2, before anything is made."""
    filled = [argument.format(photos=photos) for argument in arguments]
    places = work["places"] if arguments[0] != "teach" else ()
    outcome = call(*filled, *places, "--json")

    assert outcome.code == 2
    assert set(outcome.json) == {"error", "message"}
    assert outcome.json["error"] == error
    assert re.search(expected.replace("(", r"\("), outcome.json["message"])
    assert "Traceback" not in outcome.err


def test_error_for_people_goes_to_standard_error(tmp_path):
    """Without --json the message is one line on standard error, and standard output is empty."""
    outcome = call("features", tmp_path / "nowhere")

    assert (outcome.code, outcome.out) == (2, "")
    assert outcome.err.startswith("bottleneck: No such data: ")
    assert outcome.err.count("\n") == 1


def test_no_command_is_help_and_exit_code_2():
    """Called without anything the program shows what it can do."""
    outcome = call()

    assert outcome.code == 2
    assert "Commands:" in outcome.err


def test_name_is_refused_before_the_training(photos, tmp_path):
    """A run's name that cannot be is noticed before a single image is looked at."""
    (tmp_path / "runs" / "mine").mkdir(parents=True)
    outcome = call("head", photos, "--name", "mine", *BASE, "--cache", tmp_path / "cache", "--runs", tmp_path / "runs")

    assert outcome.code == 2
    assert "exists and is not a run" in outcome.err
    assert not list((tmp_path).rglob("*.h5"))


@pytest.mark.parametrize(
    ("name", "content"), [("run.json", b"{"), ("run.json", b"{}"), ("head.npz", b"PK"), ("head.npz", b"")]
)
def test_damaged_run_has_exit_code_3(name, content, own, photos):
    """A run whose files are damaged is damaged data, not a mistake of the user."""
    (own[3] / "linear" / name).write_bytes(content)
    outcome = call("predict", "linear", photos / "test", *own, "--json")

    assert outcome.code == 3
    assert outcome.json["error"] == "DamagedStoreError"
    assert name in outcome.json["message"]


def test_debug_shows_the_traceback():
    """With --debug an error is raised as it is."""
    with pytest.raises(FileNotFoundError, match="No such data"):
        main(["features", "nowhere", "--debug"])


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_stopped_program_says_so(number, tmp_path):
    """Stopped by a signal while it reads, the program ends with code 130 and says that nothing is lost."""
    table = tmp_path / "data.csv"
    os.mkfifo(table)
    command = [sys.executable, "-m", "pipeline", "features", str(table), "--json"]
    environment = os.environ | {"PYTHONPATH": str(PROJECT)}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    # Opening the pipe for writing returns when the program has begun to read it.
    with subprocess.Popen(command, **pipes, text=True, env=environment) as process, table.open("w"):
        process.send_signal(number)
        out, err = process.communicate(timeout=60)

    assert process.returncode == 130
    assert json.loads(out)["error"] == "Interrupted"
    assert "Traceback" not in err


# Processes of their own


def test_warm_head_loads_no_tensorflow(work, photos):
    """On a warm store a linear head is trained, and predicts, without TensorFlow or Keras."""
    places = (*work["places"], "--json")
    head = start("-X", "importtime", "-m", "pipeline", "head", photos, "--head", "logreg", *BASE, *places)
    predict = start("-X", "importtime", "-m", "pipeline", "predict", "linear", photos / "test", *places)

    assert head.returncode == predict.returncode == 0
    assert json.loads(head.stdout)["test"]["n"] == len(json.loads(predict.stdout)) == 12
    assert imported(head) >= {"pipeline", "sklearn", "numpy"}
    assert imported(head).isdisjoint({"tensorflow", "keras"})
    assert imported(predict).isdisjoint({"tensorflow", "keras", "sklearn"})


def test_json_is_alone_on_standard_output(photos, tmp_path):
    """Even when TensorFlow starts up, standard output is one JSON value and standard error has no noise of it."""
    outcome = start("-m", "pipeline", "features", photos / "test", *BASE, "--json", "-q", cwd=tmp_path)

    assert outcome.returncode == 0
    assert json.loads(outcome.stdout)["new"] == 12
    assert outcome.stderr == ""
    assert (tmp_path / "features_cache").is_dir()  # the default place, below the working folder


def test_sweep_of_many_heads_is_not_scolded(caplog):
    """TensorFlow's warning that many functions are compiled is kept from the user; its others are not."""
    call("--version")
    logging.getLogger("tensorflow").warning("5 out of the last 5 calls to %s triggered tf.function retracing.", "step")
    logging.getLogger("tensorflow").warning("The disk is on fire.")

    assert caplog.messages == ["The disk is on fire."]


def test_run_remembers_how_it_was_called(own, photos):
    """The command line that made a run is kept with it, ready to be pasted."""
    folder = own[3]
    outcome = start("-m", "pipeline", "head", photos, "--head", "knn:k=1", "--name", "told", *BASE, *own, "--no-plots")
    command = json.loads((folder / "told" / "run.json").read_text())["command"]

    assert outcome.returncode == 0
    assert shlex.split(command)[:3] == ["bottleneck", "head", str(photos)]
    assert shlex.split(command)[3:7] == ["--head", "knn:k=1", "--name", "told"]


# What lies beside the data, and what the shell says of matplotlib


@pytest.fixture
def script(tmp_path):
    """The command `bottleneck` as pip installs it."""
    path = tmp_path / "bin" / "bottleneck"
    path.parent.mkdir()
    path.write_text("from pipeline.cli.app import main\nif __name__ == '__main__':\n    main()\n")
    return path


@pytest.mark.parametrize(
    "command",
    [
        "head {photos} --head ridge --tensorboard logs --mlflow kept",
        "sweep {photos} --head knn:k=1 --head knn:k=3 --workers 2",
        "plan {photos} --images 100",
    ],
    ids=lambda command: command.split()[0],
)
def test_commands_import_nothing_from_the_current_folder(command, own, photos, script, hostile):
    """Neither a command nor a process that it starts runs a `json.py` beside the data."""
    outcome = start(script, *command.format(photos=photos).split(), *BASE, *own, "--json", cwd=hostile)

    assert not (hostile / "imported").exists(), (hostile / "imported").read_text()
    assert outcome.returncode == 0, outcome.stderr


def test_module_imports_nothing_from_the_current_folder(own, photos, hostile):
    """`python -m pipeline` looks for `pipeline` in the current folder, as Python does, but for nothing after that."""
    (hostile / "pipeline.py").unlink()
    (hostile / "pkgutil.py").unlink()  # Python's own `-m` needs it
    heads = ("--head", "knn:k=1", "--head", "knn:k=3", "--workers", 2)
    outcome = start("-m", "pipeline", "sweep", photos, *heads, *BASE, *own, "--json", cwd=hostile)

    assert not (hostile / "imported").exists(), (hostile / "imported").read_text()
    assert outcome.returncode == 0, outcome.stderr


def test_module_runs_in_a_checkout_that_is_not_installed(tmp_path):
    """Where the package itself is in the current folder, that folder stays on the path."""
    shutil.copytree(PROJECT / "pipeline", tmp_path / "pipeline", ignore=shutil.ignore_patterns("__pycache__"))
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    command = [sys.executable, "-m", "pipeline", "--version"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment, cwd=tmp_path)

    assert done.stdout.endswith(f"{__version__}\n")


@pytest.mark.parametrize("backend", ["module://matplotlib_inline.backend_inline", "nonsense"])
@pytest.mark.parametrize("name", ["linear", "dense"])
def test_plots_need_no_backend_of_the_environment(name, backend, own, work, photos, tmp_path):
    """A notebook's shell names a backend that may not be installed, and a matplotlibrc asks for LaTeX: the plots are as ever."""
    (tmp_path / "matplotlibrc").write_text("text.usetex: True\n")
    head = {"linear": ("logreg:C=0.01",), "dense": ("dense:8,relu", "--epochs", 2)}[name]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MPLBACKEND", backend)
        outcome = start("-m", "pipeline", "head", photos, "--head", *head, "--name", "new", *BASE, *own, "--quiet")
    new, old = (runs / name / "confusion.png" for runs, name in ((own[3], "new"), (work["places"][3], name)))

    assert (outcome.returncode, outcome.stderr) == (0, "")
    assert name == "dense" or new.read_bytes() == old.read_bytes()
    assert new.is_file()


def test_package_can_be_imported_in_a_notebook_shell():
    """matplotlib, and so Keras, would refuse to load where the notebook's backend is not installed."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MPLBACKEND", "module://matplotlib_inline.backend_inline")
        outcome = start("-c", "import pipeline, matplotlib")

    assert (outcome.returncode, outcome.stderr) == (0, "")


# README and Makefile


def readme():
    return (PROJECT / "README.md").read_text(encoding="utf-8")


def makefile():
    return (PROJECT / "Makefile").read_text(encoding="utf-8")


def targets():
    """Every target of the Makefile that a user can call, with the sentence above it or beside it."""
    found, sentence = {}, ""
    for line in makefile().splitlines():
        match = re.match(r"([A-Za-z0-9][\w-]*)\s*:(?![=:])[^#]*(?:##\s*(.*))?$", line)
        if match:
            found[match[1]] = match[2] or sentence
        sentence = line.removeprefix("##").strip() if line.startswith("##") else ""
    return found


def commands_in(text):
    """Lines of a Markdown text's code that call the program, without their comments."""
    blocks = re.findall(r"^ *```[^\n]*\n(.*?)^ *```", text, flags=re.DOTALL | re.MULTILINE)
    lines = "\n".join(blocks).replace("\\\n", " ").splitlines()
    lines += re.findall(r"`([^`\n]+)`", re.sub(r"^ *```.*?^ *```", "", text, flags=re.DOTALL | re.MULTILINE))
    lines = [line.strip().removeprefix("$ ") for line in lines]
    return [line for line in lines if re.match(r"(\S*/)?bottleneck [a-z]|python3? -m pipeline [a-z]", line)]


def check_command(line):
    """Fail unless the words are a command of the program, and the options are its own."""
    words = shlex.split(re.sub(r"[…]|\.\.\.", "", line), comments=True)
    words = words[1:] if "bottleneck" in words[0] else words[3:]
    for stop in ("|", ">", "&&", ";"):
        words = words[: words.index(stop)] if stop in words else words
    command, path = app, []
    while isinstance(command, click.Group) and words and words[0] in command.commands:
        command = command.commands[words[0]]
        path.append(words.pop(0))

    assert path, f"{line!r} is no command of the program"
    known = {name for parameter in command.params for name in (*parameter.opts, *parameter.secondary_opts)}
    unknown = {word.split("=")[0] for word in words if word.startswith("--")} - known - {"--help"}
    assert not unknown, f"{line!r}: {' '.join(path)} has no option {unknown}"


def section(heading):
    """The part of README below the heading that has this word."""
    parts = re.split(r"^## ", readme(), flags=re.MULTILINE)
    return next((part for part in parts if heading in part.split("\n")[0]), "")


def named_in(text):
    """What the code spans of a text begin with: `cache ls·info FILE` names `cache ls` and `cache info`."""
    names = set()
    for span in re.findall(r"`([^`\n]+)`", text):
        first, *rest = span.split()
        names |= {first, *(f"{first} {second}" for word in rest[:1] for second in re.split("[·|]", word))}
    return names


@pytest.mark.parametrize("name", NAMES)
def test_every_command_is_in_the_readme(name):
    """README shows each command as it is typed, or names it in its section on commands."""
    assert name in named_in(section("Commands")) or re.search(rf"\bbottleneck {name}\b", readme())


def test_commands_in_the_readme_exist():
    """What README tells to type is a command of the program, with options that it has."""
    lines = commands_in(readme())
    for line in lines:
        check_command(line)

    assert lines


def test_every_make_target_is_explained():
    """Each target has a sentence in the Makefile, and plain `make` prints them all."""
    found = targets()
    printed = subprocess.run(
        ["make", "-C", PROJECT, "--no-print-directory"], capture_output=True, text=True, check=True
    )

    assert len(found) > 5
    assert [name for name, sentence in found.items() if not sentence and name != "help"] == []
    for name in found.keys() - {"help"}:
        assert re.search(rf"^ *{name} .*\w", printed.stdout, flags=re.MULTILINE), name


def test_every_make_target_is_in_the_readme():
    """README shows each target as it is typed, or names it in its section on make."""
    text, named = readme(), named_in(section("Make"))

    assert [name for name in targets() if name not in named and not re.search(rf"\bmake {name}\b", text)] == []


def test_make_targets_in_the_readme_exist():
    """What README tells to make is a target."""
    code = "\n".join(re.findall(r"```.*?```|`[^`\n]+`", readme(), flags=re.DOTALL))
    named = set(re.findall(r"(?:^|[`$;&|\n]) ?make ([a-z][\w-]*)", code))

    assert named <= set(targets())
    assert named


def test_commands_in_the_makefile_exist():
    """What the targets call is a command of the program, with options that it has."""
    common = "DATA=photos RUN=mine IMAGES=new.jpg BASE=vgg16 SIZE=150 CUT=block5_pool WEIGHTS=random CACHE=c RUNS=r"
    common += " PREPROCESS=rescale HEAD=ridge"
    called = []
    for target in sorted(targets().keys() - {"help"}):
        settings = common.split() + ["POOL=avg", "NAME=mine"] * (target in ("head", "sweep"))
        dry = subprocess.run(
            ["make", "-C", PROJECT, "-n", target, *settings], capture_output=True, text=True, check=True
        )
        called += [line for line in dry.stdout.replace("\\\n", " ").splitlines() if "bin/bottleneck " in line]
    for line in called:
        check_command(line[line.index("bin/bottleneck") :])

    assert len(called) > 5


def test_pictures_of_photographs_are_not_needed_twice(own, tmp_path):
    """A data set that grew costs only the images that are new."""
    tree = draw_tree(tmp_path / "photos", {"train": 3, "validation": 2})
    first = call("features", tree, *BASE, *own, "--json").json
    draw_photo(tree / "train" / "red" / "new.png", (90, 90, 90), seed=4321)
    second = call("features", tree, *BASE, *own, "--json").json

    assert (first["rows"], second["rows"]) == (10, 11)
    assert second["new"] == 1
