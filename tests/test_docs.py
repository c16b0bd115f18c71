"""The documentation is run: what its pages show is what comes out. Programs in Python are in `test_docs_python`."""

import re
import runpy

import pytest

from tests.documents import APART, KINDS, PAGES, PROJECT, blocks_of, matches, run_page

DOCS = PROJECT / "docs"
ALL = [PROJECT / "README.md", *sorted(DOCS.rglob("*.md"))]
COMMANDS = runpy.run_path(str(DOCS / "commands.py"))["pages"]()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The reader's folder, empty at the beginning."""
    return tmp_path_factory.mktemp("tutorial")


@pytest.mark.real
@pytest.mark.parametrize("page", [page for page in PAGES if page != APART], ids=lambda page: page.name)
def test_page_shows_what_comes_out(page, folder):
    """Every command and program of a page runs, and prints what the page says it does; each page goes on after the one before."""
    assert run_page(page, folder) > 0


@pytest.mark.parametrize("page", ALL, ids=lambda page: page.relative_to(PROJECT).as_posix())
def test_every_block_says_what_it_is(page):
    """A block is run, shows what the block before it printed, or is plain text: none is overlooked."""
    blocks = blocks_of(page.read_text(encoding="utf-8"))
    kinds = [block.kind for block in blocks]
    unknown = [f"line {block.line}: {block.kind!r}" for block in blocks if block.kind not in KINDS]
    fences = len(re.findall(r"^\s*```", page.read_text(encoding="utf-8"), re.MULTILINE))

    assert unknown == []
    assert fences == 2 * len(blocks)
    assert all(kinds[place - 1] in ("bash", "python") for place, kind in enumerate(kinds) if kind == "output" if place)
    assert kinds[:1] != ["output"]


@pytest.mark.parametrize("page", ALL, ids=lambda page: page.relative_to(PROJECT).as_posix())
def test_links_lead_somewhere(page):
    """What a page links to inside the project exists."""
    text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
    targets = [target.split("#")[0] for target in re.findall(r"\]\(([^)\s]+)\)", text) if "://" not in target]

    assert [target for target in targets if target and not (page.parent / target).exists()] == []


def test_pages_are_all_in_the_contents():
    """Each page beside docs/README.md is listed there."""
    listed = (DOCS / "README.md").read_text()

    assert len(PAGES) >= 5
    assert APART in PAGES
    assert [
        path.name for path in DOCS.glob("*.md") if path.name != "README.md" and f"({path.name})" not in listed
    ] == []


def test_pictures_are_small():
    """Each picture is loaded quickly, and the history of the project stays small."""
    sizes = {path.relative_to(DOCS).as_posix(): path.stat().st_size for path in DOCS.rglob("*.png")}

    assert len(sizes) >= 5
    assert {name: size for name, size in sizes.items() if size >= 200_000} == {}


def test_pages_of_commands_are_up_to_date():
    """They say what the commands themselves say; `make docs` writes them anew."""
    written = {path.name: path.read_text(encoding="utf-8") for path in (DOCS / "commands").glob("*.md")}

    assert written == COMMANDS, "Run `make docs`."


# The way in which these tests run a page


def write(path, *blocks):
    path.write_text("\n\n".join(f"```{kind}\n{text}\n```" for kind, text in blocks) + "\n", encoding="utf-8")
    return path


def test_page_that_shows_something_else_is_found(tmp_path):
    """A page whose output is not what comes out, or whose command fails, fails the test with its line."""
    other = write(tmp_path / "other.md", ("bash", "echo one"), ("output", "two"))
    less = write(tmp_path / "less.md", ("bash", "echo one; echo two"), ("output", "one"))
    failing = write(tmp_path / "failing.md", ("text", "x"), ("bash", "false\necho on"))
    raising = write(tmp_path / "raising.md", ("python", "word = 1"), ("text", "x"), ("python", "print(word)"))
    leaving = write(tmp_path / "leaving.md", ("python", "raise SystemExit"), ("python", "print(2)"))

    with pytest.raises(AssertionError, match=r"other\.md, line 5 shows\ntwo"):
        run_page(other, tmp_path)
    with pytest.raises(AssertionError, match=r"less\.md, line 5 shows"):
        run_page(less, tmp_path)
    with pytest.raises(AssertionError, match=r"failing\.md, line 5 fails with 1"):
        run_page(failing, tmp_path)
    with pytest.raises(AssertionError, match=r"raising\.md, line 9 fails with 1(?s:.*)NameError: name 'word'"):
        run_page(raising, tmp_path)
    with pytest.raises(AssertionError, match=r"leaving\.md, line 1 ends too early"):
        run_page(leaving, tmp_path)


def test_blocks_of_a_page_share_their_folder(tmp_path):
    """What one block writes the next one reads; seconds may differ, and gaps between words."""
    page = write(
        tmp_path / "page.md",
        ("python", "open('note', 'w').write('took 3.25 s')"),
        ("bash", "cat note"),
        ("output", "took   ... s"),
    )

    assert run_page(page, tmp_path) == 2
    assert not matches("took ... s", "took 3 minutes")
