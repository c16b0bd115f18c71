"""Runs as verbs: save, load, predict."""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from pipeline.cache.recipe import Recipe
from pipeline.images.given import GivenImages, read_given
from pipeline.runs.drawing import draw_run
from pipeline.runs.logs import Log
from pipeline.runs.folder import (
    NewRun,
    RunFolder,
    load_arrays,
    open_run,
    save_arrays,
    write_history,
    write_predictions,
)
from pipeline.stage_two.metrics import score
from pipeline.stage_two.rows import Rows, Split, StoredRows, Task
from pipeline.stage_two.linear.heads import head_from_arrays
from pipeline.runs.labelling import check_top, label_given
from pipeline.settings import Options
from pipeline.stage_one.ensure import make_rows


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

    def predict(self, images: GivenImages, *, top: int = 5) -> list[dict[str, Any]]:
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


def predict(run: Run, images: GivenImages, *, top: int = 5) -> list[dict[str, Any]]:
    """Labels of images, from raw files or pixels.

    Their rows go into the store too, so asking again, or another run of the same recipe, is free.

    Args:
        run: A run.
        images: One image or a list of them: paths (a folder is the images below it), bytes of image files, PIL images,
            arrays (H, W) or (H, W, 3). Or an array of N images, (N, H, W) or (N, H, W, 3).
        top: How many classes to list for each.

    Returns:
        One row for each image, in the order given: {path, label, probability, top: [[label, probability], ...], reason}.
        `reason` is None, or says why the image cannot be read; then label and probability are None, and top is empty.

    Raises:
        DataNotFoundError, UnreadableImageError: No image can be read, or one cannot and `strict` is set.
        SettingError: `top` is below 1.
    """
    check_top(top)
    info, strict = run.folder.info, run.options.strict
    recipe = Recipe.from_dict(info["recipe"])
    options = replace(run.options, base=recipe.base, weights=info["weights"])
    given = read_given(images, options.hashes, exif=recipe.decoder.exif)
    given.check(given.manifest, need_all=strict)
    extraction = make_rows(given.manifest, recipe, options)
    given.check(extraction.manifest, need_all=strict)
    X = extraction.store.read(extraction.keys(), pooling=info["pool"])
    return label_given(given, extraction.manifest, predict_rows(run.head, X), run.classes, top=top, strict=strict)


def save_run(
    head: Head,
    task: Task,
    history: list[dict[str, float]],
    info: dict[str, Any],
    name: str | None,
    log: Log,
    options: Options,
    *,
    pictures: bool,
) -> Run:
    """Score all splits, write the run's folder, then draw its plots and log it."""
    with_tta = bool(info.get("views") and info["views"]["tta"])
    probabilities = {
        split: _average(head, part) if with_tta and split != "train" else predict_rows(head, part.X)
        for split, part in task.splits.items()
    }
    metrics = {split: score(p, task.splits[split].y, task.classes) for split, p in probabilities.items()}
    kind = str(info["head"]).split(":")[0].split(",")[0]
    with NewRun(options.runs, name, f"{info['data']}-{info['recipe']['base']}-{kind}") as new:
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
    if pictures:
        draw_run(folder)
    log.finish(folder)
    return Run(folder, head, options)


def _save_head(head: Head, folder: Path) -> None:
    arrays = getattr(head, "arrays", None)
    if arrays is not None:
        save_arrays(folder / "head.npz", arrays())
        return
    from pipeline.stage_two.dense.build import DenseHead, save_dense

    if isinstance(head, DenseHead):
        save_dense(head, folder / "head.keras")


def _load_head(folder: RunFolder) -> Head:
    path = folder.head_path
    if path.suffix == ".npz":
        return head_from_arrays(load_arrays(path))
    from pipeline.stage_two.dense.build import load_dense

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
