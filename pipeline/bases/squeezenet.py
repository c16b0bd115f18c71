"""SqueezeNet 1.1 (Iandola et al. 2016, arXiv:1602.07360), which keras.applications lacks.

Layer names and geometry are those of the published Keras port, so that its weights file fits.
"""

import keras
from keras import layers

# (squeeze, expand) filters of each fire module, and the modules that a pooling layer follows.
_FIRE = {2: (16, 64), 3: (16, 64), 4: (32, 128), 5: (32, 128), 6: (48, 192), 7: (48, 192), 8: (64, 256), 9: (64, 256)}
_POOL_AFTER = (3, 5)
NUM_CLASSES = 1000


def build_squeezenet(size_px: int, *, include_top: bool = False) -> keras.Model:
    """Build the network with random weights.

    Args:
        size_px: Height and width of the input, (B, H, W, 3) with `caffe` preprocessing.
        include_top: With the 1000-class top the output is (B, 1000) probabilities, 1,235,496
            parameters; without it the bottleneck `fire9_concat`, (B, h, w, 512), 722,496.
    """
    image = keras.Input((size_px, size_px, 3), name="input")
    x = layers.Conv2D(64, 3, strides=2, padding="valid", name="conv1")(image)
    x = layers.Activation("relu", name="relu_conv1")(x)
    x = layers.MaxPooling2D(3, strides=2, name="pool1")(x)
    for number, (squeeze, expand) in _FIRE.items():
        x = _fire(x, number, squeeze, expand)
        if number in _POOL_AFTER:
            x = layers.MaxPooling2D(3, strides=2, name=f"pool{number}")(x)
    if include_top:
        x = layers.Dropout(0.5, name="drop9")(x)
        x = layers.Conv2D(NUM_CLASSES, 1, name="conv10")(x)
        x = layers.Activation("relu", name="relu_conv10")(x)
        x = layers.GlobalAveragePooling2D(name="average")(x)
        x = layers.Softmax(name="loss")(x)
    return keras.Model(image, x, name="squeezenet")


def _fire(x: keras.KerasTensor, number: int, squeeze: int, expand: int) -> keras.KerasTensor:
    """A fire module: squeeze to few channels, then expand by 1x1 and 3x3 kernels side by side."""
    name = f"fire{number}"
    x = layers.Conv2D(squeeze, 1, name=f"{name}_squeeze1x1")(x)
    x = layers.Activation("relu", name=f"{name}_relu_squeeze1x1")(x)
    left = layers.Conv2D(expand, 1, name=f"{name}_expand1x1")(x)
    left = layers.Activation("relu", name=f"{name}_relu_expand1x1")(left)
    right = layers.Conv2D(expand, 3, padding="same", name=f"{name}_expand3x3")(x)
    right = layers.Activation("relu", name=f"{name}_relu_expand3x3")(right)
    return layers.Concatenate(name=f"{name}_concat")([left, right])
