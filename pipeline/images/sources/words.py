"""Words by which people name splits and columns, however they spell them."""

import re

SPLIT_WORDS = {
    "train": "train",
    "training": "train",
    "trn": "train",
    "validation": "validation",
    "validate": "validation",
    "valid": "validation",
    "val": "validation",
    "dev": "validation",
    "development": "validation",
    "test": "test",
    "testing": "test",
    "tst": "test",
    "eval": "test",
    "evaluation": "test",
    "publictest": "validation",
    "privatetest": "test",
}
"""Words of splits. `eval` is a test split, as in Hugging Face's data sets; `PublicTest` and `PrivateTest` are those of FER2013."""

_SHORT = {"tr": "train", "va": "validation", "te": "test"}
"""Words of splits in the cells of a table only: folders of these names may be languages."""

_PAIRS = ("publictest", "privatetest")
"""Words of splits that are written as two."""

_FILLERS = frozenset(
    [
        "set",
        "sets",
        "split",
        "splits",
        "data",
        "dataset",
        "datasets",
        "image",
        "images",
        "img",
        "imgs",
        "picture",
        "pictures",
        "photo",
        "photos",
        "sample",
        "samples",
        "seg",
    ]
)
_JOINED = re.compile(r"^(?P<word>[a-z]+?)(set|data|split|images|imgs)$")


def normalize(name: str) -> str:
    """A name without the differences of spelling that mean nothing: `Image_Path `, `image-path` and `imagePath` are `image path`."""
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", name.strip())
    return " ".join(re.split(r"[\W_]+", spaced.strip("_ -."))).casefold().strip()


def split_of(name: str) -> str | None:
    """`train`, `validation` or `test`, if a name means one of them: `Train`, `training_set`, `seg_test`, `dev`, `valid images`."""
    words = [word for word in normalize(name).split() if word not in _FILLERS]
    if len(words) != 1:
        joined_name = "".join(words)
        return SPLIT_WORDS[joined_name] if joined_name in _PAIRS else None
    joined = _JOINED.match(words[0])
    return SPLIT_WORDS.get(words[0]) or (SPLIT_WORDS.get(joined["word"]) if joined else None)


def split_of_cell(value: str) -> str | None:
    """As `split_of`, for a value in a column of splits, in which `tr`, `va` and `te` occur too."""
    return split_of(value) or _SHORT.get(normalize(value))


def nearly_split_of(name: str) -> str | None:
    """The split whose word a name contains among others: `train2017`, `test_v2`, `new validation`; None if there is none, or two."""
    words = re.findall(r"[a-z]+", normalize(name))
    found = {SPLIT_WORDS[word] for word in words if word in SPLIT_WORDS}
    return found.pop() if len(found) == 1 else None


def is_filler(name: str) -> bool:
    """Whether a name says no more than that there are images: `images`, `data set`, `imgs`."""
    words = normalize(name).split()
    return bool(words) and _FILLERS.issuperset(words)
