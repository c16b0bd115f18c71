"""The published experiments: every setting as it was published, and the reported results."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from pipeline.stage_two.spec import DEFAULT_LAYERS


@dataclass(frozen=True)
class Experiment:
    """One published experiment."""

    name: str
    title: str
    """One line."""

    command: str
    """What makes it: `head`, `endtoend`, `finetune` or `classify`."""

    reported: Mapping[str, float | str]
    """The published results: validation, test, test_loss, seconds_per_epoch."""

    base: Mapping[str, Any] = field(default_factory=dict)
    """Fields of `FeatureSettings`."""

    training: Mapping[str, Any] = field(default_factory=dict)
    """Fields of `Training`."""

    tuning: Mapping[str, Any] = field(default_factory=dict)
    """Fields of `FineTuning`; `augmentation` by name."""

    split: str = "80/10/10"
    split_seed: int = 0
    head: str = DEFAULT_LAYERS
    pool: str = "none"

    changes: Mapping[str, Any] = field(default_factory=dict)
    """Values other than the published ones, by name."""

    def changed(
        self, *, epochs: int | None = None, preprocess: str | None = None, seed: int | None = None
    ) -> "Experiment":
        """The same experiment with other values than the published ones; None keeps a value."""
        given = {"epochs": epochs, "preprocess": preprocess, "seed": seed}
        changes = {name: value for name, value in given.items() if value is not None}
        base = {name: value for name, value in changes.items() if name == "preprocess"}
        training = {name: value for name, value in changes.items() if name != "preprocess"}
        return replace(self, changes=changes, base={**self.base, **base}, training={**self.training, **training})


PIXELS: Mapping[str, Any] = {"decoder": 1, "fit": "stretch", "background": None}
"""Fields of `FeatureSettings` in all of them: transparency is dropped, the aspect ratio changes, JPEGs are decoded at full size."""

# The published code reads images with Keras's ImageDataGenerator, whose target_size resizes to the nearest pixel.
_VGG150 = {"base": "vgg16", "size": 150, "preprocess": "rescale", "resize": "nearest"}
_VGG224 = {"base": "vgg16", "size": 224, "resize": "nearest"}
_RMSPROP = {"optimizer": "rmsprop", "batch_size": 20, "keep": "last"}

EXPERIMENTS: dict[str, Experiment] = {
    experiment.name: experiment
    for experiment in (
        Experiment(
            "r0a",
            "VGG16 at 150 px, cached, no augmentation, dense head",
            "head",
            {"validation": "0.896 to 0.906", "seconds_per_epoch": 0.35},
            base=_VGG150,
            training={**_RMSPROP, "learning_rate": 2e-5, "epochs": 30},
        ),
        Experiment(
            "r0b",
            "the same end to end, augmented, base frozen",
            "endtoend",
            {"validation": "0.814 to 0.870", "seconds_per_epoch": 35.0},
            base=_VGG150,
            training={**_RMSPROP, "learning_rate": 2e-5, "epochs": 5},
            tuning={"augmentation": "r0"},
        ),
        Experiment(
            "r0c",
            "block5 fine-tuned on top of r0b's head",
            "finetune",
            {"validation": 0.923, "test": 0.933, "test_loss": 0.236},
            base=_VGG150,
            training={**_RMSPROP, "learning_rate": 2e-5, "epochs": 30},
            tuning={"augmentation": "r0", "first": "block5_conv1", "head_epochs": 5},
        ),
        Experiment(
            "r1a",
            "a pretrained network without training: one image in, the name of its class out",
            "classify",
            {"answer": "German_shepherd (99.72%)"},
            base={"base": "squeezenet"},
        ),
        Experiment(
            "r1b",
            "VGG16 at 224 px as feature extractor, its own preprocessing",
            "head",
            {"test": 0.9579, "test_loss": 0.1042, "seconds_per_epoch": "25 to 29"},
            base=_VGG224,
            training={"optimizer": "adam", "learning_rate": 1e-4, "epochs": 20, "keep": "last"},
            head="dense:64,relu,batchnorm,dropout:0.5,softmax",
        ),
        Experiment(
            "r1c",
            "the simplest head: flatten, softmax",
            "head",
            {},
            base=_VGG224,
            training={"optimizer": "adam", "learning_rate": 1e-4, "epochs": 20, "keep": "last"},
            head="softmax",
        ),
        Experiment(
            "r1d",
            "sign-language digits, last layers fine-tuned, average pooling",
            "finetune",
            {"test": 0.980, "test_loss": 0.0574, "seconds_per_epoch": 40.0},
            base={"base": "vgg16", "size": 100, "resize": "nearest"},
            training={"optimizer": "adam", "epochs": 20, "keep": "best"},
            # The published "last 5" count the pooling layer; the base itself ends with four of them.
            tuning={"last": 4, "head_epochs": 0, "base_rate": 1e-4, "head_rate": 1e-4},
            head="softmax",
            pool="avg",
        ),
        Experiment(
            "r2",
            "VGG19 at 256 px, first five layers frozen, augmented",
            "finetune",
            {},
            base={"base": "vgg19", "size": 256, "resize": "nearest"},
            training={
                "optimizer": "sgd:momentum=0.9",
                "batch_size": 16,
                "epochs": 50,
                "keep": "best",
                "patience": 10,
                "schedule": "plateau",
            },
            tuning={
                "first": "block2_conv2",
                "augmentation": "r2",
                "head_epochs": 0,
                "base_rate": 1e-4,
                "head_rate": 1e-4,
            },
            head="dense:1024,relu,dropout:0.5,dense:1024,relu,softmax",
        ),
        Experiment(
            "r3",
            "MobileNetV2 at 160 px: one logit on pooled features, then from layer 100 on",
            "finetune",
            {"validation": "0.896 after one epoch, 0.951 after ten"},
            base={"base": "mobilenetv2", "size": 160, "resize": "bilinear"},
            training={"optimizer": "rmsprop", "learning_rate": 1e-4, "epochs": 10, "keep": "last"},
            # Layer 100 of the published numbering, by its 1,863,873 trainable parameters with the head.
            tuning={"first": "block_11_expand_BN", "head_epochs": 10, "base_rate": 1e-5, "head_rate": 1e-5},
            head="sigmoid",
            pool="avg",
        ),
        Experiment(
            "r4",
            "CIFAR-10 at 32 px, standardized by the training split, block5 fine-tuned, augmented",
            "finetune",
            {"validation": "0.784 (peak 0.790)", "train": 0.890, "seconds_per_epoch": "29 on a GPU"},
            base={"base": "vgg16", "size": 32, "preprocess": "standardize"},
            training={"optimizer": "adam", "epochs": 30, "keep": "last"},
            tuning={"last": 4, "augmentation": "r4", "head_epochs": 0, "base_rate": 1e-4, "head_rate": 1e-4},
            split="70/30/0",
            split_seed=777,
            head="dense:256,batchnorm,relu,softmax",
        ),
    )
}
