"""All runs of a page together: the answer in a sentence, and the leaderboard's groups."""

from collections.abc import Mapping, Sequence
from typing import Any

from pipeline.runs.folder import RunFolder
from pipeline.stage_two.metrics import Scores

_MOST_ANSWERS = 3


def rank(runs: Sequence[RunFolder]) -> list[RunFolder]:
    """Best validation accuracy first, then the smaller loss."""

    def worst_last(run: RunFolder) -> tuple[float, float, str]:
        scores = run.scores["validation"]
        return -scores.accuracy, scores.loss, run.name

    return sorted(runs, key=worst_last)


def group(runs: Sequence[RunFolder]) -> list[list[RunFolder]]:
    """Runs by what they were judged on, each group ranked, the largest group first.

    Scores can be compared on the same images with the same labels and splits, whatever features were taken of them: so the groups
    go by `data_digest`, and not by `task_digest`, which tells bases and cuts apart as well. Runs that do not have it go by their task.
    """
    groups: dict[str, list[RunFolder]] = {}
    for run in rank(runs):
        info = run.info
        groups.setdefault(str(info.data_digest or info.task_digest or info.data), []).append(run)
    return sorted(groups.values(), key=len, reverse=True)


def answer(groups: Sequence[Sequence[RunFolder]]) -> str:
    """The best run of a task in a sentence; of several tasks in short."""
    if len(groups) > 1:
        told = "; ".join(_in_short(runs[0]) for runs in groups[:_MOST_ANSWERS])
        more = f"; and {len(groups) - _MOST_ANSWERS} more tasks" if len(groups) > _MOST_ANSWERS else ""
        return f"Best by validation: {told}{more}."
    best, *others = groups[0]
    scores, split = _judged(best)
    low, high = scores.ci95
    return (
        f"{'Best by validation: ' if others else ''}{best.info.head} on {best.info.recipe['base']} features of "
        f"{best.info.data}, {_percent(scores.accuracy)} of {scores.n:,} {split} images right "
        f"(95 % interval {_percent(low)} to {_percent(high)}), trained in {best.info.seconds:.1f} s."
    )


def _percent(share: float) -> str:
    return f"{100 * share:.1f}\u00a0%"  # a line may not break there


def _in_short(run: RunFolder) -> str:
    scores, split = _judged(run)
    return f"{run.info.head} on {run.info.data}, {_percent(scores.accuracy)} of {scores.n:,} {split} images right"


def _judged(run: RunFolder) -> tuple[Scores, str]:
    """The scores to quote: those of the test split, which nothing was chosen by, if there is one."""
    split = "test" if "test" in run.scores else "validation"
    return run.scores[split], split


def caution(groups: Sequence[Sequence[RunFolder]]) -> str:
    """How many runs may be as good as the best one, where the page is on one task; empty if none may."""
    best, *others = groups[0]
    low = best.scores["validation"].ci95[0]
    near = sum(run.scores["validation"].accuracy >= low for run in others)
    if not near or len(groups) > 1:
        return ""
    runs = "1 other run lies" if near == 1 else f"{near} other runs lie"
    return f"{runs} within the best one's validation interval, so the order may be chance."


def describe_comparison(comparison: Mapping[str, Any]) -> dict[str, Any]:
    """A comparison of regimes for the page: what it cost to make the rows, and when that has paid for itself."""
    told = [
        f"{regime}: the cache has paid for itself after {found['heads']} training{'s' * (found['heads'] > 1)}, "
        f"against {found['against']}."
        if found["heads"]
        else f"{regime}: the cache never pays for itself here, against {found['against']}."
        for regime, found in comparison.get("break_even", {}).items()
    ]
    rows = [
        {key: row[key] for key in ("regime", "run", "validation", "test", "training_seconds", "total_seconds")}
        for row in comparison["rows"]
    ]
    return {"rows": rows, "sentences": told, "command": comparison.get("command")}
