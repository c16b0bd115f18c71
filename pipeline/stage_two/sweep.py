"""Many heads on the same features: fitted in parallel, resumable, ranked by the main score on validation, equal ones by loss."""

import hashlib
import json
import logging
import math
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from pipeline.errors import DivergedError, HeadSpecError
from pipeline.execution.tasks import Lost
from pipeline.execution.workers import Workers
from pipeline.files import write_json
from pipeline.progress import progress_bar
from pipeline.stage_two.dense.settings import Training
from pipeline.stage_two.folds import Folds, together
from pipeline.stage_two.grid import Cell
from pipeline.stage_two.head import predict_rows
from pipeline.stage_two.linear.factors import Factors
from pipeline.stage_two.linear.fit import choose, factors_of, fit_path, prepare
from pipeline.stage_two.rows import LabelledRows
from pipeline.stage_two.spec import LinearSpec, parse_head, parse_layers
from pipeline.stage_two.sweep_folds import dense_folds, linear_folds
from pipeline.stage_two.weights import weighted
from pipeline.tasks.scores import BriefScores
from pipeline.tasks.targets import Outputs

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class HeadResult:
    """How well one head of a sweep does on the validation split."""

    cell: Cell
    params: int
    """Number of values that the training sets."""

    settings: Mapping[str, Any]
    """Training settings, and what was chosen: the regularisation, or the number of epochs."""

    validation: BriefScores
    seconds: float

    folds: Mapping[str, Any] | None = None
    """Of a cross-validation; see `FoldScores.as_dict`."""

    @property
    def judged(self) -> tuple[float, float]:
        """Main score and loss that heads are ranked by: the means over the folds if there are any, otherwise on validation."""
        if self.folds is None:
            return self.validation.main, self.validation.loss
        return self.folds[self.folds["score"]], self.folds["loss"]

    @property
    def head(self) -> str:
        """The head's text."""
        return self.cell.head

    @property
    def pool(self) -> str:
        """Pooling of the rows: `none`, `avg` or `max`."""
        return self.cell.pooling

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "head": self.head,
            "pool": self.pool,
            "params": self.params,
            "settings": dict(self.settings),
            "validation": self.validation.as_dict(),
            **({} if self.folds is None else {"folds": dict(self.folds)}),
            "seconds": self.seconds,
        }


def run_sweep(
    cells: Sequence[Cell],
    labelled: LabelledRows,
    folder: Path,
    *,
    task_digest: str,
    workers: Workers,
    folds: Folds | None = None,
    progress: bool = False,
) -> list[HeadResult]:
    """Fit every cell on the training split and score it on the validation split. The test split is not used.

    Each result is saved at once. A later sweep reads it instead of fitting the cell again. A cell is left out with a warning if
    its training diverges, or if its worker crashes again when the cell is fitted alone.

    Args:
        cells: The heads with their trainings, all of one pooling.
        labelled: Features and labels.
        folder: Folder of the saved results.
        task_digest: Digest of features and labels, so that results of another task are never used.
        workers: Processes that fit; by default one process with one thread per core, because many small fits gain more from
            several cores than one fit does.
        folds: Also cross-validate each head, and rank by that.
        progress: Show a progress bar.

    Returns:
        One result per cell, the best first; see `rank`.

    Raises:
        ClusterError: The cluster does not answer, or lacks this package.
    """
    folder.mkdir(parents=True, exist_ok=True)
    paths = {cell: result_path(folder, cell, task_digest, folds) for cell in cells}
    kept = {cell: result for cell, path in paths.items() if (result := _read(path, cell)) is not None}
    logger.info("%d heads; the results of %d are saved from an earlier sweep.", len(cells), len(kept))
    groups = _groups([cell for cell in cells if cell not in kept], labelled, folds)
    labelled = weighted(labelled, cells[0].training.class_weight) if cells else labelled
    with progress_bar(desc="sweep", total=sum(map(len, groups)), unit="head", progress=progress) as bar:

        def keep(fits: Sequence[HeadResult | str]) -> None:
            bar.update(len(fits))
            for result in fits:
                if isinstance(result, str):
                    logger.warning("Skipped: %s", result)
                    continue
                kept[result.cell] = result
                write_json(paths[result.cell], result.as_dict())

        crashed = _fit_all(groups, labelled, workers, keep)
        for group in _fit_all(crashed, labelled, workers, keep, alone=True):
            heads = ", ".join(group.heads)
            logger.warning("Skipped: %s crashed its worker twice; the usual reason is too little memory.", heads)
    return sorted((kept[cell] for cell in cells if cell in kept), key=_rank)


def result_path(folder: Path, cell: Cell, task_digest: str, folds: Folds | None) -> Path:
    """The file of a saved result; the arguments are those of `run_sweep`."""
    return folder / f"{_digest(cell, task_digest, folds)}.json"


def rank(results: Iterable[HeadResult]) -> list[HeadResult]:
    """All results, the best first: by the main score, then loss; of folds if there are any, otherwise on validation.

    Raises:
        DivergedError: There are none.
    """
    ranked = sorted(results, key=_rank)
    if not ranked:
        raise DivergedError(
            "All trainings of the sweep diverged or crashed. Choose smaller learning rates, or fewer --workers."
        )
    return ranked


def _rank(result: HeadResult) -> tuple[float, float]:
    # The score that heads are compared by; the regularisation of one head is chosen by loss.
    score, loss = result.judged
    return -score, loss


@dataclass(frozen=True)
class _Group:
    """Heads that are fitted together: one dense head, or linear heads that differ only in their regularisation."""

    cells: tuple[Cell, ...]
    is_wide: bool
    """Whether these are linear heads on more features than training images, which share factors."""

    factors: Factors | None = None

    folds: Folds | None = None
    fold_factors: Factors | None = None
    """Those of training and validation rows together, which all folds share."""

    def __len__(self) -> int:
        return len(self.cells)

    @property
    def heads(self) -> list[str]:
        return [cell.head for cell in self.cells]


def _groups(cells: Sequence[Cell], labelled: LabelledRows, folds: Folds | None) -> list[_Group]:
    """One group per dense head, and one per set of linear heads that differ only in their regularisation."""
    dense, paths = [], dict[tuple[str, LinearSpec, int], list[Cell]]()
    # With more features than images, computing the factors takes longer than a fit.
    is_wide = math.prod(labelled.train.X.shape[1:]) > len(labelled.train)
    for cell in cells:
        spec = parse_head(cell.head)
        if isinstance(spec, LinearSpec):
            paths.setdefault((spec.kind, spec.preparation, cell.training.seed), []).append(cell)
        else:
            dense.append(_Group((cell,), is_wide=False, folds=folds))
    linear = [_Group(tuple(path), is_wide and kind != "knn", folds=folds) for (kind, _, _), path in paths.items()]
    return [*dense, *linear]


def _with_factors(labelled: LabelledRows, shared: Mapping[str, dict[LinearSpec, Factors]], group: _Group) -> _Group:
    """The group as it is sent to a worker: with factors, which are computed once for all heads with the same scaling."""
    if not group.is_wide:
        return group
    spec = parse_head(group.cells[0].head)
    if not isinstance(spec, LinearSpec):
        return group
    known = replace(group, factors=factors_of(spec, labelled, shared["train"]))
    if group.folds is None:
        return known
    return replace(known, fold_factors=prepare(spec, together(labelled).flat, shared["folds"]))


def _fit_all(
    groups: Sequence[_Group],
    labelled: LabelledRows,
    workers: Workers,
    keep: Callable[[Sequence[HeadResult | str]], None],
    *,
    alone: bool = False,
) -> list[_Group]:
    """Fit groups by workers, and keep each group's results as they come; returns the groups whose workers crashed."""
    lost = []
    pack = partial(_with_factors, labelled, {"train": {}, "folds": {}})
    for group, fits in workers.run(_fit, groups, share=(_without_test(labelled),), pack=pack, alone=alone):
        if isinstance(fits, Lost):
            lost.append(group)
        else:
            keep(fits)
    return lost


def _fit(group: _Group, labelled: LabelledRows) -> list[HeadResult | str]:
    """The result of each head of a group, or a text on why it failed."""
    spec = parse_head(group.cells[0].head)
    if isinstance(spec, LinearSpec):
        return _fit_path(group, labelled)
    return [_fit_dense(group.cells[0], labelled, group.folds)]


def _fit_path(group: _Group, labelled: LabelledRows) -> list[HeadResult | str]:
    start = time.perf_counter()
    specs = [spec for cell in group.cells if isinstance(spec := parse_head(cell.head), LinearSpec)]
    values = sorted({value for spec in specs for value in spec.values})
    known = group.factors or factors_of(specs[0], labelled)
    try:
        points = fit_path(replace(specs[0], values=tuple(values)), known, labelled, seed=group.cells[0].training.seed)
    except HeadSpecError as error:
        return [f"{cell.head}: {error}" for cell in group.cells]
    fits = [choose(spec, points, known) for spec in specs]
    folds = linear_folds(specs, labelled, group.folds, group.cells[0].training, group.fold_factors)
    seconds = (time.perf_counter() - start) / len(group)
    return [
        _result(
            cell,
            labelled,
            fit.head.outputs(labelled.validation.flat),
            fit.head.num_parameters,
            {fit.parameter: fit.value},
            seconds,
            scores,
        )
        for cell, fit, scores in zip(group.cells, fits, folds, strict=True)
    ]


def _fit_dense(cell: Cell, labelled: LabelledRows, folds: Folds | None) -> HeadResult | str:
    from pipeline.stage_two.dense.build import fit_dense

    start, spec = time.perf_counter(), parse_layers(cell.head)
    try:
        dense = fit_dense(spec, labelled, cell.training)
        scores = dense_folds(spec, labelled, folds, cell.training)
    except DivergedError as error:
        return f"{cell.head}: {error}"
    outputs = predict_rows(dense.head, labelled.validation.X)
    chosen = {"epochs_run": len(dense.history)}
    return _result(cell, labelled, outputs, dense.head.num_parameters, chosen, time.perf_counter() - start, scores)


def _result(
    cell: Cell,
    labelled: LabelledRows,
    outputs: Outputs,
    num_parameters: int,
    chosen: dict[str, Any],
    seconds: float,
    folds: Mapping[str, Any] | None,
) -> HeadResult:
    task = labelled.task.settled(outputs, labelled.validation.y)
    scores = task.score(outputs, labelled.validation.y).brief()
    return HeadResult(cell, num_parameters, cell.settings | chosen, scores, seconds, folds)


def _without_test(labelled: LabelledRows) -> LabelledRows:
    return LabelledRows(labelled.task, {name: split for name, split in labelled.splits.items() if name != "test"})


def _digest(cell: Cell, task_digest: str, folds: Folds | None) -> str:
    settings = cell.settings or _linear_settings(cell.training)
    spec = parse_head(cell.head)
    if isinstance(spec, LinearSpec) and len(spec.values) > 1:
        settings = settings | {"chosen by": "log loss"}  # up to version 0.2 by accuracy
    if folds is not None:
        settings = settings | {"folds": asdict(folds), "seed": cell.training.seed}
    text = json.dumps([cell.head, settings, task_digest], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:24]


def _linear_settings(training: Training) -> dict[str, Any]:
    """The settings that a linear head depends on."""
    weights = {} if training.class_weight is None else {"class_weight": training.class_weight}
    return {"seed": training.seed} | weights


def _read(path: Path, cell: Cell) -> HeadResult | None:
    """The saved result of a cell; None if there is none, or a damaged one."""
    try:
        saved = json.loads(path.read_text())
        validation = BriefScores.from_dict(saved["validation"])
        return HeadResult(cell, saved["params"], saved["settings"], validation, saved["seconds"], saved.get("folds"))
    except (OSError, ValueError, KeyError, TypeError):
        return None
