"""`audit` and `similar` as commands."""

from tests.cli.commands import BASE, call


def test_audit_prints_what_was_found(photos, own):
    """The most suspect labels, counts of each kind, and where page and table are; the same as JSON."""
    shown = call("audit", photos, *BASE, *own)
    result = call("audit", photos, *BASE, *own, "--json").json

    assert shown.code == 0
    assert f"{len(result['labels'])} of 48 labels may be wrong (ridge, alpha" in shown.out
    assert shown.out.splitlines()[-1] == f"Page: {result['page']}"
    assert {"labels", "duplicates", "conflicts", "strange"} <= set(result)


def test_similar_prints_a_row_for_each_match(photos, own):
    """With the name that was given, copies first; an image that cannot be read has the reason."""
    image = photos / "test" / "red" / "red000.png"
    shown = call("similar", image, "gone.png", "--in", photos, "-k", 2, *BASE, *own)
    result = call("similar", image, "--in", "linear", "-k", 2, *own, "--json").json

    assert shown.out.splitlines()[0].startswith("48 images in photos")
    assert sum(str(image) in line for line in shown.out.splitlines()) == 3
    assert "same bytes" in shown.out
    assert "no such file" in shown.out
    assert len(result["images"][0]["similar"]) == 2
    assert call("similar", image, *own).code == 2
