"""How the run of a training is saved."""

import pytest

from pipeline.errors import SettingError
from pipeline.runs.saving import Saving


def test_name_of_a_question_ends_with_it():
    """Each of several questions has a run of its own; without a name each is made up. All else is the same."""
    saving = Saving("cells", replace=True, plots=False, command="bottleneck head")

    assert saving.of_question("colour") == Saving("cells-colour", replace=True, plots=False, command="bottleneck head")
    assert Saving().of_question("colour") == Saving()


def test_taken_name_is_refused_before_the_training(tmp_path):
    """A run of this name is replaced only if that was asked for."""
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "run.json").write_text("{}")
    Saving("mine", replace=True).check(tmp_path)
    Saving("other").check(tmp_path)

    with pytest.raises(SettingError, match="already exists"):
        Saving("mine").check(tmp_path)
