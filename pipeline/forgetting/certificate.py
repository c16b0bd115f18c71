"""What was searched, found and changed, and what is left to be done."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from html import escape
from pathlib import Path
from typing import Any

from pipeline.cache.forget import StoreChange
from pipeline.forgetting.runs import RunChange
from pipeline.forgetting.shown import Removed
from pipeline.forgetting.traces import Traces
from pipeline.html import show_facts, show_table


@dataclass(frozen=True)
class Certificate:
    """Images that were forgotten, or would be."""

    images: Mapping[str, tuple[str, ...]]
    """Names that led to each image, by its SHA-256."""

    is_done: bool
    """False: nothing was changed, this is what would be."""

    cache: Path
    runs: Path | None
    """Folder of the runs; None: it was not searched."""

    stores: Sequence[StoreChange]
    """All stores that were searched."""

    hashes: Sequence[str]
    """Paths that the table of file hashes remembered."""

    runs_searched: int
    changes: Sequence[RunChange]
    """Runs that know of the images."""

    removed: Sequence[Removed]
    """Pages, tables and evaluations below the folder of the runs."""

    sweeps: Sequence[str]
    """Saved results of the heads of sweeps."""

    not_done: Sequence[str]
    """What was left as it is, why, and what to do: a sentence each."""

    notes: Sequence[str]
    """What is elsewhere, or was left by choice: exports of old heads, runs without `with_runs`, other images at the same paths."""

    traces: Traces | None
    """The last look, after everything was changed."""

    date: str
    """UTC, ISO 8601."""

    version: str
    seconds: float

    @property
    def rows(self) -> int:
        """Rows of all stores and views."""
        return sum(store.rows for store in self.stores)

    @property
    def is_complete(self) -> bool:
        """Whether nothing is left to be done."""
        return self.is_done and not self.not_done

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "forgotten": self.is_done,
            "complete": self.is_complete,
            "date": self.date,
            "version": self.version,
            "images": [{"sha256": digest, "names": list(names)} for digest, names in self.images.items()],
            "cache": str(self.cache),
            "rows": self.rows,
            "stores": [store.as_dict() for store in self.stores],
            "file_hashes": list(self.hashes),
            "runs_folder": None if self.runs is None else str(self.runs),
            "runs_searched": self.runs_searched,
            "runs": [change.as_dict() for change in self.changes],
            "removed": [asdict(entry) for entry in self.removed],
            "sweeps": list(self.sweeps),
            "not_done": list(self.not_done),
            "notes": list(self.notes),
            "traces": None if self.traces is None else asdict(self.traces) | {"found": list(self.traces.found)},
            "seconds": self.seconds,
        }

    def __repr__(self) -> str:
        verb = "forgotten" if self.is_done else "would be forgotten"
        return (
            f"Certificate({len(self.images):,} image{'s' * (len(self.images) != 1)} {verb}: {self.rows:,} rows, "
            f"{len(self.changes):,} runs, {len(self.not_done):,} not done)"
        )

    def _repr_html_(self) -> str:
        """Tables of stores and runs, and what is left, for notebooks."""
        facts = {"images": len(self.images), "forgotten": self.is_done, "rows": self.rows, "date": self.date}
        stores = [
            {"store": s.store, "rows": s.rows, "shards rewritten": len(s.shards)} for s in self.stores if s.is_touched
        ]
        runs = [{"run": c.run, "images": c.images, "splits": ", ".join(c.splits), "work": c.work} for c in self.changes]
        tables = "".join(show_table(rows) for rows in (stores, runs) if rows)
        return show_facts(facts) + tables + _listed("Not done", self.not_done) + _listed("Notes", self.notes)


def _listed(title: str, texts: Sequence[str]) -> str:
    items = "".join(f"<li>{escape(text)}</li>" for text in texts)
    return f"<p>{title}:</p><ul>{items}</ul>" if items else ""
