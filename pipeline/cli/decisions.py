"""What is decided on validation, thresholds and recalibration: the options, and what came of them."""

from collections.abc import Mapping
from typing import Any

import click

from pipeline.cli.choices import CALIBRATION
from pipeline.cli.command import section

_NAMED = 5
"""Thresholds that are printed."""

decision_options = section(
    "Head",
    click.option(
        "--threshold",
        metavar="GOAL",
        help="The probability from which the second of two classes, or a label, is predicted, chosen on validation: f1, recall=0.95, "
        "precision=0.9; or a probability such as 0.3 [default: the more probable class; f1 for labels].",
    ),
    click.option(
        "--calibrate",
        type=CALIBRATION,
        default="none",
        help="Recalibrate the probabilities on validation: temperature (one factor), or isotonic (a rising curve, for some hundred images "
        "or more).",
    ),
)


def decision_lines(result: Mapping[str, Any]) -> list[str]:
    """The thresholds by a goal, and the calibration error before and after."""
    return [*_thresholds(result), *_calibration(result)]


def _thresholds(result: Mapping[str, Any]) -> list[str]:
    """From which probabilities classes or labels are predicted, where a goal was given."""
    found = result.get("threshold")
    if not found or not found["goal"]:
        return []
    values = [f"{name} from {value:.4g}" for name, value in found["from"].items()]
    more = f" and {len(values) - _NAMED} more in run.json" if len(values) > _NAMED else ""
    return [f"Threshold ({found['goal']} on validation): {', '.join(values[:_NAMED])}{more}."]


def _calibration(result: Mapping[str, Any]) -> list[str]:
    """The calibration error before and after a recalibration."""
    found = result.get("calibration")
    if not found:
        return []
    errors = [
        f"{split} {each['before']:.4f} before, {each['after']:.4f} after" for split, each in found["error"].items()
    ]
    return [
        f"Recalibrated ({found['method']}). Expected calibration error: {'; '.join(reversed(errors))} (fitted there)."
    ]
