"""Images on standard input: the bytes of one, or a list of paths, as `find` and `git ls-files` write it."""

import os
import sys
from collections.abc import Iterable


def with_stdin(names: Iterable[str]) -> list[str | bytes]:
    """The names of images, with what is on standard input in the place of `-`."""
    return [image for name in names for image in (_read_stdin() if name == "-" else [name])]


def _read_stdin() -> list[str | bytes]:
    content = sys.stdin.buffer.read()
    return [*paths_in(content)] or [content]


def paths_in(content: bytes) -> list[str]:
    """The paths in a text with one in each line, or with a zero byte behind each; empty if it is something else.

    Each is that of a file or folder, or ends as the name of an image does.
    """
    end = b"\0" if b"\0" in content else b"\n"
    if not _may_be_path(content.partition(end)[0]):  # as of nearly all images, which are not split
        return []
    lines = [line for line in content.split(end) if line.strip()]
    return [os.fsdecode(line.rstrip(b"\r")) for line in lines] if all(map(_may_be_path, lines)) else []


def _may_be_path(line: bytes) -> bool:
    from pipeline.images.files.kinds import has_image_extension

    name = os.fsdecode(line.rstrip(b"\r"))
    return bool(name) and (has_image_extension(name) or os.path.exists(name))  # noqa: PTH110 a name can be too long
