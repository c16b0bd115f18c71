"""Predictions of a run on new images."""

from pipeline.cache.recipe import Recipe
from pipeline.images.given import GivenImages, read_given
from pipeline.predictions import Predictions, check_top, label_given
from pipeline.runs.info import RunInfo
from pipeline.settings import Settings
from pipeline.stage_one.ensure import make_rows
from pipeline.stage_two.head import Head, predict_rows


def predict(head: Head, info: RunInfo, images: GivenImages, settings: Settings, *, top: int = 5) -> Predictions:
    """Label images, from files or pixels.

    Their rows are stored too: predicting again, also with another run of the same recipe, needs no forward pass of the trunk.

    Args:
        head: The head of the run.
        info: Features and classes of the run.
        images: One image or a list of images: paths (a folder stands for the images below it), bytes of image files, PIL images,
            or arrays (H, W) or (H, W, 3). Or an array of N images, (N, H, W) or (N, H, W, 3).
        settings: Cache folder and compute.
        top: Number of classes to list for each image.

    Returns:
        One row for each image, in the order given.

    Raises:
        DataNotFoundError, UnreadableImageError: No image can be read; with `strict`, one image cannot be read.
        SettingError: `top` is below 1.
    """
    check_top(top)
    recipe, strict = Recipe.from_dict(info.recipe), settings.compute.strict
    own = settings.with_changes(base=recipe.base, weights=info.weights)
    given = read_given(images, settings.paths.hashes, exif=recipe.decoder.exif)
    given.check(given.manifest, need_all=strict)
    extraction = make_rows(given.manifest, recipe, own)
    given.check(extraction.manifest, need_all=strict)
    X = extraction.store.read(extraction.keys(), pooling=info.pool)
    return label_given(given, extraction.manifest, predict_rows(head, X), info.classes, top=top, strict=strict)
