"""The recipe: everything that can change a feature's value. Its SHA-256 is the store's fingerprint.

Paths, labels, splits, batch size, engine, number of workers and library versions are not in it: they change no value
beyond rounding. Engine and versions are stored in each shard as provenance.
"""

import hashlib
import json
import re
import reprlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pipeline.bases.table import PRECISIONS, Preprocessing
from pipeline.cache.own import is_gone, reading
from pipeline.errors import DamagedStoreError, SettingError
from pipeline.files import write_json
from pipeline.images.augment import ViewMaker
from pipeline.images.decoding.decoder import Decoder

SCHEMA = 1
DTYPES = ("float32", "float16")
POOLINGS = ("none", "avg", "max")

# Base and cut are parts of a folder's name, and a recipe may come from elsewhere. Keras allows no "/" in a layer's name, and all
# names in its networks consist of these characters. `+` joins bases.
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+-]{0,95}")
_DIGEST = re.compile(r"[0-9a-f]{64}")
_MAX_AUGMENTATION = 4096
MAX_RECIPE_BYTES = 2**20


@dataclass(frozen=True)
class Recipe:
    """How rows are computed. Two recipes are equal exactly when their fingerprints are.

    All fields are checked, wherever they come from, so that the folder name never contains a path.

    Raises:
        SettingError: A field has a wrong type or is out of range.
    """

    base: str
    """Name of the base."""

    decoder: Decoder
    """Input size, resize method, EXIF rule, fit, background, version."""

    preprocessing: Preprocessing
    """Order, scale and offset of the channels."""

    trunk_digest: str
    """SHA-256 over the tensors of the layers up to the cut."""

    cut: str
    """The last layer of the trunk."""

    pooling: str = "none"
    """`none` keeps the grid; `avg` and `max` store one value per channel."""

    dtype: str = "float32"
    """`float32`, or `float16`: half the space, with a relative error of 2^-11."""

    precision: str = "float32"
    """Arithmetic of the trunk; see `pipeline.bases.table.PRECISIONS`."""

    augmentation: str | None = None
    """Settings of views 1 to K as canonical JSON; None for view 0, which they cannot change."""

    def __post_init__(self) -> None:
        for what, value, allowed in (
            ("stored dtype", self.dtype, DTYPES),
            ("pooling", self.pooling, POOLINGS),
            ("precision", self.precision, PRECISIONS),
        ):
            if value not in allowed:
                raise SettingError(f"The {what} is one of {allowed}. Received: {reprlib.repr(value)}.")
        for what, value, pattern, expected in (
            ("base", self.base, _NAME, "up to 96 letters, digits, '_', '.', '+' and '-'"),
            ("cut", self.cut, _NAME, "up to 96 letters, digits, '_', '.', '+' and '-'"),
            ("trunk's digest", self.trunk_digest, _DIGEST, "64 hexadecimal digits"),
        ):
            if not isinstance(value, str) or not pattern.fullmatch(value):
                raise SettingError(f"The {what} has {expected}. Received: {reprlib.repr(value)}.")
        if not isinstance(self.decoder, Decoder) or not isinstance(self.preprocessing, Preprocessing):
            raise SettingError("A recipe has a decoder and a preprocessing.")
        _check_augmentation(self.augmentation)

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return {
            "schema": SCHEMA,
            "base": self.base,
            "decoder": self.decoder.as_dict(),
            "preprocessing": self.preprocessing.as_dict(),
            "trunk_digest": self.trunk_digest,
            "cut": self.cut,
            "pooling": self.pooling,
            "dtype": self.dtype,
            "precision": self.precision,
            "augmentation": self.augmentation,
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "Recipe":
        """The recipe of `as_dict`.

        Raises:
            SettingError: The schema differs, fields are missing or unknown, or a value has a wrong type or is out of range.
        """
        if not isinstance(values, Mapping):
            raise SettingError(f"A recipe is a JSON object. Received: {reprlib.repr(values)}.")
        fields = dict(values)
        schema = fields.pop("schema", None)
        if type(schema) is not int or schema != SCHEMA:
            raise SettingError(f"A recipe has schema {SCHEMA}. Received: {reprlib.repr(schema)}.")
        try:
            preprocessing = fields.pop("preprocessing")
            return cls(
                decoder=Decoder.from_dict(fields.pop("decoder")),
                preprocessing=Preprocessing(
                    "recorded", preprocessing["order"], tuple(preprocessing["scale"]), tuple(preprocessing["offset"])
                ),
                **fields,
            )
        except (KeyError, TypeError, AttributeError, RecursionError) as error:
            raise SettingError(f"Not a recipe: {error}. Received: {sorted(values)}.") from error

    def canonical_json(self) -> str:
        """The text that is hashed: keys sorted, no spaces."""
        return json.dumps(self.as_dict(), sort_keys=True, separators=(",", ":"), allow_nan=False)

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the canonical JSON, 64 hex digits."""
        return hashlib.sha256(self.canonical_json().encode()).hexdigest()

    @property
    def folder_name(self) -> str:
        """`vgg16-150px-block5_pool-3f9a1c20b7de`: readable, and unique by the fingerprint's first 12 digits."""
        pooling = "" if self.pooling == "none" else f"-{self.pooling}"
        return f"{self.base}-{self.decoder.size_px}px-{self.cut}{pooling}-{self.fingerprint[:12]}"

    @property
    def has_whole_grids(self) -> bool:
        """Whether rows of later layers can be derived from its rows: whole grids in full precision."""
        return (self.pooling, self.dtype, self.precision) == ("none", "float32", "float32")

    def with_max_pixels(self, max_pixels: int) -> "Recipe":
        """The same recipe, whose decoder refuses images with more pixels than these."""
        return replace(self, decoder=replace(self.decoder, max_pixels=max_pixels))

    def with_pooling(self, pooling: str) -> "Recipe":
        """The same recipe with another pooling."""
        return replace(self, pooling=pooling)


def read_recipe(folder: Path) -> Recipe:
    """The recipe of a store's folder.

    Raises:
        DamagedStoreError: There is no recipe.json, or it holds no recipe.
        UnreadableStoreError, ForeignEntryError: The file cannot be read; see `reading`.
    """
    path = folder / "recipe.json"
    if is_gone(path):
        raise DamagedStoreError(f"{folder} is not a store: it has no recipe.json.")
    with reading(path, MAX_RECIPE_BYTES) as source:
        return parse_recipe(source.readall(), str(folder))


def parse_recipe(text: bytes, store: str) -> Recipe:
    """The recipe in a recipe.json.

    Args:
        text: Its bytes.
        store: What the message calls the store.

    Raises:
        DamagedStoreError: They hold no recipe.
    """
    try:
        return Recipe.from_dict(json.loads(text))
    except (ValueError, RecursionError) as error:
        raise DamagedStoreError(f"{store} is not a store: recipe.json cannot be read: {error}") from error


def write_recipe(recipe: Recipe, folder: Path) -> None:
    """Write recipe.json; it is complete whenever its name exists."""
    write_json(folder / "recipe.json", sorted_values(recipe), sync=True)


def sorted_values(recipe: Recipe) -> dict[str, Any]:
    """What recipe.json holds."""
    return dict(sorted(recipe.as_dict().items()))


def mend_recipe(recipe: Recipe, folder: Path) -> None:
    """Write recipe.json if it is missing or damaged, or is that of another recipe.

    Raises:
        UnreadableStoreError, ForeignEntryError: The file cannot be read; see `reading`.
        OSError: It cannot be written.
    """
    try:
        found = read_recipe(folder).fingerprint
    except DamagedStoreError:
        found = None
    if found != recipe.fingerprint:
        write_recipe(recipe, folder)


def _check_augmentation(text: str | None) -> None:
    """Raise SettingError unless the text is None or the settings of a `ViewMaker`."""
    if text is None:
        return
    if not isinstance(text, str) or len(text) > _MAX_AUGMENTATION:
        raise SettingError(
            f"The augmentation is a JSON text of at most {_MAX_AUGMENTATION:,} characters. Received: {reprlib.repr(text)}."
        )
    ViewMaker.from_json(text)
