"""Completion by the Tab key. It runs at every press, so nothing heavy is loaded here."""

from collections.abc import Iterable
from pathlib import Path

import click
from click.shell_completion import CompletionItem

_NAMED_DATA = (*(f"keras:{name}" for name in ("mnist", "fashion_mnist", "cifar10", "cifar100")), "sklearn:digits")


def complete_data(_: click.Context, __: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Files and folders, or the name of a data set."""
    return (_starting(_NAMED_DATA, incomplete) if incomplete else []) or _files(incomplete)


def complete_files(_: click.Context, __: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Files and folders."""
    return _files(incomplete)


def complete_runs(context: click.Context, _: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Finished runs in the folder of --runs."""
    return _starting(_folders(context, "runs", "run.json"), incomplete)


def complete_stores(context: click.Context, _: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Stores in the folder of --cache."""
    return _starting(_folders(context, "cache", "recipe.json"), incomplete)


def complete_bases(_: click.Context, __: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Names in the table of bases, or files."""
    from pipeline.bases.table import BASES

    return _starting(BASES, incomplete) or _files(incomplete)


def complete_weights(_: click.Context, __: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Names of weights, or files."""
    return (_starting(("imagenet", "random"), incomplete)) or _files(incomplete)


def complete_devices(_: click.Context, __: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Devices of this machine are not looked up: that takes seconds."""
    return _starting(("auto", "cpu", "gpu", "gpu:0", "gpu:1"), incomplete)


def complete_optimizers(_: click.Context, __: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Names of optimizers; settings are not completed."""
    return _starting(("adam", "rmsprop", "sgd"), incomplete)


def complete_heads(_: click.Context, __: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Linear heads, and a dense head as an example."""
    from pipeline.stage_two.spec import DEFAULT_LAYERS, LINEAR_GRIDS

    return _starting((*LINEAR_GRIDS, DEFAULT_LAYERS), incomplete)


def complete_experiments(_: click.Context, __: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Published experiments, each with what it is."""
    from pipeline.comparison.published import EXPERIMENTS

    return [CompletionItem(name, help=EXPERIMENTS[name].title) for name in EXPERIMENTS if name.startswith(incomplete)]


def _starting(names: Iterable[str], incomplete: str) -> list[CompletionItem]:
    return [CompletionItem(name) for name in names if name.startswith(incomplete)]


def _files(incomplete: str) -> list[CompletionItem]:
    return [CompletionItem(incomplete, type="file")]


def _folders(context: click.Context, option: str, file: str) -> list[str]:
    """Names of the folders that hold such a file, below the folder that an option names."""
    folder = Path(context.params.get(option) or {"runs": "runs", "cache": "features_cache"}[option])
    names = (path.parent.name for path in folder.glob(f"[!.]*/{file}"))
    return sorted(name for name in names if name.isprintable())  # the shell would obey the others
