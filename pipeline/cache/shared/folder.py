"""A shared cache in a folder, such as one of a network disk."""

import contextlib
from pathlib import Path

from pipeline.cache.own import check_no_links, check_store_folder, is_gone, list_folder, reading
from pipeline.cache.shared.layout import STORE_NAME, Check, nothing
from pipeline.errors import ForeignEntryError, UnwritableStoreError
from pipeline.files import remove_debris, write_bytes


class SharedFolder:
    """Files of a folder. No link below it is followed; the folder itself may be one.

    Args:
        root: The folder.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self._tidied = set[Path]()

    @property
    def shown(self) -> str:
        """How messages name it."""
        return str(self.root)

    def stores(self) -> list[str]:
        """Names of the folders that can be stores."""
        return [path.name for path in list_folder(self.root) if STORE_NAME.fullmatch(path.name) and path.is_dir()]

    def list(self, store: str) -> dict[str, int | None]:
        """The files of a store by their paths below the root, with their sizes.

        Raises:
            ForeignEntryError: The store's folder, or a folder or file of fixed name in it, is a symbolic link.
            UnreadableStoreError: A folder cannot be read.
        """
        folder = self.root / store
        self._check_links(store)
        files = [
            *(path for name in ("recipe.json", "trunk.json") if not is_gone(path := folder / name)),
            *list_folder(folder / "shards", ".h5"),
            *list_folder(folder / "keys", ".keys"),
        ]
        found: dict[str, int | None] = {}
        for path in files:
            with contextlib.suppress(FileNotFoundError):
                found[path.relative_to(self.root).as_posix()] = path.lstat().st_size
        return found

    def read(self, path: str, at_most: int) -> bytes:
        """The bytes of a small file.

        Raises:
            FileNotFoundError: It does not exist.
            ForeignEntryError: It is a link, or not a regular file.
            DamagedStoreError: It is larger.
            UnreadableStoreError: It cannot be read.
        """
        self._check_links(path.partition("/")[0])
        if is_gone(self.root / path):
            raise FileNotFoundError(f"{self.root / path} does not exist.")
        with reading(self.root / path, at_most) as file:
            return file.readall()

    def receive(self, path: str, folder: Path, at_most: int, check: Check = nothing) -> Path:
        """Where a shard can be opened: where it is, since whoever reads it checks it."""
        self._check_links(path.partition("/")[0])
        return self.root / path

    def send(self, path: str, data: bytes, check: Check = nothing) -> None:
        """Write a file; it is whole whenever its name exists.

        Raises:
            ForeignEntryError: A link is in the way.
            UnwritableStoreError: It cannot be written.
        """
        target = self.root / path
        self._check_links(path.partition("/")[0])
        check_no_links(target)
        if not is_gone(target) and not target.is_file():
            raise ForeignEntryError(f"{target} is not a regular file. It was left as it is. Remove it.")
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            self._tidy(target.parent)
            write_bytes(target, data)
        except OSError as error:
            raise UnwritableStoreError(f"{target} cannot be written: {error.strerror or error}.") from error

    def _tidy(self, folder: Path) -> None:
        """Remove what processes that were killed left unfinished, once."""
        if folder not in self._tidied:
            self._tidied.add(folder)
            remove_debris(folder)

    def _check_links(self, store: str) -> None:
        check_store_folder(self.root / store)
        check_no_links(self.root / store / "keys")
