"""Options of the command line against the keywords of Python."""

from inspect import signature

import click
import pytest

import pipeline
from pipeline.cli.options import OUTPUT, keywords
from pipeline.images.sources.reading import Reading
from pipeline.keywords import keywords_of
from pipeline.settings import Settings
from pipeline.stage_two.dense.settings import Training
from tests.cli.commands import COMMANDS, NAMES, call

FUNCTIONS = {
    "features": "extract extract_views",
    "head": "fit",
    "endtoend": "end_to_end",
    "runs": "list_runs",
    "bases": "list_bases",
    "cache ls": "list_stores",
    "cache info": "describe_store",
    **{
        f"cache {name}": f"{name}_cache"
        for name in ("verify", "repair", "compact", "prune", "export", "import", "push", "pull")
    },
    "cache forget": "forget_images",
    "weights ls": "list_weights",
    "weights fetch": "fetch_weights",
}
"""Functions of `pipeline` behind a command, where they have another name."""

FOLDERS = {"cache", "runs"}
"""Every command takes both, so that one set of options, as in the Makefile, fits all commands; not every function needs both."""

OWN_DEFAULTS = {
    "classify": {"base"},  # the smallest network
    "compare": {"regimes"},  # text with commas
    "plan": {"photo"},  # text, WxH
}
"""Options whose default is written in another way, or is the function's own."""


def functions_of(name):
    return [getattr(pipeline, function) for function in FUNCTIONS.get(name, name).split()]


def options_of(name):
    """Parameters of a command, without those about output."""
    return [entry for entry in COMMANDS[tuple(name.split())].params if entry.name not in (*OUTPUT, "verbose")]


@pytest.mark.parametrize("name", NAMES)
def test_options_are_keywords(name):
    """Each parameter of a command is a keyword of the same name of its function in `pipeline`."""
    known = {keyword for function in functions_of(name) for keyword in keywords_of(function)}

    assert {option.name for option in options_of(name)} - known - FOLDERS == set()


@pytest.mark.parametrize("name", NAMES)
def test_defaults_are_the_same(name):
    """An option that is not given has the default of the keyword."""
    given = {option.name: option.default for option in options_of(name) if isinstance(option, click.Option)}
    parts = (*vars(Settings()).values(), Reading(), Training())
    defaults = {field: value for part in parts for field, value in getattr(part, "__dict__", {}).items()}
    defaults |= {"lr": Training().learning_rate, "head_batch_size": Training().batch_size, "augment": "none"}
    for function in functions_of(name):
        defaults |= {key: entry.default for key, entry in signature(function).parameters.items()}
    different = {
        option: (value, defaults[option])
        for option, value in given.items()
        if option in defaults and not _is_unset(value) and str(value) != str(defaults[option])
    }

    assert different.keys() == OWN_DEFAULTS.get(name, set())


def _is_unset(value):
    """Whether an option has no default of its own, so that the function's holds."""
    return value is None or value is False or value == () or "UNSET" in repr(value)


def test_only_what_was_given_is_passed_on():
    """Options about output stay behind, and one that was not given leaves the function its default, which it can tell apart."""
    context = COMMANDS[("head",)].make_context("head", ["photos", "--epochs", "30", "--json", "-q"])
    with context:
        given = keywords(context.params)

    assert given == {"data": "photos", "epochs": 30, "progress": False}


def test_older_names_of_options_still_work(tmp_path):
    """`--run-name`, as 0.1.0 had it, names the run of `reproduce`."""
    outcome = call("reproduce", "r0a", tmp_path, "--run-name", "a/b", "--json")

    assert outcome.code == 2
    assert "No such option" not in outcome.json["message"]
