"""Names of runs that are made up."""

import numpy as np
import pytest

from pipeline.errors import SettingError
from pipeline.runs.naming import check_spares, free_name, numbered, plain_name


def test_free_name_is_the_stem_or_numbered(tmp_path):
    """The first one has no number, later ones the first that is free."""
    assert free_name("r0a", tmp_path) == "r0a"
    (tmp_path / "r0a").mkdir()
    (tmp_path / "r0a-002").touch()
    assert free_name("r0a", tmp_path) == numbered("r0a", 3) == "r0a-003"


def test_plain_name_is_one_folder():
    """Separators and other scripts become dashes; a text without letters is a run."""
    assert plain_name("a b/../c") == "a-b-..-c"
    assert plain_name("///") == "run"


def test_what_is_read_or_belongs_to_a_run_is_not_replaced(tmp_path):
    """Neither the table that a command reads, whatever else it reads, nor a table of a run; all other files may be."""
    table, run = tmp_path / "new.csv", tmp_path / "first"
    run.mkdir()
    (run / "run.json").touch()
    table.touch()
    (tmp_path / "link.csv").symlink_to(table)
    for path, read in ((table, table), (tmp_path / "link.csv", [b"bytes", "a\0b", str(table)])):
        with pytest.raises(
            SettingError, match=r"what this command reads, so it is not replaced\. Choose another --out"
        ):
            check_spares(path, "--out", read)
    with pytest.raises(SettingError, match=r"predictions\.csv is a file of the run first"):
        check_spares(run / "predictions.csv", "--out")
    for path in (run / "mine.csv", tmp_path / "predictions.csv", table):
        check_spares(path, "--out", [tmp_path / "other.csv", np.zeros((2, 2)), None])
