"""Rows as aligned columns."""

from pipeline.cli.table import table


def test_columns_are_aligned_whatever_is_in_them():
    """Wide characters count twice, markup is shown as it is, a line end does not break a row, and no cell is wrapped."""
    rows = [
        {"a_name": "犬", "n": 1234},
        {"a_name": "[red]x[/red] :smile:", "n": None},
        {"a_name": "two\nlines" * 40, "n": 5},
    ]
    lines = table(rows).splitlines()

    assert len(lines) == 4
    assert lines[0].startswith("a name ")
    assert len({len(line) + line.count("犬") for line in lines}) == 1
    assert lines[1].split() == ["犬", "1,234"]
    assert lines[2].split() == ["[red]x[/red]", ":smile:", "-"]
    assert lines[3].startswith("two linestwo lines")


def test_best_row_is_bold():
    """Bold type begins and ends with the row, so that nothing else changes."""
    rows = [{"run": "a", "validation": 0.5}, {"run": "b", "validation": 0.25}]

    assert table(rows, best=[1]).splitlines() == [
        "run  validation",
        "a        0.5000",
        "\x1b[1mb        0.2500\x1b[0m",
    ]
