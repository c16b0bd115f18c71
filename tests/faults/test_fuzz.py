"""Random names, bytes and orders of events: no crash, no hang, no row that is silently another one.

FAULTS_EXAMPLES sets how many of each are tried (`make faults` tries 10,000).
"""

import os
import shutil
import signal
import tempfile
import unicodedata
import warnings
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from PIL import Image

from pipeline.cache.shard import build_shard, check_bytes, commit_shard, read_features, read_rows
from pipeline.cache.store import Store
from pipeline.errors import DamagedStoreError, DataLayoutError, PipelineError, UnreadableImageError
from pipeline.images.decoding.decoder import Decoder
from pipeline.images.files.kinds import EXTENSIONS, is_system_file, is_system_folder
from tests.cache.samples import RECIPE, make_keys, make_rows, seal
from tests.calls import read as scan
from tests.images.decoding.test_decoder import encode, make_pixels

EXAMPLES = int(os.environ.get("FAULTS_EXAMPLES", "60"))
often = settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
seldom = settings(max_examples=max(10, EXAMPLES // 20), deadline=None, suppress_health_check=list(HealthCheck))

_KEYS = np.frombuffer(make_keys(range(20)).tobytes(), np.uint8).reshape(20, 33)
SHARD = build_shard(RECIPE, _KEYS[:, :32], _KEYS[:, 32], make_rows(range(20)), {"engine": "test"})
IMAGES = {kind: encode(make_pixels(), kind) for kind in ("JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF")}


@st.composite
def mutations(draw: st.DrawFn, data: bytes) -> bytes:
    """Other bytes here and there, a part cut out, doubled or cut off; never the bytes as they were."""
    changed = bytearray(data)
    for _ in range(draw(st.integers(1, 4))):
        place = draw(st.integers(0, len(changed) - 1))
        kind = draw(st.sampled_from(("flip", "flip", "set", "fill", "cut", "double", "end")))
        length = draw(st.integers(1, 64))
        if kind == "flip":
            changed[place] ^= 1 << draw(st.integers(0, 7))
        elif kind == "set":
            changed[place] = draw(st.integers(0, 255))
        elif kind == "fill":
            changed[place : place + length] = bytes([draw(st.sampled_from((0, 255)))]) * length
        elif kind == "cut":
            del changed[place : place + length]
        elif kind == "double":
            changed[place:place] = changed[place : place + length]
        elif draw(st.booleans()):
            del changed[place:]
        changed = changed or bytearray(b"\0")
    return bytes(changed)


@often
@given(mutations(SHARD))
def test_changed_shard_is_never_read(data: bytes):
    """Under the name of the bytes that it had, whatever was changed, the file is refused."""
    with tempfile.TemporaryDirectory() as folder:
        path = commit_shard(Path(folder), SHARD)
        path.write_bytes(data)
        if data == SHARD:
            check_bytes(path)
        else:
            with pytest.raises(DamagedStoreError, match="is damaged"):
                check_bytes(path)


@often
@given(mutations(SHARD))
def test_forged_shard_is_rows_or_an_error(data: bytes):
    """Under the name of its new bytes, it is refused, or gives rows of the shape and type that it says.

    In a process of its own, since what the HDF5 library does with a forged file is not ours: a crash or a hang would be seen.
    """
    child = os.fork()
    if child == 0:
        code = 1
        signal.alarm(20)
        try:
            with tempfile.TemporaryDirectory() as folder:
                (Path(folder) / "forged").write_bytes(data)
                path = seal(Path(folder) / "forged")
                rows, features = read_rows(path, RECIPE), read_features(path, RECIPE)
                fits = features.dtype == np.float32 and features.shape == (len(rows.views), *rows.row_shape)
                code = 0 if fits else 2
        except DamagedStoreError:
            code = 0
        finally:
            os._exit(code)

    assert os.waitpid(child, 0)[1] == 0


@often
@given(st.sampled_from(sorted(IMAGES)).flatmap(lambda kind: mutations(IMAGES[kind])))
def test_changed_image_is_pixels_or_a_reason(data: bytes):
    """Nothing but an image of the right size, or the one error that lists it as skipped."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            pixels = Decoder(16).decode(data)
        except UnreadableImageError:
            pass
        else:
            assert (pixels.shape, pixels.dtype) == ((16, 16, 3), np.uint8)


_PARTS = st.text(
    st.characters(blacklist_characters="/\0", blacklist_categories=["Cs"]), min_size=1, max_size=40
).filter(lambda part: part not in (".", "..") and len(part.encode()) < 200)
_NAMES = st.builds(lambda stem, end: stem + end, _PARTS, st.sampled_from((*sorted(EXTENSIONS), ".JPG", ".txt", "")))
_PNG = encode(Image.new("RGB", (4, 4), "red"), "PNG")


@seldom
@example([(["0"], "0.png"), (["DEVELOPMENT", "0"], "0.png")])
@given(st.lists(st.tuples(st.lists(_PARTS, max_size=3), _NAMES), min_size=1, max_size=12))
def test_any_tree_is_a_manifest_or_an_error(entries: list[tuple[list[str], str]]):
    """Every image file of any tree is an image of the manifest, unless folders may be splits; hidden ones are not looked at."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "data"
        root.mkdir()
        expected = set()
        for number, (parts, name) in enumerate(entries):
            path = root.joinpath(*parts, name)
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(_PNG + bytes([number]))
            except OSError:  # a file is where a folder should be
                continue
            relative = path.relative_to(root)
            if not is_system_file(relative.name) and not any(map(is_system_folder, relative.parts[:-1])):
                expected.add(relative.as_posix())
        if not expected:
            with pytest.raises(PipelineError, match="No image below"):
                scan(root)
            return
        try:
            manifest = scan(root)
        except DataLayoutError as error:
            if not any(words in str(error) for words in ("those of splits", "like a split", "like splits")):
                raise
            return

        assert {manifest.images.names[position] for position in manifest.positions} == expected
        for row in range(len(manifest)):
            assert manifest.read(row) == (root / manifest.images.names[row]).read_bytes()


@seldom
@given(st.lists(st.text(max_size=60), min_size=1, max_size=10))
def test_any_path_in_a_table_stays_inside(paths: list[str]):
    """Whatever a table says, only files below its folder are read."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "data"
        root.mkdir()
        (Path(folder) / "outside.png").write_bytes(_PNG)
        (root / "inside.png").write_bytes(_PNG)
        import csv

        with (root / "table.csv").open("w", newline="", encoding="utf-8", errors="surrogatepass") as file:
            csv.writer(file).writerows([["path"], ["inside.png"], ["../outside.png"], *([path] for path in paths)])
        try:
            manifest = scan(root / "table.csv")
        except PipelineError:
            return

        for row in range(len(manifest)):
            assert (root / manifest.names[row]).resolve().is_relative_to(root.resolve())
        assert "inside.png" in {unicodedata.normalize("NFC", name) for name in manifest.names}


class AnyOrderOfEvents(RuleBasedStateMachine):
    """Rows are added, shards damaged, deleted and restored, the store reopened: what is there is always right."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.mkdtemp()
        self.store = Store(Path(self.folder), RECIPE)
        self.shards: dict[Path, tuple[bytes, frozenset[int]]] = {}
        self.bad: set[Path] = set()

    def teardown(self) -> None:
        shutil.rmtree(self.folder)

    @rule(numbers=st.sets(st.integers(0, 15), min_size=1, max_size=6))
    def add(self, numbers: set[int]) -> None:
        path = self.store.append(make_keys(sorted(numbers)), make_rows(sorted(numbers)), {"engine": "test"})
        self.shards[path] = (path.read_bytes(), frozenset(numbers))
        self.bad.discard(path)

    @precondition(lambda self: self.shards)
    @rule(data=st.data())
    def damage(self, data: st.DataObject) -> None:
        path = data.draw(st.sampled_from(sorted(self.shards)))
        if path.exists():
            path.write_bytes(data.draw(mutations(self.shards[path][0])))
            if path.read_bytes() != self.shards[path][0]:
                self.bad.add(path)

    @precondition(lambda self: self.shards)
    @rule(data=st.data())
    def delete(self, data: st.DataObject) -> None:
        path = data.draw(st.sampled_from(sorted(self.shards)))
        path.unlink(missing_ok=True)
        self.bad.add(path)

    @precondition(lambda self: self.bad)
    @rule(data=st.data())
    def restore(self, data: st.DataObject) -> None:
        path = data.draw(st.sampled_from(sorted(self.bad)))
        path.write_bytes(self.shards[path][0])
        self.bad.discard(path)

    @invariant()
    def a_store_that_is_opened_now_is_right(self) -> None:
        self.store = Store(Path(self.folder), RECIPE)
        whole = set().union(*(numbers for path, (_, numbers) in self.shards.items() if path not in self.bad))
        assert self.store.has(make_keys(range(16))).tolist() == [number in whole for number in range(16)]
        if whole:
            rows = self.store.read(make_keys(sorted(whole)))
            np.testing.assert_array_equal(rows, make_rows(sorted(whole)))


TestAnyOrderOfEvents = AnyOrderOfEvents.TestCase
TestAnyOrderOfEvents.settings = settings(
    max_examples=max(10, EXAMPLES // 20), stateful_step_count=20, deadline=None, suppress_health_check=list(HealthCheck)
)
