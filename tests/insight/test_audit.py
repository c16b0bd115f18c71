"""An audit from images to page and table."""

import csv
import shutil
from dataclasses import replace

import pytest

import pipeline
from pipeline.cli.insight_text import describe_audit
from pipeline.errors import DataLayoutError, HeadSpecError, SettingError
from pipeline.insight import audit as module
from pipeline.insight.audit_page import audit_html
from pipeline.insight.checked import checked_path
from pipeline.insight.page import Thumbnails
from pipeline.tuner.checked import CheckedFile
from tests.conftest import RANDOM


@pytest.fixture(scope="module")
def photos_with_faults(tmp_path_factory, photos):
    """The images, of which one training image is in the wrong class, one is there twice, one in two splits, and one under two labels."""
    folder = tmp_path_factory.mktemp("faults") / "photos"
    shutil.copytree(photos, folder)
    shutil.move(folder / "train" / "red" / "red003.png", folder / "train" / "blue" / "moved.png")
    shutil.copy(folder / "train" / "red" / "red000.png", folder / "train" / "red" / "again.png")
    shutil.copy(folder / "train" / "red" / "red001.png", folder / "test" / "red" / "leaked.png")
    shutil.copy(folder / "train" / "red" / "red002.png", folder / "validation" / "blue" / "other.png")
    return folder


@pytest.fixture(scope="module")
def done(photos_with_faults, places):
    return pipeline.audit(photos_with_faults, **RANDOM, **places)


def names(copies):
    return {image.path for image in copies.images}


def test_a_wrong_label_is_found(done):
    """The image that was moved is a suspect, with the class that it had, its probability, and neighbours of that class."""
    suspect = next(one for one in done.labels if one.image.path == "train/blue/moved.png")

    assert (suspect.image.label, suspect.likely, suspect.image.split) == ("blue", "red", "train")
    assert suspect.probability < 0.5 < suspect.likely_probability
    assert suspect.neighbours[0].image.label == "red"
    assert done.manifest.names[suspect.image.row] == suspect.image.path


def test_all_splits_are_judged(done):
    """Each image of train, validation and test, and the accuracy is that of the given labels."""
    assert done.facts.images == 51
    assert 0.9 < done.facts.accuracy < 1
    assert done.facts.chosen.startswith("alpha ")


def test_copies_are_found_with_what_can_be_done(done):
    """The same bytes in one split and in two splits; under two labels they are a conflict."""
    exact = [one for one in done.duplicates if one.cosine is None]

    assert [names(one) for one in exact] == [
        {"train/red/red001.png", "test/red/leaked.png"},
        {"train/red/red000.png", "train/red/again.png"},
    ]
    assert "scores are too good" in exact[0].advice
    assert exact[1].advice == "Keep one."
    assert [names(one) for one in done.conflicts] == [{"train/red/red002.png", "validation/blue/other.png"}]
    assert done.conflicts[0].advice.startswith("Decide on one label")


def test_near_duplicates_are_of_different_contents(done, photos_with_faults, places):
    """Their cosine is that of --near or more; the count is of all pairs."""
    assert all(one.cosine >= 0.98 for one in done.duplicates if one.cosine is not None)
    none = pipeline.audit(photos_with_faults, near=1.0, out="none.html", **RANDOM, **places)

    assert done.facts.num_near > none.facts.num_near
    assert none.facts.near == 1.0


def test_json_has_plain_values_of_all_findings(done):
    """The lists that the page shows, and the facts."""
    result = done.as_dict()

    assert {"labels", "duplicates", "conflicts", "strange", "page", "table", "head", "chosen", "accuracy"} <= set(
        result
    )
    assert {"path", "split", "label", "likely", "probability", "neighbours", "advice"} <= set(result["labels"][0])
    assert result["duplicates"][0]["kind"] == "exact"
    assert result["strange"][0]["distance"] >= result["strange"][-1]["distance"]


def test_table_has_a_row_for_each_finding(done, places):
    """Beside the page, in the folder of the runs."""
    with done.table.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    kinds = [row["kind"] for row in rows]

    assert done.table == places["runs"] / "audit-photos.csv"
    assert kinds.count("label") == len(done.labels)
    assert (kinds.count("conflict"), kinds.count("duplicate")) == (2, 4)
    assert kinds.count("strange") == len(done.strange)
    assert next(row for row in rows if row["path"] == "train/blue/moved.png")["likely"] == "red"


def test_page_shows_thumbnails_and_asks_no_network(done):
    """One file with the images inside; its policy allows nothing else."""
    text = done.page.read_text(encoding="utf-8")

    assert text.count("data:image/jpeg;base64,") > 10
    assert "default-src 'none'" in text
    assert "http" not in text.replace("http-equiv", "")
    assert "moved.png" in text
    assert "moved.png" in done._repr_html_()


def test_numbers_stay_where_names_are_long(done):
    """A name is cut after some lines, so numbers come before it, and the pointer shows all of it. Without neighbours of another class, words say so."""
    name = "a long name " * 20
    suspect = replace(done.labels[0], image=replace(done.labels[0].image, label=name), neighbours=(), disagree=0.0)
    text = audit_html(replace(done, labels=(suspect,)), "audit.csv", Thumbnails(done.manifest.read))

    assert f'{suspect.probability:.1%} <span class="wrong" title="{name}">{name}</span>' in text
    assert f'{suspect.likely_probability:.1%} <b title="{suspect.likely}">' in text
    assert "None of its nearest images has another label, so none is shown." in text


def test_page_shows_images_like_each(done):
    """Each suspect and each strange image has the nearest ones below a title that opens them, without a script."""
    text = done.page.read_text(encoding="utf-8")
    suspect = next(one for one in done.labels if one.image.path == "train/blue/moved.png")
    near = done.alike[suspect.image.row]

    assert text.count("<summary>More like this</summary>") == len(done.labels) + len(done.strange)
    assert [one.cosine for one in near] == sorted((one.cosine for one in near), reverse=True)
    assert suspect.image.path not in {one.image.path for one in near}
    assert near[0].image.label == "red"
    assert "<script" not in text


def test_other_heads_are_trained_in_folds(photos_with_faults, places):
    """Logistic regression finds the image too."""
    done = pipeline.audit(photos_with_faults, "logreg:C=0.01", out="logreg.html", **RANDOM, **places)

    assert done.facts.chosen == "5 folds"
    assert "train/blue/moved.png" in {one.image.path for one in done.labels}
    assert done.table.name == "logreg.csv"


def test_what_cannot_be_audited_is_refused(photos, places):
    """A dense head, views for a head that ignores them, and a page of another kind; before any row is made."""
    with pytest.raises(HeadSpecError, match=r"linear head.*Received: 'dense:8'"):
        pipeline.audit(photos, "dense:8", **RANDOM, **places)
    with pytest.raises(SettingError, match="Leave --views out"):
        pipeline.audit(photos, "logreg", views=1, augment="flip", **RANDOM, **places)
    with pytest.raises(SettingError, match=r"ends with \.html"):
        pipeline.audit(photos, out="audit.csv", **RANDOM, **places)
    with pytest.raises(DataLayoutError, match="label"):
        pipeline.audit(photos / "train" / "red", **RANDOM, **places)


def test_table_beside_the_page_replaces_no_other(photos, places, tmp_path):
    """Its name comes from that of the page, and may be that of the labels which are audited; that of an earlier audit is replaced."""
    table = tmp_path / "labels.csv"
    table.write_text("path,label\nred/1.png,red\n")
    with pytest.raises(SettingError, match=r"labels\.csv\. That file exists, and no audit wrote it"):
        pipeline.audit(photos, out=tmp_path / "labels.html", **RANDOM, **places)

    assert table.read_text() == "path,label\nred/1.png,red\n"
    for _ in range(2):
        assert pipeline.audit(photos, out=tmp_path / "page.html", **RANDOM, **places).table.is_file()


def test_views_are_used(photos_with_faults, places):
    """With stored views the fit is another one, and the wrong label is still found."""
    views = {"views": 1, "augment": "flip"}
    pipeline.extract_views(photos_with_faults, **views, **RANDOM, **places)
    done = pipeline.audit(photos_with_faults, out="views.html", **views, **RANDOM, **places)

    assert "train/blue/moved.png" in {one.image.path for one in done.labels}
    assert done.facts.images == 51


def test_many_images_are_compared_by_a_sample(photos_with_faults, places, monkeypatch):
    """A note says so; labels are judged for all."""
    monkeypatch.setattr(module, "MAX_COMPARED", 20)
    done = pipeline.audit(photos_with_faults, out="sample.html", **RANDOM, **places)

    assert done.facts.images == 51
    assert "20 of 51 images" in done.as_dict()["notes"][0]
    assert len(done.strange) == 20


@pytest.fixture(scope="module")
def grouped(tmp_path_factory, photos):
    """A table of the images with a group of every two, one of which has wrong labels, an image that cannot be read, a class of one image."""
    folder = tmp_path_factory.mktemp("grouped")
    shutil.copytree(photos, folder / "photos")
    (folder / "photos" / "train" / "red" / "broken.png").write_bytes(b"no image")
    lines = ["path,label,split,patient"]
    for path in sorted((folder / "photos").rglob("*.png")):
        split, label, name = path.relative_to(folder / "photos").parts
        group, given = f"{split}-{label}-{int(path.stem[-3:]) // 2 if name != 'broken.png' else 99}", label
        if (split, name) == ("train", "blue000.png"):
            group, given = "alone", "only"
        elif group == "train-red-1":
            given = "blue"
        lines.append(f"photos/{split}/{label}/{name},{given},{split},{group}")
    (folder / "table.csv").write_text("\n".join(lines))
    return folder / "table.csv"


def test_groups_faults_and_single_images(grouped, places):
    """The image that cannot be read is left out, the class of one image is not judged, and the groups leave together."""
    done = pipeline.audit(grouped, group_column="patient", ignore_column=(), out="g.html", **RANDOM, **places)
    apart = pipeline.audit(grouped, ignore_column=("patient",), out="a.html", **RANDOM, **places)

    groups = dict(zip(done.manifest.names, done.manifest.groups, strict=True))
    wrong = {name for name, group in groups.items() if group == "train-red-1"}
    given, alone = ({one.image.path: one.probability for one in each.labels} for each in (done, apart))

    assert done.facts.images == 48
    assert done.facts.accuracy < 47 / 48
    assert len(wrong) == 2
    assert wrong <= set(given)
    # The other image of the group has the same wrong label, and is not asked.
    assert all(given[name] < alone.get(name, 1) for name in wrong)
    assert all(one.image.label != "only" for one in done.labels)
    assert not any("broken" in name for name in done.manifest.names)


def test_doubtful_audits_say_so(photos_with_faults, places, tmp_path, done):
    """Where classes cannot be told apart, most labels look wrong and few are: a note says it."""
    paths = sorted(path for path in photos_with_faults.rglob("*.png"))
    lines = [f"{path},{'xyz'[number % 3]},{path.parts[-3]}" for number, path in enumerate(paths)]
    (tmp_path / "random.csv").write_text("\n".join(["path,label,split", *lines]))
    [note] = pipeline.audit(tmp_path / "random.csv", out="r.html", **RANDOM, **places).facts.notes

    assert "most suspects are no mistakes" in note
    assert not done.facts.notes


def test_what_a_user_checked_is_no_suspect(photos_with_faults, places):
    """Neither in the list nor on the page; counted there, and in the table as checked, with what can be done. Another table is refused."""
    before = pipeline.audit(photos_with_faults, out="c.html", **RANDOM, **places)
    image = before.labels[0].image
    file = CheckedFile(checked_path(photos_with_faults))
    file.add(before.manifest.digests[image.row], image.label, image.path)
    after = pipeline.audit(photos_with_faults, out="c.html", **RANDOM, **places)
    result = after.as_dict()
    with after.table.open(encoding="utf-8", newline="") as table:
        kinds = {row["path"]: row for row in csv.DictReader(table) if row["kind"] in ("label", "checked")}

    assert [one.image.path for one in after.labels] == [one.image.path for one in before.labels[1:]]
    assert [one["path"] for one in result["checked"]] == [image.path]
    assert kinds[image.path]["kind"] == "checked"
    assert "Ask again" in kinds[image.path]["advice"]
    assert "1 more was checked" in after.page.read_text(encoding="utf-8")
    assert "Checked, so not listed: 1\n" in describe_audit(result)
    assert "Checked" not in describe_audit(before.as_dict())

    file.path.write_text("path\n")
    with pytest.raises(DataLayoutError, match="not a table of checked labels"):
        pipeline.audit(photos_with_faults, **RANDOM, **places)
    file.path.unlink()


def test_class_weights_are_used(photos_with_faults, places):
    """They change what is probable, are named in the facts, and must be of classes that there are."""
    plain = pipeline.audit(photos_with_faults, out="p.html", **RANDOM, **places)
    red = pipeline.audit(photos_with_faults, class_weight="red=9,blue=1", out="w.html", **RANDOM, **places)
    of = {
        name: {one.image.path: one.probability for one in done.labels}
        for name, done in (("plain", plain), ("red", red))
    }

    assert of["plain"] != of["red"]
    assert red.as_dict()["class_weight"] == '{"blue": 1.0, "red": 9.0}'
    assert 'class weights {"blue"' in red.page.read_text(encoding="utf-8").replace("&quot;", '"')
    with pytest.raises(SettingError, match="green"):
        pipeline.audit(photos_with_faults, class_weight="green=2", **RANDOM, **places)
