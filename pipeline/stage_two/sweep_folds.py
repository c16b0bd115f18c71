"""Cross-validation of the heads of a sweep."""

from collections.abc import Mapping, Sequence
from typing import Any

from pipeline.stage_two.dense.settings import Training
from pipeline.stage_two.folds import Folds, cross_validate, divide
from pipeline.stage_two.head import Head
from pipeline.stage_two.linear.factors import Factors
from pipeline.stage_two.linear.fold_path import cross_validate_linear
from pipeline.stage_two.rows import LabelledRows
from pipeline.stage_two.spec import DenseSpec, LinearSpec
from pipeline.stage_two.weights import weighted


def linear_folds(
    specs: Sequence[LinearSpec],
    labelled: LabelledRows,
    folds: Folds | None,
    training: Training,
    factors: Factors | None,
) -> Sequence[Mapping[str, Any] | None]:
    """The cross-validation of each of some linear heads, as `FoldScores.as_dict`; None without folds.

    Args:
        specs: Heads of one kind and one preparation.
        labelled: Rows and labels.
        folds: How many.
        training: Its seed and its class weights count.
        factors: Those of training and validation rows together, if they are already computed.
    """
    if folds is None:
        return [None] * len(specs)
    scores = cross_validate_linear(
        specs,
        divide(labelled, folds, seed=training.seed),
        factors=factors,
        seed=training.seed,
        class_weight=training.class_weight,
        with_rows=False,
    )
    return [each.as_dict() for each in scores]


def dense_folds(
    spec: DenseSpec, labelled: LabelledRows, folds: Folds | None, training: Training
) -> Mapping[str, Any] | None:
    """The same of a dense head.

    Raises:
        DivergedError: The training of a fold diverged.
    """
    if folds is None:
        return None
    from pipeline.stage_two.dense.build import fit_dense

    def train(part: LabelledRows) -> Head:
        return fit_dense(spec, weighted(part, training.class_weight), training).head

    return cross_validate(train, divide(labelled, folds, seed=training.seed), with_rows=False).as_dict()
