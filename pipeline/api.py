"""What users call: one function per command, with the command's options as keywords.

Each function gathers its inputs, enters one room, and returns that room's result; it decides nothing. The command line calls the
same functions. Keywords that they share (`base`, `size`, `cut`, `cache`, `runs`, `engine` and so on) are in `pipeline.keywords`;
the functions for bases, weights and stores are in `pipeline.maintenance`.
"""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

from pipeline.images.augment import LIVE_DEFAULT
from pipeline.images.given import GivenImages
from pipeline.images.manifest import Manifest
from pipeline.images.requirements import require_task
from pipeline.images.scan import Data
from pipeline.keywords import (
    DataKeywords,
    EndToEndKeywords,
    EvaluateKeywords,
    GivenKeywords,
    LiveKeywords,
    PlanKeywords,
    SettingsKeywords,
    SweepKeywords,
    TrainingKeywords,
    ViewKeywords,
    gather,
    rows_pooling,
)
from pipeline.predictions import Predictions
from pipeline.runs.evaluation import Evaluation
from pipeline.runs.listing import RunList
from pipeline.runs.run import Run
from pipeline.runs.saving import Saving
from pipeline.stage_one.extraction import Extraction
from pipeline.stage_two.spec import DEFAULT_LAYERS
from pipeline.surroundings import user_path

if TYPE_CHECKING:
    from pipeline.comparison.advise import Advice
    from pipeline.comparison.compare import Comparison
    from pipeline.comparison.plan import Plan
    from pipeline.comparison.race import Race
    from pipeline.exports.export import Export
    from pipeline.exports.load import ExportedRun
    from pipeline.reports.report import Report
    from pipeline.training.sweep import SweepResult
    from pipeline.tuner.serve import OnStart


def scan(data: Data | Manifest, **keywords: Unpack[DataKeywords]) -> Manifest:
    """Read a data set: its images, labels and splits. Every other function takes the result as its `data`.

    Args:
        data: A folder of images, an archive, a table, an `.npz` file, a URL of these, `keras:NAME`, `tfds:NAME`, or a data frame;
            see `pipeline.images.scan.scan`.
        keywords: Of `pipeline.keywords.DataKeywords`.
    """
    return gather(keywords, scan, data=data).scan(data)


def extract(
    data: Data | Manifest, *, pool: str = "none", manifest: str | Path | None = None, **keywords: Unpack[DataKeywords]
) -> Extraction:
    """Stage one (command `features`): run the frozen trunk over the images whose rows are missing.

    Args:
        data: What `scan` takes, or its result.
        pool: `none` stores the grid, which later serves every pooling; `avg` or `max` saves space; `cls`: a transformer's class token.
        manifest: Write digests, labels and splits to this file: it can be the data where the images are not; None: do not.
        keywords: Of `pipeline.keywords.DataKeywords`.

    Raises:
        DataLayoutError: An image had to be skipped and `strict` is set, or none can be read.
    """
    from pipeline.images.manifest_file import check_replaceable, write_manifest_file
    from pipeline.stage_one.ensure import ensure
    from pipeline.stage_one.recipes import make_recipe
    from pipeline.stage_one.reuse.record import record_rows

    check_replaceable(manifest)
    given = gather(keywords, extract, data=data, pool=pool)
    images, settings = given.open(data, pooling=rows_pooling(pool))
    recipe, _ = make_recipe(images, settings)
    done = ensure(images, recipe.with_pooling(rows_pooling(pool)), settings)
    rows = record_rows(done.store, settings.features.weights)
    write_manifest_file(manifest, done.manifest, partial(given.by_question, data, images), rows)
    return done


def extract_views(data: Data | Manifest, *, pool: str = "none", **keywords: Unpack[ViewKeywords]) -> Extraction:
    """Stage one for views (command `features --views K --augment A`): store augmentations of the training images.

    Args:
        data: What `scan` takes, or its result.
        pool: As in `extract`.
        keywords: Of `pipeline.keywords.ViewKeywords`; `views` and `augment` are needed.

    Raises:
        SettingError: `views` or `augment` is missing.
    """
    from pipeline.stage_one.recipes import make_recipe
    from pipeline.stage_one.views import ensure_views

    given = gather(keywords, extract_views, data=data, pool=pool)
    manifest, settings = given.open(data)
    recipe, _ = make_recipe(manifest, settings)
    return ensure_views(manifest, given.require_views(), recipe.with_pooling(rows_pooling(pool)), settings)


def fit(
    data: Data | Manifest,
    head: str = "ridge",
    *,
    pool: str | None = None,
    folds: int | None = None,
    repeats: int = 1,
    name: str | None = None,
    replace: bool = False,
    plots: bool = True,
    command: str | None = None,
    **keywords: Unpack[TrainingKeywords],
) -> Run | Any:
    """Stage two (command `head`): train a head on cached rows; rows that are missing are made first.

    Args:
        data: What `scan` takes, or its result.
        head: `ridge`, `logreg`, `dense:256,relu,dropout:0.5` and so on; see `pipeline.stage_two.spec`.
        pool: Pooling between trunk and head, or `cls`; None: `avg` for linear heads and `none` for dense ones.
        folds: Also cross-validate in so many folds of the training and validation images: mean, deviation, folds.csv.
        repeats: Cross-validations, each with other folds.
        name: The run's name; None: made from data, base and head.
        replace: Replace an existing run of that name.
        plots: Draw learning curves and confusion matrix into the run's folder.
        command: How to make the run again, kept in run.json.
        keywords: Of `pipeline.keywords.TrainingKeywords`; those of training count for dense heads only.

    Returns:
        The run. If `label` names several columns that are a question each: a `ByQuestion`, the runs by the name of the column.

    Raises:
        HeadSpecError: No head has this description.
        SettingError: A value is invalid, or there is a run of this name already.
        DataLayoutError: Training or validation images are missing, or there is only one class.
    """
    from pipeline.stage_two.folds import folds_of
    from pipeline.training.heads import fit_head
    from pipeline.training.questions import train_each

    given = gather(keywords, fit, data=data, head=head, pool=pool, folds=folds, repeats=repeats)
    saving = Saving(name, replace=replace, plots=plots, command=command)
    saving.check(given.settings.paths.runs)
    manifests, settings = given.open_questions(data)
    train = partial(
        fit_head,
        head=head,
        settings=settings,
        pool=rows_pooling(pool),
        training=given.training,
        views=given.views,
        folds=folds_of(folds, repeats),
        decisions=given.decisions,
    )
    return train_each(manifests, train, saving, settings.paths.runs)


def sweep(
    data: Data | Manifest,
    head: str | Sequence[str] = (),
    *,
    pool: str | None = None,
    lr: Sequence[float] = (),
    head_batch_size: Sequence[int] = (),
    random: int | None = None,
    folds: int | None = None,
    repeats: int = 1,
    name: str | None = None,
    replace: bool = False,
    command: str | None = None,
    **keywords: Unpack[SweepKeywords],
) -> "SweepResult | Any":
    """Train many heads on the same rows, rank them by validation, and keep the best as a run.

    Args:
        data: What `scan` takes, or its result.
        head: One description or several; `|` separates choices, as in `dense:64|256,relu`. Empty: the default selection.
        pool: Pooling for all heads; None: `avg` for linear heads and `none` for dense ones, as in `fit`.
        lr: Learning rates to try for dense heads.
        head_batch_size: Batch sizes to try for dense heads.
        random: Number of heads to draw from the grid; None: all.
        folds: Rank by a cross-validation in so many folds of the training and validation images; None: by validation.
        repeats: Cross-validations, each with other folds.
        name: Name of the best head's run; None: made from data, base and head.
        replace: Replace an existing run of that name.
        command: How to make the run again, kept in run.json.
        keywords: Of `pipeline.keywords.SweepKeywords`.

    Returns:
        The ranked table; of several label columns a `ByQuestion`, as in `fit`.
    """
    from pipeline.stage_two.folds import folds_of
    from pipeline.stage_two.grid import Grid
    from pipeline.training.questions import train_each
    from pipeline.training.sweep import sweep_heads

    own: dict[str, Any] = {"lr": lr, "head_batch_size": head_batch_size, "folds": folds, "repeats": repeats}
    given = gather(keywords, sweep, data=data, head=head, pool=pool, **own)
    saving = Saving(name, replace=replace, command=command)
    saving.check(given.settings.paths.runs)
    heads = (head,) if isinstance(head, str) else head
    grid = Grid(heads, given.training, rows_pooling(pool), lr, head_batch_size, random)
    manifests, settings = given.open_questions(data)
    train = partial(
        sweep_heads, grid=grid, settings=settings, folds=folds_of(folds, repeats), decisions=given.decisions
    )
    return train_each(manifests, train, saving, settings.paths.runs)


def end_to_end(
    data: Data | Manifest,
    head: str = DEFAULT_LAYERS,
    *,
    pool: str = "none",
    name: str | None = None,
    replace: bool = False,
    plots: bool = True,
    command: str | None = None,
    **keywords: Unpack[EndToEndKeywords],
) -> Run:
    """Live training baseline (command `endtoend`): a dense head on images that are augmented anew in every epoch.

    Args:
        data: What `scan` takes, or its result.
        head: A dense head.
        pool: Pooling between base and head.
        name: The run's name; None: made from data, base and head.
        replace: Replace an existing run of that name.
        plots: Draw learning curves and confusion matrix.
        command: How to make the run again, kept in run.json.
        keywords: Of `pipeline.keywords.EndToEndKeywords`.
    """
    from pipeline.training.finetune.settings import FineTuning
    from pipeline.training.finetune.train import finetune as train

    given = gather(keywords, end_to_end, augment=LIVE_DEFAULT, data=data, head=head)
    saving = Saving(name, replace=replace, plots=plots, command=command)
    saving.check(given.settings.paths.runs)
    tuning = FineTuning(head=head, pool=pool, augmentation=given.augmentation, training=given.training)
    manifest, settings = given.open_labelled(data)
    return train(manifest, tuning, settings, saving, decisions=given.decisions)


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
    replace: bool = False,
    plots: bool = True,
    command: str | None = None,
    **keywords: Unpack[TrainingKeywords],
) -> Run:
    """Train a dense head, then the base from a layer on together with it, on live images or cached rows.

    Args:
        data: What `scan` takes, or its result.
        head: A dense head.
        from_layer: First layer of the base to train. Either this or `last` is needed.
        last: Number of the base's last layers to train.
        cached: Take the frozen part's output from the cache instead of live images; `augment` then names stored `views`, and is
            none if left out.
        on_run: Start from the head of this run instead of training one first.
        head_epochs: Epochs of the head alone, at `lr`, before `epochs` of base and head together.
        base_lr: Learning rate of the base's layers.
        head_lr: Learning rate of the head while fine-tuning.
        pool: Pooling between base and head.
        name: The run's name; None: made from data, base and head.
        replace: Replace an existing run of that name.
        plots: Draw learning curves and confusion matrix.
        command: How to make the run again, kept in run.json.
        keywords: Of `pipeline.keywords.TrainingKeywords`.

    Raises:
        SettingError: No layer to train is named.
    """
    from pipeline.training.finetune.settings import FineTuning
    from pipeline.training.finetune.train import finetune as train

    given = gather(
        keywords,
        finetune,
        augment="none" if cached else LIVE_DEFAULT,
        data=data,
        head_epochs=head_epochs,
        on_run=on_run,
    )
    saving = Saving(name, replace=replace, plots=plots, command=command)
    saving.check(given.settings.paths.runs)
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
    manifest, settings = given.open_labelled(data)
    return train(manifest, tuning, settings, saving, decisions=given.decisions)


def compare(
    data: Data | Manifest,
    regimes: Sequence[str] = ("linear", "dense", "endtoend"),
    *,
    head: str = DEFAULT_LAYERS,
    from_layer: str | None = None,
    base_lr: float = 1e-5,
    head_lr: float = 1e-5,
    command: str | None = None,
    **keywords: Unpack[LiveKeywords],
) -> "Comparison":
    """Train several regimes on the same splits and compare accuracy and seconds.

    Args:
        data: What `scan` takes, or its result.
        regimes: Of `linear`, `dense`, `cached-finetune`, `endtoend`, `finetune`.
        head: The dense head.
        from_layer: First layer that the fine-tuning regimes train.
        base_lr: Learning rate of the base's layers.
        head_lr: Learning rate of the head while fine-tuning.
        command: How to make the comparison again.
        keywords: Of `pipeline.keywords.LiveKeywords`.
    """
    from pipeline.comparison.compare import ComparisonSettings, compare_regimes

    given = gather(
        keywords,
        compare,
        augment=LIVE_DEFAULT,
        data=data,
        regimes=regimes,
        from_layer=from_layer,
        base_lr=base_lr,
        head_lr=head_lr,
    )
    chosen = ComparisonSettings(
        regimes=tuple(regimes),
        head=head,
        augmentation=given.augmentation,
        training=given.training,
        first=from_layer,
        base_rate=base_lr,
        head_rate=head_lr,
    )
    manifest, settings = given.open_labelled(data)
    return compare_regimes(manifest, chosen, settings, command=command)


def advise(
    data: Data | Manifest,
    *,
    bases: Sequence[str] = (),
    sizes: Sequence[int] = (),
    cuts: Sequence[str] = (),
    sample: int = 200,
    **keywords: Unpack[DataKeywords],
) -> "Advice | Race":
    """Measure a sample: recommend a regime for a base; or, with `bases`, `sizes` or `cuts`, find the best of them by a race.

    Args:
        data: What `scan` takes, or its result.
        bases: Names or model files that take part in a race.
        sizes: Input sizes that take part, in px.
        cuts: Layers or blocks that take part, of the bases that have them.
        sample: Number of training images to measure for a recommendation.
        keywords: Of `pipeline.keywords.DataKeywords`.
    """
    from pipeline.comparison.question import answer
    from pipeline.comparison.race import Entries

    given = gather(keywords, advise, data=data, bases=bases, sizes=sizes, cuts=cuts, sample=sample)
    entries = Entries(bases, sizes, cuts)
    return answer(require_task(given.scan(data)), entries, given.settings, num_sample=sample)


def plan(
    data: Data | Manifest | None = None,
    base: str | Sequence[str] = ("vgg16",),
    *,
    images: int | None = None,
    workers: int = 1,
    views: int = 0,
    pool: str = "none",
    epochs: int = 30,
    photo: tuple[int, int] = (500, 375),
    **keywords: Unpack[PlanKeywords],
) -> "Plan":
    """Measure a sample: the cost of stage one with each base, and after how many epochs or heads it breaks even.

    Args:
        data: What `scan` takes, or its result; None: synthetic images.
        base: One name of `bottleneck bases`, or several.
        images: Number of images to plan for; None: those of the data.
        workers: Number of machines or GPUs like this one that share the work.
        views: Views of each training image.
        pool: As in `extract`.
        epochs: Epochs of each head, for the break-even.
        photo: Width and height in px of synthetic images.
        keywords: Of `pipeline.keywords.PlanKeywords`.
    """
    from pipeline.comparison.plan import PlanSettings
    from pipeline.comparison.plan import plan as plan_on

    given = gather(keywords, plan, data=data, photo=photo)
    planned = PlanSettings(images, workers, views, pool, epochs, photo)
    bases = (base,) if isinstance(base, str) else base
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
    replace: bool = False,
    command: str | None = None,
    **keywords: Unpack[DataKeywords],
) -> Run:
    """Train a published experiment, `r0a` to `r4`, with every value as reported.

    Args:
        experiment: Its name.
        data: What `scan` takes, or its result.
        epochs: Number of epochs, if not as published.
        seed: Seed of the head's weights, shuffling and dropout.
        cached: Fine-tune from the cache.
        views: With `cached`: number of views of the published augmentation to store and use.
        name: The run's name; None: the experiment's, with what was changed, and a number if there is such a run.
        replace: Replace an existing run of that name.
        command: How to make the run again, kept in run.json.
        keywords: Of `pipeline.keywords.DataKeywords`. Of the features' settings only `weights` and `preprocess` count: the
            others are the experiment's.
    """
    from pipeline.comparison.reproduce import find_experiment, settings_of
    from pipeline.comparison.reproduce import reproduce as train

    chosen = find_experiment(experiment).changed(epochs=epochs, preprocess=keywords.get("preprocess"), seed=seed)
    splits = {} if isinstance(data, Manifest) else {"split": chosen.split, "split_seed": chosen.split_seed}
    given = gather({**splits, **keywords}, reproduce, data=data, experiment=experiment)
    saving = Saving(name, replace=replace, command=command)
    saving.check(given.settings.paths.runs)
    settings, manifest = settings_of(chosen, given.settings), require_task(given.scan(data))
    return train(chosen, manifest, settings, saving, cached=cached, num_views=views)


def load_run(name: str | Path, **keywords: Unpack[SettingsKeywords]) -> Run:
    """Load a run by its name in the runs folder, or by its path.

    Args:
        name: Name or path of the run's folder.
        keywords: Of `pipeline.keywords.SettingsKeywords`: folders and compute for its predictions.

    Raises:
        RunNotFoundError: No run has this name.
        DamagedStoreError: A file of the run is damaged.
    """
    from pipeline.runs.run import load_run as load

    return load(name, gather(keywords, load_run).settings)


def list_runs(runs: str | Path = "runs") -> RunList:
    """All finished runs of a folder (command `runs`), sorted by name; a notebook shows them as tables, one per data set."""
    from pipeline.runs.listing import list_runs as list_all

    return list_all(user_path(runs))


def predict(
    run: str | Path | Run,
    images: GivenImages,
    *,
    top: int = 5,
    abstain: float | None = None,
    digest: str | None = None,
    out: str | Path | None = None,
    evidence: str | Path | None = None,
    **keywords: Unpack[GivenKeywords],
) -> Predictions:
    """Label images with a run, or with a file that `export` wrote.

    Args:
        run: A run, its name or folder, or an exported file.
        images: One image or data set, or a list of them; see `pipeline.images.given.read_given`.
        top: Number of classes to list for each image.
        abstain: A p-value, such as 0.05: images that are more unusual are labelled `unknown`. None: each has its answer.
        digest: Of an exported file: see `load_exported`.
        out: A `.csv`, `.jsonl` or `.parquet` file for the predictions; see `pipeline.prediction_files.PredictionFile`.
        evidence: Folder for overlays that show where in each image the run looked; see `pipeline.evidence.maps`.
        keywords: Of `pipeline.keywords.GivenKeywords`: folders, compute, and how data sets are read. A `Run` keeps the folders and
            the compute that it was loaded with.
    """
    from pipeline.predicting import predict_images

    own = gather(keywords, predict)
    return predict_images(
        run,
        images,
        own.settings,
        own.reading,
        top=top,
        digest=digest,
        out=out,
        evidence=evidence,
        abstain=abstain,
    )


def evaluate(
    run: str | Path | Run,
    data: Data | Manifest,
    *,
    split: str | None = None,
    abstain: float | None = None,
    digest: str | None = None,
    out: str | Path | None = None,
    **keywords: Unpack[EvaluateKeywords],
) -> Evaluation:
    """Score a run, or a file that `export` wrote, on labelled images.

    Args:
        run: A run, its name or folder, or an exported file.
        data: What `scan` takes, or its result.
        split: `train`, `validation` or `test`: only these images; `all`: all images. None: the test images if the data itself names
            some, otherwise all. In a `Manifest`, all splits count as the data's own.
        abstain: A p-value as of `predict`: refused images are counted, and the scores are those of the others.
        digest: Of an exported file: see `load_exported`.
        out: Folder for evaluation.json, predictions.csv, plots and report.html.
        keywords: Of `pipeline.keywords.EvaluateKeywords`. A `Run` keeps the folders and the compute that it was loaded with.

    Raises:
        DataLayoutError: No image has a label that is a class of the run.
        SettingError: The data has no such split, or the folder cannot be written.
    """
    from pipeline.predicting import evaluate_data

    given = gather(keywords, evaluate)
    return evaluate_data(run, data, given.settings, given.read, split=split, digest=digest, out=out, abstain=abstain)


def classify(images: GivenImages, *, top: int = 5, **keywords: Unpack[SettingsKeywords]) -> Predictions:
    """Label images with the 1,000 ImageNet classes of a pretrained base, at its native size.

    Args:
        images: One image or a list of them; see `pipeline.runs.predictor.label_images`.
        top: Number of names to list for each image.
        keywords: Of `pipeline.keywords.SettingsKeywords`; the base is `squeezenet` unless given.
    """
    from pipeline.bases.classify import classify_images

    settings = gather({"base": "squeezenet", **keywords}, classify).settings
    spec = settings.features.spec
    return classify_images(
        images,
        spec,
        settings.features.weights,
        settings.with_changes(size=None).make_decoder(spec.native_px),
        hashes=settings.paths.hashes,
        batch_size=settings.compute.batch_size,
        top=top,
        strict=settings.compute.strict,
    )


def export(
    run: str | Path | Run, file: str | Path, *, p_value: bool = False, **keywords: Unpack[SettingsKeywords]
) -> "Export":
    """Write a run as one file that needs neither this package nor the cache.

    Args:
        run: A run, its name or its folder.
        file: name.keras, name.onnx, name.tflite, or a name without ending for a SavedModel folder.
        p_value: The file says of each image how usual it is, too, so that `predict` can refuse with `abstain`.
        keywords: Of `pipeline.keywords.SettingsKeywords`.

    Raises:
        SettingError: No format has this ending, something else has the name, or the network is too large for the format.
        DisagreementError: The file's predictions differ from the run's; it is not written.
    """
    from pipeline.exports.export import export as export_run

    return export_run(run if isinstance(run, Run) else load_run(run, **keywords), file, p_value=p_value)


def load_exported(
    file: str | Path, *, digest: str | None = None, **keywords: Unpack[SettingsKeywords]
) -> "ExportedRun":
    """Load a file that `export` wrote, to predict with it.

    Args:
        file: A `.keras`, `.onnx` or `.tflite` file, or a SavedModel folder.
        digest: The SHA-256 that `export` printed. A SavedModel needs it unless the run that it was exported from is in the
            runs folder.
        keywords: Of `pipeline.keywords.SettingsKeywords`: folders and compute.

    Raises:
        UnknownExportError: The file has another digest, or is a SavedModel whose digest is unknown.
    """
    from pipeline.exports.load import load_exported as load

    return load(file, gather(keywords, load_exported).settings, digest=digest)


def report(
    names: str | Path | Sequence[str | Path] = (),
    *,
    out: str | Path | None = None,
    near: float = 0.98,
    umap: bool = False,
    data: str | Path | None = None,
    **keywords: Unpack[SettingsKeywords],
) -> "Report":
    """Write one HTML page about some runs, a comparison, or all runs.

    Args:
        names: Runs, or folders that `compare` made; empty: all runs.
        out: The page; None: see `pipeline.reports.report.write_report`.
        near: Cosine similarity from which two images of different splits are shown as near-duplicates.
        umap: Also draw a UMAP map of the features (needs the extra `umap`).
        data: Where the images of the runs are now; None: where each run says, or at a URL that this machine has read them from before.
        keywords: Of `pipeline.keywords.SettingsKeywords`.
    """
    from pipeline.reports.report import write_report

    chosen = (names,) if isinstance(names, str | Path) else names
    settings, path = gather(keywords, report).settings, None if out is None else user_path(out)
    return write_report(chosen, settings, path=path, near=near, with_umap=umap, data=data)


def tune(
    data: Data | Manifest,
    *,
    labels: str | Path | None = None,
    host: str = "127.0.0.1",
    port: int = 8080,
    command: str | None = None,
    on_start: "OnStart | None" = None,
    **keywords: Unpack[DataKeywords],
) -> None:
    """Serve a local page on which to choose and fit heads, look at their mistakes, and relabel images, until Ctrl-C.

    Args:
        data: What `scan` takes, or its result.
        labels: CSV table for the new labels; None: beside the folder, as `photos.labels.csv`; of what is no folder, labels are not changed.
        host: Address to listen on.
        port: Port to listen on.
        command: Kept in run.json of the runs that are saved.
        on_start: Called with the page's address and the session.
        keywords: Of `pipeline.keywords.DataKeywords`.
    """
    from functools import partial

    from pipeline.tuner.serve import tune_heads

    given = gather(keywords, tune, data=data)
    tune_heads(
        data,
        partial(given.open, data),
        labels=None if labels is None else user_path(labels),
        host=host,
        port=port,
        command=command,
        on_start=on_start,
    )
