"""The note of a shared store, which names the weights that its rows are of; see `pipeline.cache.trunk_note`."""

import json

from pipeline.cache.shared.layout import note_path
from pipeline.cache.shared.open import Shared
from pipeline.cache.store import Store
from pipeline.cache.trunk_note import MAX_NOTE_BYTES, TrunkNote, add_note, parse_note, read_note


def read_shared_note(shared: Shared, store: str) -> TrunkNote | None:
    """The note of a shared store; None: it has none.

    Raises:
        DamagedStoreError, ForeignEntryError: It is damaged, or a link.
        UnreachableDataError, UnreadableStoreError: It cannot be read.
    """
    try:
        data = shared.read(note_path(store), MAX_NOTE_BYTES)
    except FileNotFoundError:
        return None
    return parse_note(data, f"{shared.shown.rstrip('/')}/{note_path(store)}")


def send_note(shared: Shared, store: Store) -> None:
    """Send the note of a store, if it has one.

    Raises:
        DamagedStoreError, ForeignEntryError, UnreadableStoreError: It is damaged here, or a link is in the way.
        UnwritableStoreError, UnreachableDataError: The server fails, or denies access.
    """
    note = read_note(store.folder)
    if note is not None:
        shared.send(note_path(store.name), (json.dumps(note.as_dict(), indent=2) + "\n").encode())


def receive_note(shared: Shared, target: Store) -> None:
    """Fetch the note of a store that has none here. Errors are those of `read_shared_note`."""
    if not (target.folder / "trunk.json").exists() and (note := read_shared_note(shared, target.name)):
        add_note(note, target.folder)
