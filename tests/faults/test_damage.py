"""Bytes of a store change: a wrong row is never served, and only the damaged shards are made again."""

import json
import os
import shutil
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pipeline.cache.audit import Verification, repair, verify
from pipeline.cache.store import Store
from pipeline.cache.stores import list_stores
from pipeline.errors import DamagedStoreError, MissingRowsError
from pipeline.images.decoding.decoder import Decoder
from tests.cache.samples import damage
from tests.faults.child import SHARD_ROWS, SMALL, Averages, run
from tests.faults.conftest import NUM_PHOTOS, assert_nothing_wrong, assert_same, start

PAGE = 512
Injure = Callable[[Path, np.random.Generator], None]


@pytest.fixture
def filled(undisturbed: Store, cache: Path) -> Store:
    """A store of twelve shards that a test may damage."""
    shutil.copytree(undisturbed.folder, cache / undisturbed.name)
    return Store(cache, SMALL)


def _cut(kept: Callable[[int], int]) -> Injure:
    return lambda path, _: os.truncate(path, kept(path.stat().st_size))


def _zero(path: Path, rng: np.random.Generator) -> None:
    data = bytearray(path.read_bytes())
    start = int(rng.integers(0, len(data) // PAGE)) * PAGE
    data[start : start + PAGE] = bytes(PAGE) if any(data[start : start + PAGE]) else b"\xff" * PAGE
    path.write_bytes(data)


def _swap_pages(path: Path, rng: np.random.Generator) -> None:
    data = path.read_bytes()
    pages = [data[start : start + PAGE] for start in range(0, len(data), PAGE)]
    first = next(place for place in range(len(pages)) if pages[place] != pages[-1])
    pages[first], pages[-1] = pages[-1], pages[first]
    path.write_bytes(b"".join(pages))


def _flip(path: Path, rng: np.random.Generator) -> None:
    damage(path, int(rng.integers(path.stat().st_size)), 1 << int(rng.integers(8)))


def _other(path: Path, rng: np.random.Generator) -> None:
    others = [other for other in path.parent.iterdir() if other != path]
    shutil.copy(others[int(rng.integers(len(others)))], path)


INJURIES: dict[str, Injure] = {
    "flipped bit": _flip,
    "zeroed page": _zero,
    "swapped pages": _swap_pages,
    "another shard under its name": _other,
    "missing": lambda path, _: path.unlink(),
    "empty": _cut(lambda _: 0),
    "one byte": _cut(lambda _: 1),
    "half": _cut(lambda size: size // 2),
    "one byte too few": _cut(lambda size: size - 1),
}


@pytest.mark.parametrize("kind", INJURIES)
def test_damaged_shard_is_made_again_and_no_other(
    kind: str, filled: Store, many: Path, cache: Path, undisturbed: Store
):
    """The other rows are served as they were; after one run the store is whole again."""
    victim = filled.shard_paths()[5]
    INJURIES[kind](victim, np.random.default_rng(0))
    rows = assert_nothing_wrong(cache, undisturbed)
    engine = Averages()
    run(many, cache, engine)

    assert rows == NUM_PHOTOS - SHARD_ROWS
    assert engine.num_images == SHARD_ROWS
    assert_same(cache, undisturbed)


def test_many_injuries_serve_no_wrong_row(filled: Store, cache: Path, undisturbed: Store):
    """A hundred flipped bits, twenty zeroed pages and twenty swaps, one after the other over a store's two shards."""
    rng = np.random.default_rng(1)
    kinds: list[Injure] = [_flip] * 100 + [_zero] * 20 + [_swap_pages] * 20
    *others, first, second = filled.shard_paths()
    for path in others:  # each injury is looked for by reading all shards
        path.unlink()
    paths = [first, second]
    for number, injure in enumerate(kinds):
        path = paths[number % len(paths)]
        whole = path.read_bytes()
        injure(path, rng)
        assert assert_nothing_wrong(cache, undisturbed) == SHARD_ROWS
        path.write_bytes(whole)
        for aside in (filled.folder / "quarantine").iterdir():
            aside.unlink()

    assert verify([Store(cache, SMALL)]) == Verification(2 * SHARD_ROWS)


def test_two_shards_that_changed_names(filled: Store, many: Path, cache: Path, undisturbed: Store):
    """Neither is what its name says, so both are made again."""
    first, second = filled.shard_paths()[:2]
    first.rename(cache / "aside")
    second.rename(first)
    (cache / "aside").rename(second)

    assert assert_nothing_wrong(cache, undisturbed) == NUM_PHOTOS - 2 * SHARD_ROWS
    run(many, cache, Averages())
    assert_same(cache, undisturbed)


@pytest.mark.parametrize(
    "changes", [{"trunk_digest": "cd" * 32}, {"decoder": Decoder(24)}, {"cut": "block4_pool"}, {"dtype": "float16"}]
)
def test_rows_of_another_recipe_are_not_these_rows(changes: dict, filled: Store, cache: Path):
    """Other weights, another size, layer or type have a store of their own, and a shard that strays into it is set aside."""
    other = Store(cache, replace(SMALL, **changes))
    assert other.folder != filled.folder
    assert other.has(filled.keys()).sum() == 0
    shutil.copy(filled.shard_paths()[0], other.prepare())
    again = Store(cache, other.recipe)

    assert len(again) == 0
    assert len(list((other.folder / "quarantine").iterdir())) == 1


def test_old_shard_that_comes_back(filled: Store, many: Path, cache: Path, undisturbed: Store):
    """A shard is named after its bytes, so one that was restored from a copy is the same one."""
    victim = filled.shard_paths()[3]
    copy = victim.read_bytes()
    victim.unlink()
    victim.write_bytes(copy)

    assert run(many, cache, Averages()).num_new == 0
    assert_same(cache, undisturbed)


@pytest.mark.parametrize("kind", [name for name in INJURIES if name != "missing"])
def test_shard_that_is_damaged_while_the_store_is_open(kind: str, filled: Store, undisturbed: Store):
    """Who reads it then gets an error that names the file, never other numbers."""
    keys = filled.keys()
    victim = filled.shard_paths()[5]
    inside = filled.shard_of(keys) == 5
    INJURIES[kind](victim, np.random.default_rng(0))

    with pytest.raises(DamagedStoreError, match=str(victim)):
        filled.read(keys[inside])
    np.testing.assert_array_equal(filled.read(keys[~inside]), undisturbed.read(keys[~inside]))


def test_repair_sets_the_damaged_shards_aside(filled: Store, many: Path, cache: Path, undisturbed: Store):
    """What verify names is out of the way, its bytes are kept, and one run makes those rows again."""
    first, second = filled.shard_paths()[2], filled.shard_paths()[7]
    damage(first, 3000)
    os.truncate(second, 100)
    done = repair(list_stores(cache))

    assert done.found.num_ok == NUM_PHOTOS - 2 * SHARD_ROWS
    assert {name.split("/")[1] for name in done.set_aside} == {first.name, second.name}
    assert {path.name for path in (filled.folder / "quarantine").iterdir()} == {first.name, second.name}
    assert verify(list_stores(cache)) == Verification(done.found.num_ok)
    assert run(many, cache, Averages()).num_new == 2 * SHARD_ROWS
    assert_same(cache, undisturbed)


@pytest.mark.parametrize("text", ["", "{", "null", '{"schema": 1}'])
def test_damaged_recipe_is_written_again(text: str, filled: Store, many: Path, cache: Path, undisturbed: Store):
    """recipe.json is for people and for listing: the rows do not depend on it, and the next added row mends it."""
    (filled.folder / "recipe.json").write_text(text)
    filled.shard_paths()[0].unlink()
    run(many, cache, Averages())

    assert json.loads((filled.folder / "recipe.json").read_text()) == SMALL.as_dict()
    assert [store.name for store in list_stores(cache)] == [filled.name]
    assert_same(cache, undisturbed)


def test_shard_that_vanishes_under_a_training(filled: Store):
    """Its rows are missing rows, and the error says how to make them."""
    keys = filled.keys()
    filled.shard_paths()[0].unlink()

    with pytest.raises(MissingRowsError, match=r"rows are not in .* Run `bottleneck features` first"):
        filled.read(keys)


def test_threads_read_what_one_reads(filled: Store, undisturbed: Store):
    """Four threads on one open store, each in its own order, get the right rows."""
    keys, wrong = filled.keys(), []

    def read(seed: int) -> None:
        order = np.random.default_rng(seed).permutation(len(keys))
        if not np.array_equal(filled.read(keys[order]), undisturbed.read(keys[order])):
            wrong.append(seed)

    threads = [threading.Thread(target=read, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert wrong == []


def test_process_that_was_forked_off_an_open_store(filled: Store, undisturbed: Store):
    """A child that inherits an open store reads the right rows."""
    keys = filled.keys()
    filled.read(keys[:1])
    child = os.fork()
    if child == 0:
        same = np.array_equal(filled.read(keys), undisturbed.read(keys))
        os._exit(0 if same else 1)

    assert os.waitpid(child, 0)[1] == 0


def test_reader_beside_a_writer(many: Path, cache: Path, undisturbed: Store):
    """A store that is opened again and again while another process adds to it only ever holds right rows."""
    seen = []
    with start(many, cache) as child:
        while child.poll() is None:
            if list(cache.glob("*/shards/[!.]*.h5")):
                seen.append(assert_nothing_wrong(cache, undisturbed))

    assert child.returncode == 0
    assert seen == sorted(seen)
    assert len(set(seen)) > 1
    assert_same(cache, undisturbed)
