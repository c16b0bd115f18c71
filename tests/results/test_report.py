"""The HTML page."""

import re
from html.parser import HTMLParser

import pytest

from pipeline.errors import RunNotFoundError
from pipeline.results.plots import draw_confusion
from pipeline.results.report import write_report
from pipeline.results.runs import NewRun, write_predictions

EVIL = "<script>alert('x')</script>"


def make_run(runs, name, *, validation=0.8, test=0.7, picture=True, **info):
    with NewRun(runs, name, "stem") as new:
        classes = (EVIL, 'b"&')
        if picture:
            draw_confusion(new.path / "confusion.png", [[3, 1], [0, 4]], classes, "title")
        write_predictions(new.path / "predictions.csv", [], classes)
        metrics = {"validation": {"accuracy": validation, "ci95": [0.6, 0.9], "n": 40}}
        if test is not None:
            metrics["test"] = {"accuracy": test, "ci95": [0.5, 0.8], "n": 41}
        described = {
            "head": "logreg",
            "data": "photos",
            "recipe": {"base": "vgg16"},
            "classes": classes,
            "pool": "avg",
            "weights": "imagenet",
            "seconds": 1.234,
            "command": f"bottleneck head photos --name {name}",
            "fingerprint": "f" * 64,
            "created": "2026-11-23T05:33:19+00:00",
        }
        return new.finish(described | info, metrics)


class Page(HTMLParser):
    """The tags with their attributes, and the text, of a page."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.texts, self.open = [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        if tag not in ("meta", "img", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        while self.open and self.open.pop() != tag:
            pass

    def handle_data(self, data):
        if "style" not in self.open:
            self.texts.append(data)

    def find(self, tag, name):
        return [attributes.get(name) for found, attributes in self.tags if found == tag]


def report(runs, folder):
    return write_report(runs, folder / "pages" / "report.html").read_text(encoding="utf-8")


def test_page_says_which_run_is_best(tmp_path):
    """The best run by validation stands first in a sentence, with its test accuracy and interval."""
    runs = [make_run(tmp_path, "worse", validation=0.7, test=0.9), make_run(tmp_path, "better", head="knn")]
    text = "".join(Page(report(runs, tmp_path)).texts)

    assert "Best by validation: knn on vgg16 features of photos, 70.0% of 41 test images right" in text
    assert "(95 % interval 50.0% to 80.0%), trained in 1.2 s." in text
    assert text.index("better") < text.index("worse")


def test_run_without_a_test_split_is_judged_by_validation(tmp_path):
    """Without a test split the sentence is on validation, and the table has a dash."""
    text = "".join(Page(report([make_run(tmp_path, "a", test=None)], tmp_path)).texts)

    assert "80.0% of 40 validation images right" in text
    assert "0.8000-1.23" in text.replace("\n", "")


def test_page_has_each_run_with_its_pictures(tmp_path):
    """Every run is an article that the table links to, with its pictures inside the page."""
    runs = [make_run(tmp_path, "with picture"), make_run(tmp_path, "without", picture=False)]
    page = Page(report(runs, tmp_path))
    sources = page.find("img", "src")

    assert set(page.find("article", "id")) == {"with picture", "without"}
    assert {link.removeprefix("#") for link in page.find("a", "href")} == {"with picture", "without"}
    assert len(sources) == 1
    assert sources[0].startswith("data:image/png;base64,iVBORw0KGgo")
    assert page.find("img", "alt") == ["Confusion matrix"]


@pytest.mark.parametrize("field", ["data", "head", "command", "fingerprint", "created"])
def test_what_came_from_outside_is_escaped(field, tmp_path):
    """Names and texts of a run are shown as they are and never read as HTML."""
    page = Page(report([make_run(tmp_path, "a", **{field: EVIL})], tmp_path))

    assert "script" not in {tag for tag, _ in page.tags}
    assert EVIL in "".join(page.texts)


def test_names_in_a_recipe_and_of_a_folder_are_escaped(tmp_path):
    """The base's name, and the run's own, are shown as they are and never read as HTML."""
    run = make_run(tmp_path, '"><img src=x onerror=alert(1)>', recipe={"base": EVIL})
    page = Page(report([run], tmp_path))

    assert page.find("article", "id") == [run.name]
    assert page.find("a", "href") == [f"#{run.name}"]
    assert page.find("img", "onerror") == [None]
    assert "script" not in {tag for tag, _ in page.tags}


def test_page_asks_no_network(tmp_path):
    """The page has no address in it: it opens from disk, offline, and tells nobody."""
    text = report([make_run(tmp_path, "a")], tmp_path)

    assert not re.search(r"https?:|//\w|@import|url\(", re.sub(r"base64,[A-Za-z0-9+/=]+", "", text))
    assert {tag for tag, _ in Page(text).tags}.isdisjoint({"script", "link", "iframe", "base", "object"})


def test_page_is_whole(tmp_path):
    """All tags but html itself are closed, the language is named, and it has a title."""
    text = report([make_run(tmp_path, "a")], tmp_path)
    page = Page(text)

    assert page.open == []
    assert page.find("html", "lang") == ["en"]
    assert "<title>Heads on cached features</title>" in text


def test_report_on_nothing_is_an_error(tmp_path):
    """Without a run there is no page, and the message says how to make a run."""
    with pytest.raises(RunNotFoundError, match="There is no run to report on; `bottleneck head DATA` makes one"):
        write_report([], tmp_path / "report.html")
    assert not (tmp_path / "report.html").exists()
