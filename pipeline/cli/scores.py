"""The scores of a training as text."""

import json
from collections.abc import Mapping
from typing import Any

from pipeline.cli.table import table

_MOST_RECALLS = 10


def score_lines(result: Mapping[str, Any]) -> list[str]:
    """Scores by split, recall by class where classes are not equally large, and folds."""
    splits = [split for split in ("train", "validation", "test") if split in result]
    folds = [_folds(result["folds"])] if result.get("folds") else []
    weights = [f"Class weights: {_weights(result['class_weight'])}"] if result.get("class_weight") else []
    # Of the training images: in a small validation split, sizes differ by chance.
    is_uneven = "balanced_accuracy" in result.get("train", {})
    rows = [_score_row(split, result[split], is_uneven=is_uneven) for split in splits]
    return [*weights, table(rows), *(_recalls(result) if is_uneven else []), *folds]


def _weights(text: str) -> str:
    """The weights of classes as people write them: `balanced`, or `cats 2, dogs 1`."""
    if not text.startswith("{"):
        return text
    return ", ".join(f"{name} {weight:g}" for name, weight in json.loads(text).items())


def _score_row(split: str, scores: Mapping[str, Any], *, is_uneven: bool) -> dict[str, Any]:
    from pipeline.tasks.scores import BriefScores

    brief, balanced = BriefScores.from_dict(scores), scores.get("balanced_accuracy")
    low, high = brief.ci95
    return {
        "split": split,
        brief.words: f"{brief.main:.4f}",
        "95 % interval": f"{low:.3f} to {high:.3f}",
        **({"balanced accuracy": None if balanced is None else f"{balanced:.4f}"} if is_uneven else {}),
        "loss": f"{brief.loss:.4f}",
        "images": brief.n,
    }


def _recalls(result: Mapping[str, Any]) -> list[str]:
    """Recall by class, the smallest first, of test or validation."""
    split = "test" if "test" in result else "validation"
    recall = result.get(split, {}).get("recall")
    if not recall:
        return []
    worst = sorted(recall.items(), key=lambda pair: pair[1])[:_MOST_RECALLS]
    more = f"; those of {len(recall) - len(worst)} more classes are larger" if len(recall) > len(worst) else ""
    return [f"Recall by class ({split}): {', '.join(f'{name} {value:.3f}' for name, value in worst)}{more}"]


def _folds(found: Mapping[str, Any]) -> str:
    """What a cross-validation says."""
    from pipeline.tasks.scores import words_of

    repeats = f", {found['repeats']} times" if found["repeats"] > 1 else ""
    name = found.get("score", "accuracy")
    return (
        f"Cross-validation in {found['folds']} folds{repeats}, {found['images']:,} training and validation images: "
        f"{words_of(name)} {found[name]:.4f}, standard deviation between folds {found['deviation']:.4f}; predictions in folds.csv."
    )


def fold_cells(entry: Mapping[str, Any]) -> dict[str, str]:
    """Mean and deviation of the folds of a head, as cells of a table; empty without folds."""
    found = entry.get("folds")
    if not found:
        return {}
    return {"folds": f"{found[found['score']]:.4f}", "deviation": f"{found['deviation']:.4f}"}
