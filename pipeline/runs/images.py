"""Where the photographs of a run are now, found by their content."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline.bases.files import home_folder
from pipeline.errors import PipelineError
from pipeline.images.decode import MAX_BYTES
from pipeline.images.manifest import Files, ImageBytes
from pipeline.runs.folder import RunFolder
from pipeline.settings import Settings
from pipeline.stage_one.scan import scan

_NO_PLACE = "The photographs of this run came from {data}, which is no folder, archive or table that could be looked into again."


@dataclass(frozen=True)
class Photographs:
    """Photographs by their SHA-256."""

    images: ImageBytes
    positions: Mapping[bytes, int]
    note: str | None = None
    """Why there are none; None if there may be some."""

    def read(self, digest: bytes) -> bytes | None:
        """The bytes that have this digest; None where they are not there, or not the same any more."""
        position = self.positions.get(digest)
        if position is None:
            return None
        try:
            data = self.images.read(position)
        except OSError:
            return None
        # A run from elsewhere may name any file of this machine: it has to know what is in it.
        return data if hashlib.sha256(data).digest() == digest else None


def find_photographs(run: RunFolder, names: Sequence[str], digests: Sequence[bytes], settings: Settings) -> Photographs:
    """Look where run.json says that they were: in a folder by their names, in all else by scanning it once more.

    Args:
        run: A finished run.
        names: What the run calls N images.
        digests: SHA-256 of each, N of them; empty bytes where it is not known.
        settings: For the scan.
    """
    info, nowhere = run.info, Files(Path(), ())
    if not any(digests):
        return Photographs(
            nowhere,
            {},
            "This run was made before digests were kept with predictions; train it again to see photographs.",
        )
    root, source = info.root, info.source
    if isinstance(root, str):
        note = None if Path(root).is_dir() else f"The photographs were in {root}, which is not there any more."
        positions = {digest: place for place, digest in enumerate(digests) if digest}
        return Photographs(_Small(Path(root), tuple(names)), positions, note)
    if not isinstance(source, str) or not _is_here(source):
        return Photographs(nowhere, {}, _NO_PLACE.format(data=source or info.data))
    try:
        manifest = scan(source, settings)
    except (PipelineError, OSError) as error:
        return Photographs(nowhere, {}, f"{source} cannot be looked into again: {error}")
    return Photographs(manifest.images, dict(zip(manifest.digests, manifest.positions, strict=True)))


def _is_here(source: str) -> bool:
    """What can be read without a download."""
    prefix, _, name = source.partition(":")
    if prefix == "keras":
        kept = (f"keras-{name}.npz", f"keras-{name}-fine.npz")
        return any((home_folder() / "datasets" / file).exists() for file in kept)
    return source == "sklearn:digits" or Path(source).exists()


class _Small(Files):
    """Files, but none that is larger than an image may be."""

    def read(self, position: int) -> bytes:
        path = self.root / self.names[position]
        if path.stat().st_size > MAX_BYTES or not path.is_file():
            raise OSError(f"{path} is no file of at most {MAX_BYTES:,} bytes.")
        return path.read_bytes()
