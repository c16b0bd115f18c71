"""Trees of files that property tests draw."""

from collections.abc import Sequence
from pathlib import Path


def write_tree(root: Path, entries: Sequence[tuple[list[str], bytes | None]]) -> None:
    """Write files with their content, and folders where there is none; what has a file in the place of a folder is left out."""
    for names, content in entries:
        path = root.joinpath(*names)
        try:
            (path.parent if content is not None else path).mkdir(parents=True, exist_ok=True)
            if content is not None:
                path.write_bytes(content)
        except OSError:  # a file is where a folder should be
            continue
