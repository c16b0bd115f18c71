"""What tests of stage one share."""

from pathlib import Path

import pytest

from tests.conftest import draw_tree


@pytest.fixture(scope="session")
def hundred(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A hundred images of two classes. Read only."""
    return draw_tree(tmp_path_factory.mktemp("hundred"), {"": 50})
