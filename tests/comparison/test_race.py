"""Which base, size and cut: a race."""

import numpy as np
import pytest

import pipeline
from pipeline.cli.render import describe_race
from pipeline.comparison import race as module
from pipeline.comparison.race import Entries, _rank, _samples, race
from pipeline.errors import SettingError
from pipeline.settings import Settings
from tests.calls import scan
from tests.conftest import draw_tree


@pytest.fixture(scope="module")
def many(tmp_path_factory):
    """120 training images of three colours."""
    return draw_tree(tmp_path_factory.mktemp("many"), {"train": 40, "validation": 2}, ("red", "green", "blue"))


@pytest.fixture
def settings(tmp_path):
    return Settings.of(base="squeezenet", weights="random", cache=tmp_path / "cache", runs=tmp_path / "runs")


def test_the_better_half_goes_on_with_twice_as_many_images(many, settings, monkeypatch):
    """The samples are nested, so rows of the winner are made once each; who is out is made no more rows of."""
    monkeypatch.setattr(module, "_SMALLEST", 20)
    entries = Entries(sizes=(32, 40), cuts=("fire4", "fire9"))

    done = race(scan(many, settings), entries, settings)

    images = [each.images for each in done.rounds]
    assert images == [20, 40][: len(images)]
    assert [len(each.standings) for each in done.rounds] == [4, 2][: len(images)]
    assert done.rows == 4 * 20 + 20 * sum(len(each.standings) for each in done.rounds[1:])
    assert sum(store.num_rows for store in pipeline.list_stores(cache=settings.paths.cache)) == done.rows
    assert done.all_rows == 4 * 120
    assert done.seconds_saved > 0
    assert done.plot is not None
    assert done.plot.is_file()
    size, cut = done.winner.removeprefix("squeezenet, ").split(" px, ")
    assert done.command.endswith(f"--base squeezenet --size {size} --cut {cut} --weights random --head logreg")
    text = describe_race(done.as_dict())
    assert text.startswith(f"{done.winner} has won with a leave-one-out accuracy of")
    assert "out after" in text
    assert "<table>" in done._repr_html_()


def test_a_second_race_makes_no_rows(many, settings):
    """All that it needs is stored, and its plot gets a name of its own."""
    entries = Entries(sizes=(32, 40))
    first = race(scan(many, settings), entries, settings)
    second = race(scan(many, settings), entries, settings)

    assert [one.seconds for one in second.rounds[0].standings] == [0, 0]
    assert [[(one.name, one.accuracy) for one in each.standings] for each in second.rounds] == [
        [(one.name, one.accuracy) for one in each.standings] for each in first.rounds
    ]
    assert second.plot.name == f"{first.plot.stem}-002.png"


def test_a_base_takes_part_with_the_cuts_that_it_has(many, settings):
    """A cut that none has leaves nobody to race."""
    with pytest.raises(
        SettingError, match=r"two or more bases, sizes or cuts. Received: squeezenet, 32 px, fire9; .*no layer 'block5'"
    ):
        race(scan(many, settings), Entries(sizes=(32,), cuts=("fire9", "block5")), settings)
    with pytest.raises(SettingError, match=r"The bases of a race are a list. Received: 'vgg16'"):
        Entries(bases="vgg16")


@pytest.mark.parametrize("num_entrants", [2, 3, 4, 6, 8, 16])
def test_a_race_makes_about_a_fifth_of_the_rows(num_entrants):
    """As far as everybody's last sample counts, and halving is all that puts anybody out."""
    alive, before, rows = num_entrants, 0, 0
    for size in _samples(num_entrants, 10_000):
        rows += alive * (size - before)
        before, alive = size, -(-alive // 2)
        if alive == 1:
            break

    assert 0.18 < rows / (num_entrants * 10_000) < 0.26


@pytest.mark.parametrize(
    ("num_images", "expected"), [(30, [30]), (100, [100]), (150, [100, 150]), (1000, [110, 220, 440, 880, 1000])]
)
def test_small_data_is_looked_at_as_a_whole(num_images, expected):
    """The first sample has a hundred images if there are as many."""
    assert list(_samples(6, num_images)) == expected


def look(num_right, num_images=200):
    """What a sample says of one, of whose images the first are right."""
    return module._Look(np.arange(num_images) < num_right, 1.0, 0.1)


def entrants(*counts):
    return {module._Entrant(f"base {count}", Settings.of()): look(count) for count in counts}


def test_who_is_surely_worse_is_out_in_the_better_half_too():
    """The reasons are said; a p-value is that of McNemar's test against the leader."""
    standings = _rank(200, entrants(150, 190, 100, 140, 188), is_last=False).standings

    assert [(one.name, one.out) for one in standings] == [
        ("base 190", None),
        ("base 188", None),
        ("base 150", "surely worse"),
        ("base 140", "surely worse"),
        ("base 100", "surely worse"),
    ]
    assert standings[1].p_value == 0.5


def test_after_the_last_image_one_is_left():
    """However close the second is."""
    standings = _rank(200, entrants(190, 189), is_last=True).standings

    assert [one.out for one in standings] == [None, "worse half"]


def test_nobody_is_out_before_that_who_is_as_good_as_the_leader_and_in_the_better_half():
    """Two of three go on."""
    standings = _rank(200, entrants(190, 189, 188), is_last=False).standings

    assert [one.out for one in standings] == [None, None, "worse half"]
