"""Where a team shares its rows: a URL of the user's as a folder or as objects."""

from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit
from urllib.request import url2pathname

from pipeline.cache.shared.folder import SharedFolder
from pipeline.cache.shared.layout import Check, nothing
from pipeline.errors import SettingError
from pipeline.images.remote.addresses import is_url, protocol_of, shown


class Shared(Protocol):
    """A shared cache: what `SharedFolder` and `SharedObjects` have in common. Paths are relative to its root, with `/`."""

    @property
    def shown(self) -> str:
        """How messages name it, without secrets."""

    def stores(self) -> list[str]:
        """Names of what can be stores."""

    def list(self, store: str) -> dict[str, int | None]:
        """Paths of the files of a store, and their sizes where they are known."""

    def read(self, path: str, at_most: int) -> bytes:
        """The bytes of a small file."""

    def receive(self, path: str, folder: Path, at_most: int, check: Check = nothing) -> Path:
        """A shard as a file of this machine, in that folder or elsewhere; nothing of it is checked."""

    def send(self, path: str, data: bytes, check: Check = nothing) -> None:
        """Write a file, whole or not at all."""


def open_shared(url: str | Path, cache: Path) -> Shared:
    """The shared cache of a URL or a folder. A folder need not exist.

    Args:
        url: `s3://BUCKET/PREFIX`, `gs://`, `az://`, `https://` (which can only be read), `file:///FOLDER`, or a folder.
        cache: The own cache, which cannot be the shared one too.

    Raises:
        SettingError: It is the own cache, empty, or a file.
        DataLayoutError: The protocol is not one of these.
        MissingExtraError: It needs an extra that is not installed.
    """
    text = str(url)
    if not text:
        raise SettingError(
            "The shared cache is a URL (s3://BUCKET/PREFIX, https://...) or a folder. Received: nothing."
        )
    if is_url(text) and protocol_of(text) != "file":
        from pipeline.cache.shared.objects import SharedObjects

        return SharedObjects(text)
    folder = Path(url2pathname(urlsplit(text).path)) if is_url(text) else Path(text).expanduser()
    if folder.resolve() == cache.resolve():
        raise SettingError(f"{shown(text)} is the cache itself. Give another folder, or use it as --cache.")
    if folder.exists() and not folder.is_dir():
        raise SettingError(
            f"The shared cache is a URL (s3://BUCKET/PREFIX, https://...) or a folder. Received: {text}, a file. The URL comes first: "
            "bottleneck cache pull URL DATA."
        )
    return SharedFolder(folder)
