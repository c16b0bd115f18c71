"""The commands that use runs: `predict`, `evaluate`, `classify`, `export`, `report`, `runs`."""

from pathlib import Path
from typing import Any

import click

from pipeline.cli import render, results
from pipeline.cli.choices import COUNT, SHARE
from pipeline.cli.command import command, section
from pipeline.cli.complete import complete_bases, complete_data, complete_files, complete_runs, complete_weights
from pipeline.cli.options import (
    compute_options,
    folder_options,
    keywords,
    label_options,
    output_options,
    path_options,
    show,
)
from pipeline.cli.shared import shared_options
from pipeline.cli.stdin import with_stdin

_abstain_option = section(
    "Output",
    click.option(
        "--abstain",
        type=SHARE,
        metavar="P",
        help="Refuse images whose p-value is at most P, such as 0.05, because they are unlike all that the run was trained on: `predict` gives "
        "`unknown`, `evaluate` scores the others. About that share of familiar images is refused, too.",
    ),
)
_digest_option = section(
    "Data",
    click.option(
        "--digest",
        metavar="SHA256",
        help="The SHA-256 that `export` printed. Needed for a SavedModel whose run is not in the runs folder.",
    ),
)


@command(
    "bottleneck predict first new.jpg",
    "bottleneck predict first photos/test --out labels.csv --abstain 0.05",
    "bottleneck predict first new.jpg --evidence looked",
)
@click.argument("run", shell_complete=complete_runs)
@click.argument("images", nargs=-1, required=True, shell_complete=complete_files)
@path_options
@_digest_option
@section(
    "Output",
    click.option(
        "--out",
        type=click.Path(path_type=Path),
        help="Write one row per image to a .csv, .jsonl or .parquet file; an older file is replaced.",
    ),
)
@section(
    "Output",
    click.option(
        "--evidence",
        type=click.Path(path_type=Path, file_okay=False),
        metavar="FOLDER",
        help="Write an overlay of each image that shows where the RUN looked: what speaks for its label in orange, against it in blue.",
    ),
)
@section("Output", click.option("--top", type=COUNT, default=5, help="Number of classes to list for each image."))
@_abstain_option
@compute_options
@folder_options
@shared_options
@output_options
def predict(**options: Any) -> None:
    """Label IMAGES with a RUN, or with a file that `export` wrote.

    IMAGES are files, folders, tables of paths, archives, .npz files, patterns in quotes ('photos/*.jpg'), or - for stdin: one image, or
    a path in each line (find photos -name '*.jpg' | bottleneck predict first -). Each image has one row, in the order given; an image
    that cannot be read has the reason instead of a label. The p-value says how many of the validation images are as far from the
    training images: 0.003 is unlike anything that the run was trained on.
    """
    from pipeline import api

    given = keywords(options)
    given["images"] = with_stdin(given["images"])
    done = api.predict(**given)
    written = [results.describe_rows_written(options["out"], len(done))] if options["out"] else []
    if options["evidence"]:
        written += results.describe_overlays(options["evidence"], [entry.evidence for entry in done], done.finer)
    show(options, done.as_dict(), lambda shown: "\n".join([results.describe_predictions(shown), *written]))
    if not options["quiet"] and options["abstain"] is None and (hint := results.hint_unfamiliar(done)):
        click.echo(hint, err=True)
    if done.labelled_folders and not options["quiet"]:
        click.echo(render.hint_evaluate(options["run"], done.labelled_folders[0]), err=True)


@command("bottleneck evaluate first photos/test", "bottleneck evaluate first photos --split validation --out results")
@click.argument("run", shell_complete=complete_runs)
@click.argument("data", shell_complete=complete_data)
@label_options
@section(
    "Data",
    click.option(
        "--split",
        type=click.Choice(["train", "validation", "test", "all"]),
        help="Images to use [default: test if DATA itself names test images, otherwise all].",
    ),
)
@_abstain_option
@_digest_option
@section(
    "Output",
    click.option(
        "--out",
        type=click.Path(path_type=Path, file_okay=False),
        help="Folder for evaluation.json, predictions.csv, plots and report.html.",
    ),
)
@compute_options
@folder_options
@shared_options
@output_options
def evaluate(**options: Any) -> None:
    """Score a RUN, or a file that `export` wrote, on the labelled images of DATA.

    Accuracy with its 95 % interval, log loss, balanced accuracy, and precision and recall of each class. Images without a label, and
    labels that are no classes of the run, are counted and not used.
    """
    from pipeline import api

    done = api.evaluate(**keywords(options))
    show(options, done.as_dict(), lambda _: results.describe_evaluation(done))


@command("bottleneck classify new.jpg --top 3")
@click.argument("images", nargs=-1, required=True, shell_complete=complete_files)
@section(
    "Features",
    click.option("--base", default="squeezenet", shell_complete=complete_bases, help="A name of `bottleneck bases`."),
    click.option(
        "--weights", default="imagenet", shell_complete=complete_weights, help="imagenet, or a file with the top."
    ),
)
@section("Output", click.option("--top", type=COUNT, default=5, help="Number of classes to list for each image."))
@compute_options
@folder_options
@output_options
def classify(**options: Any) -> None:
    """Label images (files or folders) with the ImageNet classes of a pretrained network."""
    from pipeline import api

    show(options, api.classify(**keywords(options)).as_dict(), results.describe_predictions)


@command(
    "bottleneck export first model.keras",
    "bottleneck export first model.onnx",
    "bottleneck export first model.onnx --p-value",
)
@click.argument("run", shell_complete=complete_runs)
@click.argument("file", type=click.Path(path_type=Path))
@section(
    "Output",
    click.option(
        "--p-value",
        is_flag=True,
        help="The file gives a p-value for each image, too, as `predict` does with the run: how usual the image is among those that the run "
        "was trained for. `predict FILE --abstain P` needs it.",
    ),
)
@folder_options
@output_options
def export(**options: Any) -> None:
    """Write a RUN as one FILE: name.keras, name.onnx, name.tflite, or a SavedModel folder, whose name has no ending.

    The file takes pixels and returns probabilities; preprocessing and labels are inside. Its predictions on 200 images are
    compared with those of the run. If a probability differs by more than 1e-3, no file is written.
    """
    from pipeline import api

    show(options, api.export(**keywords(options)).as_dict(), render.describe_export)


@command("bottleneck report", "bottleneck report first --out first.html")
@click.argument("names", nargs=-1, metavar="[RUN]...", shell_complete=complete_runs)
@section(
    "Output",
    click.option(
        "--out",
        type=click.Path(path_type=Path, dir_okay=False),
        help="The page [default: report.html in the runs folder; for a single RUN, in its own folder].",
    ),
    click.option(
        "--near",
        type=SHARE,
        default=0.98,
        help="Cosine similarity from which images of two splits are shown as near-duplicates.",
    ),
    click.option("--umap", is_flag=True, help="Draw a second map of the features, by UMAP (an extra)."),
    click.option(
        "--data",
        metavar="DATA",
        help="Where the images are now: a folder, an archive, a table or a URL. By default where each run says, or at the URL that they were read "
        "from, if this machine has done that before, with the same --cache.",
    ),
)
@folder_options
@output_options
def report(**options: Any) -> None:
    """Write one HTML page on some runs, on a comparison (the folder that `compare` made), or on all runs.

    A leaderboard by task, its score against seconds, and for each run the confusion matrix with its images (several labels: scores and
    images of each; numbers: predicted against true ones with the images behind the points), the curves of two classes, recall and
    precision, calibration, the most confident mistakes, learning curves, a map of the features, images that are under two labels or in two
    splits, and how it was made. The page is one file that opens from disk and asks no network; of a run on a URL, the
    images that it shows are fetched while it is written.
    """
    from pipeline import api

    done = api.report(**keywords(options))
    show(options, done.as_dict(), render.describe_report)


@command("bottleneck runs", "bottleneck runs --json")
@folder_options
@output_options
def runs(**options: Any) -> None:
    """List the runs: one table for each data set with its labels and splits, the best validation accuracy first."""
    from pipeline import api

    groups = api.list_runs(options["runs"]).groups()
    shown = [
        {
            **row,
            "data": group.runs[0].info.data,
            "label_column": group.runs[0].info.label_column,
            "split": group.runs[0].info.split_rule,
            "score": group.runs[0].scores["validation"].main_name,
            "group": group.heading,
        }
        for group in groups
        for row in group.as_rows()
    ]
    show(options, shown, results.describe_runs)
