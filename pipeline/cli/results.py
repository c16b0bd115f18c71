"""Ranked heads, runs, predictions and evaluations as text, for every kind of task."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.cli.render import describe_head
from pipeline.cli.scores import fold_cells
from pipeline.cli.table import table

if TYPE_CHECKING:
    from pipeline.predictions import Predictions
    from pipeline.runs.evaluation import Evaluation

_RUN_COLUMNS = ("run", "kind", "base", "size", "head", "pool", "augmentation", "validation", "test", "seconds")


def describe_sweep(result: Mapping[str, Any]) -> str:
    """The ranked heads, and the best one."""
    from pipeline.tasks.scores import BriefScores

    scores = [BriefScores.from_dict(entry["validation"]) for entry in result["results"]]
    rows = [
        {
            "head": entry["head"],
            "pool": entry["pool"],
            **fold_cells(entry),
            "validation": f"{each.main:.4f}",
            "loss": f"{each.loss:.4f}",
            "trained parameters": entry["params"],
            "seconds": f"{entry['seconds']:.2f}",
        }
        for entry, each in zip(result["results"], scores, strict=True)
    ]
    words = scores[0].words
    equal = "accuracies" if words == "accuracy" else "ones"
    judge = (
        f"{words} (mean of the folds)"
        if any("folds" in entry for entry in result["results"])
        else f"validation {words}"
    )
    legend = [f"Ranked by {judge}; equal {equal} by loss."]
    if any(row["head"].split(",")[-1] == "softmax" and "dense" not in row["head"] for row in rows):
        legend.append("softmax: one dense output layer without hidden layers, trained by gradient descent.")
    best = f"Best by validation ({result['seconds']:.1f} s in total):\n{describe_head(result['best'])}"
    return "\n".join([table(rows, best=[0]), *legend, "", best])


def describe_runs(rows: Sequence[Mapping[str, Any]]) -> str:
    """One table per group of comparable runs, the best run first and in bold."""
    if not rows:
        return "No runs yet; `bottleneck head DATA` makes one."
    groups: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        cells = {name: row[name] for name in _RUN_COLUMNS} | {"size": row["size"] and f"{row['size']} px"}
        groups.setdefault(row["group"], []).append(cells | {"seconds": f"{row['seconds']:.2f}"})
    tables = [f"{heading}\n{_indent(table(cells, best=[0]))}" for heading, cells in groups.items()]
    what = "Accuracies" if all(row.get("score", "accuracy") == "accuracy" for row in rows) else "Scores"
    more = [f"{what} are comparable within a table: same images, labels and splits."] if len(groups) > 1 else []
    return "\n\n".join([*tables, *more])


def _indent(text: str) -> str:
    return "\n".join(f"  {line}" for line in text.splitlines())


def describe_predictions(result: Mapping[str, Any]) -> str:
    """One row per image; a column of reasons if an image cannot be read. Warnings have said what was skipped and ignored."""
    from pipeline.predictions import shows_p_values

    entries = result["predictions"]
    shows_p = shows_p_values([entry.get("p_value") for entry in entries])
    rows = [
        {"image": entry["path"], **_answer(entry), **_p_value(entry, is_shown=shows_p), "reason": entry["reason"] or ""}
        for entry in entries
    ]
    answered = next((row for row in rows if not row["reason"]), {"image": "", "label": "", "probability": ""})
    names = list(dict.fromkeys([*answered, "reason"]))
    if not any(row["reason"] for row in rows):
        names.remove("reason")
    return table([{name: row.get(name) for name in names} for row in rows])


def hint_unfamiliar(predictions: "Predictions") -> str | None:
    """How many images are unlike the training images; None if chance explains as many."""
    from pipeline.predictions import UNFAMILIAR, count_unfamiliar

    count, total = count_unfamiliar([entry.p_value for entry in predictions]), len(predictions)
    if not count:
        return None
    images = f"{count:,} of {total:,} images are" if total > 1 else "The image is"
    return (
        f"{images} unlike all that the run was trained on (p-value at most {UNFAMILIAR}): do not trust the label. "
        f"`--abstain {UNFAMILIAR}` gives `unknown` instead."
    )


def _p_value(entry: Mapping[str, Any], *, is_shown: bool) -> dict[str, str]:
    if not is_shown:
        return {}
    return {"p-value": "" if entry["p_value"] is None else f"{entry['p_value']:.2g}"}


def _answer(entry: Mapping[str, Any]) -> dict[str, Any]:
    """The cells of a class, of several labels, or of numbers with their intervals."""
    from pipeline.predictions import UNKNOWN

    if entry.get("values"):
        cells = {key: cell for name, each in entry["values"].items() for key, cell in _number(name, each).items()}
        is_refused = entry["label"] == UNKNOWN
        return {key: UNKNOWN if key in entry["values"] else "" for key in cells} if is_refused else cells
    if entry["probability"] is None and entry["top"]:
        return {"labels": entry["label"], "most likely": ", ".join(f"{label} {p:.3f}" for label, p in entry["top"])}
    is_refused = entry["label"] == UNKNOWN
    others = entry["top"][0 if is_refused else 1 :]
    more = ", ".join(f"{label} {p:.3f}" for label, p in others[:3])
    return {"label": entry["label"], "probability": None if is_refused else entry["probability"], "runner-up": more}


def _number(name: str, each: Mapping[str, float | None]) -> dict[str, str]:
    low, high = each["low"], each["high"]
    interval = {} if low is None or high is None else {f"{name}, 90 % interval": f"{low:.4g} to {high:.4g}"}
    return {name: f"{each['value']:.6g}", **interval}


def describe_rows_written(file: Path, count: int) -> str:
    """What `predict --out` wrote."""
    return f"Wrote {file}: {count:,} row{'s' * (count != 1)}."


def describe_overlays(folder: Path, files: Sequence[str | None], finer: str | None) -> list[str]:
    """What `predict --evidence` wrote, and where finer maps are to be had."""
    count = sum(file is not None for file in files)
    written = f"Wrote {count:,} overlay{'s' * (count != 1)} to {folder}."
    return [written, finer] if finer else [written]


def describe_evaluation(done: "Evaluation") -> str:
    """The scores, those of each class, label or column, and what was left out."""
    from pipeline.runs.plots.by_task import NAMES

    scores, folder = done.scores, done.folder
    images = "images" if done.split == "all" else f"{done.split} images"
    lines = [
        f"{done.run} on {done.data}: {scores.n:,} {images}",
        scores.as_sentence(),
        table(scores.name_rows()),
        *done.notes(),
    ]
    if folder:
        plots = [name for name in NAMES if (folder / name).is_file()]
        files = ", ".join(["evaluation.json", "predictions.csv", *plots, "report.html"])
        lines.append(f"Written to {folder}: {files}.")
    return "\n".join(lines)
