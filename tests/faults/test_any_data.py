"""Any tree of bytes as data: a scan ends in time, in images or in an error that names a path, and the data stays as it is.

A third of FAULTS_EXAMPLES says how many of each are tried (`make faults`: 3,333).
"""

import io
import json
import shutil
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from pyarrow import parquet

from pipeline.errors import PipelineError
from pipeline.images.scan import scan
from pipeline.images.sources.reading import Reading
from tests.faults.endings import THINGS, assert_in_order, end, look
from tests.faults.test_any_cache import often
from tests.faults.test_fuzz import mutations
from tests.faults.trees import write_tree
from tests.images.decoding.test_decoder import encode

PNG = encode(Image.new("RGB", (4, 4), "red"), "PNG")
NAMES = [f"{label}/{number}.png" for label in ("a", "b") for number in range(3)]


def _archive() -> dict[str, bytes]:
    packed, tarred = io.BytesIO(), io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as file, tarfile.open(fileobj=tarred, mode="w:gz") as other:
        for number, name in enumerate(NAMES):
            content = PNG + bytes([number])
            file.writestr(name, content)
            info = tarfile.TarInfo(name)
            info.size = len(content)
            other.addfile(info, io.BytesIO(content))
    return {"data.zip": packed.getvalue(), "data.tar.gz": tarred.getvalue()}


def _tables() -> dict[str, bytes]:
    rows = [{"path": name, "label": name[0], "split": "train"} for name in NAMES]
    table, images, arrays, array = io.BytesIO(), io.BytesIO(), io.BytesIO(), io.BytesIO()
    parquet.write_table(pa.Table.from_pylist(rows), table)
    inside = [{"image": {"bytes": PNG + bytes([n]), "path": name}, "label": n % 2} for n, name in enumerate(NAMES)]
    parquet.write_table(pa.Table.from_pylist(inside), images)
    pixels = np.arange(6 * 16, dtype=np.uint8).reshape(6, 4, 4)
    np.savez_compressed(arrays, x=pixels, y=np.arange(6) % 2, class_names=np.array(["cat", "dog"]))
    np.save(array, pixels)
    return {
        "data.csv": "\n".join(["path,label,split", *(",".join(row.values()) for row in rows), ""]).encode(),
        "data.json": json.dumps(rows).encode(),
        "data.jsonl": "\n".join(map(json.dumps, rows)).encode(),
        "data.parquet": table.getvalue(),
        "images.parquet": images.getvalue(),
        "data.npz": arrays.getvalue(),
        "data.npy": array.getvalue(),
    }


WHOLE = _archive() | _tables()
"""A file of each kind that is read as data, and was not damaged."""


def run(words: Sequence[str], data: Path) -> int:
    """Scan data in this process, and read its images; the exit code."""
    try:
        manifest = scan(data / words[0], Reading(home=data.with_name("home")))
        for row in range(len(manifest)):
            manifest.read(row)
    except (PipelineError, OSError) as error:
        print(error, data, flush=True)  # noqa: T201
        return error.exit_code if isinstance(error, PipelineError) else 2
    sys.stdout.flush()
    return 0


def check_scan(name: str, data: Path) -> int:
    """Scan it in a process of its own; nothing below the folder changes. The exit code."""
    before = look(data)
    ending = end([name], data, run)

    assert_in_order(ending, data)
    assert look(data) == before
    return ending.code


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The images that tables name. Read only."""
    folder = tmp_path_factory.mktemp("images")
    for number, name in enumerate(NAMES):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(PNG + bytes([number]))
    return folder


@pytest.mark.parametrize("name", WHOLE)
def test_file_of_each_kind_is_read(images: Path, name: str, tmp_path: Path):
    """As it is, each of them is data; otherwise the tests below would prove little."""
    data = shutil.copytree(images, tmp_path / "copy" / "data")
    (data / name).write_bytes(WHOLE[name])

    assert check_scan(name, data) == 0


@often
@given(data=st.data(), name=st.sampled_from(sorted(WHOLE)))
def test_any_byte_may_be_another_one(images: Path, data: st.DataObject, name: str):
    """In a file of any kind, and some bytes more, fewer, or doubled."""
    with tempfile.TemporaryDirectory() as folder:
        copy = shutil.copytree(images, Path(folder) / "copy" / "data")
        (copy / name).write_bytes(data.draw(mutations(WHOLE[name])))

        check_scan(name, copy)


@often
@given(name=st.sampled_from((*sorted(WHOLE), *NAMES, "a")), thing=st.sampled_from(sorted(THINGS)), whole=st.booleans())
def test_whatever_lies_in_the_place_of_a_file(images: Path, name: str, thing: str, *, whole: bool):
    """Pipes, devices, links, endless files and foreign data bases, as data or in a folder of images."""
    with tempfile.TemporaryDirectory() as folder:
        copy = shutil.copytree(images, Path(folder) / "copy" / "data")
        outside = Path(folder) / "copy" / "outside"
        outside.mkdir()
        (outside / "thesis.h5").write_bytes(b"years of work")
        (outside / "other.sqlite").write_bytes(b"another program's")
        path = copy / name
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
        THINGS[thing](path, outside)

        check_scan("." if whole else name, copy)
        assert (outside / "thesis.h5").read_bytes() == b"years of work"


_PARTS = st.sampled_from(
    (
        "train",
        "test",
        "a",
        "b",
        "1.png",
        "2.jpg",
        "labels.csv",
        "dataset_info.json",
        "state.json",
        "x.parquet",
        "data.arrow",
    )
)


@often
@given(
    entries=st.lists(
        st.tuples(st.lists(_PARTS, min_size=1, max_size=4), st.none() | st.just(PNG) | st.binary(max_size=80)),
        max_size=10,
    )
)
def test_any_tree_of_bytes(entries: list[tuple[list[str], bytes | None]]):
    """Files with any content, and folders, under the names that data sets use."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "copy" / "data"
        root.mkdir(parents=True)
        write_tree(root, entries)

        check_scan(".", root)
