"""The CSV tables of a run."""

import pytest

from pipeline.errors import DamagedStoreError
from pipeline.runs.tables import read_columns, read_table, write_table

LINES = [("=a", 1), ("it's", 2), ("'=b", 3), ("", 4)]


def test_texts_read_back_as_they_were(tmp_path):
    """Formulas and apostrophes too, as rows and as columns."""
    write_table(tmp_path / "t.csv", ("-name", "n"), LINES)

    assert read_table(tmp_path / "t.csv") == [{"-name": text, "n": str(number)} for text, number in LINES]
    assert read_columns(tmp_path / "t.csv", ("n", "-name")) == [
        tuple(str(number) for _, number in LINES),
        tuple(text for text, _ in LINES),
    ]


def test_a_table_that_a_spreadsheet_has_saved_is_read(tmp_path):
    """As CSV in UTF-8 it begins with a mark of the order of bytes."""
    (tmp_path / "t.csv").write_text("a,b\n1,2\n", encoding="utf-8-sig")

    assert read_table(tmp_path / "t.csv", ("a",)) == [{"a": "1", "b": "2"}]


def test_an_empty_table_has_empty_columns(tmp_path):
    """A header alone."""
    write_table(tmp_path / "t.csv", ("a", "b"), [])

    assert read_columns(tmp_path / "t.csv", ("b",)) == [()]
    assert read_table(tmp_path / "t.csv") == []


def test_what_is_no_table_is_refused(tmp_path):
    """A row of another length, a missing column, other bytes; a missing file is a missing file."""
    (tmp_path / "t.csv").write_text("a,b\n1,2\n\n3\n")
    for read in (read_table, lambda path: read_columns(path, ("a",))):
        with pytest.raises(DamagedStoreError, match="a row has 1 cells, the header has 2"):
            read(tmp_path / "t.csv")
    (tmp_path / "u.csv").write_bytes(b"a\n\xff\n")
    with pytest.raises(DamagedStoreError, match="not a table"):
        read_columns(tmp_path / "u.csv", ("a",))
    (tmp_path / "v.csv").write_text("a,b\n1,2\n")
    for read in (read_table, read_columns):
        with pytest.raises(DamagedStoreError, match="it has no column 'c'"):
            read(tmp_path / "v.csv", ("a", "c"))
    with pytest.raises(FileNotFoundError):
        read_columns(tmp_path / "w.csv", ("a",))
