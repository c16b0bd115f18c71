"""Seeded augmentation: views of an image that are the same on every machine and in any order of work.

The geometry is that of Keras's ImageDataGenerator, which the published recipes use: rotation, shift,
shear and zoom about the centre as one affine map with bilinear sampling, then flips, then colour.
"""

import hashlib
import json
import math
from collections.abc import Collection
from dataclasses import asdict, dataclass
from difflib import get_close_matches

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import SettingError, check_choice

FILLS = {"nearest": "nearest", "reflect": "reflect", "constant": "constant", "wrap": "grid-wrap"}


@dataclass(frozen=True)
class Augmentation:
    """Ranges that a view is drawn from, uniformly and independently."""

    rotation: float = 0.0
    """Degrees, in both directions."""

    width_shift: float = 0.0
    """Share of the width, in both directions."""

    height_shift: float = 0.0
    """Share of the height, in both directions."""

    shear: float = 0.0
    """Degrees, in both directions (the unit of ImageDataGenerator: its 0.2 is a fifth of a degree)."""

    zoom: float = 0.0
    """Each axis is scaled by its own factor in [1 - zoom, 1 + zoom]."""

    horizontal_flip: bool = False
    vertical_flip: bool = False

    brightness: float = 0.0
    """Pixels are multiplied by a factor in [1 - brightness, 1 + brightness]."""

    contrast: float = 0.0
    """Distances from the image's mean are multiplied by a factor in [1 - contrast, 1 + contrast]."""

    fill: str = "nearest"
    """Pixels beyond the border: `nearest`, `reflect`, `constant` (black) or `wrap`."""

    def __post_init__(self) -> None:
        check_choice("fill", self.fill, tuple(FILLS))  # a tuple: a value from elsewhere may have no hash
        for name in ("rotation", "width_shift", "height_shift", "shear", "zoom", "brightness", "contrast"):
            value, limit = getattr(self, name), 1 if name in ("zoom", "brightness", "contrast") else math.inf
            is_number = isinstance(value, int | float) and not isinstance(value, bool)
            if not is_number or not 0 <= value < limit:
                raise SettingError(
                    f"{name} must be a finite number, 0 or more; zoom, brightness and contrast must be below 1. Received: {value!r}."
                )
        for name in ("horizontal_flip", "vertical_flip"):
            if not isinstance(getattr(self, name), bool):
                raise SettingError(f"{name} is true or false. Received: {getattr(self, name)!r}.")

    def canonical_json(self) -> str:
        """The settings as JSON with sorted keys and no spaces."""
        return json.dumps(asdict(self), sort_keys=True, separators=(",", ":"))

    def as_text(self) -> str:
        """The text from which `parse_augmentation` makes these settings, as short as possible: a name, a name with changes, or settings."""
        wanted = self.canonical_json()
        texts = [",".join(self._changes_from(Augmentation())) or "none", *PUBLISHED]
        texts += [",".join([name, *self._changes_from(named)]) for name, named in NAMED.items()]
        # Not ==: 40 and 40.0 are equal, but their views are different ones.
        exact = [text for text in texts if (made := parse_augmentation(text)) and made.canonical_json() == wanted]
        return min(exact, key=lambda text: (text.count(","), len(text)), default=texts[0])

    def _changes_from(self, other: "Augmentation") -> list[str]:
        """The settings that differ, as text."""
        mine, theirs = asdict(self), asdict(other)
        changed = {name: value for name, value in mine.items() if value != theirs[name]}
        return [name if value is True else f"{name}={str(value).lower()}" for name, value in changed.items()]

    def __call__(self, pixels: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
        """Draw a view of an image.

        Args:
            pixels: uint8 of shape (H, W, 3); not changed.
            rng: Source of the draws. Their number is always the same, so that one setting does not change the draws of the others.
        """
        draws = rng.uniform(-1, 1, 9)
        image = self._map(pixels, draws)
        if self.horizontal_flip and draws[6] < 0:
            image = image[:, ::-1]
        if self.vertical_flip and draws[7] < 0:
            image = image[::-1]
        return self._colour(image, draws[8], rng.uniform(-1, 1))

    def _map(self, pixels: NDArray[np.uint8], draws: NDArray[np.float64]) -> NDArray[np.uint8]:
        if not any((self.rotation, self.width_shift, self.height_shift, self.shear, self.zoom)):
            return pixels
        from scipy import ndimage  # loading it takes longer than training a linear head

        height, width, _ = pixels.shape
        turn, slant = np.deg2rad(draws[0] * self.rotation), np.deg2rad(draws[1] * self.shear)
        rotate = np.array([[np.cos(turn), -np.sin(turn), 0], [np.sin(turn), np.cos(turn), 0], [0, 0, 1]])
        shift = np.array(
            [[1, 0, draws[2] * self.height_shift * height], [0, 1, draws[3] * self.width_shift * width], [0, 0, 1]]
        )
        shear = np.array([[1, -np.sin(slant), 0], [0, np.cos(slant), 0], [0, 0, 1]])
        zoom = np.diag([1 + draws[4] * self.zoom, 1 + draws[5] * self.zoom, 1])
        centre = np.array([[1, 0, height / 2 - 0.5], [0, 1, width / 2 - 0.5], [0, 0, 1]])
        matrix = centre @ rotate @ shift @ shear @ zoom @ np.linalg.inv(centre)
        channels = [
            ndimage.affine_transform(
                pixels[..., channel].astype(np.float32), matrix[:2, :2], matrix[:2, 2], order=1, mode=FILLS[self.fill]
            )
            for channel in range(3)
        ]
        return _to_uint8(np.stack(channels, axis=-1))

    def _colour(self, pixels: NDArray[np.uint8], brightness: float, contrast: float) -> NDArray[np.uint8]:
        if not self.brightness and not self.contrast:
            return np.ascontiguousarray(pixels)
        values = pixels.astype(np.float32) * (1 + brightness * self.brightness)
        values = (values - values.mean()) * (1 + contrast * self.contrast) + values.mean()
        return _to_uint8(values)


# The values of a name never change: runs and stored commands name them.
NAMED = {
    "flip": Augmentation(horizontal_flip=True),
    # The defaults of fastai's aug_transforms, without its perspective warp: https://docs.fast.ai/vision.augment.html
    "standard": Augmentation(
        rotation=10.0, zoom=0.1, horizontal_flip=True, brightness=0.2, contrast=0.2, fill="reflect"
    ),
    # Rotation is about that of Keras's guides (RandomRotation(0.1): 36 degrees); light as timm's color_jitter of 0.4.
    "strong": Augmentation(
        rotation=30.0,
        width_shift=0.2,
        height_shift=0.2,
        zoom=0.3,
        horizontal_flip=True,
        brightness=0.4,
        contrast=0.4,
        fill="reflect",
    ),
    "overhead": Augmentation(
        rotation=180.0,
        zoom=0.1,
        horizontal_flip=True,
        vertical_flip=True,
        brightness=0.2,
        contrast=0.2,
        fill="reflect",
    ),
}

PUBLISHED = {
    "r0": Augmentation(rotation=40, width_shift=0.2, height_shift=0.2, shear=0.2, zoom=0.2, horizontal_flip=True),
    "r2": Augmentation(rotation=30, width_shift=0.3, height_shift=0.3, zoom=0.3, horizontal_flip=True),
    "r4": Augmentation(rotation=30, width_shift=0.1, height_shift=0.1, zoom=0.2, horizontal_flip=True),
}
"""Of the published experiments, under the names that `reproduce` uses."""

AUGMENTATIONS = NAMED | PUBLISHED

LIVE_DEFAULT = "standard"
"""Of live training where no augmentation is given: `endtoend`, `finetune`, and the live regimes of `compare`."""


def parse_augmentation(text: str) -> Augmentation | None:
    """Read a name such as `standard`, settings such as `rotation=20,zoom=0.1,horizontal_flip`, or `none`.

    Changes may follow a name: `standard,horizontal_flip=false`.

    Raises:
        SettingError: A name or a setting is unknown or invalid.
    """
    if not isinstance(text, str):
        raise SettingError(f"An augmentation is a text such as 'standard', or an Augmentation. Received: {text!r}.")
    first, *rest = [part.strip() for part in text.split(",")]
    if first in ("", "none") and not rest:
        return None
    named = AUGMENTATIONS.get(first)
    values, seen = asdict(named or Augmentation()), set[str]()
    for part in rest if named else [first, *rest]:
        name, sign, value = (piece.strip() for piece in part.partition("="))
        _check_name(name, values, seen)
        seen.add(name)
        values[name] = _setting(name, value if sign else None, type(values[name]))
    return Augmentation(**values)


def text_of(canonical: str) -> str:
    """The text of settings that `canonical_json` wrote; `unknown` if they are of another version or another program."""
    try:
        return Augmentation(**json.loads(canonical)).as_text()
    except (ValueError, TypeError, RecursionError, SettingError):
        return "unknown"


@dataclass(frozen=True)
class ViewMaker:
    """An augmentation and a seed, which determine views 1 to K of any image. Part of the recipe of their rows."""

    augmentation: Augmentation
    seed: int = 0

    def canonical_json(self) -> str:
        """The settings as canonical JSON, for the recipe."""
        return json.dumps({**asdict(self.augmentation), "seed": self.seed}, sort_keys=True, separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> "ViewMaker":
        """The inverse of `canonical_json`.

        Raises:
            SettingError: The text is not such JSON.
        """
        try:
            values = json.loads(text)
            seed = values.pop("seed")
            if type(seed) is not int:
                raise SettingError(f"The seed is a whole number. Received: {seed!r}.")
            return cls(Augmentation(**values), seed)
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
            raise SettingError(f"Not the settings of views: {error}. Received: {text!r}.") from error

    def __call__(self, pixels: NDArray[np.uint8], digest: bytes, view: int) -> NDArray[np.uint8]:
        """View `view` of an image, uint8 (H, W, 3); view 0 is the image itself."""
        if view == 0:
            return pixels
        return self.augmentation(pixels, view_rng(digest, self.augmentation, view=view, seed=self.seed))


def view_rng(digest: bytes, augmentation: Augmentation, *, view: int, seed: int = 0) -> np.random.Generator:
    """The random generator of one view of an image. It depends only on the image's digest, the settings, the view and the seed."""
    text = f"view {view} seed {seed} {augmentation.canonical_json()} ".encode()
    return np.random.Generator(np.random.PCG64(int.from_bytes(hashlib.sha256(text + digest).digest()[:16], "big")))


def _to_uint8(values: NDArray[np.floating]) -> NDArray[np.uint8]:
    rounded: NDArray[np.uint8] = np.clip(np.rint(values), 0, 255).astype(np.uint8)
    return rounded


def _check_name(name: str, settings: Collection[str], seen: Collection[str]) -> None:
    if name in seen:
        raise SettingError(f"The augmentation's {name} is given twice. Give it once.")
    if name in settings:
        return
    if name in (*AUGMENTATIONS, "none"):
        raise SettingError(
            f"{name!r} is a name: it comes first and only settings follow it, such as standard,rotation=20; none stands alone."
        )
    known = ("none", *AUGMENTATIONS, *settings)
    near = get_close_matches(name.lower().replace("-", "_"), known, n=1)
    cure = f"Did you mean {near[0]!r}? " if near else ""
    raise SettingError(
        f"Unknown augmentation {name!r}. {cure}Expected none, {', '.join(AUGMENTATIONS)}, "
        f"or settings: {', '.join(settings)}."
    )


def _setting(name: str, value: str | None, kind: type) -> float | bool | str:
    if kind is bool:
        if value is None or value.lower() in ("true", "false", "1", "0"):
            return value is None or value.lower() in ("true", "1")
        raise SettingError(f"{name} is true or false, such as {name}=false. Received: {value!r}.")
    example = f"{name}=reflect" if kind is str else f"{name}=0.1"
    if not value:
        raise SettingError(f"{name} needs a value, such as {example}. Received: none.")
    if kind is str:
        return value
    try:
        return float(value)
    except ValueError:
        raise SettingError(f"{name} needs a number, such as {example}. Received: {value!r}.") from None
