"""The recipes of bases that are joined: their rows have the grids that the joined rows lack."""

from dataclasses import replace

from pipeline.bases.files import home_folder, weights_path
from pipeline.bases.find import find_base
from pipeline.bases.table import choose_preprocessing
from pipeline.bases.trunks import trunk_of
from pipeline.cache.recipe import Recipe
from pipeline.errors import SettingError


def joined_recipes(recipe: Recipe, weights: str) -> list[Recipe]:
    """The recipe of each base with its whole grid, in the order of the channels. Nothing is fetched.

    Args:
        recipe: Of the joined rows.
        weights: As users name them: `imagenet`, `random`.

    Raises:
        SettingError: The weights are not on this machine, or others than those of the rows, so that it is not known which rows are theirs.
    """
    joined = find_base(recipe.base, weights=weights)
    is_here = all(weights_path(part, weights, home_folder()).is_file() for part in joined.parts)
    if not is_here or trunk_of(joined, weights, joined.last_layer).digest != recipe.trunk_digest:
        raise SettingError(
            f"The weights of {recipe.base} that the rows were made with are not on this machine, so the grids of its bases cannot be told from others: "
            "`bottleneck predict RUN IMAGES --evidence FOLDER` computes those of the images that you name."
        )
    return [
        replace(
            recipe,
            base=part.name,
            preprocessing=choose_preprocessing(part, "native"),
            trunk_digest=trunk_of(part, weights, part.last_layer).digest,
            cut=part.last_layer,
            pooling="none",
        )
        for part in joined.parts
    ]
