"""All rows of a store have one shape. Others come from elsewhere: a shard can be forged that passes every other check."""

from collections.abc import Iterable

from pipeline.errors import DamagedStoreError


def check_one_shape(store: str, shapes: Iterable[tuple[int, ...] | None]) -> None:
    """Check that rows have one shape.

    Args:
        store: The store's name.
        shapes: Shapes of rows, as often as they occur; None: of no row.

    Raises:
        DamagedStoreError: They have several.
    """
    found = sorted({shape for shape in shapes if shape is not None})
    if len(found) > 1:
        raise DamagedStoreError(
            f"{store} has rows of the shapes {' and '.join(map(str, found))}. Some are wrong, and came from elsewhere. Delete them all "
            f"(bottleneck cache prune {store} --yes), and run the command again, without --shared if they came from there."
        )
