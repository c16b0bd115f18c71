"""Which base, input size and cut suit these images: a race on growing samples, in which every row is one of the final store.

Successive halving (Jamieson & Talwalkar 2016, Non-stochastic best arm identification): all take part in the first round; after each
round the better half goes on, on twice as many images. The samples are nested, in the order of the images' SHA-256, so that
no image is computed twice, and they are the same in every later race. Judge is the leave-one-out accuracy of a ridge regression on
average-pooled rows (`pipeline.stage_two.linear.left_out`), which needs no validation images.

With k that take part and N training images, the first sample is chosen so that somewhat less than a quarter of the k N rows are made.
"""

import html
import itertools
import math
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.bases.trunks import trunk_of
from pipeline.cache.stores import seconds_to_make
from pipeline.comparison.command import command_on
from pipeline.errors import InvalidCutError, SettingError
from pipeline.html import show_png, show_table
from pipeline.images.manifest import Manifest
from pipeline.progress import note
from pipeline.runs.naming import numbered, plain_name
from pipeline.runs.plots.plots import draw_race
from pipeline.settings import Settings
from pipeline.stage_one.ensure import make_rows
from pipeline.stage_one.recipes import make_recipe
from pipeline.stage_two.linear.left_out import left_out_hits
from pipeline.stage_two.linear.regularisation import p_value

_SHARE = 0.22
"""Share of the rows of all that take part which a race may make."""

_SMALLEST = 100
"""Images of the first sample at least: below, one image is a whole percent."""

_SURE = 0.01
"""Whoever is worse than the leader with a smaller p-value is out, also in the better half."""


@dataclass(frozen=True)
class Standing:
    """One that takes part, after a round."""

    name: str
    """Base, size and cut: `vgg16, 160 px`."""

    accuracy: float
    """Leave-one-out accuracy on the images of the round."""

    p_value: float
    """Of equal accuracy with the leader of the round (McNemar's test on the same images)."""

    seconds: float
    """That its rows took in this round; 0 if they were there."""

    out: str | None = None
    """Why it is out; None: it goes on, or has won."""


@dataclass(frozen=True)
class Round:
    """The standings after a sample, the best first."""

    images: int
    standings: Sequence[Standing]

    def describe(self) -> str:
        """One line: which one leads, and which are out."""
        leader = self.standings[0]
        out = [f"{one.name} {one.accuracy:.3f} ({one.out})" for one in self.standings if one.out]
        left = sum(one.out is None for one in self.standings)
        names = f"; out: {', '.join(out)}" if out else ""
        return f"{self.images:,} images: {leader.name} leads with {leader.accuracy:.3f}{names}; {left} left."


@dataclass(frozen=True)
class Race:
    """The winner, and the rounds that led to it."""

    winner: str
    command: str
    """Command that trains a head on the winner's rows."""

    rounds: Sequence[Round]
    rows: int
    """Rows that were needed, of all that took part."""

    all_rows: int
    """Rows of all that took part on all training images."""

    seconds: float
    seconds_saved: float
    """Estimated time of the rows that were not needed: images times measured seconds per image of each that is out."""

    plot: Path | None = None
    """Accuracy by number of images; None if it could not be drawn."""

    use: Mapping[str, Any] = field(default_factory=dict)
    """What became of the images: {classes, unlabelled, skipped, ignored}; see `pipeline.images.summary.ImageUse`."""

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "winner": self.winner,
            "text": self.describe(),
            "table": self.table(),
            "command": self.command,
            "rounds": [asdict(one) for one in self.rounds],
            "rows": self.rows,
            "all_rows": self.all_rows,
            "seconds": self.seconds,
            "seconds_saved": self.seconds_saved,
            "plot": None if self.plot is None else str(self.plot),
            **self.use,
        }

    def describe(self) -> str:
        """The winner, how sure that is, and what was saved."""
        last = self.rounds[-1]
        close = [one.name for one in last.standings[1:] if one.p_value >= _SURE]
        near = f" {', '.join(close)} cannot be told from it on {last.images:,} images." if close else ""
        return (
            f"{self.winner} has won with a leave-one-out accuracy of {last.standings[0].accuracy:.3f} on {last.images:,} images.{near} "
            f"{self.rows:,} of {self.all_rows:,} rows were needed, which saved about {self.seconds_saved:.0f} s."
        )

    def table(self) -> list[dict[str, Any]]:
        """One line per entrant: its accuracy after each round, and when it was out."""
        names = list(dict.fromkeys(one.name for each in reversed(self.rounds) for one in each.standings))
        lines = []
        for name in names:
            found = {each.images: one for each in self.rounds for one in each.standings if one.name == name}
            ends = next((f"{images:,} images" for images, one in found.items() if one.out), "won")
            scores = {
                f"{each.images:,} images": f"{found[each.images].accuracy:.3f}" if each.images in found else ""
                for each in self.rounds
            }
            lines.append({"base": name, **scores, "out after": ends})
        return lines

    def _repr_html_(self) -> str:
        """Table and plot."""
        plot = show_png(self.plot, "Accuracy by number of images") if self.plot and self.plot.is_file() else ""
        run = f"<p>Run: <code>{html.escape(self.command)}</code></p>"
        return f"<p>{html.escape(self.describe())}</p>{show_table(self.table())}{run}{plot}"


@dataclass(frozen=True)
class Entries:
    """What takes part: every base with every size and cut."""

    bases: Sequence[str] = ()
    """Names of bases or model files; none: that of the settings."""

    sizes: Sequence[int] = ()
    """Input sizes in px; none: that of the settings, or each base's own."""

    cuts: Sequence[str] = ()
    """Layers or blocks, for the bases that have them; none: the last layer of each base."""

    def __post_init__(self) -> None:
        for name, received in (("bases", self.bases), ("sizes", self.sizes), ("cuts", self.cuts)):
            if isinstance(received, str):
                raise SettingError(
                    f"The {name} of a race are a list. Received: {received!r}; give [{received!r}, ...]."
                )


@dataclass(frozen=True)
class _Entrant:
    name: str
    settings: Settings


def race(
    manifest: Manifest,
    entries: Entries,
    settings: Settings,
) -> Race:
    """Run a race; where progress bars are shown, each round is said as it ends.

    Args:
        manifest: The images, with labels.
        entries: What takes part.
        settings: All other features, folders and compute.

    Raises:
        SettingError: Fewer than two take part.
    """
    start = time.monotonic()
    train = manifest.split("train")
    train = train.select(sorted(range(len(train)), key=lambda row: train.digests[row]))
    entrants = _entrants(entries, settings)
    alive, rounds = list(entrants), list[Round]()
    paces: dict[_Entrant, float] = {}
    for num_images in _samples(len(entrants), len(train)):
        sample = train.select(range(num_images))
        looks = {entrant: _look(entrant, sample, manifest.classes) for entrant in alive}
        for entrant, look in looks.items():
            paces[entrant] = look.seconds_per_row
        rounds.append(_rank(num_images, looks, is_last=num_images == len(train)))
        note(rounds[-1].describe(), progress=settings.compute.progress)
        going_on = {one.name for one in rounds[-1].standings if one.out is None}
        alive = [entrant for entrant in alive if entrant.name in going_on]
        if len(alive) == 1:
            break
    seen = {one.name: each.images for each in rounds for one in each.standings}
    winner = rounds[-1].standings[0].name
    [chosen] = [entrant for entrant in entrants if entrant.name == winner]
    done = Race(
        winner=winner,
        command=command_on(manifest, chosen.settings.features, "head", "--head", "logreg"),
        rounds=tuple(rounds),
        rows=sum(seen.values()),
        all_rows=len(entrants) * len(train),
        seconds=time.monotonic() - start,
        seconds_saved=sum(
            (len(train) - seen[entrant.name]) * paces[entrant] for entrant in entrants if entrant is not chosen
        ),
        use=manifest.use.as_dict(),
    )
    plot = _free_path(settings.paths.runs, plain_name(manifest.title))
    return replace(done, plot=plot) if draw_race(plot, done.rounds, f"{manifest.title}: which base") else done


def _entrants(entries: Entries, settings: Settings) -> list[_Entrant]:
    """Every base with every size and cut; a cut that a base does not have is left out."""
    features = settings.features
    entrants, refused = {}, []
    chosen: Sequence[Sequence[Any]] = (
        entries.bases or [features.base],
        entries.sizes or [features.size],
        entries.cuts or [features.cut],
    )
    for base, size, cut in itertools.product(*chosen):
        own = settings.with_changes(base=base, size=size, cut=cut)
        spec = own.features.spec
        name = f"{spec.name}, {size or spec.native_px} px{f', {cut}' if cut else ''}"
        try:
            trunk_of(spec, own.features.weights, own.features.last_layer)
        except InvalidCutError as error:
            refused.append(str(error))
            continue
        entrants[name] = _Entrant(name, own)
    if len(entrants) < 2:
        raise SettingError(
            f"A race needs two or more bases, sizes or cuts. Received: {'; '.join([*entrants, *refused])}. Give more with --bases, "
            "--sizes or --cuts; without them, `advise` recommends a regime for one base."
        )
    return list(entrants.values())


def _samples(num_entrants: int, num_images: int) -> Iterable[int]:
    """Numbers of images of the rounds: doubled until all are in, so that halving makes about `_SHARE` of all rows.

    Round 1 makes k n rows; round j, with k / 2^(j-1) left, makes k / 2^(j-1) times n 2^(j-2), which is k n / 2.
    """
    num_rounds = max(1, math.ceil(math.log2(num_entrants)))
    size = max(_SMALLEST, int(_SHARE * num_images / (1 + (num_rounds - 1) / 2)))
    while size < num_images:
        yield size
        size *= 2
    yield num_images


@dataclass(frozen=True)
class _Look:
    hits: NDArray[np.bool_]
    seconds: float
    """That its missing rows took."""

    seconds_per_row: float
    """Of all rows of its store."""


def _look(entrant: _Entrant, sample: Manifest, classes: Sequence[str]) -> _Look:
    """The hits of an entrant on a sample; images that cannot be read count as wrong for all."""
    done = make_rows(sample, make_recipe(sample, entrant.settings)[0], entrant.settings)
    X = done.store.read(done.keys(), pooling="avg")
    hits = np.zeros(len(sample), bool)
    read = set(done.manifest.digests)
    hits[[digest in read for digest in sample.digests]] = left_out_hits(X, done.manifest.targets, len(classes))
    pace = (seconds_to_make(done.store, len(X)) or 0.0) / max(1, len(X))
    return _Look(hits, done.seconds if done.num_new else 0.0, pace)


def _rank(num_images: int, looks: Mapping[_Entrant, _Look], *, is_last: bool) -> Round:
    """The standings: out is the worse half, and whoever is surely worse than the leader; after the last images all but the leader."""
    ranked = sorted(looks.items(), key=lambda item: -int(item[1].hits.sum()))
    leader, num_left = ranked[0][1], math.ceil(len(ranked) / 2)
    standings = []
    for place, (entrant, look) in enumerate(ranked):
        p = p_value(leader.hits, look.hits)
        is_out = place > 0 and (place >= num_left or p < _SURE or is_last)
        why = ("surely worse" if p < _SURE else "worse half" if place >= num_left else "second") if is_out else None
        standings.append(Standing(entrant.name, float(look.hits.mean()), p, look.seconds, why))
    return Round(num_images, tuple(standings))


def _free_path(runs: Path, stem: str) -> Path:
    """`race-STEM.png`, with a number from 2 on if there is one."""
    names = (f"race-{stem if number == 1 else numbered(stem, number)}.png" for number in itertools.count(1))
    return next(runs / name for name in names if not (runs / name).exists())
