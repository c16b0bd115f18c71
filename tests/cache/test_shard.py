"""One shard: its bytes, its name, how it reaches the disk, and what is refused in the place of one."""

import hashlib
import io
import json
import os
import shutil
import time

import h5py
import hdf5plugin
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from pipeline.cache.shard import (
    ShardRows,
    build_shard,
    check_bytes,
    commit_shard,
    read_features,
    read_provenance,
    read_rows,
    shard_name,
)
from pipeline.errors import DamagedStoreError, ForeignEntryError, UnreadableStoreError
from tests.cache.samples import HALF, RECIPE, SHAPE, damage, digest_of, forge, make_rows, seal

COUNT = 20


def build(count: int = COUNT, recipe=RECIPE, features=None, provenance=None) -> bytes:
    """The bytes of a shard of so many rows, every third of them of view 1."""
    digests = np.frombuffer(b"".join(map(digest_of, range(count))), np.uint8).reshape(count, 32)
    views = (np.arange(count) % 3 == 1).astype(np.uint8)
    return build_shard(
        recipe, digests, views, make_rows(range(count)) if features is None else features, provenance or {}
    )


@pytest.fixture
def shard(tmp_path):
    """A committed shard."""
    return commit_shard(tmp_path, build())


def read(path, recipe=RECIPE) -> tuple[ShardRows, np.ndarray]:
    """What a store reads of a shard, after all its checks."""
    check_bytes(path)
    return read_rows(path, recipe), read_features(path, recipe)


def test_rows_come_back(shard):
    """Keys, views and features are read as they were written."""
    rows, features = read(shard)

    assert rows.path == shard
    assert [bytes(digest) for digest in rows.digests] == [digest_of(number) for number in range(COUNT)]
    assert rows.views.tolist() == [0, 1, 0] * 6 + [0, 1]
    assert rows.row_shape == SHAPE
    assert features.dtype == np.float32
    np.testing.assert_array_equal(features, make_rows(range(COUNT)))


def test_same_rows_give_the_same_bytes():
    """No time and no place is written into a shard, so that two writers of the same rows make one file."""
    first = build(provenance={"engine": "keras", "device": "cpu"})
    time.sleep(1.05)  # HDF5 counts time stamps in seconds
    second = build(provenance={"device": "cpu", "engine": "keras"})

    assert first == second
    assert build(provenance={"engine": "torch"}) != first


def test_name_is_the_hash_of_the_bytes(shard):
    """The first 32 digits of the SHA-256 are the name, and the file holds these bytes alone."""
    data = build()

    assert shard.name == shard_name(data) == f"{hashlib.sha256(data).hexdigest()[:32]}.h5"
    assert shard.read_bytes() == data
    assert list(shard.parent.iterdir()) == [shard]


def test_shard_reaches_the_disk_before_its_name(tmp_path, monkeypatch):
    """After a power cut a name never stands for bytes that were not written: sync the file, rename, sync the folder.

    The three calls are recorded and carried out; no test can cut the power.
    """
    calls = []

    def record(name, call):
        def recorded(*arguments):
            calls.append(name)
            return call(*arguments)

        return recorded

    for name in ("fsync", "replace"):
        monkeypatch.setattr(os, name, record(name, getattr(os, name)))
    commit_shard(tmp_path, build())

    assert calls == ["fsync", "replace", "fsync"]


def test_committing_again_changes_nothing(shard):
    """A shard that is there already is replaced by itself."""
    again = commit_shard(shard.parent, build())

    assert again == shard
    assert shard.read_bytes() == build()
    assert list(shard.parent.iterdir()) == [shard]


def test_features_lie_in_chunks_of_whole_rows(shard):
    """LZ4 without shuffle, and a checksum over its output that is looked at before LZ4 is; whole rows in each chunk."""
    with h5py.File(shard) as file:
        features = file["features"]
        plist = features.id.get_create_plist()
        filters = [plist.get_filter(number)[0] for number in range(plist.get_nfilters())]

        assert features.chunks == (COUNT, *SHAPE)
        assert filters == [hdf5plugin.LZ4.filter_id, h5py.h5z.FILTER_FLETCHER32]
        assert all(file[name].fletcher32 for name in ("digest", "view"))


@pytest.mark.parametrize(("shape", "rows"), [((4, 4, 512), 8), ((7, 7, 512), 8), ((512,), 128), ((40,), 200)])
def test_chunks_are_larger_where_rows_are_small(shape, rows):
    """Eight rows are one chunk; rows of less than 32 KiB share chunks of up to 256 KiB."""
    with h5py.File(io.BytesIO(build(200, features=np.zeros((200, *shape), np.float32)))) as file:
        assert file["features"].chunks == (rows, *shape)


def test_attributes_tell_what_the_rows_are(shard):
    """Schema, fingerprint, recipe and provenance can be read by anyone."""
    with h5py.File(commit_shard(shard.parent, build(provenance={"engine": "keras"}))) as file:
        attributes = {name: value if name == "schema" else value.decode() for name, value in file.attrs.items()}

    assert attributes["schema"] == 1
    assert attributes["fingerprint"] == RECIPE.fingerprint
    assert json.loads(attributes["recipe"]) == json.loads(json.dumps(RECIPE.as_dict()))
    assert json.loads(attributes["provenance"]) == {"engine": "keras"}
    assert read_provenance(shard) == {}


@given(npst.arrays(np.float16, (3, 4), elements=st.floats(-65504, 65504, width=16)))
def test_half_precision_keeps_every_half(values):
    """What is a float16 already is stored bit by bit, negative zero and subnormal numbers too."""
    with h5py.File(io.BytesIO(build(3, HALF, values.astype(np.float32)))) as file:
        stored = file["features"][()]

    assert stored.dtype == np.float16
    np.testing.assert_array_equal(stored.view(np.uint16), values.view(np.uint16))


@given(npst.arrays(np.float32, (3, 4), elements=st.floats(2**-14, 65504, width=32)))
def test_half_precision_rounds_to_the_nearest_half(values):
    """Where a float16 has its full precision the relative error is at most 2^-11."""
    with h5py.File(io.BytesIO(build(3, HALF, values))) as file:
        stored = file["features"][()].astype(np.float64)

    assert np.all(np.abs(stored - values) <= 2.0**-11 * values)


@pytest.mark.parametrize(
    ("recipe", "value"),
    [
        (HALF, 65504.01),
        (HALF, -65536),
        (HALF, np.inf),
        (HALF, np.nan),
        (RECIPE, np.inf),
        (RECIPE, -np.inf),
        (RECIPE, np.nan),
    ],
)
def test_value_that_cannot_be_stored_is_refused(recipe, value):
    """A feature is never stored as infinity or as another number; the message says which dtype takes it."""
    features = make_rows(range(COUNT))
    features[COUNT - 1, 1, 1, 4] = value
    largest = {"float16": "65504", "float32": r"3\.40282e\+38"}[recipe.dtype]

    message = rf"not finite, or beyond {largest}, the largest {recipe.dtype}\. Use --dtype float32"
    with pytest.raises(OverflowError, match=message):
        build(COUNT, recipe, features)


def test_largest_half_is_stored():
    """The limit itself is a float16."""
    features = np.full((1, 3), 65504, np.float32)

    assert len(build(1, HALF, features)) > 0


@pytest.mark.parametrize("kept", [0, 1, 0.5, -1])
def test_truncated_shard_is_refused(shard, kept):
    """Cut anywhere, the bytes are not those of the name."""
    size = shard.stat().st_size
    os.truncate(shard, size + kept if kept < 0 else int(size * kept) if isinstance(kept, float) else kept)

    with pytest.raises(
        DamagedStoreError, match=r"is damaged: its bytes have SHA-256 [0-9a-f]{32}\.\.\., its name says"
    ):
        check_bytes(shard)


def test_flipped_bit_is_refused_wherever_it_is(shard):
    """Sixty random bits and the first and last of the file are each found by the hash."""
    size = shard.stat().st_size
    positions = [0, size - 1, *np.random.default_rng(0).integers(0, size, 60).tolist()]
    for position in positions:
        mask = 1 << (position % 8)
        damage(shard, position, mask)
        with pytest.raises(DamagedStoreError, match="is damaged"):
            check_bytes(shard)
        damage(shard, position, mask)

    check_bytes(shard)


def test_other_readers_find_a_flipped_bit_by_its_checksum(shard):
    """Who opens a damaged shard with h5py, and knows nothing of its name, is told by Fletcher-32."""
    with h5py.File(shard) as file:
        chunk = file["features"].id.get_chunk_info(0)
    for position in range(chunk.byte_offset, chunk.byte_offset + chunk.size, 97):
        damage(shard, position, 0x10)
        with h5py.File(shard) as file, pytest.raises(OSError, match="Can't synchronously read data"):
            file["features"][()]
        damage(shard, position, 0x10)


def test_chunk_that_cannot_be_unpacked_is_damage(shard):
    """Bytes that are no LZ4 any more, under the name that fits them, are an error like any damage."""
    with h5py.File(shard) as file:
        chunk = file["features"].id.get_chunk_info(0)
    data = bytearray(build())
    data[chunk.byte_offset + 16 : chunk.byte_offset + 64] = b"\xff" * 48
    (shard.parent / "forged").write_bytes(data)
    forged = seal(shard.parent / "forged")
    check_bytes(forged)

    with pytest.raises(DamagedStoreError, match="cannot be read"):
        read_features(forged, RECIPE)


def test_renamed_and_swapped_shards_are_refused(tmp_path, shard):
    """A whole shard under the name of another is not that shard."""
    other = commit_shard(tmp_path, build(5))
    shutil.copy(shard, tmp_path / "beside")
    shutil.copy(other, shard)
    (tmp_path / "beside").replace(other)

    for path in (shard, other):
        with pytest.raises(DamagedStoreError, match="is damaged"):
            check_bytes(path)
        read_rows(path, RECIPE)  # nothing but the name tells


def test_shard_of_another_recipe_is_refused(shard):
    """The fingerprint inside the file must be the store's."""
    message = r"has schema 1 and fingerprint [0-9a-f]{12}; expected 1 and [0-9a-f]{12}\. It belongs to another store"
    with pytest.raises(DamagedStoreError, match=message):
        read_rows(shard, HALF)
    with pytest.raises(DamagedStoreError, match=message):
        read_features(shard, HALF)


def _external_link(file):
    file["features"] = h5py.ExternalLink("secret.h5", "/features")


def _soft_link(file):
    file["features"] = h5py.SoftLink("/view")


def _external_storage(file):
    file.create_dataset("features", (4, *SHAPE), "float32", external=[("secret.bin", 0, h5py.h5f.UNLIMITED)])


def _virtual(file):
    layout = h5py.VirtualLayout((4, *SHAPE), "float32")
    layout[:] = h5py.VirtualSource("secret.h5", "features", (4, *SHAPE))
    file.create_virtual_dataset("features", layout)


def _missing_chunk(file):
    file.create_dataset("features", (4, *SHAPE), "float32", chunks=(2, *SHAPE), fletcher32=True)[:2] = 1


def _group(file):
    file.create_group("features")


def _stored(dtype="float32", shape=(4, *SHAPE), **options):
    def write(file):
        options.setdefault("chunks", shape)
        file.create_dataset("features", data=np.ones(shape, dtype), **options)

    return write


def _contiguous(file):
    file.create_dataset("features", data=np.ones((4, *SHAPE), "float32"))


def _compact(file):
    plist = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    plist.set_layout(h5py.h5d.COMPACT)
    space = h5py.h5s.create_simple((4, *SHAPE))
    h5py.h5d.create(file.id, b"features", h5py.h5t.IEEE_F32LE, space, plist)


def _text(file):
    file.create_dataset("features", data=["a", "b", "c", "d"], chunks=(4,), dtype=h5py.string_dtype())


def _more(file):
    file.create_dataset("more", data=1)


def _fingerprint(value):
    return lambda file: file.attrs.__setitem__("fingerprint", value)


def _schema(value):
    return lambda file: file.attrs.__setitem__("schema", value)


PLAIN = "must lie in this file, in chunks that are all there, with LZ4 and Fletcher-32 only"
LINK = "features is not a plain data set of this file"


def _provenance(text: bytes):
    """Another provenance."""
    return lambda file: file.attrs.__setitem__("provenance", np.bytes_(text))


FORGERIES = {
    "external link": ("features", _external_link, LINK),
    "soft link": ("features", _soft_link, LINK),
    "group": ("features", _group, LINK),
    "external storage": ("features", _external_storage, PLAIN),
    "virtual data set": ("features", _virtual, PLAIN),
    "missing chunk": ("features", _missing_chunk, PLAIN),
    "contiguous": ("features", _contiguous, PLAIN),
    "compact": ("features", _compact, PLAIN),
    "gzip": ("features", _stored(compression="gzip"), PLAIN),
    "shuffle": ("features", _stored(shuffle=True), PLAIN),
    "bitshuffle": ("features", _stored(**hdf5plugin.Bitshuffle()), PLAIN),
    "integers": ("features", _stored("int32"), r"features is int32 \(4, 2, 2, 5\); expected float32 \(4, '\.\.\.'\)"),
    "doubles": ("features", _stored("float64"), "features is float64"),
    "big-endian": ("features", _stored(">f4"), "features is >f4"),
    "complex": ("features", _stored("complex64"), "features is complex64"),
    "text": ("features", _text, "features is object"),
    "one row too few": ("features", _stored(shape=(3, *SHAPE)), r"features is float32 \(3, 2, 2, 5\)"),
    "five axes": ("features", _stored(shape=(4, 1, 1, 1, 2)), "which no shard has"),
    "no features": (
        "features",
        lambda file: None,
        r"holds \['digest', 'view'\]; a shard holds digest, features and view",
    ),
    "more than features": ("", _more, r"holds \['digest', 'features', 'more', 'view'\]; a shard holds"),
    "short digests": (
        "digest",
        lambda file: file.create_dataset("digest", data=np.zeros((4, 31), "u1"), chunks=(4, 31)),
        r"digest is uint8 \(4, 31\); expected uint8 \(4, 32\)",
    ),
    "wide views": (
        "view",
        lambda file: file.create_dataset("view", data=np.zeros(4, "u2"), chunks=(4,)),
        r"view is uint16 \(4,\); expected uint8",
    ),
    **{
        f"provenance: {name}": ("", _provenance(text), message)
        for name, text, message in (
            ("seconds that are a word", b'{"seconds": "soon"}', "could not convert string to float"),
            ("seconds that are NaN", b'{"seconds": "nan"}', "'nan' seconds, which is not a time"),
            ("infinite seconds", b'{"seconds": "1e999"}', "which is not a time"),
            ("negative seconds", b'{"seconds": "-1"}', "which is not a time"),
            ("a number", b'{"seconds": 1.5}', "not a JSON object of texts"),
            ("a list", b"[]", "not a JSON object of texts"),
            ("deep", b"[" * 9000 + b"]" * 9000, "cannot be read: maximum recursion|not a JSON object"),
            ("no JSON", b"{", "cannot be read"),
            ("no UTF-8", b'{"engine": "\xff"}', "cannot be read"),
            ("half a letter", b'{"engine": "\\ud800"}', "characters that cannot be printed"),
            ("an escape sequence", b'{"engine": "\\u001b[2J"}', "characters that cannot be printed"),
        )
    },
    "provenance: of variable length": (
        "",
        lambda file: file.attrs.__setitem__("provenance", "{}"),
        "not a JSON object",
    ),
    "provenance: an array": ("", lambda file: file.attrs.__setitem__("provenance", [1, 2]), "not a JSON object"),
    "rows that are numbers": ("features", _stored(shape=(4,)), r"a row has the shape \(\)"),
    "scalar view": ("view", lambda file: file.create_dataset("view", data=np.uint8(0)), PLAIN),
    "far too many rows": (
        "view",
        lambda file: file.create_dataset("view", (2**40,), "u1", chunks=(2**20,), fillvalue=0),
        PLAIN,
    ),
    "other fingerprint": ("", _fingerprint(np.bytes_("0" * 64)), "It belongs to another store"),
    "array of fingerprints": ("", _fingerprint(np.array([RECIPE.fingerprint] * 2, "S64")), "fingerprint None"),
    "fingerprint in a heap": ("", _fingerprint(RECIPE.fingerprint), "fingerprint None"),
    "schema in words": ("", _schema(np.bytes_("1")), "has schema None"),
    "other schema": ("", _schema(2), "has schema 2"),
}


@pytest.mark.parametrize("kind", FORGERIES)
def test_file_that_no_shard_can_be_is_refused(tmp_path, kind):
    """A fitting name is no proof of good intent: links, foreign storage, other shapes, types and filters are refused."""
    without, write, message = FORGERIES[kind]
    np.full(4 * 20, 7, np.float32).tofile("secret.bin")
    with h5py.File("secret.h5", "w") as secret:
        secret["features"] = np.full((4, *SHAPE), 7, np.float32)
    path = forge(tmp_path / "shards", write, without=without)
    check_bytes(path)

    with pytest.raises(DamagedStoreError, match=message):
        read_rows(path, RECIPE)
    with pytest.raises(DamagedStoreError):
        read_features(path, RECIPE)


def test_forged_file_without_a_fault_is_read(tmp_path):
    """The forgeries above are refused for their one fault and for nothing else."""
    _, features = read(forge(tmp_path / "shards"))

    np.testing.assert_array_equal(features, make_rows(range(4)))


def test_shard_without_rows_is_refused(tmp_path):
    """An empty shard is never written, so there is none."""

    def write(file):
        for name, shape in (("view", (0,)), ("digest", (0, 32)), ("features", (0, *SHAPE))):
            del file[name]
            file.create_dataset(
                name, shape, "f4" if name == "features" else "u1", chunks=(1, *shape[1:]), maxshape=(None, *shape[1:])
            )

    with pytest.raises(DamagedStoreError, match=r"the shape \(0,.*\), which no shard has"):
        read_rows(forge(tmp_path, write), RECIPE)


@pytest.mark.parametrize("data", [b"", b"text", b"\x89HDF\r\n\x1a\n" + bytes(2000)])
def test_file_that_is_no_hdf5_is_refused(tmp_path, data):
    """Under a fitting name too, other files are not shards."""
    (tmp_path / "forged").write_bytes(data)
    path = seal(tmp_path / "forged")
    check_bytes(path)

    for read_any in (read_rows, read_features):
        with pytest.raises(DamagedStoreError, match="cannot be read"):
            read_any(path, RECIPE)


@pytest.mark.parametrize("kind", ["link", "pipe", "folder", "nothing", "broken link"])
def test_what_is_no_file_is_refused(tmp_path, shard, kind):
    """A link to a good shard, a pipe or a folder is refused without being opened."""
    path = tmp_path / "elsewhere" / shard.name
    path.parent.mkdir()
    make = {
        "link": lambda: path.symlink_to(shard),
        "pipe": lambda: os.mkfifo(path),
        "folder": path.mkdir,
        "nothing": lambda: None,
        "broken link": lambda: path.symlink_to("nowhere"),
    }
    make[kind]()

    state, message = {
        "link": (ForeignEntryError, "is a symbolic link"),
        "broken link": (ForeignEntryError, "is a symbolic link"),
        "nothing": (UnreadableStoreError, "No such file"),
    }.get(kind, (ForeignEntryError, "is not a regular file"))
    for read_any in (check_bytes, read_provenance):
        with pytest.raises(state, match=message):
            read_any(path)
