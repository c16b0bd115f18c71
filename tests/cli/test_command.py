"""Help in sections, and its examples."""

import re
import shlex
import shutil

import click
import pytest

import pipeline
from pipeline.cli.command import SECTIONS, section_of
from pipeline.cli.outlook import next_command
from pipeline.images.manifest_file import write_manifest_file
from tests.cli.commands import BASE, COMMANDS, NAMES, call

NOT_RUN = {
    "tune": "it serves a page until Ctrl-C",
    "weights fetch": "it needs a network",
    "reproduce": "VGG16 at 150 px takes minutes",
    "plan": "it measures for ten seconds, as tests/comparison/test_plan.py does",
}
"""Commands whose examples are parsed only."""

COSTLY = {"sweep": 1, "finetune": 1, "compare": 0, "export": 0}
"""Commands of which one example is run, and which one: each costs a few seconds."""


def examples_of(path):
    """The examples at the end of a help text."""
    _, _, text = call(*path, "--help").out.partition("\nExample")
    return [line.strip() for line in text.splitlines() if line.strip().startswith("bottleneck ")]


@pytest.mark.parametrize("path", COMMANDS, ids=NAMES)
def test_options_are_in_sections_of_one_order(path):
    """Each option is in a section, and all commands show their sections in the same order."""
    sections = [section_of(entry) for entry in COMMANDS[path].params if isinstance(entry, click.Option)]
    shown = [
        title
        for title in re.findall(r"^([A-Z][a-z -]+):$", call(*path, "--help").out, re.MULTILINE)
        if title in SECTIONS
    ]

    assert set(sections) <= set(SECTIONS)
    assert shown == [title for title in SECTIONS if title in {*sections, "Output"}]


@pytest.mark.parametrize("path", COMMANDS, ids=NAMES)
def test_help_ends_with_examples_that_parse(path, tmp_path):
    """One to three examples, each a command line of this command whose options have an effect on each other."""
    examples = examples_of(path)
    (tmp_path / "other" / "features_cache" / "vgg16-150px-block5_pool-3f9a1c20b7de").mkdir(parents=True)

    assert 1 <= len(examples) <= 3
    for example in examples:
        words = shlex.split(example)
        assert words[1 : 1 + len(path)] == list(path)
        COMMANDS[path].make_context(" ".join(path), words[1 + len(path) :])


@pytest.fixture(scope="module")
def shop(tmp_path_factory, work, photos):
    """A folder with the images, the cache, and a run as the examples name them."""
    folder = tmp_path_factory.mktemp("shop")
    shutil.copytree(photos, folder / "photos")
    shutil.copy(photos / "test" / "red" / "red000.png", folder / "new.jpg")
    shutil.copytree(work["folder"] / "cache", folder / "features_cache")
    shutil.copytree(work["folder"] / "cache", folder / "other" / "features_cache")
    shutil.copytree(work["folder"] / "runs" / "linear", folder / "runs" / "first")
    manifest = pipeline.scan(photos)
    write_manifest_file(folder / "photos.jsonl", manifest, lambda: {"": manifest})
    return folder


@pytest.mark.parametrize("name", [name for name in NAMES if name not in NOT_RUN])
def test_examples_run(name, shop, monkeypatch):
    """Each example does what it shows, here with a small base, few epochs, and the store that is there."""
    monkeypatch.chdir(shop)
    monkeypatch.setattr("pipeline.exports.sample_images.NUM_IMAGES", 10)
    if name == "advise":  # it measures for seconds, as tests/comparison/test_costs.py does
        from pipeline.comparison import costs

        monkeypatch.setattr(costs, "measure_costs", lambda *_: costs.Costs(trunk=3.0, step=2.0, infer=1.0))
    store = next(path.name for path in (shop / "features_cache").glob("squeezenet-48px-fire9_concat-*"))
    options = {option for entry in COMMANDS[tuple(name.split())].params for option in entry.opts}
    examples = examples_of(name.split())
    for example in [examples[COSTLY[name]]] if name in COSTLY else examples:
        line = example.replace("vgg16-150px-block5_pool-3f9a1c20b7de", store).replace("--from block5", "--from fire9")
        # There are 12 validation images, and a shared folder instead of a bucket.
        line = line.replace("--abstain 0.05", "--abstain 0.1").replace("s3://team/features", "shared")
        line = line.replace("--bases vgg16,squeezenet --sizes 96,150", "--bases squeezenet --sizes 32,48")
        if name == "cache prune" and "--yes" in line:
            shutil.copytree(shop / "features_cache" / store, shop / "kept", dirs_exist_ok=True)
        base = ("--weights", "random") if "--sizes" in line else BASE
        small = [*(base if {"--weights", "--size"} <= options else ()), *few_epochs(name, line)]
        outcome = call(*shlex.split(line)[1:], *small, *(["--weights", "random"] if name == "classify" else []))
        if (shop / "kept").exists():
            shutil.move(shop / "kept", shop / "features_cache" / store)

        assert outcome.code == 0, (line, outcome.err)
        assert outcome.out


def few_epochs(name, line):
    """Options that make a training short."""
    few = {"finetune": ("--head-epochs", 1, "--epochs", 1), "endtoend": ("--epochs", 1), "compare": ("--epochs", 1)}
    limits = {"sweep": ("--random", 2, "--workers", 1), "plan": ("--epochs", 1)}
    limits["advise"] = () if "--sizes" in line else ("--sample", 8)
    replace = ("--replace",) if "--name" in line else ()
    return (*few.get(name, ()), *limits.get(name, ()), *(("--epochs", 1) if "--epochs" in line else ()), *replace)


def test_next_command_repeats_what_decides_which_rows_are_used():
    """Options of data, features and folders are kept as they were given, those of the head and output are not."""
    words = [
        "photos",
        "--size",
        "48",
        "--no-exif",
        "--ignore-column",
        "a",
        "--ignore-column",
        "b",
        "--cache",
        "c",
        "--json",
        "--views",
        "2",
    ]
    with COMMANDS[("features",)].make_context("features", words):
        line = next_command("head", "my photos")

    assert line == "bottleneck head 'my photos' --ignore-column a --ignore-column b --size 48 --no-exif --cache c"
