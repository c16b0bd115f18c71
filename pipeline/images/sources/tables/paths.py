"""Files that a table names: where each path leads, or why it is not read."""

import os
import re
import stat
import unicodedata
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote

from pipeline.images.files.kinds import has_image_extension

_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")
_DRIVE = re.compile(r"[A-Za-z]:[\\/]|\\\\\w")
_NO_FILE = "no such file"


@dataclass
class Locator:
    """Finds the files of a table's paths. Folders are resolved and listed once each: a table names thousands of files in a few."""

    root: Path
    """The folder that relative paths begin in."""

    may_leave: bool = False
    """Relative paths may lead out of the root by `..`: the user named the root."""

    follow_links: bool = False
    """Links to folders may lead out of the root."""

    _inside: str = ""
    _folders: dict[str, str] = field(default_factory=dict)
    _listings: dict[str, dict[str, list[str]]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._inside = os.path.realpath(self.root)

    def locate(self, given: str | None) -> tuple[str, str | None]:
        """The path of a regular file, relative to the root if it is below it; and why there is none, or None.

        The path is tried as it is, then with slashes for backslashes, in the other Unicode form, and with the ending of the only
        image of that name.
        """
        path = (given or "").strip()
        if not path:
            return "", "empty path"
        if path.startswith("file:///"):
            path = unquote(path[7:])
        if _URL.match(path):
            return path, "is a URL: download the image, and give the path of the file"
        reason = self._check(path)
        if reason != _NO_FILE:
            return self._shown(path), reason
        for other in self._others(path):
            reason = self._check(other)
            if reason != _NO_FILE:
                return self._shown(other), reason
        if os.name != "nt" and _DRIVE.match(path):
            return (
                path,
                f"is on a drive of another computer ({path[:2]}): give paths relative to the table, or to --root",
            )
        return self._with_ending(path.replace("\\", "/"))

    def _others(self, path: str) -> list[str]:
        slashed = path.replace("\\", "/")
        forms = (
            {slashed} if slashed.isascii() else {slashed, *(unicodedata.normalize(f, slashed) for f in ("NFC", "NFD"))}
        )
        return sorted(forms - {path})

    def _with_ending(self, path: str) -> tuple[str, str | None]:
        """The only image with this name and an ending."""
        folder, name = os.path.split(path)
        try:
            found = self._listing(folder).get(unicodedata.normalize("NFC", name), [])
        except (OSError, ValueError):
            found = []
        if len(found) != 1:
            several = f"several images have this name: {', '.join(sorted(found)[:4])}" if found else _NO_FILE
            return path, several
        path = os.path.join(folder, found[0])  # noqa: PTH118 strings are faster
        return self._shown(path), self._check(path)

    def _listing(self, folder: str) -> dict[str, list[str]]:
        """Names of the images of a folder by their names without ending."""
        if folder not in self._listings:
            found: dict[str, list[str]] = defaultdict(list)
            with os.scandir(self.root / folder) as entries:
                for entry in entries:
                    if has_image_extension(entry.name):
                        found[unicodedata.normalize("NFC", entry.name.rpartition(".")[0])].append(entry.name)
            self._listings[folder] = found
        return self._listings[folder]

    def _check(self, path: str) -> str | None:
        """Why a path is not read; None for a regular file."""
        try:
            full = os.path.join(self._inside, path)  # noqa: PTH118
            mode = os.stat(full).st_mode  # noqa: PTH116
        except (FileNotFoundError, NotADirectoryError):
            broken = os.path.islink(os.path.join(self._inside, path))  # noqa: PTH114, PTH118
            return "is a link to a file that does not exist" if broken else _NO_FILE
        except (OSError, ValueError) as error:  # too long, a zero byte, a loop of links
            return f"not a path: {getattr(error, 'strerror', None) or error}"
        if not stat.S_ISREG(mode):
            return "is a folder" if stat.S_ISDIR(mode) else "not a regular file"
        return None if os.path.isabs(path) else self._leaving(path)  # noqa: PTH117

    def _leaving(self, path: str) -> str | None:
        """Why a relative path may not be read although the file exists."""
        folder = os.path.dirname(path)  # noqa: PTH120
        if folder not in self._folders:
            self._folders[folder] = os.path.realpath(os.path.join(self._inside, folder))  # noqa: PTH118
        if self._is_inside(self._folders[folder]):
            return None
        if not self._is_inside(os.path.normpath(os.path.join(self._inside, folder))):  # noqa: PTH118
            return (
                None if self.may_leave else "leaves the folder by '..': name the folder that paths begin in with --root"
            )
        return None if self.follow_links else "is reached by a link to a folder outside: --follow-links follows it"

    def _is_inside(self, folder: str) -> bool:
        return folder == self._inside or folder.startswith(self._inside.rstrip("/\\") + os.sep)

    def _shown(self, path: str) -> str:
        """An absolute path below the root as a relative one."""
        if os.path.isabs(path) and self._is_inside(os.path.dirname(path)):  # noqa: PTH117, PTH120
            return os.path.relpath(path, self._inside).replace(os.sep, "/")
        return path
