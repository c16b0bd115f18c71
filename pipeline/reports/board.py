"""All runs of a page together: the groups of the leaderboard, and the best run in a sentence."""

from collections.abc import Mapping, Sequence
from typing import Any

from pipeline.runs.folder import RunFolder
from pipeline.tasks.scores import Scores

_MAX_ANSWERS = 3


def answer(groups: Sequence[Sequence[RunFolder]]) -> str:
    """The best run in a sentence; a short one per task if there are several."""
    if len(groups) > 1:
        answers = "; ".join(_in_short(runs[0]) for runs in groups[:_MAX_ANSWERS])
        more = f"; and {len(groups) - _MAX_ANSWERS} more tasks" if len(groups) > _MAX_ANSWERS else ""
        return f"Best by validation: {answers}{more}."
    best, *others = groups[0]
    scores, split = _scores_to_quote(best)
    return (
        f"{'Best by validation: ' if others else ''}{best.info.head} on {best.info.recipe['base']} features of "
        f"{best.info.data}, {scores.quote(split)}, trained in {best.info.seconds:.1f} s."
    )


def _in_short(run: RunFolder) -> str:
    scores, split = _scores_to_quote(run)
    column = f" ({run.info.label_column})" if run.info.label_column else ""
    return f"{run.info.head} on {run.info.data}{column}, {scores.quote_briefly(split)}"


def _scores_to_quote(run: RunFolder) -> tuple[Scores, str]:
    """The scores of the test split, which no choice was made on, or of validation if there is none."""
    split = "test" if "test" in run.scores else "validation"
    return run.scores[split], split


def caution(groups: Sequence[Sequence[RunFolder]]) -> str:
    """How many other runs may be as good as the best one; empty if none, or if there are several tasks."""
    best, *others = groups[0]
    low = best.scores["validation"].ci95[0]
    near = sum(run.scores["validation"].main >= low for run in others)
    if not near or len(groups) > 1:
        return ""
    runs = "1 other run lies" if near == 1 else f"{near} other runs lie"
    return f"{runs} within the best one's validation interval, so the order may be chance."


def describe_comparison(comparison: Mapping[str, Any]) -> dict[str, Any]:
    """A comparison of regimes for the page: accuracy, seconds, and when each cached regime breaks even.

    Args:
        comparison: As in comparison.json.
    """
    sentences = [_describe(regime, found) for regime, found in comparison.get("break_even", {}).items()]
    rows = [
        {"what": row.get("what", row["regime"])}  # older comparisons do not say it
        | {key: row[key] for key in ("regime", "run", "validation", "test", "training_seconds", "total_seconds")}
        for row in comparison["rows"]
    ]
    return {"rows": rows, "sentences": sentences, "command": comparison.get("command")}


def _describe(regime: str, found: Mapping[str, Any]) -> str:
    heads, against = found["heads"], found["against"]
    if not heads:
        return f"{regime} never breaks even here, compared with {against}."
    return f"{regime} breaks even after {heads} training{'s' * (heads > 1)}, compared with {against}."
