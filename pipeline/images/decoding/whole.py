"""Files that are cut off are errors, whatever the host program has set in Pillow.

With `PIL.ImageFile.LOAD_TRUNCATED_IMAGES`, which many scripts set, Pillow fills with gray what a file lacks. A row of such pixels would be stored
and served for the image from then on.
"""

import contextlib
import threading
from collections.abc import Iterator

from PIL import ImageFile

_LOCK = threading.Lock()


class _Usual:
    """What the program has set, while threads decode."""

    value = False
    num_decoding = 0


@contextlib.contextmanager
def whole_files() -> Iterator[None]:
    """In this block, Pillow raises an error for a file that is cut off; when no thread is in such a block, what the program has set is valid again."""
    with _LOCK:
        if not _Usual.num_decoding:
            _Usual.value, ImageFile.LOAD_TRUNCATED_IMAGES = ImageFile.LOAD_TRUNCATED_IMAGES, False
        _Usual.num_decoding += 1
    try:
        yield
    finally:
        with _LOCK:
            _Usual.num_decoding -= 1
            if not _Usual.num_decoding:
                ImageFile.LOAD_TRUNCATED_IMAGES = _Usual.value
