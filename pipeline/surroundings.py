"""The surroundings of the program: the home folder, and what must not leak in from the configuration of Keras.

Rows would differ under one fingerprint if `KERAS_BACKEND` or `~/.keras/keras.json` (backend, floatx, epsilon, image_data_format)
had an effect on them. Keras reads both once, while it is imported, so that is the moment at which they are overruled.
"""

import contextlib
import os
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType

from pipeline.errors import MissingExtraError, SettingError
from pipeline.imported import Run, when_imported

TENSORFLOW = "tensorflow==2.21.*"
"""What pip installs, as pyproject.toml has it."""

_BACKEND = "tensorflow"
_FLOATX, _EPSILON, _IMAGES = "float32", 1e-7, "channels_last"
_LIMITS = ("KERAS_MAX_EPOCHS", "KERAS_MAX_STEPS_PER_EPOCH", "KERAS_NNX_ENABLED")
"""Variables for debugging, which shorten a training."""


def user_path(text: str | Path) -> Path:
    """A path as a user writes it: `~` at its start is the home folder, as for a shell, which leaves it alone in Python and in `--cache=~/c`."""
    return Path(os.path.expanduser(text))  # noqa: PTH111 an unknown user is no error


def index_folder() -> Path:
    """The folder of the indexes of `similar`, which hold rows."""
    return home_folder() / "indexes"


def home_folder() -> Path:
    """The project's own folder: `$BOTTLENECK_HOME`, or `~/.cache/bottleneck`.

    Raises:
        SettingError: The user has neither, as in a container whose user has no entry in passwd.
    """
    if given := os.environ.get("BOTTLENECK_HOME"):
        return user_path(given)
    try:
        return Path.home() / ".cache" / "bottleneck"
    except RuntimeError as error:
        raise SettingError(
            "The home folder is unknown: HOME is not set, and the user has no entry in passwd. Set BOTTLENECK_HOME to a folder "
            "in which weights and temporary files can be kept."
        ) from error


def shield_keras() -> None:
    """Overrule the configuration of Keras whenever it is imported; one that is imported already is not touched."""
    when_imported("keras", _load_shielded)


def check_keras() -> None:
    """Check the configuration before a network is built or loaded: a host program may have set another one.

    Raises:
        SettingError: Keras has another backend, or other defaults; or TensorFlow computes nothing at once.
    """
    import keras

    config = keras.config
    _check_eager()
    received = (config.backend(), config.floatx(), config.image_data_format(), config.dtype_policy().name)
    expected = (_BACKEND, _FLOATX, _IMAGES, _FLOATX)
    if received == expected:
        return
    names = ("backend", "floatx", "image_data_format", "dtype_policy")
    wrong = ", ".join(
        f"{name} {got} (expected {want})"
        for name, got, want in zip(names, received, expected, strict=True)
        if got != want
    )
    raise SettingError(
        f"This program has set up Keras in another way: {wrong}. Features would differ. Import and use `pipeline` before "
        "Keras, reset these values, or run the two in processes of their own."
    )


def _check_eager() -> None:
    """Raise SettingError if the program has gone back to TensorFlow 1, in which arrays are not computed at once.

    Another thread is asked: this one may be inside a graph of the program, which does no harm.
    """
    import tensorflow as tf

    with ThreadPoolExecutor(1) as pool:
        if pool.submit(tf.executing_eagerly).result():
            return
    raise SettingError(
        "This program has turned off eager execution (tf.compat.v1.disable_eager_execution, or disable_v2_behavior), without which networks "
        "are not run here. Leave it on, or run the two in processes of their own."
    )


def _load_shielded(run: Run, module: ModuleType) -> None:
    _check_tensorflow()
    with _no_settings():
        run(module)
    module.config.set_floatx(_FLOATX)
    module.config.set_epsilon(_EPSILON)
    module.config.set_image_data_format(_IMAGES)


def _check_tensorflow() -> None:
    """Check that Keras will find its backend: whatever needs TensorFlow imports Keras first.

    Raises:
        MissingExtraError: TensorFlow is not installed.
    """
    is_there = sys.modules["tensorflow"] is not None if "tensorflow" in sys.modules else find_spec("tensorflow")
    if not is_there:
        raise MissingExtraError(
            f"This needs TensorFlow, which is not installed here: pip install '{TENSORFLOW}'. Without it, linear heads are trained, "
            "evaluated and used on stored rows (`bottleneck cache pull URL`, or --shared URL)."
        )


@contextlib.contextmanager
def _no_settings() -> Iterator[None]:
    """Set the variables that Keras reads while it is imported. The backend stays set, for processes that are started later."""
    os.environ["KERAS_BACKEND"] = _BACKEND
    os.environ.pop("TF_USE_LEGACY_KERAS", None)
    limits = {name: os.environ.pop(name) for name in _LIMITS if name in os.environ}
    try:
        yield
    finally:
        os.environ.update(limits)
