"""Decode images inside a TensorFlow graph: the same pixels, bit for bit, as `pipeline.images.decoding.decoder` with Pillow.

JPEG, PNG, WebP and GIF (of one frame). The resize follows Pillow's arithmetic (13.0, `libImaging/Resample.c`): weights in double
precision, rounded to 22 bits; first along the width, then along the height, or the other way round for images that lose much
of their height; rounded to whole numbers after each step. TensorFlow's own resize differs by up to seven grey levels.
"""

import math
from collections.abc import Callable

import tensorflow as tf

from pipeline.exports.served_files import background_of, decode_file, fitted_shape
from pipeline.images.decoding.decoder import Decoder

# The bytes before the value of EXIF's orientation (tag, type, count), little-endian and big-endian.
_ORIENTATION = ((0x12, 0x01, 0x03, 0x00, 0x01, 0x00, 0x00, 0x00), (0x01, 0x12, 0x00, 0x03, 0x00, 0x00, 0x00, 0x01))
_HEAD_BYTES = 2**16  # EXIF is within these first bytes
_FIRST_SWAPPED = 5  # from this orientation on, width is height
_ONE = 2.0**22


def can_decode(data: bytes, decoder: Decoder) -> bool:
    """Whether TensorFlow can read these bytes; Pillow reads more formats, animations, and GIFs with transparent pixels."""
    try:
        decode_file(tf.constant(data), decoder)
    except tf.errors.InvalidArgumentError:
        return False
    return True


def decode_batch(encoded: tf.Tensor, decoder: Decoder) -> tf.Tensor:
    """Encoded images, string (B,), to RGB pixels, whole numbers in [0, 255], float32 (B, H, W, 3)."""
    size_px = decoder.size_px

    def decode(data: tf.Tensor) -> tf.Tensor:
        image, extent = decode_file(data, decoder)
        if decoder.exif:
            orientation = _orientation(data)
            image = _upright(image, orientation)
            extent = tf.where(orientation >= _FIRST_SWAPPED, extent[::-1], extent)
        return tf.ensure_shape(_fit(image, extent, decoder), (size_px, size_px, 3))

    # One after the other: decoding a large image takes some hundred megabytes.
    return tf.map_fn(decode, encoded, fn_output_signature=tf.float32, parallel_iterations=1)


def _fit(image: tf.Tensor, extent: tf.Tensor, decoder: Decoder) -> tf.Tensor:
    """As `pipeline.images.decoding.pixels.fit_to`."""
    size_px = decoder.size_px
    if decoder.fit == "crop":
        side = tf.reduce_min(extent)
        start = (extent - side) / 2
        return _resize(image, start, start + side, tf.constant([size_px, size_px]), decoder.resize)
    fitted = fitted_shape(extent, decoder)
    resized = _resize(image, tf.zeros_like(extent), extent, fitted, decoder.resize)
    if decoder.fit != "pad":
        return resized
    before = (size_px - fitted) // 2
    margins = tf.concat([tf.stack([before, size_px - fitted - before], axis=1), [[0, 0]]], 0)
    fill = tf.constant(background_of(decoder, default=(0, 0, 0)), tf.float32)
    return tf.pad(resized - fill, margins) + fill


def _resize(image: tf.Tensor, start: tf.Tensor, end: tf.Tensor, shape: tf.Tensor, method: str) -> tf.Tensor:
    """The part of an image from `start` to `end`, float64 (2,), at another shape, int32 (2,): height before width."""
    height, width = tf.shape(image)[0], tf.shape(image)[1]
    new_height, new_width = shape[0], shape[1]
    if method == "nearest":
        rows = _nearest(height, start[0], end[0], new_height)
        columns = _nearest(width, start[1], end[1], new_width)
        return tf.cast(tf.gather(tf.gather(image, rows), columns, axis=1), tf.float32)
    across = _weights(width, start[1], end[1], new_width, method)
    down = _weights(height, start[0], end[0], new_height, method)

    def resize_width(pixels: tf.Tensor) -> tf.Tensor:
        return _round(tf.einsum("ow,hwc->hoc", across, pixels))

    def resize_height(pixels: tf.Tensor) -> tf.Tensor:
        return _round(tf.einsum("oh,hwc->owc", down, pixels))

    pixels = tf.cast(image, tf.float64)
    # The order matters, because the first step is rounded.
    loses_height = (height > new_height) & (height - new_height > 2 * (width - new_width))
    resized = tf.cond(
        loses_height, lambda: resize_width(resize_height(pixels)), lambda: resize_height(resize_width(pixels))
    )
    return tf.cast(resized, tf.float32)


def _scale(start: tf.Tensor, end: tf.Tensor, size_px: tf.Tensor) -> tf.Tensor:
    # TensorFlow replaces a division by a constant with a product, which rounds differently; but not this division.
    return tf.math.divide_no_nan(end - start, tf.cast(size_px, tf.float64))


def _nearest(length: tf.Tensor, start: tf.Tensor, end: tf.Tensor, size_px: tf.Tensor) -> tf.Tensor:
    """The source pixel of each target pixel: positions are sums of steps in double precision."""
    step = _scale(start, end, size_px)
    first = start + step / 2
    positions = tf.scan(lambda position, _: position + step, tf.range(size_px - 1), initializer=first)
    positions = tf.concat([[first], positions], 0)
    return tf.minimum(tf.cast(positions, tf.int32), length - 1)


def _weights(length: tf.Tensor, start: tf.Tensor, end: tf.Tensor, size_px: tf.Tensor, method: str) -> tf.Tensor:
    """Weight of each source pixel in each target pixel, in units of 2^-22: whole numbers, float64 (size_px, length)."""
    function, reach = _FILTERS[method]
    scale = _scale(start, end, size_px)
    stretch = tf.maximum(scale, 1.0)
    centers = start + ((tf.range(tf.cast(size_px, tf.float64), dtype=tf.float64) + 0.5) * scale)[:, None]
    positions = tf.range(tf.cast(length, tf.float64), dtype=tf.float64)[None]
    is_near = (positions >= tf.floor(centers - reach * stretch + 0.5)) & (
        positions < tf.floor(centers + reach * stretch + 0.5)
    )
    weights = tf.where(is_near, function((positions - centers + 0.5) * (1 / stretch)), 0.0)
    weights /= tf.reduce_sum(weights, axis=1, keepdims=True)
    return tf.sign(weights) * tf.floor(tf.abs(weights) * _ONE + 0.5)


def _round(sums: tf.Tensor) -> tf.Tensor:
    return tf.clip_by_value(tf.floor((sums + _ONE / 2) / _ONE), 0.0, 255.0)


def _box(x: tf.Tensor) -> tf.Tensor:
    return tf.cast((x > -0.5) & (x <= 0.5), tf.float64)


def _triangle(x: tf.Tensor) -> tf.Tensor:
    return tf.maximum(1 - tf.abs(x), 0.0)


def _cubic(x: tf.Tensor) -> tf.Tensor:
    """Keys (1981), a = -0.5."""
    x = tf.abs(x)
    near, far = (1.5 * x - 2.5) * x * x + 1, (((x - 5) * x + 8) * x - 4) * -0.5
    return tf.where(x < 1, near, tf.where(x < 2, far, 0.0))


def _lanczos(x: tf.Tensor) -> tf.Tensor:
    return tf.where((x >= -3) & (x < 3), _sinc(x) * _sinc(x / 3), 0.0)


def _sinc(x: tf.Tensor) -> tf.Tensor:
    return tf.where(x == 0, tf.ones_like(x), tf.sin(math.pi * x) / tf.where(x == 0, tf.ones_like(x), math.pi * x))


_Filter = Callable[[tf.Tensor], tf.Tensor]
_FILTERS: dict[str, tuple[_Filter, float]] = {
    "box": (_box, 0.5),
    "bilinear": (_triangle, 1.0),
    "bicubic": (_cubic, 2.0),
    "lanczos": (_lanczos, 3.0),
}
"""Each filter, and its radius."""


def _orientation(data: tf.Tensor) -> tf.Tensor:
    """EXIF's orientation, 1 to 8; 1 if there is none."""
    head = tf.io.decode_raw(tf.strings.substr(data, 0, _HEAD_BYTES), tf.uint8)
    num_starts = tf.maximum(tf.size(head) - 9, 0)
    # The ten bytes from each position in the file on, (num_starts, 10).
    windows = tf.stack([head[start : start + num_starts] for start in range(10)], axis=1)
    little, big = (tf.reduce_all(windows[:, :8] == tf.constant(entry, tf.uint8), axis=1) for entry in _ORIENTATION)
    values = tf.concat([windows[:, 8][little], windows[:, 9][big]], 0)
    value = tf.cast(tf.concat([values, [1]], 0)[0], tf.int32)
    return tf.where(value > 8, 1, value)


def _upright(image: tf.Tensor, orientation: tf.Tensor) -> tf.Tensor:
    """Each orientation is a transposition or not, then a flip or not along each axis."""

    def where(orientations: tuple[int, ...], changed: tf.Tensor, unchanged: tf.Tensor) -> tf.Tensor:
        return tf.cond(tf.reduce_any(orientation == tf.constant(orientations)), lambda: changed, lambda: unchanged)

    image = where((5, 6, 7, 8), tf.transpose(image, (1, 0, 2)), image)
    image = where((2, 3, 6, 7), image[:, ::-1], image)
    return where((3, 4, 7, 8), image[::-1], image)
