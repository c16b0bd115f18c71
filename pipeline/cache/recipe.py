"""The recipe: everything that can change a feature's value. Its SHA-256 is the store's fingerprint.

Not in it: paths, labels, splits, batch size, engine, worker count, library versions. They either
cannot change a value beyond rounding, or are written into each shard as provenance.
"""

import hashlib
import json
from dataclasses import asdict, dataclass, replace
from typing import Any

from pipeline.bases.zoo import Preprocessing
from pipeline.errors import SettingError
from pipeline.images.decode import Decoder

SCHEMA = 1
DTYPES = ("float32", "float16")
POOLINGS = ("none", "avg", "max")


@dataclass(frozen=True)
class Recipe:
    """How rows are made. Two recipes are the same exactly when their fingerprints are."""

    base: str
    """Name of the base."""

    decoder: Decoder
    """Input size, resize method, EXIF rule."""

    preprocessing: Preprocessing
    """Order, scale and offset of the channels."""

    trunk_digest: str
    """SHA-256 over the tensors of the layers up to the cut."""

    cut: str
    """The last layer of the trunk."""

    pooling: str = "none"
    """`none` keeps the grid; `avg` and `max` store one value a channel."""

    dtype: str = "float32"
    """`float32`, or `float16` at half the space and a relative error of 2^-11."""

    precision: str = "float32"
    """Arithmetic of the trunk: `float32`, `mixed_float16` or `mixed_bfloat16`."""

    augmentation: str | None = None
    """Settings of views 1 to K as canonical JSON; None in the store of view 0, which they cannot change."""

    def __post_init__(self) -> None:
        if self.dtype not in DTYPES:
            raise SettingError(f"The stored dtype is one of {DTYPES}. Received: {self.dtype!r}.")
        if self.pooling not in POOLINGS:
            raise SettingError(f"The pooling is one of {POOLINGS}. Received: {self.pooling!r}.")

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return {
            "schema": SCHEMA,
            "base": self.base,
            "decoder": asdict(self.decoder),
            "preprocessing": self.preprocessing.as_dict(),
            "trunk_digest": self.trunk_digest,
            "cut": self.cut,
            "pooling": self.pooling,
            "dtype": self.dtype,
            "precision": self.precision,
            "augmentation": self.augmentation,
        }

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "Recipe":
        """The recipe of `as_dict`.

        Raises:
            SettingError: Another schema, or fields are missing or unknown.
        """
        fields = dict(values)
        if fields.pop("schema", None) != SCHEMA:
            raise SettingError(f"A recipe has schema {SCHEMA}. Received: {values.get('schema')!r}.")
        try:
            preprocessing = fields.pop("preprocessing")
            return cls(
                decoder=Decoder(**fields.pop("decoder")),
                preprocessing=Preprocessing(
                    "recorded", preprocessing["order"], tuple(preprocessing["scale"]), tuple(preprocessing["offset"])
                ),
                **fields,
            )
        except (KeyError, TypeError, AttributeError) as error:
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

    def with_pooling(self, pooling: str) -> "Recipe":
        """The same rows, pooled."""
        return replace(self, pooling=pooling)
