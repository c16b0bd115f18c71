"""What the names of images say about others: masks of them, and images of one series (a patient, a video, versions of one image).

Masks are no images of a class. Images of a series resemble each other, so that scores are too good where they are in several splits.
"""

import re
from collections import defaultdict
from collections.abc import Sequence

from pipeline.images.sources.words import is_filler, normalize

_HINTS = ("mask", "seg", "truth", "annot", "gt")
_MASK = re.compile(r"(?P<stem>.+?)[ ._-]+(mask|seg|segmentation|gt|ground[ _-]?truth)([ ._-]?\d{1,3})?", re.IGNORECASE)
_MASK_FOLDERS = frozenset(["mask", "masks", "segmentation", "segmentations", "ground truth", "gt", "annotations"])

_FEWEST_SERIES, _PER_CLASS = 4, 2
_ENOUGH = 50_000
"""So many names show whether there are series."""

_VERSION = re.compile(r"[._](jpe?g|png|bmp|webp)\.rf\.[0-9a-zA-Z]+$", re.IGNORECASE)
"""What Roboflow adds to the name of an image for each version that it makes of it."""

_LAST_WORD = re.compile(r"[ ._-]+[A-Za-z]{1,9}$")
_DATE = re.compile(r"(?<!\d)(19|20)\d\d[-_.]?\d\d[-_.]?\d\d(?!\d)")


def warn_of_masks(names: Sequence[str]) -> list[str]:
    """A sentence about images that are masks of others by their names: `a/1_mask.png` beside `a/1.png`, `masks/1.png` beside `images/1.png`."""
    together = "\n".join(names).casefold()
    if not any(hint in together for hint in _HINTS):
        return []
    images = {name.rpartition(".")[0]: name for name in names}
    fillers = {_place(stem): name for stem, name in images.items() if is_filler(_folder(stem))}
    found = []
    for stem, name in images.items():
        match = _MASK.fullmatch(stem)
        plain = match["stem"] if match and "/" not in stem[match.end("stem") :] else stem
        in_masks = normalize(_folder(stem)) in _MASK_FOLDERS
        image = fillers.get(_place(plain)) if in_masks else None if plain == stem else images.get(plain)
        if image is not None:
            found.append((name, image))
    if not found:
        return []
    first = f"{found[0][0]!r} of {found[0][1]!r}"
    seen = (
        f"{len(found):,} of {len(names):,} images seem to be masks of others, and are read as images, such as {first}."
    )
    return [f"{seen} Move masks out of the data, or give a table of the other images."]


def _folder(stem: str) -> str:
    """The name of the folder that an image is in."""
    return stem.rpartition("/")[0].rpartition("/")[2]


def _place(stem: str) -> tuple[str, str]:
    """The path of an image without the folder that it is in."""
    folder, _, base = stem.rpartition("/")
    return folder.rpartition("/")[0], base


def warn_of_series(names: Sequence[str], labels: Sequence[str | None]) -> list[str]:
    """A sentence about images that may belong together by their names, for data that has neither groups nor splits for all.

    Args:
        names: N paths.
        labels: N labels.
    """
    series: dict[str, list[str]] = defaultdict(list)
    names, labels = names[:_ENOUGH], labels[:_ENOUGH]
    for name, label in zip(names, labels, strict=True):
        if key := _series(name, label):
            series[key].append(name)
    several = [members for members in series.values() if len(members) > 1]
    num_images = sum(map(len, several))
    if len(several) < max(_FEWEST_SERIES, _PER_CLASS * len(set(labels))) or 2 * num_images < len(names):
        return []
    example = " and ".join(map(repr, several[0][:2]))
    seen = f"{num_images:,} of {len(names):,} images seem to belong to {len(several):,} series (a patient, a video, versions of one image)"
    doubt = "Images of one series may be in several splits, so that scores are too good."
    cure = "If they belong together, give a table with the columns path, label and group."
    return [f"{seen}, such as {example}. {doubt} {cure}"]


def _series(name: str, label: str | None) -> str:
    """What images of one series share in their names: `a/patient7` of `a/patient7_3.jpg`, `a/video3` of `a/video3/1.jpg`; empty if there is none.

    It has a number of its own, and not that of a day: `cat.1` and `IMG_20230401_120000` are no series.
    """
    folder, _, base = name.rpartition("/")
    above, _, inner = folder.rpartition("/")
    if label is not None and label in above.split("/") and _has_number(inner):
        return folder
    stem = base.rpartition(".")[0] or base
    if version := _VERSION.search(stem):
        return f"{folder}/{stem[: version.start()]}"
    core = stem.rstrip(")").rstrip("0123456789")
    if len(core) == len(stem):
        return ""
    core = _LAST_WORD.sub("", core.rstrip(" ._-("))
    return f"{folder}/{core}" if _has_number(core) else ""


def _has_number(text: str) -> bool:
    return any(map(str.isdigit, text)) and _DATE.search(text) is None
