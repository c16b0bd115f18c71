"""Fonts for class names in any script."""

from matplotlib.figure import Figure
from matplotlib.font_manager import findfont, get_font

from pipeline.runs.plots import fonts
from pipeline.runs.plots.fonts import families_for, use_fonts


def test_own_font_is_enough_for_latin_texts():
    """No other font is looked for."""
    assert families_for(frozenset("Größe 3 ½")) == (("DejaVu Sans",), frozenset())


def test_other_font_is_found_for_other_characters(monkeypatch):
    """A character that only another installed font has adds that font."""
    other = findfont("STIXGeneral")
    monkeypatch.setattr("matplotlib.font_manager.findSystemFonts", lambda: [other])
    own = set(get_font(findfont("DejaVu Sans")).get_charmap())
    letter = chr(min(code for code in get_font(other).get_charmap() if code > 0xFF and code not in own))
    families_for.cache_clear()

    assert families_for(frozenset({"a", letter})) == (("DejaVu Sans", "STIXGeneral"), frozenset())
    figure = Figure()
    text = figure.suptitle(f"a {letter}")
    use_fonts(figure)
    assert text.get_fontfamily() == ["DejaVu Sans", "STIXGeneral"]
    families_for.cache_clear()


def test_missing_font_is_said_once(caplog, monkeypatch):
    """The warning has an example and the cure."""
    monkeypatch.setattr("matplotlib.font_manager.findSystemFonts", list)
    families_for.cache_clear()
    fonts._warn.cache_clear()
    for _ in range(2):
        figure = Figure()
        figure.suptitle("猫")
        use_fonts(figure)
    families_for.cache_clear()

    assert caplog.text.count("boxes for characters such as 猫") == 1
    assert "Noto Sans CJK" in caplog.text
