"""What users call: one function per command, with the command's options as keywords.

Each function gathers its inputs, enters one room, and returns that room's result. The command line calls the same functions.
Keywords that all of them share are in `pipeline.keywords`: `base`, `size`, `cut`, `pool`, `cache`, `runs`, `engine` and so on.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Unpack

from pipeline.images.given import GivenImages
from pipeline.images.manifest import Manifest
from pipeline.images.scan import Data
from pipeline.keywords import DataKeywords, SettingsKeywords, SweepKeywords, TrainingKeywords, ViewKeywords, gather
from pipeline.predictions import Predictions
from pipeline.runs.folder import RunFolder
from pipeline.runs.run import Run
from pipeline.stage_one.extraction import Extraction
from pipeline.stage_two.spec import DEFAULT_LAYERS

if TYPE_CHECKING:
    from pipeline.comparison.advise import Advice
    from pipeline.comparison.compare import Comparison
    from pipeline.comparison.plan import Plan
    from pipeline.exports.export import Export
    from pipeline.exports.load import ExportedRun
    from pipeline.reports.report import Report
    from pipeline.training.sweep import SweepResult
    from pipeline.tuner.serve import OnStart


def scan(data: Data | Manifest, **keywords: Unpack[DataKeywords]) -> Manifest:
    """The images, labels and splits of a data set; every other function takes the result in the place of `data`.

    Args:
        data: A folder of images, an archive, a table, an `.npz` file, `keras:NAME`, `tfds:NAME`, or a data frame;
            see `pipeline.images.scan.scan`.
        keywords: Of `pipeline.keywords.DataKeywords`.
    """
    return gather(keywords).scan(data)


def extract(data: Data | Manifest, *, pool: str = "none", **keywords: Unpack[DataKeywords]) -> Extraction:
    """Stage one (command `features`): run the frozen trunk over the images whose rows are missing.

    Args:
        data: What `scan` takes, or its result.
        pool: `none` stores the grid, which later serves every pooling; `avg` or `max` saves space.
        keywords: Of `pipeline.keywords.DataKeywords`.

    Raises:
        DataLayoutError: An image had to be skipped and `strict` is set, or none can be read.
    """
    from pipeline.stage_one.ensure import ensure
    from pipeline.stage_one.recipes import make_recipe

    given = gather(keywords)
    manifest = given.scan(data)
    recipe, _ = make_recipe(manifest, given.settings)
    return ensure(manifest, recipe.with_pooling(pool), given.settings)


def extract_views(data: Data | Manifest, *, pool: str = "none", **keywords: Unpack[ViewKeywords]) -> Extraction:
    """Stage one for views (command `features --views K --augment A`): augmentations of the training images as rows.

    Args:
        data: What `scan` takes, or its result.
        pool: As in `extract`.
        keywords: Of `pipeline.keywords.ViewKeywords`; `views` and `augment` are needed.
    """
    from pipeline.stage_one.recipes import make_recipe
    from pipeline.stage_one.views import ensure_views

    given = gather(keywords)
    manifest = given.scan(data)
    recipe, _ = make_recipe(manifest, given.settings)
    return ensure_views(manifest, given.require_views(), recipe.with_pooling(pool), given.settings)


def fit(
    data: Data | Manifest,
    head: str = "ridge",
    *,
    pool: str | None = None,
    name: str | None = None,
    plots: bool = True,
    command: str | None = None,
    **keywords: Unpack[TrainingKeywords],
) -> Run:
    """Stage two (command `head`): train a head on cached rows; rows that are missing are made first.

    Args:
        data: What `scan` takes, or its result.
        head: `ridge`, `logreg`, `dense:256,relu,dropout:0.5` and so on; see `pipeline.stage_two.spec`.
        pool: Pooling between trunk and head; None: `avg` for linear heads and `none` for dense ones.
        name: The run's name; None: made up. A run of that name is replaced.
        plots: Draw learning curves and confusion matrix into the run's folder.
        command: How to make the run again, kept in run.json.
        keywords: Of `pipeline.keywords.TrainingKeywords`.
    """
    from pipeline.training.heads import fit_head

    given = gather(keywords)
    return fit_head(
        given.scan(data),
        head,
        given.settings,
        pool=pool,
        training=given.training,
        views=given.views,
        name=name,
        plots=plots,
        command=command,
    )


def sweep(
    data: Data | Manifest,
    head: str | Sequence[str] = (),
    *,
    pool: str = "avg",
    lr: Sequence[float] = (),
    head_batch_size: Sequence[int] = (),
    random: int | None = None,
    name: str | None = None,
    command: str | None = None,
    **keywords: Unpack[SweepKeywords],
) -> "SweepResult":
    """Train many heads on the same rows, rank them by validation, and keep the best as a run.

    Args:
        data: What `scan` takes, or its result.
        head: Descriptions; `|` separates choices, as in `dense:64|256,relu`. None given: a usual selection.
        pool: Pooling for all heads.
        lr: Learning rates to try for dense heads.
        head_batch_size: Batch sizes to try for dense heads.
        random: Draw so many from the grid; None: take all.
        name: Name of the best head's run.
        command: How to make it again.
        keywords: Of `pipeline.keywords.SweepKeywords`.
    """
    from pipeline.training.sweep import sweep_heads

    given = gather(keywords)
    return sweep_heads(
        given.scan(data),
        (head,) if isinstance(head, str) else head,
        given.settings,
        pool=pool,
        training=given.training,
        learning_rates=lr,
        batch_sizes=head_batch_size,
        num_random=random,
        name=name,
        command=command,
    )


def end_to_end(
    data: Data | Manifest,
    head: str = DEFAULT_LAYERS,
    *,
    pool: str = "none",
    name: str | None = None,
    plots: bool = True,
    command: str | None = None,
    **keywords: Unpack[TrainingKeywords],
) -> Run:
    """Train a dense head on live images, augmented anew in every epoch, through the frozen base (command `endtoend`).

    Args:
        data: What `scan` takes, or its result.
        head: A dense head.
        pool: Pooling between base and head.
        name: The run's name; None: made up.
        plots: Draw learning curves and confusion matrix.
        command: How to make the run again.
        keywords: Of `pipeline.keywords.TrainingKeywords`.
    """
    from pipeline.training.finetune.settings import FineTuning
    from pipeline.training.finetune.train import finetune as train

    given = gather(keywords)
    tuning = FineTuning(head=head, pool=pool, augmentation=given.augmentation, training=given.training)
    return train(given.scan(data), tuning, given.settings, name=name, plots=plots, command=command)


def finetune(
    data: Data | Manifest,
    head: str = DEFAULT_LAYERS,
    *,
    from_layer: str | None = None,
    last: int | None = None,
    cached: bool = False,
    on_run: str | None = None,
    head_epochs: int = 10,
    base_lr: float = 1e-5,
    head_lr: float = 1e-5,
    pool: str = "none",
    name: str | None = None,
    plots: bool = True,
    command: str | None = None,
    **keywords: Unpack[TrainingKeywords],
) -> Run:
    """Train a dense head first, then the base from a layer on together with it, on live images or cached rows.

    Args:
        data: What `scan` takes, or its result.
        head: A dense head.
        from_layer: First layer of the base to train. Either this or `last` is needed.
        last: Number of the base's last layers to train.
        cached: Take the frozen part's output from the cache instead of live images; `augment` then names stored `views`.
        on_run: Start from the head of this run instead of training one first.
        head_epochs: Epochs of the head alone, at `lr`, before `epochs` of base and head together.
        base_lr: Learning rate of the base's layers.
        head_lr: Learning rate of the head while fine-tuning.
        pool: Pooling between base and head.
        name: The run's name; None: made up.
        plots: Draw learning curves and confusion matrix.
        command: How to make the run again.
        keywords: Of `pipeline.keywords.TrainingKeywords`.

    Raises:
        SettingError: No layer to train is named.
    """
    from pipeline.training.finetune.settings import FineTuning
    from pipeline.training.finetune.train import finetune as train

    given = gather(keywords)
    tuning = FineTuning.of_base(
        from_layer,
        last,
        head=head,
        pool=pool,
        augmentation=None if cached else given.augmentation,
        cached=cached,
        views=given.views if cached or given.num_views else None,
        training=given.training,
        head_epochs=head_epochs,
        base_rate=base_lr,
        head_rate=head_lr,
        on_run=on_run,
    )
    return train(given.scan(data), tuning, given.settings, name=name, plots=plots, command=command)


def compare(
    data: Data | Manifest,
    regimes: Sequence[str] = ("linear", "dense", "endtoend"),
    *,
    head: str = DEFAULT_LAYERS,
    from_layer: str | None = None,
    base_lr: float = 1e-5,
    head_lr: float = 1e-5,
    command: str | None = None,
    **keywords: Unpack[TrainingKeywords],
) -> "Comparison":
    """Train regimes on the same splits, and set accuracy against seconds.

    Args:
        data: What `scan` takes, or its result.
        regimes: Of `linear`, `dense`, `cached-finetune`, `endtoend`, `finetune`.
        head: The dense head.
        from_layer: First layer that the fine-tuning regimes train.
        base_lr: Learning rate of the base's layers.
        head_lr: Learning rate of the head while fine-tuning.
        command: How to make the comparison again.
        keywords: Of `pipeline.keywords.TrainingKeywords`.
    """
    from pipeline.comparison.compare import Compared, compare_regimes

    given = gather(keywords)
    compared = Compared(
        regimes=tuple(regimes),
        head=head,
        augmentation=given.augmentation,
        training=given.training,
        first=from_layer,
        base_rate=base_lr,
        head_rate=head_lr,
    )
    return compare_regimes(given.scan(data), compared, given.settings, command=command)


def advise(data: Data | Manifest, *, sample: int = 200, **keywords: Unpack[DataKeywords]) -> "Advice":
    """Measure a sample: which regime suits the data, and what each would cost on this machine.

    Args:
        data: What `scan` takes, or its result.
        sample: Number of training images to look at.
        keywords: Of `pipeline.keywords.DataKeywords`.
    """
    from pipeline.comparison.advise import advise as advise_on

    given = gather(keywords)
    return advise_on(given.scan(data), given.settings, num_sample=sample)


def plan(
    data: Data | Manifest | None = None,
    bases: Sequence[str] = ("vgg16",),
    *,
    images: int | None = None,
    machines: int = 1,
    views: int = 0,
    pool: str = "none",
    epochs: int = 30,
    photo_px: tuple[int, int] = (500, 375),
    **keywords: Unpack[DataKeywords],
) -> "Plan":
    """Measure a sample: what stage one takes with each base, and after how many epochs or heads it breaks even.

    Args:
        data: What `scan` takes, or its result; None: synthetic images.
        bases: Names of `bottleneck bases`.
        images: Number of images to plan for; None: those of the data.
        machines: Number of machines or GPUs like this one that share the work (`--workers`).
        views: Views of each training image.
        pool: As in `extract`.
        epochs: Epochs of each head, for the break-even.
        photo_px: Width and height of synthetic images.
        keywords: Of `pipeline.keywords.DataKeywords`.
    """
    from pipeline.comparison.plan import Planned
    from pipeline.comparison.plan import plan as plan_on

    given = gather(keywords)
    planned = Planned(images, machines, views, pool, epochs, photo_px)
    return plan_on(None if data is None else given.scan(data), planned, bases, given.settings)


def reproduce(
    experiment: str,
    data: Data | Manifest,
    *,
    epochs: int | None = None,
    seed: int | None = None,
    cached: bool = False,
    views: int = 0,
    name: str | None = None,
    command: str | None = None,
    **keywords: Unpack[DataKeywords],
) -> Run:
    """Train a published experiment, `r0a` to `r4`, with every value as reported.

    Args:
        experiment: Its name.
        data: What `scan` takes, or its result.
        epochs: Fewer epochs than published.
        seed: Seed of the head's weights, shuffling and dropout.
        cached: Fine-tune from the cache.
        views: With `cached`: store and use so many views of the published augmentation.
        name: The run's name; None: the experiment's.
        command: How to make it again.
        keywords: Of `pipeline.keywords.DataKeywords`. Of the features' settings only `weights` and `preprocess` count: the
            others are the experiment's.
    """
    from pipeline.comparison.reproduce import find_published, settings_of
    from pipeline.comparison.reproduce import reproduce as train

    published = find_published(experiment).changed(epochs=epochs, preprocess=keywords.get("preprocess"), seed=seed)
    given = gather({"split": published.split, "split_seed": published.split_seed, **keywords})
    settings = settings_of(published, given.settings)
    manifest = given.scan(data)
    return train(published, manifest, settings, cached=cached, num_views=views, name=name, command=command)


def load_run(name: str | Path, **keywords: Unpack[SettingsKeywords]) -> Run:
    """A run by its name below the runs folder, or by its folder.

    Args:
        name: Name or folder.
        keywords: Of `pipeline.keywords.SettingsKeywords`: folders and compute for its predictions.

    Raises:
        RunNotFoundError: There is none of this name.
        DamagedStoreError: Its files are not those of a run.
    """
    from pipeline.runs.run import load_run as load

    return load(name, gather(keywords).settings)


def list_runs(runs: str | Path = "runs") -> list[RunFolder]:
    """All finished runs of a folder (command `runs`), by name."""
    from pipeline.runs.folder import list_runs as list_all

    return list_all(Path(runs))


def predict(
    run: str | Path | Run, images: GivenImages, *, top: int = 5, **keywords: Unpack[SettingsKeywords]
) -> Predictions:
    """Label images with a run, or with a file that `export` wrote.

    Args:
        run: A run, its name or folder, or an exported file.
        images: One image or a list of them; see `pipeline.runs.predict.predict`.
        top: How many classes to list for each image.
        keywords: Of `pipeline.keywords.SettingsKeywords`: folders and compute.
    """
    from pipeline.exports.load import load_predictor

    predictor = run if isinstance(run, Run) else load_predictor(run, gather(keywords).settings)
    return predictor.predict(images, top=top)


def classify(images: GivenImages, *, top: int = 5, **keywords: Unpack[SettingsKeywords]) -> Predictions:
    """Names of what is in images, by the 1,000-class top of a pretrained base at its native size.

    Args:
        images: One image or a list of them; see `pipeline.runs.predict.predict`.
        top: How many names to list for each image.
        keywords: Of `pipeline.keywords.SettingsKeywords`; the base is `squeezenet` unless given.
    """
    from pipeline.bases.classify import classify_images
    from pipeline.bases.table import find_base
    from pipeline.images.decode import Decoder

    settings = gather({"base": "squeezenet", **keywords}).settings
    spec = find_base(settings.features.base)
    return classify_images(
        images,
        spec,
        settings.features.weights,
        Decoder(spec.native_px, settings.features.resize, settings.features.exif),
        hashes=settings.paths.hashes,
        batch_size=settings.compute.batch_size,
        top=top,
        strict=settings.compute.strict,
    )


def export(run: str | Path | Run, path: str | Path, **keywords: Unpack[SettingsKeywords]) -> "Export":
    """Write a run as one file that needs neither this package nor the cache.

    Args:
        run: A run, its name or its folder.
        path: name.keras, name.onnx, name.tflite, or a name without ending for a SavedModel folder.
        keywords: Of `pipeline.keywords.SettingsKeywords`.

    Raises:
        SettingError: No format has this ending, something else has the name, or the network is too large for the format.
        DisagreementError: The file predicts something else than the run; it is not written.
    """
    from pipeline.exports.export import export as export_run

    return export_run(run if isinstance(run, Run) else load_run(run, **keywords), path)


def load_exported(path: str | Path, **keywords: Unpack[SettingsKeywords]) -> "ExportedRun":
    """A file that `export` wrote, ready to predict."""
    from pipeline.exports.load import load_exported as load

    return load(path, gather(keywords).settings)


def report(
    names: str | Path | Sequence[str | Path] = (),
    *,
    out: str | Path | None = None,
    near: float = 0.98,
    umap: bool = False,
    **keywords: Unpack[SettingsKeywords],
) -> "Report":
    """Write one HTML page on some runs, on a comparison, or on all runs.

    Args:
        names: Runs, or folders that `compare` made; none: all runs.
        out: The page; None: report.html in the runs folder.
        near: Cosine of features from which images of two splits are shown as near duplicates.
        umap: Draw a second map of the features, by UMAP (an extra).
        keywords: Of `pipeline.keywords.SettingsKeywords`.
    """
    from pipeline.reports.report import write_report

    chosen = (names,) if isinstance(names, str | Path) else names
    return write_report(
        chosen, gather(keywords).settings, path=None if out is None else Path(out), near=near, with_umap=umap
    )


def tune(
    data: str | Path,
    *,
    labels: str | Path | None = None,
    host: str = "127.0.0.1",
    port: int = 8080,
    command: str | None = None,
    on_start: "OnStart | None" = None,
    **keywords: Unpack[DataKeywords],
) -> None:
    """Serve a local page on which heads are chosen, fitted and looked at, and images relabelled, until Ctrl-C.

    Args:
        data: What `scan` takes.
        labels: CSV table that new labels are kept in; None: beside the folder.
        host: Address to listen on.
        port: Port to listen on.
        command: Kept with the runs that are saved.
        on_start: Called with the page's address and the session.
        keywords: Of `pipeline.keywords.DataKeywords`.
    """
    from functools import partial

    from pipeline.tuner.serve import tune_heads

    given = gather(keywords)
    tune_heads(
        data,
        partial(given.scan, data),
        given.settings,
        labels=None if labels is None else Path(labels),
        host=host,
        port=port,
        command=command,
        on_start=on_start,
    )
