"""Predictions as a file for other programs: a table with one row per image, as `.csv`, `.jsonl` or `.parquet`."""

import csv
import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from pipeline.errors import MissingExtraError, SettingError
from pipeline.files import replacing
from pipeline.predictions import Prediction

_FORMULA = ("=", "+", "-", "@", "\t", "\r")


@dataclass(frozen=True)
class PredictionFile:
    """Where predictions are written. It is checked when this is made, before hours of work."""

    path: Path

    def __post_init__(self) -> None:
        if self.path.suffix.lower() not in _WRITERS:
            raise SettingError(
                f"Predictions are written to a file that ends with {', '.join(_WRITERS)}. Received: {self.path}."
            )
        check_writable(self.path)
        if self.path.suffix.lower() == ".parquet":
            _import_parquet()

    @classmethod
    def of(cls, path: str | Path | None) -> Self | None:
        """The file of this name; None for none.

        Raises:
            SettingError: The ending is not known, or the file cannot be written.
            MissingExtraError: A Parquet file is wanted and pyarrow is not installed.
        """
        return None if path is None else cls(Path(path))

    def write(self, predictions: Sequence[Prediction]) -> None:
        """Write one row per prediction, in order; the file is complete whenever its name exists.

        | ending | columns |
        |---|---|
        | `.csv` | path, label, probability, label_2, probability_2 ... for the further classes, reason |
        | `.jsonl` | path, label, probability, top ([[label, probability], ...]), reason |
        | `.parquet` | path, label, probability, top (list of {label, probability}), reason |

        In the CSV file, texts that a spreadsheet would run as formulas begin with an apostrophe; see `plain_cell`.
        """
        with replacing(self.path) as beside:
            _WRITERS[self.path.suffix.lower()](beside, predictions)


def check_writable(path: Path) -> None:
    """Check that a file, or a folder of results, can be made at a path; nothing is made.

    Raises:
        SettingError: Its folder does not exist or cannot be written, or something else has the name.
    """
    if path.exists() and not path.is_file():
        raise SettingError(f"{path} is not a file that can be replaced. Choose another --out.")
    if not path.parent.is_dir():
        raise SettingError(f"There is no folder {path.parent} for {path.name}. Make it, or choose another --out.")
    if not os.access(path.parent, os.W_OK | os.X_OK):
        raise SettingError(f"The folder {path.parent.resolve()} cannot be written. Choose another --out.")


def plain_cell(text: str) -> str:
    """A text that a spreadsheet shows and does not run.

    Spreadsheets take texts that begin with `=`, `+`, `-`, `@`, a tab or a carriage return as formulas (OWASP, "CSV injection"),
    and names of files may come from strangers.
    """
    return f"'{text}" if text.startswith(_FORMULA) else text


def _write_csv(path: Path, predictions: Sequence[Prediction]) -> None:
    num_more = max((len(entry.top) for entry in predictions), default=1) - 1
    more = [f"{name}_{number}" for number in range(2, num_more + 2) for name in ("label", "probability")]
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["path", "label", "probability", *more, "reason"])
        for entry in predictions:
            others = [cell for label, p in entry.top[1:] for cell in (plain_cell(label), _number(p))]
            writer.writerow(
                [
                    plain_cell(entry.path),
                    plain_cell(entry.label or ""),
                    _number(entry.probability),
                    *others,
                    *[""] * (len(more) - len(others)),
                    plain_cell(entry.reason or ""),
                ]
            )


def _number(probability: float | None) -> str:
    return "" if probability is None else f"{probability:.6g}"


def _write_jsonl(path: Path, predictions: Sequence[Prediction]) -> None:
    with path.open("w", encoding="utf-8", newline="\n") as file:
        file.writelines(json.dumps(entry.as_dict(), ensure_ascii=False) + "\n" for entry in predictions)


def _write_parquet(path: Path, predictions: Sequence[Prediction]) -> None:
    pyarrow, parquet = _import_parquet()
    pair = pyarrow.struct([("label", pyarrow.string()), ("probability", pyarrow.float64())])
    schema = pyarrow.schema(
        [
            ("path", pyarrow.string()),
            ("label", pyarrow.string()),
            ("probability", pyarrow.float64()),
            ("top", pyarrow.list_(pair)),
            ("reason", pyarrow.string()),
        ]
    )
    rows = [
        entry.as_dict() | {"top": [{"label": label, "probability": p} for label, p in entry.top]}
        for entry in predictions
    ]
    parquet.write_table(pyarrow.Table.from_pylist(rows, schema=schema), path)


def _import_parquet() -> tuple[Any, Any]:
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError:
        raise MissingExtraError(
            "A Parquet file needs pyarrow: pip install 'bottleneck-pipeline[parquet]', or write a .csv or .jsonl file."
        ) from None
    return pyarrow, parquet


_WRITERS: Mapping[str, Callable[[Path, Sequence[Prediction]], None]] = {
    ".csv": _write_csv,
    ".jsonl": _write_jsonl,
    ".parquet": _write_parquet,
}
