"""Results of `audit` and `similar` as text."""

from collections.abc import Mapping
from typing import Any

from pipeline.cli.table import table

_SHOWN = 10
"""Suspect labels that are listed; the page and the table have more."""


def describe_audit(result: Mapping[str, Any]) -> str:
    """The most suspect labels, and how much was found of each kind."""
    labels, copies = result["labels"], result["duplicates"]
    exact = [one for one in copies if one["kind"] == "exact"]
    across = sum(_is_across(one) for one in exact)
    first = (
        f"{len(labels):,} of {result['images']:,} labels may be wrong ({result['head']}, {result['chosen']}; judged without its image, "
        f"the label is the most likely one for {result['accuracy']:.1%})."
    )
    lines = [
        first,
        *([table([_suspect_row(suspect) for suspect in labels[:_SHOWN]])] if labels else []),
        *([f"and {len(labels) - _SHOWN:,} more"] if len(labels) > _SHOWN else []),
        *([f"Checked, so not listed: {len(result['checked']):,}"] if result["checked"] else []),
        f"Under two labels: {len(result['conflicts']):,}",
        f"Same bytes: {len(exact):,}, {across:,} of them in two splits",
        f"Near duplicates (cosine of {result['near']:g} or more): {result['num_near']:,} pairs",
        *result["notes"],
        f"Seconds: {result['seconds']:.1f}",
        f"Table: {result['table']}",
        f"Page: {result['page']}",
    ]
    return "\n".join(lines)


def _is_across(copies: Mapping[str, Any]) -> bool:
    return len({image["split"] for image in copies["images"]}) > 1


def _suspect_row(suspect: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "image": suspect["path"],
        "split": suspect["split"],
        "label": suspect["label"],
        "likely": suspect["likely"],
        "probability": f"{suspect['probability']:.4f}",
        "neighbours that disagree": f"{suspect['disagree']:.0%}",
    }


def describe_similar(result: Mapping[str, Any]) -> str:
    """The nearest images of each one."""
    rows = [row for one in result["images"] for row in _rows(one)]
    page = [f"Page: {result['page']}"] if result["page"] else []
    how = "" if result["exact"] else ", by an index that may miss some"
    return "\n".join([f"{result['num_images']:,} images in {result['in']}{how}", table(rows), *page])


def _rows(one: Mapping[str, Any]) -> list[dict[str, Any]]:
    if one["reason"]:
        return [{"image": one["path"], "similar": "-", "label": "-", "cosine": "-", "reason": one["reason"]}]
    copies = [{"image": one["path"], "similar": path, "label": None, "cosine": "same bytes"} for path in one["copies"]]
    return copies + [
        {"image": one["path"], "similar": match["path"], "label": match["label"], "cosine": f"{match['cosine']:.4f}"}
        for match in one["similar"]
    ]
