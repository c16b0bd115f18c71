"""Files that a table names: where each path leads, or why it is not read."""

import os
import re
import stat
import unicodedata
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote

from pipeline.images.files.kinds import has_image_extension, is_system_folder
from pipeline.images.remote.addresses import is_url, refusal

_DRIVE = re.compile(r"[A-Za-z]:[\\/]|\\\\\w")
_FILE_URL = re.compile(r"file://(localhost)?/", re.IGNORECASE)
_LOCAL_FILES = "/data/local-files/?d="
"""What Label Studio writes before a path."""

_NUMBER = re.compile(r"(\d+)(?:\.0)?(\.[A-Za-z]\w*)?")
_NO_FILE = "no such file"
_TRIED = 50
"""Paths by which the folders of another computer are found."""

_MOST_ENTRIES = 1_000_000
"""Files and folders that are looked at for names without a folder: the folder of a table may be anything, even a home folder."""


@dataclass
class Locator:
    """Finds the files of a table's paths. Folders are resolved and listed once each: a table names thousands of files in a few."""

    root: Path
    """The folder that relative paths begin in."""

    may_leave: bool = False
    """Relative paths may lead out of the root by `..`: the user named the root."""

    follow_links: bool = False
    """Links to folders may lead out of the root."""

    below: bool = False
    """Names without a folder are looked for in the folders below the root, too."""

    moved: dict[str, str] = field(default_factory=dict)
    """Names without a folder that were found in a folder below the root, and the paths of their files."""

    respelled: dict[str, str] = field(default_factory=dict)
    """Paths that were found with other capital letters, and the paths of their files."""

    numbered: dict[str, str] = field(default_factory=dict)
    """Paths that are numbers without the zeros that the names of their files begin with, and the paths of these."""

    prefix: str = ""
    """The first folders of all paths, which are those of another computer: the paths are read without them. Empty: no path is changed."""

    _inside: str = ""
    _folders: dict[str, str] = field(default_factory=dict)
    _listings: dict[str, dict[str, list[str]]] = field(default_factory=dict)
    _cases: dict[str, dict[str, list[str]]] = field(default_factory=dict)
    _numbers: dict[str, dict[str, list[str]]] = field(default_factory=dict)
    _deep: dict[str, list[str]] | None = None

    def __post_init__(self) -> None:
        self._inside = os.path.realpath(self.root)

    def locate(self, given: str | None) -> tuple[str, str | None]:
        """The path of a regular file, relative to the root if it is below it, or a URL; and why there is none, or None.

        The path is tried as it is, then with slashes for backslashes, in the other Unicode form, with other capital letters, and with
        the ending of the only image of that name. A name without a folder is then looked for in the folders below the root.
        """
        path = plain_path(given)
        if not path:
            return "", "empty path"
        if is_url(path):
            return path, refusal(path)
        path = path.removeprefix(self.prefix)
        for other in (path, *self._others(path)):
            reason = self._check(other)
            if reason != _NO_FILE:
                return self._shown(other), reason
        if os.name != "nt" and _DRIVE.match(path):
            where = f"is on a drive of another computer ({path[:2]})"
            return path, f"{where}: give paths relative to the table, or to --root"
        return self._locate_nearly(path, path.replace("\\", "/"))

    def _locate_nearly(self, given: str, path: str) -> tuple[str, str | None]:
        """As `locate`, for a path of no file: with other capital letters, or with an ending."""
        if respelled := self._with_other_case(path):
            self.respelled[given] = respelled
            return self._shown(respelled), self._check(respelled)
        found, reason = self._with_ending(path)
        if reason == _NO_FILE and (number := self._with_zeros(path)):
            self.numbered[given] = number
            return self._shown(number), self._check(number)
        return found, self._with_hint(path) if reason == _NO_FILE else reason

    def notes(self, num_paths: int) -> list[str]:
        """Sentences about the paths, of so many, whose files have another name or are in another folder."""
        found = []
        if self.prefix:
            found.append(
                f"The paths begin with {self.prefix!r}, which is not here; they are read without it, below {self.root}."
            )
        if self.moved:
            name, path = next(iter(self.moved.items()))
            many = f"{len(self.moved):,} of {num_paths:,} paths are names without a folder"
            found.append(f"{many}; their images were found in folders below {self.root}: {name!r} is {path!r}.")
        if self.numbered:
            name, path = next(iter(self.numbered.items()))
            many = f"{len(self.numbered):,} of {num_paths:,} paths are numbers without the zeros of their files, as spreadsheets write them"
            found.append(f"{many}: {name!r} is {path!r}.")
        if self.respelled:
            name, path = next(iter(self.respelled.items()))
            many = f"{len(self.respelled):,} of {num_paths:,} paths differ from the names of their files in capital letters"
            found.append(f"{many}: {name!r} is {path!r}.")
        return found

    def _with_other_case(self, path: str) -> str | None:
        """The only file whose path differs in capital letters alone, as systems that ignore them would open it; None if there is none."""
        found = "/" if path.startswith("/") else ""
        for part in path.strip("/").split("/"):
            if part in ("", ".", ".."):
                found += f"{part}/"
                continue
            if found not in self._cases:
                self._cases[found] = self._list_folded(found)
            same = self._cases[found].get(unicodedata.normalize("NFC", part).casefold(), [])
            name = part if part in same else same[0] if len(same) == 1 else None
            if name is None:
                return None
            found += f"{name}/"
        found = found.rstrip("/")
        return found if self._check(found) is None else None

    def _list_folded(self, folder: str) -> dict[str, list[str]]:
        """Names in a folder by their small letters."""
        names: dict[str, list[str]] = defaultdict(list)
        try:
            entries = os.listdir(os.path.join(self._inside, folder))  # noqa: PTH118, PTH208 names alone
        except (OSError, ValueError):
            entries = []
        for entry in entries:
            names[unicodedata.normalize("NFC", entry).casefold()].append(entry)
        return names

    def _with_hint(self, path: str) -> str:
        """That there is no such file, and the image of this name with another ending, if there is one."""
        folder, name = os.path.split(path)
        try:
            near = self._listing(folder).get(unicodedata.normalize("NFC", name).rpartition(".")[0], [])
        except (OSError, ValueError):
            near = []
        return f"{_NO_FILE}: there is {near[0]!r}" if near else _NO_FILE

    def _others(self, path: str) -> list[str]:
        """Other forms of a path: with slashes, with spaces for `%20`, and in the other Unicode form."""
        slashed = path.replace("\\", "/").removeprefix(_LOCAL_FILES)
        plain = {slashed, unquote(slashed)} if "%" in slashed else {slashed}
        forms = {unicodedata.normalize(f, text) for text in plain if not text.isascii() for f in ("NFC", "NFD")}
        return sorted((plain | forms) - {path})

    def elsewhere(self, paths: Sequence[str | None]) -> "Locator | None":
        r"""A locator for paths none of which is here, if most of them are here without their first folders; None otherwise.

        Tables come with the folders of the computer that they were made on: `C:\Users\me\photos\cats\1.jpg`.
        """
        given = [path for path in map(plain_path, paths) if path and not is_url(path)][:_TRIED]
        plain = Locator(self.root, self.may_leave, self.follow_links)
        for path in given:
            folders = [match.end() for match in re.finditer(r"[\\/]+", path)]
            for prefix in (path[:end] for end in folders if end < len(path)):
                rest = [other[len(prefix) :] for other in given if other.startswith(prefix)]
                if 2 * sum(plain.locate(name)[1] is None for name in rest) > len(given):
                    return Locator(self.root, self.may_leave, self.follow_links, prefix=prefix)
        return None

    def _with_ending(self, path: str) -> tuple[str, str | None]:
        """The only image with this name and an ending."""
        folder, name = os.path.split(path)
        try:
            found = self._listing(folder).get(unicodedata.normalize("NFC", name), [])
        except (OSError, ValueError):
            found = []
        if not found and self.below and not folder:
            found = self._found_below(unicodedata.normalize("NFC", name))
            self.moved |= {name: found[0]} if len(found) == 1 else {}
        if len(found) != 1:
            several = f"several images have this name: {', '.join(sorted(found)[:4])}" if found else _NO_FILE
            return path, several
        path = os.path.join(folder, found[0])  # noqa: PTH118 strings are faster
        return self._shown(path), self._check(path)

    def _with_zeros(self, path: str) -> str | None:
        """The only image whose name is the same number: `0007.png` for `7`, `7.0` or `7.png`."""
        folder, name = os.path.split(path)
        match = _NUMBER.fullmatch(name)
        if match is None:
            return None
        number, ending = match[1].lstrip("0"), (match[2] or "").casefold()
        try:
            listing = self._listing(folder)
        except (OSError, ValueError):
            return None
        images = [image for stem in self._stems(folder, listing).get(number, []) for image in listing[stem]]
        found = [image for image in images if image.casefold().endswith(ending)]
        return os.path.join(folder, found[0]) if len(found) == 1 else None  # noqa: PTH118 strings are faster

    def _stems(self, folder: str, listing: dict[str, list[str]]) -> dict[str, list[str]]:
        """Names without ending that are numbers, by the number."""
        if folder not in self._numbers:
            found: dict[str, list[str]] = defaultdict(list)
            for stem in listing:
                if stem.isascii() and stem.isdigit():
                    found[stem.lstrip("0")].append(stem)
            self._numbers[folder] = found
        return self._numbers[folder]

    def _found_below(self, name: str) -> list[str]:
        """Images of this name, with or without its ending, in the folders below the root: paths relative to the root."""
        if self._deep is None:
            self._deep = _list_below(self._inside)
        return self._deep.get(name, [])

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


def plain_path(given: str | None) -> str:
    """A path without spaces around it; that of a `file://` URL."""
    path = (given or "").strip()
    if match := _FILE_URL.match(path):
        path = unquote(path[match.end() - 1 :])
        path = path[1:] if _DRIVE.match(path[1:]) else path
    return path


def _list_below(root: str) -> dict[str, list[str]]:
    """Paths of the images in the folders below a root, by their names with and without ending; links to folders are not followed."""
    found: dict[str, list[str]] = defaultdict(list)
    num_entries = 0
    for folder, folders, names in os.walk(root):
        folders[:] = sorted(name for name in folders if not is_system_folder(name))
        num_entries += len(folders) + len(names)
        if num_entries > _MOST_ENTRIES:
            break
        above = os.path.relpath(folder, root).replace(os.sep, "/")
        for name in names if above != "." else ():
            if has_image_extension(name):
                form = unicodedata.normalize("NFC", name)
                for key in (form, form.rpartition(".")[0]):
                    found[key].append(f"{above}/{name}")
    return found
