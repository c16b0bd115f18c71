"""Where the images of a run are now; they are identified by their content."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pipeline.bases.files import home_folder
from pipeline.errors import PipelineError, UnreachableDataError
from pipeline.images.entries import Part
from pipeline.images.given import read_given
from pipeline.images.manifest import Files, ImageBytes, announce
from pipeline.images.named import list_data
from pipeline.images.remote.addresses import is_url
from pipeline.images.remote.fetch import FetchError
from pipeline.images.remote.kept import find_kept
from pipeline.images.sources.archives.archives import is_archive
from pipeline.images.sources.arrays.arrays import list_arrays
from pipeline.images.sources.folders import real_names
from pipeline.images.sources.tables.huggingface import find_data_files
from pipeline.runs.far import FarImages, find_far
from pipeline.runs.folder import RunFolder
from pipeline.runs.info import RunInfo
from pipeline.settings import Settings
from pipeline.stage_one.scan import make_reading, scan

_NOT_LOCAL = "The images of this run came from {data}, which is not a folder, archive or table on this machine."
_NOT_KNOWN = "The images of this run are at {data}, and this machine has not read them from there, or not with this cache folder."


@dataclass(frozen=True)
class RunImages:
    """The images of a run by their SHA-256."""

    images: ImageBytes
    positions: Mapping[bytes, int]
    note: str | None = None
    """Why no image can be read; None if some may be readable."""

    failures: list[Exception] = field(default_factory=list, repr=False)
    """What servers answered instead of images."""

    @property
    def is_far(self) -> bool:
        """Whether images are fetched when they are read."""
        return isinstance(self.images, FarImages)

    def announce(self, digest: bytes) -> None:
        """Say that an image will be read soon."""
        if digest in self.positions and not self.is_over:
            announce(self.images, self.positions[digest])

    @property
    def is_over(self) -> bool:
        """Whether the server was given up: nothing is asked of it any more."""
        return bool(self.failures) and isinstance(self.failures[-1], UnreachableDataError)

    def read(self, digest: bytes) -> bytes | None:
        """The bytes with this digest; None if the image is gone or has changed."""
        position = self.positions.get(digest)
        if position is None or self.is_over:
            return None
        try:
            data = self.images.read(position)
        except (FetchError, UnreachableDataError) as error:
            self.failures.append(error)
            return None
        except (OSError, ValueError):  # ValueError: a NUL in the name, or no image
            return None
        # A run from another machine may name any file of this one. It is read only if the run knows its content.
        return data if hashlib.sha256(data).digest() == digest else None


def find_images(run: RunFolder, names: Sequence[str], digests: Sequence[bytes], settings: Settings) -> RunImages:
    """Find the images where run.json says they were.

    In a folder by their names, at URLs that this machine has read before, otherwise by scanning the data again.

    Args:
        run: A finished run.
        names: Names of N images in the run.
        digests: SHA-256 of each, N of them; empty bytes if it is not known.
        settings: For the scan.
    """
    info, nowhere = run.info, Files(Path(), ())
    if not any(digests):
        return RunImages(
            nowhere,
            {},
            "This run was made by a version that did not save digests with predictions; train it again to see images.",
        )
    root, source = info.root, info.source
    if isinstance(root, str):
        note = None if Path(root).is_dir() else f"The images were in {root}, which does not exist any more."
        positions = {digest: position for position, digest in enumerate(digests) if digest}
        # A run has names in Unicode normal form C; on the disk they may be in another one.
        return RunImages(Files(Path(root), tuple(real_names(Path(root), names))), positions, note)
    if not isinstance(source, str):
        return RunImages(nowhere, {}, _NOT_LOCAL.format(data=info.data))
    kept = find_kept(source, home_folder()) if is_url(source) else None
    place = str(kept or source)
    if not _is_here(place):
        found = find_far(source, names, digests, settings)
        note = _NOT_KNOWN if is_url(source) else _NOT_LOCAL
        return RunImages(*found) if found else RunImages(nowhere, {}, note.format(data=source))
    try:
        images, positions = _scan_again(place, info, settings)
    except (PipelineError, OSError) as error:
        return RunImages(nowhere, {}, f"{source} cannot be scanned again: {error}")
    return RunImages(images, positions)


def name_images(data: str | Path, settings: Settings) -> RunImages:
    """The images of data that the user names, where a run does not say where its images are now.

    Args:
        data: What `read_given` takes for a data set.
        settings: For the scan.

    Raises:
        PipelineError: It cannot be read.
    """
    given = read_given(data, settings.paths.hashes, reading=make_reading(settings))
    given.check(given.manifest)
    found = given.manifest
    return RunImages(found.images, dict(zip(found.digests, found.positions, strict=True)))


def _scan_again(source: str, info: RunInfo, settings: Settings) -> tuple[ImageBytes, dict[bytes, int]]:
    """The images of a data set, and the position of each by its digest. What its folders or arrays mean is not asked again."""
    if is_archive(Path(source)):
        parts = [entry.content for entry in list_data(source, make_reading(settings)).entries]
        found = [part for part in parts if isinstance(part, Part)]
        return found[0].images, {part.digest: part.position for part in found}
    is_arrays = Path(source).suffix.lower() in (".npz", ".npy")
    ignored = [str(entry.get("kind")) for entry in info.ignored]
    manifest = list_arrays(Path(source), ignored, info.label_column) if is_arrays else scan(source, settings)
    return manifest.images, dict(zip(manifest.digests, manifest.positions, strict=True))


def _is_here(source: str) -> bool:
    """Whether the data can be read without a download, and is one file or data set.

    A folder or a table of paths is not: runs on these have a `root`. A run from elsewhere could name any folder, and all files in it
    would be hashed.
    """
    prefix, _, name = source.partition(":")
    if prefix == "keras":
        kept = (f"keras-{name}.npz", f"keras-{name}-fine.npz")
        return any((home_folder() / "datasets" / file).exists() for file in kept)
    path = Path(source)
    try:
        is_one = is_archive(path) or path.suffix.lower() in (".npz", ".npy", ".parquet")
        return (
            source == "sklearn:digits" or (path.is_file() and is_one) or (path.is_dir() and bool(find_data_files(path)))
        )
    except (OSError, ValueError, PipelineError):  # ValueError: a NUL in the name
        return False
