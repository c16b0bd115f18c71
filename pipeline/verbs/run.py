"""Runs as verbs: save, load, predict."""

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from pipeline.cache.recipe import Recipe
from pipeline.images.folders import list_images
from pipeline.results.drawing import Draw
from pipeline.results.logs import Log
from pipeline.results.runs import (
    NewRun,
    RunFolder,
    load_arrays,
    open_run,
    save_arrays,
    write_history,
    write_predictions,
)
from pipeline.results.scores import score
from pipeline.stage_two.features import Rows, Split, StoredRows, Task
from pipeline.stage_two.linear import head_from_arrays
from pipeline.verbs.options import Options
from pipeline.verbs.rows import extract_recipe


class Head(Protocol):
    """What a run predicts with."""

    def predict_proba(self, X: NDArray[np.float32]) -> NDArray[np.float32]:
        """Probabilities (N, K)."""
        ...

    @property
    def num_parameters(self) -> int:
        """Trained numbers."""
        ...


@dataclass(frozen=True)
class Run:
    """A trained head, ready to predict."""

    folder: RunFolder
    head: Head
    options: Options = field(default_factory=Options)

    @property
    def name(self) -> str:
        return self.folder.name

    @property
    def classes(self) -> tuple[str, ...]:
        return tuple(self.folder.info["classes"])

    @property
    def metrics(self) -> dict[str, Any]:
        """Scores by split."""
        return self.folder.metrics

    def predict(self, images: Sequence[str | Path], *, top: int = 5) -> list[dict[str, Any]]:
        """See `predict`."""
        return predict(self, images, top=top)


def load_run(name: str | Path, *, options: Options | None = None) -> Run:
    """A run from its folder; nothing is unpickled, and Keras files are loaded in safe mode.

    Raises:
        RunNotFoundError: There is none of this name.
        DamagedStoreError: Its files are not what a run holds.
    """
    chosen = options or Options()
    folder = open_run(name, chosen.runs)
    return Run(folder, _load_head(folder), chosen)


def predict(run: Run, images: Sequence[str | Path], *, top: int = 5) -> list[dict[str, Any]]:
    """Labels of photographs, from raw files.

    Their rows go into the store too, so asking again, or another run of the same recipe, is free.

    Args:
        run: A run.
        images: Files, or folders of images.
        top: How many classes to list for each.

    Returns:
        {path, label, probability, top: [[label, probability], ...]} for each image that can be read.
    """
    info = run.folder.info
    recipe = Recipe.from_dict(info["recipe"])
    options = replace(run.options, base=recipe.base, weights=info["weights"])
    manifest = list_images([Path(image) for image in images], options.hashes)
    extraction = extract_recipe(manifest, recipe, options)
    X = extraction.store.read(extraction.keys(), pooling=info["pool"])
    return [
        ranked(name, probabilities, run.classes, top)
        for name, probabilities in zip(extraction.manifest.names, predict_rows(run.head, X), strict=True)
    ]


def save_run(
    head: Head,
    task: Task,
    history: list[dict[str, float]],
    info: dict[str, Any],
    name: str | None,
    draw: Draw | None,
    log: Log,
    options: Options,
) -> Run:
    """Score all splits, write the run's folder, have its pictures drawn, and tell of it."""
    with_tta = bool(info.get("views") and info["views"]["tta"])
    probabilities = {
        split: _average(head, part) if with_tta and split != "train" else predict_rows(head, part.X)
        for split, part in task.splits.items()
    }
    metrics = {split: score(p, task.splits[split].y, task.classes) for split, p in probabilities.items()}
    kind = str(info["head"]).split(":")[0].split(",")[0]
    with NewRun(options.runs, name, f"{info['data']}-{info['recipe']['base']}-{kind}") as new:
        judged = "test" if "test" in metrics else "validation"
        title = f"{info['data']}: {info['head']} on {info['recipe']['base']}"
        confusion = metrics[judged]["confusion"]
        with draw(new.path, history, confusion, task.classes, judged, title) if draw else contextlib.nullcontext():
            _save_head(head, new.path)
            if history:
                write_history(new.path / "history.csv", history)
            rows = (
                (image, split, task.classes[label], digest, p)
                for split, part in task.splits.items()
                for image, label, digest, p in zip(part.names, part.y, part.digests, probabilities[split], strict=True)
            )
            write_predictions(new.path / "predictions.csv", rows, task.classes)
        folder = new.finish(info, metrics)
    log.finish(folder)
    return Run(folder, head, options)


def _save_head(head: Head, folder: Path) -> None:
    arrays = getattr(head, "arrays", None)
    if arrays is not None:
        save_arrays(folder / "head.npz", arrays())
        return
    from pipeline.stage_two.dense import DenseHead, save_dense

    if isinstance(head, DenseHead):
        save_dense(head, folder / "head.keras")


def _load_head(folder: RunFolder) -> Head:
    path = folder.head_path
    if path.suffix == ".npz":
        return head_from_arrays(load_arrays(path))
    from pipeline.stage_two.dense import load_dense

    return load_dense(path)


def predict_rows(head: Head, X: Rows) -> NDArray[np.float32]:
    """Linear heads take flat rows, dense ones the grid; rows on disk are read in blocks."""
    if isinstance(X, StoredRows):
        places, blocks = zip(*((place, predict_rows(head, block)) for place, block in X.blocks()), strict=True)
        return np.concatenate(blocks)[np.argsort(np.concatenate(places))]
    return head.predict_proba(X.reshape(len(X), -1) if hasattr(head, "arrays") else X)


def _average(head: Head, part: Split) -> NDArray[np.float32]:
    """Mean probabilities over all stored views of each image (test-time augmentation)."""
    mean: NDArray[np.float32] = np.mean([predict_rows(head, X) for X in (part.X, *part.views)], axis=0)
    return mean


def ranked(name: str, probabilities: NDArray[np.float32], classes: Sequence[str], top: int) -> dict[str, Any]:
    """What is said of one image: {path, label, probability, top}, the likeliest classes first."""
    order = np.argsort(-probabilities, kind="stable")
    pairs = [[classes[k], float(probabilities[k])] for k in order[:top]]
    return {"path": name, "label": pairs[0][0], "probability": pairs[0][1], "top": pairs}
