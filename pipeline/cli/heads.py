"""The commands that fill the cache and train heads on it: `features`, `head`, `sweep`."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import click

from pipeline.cli import render, results
from pipeline.cli.choices import COUNT, POOLING_OR_TOKEN, RATE, Whole
from pipeline.cli.command import command, section
from pipeline.cli.complete import complete_data, complete_heads
from pipeline.cli.decisions import decision_options
from pipeline.cli.options import (
    HEAD_HELP,
    augment_option,
    command_line,
    dense_options,
    head_result,
    keywords,
    log_options,
    memory_option,
    replace_option,
    run_options,
    show,
    stage_one_options,
    training_options,
    view_mode_option,
    view_options,
    without,
    worker_options,
)
from pipeline.cli.outlook import next_command

fold_options = section(
    "Head",
    click.option(
        "--folds",
        type=Whole(min=2),
        help="Also cross-validate in so many folds; a sweep ranks its heads by that [default: do not].",
    ),
    click.option("--repeats", type=COUNT, default=1, help="Cross-validations, each with other folds."),
)

VIEWS = ("views", "augment", "view_seed", "tta")
"""Options about stored views."""


@command(
    "bottleneck features photos --size 150",
    "bottleneck features photos --views 4 --augment standard",
    "bottleneck features photos --manifest photos.jsonl",
)
@click.argument("data", shell_complete=complete_data)
@section(
    "Features",
    click.option(
        "--pool",
        type=POOLING_OR_TOKEN,
        default="none",
        help="Average or maximum the feature map before storing, to save space; cls stores the class token of a transformer.",
    ),
)
@section(
    "Output",
    click.option(
        "--manifest",
        type=click.Path(path_type=Path, dir_okay=False),
        help="Write digests, labels and splits to this file, which can be DATA on a machine without the images.",
    ),
)
@augment_option
@view_options
@worker_options
@stage_one_options
def features(**options: Any) -> None:
    """Stage one: run the frozen trunk over DATA and store the features that are missing."""
    from pipeline import api
    from pipeline.images.requirements import label_cure
    from pipeline.images.sources.reading import READ_KEYWORDS

    given = keywords(options)
    with_views = bool(options["views"]) or options["augment"] != "none"
    done = api.extract(**without(given, *VIEWS))
    viewed = (
        api.extract_views(**without(given, *READ_KEYWORDS, "manifest") | {"data": done.manifest})
        if with_views
        else None
    )
    result = done.as_dict()
    if viewed:
        result["views"] = {
            "rows": len(viewed.manifest) * options["views"],
            "new": viewed.num_new,
            "fetched": viewed.num_fetched,
            "store": str(viewed.store.folder),
            "seconds": viewed.seconds,
        }
    with_augment = ["--views", str(options["views"]), "--augment", options["augment"]] if viewed else []
    pool = ["--pool", options["pool"]] if options["pool"] != "none" else []
    following = next_command("head", options["data"], *pool, *with_augment, without=("pool",))
    last = (
        f"Next: `{following}` trains a head on these rows."
        if done.manifest.classes
        else f"No labels. {label_cure(done.manifest)}"
    )
    show(options, result, lambda r: f"{render.describe_features(r)}\n{last}")


@command(
    "bottleneck head photos --size 150 --head logreg",
    "bottleneck head photos --head dense:64,relu,dropout:0.5 --epochs 20 --name first",
)
@click.argument("data", shell_complete=complete_data)
@section(
    "Head",
    click.option("--head", default="ridge", shell_complete=complete_heads, help=HEAD_HELP),
    click.option(
        "--pool",
        type=POOLING_OR_TOKEN,
        help="Average or maximum the feature map of each row, or take the class token (cls) [default: avg for linear heads, none for dense heads].",
    ),
)
@fold_options
@augment_option
@view_options
@view_mode_option
@training_options
@decision_options
@run_options
@memory_option
@stage_one_options
def head(**options: Any) -> None:
    """Stage two: train a head on the cached features of DATA; missing rows are made first."""
    from pipeline import api

    done = api.fit(**keywords(options), command=command_line())
    show(options, *for_each_question(done, head_result, render.describe_head))


@command(
    "bottleneck sweep photos --size 150",
    "bottleneck sweep photos --head ridge --head 'dense:64|256,relu' --lr 0.001 --lr 0.0001 --epochs 20",
)
@click.argument("data", shell_complete=complete_data)
@section(
    "Head",
    click.option(
        "--head",
        multiple=True,
        shell_complete=complete_heads,
        help="As in `head`; | separates choices: dense:64|256,relu. May be repeated [default: a selection of both kinds].",
    ),
    click.option(
        "--pool",
        type=POOLING_OR_TOKEN,
        help="Average or maximum the feature map of each row, or take the class token (cls), for all heads [default: avg for linear heads, none for dense heads].",
    ),
    click.option("--lr", multiple=True, type=RATE, help="A learning rate to try for dense heads; may be repeated."),
    click.option(
        "--head-batch-size", multiple=True, type=COUNT, help="A batch size to try for dense heads; may be repeated."
    ),
    click.option("--random", type=COUNT, help="Number of heads to draw from the grid [default: all]."),
)
@fold_options
@dense_options
@decision_options
@section("Output", click.option("--name", help="Name of the best head's run [default: made from data, base and head]."))
@replace_option
@log_options
@worker_options
@stage_one_options
def sweep(**options: Any) -> None:
    """Train many heads on the same features, rank them by validation, keep the best as a run."""
    import time

    from pipeline import api

    start = time.perf_counter()
    done = api.sweep(**keywords(options), command=command_line())
    seconds = time.perf_counter() - start

    def result_of(one: Any) -> dict[str, Any]:
        values: dict[str, Any] = one.as_dict()
        return values | {"best": head_result(one.best), "seconds": seconds}

    show(options, *for_each_question(done, result_of, results.describe_sweep))


def for_each_question(
    done: Any, result_of: Callable[[Any], dict[str, Any]], describe: Callable[[Any], str]
) -> tuple[dict[str, Any], Callable[[Any], str]]:
    """What `show` takes: of one result, or of one for each label column.

    Args:
        done: A result, or a `ByQuestion`.
        result_of: A result as plain values.
        describe: Plain values of a result as text.
    """
    if not isinstance(done, Mapping):
        return result_of(done), describe
    found = {question: result_of(one) for question, one in done.items()}

    def describe_all(values: Any) -> str:
        return "\n\n".join(f"{question}:\n{describe(one)}" for question, one in values["questions"].items())

    return {"questions": found}, describe_all
