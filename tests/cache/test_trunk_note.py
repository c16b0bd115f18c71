"""What a store says of its weights."""

import shutil

import pytest

from pipeline.cache.audit import prune
from pipeline.cache.exchange import import_store
from pipeline.cache.store import Store
from pipeline.cache.trunk_note import TrunkNote, add_note, read_note
from pipeline.errors import DamagedStoreError, ForeignEntryError
from tests.cache.samples import RECIPE

NOTE = TrunkNote("imagenet", "ab" * 32, 14714688, 19)


@pytest.fixture
def folder(cache):
    """The folder of a store with a note."""
    folder = Store(cache, RECIPE).folder
    add_note(NOTE, folder)
    return folder


def test_what_is_read_is_what_was_written(folder):
    """A note that is there stays; fields of later versions are passed over."""
    add_note(TrunkNote("random", "cd" * 32, 1), folder)

    assert read_note(folder) == NOTE
    assert TrunkNote.from_dict(NOTE.as_dict() | {"license": "MIT"}) == NOTE


def test_a_store_without_rows_or_without_a_note(cache):
    """Nothing is written where there are no rows, and nothing is read."""
    add_note(NOTE, cache / "nothing")

    assert not (cache / "nothing").exists()
    assert read_note(Store(cache, RECIPE).folder) is None


@pytest.mark.parametrize("text", ["", "[]", "{", '{"weights": "imagenet"}', "[" * 9000, '"imagenet"'])
def test_damaged_notes_are_named(text, folder):
    """With the cure."""
    (folder / "trunk.json").write_text(text)

    with pytest.raises(DamagedStoreError, match=r"trunk\.json"):
        read_note(folder)


def test_links_are_not_followed(folder, tmp_path):
    """Wherever they lead."""
    shutil.move(folder / "trunk.json", tmp_path / "elsewhere")
    (folder / "trunk.json").symlink_to(tmp_path / "elsewhere")

    with pytest.raises(ForeignEntryError, match="symbolic link"):
        read_note(folder)


def test_a_note_is_a_part_of_its_store(folder, tmp_path):
    """It is imported and deleted with it."""
    import_store(folder, tmp_path / "other")
    prune(folder.parent, [folder.name], is_dry=False)

    assert read_note(tmp_path / "other" / folder.name) == NOTE
    assert not folder.exists()
