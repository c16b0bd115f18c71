"""Image files to RGB inside a TensorFlow graph: the same pixels as `pipeline.images` makes before it fits them to a size.

Tables of what is done to which file: see `pipeline.images.decoding.decoder.Decoder`.
"""

import tensorflow as tf
from PIL import ImageColor

from pipeline.images.decoding.decoder import JPEG_MARGINS, Decoder
from pipeline.images.decoding.pixels import DROP

_JPEG, _PNG, _GIF = b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF"
_PNG_DEPTH, _PNG_COLOUR = 24, 25
"""Positions of the bits a channel and of the colour type in a PNG file."""

_GRAY_ALPHA = 4
_GIF_CONTROL = (0x21, 0xF9, 0x04)
"""Bytes before the flags of a GIF frame; the lowest flag says that it has transparent pixels."""

_HEAD_BYTES = 2**16


Extended = tuple[tf.Tensor, tf.Tensor]
"""An image, and the height and width of what it shows in its px, float64 (2,); see `pipeline.images.decoding.formats.Extent`."""


def _extended(image: tf.Tensor) -> Extended:
    return image, tf.cast(tf.shape(image)[:2], tf.float64)


def background_of(decoder: Decoder, default: tuple[int, int, int]) -> tuple[int, ...]:
    """The decoder's background as RGB; the default where it has none."""
    return default if decoder.background == DROP else ImageColor.getrgb(decoder.background)


def fitted_shape(shape: tf.Tensor, decoder: Decoder) -> tf.Tensor:
    """As `pipeline.images.decoding.pixels.fitted_size`, but height before width, int32 (2,)."""
    if decoder.fit == "stretch":
        return tf.constant([decoder.size_px, decoder.size_px])
    shape = tf.cast(shape, tf.float64)
    side = tf.reduce_min(shape) if decoder.fit == "crop" else tf.reduce_max(shape)
    lengths = tf.math.divide_no_nan(shape * decoder.size_px, side)
    return tf.maximum(1, tf.cast(tf.round(lengths), tf.int32))


def decode_file(data: tf.Tensor, decoder: Decoder) -> Extended:
    """RGB, uint8 (H, W, 3), of a JPEG, PNG, WebP or GIF file (of one frame)."""
    if decoder.version == 1:
        return _extended(_first_frame(_decode_jpeg(data)))
    is_jpeg, is_png = (tf.strings.substr(data, 0, len(magic)) == magic for magic in (_JPEG, _PNG))
    decoded: Extended = tf.cond(
        is_jpeg,
        lambda: _decode_draft(data, decoder),
        lambda: _extended(tf.cond(is_png, lambda: _decode_png(data, decoder), lambda: _decode_other(data, decoder))),
    )
    return decoded


def _decode_jpeg(data: tf.Tensor, ratio: int = 1) -> tf.Tensor:
    # The default of libjpeg and Pillow. TensorFlow's default is faster, and differs by up to six grey levels.
    return tf.io.decode_jpeg(data, channels=3, ratio=ratio, dct_method="INTEGER_ACCURATE")


def _first_frame(image: tf.Tensor) -> tf.Tensor:
    """A WebP image is decoded as an animation."""
    return tf.reshape(image, tf.concat([[-1], tf.shape(image)[-3:]], 0))[0]


def _decode_draft(data: tf.Tensor, decoder: Decoder) -> Extended:
    """A JPEG at the smallest of its sizes that is large enough."""
    shape = tf.io.extract_jpeg_shape(data)[:2]
    if decoder.resize not in JPEG_MARGINS:
        return _decode_jpeg(data), tf.cast(shape, tf.float64)
    times = tf.reduce_min(shape // (JPEG_MARGINS[decoder.resize] * fitted_shape(shape, decoder)))
    chosen = tf.cast(times >= 2, tf.int32) + tf.cast(times >= 4, tf.int32) + tf.cast(times >= 8, tf.int32)
    image = tf.switch_case(chosen, [lambda ratio=ratio: _decode_jpeg(data, ratio) for ratio in (1, 2, 4, 8)])
    return image, tf.cast(shape, tf.float64) / tf.cast(2**chosen, tf.float64)


def _decode_png(data: tf.Tensor, decoder: Decoder) -> tf.Tensor:
    depth, colour = (tf.io.decode_raw(tf.strings.substr(data, at, 1), tf.uint8)[0] for at in (_PNG_DEPTH, _PNG_COLOUR))

    def wide() -> tf.Tensor:
        values = tf.cast(tf.io.decode_png(data, channels=4, dtype=tf.uint16), tf.int32)
        highest = tf.reduce_max(values[..., :3])
        bits = 8 + 2 * tf.reduce_sum(tf.cast(highest >= tf.constant([2**8, 2**10, 2**12, 2**14]), tf.int32))
        bits = tf.where(colour == _GRAY_ALPHA, 16, bits)  # Pillow reads no lower byte of these, so they are not judged
        shifts = tf.stack([bits - 8, bits - 8, bits - 8, 8])
        return tf.cast(tf.bitwise.right_shift(values, tf.broadcast_to(shifts, tf.shape(values))), tf.uint8)

    pixels = tf.cond(depth == 16, wide, lambda: tf.io.decode_png(data, channels=4))
    return _compose(pixels, decoder)


def _decode_other(data: tf.Tensor, decoder: Decoder) -> tf.Tensor:
    def gif() -> tf.Tensor:
        head = tf.cast(tf.io.decode_raw(tf.strings.substr(data, 0, _HEAD_BYTES), tf.uint8), tf.int32)
        flags = head[len(_GIF_CONTROL) :]
        windows = tf.stack([head[start : start + tf.size(flags)] for start in range(len(_GIF_CONTROL))], axis=1)
        is_control = tf.reduce_all(windows == tf.constant(_GIF_CONTROL), axis=1)
        is_opaque = tf.reduce_all(flags[is_control] % 2 == 0)
        with tf.control_dependencies(
            [tf.debugging.Assert(is_opaque, ["A GIF with transparent pixels cannot be decoded."])]
        ):
            return _first_frame(_decode_jpeg(tf.identity(data)))

    def webp() -> tf.Tensor:
        pixels = _first_frame(tf.io.decode_webp(data, channels=0))  # of 3 or 4 channels
        opaque = tf.fill(tf.concat([tf.shape(pixels)[:2], [1]], 0), tf.constant(255, tf.uint8))
        return _compose(tf.concat([pixels, opaque], 2)[..., :4], decoder)

    return tf.cond(tf.strings.substr(data, 0, len(_GIF)) == _GIF, gif, webp)


def _compose(pixels: tf.Tensor, decoder: Decoder) -> tf.Tensor:
    """RGBA on the background, rounded as Pillow does."""
    colours = pixels[..., :3]
    if decoder.background == DROP:
        return colours
    alpha = tf.cast(pixels[..., 3:], tf.int32)
    behind = tf.constant(background_of(decoder, default=(0, 0, 0)), tf.int32)
    sums = behind * (255 - alpha) + tf.cast(colours, tf.int32) * alpha + 128
    return tf.cast(tf.bitwise.right_shift(tf.bitwise.right_shift(sums, 8) + sums, 8), tf.uint8)
