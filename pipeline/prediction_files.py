"""Predictions as a file for other programs: a table with one row per image, as `.csv`, `.jsonl` or `.parquet`."""

import csv
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any, Self

from pipeline.cells import as_cell
from pipeline.errors import MissingExtraError, SettingError
from pipeline.files import replacing
from pipeline.predictions import UNKNOWN, Prediction
from pipeline.surroundings import user_path


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
        return None if path is None else cls(user_path(path))

    def write(self, predictions: Sequence[Prediction]) -> None:
        r"""Write one row per prediction, in order; the file is complete whenever its name exists.

        | ending | columns |
        |---|---|
        | `.csv` | path, label, probability, label_2, probability_2 ... for the further classes, p_value, reason |
        | `.csv`, of several labels | path, label (`cat\|indoor`), label_1, probability_1 ... in the order of the probabilities, p_value, reason |
        | `.csv`, of numbers | path, and for each column NAME, NAME_low, NAME_high; p_value, reason |
        | `.jsonl` | path, label, probability, top ([[label, probability], ...]), reason, p_value |
        | `.parquet` | path, label, probability, top (list of {label, probability}), reason, p_value |

        An image that is refused has the label `unknown`; in a `.csv` file it has no probability, and its most likely class is `label_2`.

        With numbers, `.jsonl` and `.parquet` have `values` too: {NAME: {value, low, high}}, in Parquet a list of {name, value, low, high}.

        In the CSV file, texts that a spreadsheet would run as formulas begin with an apostrophe; see `pipeline.cells`.
        """
        with replacing(self.path) as beside:
            _WRITERS[self.path.suffix.lower()](beside, predictions)


def check_writable(path: Path) -> None:
    """Check that a file can be made at a path; nothing is left.

    Raises:
        SettingError: Its folder does not exist or cannot be written, or something else has the name.
    """
    if path.exists() and not path.is_file():
        raise SettingError(f"{path} is not a file that can be replaced. Choose another --out.")
    if not path.parent.is_dir():
        raise SettingError(f"There is no folder {path.parent} for {path.name}. Make it, or choose another --out.")
    try:
        with TemporaryFile(dir=path.parent):
            return
    except OSError as error:
        raise SettingError(
            f"Nothing can be written to the folder {path.parent.resolve()} ({error.strerror}). Choose another --out."
        ) from error


def _write_csv(path: Path, predictions: Sequence[Prediction]) -> None:
    columns, cells = _columns(predictions)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["path", *map(as_cell, columns), "p_value", "reason"])
        for entry in predictions:
            own = cells(entry)
            missing = [""] * (len(columns) - len(own))
            writer.writerow([as_cell(entry.path), *own, *missing, _number(entry.p_value), as_cell(entry.reason or "")])


def _columns(predictions: Sequence[Prediction]) -> tuple[list[str], Callable[[Prediction], list[str]]]:
    """Names of the columns between path and reason, and what gives an image's cells of them."""
    known = [entry for entry in predictions if entry.label is not None]
    names = list((known[0].values or {}) if known else [])
    if names:
        return [f"{name}{end}" for name in names for end in ("", "_low", "_high")], _values
    if known and known[0].probability is None:
        num_listed = max(len(entry.top) for entry in predictions)
        return ["label", *_pairs(1, num_listed)], lambda entry: [as_cell(entry.label or ""), *_listed(entry.top)]
    num_others = max((len(entry.others) for entry in predictions), default=0)
    return ["label", "probability", *_pairs(2, 1 + num_others)], lambda entry: [
        as_cell(entry.label or ""),
        _number(None if entry.label == UNKNOWN else entry.probability),
        *_listed(entry.others),
    ]


def _pairs(first: int, last: int) -> list[str]:
    return [f"{name}_{number}" for number in range(first, last + 1) for name in ("label", "probability")]


def _listed(pairs: Sequence[tuple[str, float]]) -> list[str]:
    return [cell for label, p in pairs for cell in (as_cell(label), _number(p))]


def _values(entry: Prediction) -> list[str]:
    if entry.label == UNKNOWN:
        return [cell for _ in entry.values or {} for cell in (UNKNOWN, "", "")]
    return [_number(number) for each in (entry.values or {}).values() for number in each]


def _number(probability: float | None) -> str:
    return "" if probability is None else f"{probability:.6g}"


def _write_jsonl(path: Path, predictions: Sequence[Prediction]) -> None:
    with path.open("w", encoding="utf-8", newline="\n") as file:
        file.writelines(json.dumps(entry.as_dict(), ensure_ascii=False) + "\n" for entry in predictions)


def _write_parquet(path: Path, predictions: Sequence[Prediction]) -> None:
    pa, parquet = _import_parquet()
    pair = pa.struct([("label", pa.string()), ("probability", pa.float64())])
    schema = pa.schema(
        [
            ("path", pa.string()),
            ("label", pa.string()),
            ("probability", pa.float64()),
            ("top", pa.list_(pair)),
            ("reason", pa.string()),
            ("p_value", pa.float64()),
        ]
    )
    rows = [
        entry.as_dict() | {"top": [{"label": label, "probability": p} for label, p in entry.top]}
        for entry in predictions
    ]
    if any(entry.values for entry in predictions):
        number = pa.struct([("name", pa.string()), *((name, pa.float64()) for name in ("value", "low", "high"))])
        schema = schema.append(pa.field("values", pa.list_(number)))
        for row in rows:
            row["values"] = [{"name": name, **each} for name, each in row.get("values", {}).items()]
    parquet.write_table(pa.Table.from_pylist(rows, schema=schema), path)


def _import_parquet() -> tuple[Any, Any]:
    try:
        import pyarrow as pa
        from pyarrow import parquet
    except ImportError:
        raise MissingExtraError(
            "A Parquet file needs pyarrow: pip install 'bottleneck-pipeline[parquet]', or write a .csv or .jsonl file."
        ) from None
    return pa, parquet


_WRITERS: Mapping[str, Callable[[Path, Sequence[Prediction]], None]] = {
    ".csv": _write_csv,
    ".jsonl": _write_jsonl,
    ".parquet": _write_parquet,
}
