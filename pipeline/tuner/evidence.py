"""Where the head of the page looked in the images that are shown."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pipeline.errors import SettingError
from pipeline.evidence.find import explain_rows
from pipeline.evidence.page import as_data, overlay_script
from pipeline.tuner.session import Results, Session


def evidence_of(session: Session, results: Results, rows: Sequence[int]) -> dict[str, Any]:
    """Where a head looked in these rows of the manifest, for the script of the page.

    Raises:
        SettingError: Their rows have no grid, or it is not stored.
    """
    if session.grids is None:
        raise SettingError("The rows of this page have no grid, so there is no map of where the head looked.")
    parts = session.grids.read([session.manifest.digests[row] for row in rows])
    found = explain_rows(results.on_rows, results.task, results.choice.pooling, parts)
    return as_data(rows, found, session.grids.fit, results.classes)


def evidence_script() -> str:
    """The script that draws maps over the images of the page."""
    own = Path(__file__).with_name("evidence.js").read_text(encoding="utf-8")
    return f"<script>(() => {{\n{overlay_script()}{own}}})();</script>"
