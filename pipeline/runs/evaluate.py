"""Scores of a run, or of an exported file, on any labelled data."""

import html
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryFile

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import DataLayoutError, SettingError, check_choice
from pipeline.files import replacing, write_json
from pipeline.html import show_png
from pipeline.images.manifest import SPLITS, Manifest
from pipeline.images.summary import unread_kinds
from pipeline.runs.attempts import attempt
from pipeline.runs.evaluation import Evaluation, nearest_class, shorten, unknown_text
from pipeline.runs.folder import write_predictions
from pipeline.runs.plots.by_task import NAMES, Shown, draw_all
from pipeline.runs.predict import Predicted
from pipeline.runs.predictor import Predictor
from pipeline.tasks.task import Task

OWN_SPLITS = "100/0/0"
"""Percentages with which a data set is read, so that validation and test images are those that the data itself names."""


def check_out(folder: Path, option: str = "--out") -> None:
    """Make the folder of the results, before the work.

    Args:
        folder: The folder.
        option: What names it, for the message.

    Raises:
        SettingError: It cannot be made or written, or a file has its name.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        TemporaryFile(dir=folder).close()
    except OSError as error:
        raise SettingError(
            f"Nothing can be written to the folder {folder} ({error.strerror}). Choose another {option}."
        ) from error


def evaluate(
    predictor: Predictor,
    manifest: Manifest,
    *,
    split: str | None = None,
    out: Path | None = None,
    strict: bool = False,
    shown: str | None = None,
    abstain: float | None = None,
) -> Evaluation:
    """Predict the labelled images of a data set and score the predictions.

    Args:
        predictor: A run or an exported file.
        manifest: The data; its `validation` and `test` images are those that the data itself names (see `OWN_SPLITS`).
        split: `train`, `validation` or `test`; None: the data's test split, or all images if it names none.
        out: Folder for evaluation.json, predictions.csv, plots and report.html; they replace older ones.
        strict: An image that cannot be used is an error.
        shown: The data as the user named it; None: its source, or its title.
        abstain: Images with a p-value up to this are refused: they are counted, and the scores are those of the others. None: none is.

    Raises:
        SettingError: The data has no such split, the folder cannot be written, or `abstain` cannot be asked.
        DataLayoutError: No image can be used: none is readable and has a label that is a class of the run.
    """
    if out is not None:
        check_out(out)
    task = predictor.task
    predictor.check_abstain(abstain)
    task.check_columns(manifest.target_names)
    chosen, part = _choose_split(manifest, split)
    unknown = _unknown_labels(part, task)
    _check_labels(predictor, part, unknown, strict=strict)
    if strict and (kinds := unread_kinds(manifest.ignored)):
        raise DataLayoutError(f"Files are not read, and --strict is set: {'; '.join(kinds)}")
    kept = part.select([row for row, label in enumerate(part.labels) if label is not None and task.knows(label)])
    done = predictor.predict_manifest(kept)
    used = done.manifest
    _check_read(used, strict=strict)
    answered = _answered(done, abstain)
    seen = predictor.training_digests()
    evaluation = Evaluation(
        run=predictor.name,
        data=shown or manifest.source or manifest.title,
        split=chosen,
        scores=task.score(done.outputs[answered], task.encode([str(used.labels[row]) for row in answered])),
        skipped=used.skipped,
        ignored=manifest.ignored,
        num_unlabelled=part.labels.count(None),
        unknown_labels=unknown,
        missing_classes=task.missing([str(label) for label in used.labels]),
        num_trained_on=sum(used.digests[row] in seen for row in answered),
        abstain=abstain,
        num_refused=len(used) - len(answered),
        folder=out,
        predicted=done,
    )
    if out is not None:
        _write(evaluation, done, answered, out, task)
    return evaluation


def _unknown_labels(part: Manifest, task: Task) -> dict[str, int]:
    """Labels that are no class of the run, and how many images have each."""
    labels = Counter(label for label in part.labels if label is not None)
    return {label: count for label, count in sorted(labels.items()) if not task.knows(label)}


def _check_read(used: Manifest, *, strict: bool) -> None:
    """Raise DataLayoutError if no image could be read, or with `strict` if one could not."""
    skipped = used.skipped
    if skipped and (strict or not len(used)):
        first = f"{skipped[0].path}: {skipped[0].reason}"
        raise DataLayoutError(
            f"{len(skipped):,} of {len(skipped) + len(used):,} images cannot be read; the first: {first}."
        )


def _answered(done: Predicted, abstain: float | None) -> NDArray[np.int64]:
    """The rows of the images that are not refused.

    Raises:
        DataLayoutError: All are.
    """
    if abstain is None or done.p_values is None:
        return np.arange(len(done.outputs))
    rows = np.flatnonzero(done.p_values > abstain)
    if not len(rows):
        raise DataLayoutError(
            f"All {len(done.outputs):,} images have a p-value of at most {abstain:g}: they are unlike all that the run was trained on, so "
            "nothing is left to score. Leave --abstain out."
        )
    return rows


def _choose_split(manifest: Manifest, split: str | None) -> tuple[str, Manifest]:
    """The name of the part to use, and its images."""
    if split is None:
        split = "test" if "test" in manifest.splits else "all"
    if split == "all":
        return split, manifest
    check_choice("split", split, (*SPLITS, "all"))
    part = manifest.split(split)
    if not len(part):
        own = [name for name in SPLITS if name in manifest.splits and name != "train"]
        found = f"It names {' and '.join(own)}" if own else "It names no validation or test images"
        raise SettingError(
            f"{manifest.title} names no {split} images. {found}. Without --split, its test images are used if it names some, "
            "otherwise all images. The scores on a run's own test images are in its metrics.json."
        )
    return split, part


def _check_labels(predictor: Predictor, part: Manifest, unknown: Mapping[str, int], *, strict: bool) -> None:
    """Check that there are labels which the run knows.

    Raises:
        DataLayoutError: There are none; or with `strict`, one is missing or unknown.
    """
    num_unlabelled, num_unknown = part.labels.count(None), sum(unknown.values())
    if num_unlabelled == len(part):
        choices = f" Choose a column with --label: {shorten(part.label_choices)}." if part.label_choices else ""
        raise DataLayoutError(
            f"None of the {len(part):,} images of {part.title} has a label, so there is nothing to compare with.{choices} "
            "Put the images into one folder per class, or give a table with the columns path and label; to label images, use predict."
        )
    if num_unlabelled + num_unknown == len(part):
        raise DataLayoutError(
            f"No label of {part.title} is a class of {predictor.name}: {unknown_text(unknown)}. "
            f"The classes are {shorten(predictor.classes)}.{nearest_class(unknown, predictor.classes)} Rename the labels, or choose "
            "another column with --label."
        )
    if strict and num_unlabelled + num_unknown:
        text = f" ({unknown_text(unknown)})" if unknown else ""
        raise DataLayoutError(
            f"{num_unlabelled:,} images have no label and {num_unknown:,} one that is no class of the run{text}, and --strict is set."
        )


def _write(evaluation: Evaluation, done: Predicted, answered: NDArray[np.int64], out: Path, task: Task) -> None:
    used, outputs = done.manifest, done.outputs
    labels = map(str, used.labels)
    splits = [evaluation.split] * len(used)
    rows = zip(used.names, splits, labels, used.digests, outputs, strict=True)
    with replacing(out / "predictions.csv") as beside:
        write_predictions(beside, rows, task, done.novelty)
    write_json(out / "evaluation.json", evaluation.as_dict())
    title = f"{Path(evaluation.data).name or evaluation.data}: {evaluation.run}\n{evaluation.split} images"
    targets = task.encode([str(used.labels[row]) for row in answered])
    shown = Shown(task, evaluation.scores, outputs[answered], targets)
    attempt("The evaluation is written, but its plots could not be drawn", draw_all, out, shown, title)
    plots = "".join(show_png(out / name, words) for name, words in NAMES.items() if (out / name).is_file())
    with replacing(out / "report.html") as beside:
        beside.write_text(_page(evaluation, plots), encoding="utf-8")


def _page(evaluation: Evaluation, plots: str) -> str:
    title = html.escape(f"{evaluation.run} on {evaluation.data}")
    style = "body{font-family:sans-serif;margin:2em}table{border-collapse:collapse;margin-bottom:1em}td,th{padding:.2em .8em}"
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title><style>{style}</style></head>'
        f"<body><h1>{title}</h1>{evaluation._repr_html_()}{plots}</body></html>\n"
    )
