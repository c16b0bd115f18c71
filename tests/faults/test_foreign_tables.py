"""Tables and arrays from elsewhere: what they promise and what comes is bounded, and nothing waits."""

import json
import os
import resource
import subprocess
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from pipeline.errors import DamagedStoreError, DataLayoutError, PipelineError
from pipeline.exports.digests import digest_export
from pipeline.images.files.limits import SMALL_CELLS, check_cells, check_growth, check_memory
from pipeline.images.sources.reading import Reading
from pipeline.images.sources.tables.huggingface import DataFile, scan_data_files
from pipeline.images.sources.tables.parquet import read_columns
from tests.calls import read
from tests.conftest import draw_photo

LONG = "x" * 2**21
FREE_BYTES = 2**28
"""Memory that reading a small bomb may take, beside what the libraries take."""


def _equal_rows(path: Path) -> None:
    rows = 2 * SMALL_CELLS
    parquet.write_table(pa.table({"path": pa.repeat("a.jpg", rows)}), path, compression="zstd")


def _common_beginnings(path: Path) -> None:
    table = pa.table({"path": [f"{LONG}{row}" for row in range(130)]})
    parquet.write_table(
        table, path, compression="zstd", use_dictionary=False, column_encoding={"path": "DELTA_BYTE_ARRAY"}
    )


def _zeros(path: Path) -> None:
    with (
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive,
        archive.open("x.npy", "w") as file,
    ):
        np.lib.format.write_array_header_1_0(file, {"descr": "|u1", "fortran_order": False, "shape": (260, 2**20)})
        for _ in range(260):
            file.write(bytes(2**20))


def _many_names(path: Path) -> None:
    path.write_text("".join(f'{{"path": "a", "n{row}": 1}}\n' for row in range(12_000)))


def _long_line(path: Path) -> None:
    path.write_text('{"path": [' + "[]," * 400_000 + "0]}")


def _deep(path: Path) -> None:
    path.write_text('{"path": ' + "[" * 100_000 + "]" * 100_000 + "}")


BOMBS: dict[str, Callable[[Path], None]] = {
    "equal rows.parquet": _equal_rows,
    "common beginnings.parquet": _common_beginnings,
    "zeros.npz": _zeros,
    "many names.jsonl": _many_names,
    "a long line.jsonl": _long_line,
    "deep.json": _deep,
    "deep.jsonl": _deep,
}


@pytest.mark.parametrize("name", BOMBS)
def test_bomb_is_refused(name: str, tmp_path: Path):
    """The message names the file, and memory stays in bounds."""
    path = tmp_path / name
    BOMBS[name](path)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    with pytest.raises(DataLayoutError, match=name):
        read(path)
    assert 1024 * (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) < 3 * FREE_BYTES


def test_text_that_is_written_once_is_in_memory_once(tmp_path: Path):
    """A dictionary of one long text, used by many rows, takes the memory of one."""
    column = pa.DictionaryArray.from_arrays(pa.array(np.zeros(20_000, np.int32)), pa.array([LONG]))
    parquet.write_table(pa.table({"path": column}), tmp_path / "table.parquet", compression="zstd", store_schema=False)
    found = read_columns(tmp_path / "table.parquet")["path"]

    assert len(found) == 20_000
    assert len(set(map(id, found))) == 1


def test_images_in_a_table_do_not_fill_the_home_folder(tmp_path: Path):
    """One image that is written once and used by many rows is unpacked up to 200 times the size of the file."""
    image = pa.array([np.random.default_rng(0).bytes(2**18)])
    column = pa.DictionaryArray.from_arrays(pa.array(np.zeros(2_000, np.int32)), image)
    path = tmp_path / "train.parquet"
    parquet.write_table(pa.table({"image": column}), path, compression="zstd", store_schema=False)
    (tmp_path / "home").mkdir()
    manifest = scan_data_files([DataFile(path)], "data", Reading(home=tmp_path / "home"))

    assert 0 < len(manifest) < 2_000
    assert any("decompression bombs" in entry.reason for entry in manifest.skipped)


def test_real_tables_are_not_bombs(tmp_path: Path):
    """Tables whose columns repeat, as those of labels and splits do, are read: in each format the same."""
    rows = 1_000
    for row in range(2):
        draw_photo(tmp_path / f"{row}.png", (9, 9, 9), row)
    columns = {
        "path": [f"{row % 2}.png" for row in range(rows)],
        "label": [f"class {row % 3}" for row in range(rows)],
        "split": ["train"] * rows,
        "more": [None if row % 2 else row for row in range(rows)],
    }
    parquet.write_table(pa.table(columns), tmp_path / "t.parquet")
    objects = [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]
    (tmp_path / "t.json").write_text(json.dumps(objects))
    (tmp_path / "t.jsonl").write_text("\n\n".join(map(json.dumps, objects)))
    found = [read(tmp_path / f"t.{ending}") for ending in ("parquet", "json", "jsonl")]

    assert len(found[0]) == rows
    assert {(manifest.names, manifest.labels) for manifest in found} == {(found[0].names, found[0].labels)}


def test_limits_are_of_promises_and_of_what_came():
    """Small files are not judged; larger ones by their ratio, and everything by the memory that is free."""
    check_growth("x", 1, 2**20)
    check_growth("x", 2**20, 200 * 2**20)
    check_cells("x", 1, SMALL_CELLS)
    check_memory("x", 1)

    for check in (
        lambda: check_growth("x", 2**20, 201 * 2**20),
        lambda: check_cells("x", 1, SMALL_CELLS + 1),
        lambda: check_memory("x", 2**60),
    ):
        with pytest.raises(DataLayoutError, match=r"^x "):
            check()


@pytest.mark.parametrize("ending", ["csv", "json", "jsonl", "parquet", "npz", "zip", "tar", "tar.gz", "unknown"])
@pytest.mark.parametrize("kind", ["pipe", "endless"])
def test_special_file_as_data_is_refused(kind: str, ending: str, tmp_path: Path):
    """A pipe would be waited for, a device has no end."""
    path = tmp_path / f"data.{ending}"
    os.mkfifo(path) if kind == "pipe" else path.symlink_to("/dev/zero")

    with pytest.raises(PipelineError, match=rf"data\.{ending} is not a regular file"):
        read(path)


def test_link_to_a_table_is_followed(tmp_path: Path):
    """Links of the user's own are fine."""
    for row in range(2):
        draw_photo(tmp_path / f"{row}.png", (9, 9, 9), row)
    (tmp_path / "real.csv").write_text("path,label\n0.png,a\n1.png,b\n")
    (tmp_path / "table.csv").symlink_to("real.csv")

    assert read(tmp_path / "table.csv").names == ("0.png", "1.png")


@pytest.fixture
def deep(tmp_path: Path) -> Iterator[Path]:
    """Two images, and 1,200 folders in each other. Python's own clean-up is too recursive for them."""
    for label in ("a", "b"):
        draw_photo(tmp_path / "data" / label / "1.png", (9, 9, 9), ord(label))
    here = os.open(tmp_path / "data" / "a", os.O_RDONLY)
    for _ in range(1_200):
        os.mkdir("folder", dir_fd=here)
        inner = os.open("folder", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = inner
    os.close(here)
    yield tmp_path / "data"
    subprocess.run(["rm", "-rf", tmp_path / "data"], check=True)


def test_tree_of_1200_folders_is_scanned(deep: Path):
    """Images near the top are read; what is too deep for the system is skipped, and named."""
    manifest = read(deep)

    assert manifest.names == ("a/1.png", "b/1.png")
    assert [entry.reason for entry in manifest.skipped] == ["cannot be read: File name too long"]


def test_tree_of_1200_folders_is_no_export(deep: Path):
    """A folder that is too deep to be looked at is an error of that folder."""
    with pytest.raises(DamagedStoreError, match=r"data cannot be read: .*File name too long"):
        digest_export(deep)
