"""Overlays as files of a folder, one for each image."""

import io
from collections.abc import Sequence
from pathlib import Path

from PIL import Image

from pipeline.errors import SettingError
from pipeline.files import naming_errors, replacing
from pipeline.runs.evaluate import check_out
from pipeline.runs.naming import plain_name

_MARK = b"bottleneck evidence"
"""In the comment of each overlay: only such files are replaced."""

_QUALITY = 92


def check_folder(folder: Path, given: Sequence[str]) -> None:
    """Make the folder of the overlays, before the work.

    Args:
        folder: The folder.
        given: Folders of the images that are explained.

    Raises:
        SettingError: It cannot be made or written, or it is in a folder of the images, where overlays would be taken for images.
    """
    own = folder.resolve()
    inside = next((name for name in given if own.is_relative_to(Path(name).resolve())), None)
    if inside is not None:
        raise SettingError(
            f"The folder of the evidence is inside that of the images: {folder} in {inside}. Its files would be taken for images. Choose a "
            "folder beside it."
        )
    check_out(folder, "--evidence")


def file_names(names: Sequence[str]) -> list[str]:
    """A file name for each image, from the end of its path; images that would share one are numbered."""
    taken, found = set[str](), list[str]()
    for name in names:
        stem = plain_name("-".join([*Path(name).parts[-2:-1], Path(name).stem]))
        number, file = 1, f"{stem}.jpg"
        while file.lower() in taken:  # some file systems do not tell capitals apart
            number += 1
            file = f"{stem}-{number}.jpg"
        taken.add(file.lower())
        found.append(file)
    return found


def check_replaceable(paths: Sequence[Path]) -> None:
    """Check that each path is free, or has an overlay of an earlier time.

    Raises:
        SettingError: Something else is there.
    """
    foreign = next((path for path in paths if not _is_own_or_absent(path)), None)
    if foreign is not None:
        raise SettingError(f"{foreign} exists and is no overlay of this package. Choose another --evidence.")


def write_overlay(path: Path, image: Image.Image) -> None:
    """Write one overlay; the file is complete whenever its name exists."""
    stream = io.BytesIO()
    image.save(stream, "JPEG", quality=_QUALITY, comment=_MARK)
    with naming_errors(path), replacing(path) as beside:
        beside.write_bytes(stream.getvalue())


def _is_own_or_absent(path: Path) -> bool:
    if not path.exists() and not path.is_symlink():
        return True
    if path.is_symlink() or not path.is_file():
        return False
    with naming_errors(path), path.open("rb") as file:
        return _MARK in file.read(1024)
