"""Options that commands share, and how options become keywords and results become text."""

import functools
import json
import logging
import shlex
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pipeline.cli.complete import complete_bases
from pipeline.cli.terminal import be_verbose, write

if TYPE_CHECKING:
    from pipeline.runs.run import Run


Command = Callable[..., Any]

OUTPUT = ("as_json", "quiet", "debug")
"""Options about what is printed; no function has them."""


HEAD_HELP = (
    "What to train: ridge (regularisation chosen by leave-one-out; the quickest first look), logreg, svm, sgd, lda or knn "
    "(chosen on validation), each also with a value given: logreg:C=0.01; or layers: dense:256,relu,dropout:0.5."
)


AUGMENT_HELP = (
    "How training images are varied: none, flip (mirrored), standard (flip, small rotation, zoom and light), strong, or overhead "
    "(any way up: satellite, microscope); as published: r0, r2, r4; or settings: rotation=20,zoom=0.1,horizontal_flip (also "
    "width_shift, height_shift, shear, vertical_flip, brightness, contrast, fill). Settings may follow a name: "
    "standard,horizontal_flip=false."
)


class OrderedGroup(click.Group):
    """Lists commands in the order of their use, not alphabetically."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.commands)


def stack(*decorators: Callable[[Command], Command]) -> Callable[[Command], Command]:
    """Join decorators into one; the first is the outermost."""
    return lambda command: functools.reduce(lambda inner, add: add(inner), reversed(decorators), command)


output_options = stack(
    click.option("--json", "as_json", is_flag=True, help="Print one JSON value on stdout; all else goes to stderr."),
    click.option("-q", "--quiet", is_flag=True, help="No progress bars."),
    click.option(
        "-v",
        "--verbose",
        is_flag=True,
        expose_value=False,
        callback=be_verbose,
        help="Say what is reused, where rows come from, and what was chosen.",
    ),
    click.option("--debug", is_flag=True, help="Log all there is, and show tracebacks."),
)


folder_options = stack(
    click.option(
        "--cache", type=click.Path(path_type=Path), default=Path("features_cache"), help="Folder of the stores."
    ),
    click.option("--runs", type=click.Path(path_type=Path), default=Path("runs"), help="Folder of the runs."),
)


engine_options = stack(
    click.option("--engine", default="auto", help="auto, tensorflow, openvino: what runs the trunk."),
    click.option("--device", default="auto", help="auto, cpu, gpu, gpu:1."),
    click.option(
        "--batch-size", default=32, help="Images a step in stage one; halved when the device is out of memory."
    ),
)


compute_options = stack(
    engine_options,
    click.option("--workers", type=int, help="Processes, or decoding threads in this one [default: one a core]."),
    click.option(
        "--memory-gb",
        type=float,
        help="Rows held in memory while a head is trained; more are read in blocks [default: half of what is free].",
    ),
    click.option("--strict", is_flag=True, help="Fail when an image has to be skipped."),
    click.option(
        "--max-pixels",
        default=89_478_485,
        help="Images with more pixels are skipped; 108-megapixel photographs need more.",
    ),
)


worker_options = stack(
    click.option(
        "--backend",
        default="auto",
        help="Execution backend: threading (this process), loky (processes of this machine) or dask; auto: the faster of the first two.",
    ),
    click.option("--scheduler", metavar="ADDRESS", help="Of a Dask cluster that is there: tcp://host:8786."),
    click.option("--gather", is_flag=True, help="Workers send their rows; without it they write them to --cache."),
    click.option("--ship-images", is_flag=True, help="Send images to the workers; without it, workers read them."),
)


recipe_options = stack(
    click.option("--size", type=int, help="Input height and width in px [default: the base's native size]."),
    click.option("--cut", help="Last layer of the trunk [default: the base's last layer]."),
    click.option(
        "--preprocess", default="native", help="native, rescale (1/255), or standardize (by the training images)."
    ),
    click.option("--weights", default="imagenet", help="imagenet, random, or a .weights.h5, .h5 or .keras file."),
    click.option("--resize", default="lanczos", help="lanczos, bicubic, bilinear, box or nearest."),
    click.option("--exif/--no-exif", default=True, help="Turn images upright as their EXIF orientation says."),
    click.option(
        "--fit",
        default="stretch",
        help="stretch (the aspect ratio changes), crop (the square in the middle) or pad (filled up with the background).",
    ),
    click.option(
        "--background",
        metavar="COLOR",
        help="Behind transparent pixels, and for pad: white, black, #rrggbb; drop: transparency is ignored [default: white].",
    ),
    click.option(
        "--decoder", type=int, default=2, help="2, or 1: pixels as versions 0.1 and 0.2 made them, for their stores."
    ),
    click.option("--dtype", default="float32", help="Stored as float32 or float16."),
    click.option("--precision", default="float32", help="float32, mixed_float16 or mixed_bfloat16."),
)


base_options = stack(
    click.option("--base", default="vgg16", shell_complete=complete_bases, help="A name of `bottleneck bases`."),
    recipe_options,
)


data_options = stack(
    click.option("--label", default="label", help="Label column of a table; fine or coarse for keras:cifar100."),
    click.option(
        "--root", type=click.Path(path_type=Path, file_okay=False), help="Folder that a table's paths are relative to."
    ),
    click.option("--split", default="80/10/10", help="Percentages train/validation/test, where the data has no split."),
    click.option("--split-seed", default=0, help="Seed of that split."),
)


view_options = stack(
    click.option("--views", default=0, help="Augmented views of each training image, stored as rows."),
    click.option("--view-seed", default=0, help="Seed of the views."),
    click.option(
        "--tta", is_flag=True, help="Views of validation and test images too; predictions are averaged over them."
    ),
)
log_options = stack(
    click.option(
        "--tensorboard",
        type=click.Path(path_type=Path, file_okay=False),
        help="Folder for TensorBoard's logs; each run's are in a folder of its name.",
    ),
    click.option("--mlflow", metavar="URI|FOLDER", help="Log to an MLflow server, or to a database in a folder."),
)
replace_option = click.option("--replace", is_flag=True, help="Replace an existing run of that --name.")
run_options = stack(
    click.option("--name", help="The run's name [default: made up]."),
    replace_option,
    log_options,
    click.option("--plots/--no-plots", default=True, help="Draw learning curves and confusion matrix."),
)
training_options = stack(
    click.option("--epochs", default=30, help="Epochs of a dense head."),
    click.option("--optimizer", default="adam", help="adam, rmsprop, sgd; with settings: sgd:momentum=0.9."),
    click.option("--schedule", default="constant", help="Learning rate: constant, cosine or plateau."),
    click.option(
        "--patience", default=0, help="Stop after so many epochs without a smaller validation loss; 0: never."
    ),
    click.option("--keep", default="best", help="Weights of the best epoch by validation loss, or of the last."),
    click.option("--view-mode", default="sample", help="With --views: an epoch draws one view an image, or sees all."),
    click.option("--seed", default=0, help="Seed of the head's weights, shuffling and dropout."),
)


stage_one_options = stack(data_options, base_options, compute_options, folder_options, output_options)


def keywords(options: Mapping[str, Any]) -> dict[str, Any]:
    """The options of a command as keywords of its function in `pipeline`: they have the same names.

    Options that were not given and have no default are left out: the function's own default holds.
    """
    given = {name: value for name, value in options.items() if name not in OUTPUT and value is not None}
    return given | {"progress": not options["quiet"]}


def without(values: Mapping[str, Any], *names: str) -> dict[str, Any]:
    """The same values, except these."""
    return {name: value for name, value in values.items() if name not in names}


def command_line() -> str:
    """The command line as the user typed it, to be kept with the run."""
    return shlex.join(["bottleneck", *sys.argv[1:]])


def show(options: Mapping[str, Any], result: Any, describe: Callable[[Any], str]) -> None:
    """Print a result, as JSON or as text: the one place where results are printed."""
    write(json.dumps(result, ensure_ascii=False) if options["as_json"] else describe(result))


def head_result(run: "Run") -> dict[str, Any]:
    """What the commands that train print."""
    return run.as_dict()


def warn_duplicates(duplicates: Sequence[Sequence[str]]) -> None:
    """Warn that scores may be too good."""
    if duplicates:
        listed = "; ".join(" = ".join(names) for names in duplicates[:3])
        logging.getLogger("pipeline").warning(
            "%d images are in more than one split, byte for byte, so scores may be too good: %s",
            len(duplicates),
            listed,
        )
