"""Stage one as a whole: nothing twice, nothing lost, nothing wrong."""

import io
import re
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
from tqdm import tqdm

from pipeline.cache.recipe import Recipe
from pipeline.cache.shard import read_provenance
from pipeline.cache.store import Store, row_keys
from pipeline.errors import SettingError
from pipeline.images.augment import Augmentation, ViewMaker
from pipeline.images.manifest import Manifest
from pipeline.stage_one.computing import compute, in_process, pending
from pipeline.stage_one.engines.tensorflow import TensorFlowEngine
from pipeline.stage_one.extraction import Extraction
from tests.calls import read as scan
from tests.conftest import COLOURS, draw_photo, draw_tree
from tests.stage_one.trunks import BATCH_SIZE, Counting, make_engine, make_recipe
from tests.stage_one.whole import extract_in_process

ROOT = Path(__file__).parents[3]
Run = Callable[..., Extraction]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """20 photographs that a test may change."""
    return draw_tree(tmp_path / "data", {"train": 6, "test": 4})


@pytest.fixture
def counting(home: Path) -> Counting:
    """SqueezeNet at 32 px with random weights, counted."""
    return Counting(make_engine(home))


@pytest.fixture
def run(home: Path, tmp_path: Path, counting: Counting) -> Run:
    """Stage one on a folder or a manifest, each time with a store that is opened anew."""
    recipe, _ = make_recipe(home)

    def extract_into_cache(
        images: Path | Manifest, make: Callable[[], Counting] = counting, cache: str = "cache", workers: int = 2
    ) -> Extraction:
        manifest = images if isinstance(images, Manifest) else scan(images)
        return extract_in_process(
            manifest, Store(tmp_path / cache, recipe), make, batch_size=BATCH_SIZE, num_workers=workers
        )

    return extract_into_cache


def no_engine() -> Counting:
    raise AssertionError("nothing is missing, so no network may be loaded")


def reopened(extraction: Extraction) -> Store:
    return Store(extraction.store.folder.parent, extraction.store.recipe)


def rows_of(extraction: Extraction) -> np.ndarray:
    """What the next process reads, in the manifest's order."""
    return reopened(extraction).read(extraction.keys())


def live_rows(extraction: Extraction, counting: Counting) -> np.ndarray:
    """Each image of the manifest decoded and run on its own."""
    manifest, decoder = extraction.manifest, extraction.store.recipe.decoder
    images = [decoder.decode(manifest.read(row)) for row in range(len(manifest))]
    return np.concatenate([counting.engine.features(image[None]) for image in images])


def num_stored(store: Store) -> int:
    """Rows in all shards, doubled ones counted twice."""
    total = 0
    for path in store.shard_paths():
        with h5py.File(path) as file:
            total += len(file["view"])
    return total


class TestRows:
    def test_every_image_gets_the_row_of_its_own_pixels(self, run: Run, data: Path, counting: Counting):
        """Read back in the manifest's order, each row is bit for bit the image's own."""
        extraction = run(data)

        np.testing.assert_array_equal(rows_of(extraction), live_rows(extraction, counting))
        assert len(np.unique(rows_of(extraction).reshape(20, -1), axis=0)) == 20

    def test_the_result_says_what_was_done(self, run: Run, data: Path, counting: Counting):
        """Rows, new rows, speed and engine of a first run."""
        extraction = run(data)

        assert (extraction.num_rows, extraction.num_new) == (20, 20)
        assert extraction.engine == "tensorflow"
        assert extraction.images_per_second == pytest.approx(20 / extraction.seconds)
        assert extraction.manifest.skipped == ()
        assert (counting.num_made, counting.num_images) == (1, 20)

    def test_the_provenance_is_kept_with_the_rows(self, run: Run, data: Path, counting: Counting):
        """Each shard names the engine, the device and the versions, and the seconds that it took."""
        extraction = run(data)

        [path] = reopened(extraction).shard_paths()
        provenance = read_provenance(path)
        assert 0 <= float(provenance.pop("seconds")) <= extraction.seconds
        assert provenance == counting.provenance

    def test_the_number_of_decoding_threads_does_not_matter(self, run: Run, data: Path):
        """One thread and five make the same rows, bit for bit."""
        one, five = run(data, cache="one", workers=1), run(data, cache="five", workers=5)

        assert one.num_new == five.num_new == 20
        np.testing.assert_array_equal(rows_of(one), rows_of(five))

    def test_more_images_than_are_decoded_ahead(
        self, run: Run, data: Path, counting: Counting, monkeypatch: pytest.MonkeyPatch
    ):
        """A short queue changes nothing but memory."""
        monkeypatch.setattr(compute, "_DECODE_AHEAD", 3)

        extraction = run(data)

        assert counting.num_images == 20
        np.testing.assert_array_equal(rows_of(extraction), live_rows(extraction, counting))

    def test_images_are_only_read(self, run: Run, data: Path):
        """No file below the data folder is written, renamed or added."""
        before = {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in data.rglob("*.png")}

        run(data)

        assert {
            path: (path.read_bytes(), path.stat().st_mtime_ns) for path in data.rglob("*") if path.is_file()
        } == before


class TestNothingTwice:
    def test_a_second_call_computes_nothing(self, run: Run, data: Path):
        """With every row there, no engine is made, and the rows are the same."""
        first = run(data)

        second = run(data, no_engine)

        assert (second.num_rows, second.num_new, second.engine) == (20, 0, None)
        assert second.images_per_second is None
        np.testing.assert_array_equal(rows_of(second), rows_of(first))

    def test_renamed_moved_relabelled_and_resplit_images_keep_their_rows(self, run: Run, data: Path):
        """Rows follow the bytes: new names, classes and splits cost no forward pass."""
        first = run(data)
        known = dict(zip(first.manifest.digests, rows_of(first), strict=True))
        moved = data.parent / "elsewhere"
        for number, path in enumerate(sorted(data.rglob("*.png"))):
            target = moved / ("valid" if number % 2 else "train") / f"class{number % 3}" / f"{20 - number}.png"
            target.parent.mkdir(parents=True, exist_ok=True)
            path.rename(target)

        second = run(moved, no_engine)

        assert (second.num_rows, second.num_new) == (20, 0)
        assert set(second.manifest.labels) == {"class0", "class1", "class2"}
        for digest, row in zip(second.manifest.digests, rows_of(second), strict=True):
            np.testing.assert_array_equal(row, known[digest])

    @pytest.mark.parametrize("added", [1, 9])
    def test_added_images_cost_themselves_only(self, added: int, run: Run, data: Path, counting: Counting):
        """k more images are k more forward passes."""
        run(data)
        for number in range(added):
            draw_photo(data / "train" / "red" / f"a-new-{number}.png", COLOURS["green"], 1000 + number)
        counting.num_images = 0

        extraction = run(data)

        assert (extraction.num_rows, extraction.num_new, counting.num_images) == (20 + added, added, added)
        np.testing.assert_array_equal(rows_of(extraction), live_rows(extraction, counting))

    def test_duplicates_share_one_row(self, run: Run, data: Path, counting: Counting):
        """Copies under other names, in other classes and splits, are computed once and all have their row."""
        original = sorted(data.rglob("*.png"))[3]
        for copy in ("train/red/zz.png", "train/blue/copy.png", "test/red/copy.png"):
            (data / copy).write_bytes(original.read_bytes())

        extraction = run(data)

        assert (extraction.num_rows, extraction.num_new, counting.num_images) == (23, 20, 20)
        assert len(reopened(extraction)) == num_stored(extraction.store) == 20
        np.testing.assert_array_equal(rows_of(extraction), live_rows(extraction, counting))

    def test_two_recipes_have_stores_of_their_own(self, home: Path, run: Run, data: Path, tmp_path: Path):
        """Another input size finds nothing in the first store, and leaves it alone."""
        first = run(data)
        larger, file = make_recipe(home, size_px=48)

        second = extract_in_process(
            scan(data), Store(tmp_path / "cache", larger), lambda _: TensorFlowEngine(larger, file)
        )

        assert second.num_new == 20
        assert rows_of(second).shape == (20, 2, 2, 512)
        assert rows_of(first).shape == (20, 1, 1, 512)


class TestViews:
    @pytest.fixture
    def augmented(self, home: Path) -> Recipe:
        """The recipe of flipped and shifted views."""
        maker = ViewMaker(Augmentation(width_shift=0.2, horizontal_flip=True))
        return make_recipe(home, augmentation=maker.canonical_json())[0]

    def test_a_view_has_the_row_of_its_own_pixels(
        self, augmented: Recipe, data: Path, tmp_path: Path, counting: Counting
    ):
        """Row (image, k) is bit for bit what the engine makes of view k of that image."""
        extraction = extract_in_process(
            scan(data), Store(tmp_path / "cache", augmented), counting, views=(1, 2), batch_size=BATCH_SIZE
        )
        maker = ViewMaker.from_json(str(augmented.augmentation))
        manifest = extraction.manifest

        for view in (1, 2):
            received = reopened(extraction).read(row_keys(manifest.digests, view))
            for row in range(0, 20, 7):
                pixels = maker(augmented.decoder.decode(manifest.read(row)), manifest.digests[row], view)
                np.testing.assert_array_equal(received[row], counting.engine.features(pixels[None])[0])

    def test_more_views_cost_the_new_ones_only(self, augmented: Recipe, data: Path, tmp_path: Path, counting: Counting):
        """From two views to three is one forward pass an image."""
        extract_in_process(
            scan(data), Store(tmp_path / "cache", augmented), counting, views=(1, 2), batch_size=BATCH_SIZE
        )
        counting.num_images = 0

        extract_in_process(
            scan(data), Store(tmp_path / "cache", augmented), counting, views=(1, 2, 3), batch_size=BATCH_SIZE
        )

        assert counting.num_images == 20

    @pytest.mark.parametrize("views", [(), (1,), (0, 1), (1, 2)])
    def test_views_without_an_augmentation_are_refused(
        self, views: tuple[int, ...], home: Path, data: Path, tmp_path: Path
    ):
        """They would be rows of the image as it is, under another name."""
        with pytest.raises(SettingError, match=r"Views 1 to K need a recipe with an augmentation, view 0 one without"):
            extract_in_process(scan(data), Store(tmp_path / "cache", make_recipe(home)[0]), no_engine, views=views)

    @pytest.mark.parametrize("views", [(), (0,), (0, 1)])
    def test_view_0_has_no_augmentation(self, views: tuple[int, ...], augmented: Recipe, data: Path, tmp_path: Path):
        """The image as it is lies in one store, whatever the augmentation of the others."""
        with pytest.raises(SettingError, match=rf"Received: views {re.escape(str(list(views)))}"):
            extract_in_process(scan(data), Store(tmp_path / "cache", augmented), no_engine, views=views)


class TestBrokenImages:
    def break_some(self, data: Path) -> dict[str, str]:
        """Break four images, each in its way; the reasons by name."""
        (data / "train/red/red000.png").write_bytes(b"")
        whole = (data / "train/red/red001.png").read_bytes()
        (data / "train/red/red001.png").write_bytes(whole[: len(whole) // 2])
        (data / "test/blue/blue002.png").write_bytes(b"this is no picture")
        (data / "train/blue/extra.jpg").write_bytes(b"GIF89a")
        return {
            "train/red/red000.png": "empty file",
            "train/red/red001.png": "damaged",
            "test/blue/blue002.png": "not an image",
            "train/blue/extra.jpg": "damaged: its header cannot be read",
        }

    def test_broken_images_are_skipped_with_their_reasons(self, run: Run, data: Path, counting: Counting):
        """The others have their rows, each its own, and no broken one is replaced by a neighbour."""
        reasons = self.break_some(data)

        extraction = run(data)

        assert (extraction.num_rows, extraction.num_new, counting.num_images) == (17, 17, 17)
        assert {entry.path for entry in extraction.manifest.skipped} == set(reasons)
        for entry in extraction.manifest.skipped:
            assert entry.reason.startswith(reasons[entry.path])
        assert not set(extraction.manifest.names) & set(reasons)
        np.testing.assert_array_equal(rows_of(extraction), live_rows(extraction, counting))

    def test_the_bar_ends_at_its_end(self, run: Run, data: Path, monkeypatch: pytest.MonkeyPatch):
        """An image that cannot be read is done too."""
        (data / "train" / "red" / "bad.png").write_bytes(b"no image")
        bar = tqdm(total=21, file=io.StringIO())
        monkeypatch.setattr(in_process, "row_bar", lambda *_, **__: bar)

        assert run(data).num_new == 20
        assert bar.n == bar.total == 21

    def test_broken_images_are_named_every_time(self, run: Run, data: Path):
        """A warm store does not hide them, and needs no engine for them."""
        self.break_some(data)
        first = run(data)

        second = run(data, no_engine)

        assert second.manifest.skipped == first.manifest.skipped
        assert second.num_rows == 17

    def test_copies_of_a_broken_image_are_all_skipped(self, run: Run, data: Path):
        """Each of them is listed under its own name."""
        for name in ("train/red/bad.png", "test/blue/bad.png"):
            (data / name).write_bytes(b"this is no picture")

        extraction = run(data)

        assert [entry.path for entry in extraction.manifest.skipped] == ["test/blue/bad.png", "train/red/bad.png"]
        assert extraction.num_rows == 20

    def test_a_repaired_image_gets_its_row(self, run: Run, data: Path, counting: Counting):
        """The next run computes it and nothing else."""
        good = (data / "train/red/red001.png").read_bytes()
        (data / "train/red/red001.png").write_bytes(good[:100])
        run(data)
        (data / "train/red/red001.png").write_bytes(good)
        counting.num_images = 0

        extraction = run(data)

        assert (extraction.num_rows, counting.num_images) == (20, 1)
        assert extraction.manifest.skipped == ()

    def test_without_any_readable_image_no_engine_is_made(self, run: Run, tmp_path: Path):
        """Loading the network would be for nothing, and no store is made."""
        (tmp_path / "bad/red").mkdir(parents=True)
        for number in range(3):
            (tmp_path / f"bad/red/{number}.png").write_bytes(bytes([number]))

        extraction = run(tmp_path / "bad", no_engine)

        assert (extraction.num_rows, extraction.num_new, len(extraction.manifest.skipped)) == (0, 0, 3)
        assert not (tmp_path / "cache").exists()


class TestChangedImages:
    def test_an_image_that_changed_since_the_scan_is_not_served(self, run: Run, data: Path):
        """Neither its old nor its new content gets a row under a key that is not its own."""
        manifest = scan(data)
        changed = data / "train/blue/blue003.png"
        old = manifest.digests[manifest.names.index("train/blue/blue003.png")]
        draw_photo(changed, COLOURS["green"], 4321)

        extraction = run(manifest)

        [entry] = extraction.manifest.skipped
        assert entry.path == "train/blue/blue003.png"
        assert entry.reason == "changed while it was read; run the command again"
        new = scan(data).digests[manifest.names.index("train/blue/blue003.png")]
        assert reopened(extraction).has(row_keys([old, new])).tolist() == [False, False]
        assert extraction.num_rows == 19

    def test_the_next_run_serves_the_new_content(self, run: Run, data: Path, counting: Counting):
        """One forward pass, and the row is that of the new picture."""
        manifest = scan(data)
        draw_photo(data / "train/blue/blue003.png", COLOURS["green"], 4321)
        run(manifest)
        counting.num_images = 0

        extraction = run(data)

        assert (extraction.num_rows, counting.num_images) == (20, 1)
        np.testing.assert_array_equal(rows_of(extraction), live_rows(extraction, counting))

    def test_an_image_that_is_written_over_after_its_row_was_made_gets_another(
        self, run: Run, data: Path, counting: Counting
    ):
        """A file of the same name and size with other pixels is another image."""
        before = run(data)
        draw_photo(data / "train/blue/blue003.png", COLOURS["green"], 4321)

        after = run(data)

        row = after.manifest.names.index("train/blue/blue003.png")
        assert after.num_new == 1
        assert not np.array_equal(rows_of(after)[row], rows_of(before)[row])
        np.testing.assert_array_equal(rows_of(after), live_rows(after, counting))

    def test_an_image_that_vanished_is_skipped(self, run: Run, data: Path):
        """The reason is the system's."""
        manifest = scan(data)
        (data / "train/blue/blue003.png").unlink()

        extraction = run(manifest)

        [entry] = extraction.manifest.skipped
        assert entry.path == "train/blue/blue003.png"
        assert entry.reason == "cannot be read: No such file or directory"


class TestShards:
    def shard_sizes(self, extraction: Extraction) -> list[int]:
        sizes = []
        for path in reopened(extraction).shard_paths():
            with h5py.File(path) as file:
                sizes.append(len(file["view"]))
        return sorted(sizes, reverse=True)

    def test_a_small_data_set_is_one_shard(self, run: Run, data: Path):
        """No limit is reached, so all rows are committed together."""
        assert self.shard_sizes(run(data)) == [20]

    @pytest.mark.parametrize(
        ("limit", "value", "sizes"),
        [
            ("_SHARD_ROWS", BATCH_SIZE, [8, 8, 4]),
            ("_SHARD_ROWS", BATCH_SIZE + 1, [16, 4]),
            ("_SHARD_BYTES", 512 * 4 * 9, [16, 4]),
            ("_SHARD_SECONDS", 0.0, [8, 8, 4]),
        ],
    )
    def test_a_shard_is_committed_at_each_limit(
        self, limit: str, value: float, sizes: list[int], run: Run, data: Path, monkeypatch: pytest.MonkeyPatch
    ):
        """Rows, bytes or seconds, whichever comes first, after whole batches."""
        monkeypatch.setattr(pending, limit, value)

        assert self.shard_sizes(run(data)) == sizes


class Interrupting(Counting):
    """An engine at one of whose batches something happens."""

    batch = 3

    def features(self, pixels: np.ndarray) -> np.ndarray:
        if self.num_images == (self.batch - 1) * BATCH_SIZE:
            self.happen()
        return super().features(pixels)

    def happen(self) -> None:
        raise NotImplementedError


class Failing(Interrupting):
    def happen(self) -> None:
        raise RuntimeError("the device is gone")


class TestInterruptions:
    @pytest.mark.slow
    def test_ctrl_c_commits_what_was_computed(
        self, run: Run, data: Path, home: Path, tmp_path: Path, counting: Counting
    ):
        """The interrupt goes on, the batch that was running is kept as well, and the next run computes the rest."""
        program = [sys.executable, "-m", "tests.stage_one.computing.pressed"]
        pressed = subprocess.run([*program, home, data, tmp_path / "cache"], cwd=ROOT, timeout=120, check=False)
        assert pressed.returncode == 130

        resumed = run(data)

        assert counting.num_images == resumed.num_new == 20 - 2 * BATCH_SIZE
        np.testing.assert_array_equal(rows_of(resumed), rows_of(run(data, cache="undisturbed")))

    def test_ctrl_c_before_the_first_row_leaves_nothing(self, run: Run, data: Path, tmp_path: Path):
        """Loading the network can be interrupted too."""

        def interrupted(num_rows: int) -> Counting:
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            run(data, interrupted)

        assert not (tmp_path / "cache").exists()

    def test_an_error_of_the_engine_loses_no_committed_row(
        self, run: Run, data: Path, home: Path, counting: Counting, monkeypatch: pytest.MonkeyPatch
    ):
        """The error is the user's to see, and shards that were committed before it stay."""
        monkeypatch.setattr(pending, "_SHARD_ROWS", BATCH_SIZE)

        with pytest.raises(RuntimeError, match="the device is gone"):
            run(data, Failing(make_engine(home)))

        assert run(data).num_new == counting.num_images == 20 - 2 * BATCH_SIZE

    @pytest.mark.parametrize("failing", [1, 2, 3])
    def test_a_shard_that_cannot_be_written_is_an_error(
        self, failing: int, run: Run, data: Path, monkeypatch: pytest.MonkeyPatch
    ):
        """It is written beside the work on the next one, and the error comes through all the same; the others stay."""
        monkeypatch.setattr(pending, "_SHARD_ROWS", BATCH_SIZE)
        append, calls = Store.append, []

        def refusing(store: Store, keys: np.ndarray, features: np.ndarray, provenance: dict) -> Path:
            calls.append(len(keys))
            if len(calls) == failing:
                raise OSError(28, "No space left on device")
            return append(store, keys, features, provenance)

        monkeypatch.setattr(Store, "append", refusing)
        with pytest.raises(OSError, match="No space left"):
            run(data)
        monkeypatch.setattr(Store, "append", append)

        # Those before the failed one are there; at most one more was on its way.
        assert 20 - run(data).num_new in (sum(calls[: failing - 1]), sum(calls) - calls[failing - 1])

    def test_two_calls_run_at_a_time_where_the_engine_gains_from_it(self, run: Run, data: Path, home: Path):
        """Rows go to their own images in whatever order the calls end."""
        undisturbed = rows_of(run(data, cache="undisturbed"))

        class Overtaking(Counting):
            """Its second call ends last, and waits until the third one has begun."""

            begun = threading.Semaphore(0)
            num_calls = 0

            def features(self, pixels: np.ndarray) -> np.ndarray:
                self.num_calls += 1
                if self.num_calls == 2:
                    assert self.begun.acquire(timeout=20)
                elif self.num_calls == 3:
                    self.begun.release()
                return self.engine.features(pixels)

        extraction = run(data, Overtaking(make_engine(home), concurrency=2))

        np.testing.assert_array_equal(rows_of(extraction), undisturbed)

    def test_the_first_call_is_made_alone(self, run: Run, data: Path, home: Path):
        """A native runtime prepares itself in it; two at once have waited for each other for ever."""

        class Watched(Counting):
            """Notes each call's beginning and end, and gives a second one time to begin during the first."""

            def features(self, pixels: np.ndarray) -> np.ndarray:
                events.append("begin")
                if len(events) == 1:
                    second_began.wait(timeout=0.5)
                else:
                    second_began.set()
                features = self.engine.features(pixels)
                events.append("end")
                return features

        events: list[str] = []
        second_began = threading.Event()
        run(data, Watched(make_engine(home), concurrency=2))

        assert events[:2] == ["begin", "end"]
        assert len(events) == 6
