"""The command line: reads options, calls a verb, prints what came out."""

import os
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

import click

import pipeline
from pipeline.cli import render as text
from pipeline.cli.cache import cache, weights
from pipeline.cli.compare import advise, classify, compare, endtoend, finetune, plan, reproduce
from pipeline.cli.complete import complete_bases, complete_data, complete_files, complete_heads, complete_runs
from pipeline.cli.options import (
    AUGMENT_HELP,
    HEAD_HELP,
    OrderedGroup,
    compute_options,
    head_result,
    keywords_of,
    log_options,
    output_options,
    place_options,
    run_keywords,
    run_options,
    show,
    stage_one_options,
    training_options,
    view_options,
    warn_duplicates,
    worker_options,
)
from pipeline.cli.terminal import fail, say, start_logging
from pipeline.cli.tune import tune
from pipeline.errors import PipelineError
from pipeline.interrupts import stop_in_order
from pipeline.quiet import quiet_tensorflow
from pipeline.watchdog import armed


@click.group(
    cls=OrderedGroup,
    context_settings={"help_option_names": ["-h", "--help"], "show_default": True, "max_content_width": 100},
)
@click.version_option(pipeline.__version__, prog_name="bottleneck")
def app() -> None:
    """Run a frozen conv base over your images once; train heads on the cached features in seconds.

    DATA is a folder of images (one folder a class, or train/validation/test above them), a .zip or .tar of one, a folder
    of Hugging Face (save_to_disk, or Parquet shards), a .csv, .jsonl or .parquet table, an .npz file,
    keras:mnist|fashion_mnist|cifar10|cifar100, sklearn:digits, or tfds:NAME.
    """


@app.command()
@click.argument("data", shell_complete=complete_data)
@click.option("--pool", default="none", help="Store avg or max over the grid instead of the grid, to save space.")
@click.option("--augment", default="none", help=AUGMENT_HELP)
@view_options
@worker_options
@stage_one_options
def features(data: str, pool: str, **settings: Any) -> None:
    """Stage one: run the frozen trunk over DATA and store the features that are missing."""
    from pipeline import api

    keywords = keywords_of(settings)
    with_views = bool(keywords["views"]) or keywords["augment"] != "none"
    plain = {name: value for name, value in keywords.items() if name not in ("views", "augment", "view_seed", "tta")}
    done = api.extract(data, pool=pool, **plain)
    viewed = api.extract_views(done.manifest, pool=pool, **keywords) if with_views else None
    warn_duplicates(done.manifest.duplicates_across_splits())
    result = done.as_dict()
    if viewed:
        result["views"] = {
            "rows": len(viewed.manifest) * keywords["views"],
            "new": viewed.num_new,
            "store": str(viewed.store.folder),
            "seconds": viewed.seconds,
        }
    show(settings, result, text.describe_features)


@app.command()
@click.argument("data", shell_complete=complete_data)
@click.option("--head", default="ridge", shell_complete=complete_heads, help=HEAD_HELP)
@click.option(
    "--pool", help="none, avg or max over the grid, at read time [default: avg for linear heads, none for dense]"
)
@click.option("--augment", default="none", help=AUGMENT_HELP)
@view_options
@click.option("--lr", default=1e-3, help="Learning rate of a dense head.")
@click.option("--head-batch-size", default=32, help="Rows a step of a dense head.")
@training_options
@run_options
@stage_one_options
def head(data: str, **settings: Any) -> None:
    """Stage two: train a head on the cached features of DATA; missing rows are made first."""
    from pipeline import api

    run = api.fit(data, **keywords_of(settings), **run_keywords(settings, "head", "pool", "plots"))
    warn_duplicates(run.info.duplicates)
    show(settings, head_result(run), text.describe_head)


@app.command()
@click.argument("data", shell_complete=complete_data)
@click.option(
    "--head",
    multiple=True,
    shell_complete=complete_heads,
    help="As in `head`; | separates choices: dense:64|256,relu. May be repeated.",
)
@click.option("--pool", default="avg", help="none, avg or max over the grid.")
@click.option("--lr", multiple=True, type=float, help="A learning rate to try; may be repeated.")
@click.option("--head-batch-size", multiple=True, type=int, help="A batch size to try; may be repeated.")
@click.option("--random", type=int, help="Draw so many from the grid [default: all].")
@training_options
@click.option("--name", help="Name of the best head's run [default: made up].")
@log_options
@worker_options
@stage_one_options
def sweep(data: str, **settings: Any) -> None:
    """Train many heads on the same features, rank them by validation, keep the best as a run."""
    import time

    from pipeline import api

    start = time.perf_counter()
    done = api.sweep(data, **keywords_of(settings), **run_keywords(settings, "head", "pool", "random"))
    seconds = time.perf_counter() - start
    result = {"results": list(done.results), "best": head_result(done.best), "seconds": seconds}
    show(settings, result, text.describe_sweep)


@app.command()
@click.argument("run", shell_complete=complete_runs)
@click.argument("images", nargs=-1, required=True, shell_complete=complete_files)
@click.option("--top", type=click.IntRange(min=1), default=5, help="Classes to list for each image.")
@compute_options
@place_options
@output_options
def predict(run: str, images: tuple[str, ...], top: int, **settings: Any) -> None:
    """Label images (files or folders) with a RUN, or with a file that `export` wrote."""
    from pipeline import api

    predictions = api.predict(run, images, top=top, **keywords_of(settings))
    show(settings, predictions.as_dict(), text.describe_predictions)


@app.command()
@click.argument("run", shell_complete=complete_runs)
@click.argument("file", type=click.Path(path_type=Path))
@place_options
@output_options
def export(run: str, file: Path, **settings: Any) -> None:
    """Write a RUN as one FILE: name.keras, name.onnx, name.tflite, or a SavedModel folder, whose name has no ending.

    Photographs' pixels in, probabilities out; preprocessing and labels are inside. The file has to predict what the run does,
    to 1e-3 on 200 photographs, before it takes its name.
    """
    from pipeline import api

    result = api.export(run, file, **keywords_of(settings)).as_dict()
    show(settings, result, text.describe_export)


@app.command()
@click.argument("names", nargs=-1, metavar="[RUN]...", shell_complete=complete_runs)
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="The page [default: RUNS/report.html].")
@click.option(
    "--near", default=0.98, help="Cosine of features from which on images of two splits are shown as near-duplicates."
)
@click.option("--umap", is_flag=True, help="Draw a second map of the features, by UMAP (an extra).")
@place_options
@output_options
def report(names: tuple[str, ...], **settings: Any) -> None:
    """Write one HTML page on some runs, on a comparison (the folder that `compare` made), or on all runs.

    A leaderboard by task, accuracy against seconds, and for each run the confusion matrix with its photographs, recall and
    precision, calibration, the surest mistakes, learning curves, a map of the features, images that stand in two splits, and how it
    was made. The page is one file that opens from disk and asks no network.
    """
    from pipeline import api

    chosen = {name: settings[name] for name in ("out", "near", "umap")}
    done = api.report(names, **chosen, **keywords_of(settings))
    show(settings, done.as_dict(), lambda r: f"{r['report']}: {len(r['runs'])} runs")


@app.command()
@place_options
@output_options
def runs(**settings: Any) -> None:
    """List the runs, best validation accuracy first within each data set."""
    from pipeline import api

    rows = [
        {
            "run": run.name,
            "data": run.info.data,
            "base": run.info.recipe["base"],
            "head": run.info.head,
            "validation": run.scores["validation"].accuracy,
            "test": run.scores["test"].accuracy if "test" in run.scores else None,
            "seconds": run.info.seconds,
        }
        for run in api.list_runs(settings["runs"])
    ]
    rows.sort(key=lambda row: (row["data"], -row["validation"]))
    show(settings, rows, text.describe_runs)


@app.command()
@click.argument("names", nargs=-1, metavar="[BASE]...", shell_complete=complete_bases)
@click.option(
    "--size", type=int, help="Build the bases at this size, and show the features' shape and where they can be cut."
)
@output_options
def bases(names: tuple[str, ...], size: int | None, **settings: Any) -> None:
    """List the bases; with --size, the shape of their features there and the layers where they can be cut."""
    from pipeline.bases.table import BASES, find_base

    fitting = [spec for spec in BASES.values() if size is None or size >= spec.smallest_px]
    specs = [find_base(name, size) for name in names] or fitting
    rows = [
        {
            "base": spec.name,
            "native_px": spec.native_px,
            "smallest_px": spec.smallest_px,
            "preprocessing": spec.mode if spec.mode != "none" else "inside",
            "last_layer": spec.last_layer,
            "channels": spec.channels,
            "parameters": spec.parameters,
            **(_shape_at(spec.name, size, with_cuts=bool(names)) if size else {}),
        }
        for spec in specs
    ]
    show(settings, rows, text.table)


app.add_command(tune)
app.add_command(endtoend)
app.add_command(finetune)
app.add_command(compare)
app.add_command(advise)
app.add_command(plan)
app.add_command(reproduce)
app.add_command(classify)
app.add_command(cache)
app.add_command(weights)


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run a command; errors that a user can act on are printed without a traceback.

    Exit codes: 0 done, 1 a bug or a job that hung, 2 usage or input, 3 damaged or stale data, 130 interrupted.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    debug, as_json = "--debug" in given, "--json" in given
    if not debug:
        quiet_tensorflow()
    start_logging(debug=debug)
    os.environ["MPLBACKEND"] = "agg"  # no command opens a window; a backend that is not installed is an error
    stop_in_order()
    try:
        with armed(partial(say, as_json, "HungError")):
            app.main(given, prog_name="bottleneck", standalone_mode=False)
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        sys.exit(2)
    except click.ClickException as error:
        fail(as_json, "UsageError", error.format_message(), error.exit_code)
    except (KeyboardInterrupt, click.Abort):
        fail(
            as_json, "Interrupted", "Stopped; what was committed is kept, and the same command goes on from there.", 130
        )
    except (PipelineError, OverflowError, OSError, MemoryError) as error:
        if debug:
            raise
        code = error.exit_code if isinstance(error, PipelineError) else 2
        fail(as_json, type(error).__name__, str(error) or "Memory ran out.", code)
    except Exception as error:  # whatever else it is, a user cannot act on it
        if debug:
            raise
        fail(as_json, type(error).__name__, _bug_message(error), 1)
    sys.exit(0)


def _bug_message(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    what = ": ".join([type(error).__name__, *lines[:1]])
    return (
        f"This is a bug in bottleneck {pipeline.__version__}, not a mistake of yours: {what} "
        "(the same command with --debug shows where; please report what it says)."
    )


def _shape_at(name: str, size: int, *, with_cuts: bool) -> dict[str, Any]:
    from pipeline.bases.cut import valid_cuts
    from pipeline.bases.network import build_base
    from pipeline.bases.table import find_base

    base = build_base(find_base(name), size)
    shape = {"shape": list(base.output_shape[1:])}
    return shape | {"cuts": valid_cuts(base)} if with_cuts else shape
