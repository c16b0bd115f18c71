"""A cache from elsewhere with links to the user's own files: they are not moved, deleted or written."""

import errno
import json
import logging
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pipeline.cache import own
from pipeline.cache.audit import Verification, delete, quarantines, repair, verify
from pipeline.cache.compact import compact
from pipeline.cache.exchange import import_store
from pipeline.cache.outbox import FolderOutbox
from pipeline.cache.shard import commit_shard
from pipeline.cache.store import Store
from pipeline.cache.stores import list_stores, open_stores, summarize_all
from pipeline.cli.app import main
from pipeline.errors import ForeignEntryError, PipelineError, SettingError, UnreadableStoreError
from pipeline.images.files.hashing import sha256_file
from pipeline.runs.run import load_run
from pipeline.settings import Settings
from tests.cache.samples import HALF, RECIPE, fill, make_keys, make_rows
from tests.cache.test_shard import build
from tests.calls import fit


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    """A folder of the user's own files, some of them called as a store's are."""
    folder = tmp_path / "mine"
    (folder / "quarantine").mkdir(parents=True)
    (folder / "shards").mkdir()
    for name in (
        "thesis.h5",
        "data.h5",
        "quarantine/old.h5",
        "shards/more.h5",
        f".{os.uname().nodename}-999999999-x.tmp",
    ):
        (folder / name).write_bytes(b"years of work")
    return folder


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    """A cache with one good store, and one of another recipe for a link to be put into."""
    cache = tmp_path / "cache"
    fill(Store(cache, RECIPE), range(6), range(6, 12))
    fill(Store(cache, HALF), range(3), range(3, 6))
    return cache


def _shards(store: Path, mine: Path) -> None:
    shutil.rmtree(store / "shards")
    (store / "shards").symlink_to(mine)


def _quarantine(store: Path, mine: Path) -> None:
    (store / "quarantine").symlink_to(mine)


def _folder(store: Path, mine: Path) -> None:
    shutil.copy(store / "recipe.json", mine)
    shutil.rmtree(store)
    store.symlink_to(mine)


def _recipe(store: Path, mine: Path) -> None:
    shutil.move(store / "recipe.json", mine)
    (store / "recipe.json").symlink_to(mine / "recipe.json")


def _lock(store: Path, mine: Path) -> None:
    (store / ".lock").unlink(missing_ok=True)
    (store / ".lock").symlink_to(mine / "thesis.h5")


LINKS = {"shards": _shards, "quarantine": _quarantine, "folder": _folder, "recipe.json": _recipe, ".lock": _lock}


def snapshot(folder: Path) -> dict[Path, bytes | str | Path]:
    """All that is below a folder, links as links."""
    return {
        path: path.readlink() if path.is_symlink() else path.read_bytes() if path.is_file() else ""
        for path in folder.rglob("*")
    }


@pytest.mark.parametrize("kind", LINKS)
def test_store_with_a_link_is_refused_and_nothing_is_touched(kind: str, cache: Path, mine: Path, tmp_path: Path):
    """Whatever is asked of it, the answer names the link."""
    evil = cache / HALF.folder_name
    LINKS[kind](evil, mine)
    before = snapshot(tmp_path)

    def add() -> None:
        with Store(cache, HALF).adding():
            pass

    asked: list[Callable[[], object]] = [
        lambda: len(Store(cache, HALF)),
        lambda: Store.open(evil),
        lambda: Store(cache, HALF).append(make_keys([99]), make_rows([99]), {}),
        lambda: Store(cache, HALF).add_shard(b"data"),
        lambda: Store(cache, HALF).prepare(),
        lambda: Store(cache, HALF).quarantine(evil / "shards" / "thesis.h5"),
        add,
        lambda: compact(Store(cache, HALF)),
        lambda: verify([Store(cache, HALF)]),
        lambda: FolderOutbox(HALF, evil),
        lambda: delete([evil]),
    ]
    for ask in asked:
        with pytest.raises(ForeignEntryError, match="is a symbolic link"):
            ask()
    assert snapshot(tmp_path) == before


@pytest.mark.parametrize("kind", LINKS)
def test_one_refused_store_does_not_end_the_others(kind: str, cache: Path, mine: Path, caplog):
    """Commands over all stores name it and go on."""
    evil = cache / HALF.folder_name
    LINKS[kind](evil, mine)
    before = snapshot(mine)
    stores, refused = open_stores(cache)

    assert (
        [store.name for store in stores] == [summary.store for summary in summarize_all(cache)] == [RECIPE.folder_name]
    )
    assert list(refused) == [HALF.folder_name]
    assert str(evil) in caplog.text
    assert "is a symbolic link" in caplog.text
    assert repair(stores).found == Verification(12)
    assert quarantines(cache) == []
    assert snapshot(mine) == before


@pytest.mark.parametrize("kind", LINKS)
def test_commands_touch_nothing_behind_a_link(kind: str, cache: Path, mine: Path, capsys):
    """`cache ls`, `repair`, `prune --yes` and `compact`, one after the other; `verify` exits with 3."""
    LINKS[kind](cache / HALF.folder_name, mine)
    before = snapshot(mine)
    codes = {}
    for command in ("ls", "verify", "repair", "prune --yes", "compact"):
        with pytest.raises(SystemExit) as stopped:
            main(["cache", *command.split(), "--cache", str(cache), "--json"])
        codes[command] = stopped.value.code

    assert codes == {"ls": 0, "verify": 3, "repair": 0, "prune --yes": 0, "compact": 0}
    assert snapshot(mine) == before
    assert os.path.lexists(cache / HALF.folder_name)
    assert "is a symbolic link" in capsys.readouterr().out  # in the JSON of verify and repair


def test_shard_that_is_a_link_stays_where_it_is(cache: Path, mine: Path, tmp_path: Path, caplog):
    """It is not moved, deleted, overwritten or served, in whatever way; the other rows are."""
    store = Store(cache, RECIPE)
    good, other = store.shard_paths()
    kept = Store(cache, RECIPE).shards
    good.replace(mine / "good.h5")
    good.symlink_to(mine / "good.h5")
    bad = other.with_name("0" * 32 + ".h5")
    bad.symlink_to(mine / "thesis.h5")
    links, before = {good: good.readlink(), bad: bad.readlink()}, snapshot(mine)
    opened = Store(cache, RECIPE)
    rows = sum(len(shard) for shard in kept if shard.path == other)

    assert len(opened) == rows
    assert caplog.text.count("is a symbolic link") == 2
    assert compact(opened).rows == rows
    done = repair([opened])
    assert (done.found.num_ok, {entry.shard.split("/")[1] for entry in done.left}) == (rows, {good.name, bad.name})
    for ask in (lambda: opened.quarantine(good), lambda: delete([opened.folder])):
        with pytest.raises(ForeignEntryError, match="is a symbolic link"):
            ask()
    assert {path: path.readlink() for path in links} == links
    assert snapshot(mine) == before


def test_shard_is_not_written_over_a_link(tmp_path: Path, mine: Path):
    """Neither the link nor what it leads to."""
    data = build()
    path = commit_shard(tmp_path, data)
    path.unlink()
    path.symlink_to(mine / "thesis.h5")

    with pytest.raises(ForeignEntryError, match="is a symbolic link"):
        commit_shard(tmp_path, data)
    assert path.is_symlink()
    assert (mine / "thesis.h5").read_bytes() == b"years of work"


def test_debris_that_is_a_link_stays(cache: Path, mine: Path):
    """An unfinished file is removed, a link of its name is not."""
    shards = cache / RECIPE.folder_name / "shards"
    debris = shards / f".{os.uname().nodename}-999999999-aa.tmp"
    debris.touch()
    link = debris.with_name(f".{os.uname().nodename}-999999999-bb.tmp")
    link.symlink_to(mine / "thesis.h5")

    assert len(Store(cache, RECIPE)) == 12
    assert not debris.exists()
    assert link.is_symlink()


def test_cache_folder_may_be_a_link(cache: Path, tmp_path: Path):
    """The user names it, and may keep it on another disk."""
    link = tmp_path / "link"
    link.symlink_to(cache)
    store = Store(link, RECIPE)
    fill(store, range(50, 52))

    assert len(Store(link, RECIPE)) == 14
    assert len(list_stores(link)) == 2
    assert import_store(link / HALF.folder_name, tmp_path / "here").num_new_shards == 2


def test_quarantine_with_a_link_in_it_is_passed_over(cache: Path, mine: Path, caplog):
    """Version 0.1.0 moved links there; the others are listed."""
    for recipe in (RECIPE, HALF):
        (cache / recipe.folder_name / "quarantine").mkdir()
    (cache / HALF.folder_name / "quarantine" / "x.h5").symlink_to(mine)

    assert quarantines(cache) == [cache / RECIPE.folder_name / "quarantine"]
    assert f"{HALF.folder_name}/quarantine/x.h5 is a symbolic link" in caplog.text


@pytest.mark.parametrize("target", ["data.h5", "nothing"])
@pytest.mark.parametrize("name", ["file_hashes.sqlite", "file_hashes.sqlite-journal", "file_hashes.sqlite-wal"])
def test_file_hashes_are_not_kept_behind_a_link(
    name: str, target: str, photos: Path, tmp_path: Path, mine: Path, caplog: pytest.LogCaptureFixture
):
    """A link in its place is named and passed over, since the file is only a short cut; links beside it are never followed."""
    before = snapshot(mine)
    (tmp_path / "cache").mkdir()
    link = tmp_path / "cache" / name
    link.symlink_to(mine / target)
    files = sorted(photos.rglob("*.png"))
    hashes = replace(Settings.of(cache=tmp_path / "cache").paths.hashes, clock_ns=lambda: 10**20)

    assert hashes.digests(files) == hashes.digests(files) == [sha256_file(file) for file in files]
    assert (f"{link} is not used: Not a regular file." in caplog.text) == (name == "file_hashes.sqlite")
    assert link.readlink() == mine / target
    assert snapshot(mine) == before


def _options(tmp_path: Path, **settings: object) -> Settings:
    places = {"cache": tmp_path / "cache", "runs": tmp_path / "runs"}
    return Settings.of(base="squeezenet", size=32, weights="random", **places, **settings)


@pytest.fixture(scope="module")
def finished(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache, with statistics of pixels, and a run on it. Read only."""
    folder = tmp_path_factory.mktemp("finished")
    fit(photos, "ridge", name="evil", plots=False, settings=_options(folder, preprocess="standardize"))
    return folder


@pytest.fixture
def own_run(finished: Path, tmp_path: Path) -> Path:
    """`run.json` of a copy of them that a test may change."""
    shutil.copytree(finished, tmp_path, dirs_exist_ok=True)
    return tmp_path / "runs" / "evil" / "run.json"


def test_statistics_are_not_written_through_a_link(photos: Path, tmp_path: Path, mine: Path):
    """The folder is made by the cache, so a link in its place is foreign."""
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache/statistics").symlink_to(mine)
    before = snapshot(mine)

    with pytest.raises(ForeignEntryError, match="statistics is a symbolic link"):
        fit(photos, "ridge", plots=False, settings=_options(tmp_path, preprocess="standardize"))
    assert snapshot(mine) == before


@pytest.mark.parametrize(
    "text", ["{", "[1]", '{"mean": [1, 2, 3]}', '{"mean": ["a", "b", "c"], "std": [1.0, 1.0, 1.0]}']
)
def test_statistics_of_another_hand_are_made_again(text: str, photos: Path, own_run: Path, tmp_path: Path):
    """They are only a short cut."""
    (kept,) = (tmp_path / "cache/statistics").iterdir()
    good = kept.read_text()
    kept.write_text(text)
    fit(photos, "ridge", plots=False, settings=_options(tmp_path, preprocess="standardize"))

    assert json.loads(good).keys() == {"mean", "std"}
    assert kept.read_text() == good


@pytest.mark.parametrize("part", ["cut", "base"])
def test_run_from_elsewhere_cannot_lead_out_of_the_cache(
    part: str, photos: Path, own_run: Path, tmp_path: Path, mine: Path
):
    """A recipe whose layer or base is a path is refused, and the folder it names is left as it is."""
    info = json.loads(own_run.read_text())
    info["recipe"][part] = "x/../../mine"
    own_run.write_text(json.dumps(info))
    before = snapshot(tmp_path)

    with pytest.raises(SettingError, match=rf"The {part} has up to 96 letters.*'x/\.\./\.\./mine'"):
        load_run("evil", _options(tmp_path)).predict([photos])
    assert snapshot(tmp_path) == before


@pytest.mark.parametrize(
    "value", [None, 5, "text", [], {}, {"schema": 1}, {"schema": True}, {"schema": 1, "base": [[]]}]
)
def test_run_whose_recipe_is_none_is_refused(value: object, photos: Path, own_run: Path, tmp_path: Path):
    """Whatever JSON stands there, it is an error that says so."""
    own_run.write_text(json.dumps(json.loads(own_run.read_text()) | {"recipe": value}))

    with pytest.raises(PipelineError, match=r"[Rr]ecipe"):
        load_run("evil", _options(tmp_path)).predict([photos])


REFUSALS = ("EACCES", "EMFILE", "EIO", "ENOMEM", "ESTALE", "ETIMEDOUT")


@pytest.mark.parametrize("name", REFUSALS)
def test_store_that_the_machine_refuses_loses_no_shard(name: str, cache: Path, monkeypatch, tmp_path: Path):
    """Opened, read, verified, repaired, merged: an error or a note with the cause, and all shards stay where they are."""
    opened, before = Store(cache, RECIPE), snapshot(tmp_path)
    opened.has(make_keys([0]))
    code, real = getattr(errno, name), os.open

    def refuse(path: str, flags: int, *rest: int) -> int:
        if str(path).endswith(".h5"):
            raise OSError(code, os.strerror(code), path)
        return real(path, flags, *rest)

    with monkeypatch.context() as patched:
        patched.setattr(own.os, "open", refuse)
        for ask in (
            lambda: len(Store(cache, RECIPE)),
            lambda: compact(Store(cache, RECIPE)),
            lambda: FolderOutbox(RECIPE, opened.folder).has(make_keys([0])),
        ):
            with pytest.raises(UnreadableStoreError, match=rf"\.h5 cannot be read: {os.strerror(code)}"):
                ask()
        done = repair(list_stores(cache))
        assert (done.found.num_ok, len(done.left), done.set_aside) == (0, 4, [])
        assert summarize_all(cache) == []
    assert {path: data for path, data in snapshot(tmp_path).items() if path.name != ".lock"} == before
    np.testing.assert_array_equal(Store(cache, RECIPE).read(make_keys(range(12))), make_rows(range(12)))


def test_recipe_that_the_machine_refuses_is_not_written_anew(cache: Path, monkeypatch, caplog):
    """It may be another one than is about to be written."""
    real = os.open

    def refuse(path: str, flags: int, *rest: int) -> int:
        if str(path).endswith("recipe.json"):
            raise OSError(errno.EACCES, os.strerror(errno.EACCES), path)
        return real(path, flags, *rest)

    monkeypatch.setattr(own.os, "open", refuse)
    caplog.set_level(logging.WARNING)

    with pytest.raises(UnreadableStoreError, match=r"recipe\.json cannot be read: Permission denied"):
        Store(cache, RECIPE).prepare()
    assert list_stores(cache) == []
    assert caplog.text.count("recipe.json cannot be read: Permission denied") == 2
