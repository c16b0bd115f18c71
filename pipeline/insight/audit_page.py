"""The page of an audit."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

from pipeline.insight.findings import Copies, Facts, Findings, Neighbour, Shown, Stranger, Suspect
from pipeline.insight.page import Section, Thumbnails, card, figure, more_like_this, name_in_bold, render_page

MAX_SUSPECTS = 60
"""Suspect labels on the page; the table has all."""

MAX_COPIES = 48
_MAX_SIDE = 6
"""Images with one content that are shown side by side."""

_MAX_IN_NOTEBOOK = 20


def audit_html(found: Findings, table: str, thumbnails: Thumbnails) -> str:
    """The page: suspect labels, conflicts, duplicates, strange images; `table` is the name of the file that has all of them."""
    facts, alike = found.facts, _AlikeFigures(found.alike, thumbnails)
    sections = (
        _suspects(found.labels, len(found.checked), thumbnails, alike),
        _conflicts(found.conflicts, thumbnails),
        _duplicates(facts, found.duplicates, thumbnails),
        _strange(found.strange, thumbnails, alike),
    )
    how = (
        f"{facts.head} ({facts.chosen}{_weights(facts)}) on {facts.images:,} images of all splits; each was judged by a fit that has not seen it, "
        f"its group or its copies. The table {table} has all rows."
    )
    footer = " ".join([how, *facts.notes])
    return render_page(f"Audit of {facts.data}", answer(facts, found.labels, found.conflicts), sections, footer)


def _weights(facts: Facts) -> str:
    return f", class weights {facts.class_weight}" if facts.class_weight else ""


@dataclass(frozen=True)
class _AlikeFigures:
    """More like this: what a card shows when it is opened."""

    alike: Mapping[int, tuple[Neighbour, ...]]
    thumbnails: Thumbnails

    def of(self, image: Shown) -> str:
        """The nearest images of an image, as HTML; nothing if they were not found."""
        near = [_near(one, self.thumbnails) for one in self.alike.get(image.row, ())]
        return more_like_this(near) if near else ""


def _near(neighbour: Neighbour, thumbnails: Thumbnails) -> str:
    image = neighbour.image
    return figure(thumbnails[image.row], image.path, (name_in_bold(image.label), f"cosine {neighbour.cosine:.3f}"))


def answer(facts: Facts, labels: Sequence[Suspect], conflicts: Sequence[Copies]) -> str:
    """What was found, in a sentence."""
    two = f" {len(conflicts):,} {_images(len(conflicts))} under two labels." if conflicts else ""
    if not labels:
        return f"None of {facts.images:,} labels looks wrong.{two}"
    return f"{len(labels):,} of {facts.images:,} labels may be wrong: judged without its image, another class is more likely.{two}"


def suspects_html(facts: Facts, labels: Sequence[Suspect], thumbnails: Thumbnails) -> str:
    """A table of the most suspect labels, for notebooks."""
    rows = "".join(
        f"<tr><td>{_img(thumbnails[suspect.image.row])}</td><td>{escape(suspect.image.path)}</td><td>{escape(suspect.image.split)}</td>"
        f"<td>{escape(suspect.image.label)}</td><td>{escape(suspect.likely)}</td><td>{suspect.probability:.3f}</td></tr>"
        for suspect in labels[:_MAX_IN_NOTEBOOK]
    )
    more = f"<p>and {len(labels) - _MAX_IN_NOTEBOOK:,} more</p>" if len(labels) > _MAX_IN_NOTEBOOK else ""
    heads = "".join(f"<th>{name}</th>" for name in ("image", "path", "split", "label", "likely", "probability"))
    table = f"<table><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table>{more}" if labels else ""
    return f"<p>{escape(answer(facts, labels, ()))}</p>{table}"


def _img(address: str | None) -> str:
    return f'<img src="{address}" alt="" style="max-width: 64px; max-height: 64px">' if address else ""


def _images(count: int) -> str:
    return "image is" if count == 1 else "images are"


def _suspects(labels: Sequence[Suspect], num_checked: int, thumbnails: Thumbnails, alike: _AlikeFigures) -> Section:
    others = f" The first {MAX_SUSPECTS} of {len(labels):,}; the table has all." if len(labels) > MAX_SUSPECTS else ""
    note = (
        "The label that is given, and what a head says that has not seen the image; the most suspect first. To the right, the nearest "
        f"images with another label.{others}"
        if labels
        else f"None: judged without the image, every {'other ' if num_checked else ''}label is the most likely one."
    )
    if num_checked:
        note += f" {num_checked:,} more {'was' if num_checked == 1 else 'were'} checked: a user took the label for right. The table has them, as checked."
    cards = [_suspect(suspect, thumbnails, alike) for suspect in labels[:MAX_SUSPECTS]]
    return Section("labels", "Labels that may be wrong", note, cards)


def _suspect(suspect: Suspect, thumbnails: Thumbnails, alike: _AlikeFigures) -> str:
    label = escape(suspect.image.label)
    lines = (
        f'{suspect.probability:.1%} <span class="wrong" title="{label}">{label}</span>',  # a long name is cut, and no number
        f"{suspect.likely_probability:.1%} {name_in_bold(suspect.likely)}",
        escape(suspect.image.split),
    )
    own = figure(thumbnails[suspect.image.row], suspect.image.path, lines, is_first=True)
    near = [_near(neighbour, thumbnails) for neighbour in suspect.neighbours]
    share = (
        f"{suspect.disagree:.0%} of its nearest images have another label. "
        if near
        else "None of its nearest images has another label, so none is shown. "
    )
    return card([own, *near], f"{share}{suspect.advice}", alike.of(suspect.image))


def _conflicts(conflicts: Sequence[Copies], thumbnails: Thumbnails) -> Section:
    note = "Images with the same bytes under different labels." if conflicts else "None: no image is under two labels."
    cards = [_copies(one, thumbnails) for one in conflicts[:MAX_COPIES]]
    return Section("conflicts", "Under two labels", note, cards, kind="narrow")


def _duplicates(facts: Facts, duplicates: Sequence[Copies], thumbnails: Thumbnails) -> Section:
    num_exact = sum(copies.cosine is None for copies in duplicates)
    note = (
        f"{num_exact:,} contents are there more than once; {facts.num_near:,} pairs have features with a cosine of at least {facts.near:g}, "
        "the most similar of which are shown. Across splits first."
    )
    cards = [_copies(one, thumbnails) for one in duplicates[:MAX_COPIES]]
    return Section("duplicates", "Duplicates", note, cards, kind="narrow")


def _copies(copies: Copies, thumbnails: Thumbnails) -> str:
    figures = [
        figure(thumbnails[image.row], image.path, (name_in_bold(image.label), escape(image.split)))
        for image in copies.images[:_MAX_SIDE]
    ]
    more = f"and {len(copies.images) - _MAX_SIDE} more. " if len(copies.images) > _MAX_SIDE else ""
    kind = "Same bytes. " if copies.cosine is None else f"Cosine {copies.cosine:.3f}. "
    return card(figures, f"{more}{kind}{copies.advice}")


def _strange(strange: Sequence[Stranger], thumbnails: Thumbnails, alike: _AlikeFigures) -> Section:
    note = "Those farthest from all others, by 1 - cosine to the tenth nearest image. If one does not belong to the data, remove it."
    cards = [card([_stranger(one, thumbnails)], "", alike.of(one.image)) for one in strange]
    return Section("strange", "Strange images", note, cards, kind="single")


def _stranger(stranger: Stranger, thumbnails: Thumbnails) -> str:
    image: Shown = stranger.image
    lines = (f"<b>{escape(image.label)}</b>, {escape(image.split)}", f"distance {stranger.distance:.3f}")
    return figure(thumbnails[image.row], image.path, lines)
