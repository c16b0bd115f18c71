"""The program: help, errors and their exit codes, and processes of its own."""

import errno
import json
import logging
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys

import click
import pytest
from filelock import FileLock

from pipeline import __version__
from pipeline.cli.app import _plain_message, main
from tests import ready
from tests.cli.commands import BASE, COMMANDS, HEAVY, NAMES, PROJECT, call, imported, noise, start
from tests.conftest import draw_tree

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
        cache-ls cache-info cache-verify cache-repair cache-compact cache-prune cache-forget cache-export cache-import weights-ls weights-fetch"""

    assert {name.replace(" ", "-") for name in NAMES} >= set(design.split())


@pytest.mark.parametrize("flag", ["--help", "-h"])
def test_help_lists_the_commands_in_the_order_of_their_use(flag):
    """Stage one comes before stage two, and the help goes to standard output."""
    outcome = call(flag)

    assert outcome.code == 0
    assert outcome.out.index("\n  features ") < outcome.out.index("\n  head ") < outcome.out.index("\n  predict ")


@pytest.mark.parametrize("path", [(), ("cache",)], ids=["bottleneck", "cache"])
def test_help_has_whole_sentences(path):
    """The list of commands ends no sentence in the middle."""
    listed = call(*path, "--help").out.partition("Commands:")[2]

    assert "features" in listed
    assert "..." not in listed


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


# Errors


@pytest.mark.parametrize(
    ("arguments", "error", "expected"),
    [
        (("teach",), "UsageError", "No such command 'teach'"),
        (("feature", "{photos}"), "UsageError", "No such command 'feature'.*'features'"),
        (("features",), "UsageError", "Missing argument 'DATA'"),
        (("head", "{photos}", "--epochs", "many"), "UsageError", "'many' is not a valid whole number"),
        (("head", "{photos}", "--colour", "red"), "UsageError", "No such option '?--colour"),
        (("predict", "linear", "{photos}", "--csv"), "UsageError", "Results are written with --out FILE"),
        (("head", "{photos}", "--no-pictures"), "UsageError", "and not with --no-plots"),
        (("cache", "verify", "--recompute", "3"), "UsageError", "--recompute needs --data"),
        (("finetune", "{photos}"), "SettingError", "--from"),
        (("features", "nowhere"), "DataNotFoundError", "No such data: 'nowhere'"),
        (("features", "{photos}", "--base", "vgg11"), "UnknownBaseError", "Unknown base 'vgg11'"),
        (("features", "{photos}", "--base", "xception", "--size", "48"), "UnknownBaseError", "at least 71 px"),
        (("features", "{photos}", "--weights", "w.h5"), "WeightsUnavailableError", "No such weights: 'w.h5'"),
        (("features", "{photos}", *BASE, "--cut", "fire99"), "InvalidCutError", "fire99"),
        (("features", "{photos}", *BASE, "--dtype", "int8"), "UsageError", "'int8' is not one of 'float32', 'float16'"),
        (("features", "{photos}", *BASE, "--pool", "mean"), "UsageError", "'mean' is not one of 'none', 'avg', 'max'"),
        (("head", "{photos}", "--head", "forest"), "HeadSpecError", "Cannot understand 'forest'"),
        (("head", "{photos}", "--name", "a/b"), "SettingError", "Received: 'a/b'"),
        (("head", "{photos}", "--keep", "first"), "UsageError", "'first' is not one of 'best', 'last'"),
        (("sweep", "{photos}", "--random", "0"), "UsageError", "0 is not in the range x>=1"),
        (("tune", "{photos}", "--port", "80999"), "UsageError", "80999 is not in the range 1<=x<=65535"),
        (("compare", "{photos}", "--regimes", "linear,deep"), "UsageError", "'deep' is not one of linear, dense, "),
        (("head", "{photos}", "--head", "logrg"), "HeadSpecError", "Did you mean 'logreg'"),
        (("features", "{photos}", "--base", "squezenet"), "UnknownBaseError", "Did you mean 'squeezenet'"),
        (("predict", "liner", "{photos}"), "RunNotFoundError", "Did you mean 'linear'"),
        (("head", "{photos}", "--epochs", "30"), "SettingError", "--epochs has an effect only with a dense head"),
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


def test_file_whose_name_begins_like_an_option_is_recognised(tmp_path, monkeypatch):
    """The message says how to write it."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "-0.png").touch()

    assert "If '-0.png' is the file, write ./-0.png." in call("predict", "linear", "-0.png").err


def test_folder_that_is_gone_is_said(tmp_path, monkeypatch):
    """The current folder of a shell may have been removed."""
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    outcome = call("features", "photos")
    os.chdir(tmp_path)

    assert outcome.code == 2
    assert "The current folder does not exist any more" in outcome.err


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (OSError(errno.ENOSPC, "No space left on device", "runs/x"), "runs/x: No space left on device. Make room"),
        (PermissionError(errno.EACCES, "Permission denied", "cache"), "cache: Permission denied. Get the permission"),
        (OSError(errno.EMFILE, "Too many open files"), "Too many open files. Raise the limit"),
        (OSError("a text"), "a text"),
        (MemoryError(), "Memory ran out."),
    ],
)
def test_errors_of_the_system_are_sentences_with_the_cure(error, message):
    """Without the number of the error."""
    assert _plain_message(error).startswith(message)


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
def test_stopped_program_says_so(number, own, tmp_path):
    """Stopped by a signal while it waits for another process, the program ends with code 130 and says that nothing is lost."""
    [store] = (tmp_path / "cache").glob("squeezenet-48px-fire9_concat-*")
    data = draw_tree(tmp_path / "data", {"train": 1, "validation": 1})
    command = [sys.executable, "-m", "pipeline", "features", data, *BASE, *own[:2], "--json"]
    environment = os.environ | {"PYTHONPATH": str(PROJECT)}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with (
        FileLock(store / ".lock"),
        subprocess.Popen([str(word) for word in command], **pipes, text=True, env=environment) as process,
    ):
        waited = next((line for line in process.stderr if "waiting for it to finish" in line), None)
        process.send_signal(number)
        out, err = process.communicate(timeout=60)

    assert waited
    assert process.returncode == 130
    assert json.loads(out)["error"] == "Interrupted"
    assert "Traceback" not in err


# Processes of their own


def test_warm_head_loads_no_tensorflow(own, photos):
    """On a warm store a logistic regression is trained, and predicts, without TensorFlow, Keras or scikit-learn."""
    places = (*own, "--json")
    head = start("-X", "importtime", "-m", "pipeline", "head", photos, "--head", "logreg", *BASE, *places)
    predict = start("-X", "importtime", "-m", "pipeline", "predict", "linear", photos / "test", *places)

    assert head.returncode == predict.returncode == 0
    assert json.loads(head.stdout)["test"]["n"] == len(json.loads(predict.stdout)["predictions"]) == 12
    assert imported(head) >= {"pipeline", "numpy"}
    assert imported(head).isdisjoint({"tensorflow", "keras", "sklearn"})
    assert imported(predict).isdisjoint({"tensorflow", "keras", "sklearn"})


def test_sweep_of_many_heads_is_not_scolded(caplog):
    """TensorFlow's warning that many functions are compiled is kept from the user; its others are not."""
    call("--version")
    logging.getLogger("tensorflow").warning("5 out of the last 5 calls to %s triggered tf.function retracing.", "step")
    logging.getLogger("tensorflow").warning("The disk is on fire.")

    assert caplog.messages == ["The disk is on fire."]


def test_run_remembers_how_it_was_called(own, photos):
    """The command line that made a run is kept with it, ready to be pasted."""
    folder = own[3]
    words = ("head", photos, "--head", "knn:k=1", "--name", "told", *BASE, *own, "--no-plots")
    outcome = start("-m", "pipeline", *words, python=ready.python())
    command = json.loads((folder / "told" / "run.json").read_text())["command"]

    assert outcome.returncode == 0
    assert shlex.split(command)[:3] == ["bottleneck", "head", str(photos)]
    assert shlex.split(command)[3:7] == ["--head", "knn:k=1", "--name", "told"]


# Files beside the data, and the backend of matplotlib


@pytest.fixture
def script(tmp_path):
    """The command `bottleneck` as pip installs it."""
    path = tmp_path / "bin" / "bottleneck"
    path.parent.mkdir()
    path.write_text("from pipeline.cli.app import main\nif __name__ == '__main__':\n    main()\n")
    return path


@pytest.mark.slow
def test_command_imports_nothing_from_the_current_folder(own, photos, script, hostile):
    """It does not run a `json.py` beside the data, nor do the libraries that log."""
    logs = ("--tensorboard", "logs", "--mlflow", "kept")
    outcome = start(script, "head", photos, "--head", "ridge", *logs, *BASE, *own, "--json", cwd=hostile)

    assert not (hostile / "imported").exists(), (hostile / "imported").read_text()
    assert outcome.returncode == 0, outcome.stderr


@pytest.mark.slow
def test_json_is_alone_on_standard_output(own, photos, script, hostile, monkeypatch):
    """Even when TensorFlow starts up, standard output is one JSON value, and standard error has no noise of it.

    No `json.py` is run. Keras, which imports matplotlib, needs no backend of the environment.
    """
    monkeypatch.setenv("MPLBACKEND", "nonsense")
    (hostile / "matplotlibrc").write_text("text.usetex: True\n")
    head = ("--head", "dense:8,relu", "--epochs", 1, "--name", "new", *own[2:])
    outcome = start(script, "head", photos, *head, *BASE, "--json", "-q", cwd=hostile)

    assert not (hostile / "imported").exists(), (hostile / "imported").read_text()
    assert outcome.returncode == 0
    assert json.loads(outcome.stdout)["epochs"] == 1
    assert noise(outcome) == ""
    assert (own[3] / "new" / "confusion.png").is_file()
    assert (hostile / "features_cache").is_dir()  # the default place, below the working folder


def test_module_imports_nothing_from_the_current_folder(own, photos, hostile):
    """`python -m pipeline` looks for `pipeline` in the current folder, as Python does; neither it nor its workers look for more there."""
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


def test_plots_need_no_backend_of_the_environment(own, work, photos, tmp_path):
    """A notebook's shell names a backend that may not be installed, and a matplotlibrc asks for LaTeX: the plots are as ever."""
    (tmp_path / "matplotlibrc").write_text("text.usetex: True\n")
    head = ("--head", "logreg:C=0.01", "--name", "new")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MPLBACKEND", "module://matplotlib_inline.backend_inline")
        outcome = start("-m", "pipeline", "head", photos, *head, *BASE, *own, "--quiet")
    new, old = (runs / name / "confusion.png" for runs, name in ((own[3], "new"), (work["places"][3], "linear")))

    assert (outcome.returncode, noise(outcome)) == (0, "")
    assert new.read_bytes() == old.read_bytes()


def test_package_can_be_imported_in_a_notebook_shell():
    """matplotlib, and so Keras, would refuse to load where the notebook's backend is not installed."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MPLBACKEND", "module://matplotlib_inline.backend_inline")
        outcome = start("-c", "import pipeline, matplotlib")

    assert (outcome.returncode, outcome.stderr) == (0, "")
