"""Options that commands share, and how options become keywords and results become text."""

import shlex
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pipeline.cli.choices import (
    BACKEND,
    CLASS_FOLDER,
    COUNT,
    COUNT_OR_NONE,
    DTYPE,
    ENGINE,
    FIT,
    GIGABYTES,
    KEEP,
    LOSS,
    PRECISION,
    PREPROCESSING,
    RATE,
    RESIZE_METHOD,
    SCHEDULE,
    SEED,
    SIZE,
    TASK,
    VIEW_MODE,
    VIEWS,
)
from pipeline.cli.command import given_options, section, stack
from pipeline.cli.complete import complete_bases, complete_devices, complete_optimizers, complete_weights
from pipeline.cli.names import with_visible_names
from pipeline.cli.outlook import epochs_of
from pipeline.cli.shared import shared_options
from pipeline.cli.terminal import be_verbose, to_json, write
from pipeline.images.remote.addresses import without_secrets

if TYPE_CHECKING:
    from pipeline.runs.run import Run


OUTPUT = ("as_json", "quiet", "debug")
"""Options about what is printed; no function has them."""


HEAD_HELP = (
    "A linear head: ridge (regularisation by leave-one-out; the fastest), logreg, svm, sgd, lda or knn (regularisation by "
    "validation), or with a given value, such as logreg:C=0.01. Further settings of a linear head: scale=none, norm=l2, pca=256, whiten=yes. "
    "A dense head: its layers, such as dense:256,relu,dropout:0.5."
)


AUGMENT_HELP = (
    "How training images are changed at random: none, flip (mirrored), standard (flip, small rotation, zoom and light), strong, or overhead "
    "(any way up: satellite, microscope); as published: r0, r2, r4; or settings: rotation=20,zoom=0.1,horizontal_flip (also "
    "width_shift, height_shift, shear, vertical_flip, brightness, contrast, fill). Settings may follow a name: "
    "standard,horizontal_flip=false."
)


class OrderedGroup(click.Group):
    """Lists commands in the order of their use, not alphabetically."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.commands)


output_options = section(
    "Output",
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
    click.option("--debug", is_flag=True, help="Log everything, and show tracebacks."),
)


folder_options = section(
    "Folders",
    click.option("--cache", type=click.Path(path_type=Path), default="features_cache", help="Folder of the stores."),
    click.option("--runs", type=click.Path(path_type=Path), default="runs", help="Folder of the runs."),
)


engine_options = section(
    "Compute",
    click.option("--engine", type=ENGINE, default="auto", help="What runs the trunk; auto: the faster one."),
    click.option("--device", default="auto", shell_complete=complete_devices, help="auto, cpu, gpu, gpu:1."),
    click.option(
        "--batch-size",
        type=COUNT,
        default=32,
        help="Images per step in stage one; halved when the device is out of memory.",
    ),
)


strict_option = section(
    "Data",
    click.option(
        "--strict",
        is_flag=True,
        help="Fail if an image has to be skipped, is of a kind that is not read, or has two labels.",
    ),
    click.option(
        "--max-pixels",
        type=COUNT,
        default=89_478_485,
        help="Images with more pixels are skipped; 108-megapixel photographs need more.",
    ),
    click.option(
        "--spool-gb",
        type=GIGABYTES,
        default=10.0,
        help="Disk space for what is fetched from a URL; 0: images are not kept.",
    ),
)
workers_option = section(
    "Compute",
    click.option("--workers", type=COUNT, help="Processes, or decoding threads in this one [default: one per core]."),
)
compute_options = stack(engine_options, workers_option, strict_option)


memory_option = section(
    "Compute",
    click.option(
        "--memory-gb",
        type=GIGABYTES,
        help="Rows held in memory while a head is trained; more are read in blocks [default: half of the free memory].",
    ),
)


worker_options = section(
    "Compute",
    click.option(
        "--backend",
        type=BACKEND,
        default="auto",
        help="Execution backend: threading (this process), loky (processes of this machine) or dask; auto: the faster of the first two.",
    ),
    click.option(
        "--scheduler", metavar="ADDRESS", help="Scheduler of a running Dask cluster, such as tcp://host:8786."
    ),
    click.option("--gather", is_flag=True, help="Workers send their rows; without it they write them to --cache."),
    click.option("--ship-images", is_flag=True, help="Send images to the workers; without it, workers read them."),
)


recipe_options = section(
    "Features",
    click.option("--size", type=SIZE, help="Input height and width in px [default: the base's native size]."),
    click.option(
        "--cut",
        metavar="LAYER|BLOCK",
        help="Last layer of the trunk; a block such as block4 means its last layer [default: the base's last layer].",
    ),
    click.option(
        "--preprocess",
        type=PREPROCESSING,
        default="native",
        help="native (that of the weights), rescale (1/255), standardize (by the training images), or that of a model file.",
    ),
    click.option(
        "--weights",
        default="imagenet",
        shell_complete=complete_weights,
        help="imagenet, random, or a .weights.h5, .h5 or .keras file.",
    ),
    click.option("--resize", type=RESIZE_METHOD, default="lanczos", help="Resize filter."),
    click.option("--exif/--no-exif", default=True, help="Turn images upright as their EXIF orientation says."),
    click.option(
        "--fit",
        type=FIT,
        default="stretch",
        help="stretch (the aspect ratio changes), crop (the square in the middle) or pad (filled up with the background).",
    ),
    click.option(
        "--background",
        metavar="COLOR",
        help="Behind transparent pixels, and for pad: white, black, #rrggbb; drop: transparency is ignored [default: white].",
    ),
    click.option(
        "--decoder",
        type=click.IntRange(1, 2),
        metavar="N",
        default=2,
        help="2, or 1: pixels as versions 0.1 and 0.2 made them, for their stores.",
    ),
    click.option("--dtype", type=DTYPE, default="float32", help="Number format of the stored rows."),
    click.option(
        "--precision",
        type=PRECISION,
        default="float32",
        help="Arithmetic of the trunk. bfloat16: OpenVINO, on CPUs that have it; mixed: for GPUs.",
    ),
)


base_options = stack(
    section(
        "Features",
        click.option(
            "--base",
            default="vgg16",
            shell_complete=complete_bases,
            help="A name of `bottleneck bases`, a Keras or ONNX model file, or hub:PRESET.",
        ),
    ),
    recipe_options,
)


path_options = section(
    "Data",
    click.option(
        "--root",
        type=click.Path(file_okay=False),
        help="Folder, or its URL, that a table's paths are relative to [default: the table's own].",
    ),
    click.option("--path-column", metavar="NAME", help="Column of the paths [default: found by its name]."),
    click.option(
        "--ignore-column",
        metavar="NAME",
        multiple=True,
        help="A column, array or folder to leave out although its name looks like one that is used; may be repeated.",
    ),
    click.option("--follow-links", is_flag=True, help="Follow symbolic links to folders."),
)
label_options = stack(
    section(
        "Data",
        click.option(
            "--label",
            default="label",
            metavar="NAME[,NAME...]",
            help="Label column of a table, or several: labels or numbers of one task, or a question each; fine or coarse for keras:cifar100.",
        ),
        click.option(
            "--task",
            type=TASK,
            help="One class, several labels, or numbers for each image [default: found where it is plain].",
        ),
    ),
    path_options,
    section(
        "Data",
        click.option("--split-column", metavar="NAME", help="Column of the splits [default: found by its name]."),
        click.option(
            "--group-column",
            metavar="NAME",
            help="Column of groups, such as a patient; a group is in one split [default: found by its name].",
        ),
        click.option(
            "--classes-from",
            type=CLASS_FOLDER,
            help="Which of nested class folders names the class: the first one, or the one that the image is in [default: top].",
        ),
    ),
)
data_options = stack(
    label_options,
    section(
        "Data",
        click.option(
            "--split",
            default="80/10/10",
            metavar="A/B[/C]",
            help="Percentages train/validation/test, or train/validation, where the data has no splits.",
        ),
        click.option("--split-seed", type=int, metavar="N", default=0, help="Seed of that split."),
    ),
)


augment_option = section("Views", click.option("--augment", default="none", help=AUGMENT_HELP))
view_options = section(
    "Views",
    click.option("--views", type=VIEWS, default=0, help="Augmented views of each training image, stored as rows."),
    click.option("--view-seed", type=SEED, default=0, help="Seed of the views."),
    click.option(
        "--tta", is_flag=True, help="Views of validation and test images too; predictions are averaged over them."
    ),
)
view_mode_option = section(
    "Views",
    click.option(
        "--view-mode",
        type=VIEW_MODE,
        default="sample",
        help="An epoch of a dense head draws one view per image (sample), or sees all views.",
    ),
)


log_options = section(
    "Output",
    click.option(
        "--tensorboard",
        type=click.Path(path_type=Path, file_okay=False),
        help="Folder for TensorBoard's logs; those of each run are in a folder of its name.",
    ),
    click.option("--mlflow", metavar="URI|FOLDER", help="Log to an MLflow server, or to a database in a folder."),
)
replace_option = section(
    "Output", click.option("--replace", is_flag=True, help="Replace an existing run of that --name.")
)
run_options = stack(
    section("Output", click.option("--name", help="The run's name [default: made from data, base and head].")),
    replace_option,
    log_options,
    section(
        "Output", click.option("--plots/--no-plots", default=True, help="Draw learning curves and confusion matrix.")
    ),
)


dense_options = section(
    "Head",
    click.option("--epochs", type=COUNT, default=30, help="Epochs of a dense head."),
    click.option(
        "--optimizer",
        default="adam",
        shell_complete=complete_optimizers,
        help="Of a dense head: adam, rmsprop, sgd; with settings: sgd:momentum=0.9.",
    ),
    click.option(
        "--schedule", type=SCHEDULE, default="constant", help="Learning rate of a dense head over the epochs."
    ),
    click.option(
        "--patience",
        type=COUNT_OR_NONE,
        default=0,
        help="Stop a dense head after this many epochs without a smaller validation loss; 0: never.",
    ),
    click.option(
        "--keep",
        type=KEEP,
        default="best",
        help="Weights of a dense head to keep: of the epoch with the smallest validation loss, or of the last.",
    ),
    click.option("--loss", type=LOSS, default="mse", help="What a dense head minimises for numbers."),
    click.option("--seed", type=SEED, default=0, help="Seed of weights, shuffling and dropout."),
    click.option(
        "--class-weight",
        metavar="balanced|none|CLASS=W,...",
        help="How much images count in a training by their class: balanced (all classes the same), or numbers: cats=2,dogs=1 or JSON [default: none].",
    ),
)
step_options = section(
    "Head",
    click.option("--lr", type=RATE, default=1e-3, help="Learning rate of a dense head."),
    click.option("--head-batch-size", type=COUNT, default=32, help="Rows per step of a dense head."),
)
training_options = stack(step_options, dense_options)


stage_one_options = stack(data_options, base_options, compute_options, folder_options, shared_options, output_options)
"""Those of commands that need features; `memory_option` comes to it where heads are trained."""


def keywords(options: Mapping[str, Any]) -> dict[str, Any]:
    """The options that the user gave as keywords of the command's function in `pipeline`: they have the same names.

    All others are left out: the function has the same defaults, and so it knows which ones were given.
    """
    given = given_options(click.get_current_context())
    chosen = {name: value for name, value in options.items() if name in given and name not in OUTPUT}
    return chosen | {"progress": not options["quiet"]}


def without(values: Mapping[str, Any], *names: str) -> dict[str, Any]:
    """The same values, except these."""
    return {name: value for name, value in values.items() if name not in names}


def command_line() -> str:
    """The command line as the user typed it, without secrets in URLs, to be kept with the run."""
    return shlex.join(["bottleneck", *map(without_secrets, sys.argv[1:])])


def show(options: Mapping[str, Any], result: Any, describe: Callable[[Any], str]) -> None:
    """Print a result, as JSON or as text: the one place where results are printed."""
    write(to_json(result) if options["as_json"] else describe(with_visible_names(result)))


def head_result(run: "Run") -> dict[str, Any]:
    """What the commands that train print."""
    return run.as_dict() | epochs_of(run)
