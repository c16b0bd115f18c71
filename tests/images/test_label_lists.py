"""Lists of labels that became text."""

import pytest

from pipeline.images.label_lists import parts_of_list


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("['cat', 'dog']", ["cat", "dog"]),
        ('["cat"]', ["cat"]),
        ("('cat',)", ["cat"]),
        ("{'cat'}", ["cat"]),
        ("['cat' 'dog']", ["cat", "dog"]),
        ("['cat'\n 'dog']", ["cat", "dog"]),
        ("['tabby, tabby cat', 'dog']", ["tabby, tabby cat", "dog"]),
        ("""["it's", 'a']""", ["it's", "a"]),
        (r"['it\'s']", ["it's"]),
        ("[1, 0, 1]", ["1", "0", "1"]),
        ("[1 0 1]", ["1", "0", "1"]),
        ("[1. 0. 1.]", ["1.", "0.", "1."]),
        ("[cat, dog]", ["cat", "dog"]),
        ("['it's', 'a']", ["it's", "a"]),
    ],
)
def test_parts_are_those_that_were_joined(text, parts):
    """A comma in quotes is part of a label; numpy writes none between labels."""
    assert parts_of_list(text) == parts


@pytest.mark.parametrize(
    "text", ["", "[]", "cat", "(cat)", "(a, b)", "{1, 2}", "[cat]", "[black cat]", "['cat']s", "[x"]
)
def test_other_texts_are_no_lists(text):
    """Parentheses and brackets occur in names."""
    assert parts_of_list(text) is None
