"""Images of a run that are objects of buckets or web servers: where this machine has read them before, and nowhere else.

A run from elsewhere may name any address. Only addresses in the own table of remembered digests are asked, and only for images whose
digest is the one that is remembered; of archives and arrays the file that was kept is read.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from pipeline.bases.files import home_folder
from pipeline.images.manifest import ImageBytes
from pipeline.images.remote.addresses import is_url, is_web, join, shown
from pipeline.images.remote.objects import Objects
from pipeline.settings import Settings

_PLAIN = "!$&'()*+,;=:@~"
"""Characters of a path that some servers quote in their pages, and others do not."""


@dataclass(frozen=True)
class FarImages:
    """N images, some here and some elsewhere (`pipeline.images.manifest.ImageBytes`)."""

    paths: Sequence[Path | None]
    """None for an object."""

    objects: Objects
    rows: Sequence[int]
    """Position of each among the objects; -1 for a file."""

    def read(self, position: int) -> bytes:
        """The bytes of an image; raises what its source raises."""
        path = self.paths[position]
        return self.objects.read(self.rows[position]) if path is None else path.read_bytes()

    def announce(self, position: int) -> None:
        """Say that an image will be read soon."""
        if self.paths[position] is None:
            self.objects.announce(self.rows[position])


def find_far(
    source: str, names: Sequence[str], digests: Sequence[bytes], settings: Settings
) -> tuple[ImageBytes, Mapping[bytes, int]] | None:
    """The images that this machine has read from their URLs before; no server is asked.

    Args:
        source: The URL of a folder or a table, or the path of a table with URLs.
        names: Of N images in the run: paths below the folder, or URLs.
        digests: SHA-256 of each; empty bytes if it is not known.
        settings: Cache folder, where digests are remembered.

    Returns:
        Where they are, and their positions there by digest; None if no image is known.
    """
    tried = {f"far:{shown(url)}": url for name in names for url in _urls_of(source, name)}
    known = settings.paths.hashes.recall(list(tried))
    at = {known[key][1]: url for key, url in tried.items() if key in known}
    found = {digest: at[digest] for digest in digests if digest in at}
    if not found:
        return None
    here = {digest: path for name, digest in zip(names, digests, strict=True) if (path := _path_of(source, name))}
    digests = list(dict.fromkeys([*found, *(digest for digest in here if digest)]))
    urls = [found[digest] for digest in digests if digest in found]
    rows = iter(range(len(urls)))
    images = FarImages(
        [None if digest in found else here[digest] for digest in digests],
        Objects(urls, home_folder(), int(settings.compute.spool_gb * 1e9)),
        [next(rows) if digest in found else -1 for digest in digests],
    )
    return images, {digest: position for position, digest in enumerate(digests)}


def _urls_of(source: str, name: str) -> Iterator[str]:
    """The URLs that an image of this name can have; the pages of web servers quote names in different ways."""
    if is_url(name):
        yield name
    elif is_url(source) and (url := join(source, name)):
        yield url
        if is_web(source):
            base = source.partition("?")[0].rstrip("/")
            yield f"{base}/{quote(name, safe=f'/{_PLAIN}')}"
            yield f"{base}/{name}"


def _path_of(source: str, name: str) -> Path | None:
    """The file of a name in a table that is here; None if it is none."""
    return None if is_url(name) or is_url(source) else Path(source).parent / name
