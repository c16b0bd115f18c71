"""Chunks of features, packed and unpacked without HDF5."""

import struct

import h5py
import hdf5plugin
import numpy as np
import pytest

from pipeline.cache.chunks import PackedRows, fletcher32, write_packed
from pipeline.cache.shard import build_shard, commit_shard, read_features
from pipeline.errors import DamagedStoreError
from tests.cache.samples import HALF, RECIPE, SHAPE, digest_of, forge, make_rows


def commit(folder, recipe, features):
    """A shard of these features."""
    digests = np.frombuffer(b"".join(map(digest_of, range(len(features)))), np.uint8).reshape(-1, 32)
    return commit_shard(folder, build_shard(recipe, digests, np.zeros(len(features), np.uint8), features, {}))


def packed_rows(path):
    """Where the rows lie in a file."""
    with h5py.File(path) as file:
        return PackedRows.of(file["features"])


@pytest.mark.parametrize("size", [2, 3, 10, 511, 512, 513, 1024, 70_001])
@pytest.mark.parametrize("kind", ["noise", "ones", "zeros"])
def test_checksums_are_those_of_hdf5(kind, size, tmp_path):
    """Odd sizes, and sums that are multiples of 65535, which HDF5 does not reduce to 0."""
    data = {"noise": np.random.default_rng(size).integers(0, 256, size, np.uint8), "ones": np.full(size, 255, np.uint8)}
    content = data.get(kind, np.zeros(size, np.uint8))
    with h5py.File(tmp_path / "file.h5", "w") as file:
        item = file.create_dataset("bytes", data=content, chunks=(size,), fletcher32=True)
        _, stored = item.id.read_direct_chunk((0,))

    assert struct.unpack("<I", stored[size:]) == (fletcher32(content.tobytes()),)


@pytest.mark.parametrize(("count", "chunk"), [(1, 1), (24, 8), (21, 8)])
@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_chunks_are_packed_as_hdf5_packs_them(count, chunk, dtype, tmp_path):
    """HDF5 reads every bit of them through the same filters, the last chunk that is not full included."""
    rows = np.maximum(np.random.default_rng(0).normal(size=(count, 5, 5, 64)), 0).astype(dtype)
    with h5py.File(tmp_path / "file.h5", "w") as file:
        write_packed(file, "ours", rows, (chunk, 5, 5, 64))
        file.create_dataset("theirs", data=rows, chunks=(chunk, 5, 5, 64), fletcher32=True, **hdf5plugin.LZ4())
    with h5py.File(tmp_path / "file.h5") as file:
        ours, theirs = (file[name].id.get_create_plist() for name in ("ours", "theirs"))

        np.testing.assert_array_equal(file["ours"][()], rows)
        assert ours.get_nfilters() == theirs.get_nfilters()
        assert all(ours.get_filter(number) == theirs.get_filter(number) for number in range(ours.get_nfilters()))


@pytest.mark.parametrize("count", [1, 8, 200, 1000])
@pytest.mark.parametrize("recipe", [RECIPE, HALF], ids=["float32", "float16"])
def test_features_are_unpacked_as_hdf5_unpacks_them(count, recipe, tmp_path):
    """The project's own way through the chunks gives every bit that HDF5 gives, zeros and noise alike."""
    rng = np.random.default_rng(count)
    features = np.where(rng.random((count, 40)) < 0.5, 0, rng.normal(size=(count, 40))).astype(np.float32)
    features[: count // 2] = 0  # chunks that shrink to next to nothing, beside some that do not shrink
    path = commit(tmp_path, recipe, features)
    with h5py.File(path) as file:
        expected = file["features"][()]

    np.testing.assert_array_equal(read_features(path, recipe), expected)
    np.testing.assert_array_equal(expected, features.astype(recipe.dtype))


def test_each_part_comes_with_the_position_of_its_first_row(tmp_path):
    """In any order, all parts together are the rows; the padding of the last chunk is no row."""
    features = make_rows(range(10), shape=(20, 20, 25))
    path, parts = commit(tmp_path, RECIPE, features), {}
    packed = packed_rows(path)
    packed.unpack(path.read_bytes(), parts.__setitem__)

    assert len(parts) == len(packed.chunks) > 1
    assert len(features) % packed.shape[0] != 0
    np.testing.assert_array_equal(np.concatenate([parts[first] for first in sorted(parts)]), features)


def test_rows_that_were_written_otherwise_are_left_to_hdf5(tmp_path):
    """Without LZ4 the positions of the chunks say nothing of the rows."""
    path = forge(
        tmp_path,
        lambda file: file.create_dataset("features", data=np.ones((4, *SHAPE), "float32"), chunks=(4, *SHAPE)),
        without="features",
    )

    assert packed_rows(path) is None


@pytest.mark.parametrize(
    ("offset", "content", "message"),
    [
        (0, struct.pack(">Q", 2**40), "a chunk of 1099511627776 bytes; expected 160"),
        (16, b"\xff" * 16, "a chunk is not LZ4"),
    ],
    ids=["size", "block"],
)
def test_chunk_that_cannot_be_unpacked_is_damage(offset, content, message, tmp_path):
    """A forged size reserves no memory, and bytes that are not LZ4 are no rows."""
    path = commit(tmp_path, RECIPE, np.zeros((2, *SHAPE), np.float32))
    packed, data = packed_rows(path), bytearray(path.read_bytes())
    start = packed.chunks[0][1] + offset
    data[start : start + len(content)] = content

    with pytest.raises(DamagedStoreError, match=message):
        packed.unpack(bytes(data), lambda first, rows: None)
