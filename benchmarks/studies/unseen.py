"""What has a head never seen? Distances and scores of images of other classes and data sets, on the same rows.

Far: images of another data set. Near: three classes are held out, and the head is trained on the others. The images of a data set are divided
60/20/20 into training, validation and test images, with another seed and other classes in each draw. For each way: the area under the ROC
curve (AUROC) of telling unseen images from test images, and the share of unseen images that are refused where 5 % of test images are.

The ways: `probability` is the largest probability of ridge and `energy` the log of the sum of the exponentials of its scores, times its
temperature (Liu et al. 2020). `k-NN` is the distance to the k-th nearest training row (Sun et al. 2022), rows of length 1; `centres` is what runs
use, and `centres or probability` the smaller of both p-values. `Mahalanobis` has the means of the classes and a covariance that they share (Lee
et al. 2018), `relative` subtracts the distance by the mean and covariance of all images (Ren et al. 2021), and `residual` is the length outside of
the first 128 principal components (the part of ViM of Wang et al. 2022 that knows no head); all three on rows of length 1.

    python benchmarks/studies/unseen.py --data photos other [...] --out study/unseen             # the ways
    python benchmarks/studies/unseen.py --data photos other [...] --out study/unseen --memory    # what less memory costs
"""

import argparse
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from _paired import some_of
from numpy.typing import NDArray
from scipy.special import logsumexp
from scipy.stats import rankdata
from threadpoolctl import threadpool_limits

import pipeline
from pipeline.quiet import quiet_tensorflow
from pipeline.settings import Settings
from pipeline.stage_two.linear.fit import fit_linear
from pipeline.stage_two.linear.heads import unit_rows
from pipeline.stage_two.novelty.fit import find_centres, fit_detector
from pipeline.stage_two.rows import LabelledRows, Split
from pipeline.stage_two.spec import parse_head
from pipeline.tasks.classification import Classification
from pipeline.training.rows import read_rows

Array = NDArray[np.float32]
Far = Callable[[Array], NDArray[np.floating]]
"""From rows (N, D) to how far they are, (N,)."""

SHARE = 0.05
NUM_HELD_OUT = 3
SHRINKAGE = 0.05
"""Of a covariance towards a multiple of the identity."""


@dataclass(frozen=True)
class Known:
    """The rows of a data set."""

    X: Array
    labels: NDArray[np.str_]


@dataclass(frozen=True)
class Case:
    """A head's images, and those that it has not seen."""

    kind: str
    """`far` or `near`."""

    base: str
    data: str
    unseen_name: str
    labelled: LabelledRows
    unseen: Array

    @property
    def train(self) -> Array:
        return self.labelled.train.flat


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", nargs="+", required=True)
    parser.add_argument("--bases", nargs="+", default=["vgg16", "mobilenetv2"])
    parser.add_argument("--size", type=int, default=160)
    parser.add_argument("--draws", type=int, default=5)
    parser.add_argument("--memory", action="store_true")
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    quiet_tensorflow()
    ways = compressed if given.memory else all_ways
    found: dict[tuple[str, ...], dict[str, list[tuple[float, float]]]] = defaultdict(lambda: defaultdict(list))
    sizes: dict[str, list[int]] = defaultdict(list)
    with threadpool_limits(2):
        for base in given.bases:
            known = {Path(data).name: read(data, base, given.size, given.out) for data in given.data}
            fitted: tuple[LabelledRows | None, dict[str, tuple[Far, int]]] = (None, {})
            for case in cases(base, known, given.draws):
                if fitted[0] is not case.labelled:  # the next case may show other images to the same head
                    fitted = (case.labelled, ways(case))
                test = case.labelled.splits["test"].flat
                for name, (far, num_bytes) in fitted[1].items():
                    own, other = far(test), far(case.unseen)
                    found[case.kind, case.base, case.data, case.unseen_name][name].append(
                        (auroc(own, other), float((other > np.quantile(own, 1 - SHARE)).mean()))
                    )
                    sizes[name].append(num_bytes)
    print_summary(found, sizes)
    if not given.memory:
        print_cases(found)


def read(data: str, base: str, size: int, out: Path) -> Known:
    """Pooled rows of at most 3,000 images."""
    cache = out / Path(data).name / "cache"
    manifest = some_of(pipeline.scan(data, cache=cache), 2000, 1000)
    labelled = read_rows(manifest, "avg", Settings.of(base=base, size=size, cache=cache)).labelled
    parts = [labelled.splits[name] for name in ("train", "validation")]
    names = np.array(labelled.task.names)
    return Known(np.concatenate([part.flat for part in parts]), np.concatenate([names[part.y] for part in parts]))


def cases(base: str, known: Mapping[str, Known], num_draws: int) -> Iterator[Case]:
    for name, own in known.items():
        for draw in range(num_draws):
            rng = np.random.default_rng(draw)
            whole = divide(own.X, own.labels, rng)
            for other, rows in known.items():
                if other != name:
                    yield Case("far", base, name, other, whole, rows.X)
            classes = np.unique(own.labels)
            if len(classes) > NUM_HELD_OUT + 1:
                is_out = np.isin(own.labels, rng.permutation(classes)[:NUM_HELD_OUT])
                part = divide(own.X[~is_out], own.labels[~is_out], rng)
                yield Case("near", base, name, f"{NUM_HELD_OUT} classes held out", part, own.X[is_out])


def divide(X: Array, labels: NDArray[np.str_], rng: np.random.Generator) -> LabelledRows:
    """60 % training, 20 % validation and 20 % test images."""
    names, y = np.unique(labels, return_inverse=True)
    parts = np.split(rng.permutation(len(X)), [int(0.6 * len(X)), int(0.8 * len(X))])
    splits = {
        name: Split(X[rows], y[rows].astype(np.int64), tuple(map(str, rows)))
        for name, rows in zip(("train", "validation", "test"), parts, strict=True)
    }
    return LabelledRows(Classification(tuple(names)), splits)


def all_ways(case: Case) -> dict[str, tuple[Far, int]]:
    """Each way with the memory that it takes in a run, in bytes."""
    X, y = case.train, case.labelled.train.y
    units, D, K = unit_rows(X), X.shape[1], len(case.labelled.classes)
    head = fit_linear(parse_head("ridge"), case.labelled).head
    detector = fit_detector(case.labelled).detector
    within = units - np.stack([units[y == k].mean(axis=0) for k in range(K)])[y]
    mahalanobis = mahalanobis_of(np.stack([units[y == k].mean(axis=0) for k in range(K)]), within)
    overall = mahalanobis_of(units.mean(axis=0)[None], units - units.mean(axis=0))

    def unsure(Q: Array) -> NDArray[np.floating]:
        return -head.outputs(Q).max(axis=1)

    return {
        "probability": (unsure, 0),
        "energy": (lambda Q: -logsumexp(_scores(head, Q), axis=1), 0),
        "centres or probability": (smaller_p_value(detector.distances, unsure, case), 2 * detector.centres.size),
        "k-NN, k = 10": (neighbour(units, 10), 4 * units.size),
        "k-NN, k = 1": (neighbour(units, 1), 4 * units.size),
        "centres (default)": (detector.distances, 2 * detector.centres.size),
        "Mahalanobis": (lambda Q: mahalanobis(unit_rows(Q)), 4 * D * (D + K)),
        "relative": (lambda Q: mahalanobis(unit_rows(Q)) - overall(unit_rows(Q)), 4 * D * (2 * D + K)),
        "residual": (residual(units, 128), 4 * D * 129),
    }


def smaller_p_value(one: Far, other: Far, case: Case) -> Far:
    """The smaller p-value of two ways, each calibrated on the validation images; of equal ones the sum of both decides."""
    X = case.labelled.validation.flat
    known = [np.sort(far(X)) for far in (one, other)]

    def far(Q: Array) -> NDArray[np.floating]:
        p = [
            (1 + len(d) - np.searchsorted(d, way(Q))) / (len(d) + 1) for way, d in zip((one, other), known, strict=True)
        ]
        return -(np.minimum(*p) + 1e-6 * np.add(*p))

    return far


def _scores(head: object, Q: Array) -> NDArray[np.floating]:
    scores = head.temperature * head.scores(Q)  # type: ignore[attr-defined]
    return np.concatenate([np.zeros_like(scores), scores], axis=1) if scores.shape[1] == 1 else scores


def mahalanobis_of(means: Array, within: Array) -> Far:
    """The smallest squared Mahalanobis distance to these means, by the covariance of these differences."""
    covariance = within.T.astype(np.float64) @ within / len(within)
    level = np.trace(covariance) / len(covariance)
    precision = np.linalg.inv(covariance + SHRINKAGE * level * np.eye(len(covariance)))

    def far(Q: Array) -> NDArray[np.floating]:
        return np.min([np.einsum("nd,nd->n", (Q - mean) @ precision, Q - mean) for mean in means], axis=0)

    return far


def residual(units: Array, num_components: int) -> Far:
    mean = units.mean(axis=0)
    V = np.linalg.svd(units - mean, full_matrices=False)[2][:num_components]

    def far(Q: Array) -> NDArray[np.floating]:
        centred = unit_rows(Q) - mean
        return np.linalg.norm(centred - centred @ V.T @ V, axis=1)

    return far


def neighbour(units: Array, k: int) -> Far:
    """1 - the cosine to the k-th nearest of these rows of length 1."""
    k = min(k, len(units))
    return lambda Q: 1 - np.partition(unit_rows(Q) @ units.T, len(units) - k, axis=1)[:, len(units) - k]


def compressed(case: Case) -> dict[str, tuple[Far, int]]:
    """Fewer or smaller training rows, with the bytes that they take; the nearest one counts."""
    units, y, rng = unit_rows(case.train), case.labelled.train.y, np.random.default_rng(0)
    order, D = rng.permutation(len(units)), units.shape[1]
    half = lambda rows: rows.astype(np.float16).astype(np.float32)  # noqa: E731
    found: dict[str, tuple[Far, int]] = {
        "all rows, float32": (neighbour(units, 1), 4 * units.size),
        "all rows, float16": (neighbour(half(units), 1), 2 * units.size),
    }
    for count in (64, 256, 1024):
        found[f"{count:,} random rows, float16"] = (neighbour(half(units[order[:count]]), 1), 2 * count * D)
    K = len(case.labelled.classes)
    each = np.concatenate([np.flatnonzero(y == k)[: max(1, 256 // K)] for k in range(K)])
    found["256 rows, as many of each class, float16"] = (neighbour(half(units[each]), 1), 2 * len(each) * D)
    for count in (16, 64, 128, 256, 512):
        for steps in (1, 10) if count == 256 else (1,):
            centres = k_means(units, count, steps)
            name = f"{count:,} centres, float16" + (f", {steps} steps" if steps > 1 else "")
            found[name] = (neighbour(half(centres), 1), 2 * centres.size)
    default = find_centres(units)
    scale = np.abs(default).max(axis=1, keepdims=True) / 127
    found["256 centres, int8"] = (neighbour(np.round(default / scale) * scale, 1), default.size + 4 * len(default))
    for d in (32, 128):
        found[f"256 centres on {d} principal components and the rest's length, float16"] = on_components(
            units, default, d
        )
    return found


def k_means(units: Array, count: int, steps: int) -> Array:
    """Spherical k-means from random rows; one step is what `find_centres` does."""
    centres = units[np.random.default_rng(0).choice(len(units), min(count, len(units)), replace=False)]
    for _ in range(steps):
        nearest = (units @ centres.T).argmax(axis=1)
        order = np.argsort(nearest, kind="stable")
        starts = np.flatnonzero(np.diff(nearest[order], prepend=-1))
        centres = unit_rows(np.add.reduceat(units[order], starts, axis=0))
    return centres


def on_components(units: Array, centres: Array, d: int) -> tuple[Far, int]:
    """Squared distances in d principal components, plus the squared length of the image outside of them."""
    mean = units.mean(axis=0)
    V = np.linalg.svd(units - mean, full_matrices=False)[2][:d].astype(np.float16).astype(np.float32)
    C = ((centres - mean) @ V.T).astype(np.float16).astype(np.float32)

    def far(Q: Array) -> NDArray[np.floating]:
        centred = unit_rows(Q) - mean
        P = centred @ V.T
        inside = (P**2).sum(axis=1)[:, None] + (C**2).sum(axis=1) - 2 * P @ C.T
        return inside.min(axis=1) + np.maximum((centred**2).sum(axis=1) - (P**2).sum(axis=1), 0)

    return far, 2 * (C.size + V.size + mean.size)


def auroc(own: NDArray[np.floating], other: NDArray[np.floating]) -> float:
    """The probability that an unseen image is farther than a test image."""
    ranks = rankdata(np.concatenate([own, other]))[len(own) :]
    return float((ranks.sum() - len(other) * (len(other) + 1) / 2) / (len(own) * len(other)))


Found = Mapping[tuple[str, ...], Mapping[str, Sequence[tuple[float, float]]]]


def print_summary(found: Found, sizes: Mapping[str, Sequence[int]]) -> None:
    """The means over draws, then over cases."""
    print("| way | in a run, kB | far: AUROC | far: refused | near: AUROC | near: refused |")
    print("|---" * 6 + "|")
    for name, each in sizes.items():
        cells = [f"{min(each) / 1e3:,.0f} to {max(each) / 1e3:,.0f}" if max(each) else "0"]
        for kind in ("far", "near"):
            means = [np.mean(ways[name], axis=0) for case, ways in found.items() if case[0] == kind]
            mean = np.mean(means, axis=0)
            cells += [f"{mean[0]:.4f}", f"{mean[1]:.1%}"]
        print(f"| {name} | {' | '.join(cells)} |")


def print_cases(found: Found) -> None:
    """AUROC and share refused of each case, and the range of the AUROC over the draws for the default."""
    names = list(next(iter(found.values())))
    print(f"\n| trained on | shown | base | {' | '.join(names)} |")
    print("|---" * (3 + len(names)) + "|")
    for (_, base, data, unseen), ways in found.items():
        means = [np.mean(ways[name], axis=0) for name in names]
        print(f"| {data} | {unseen} | {base} | {' | '.join(f'{a:.3f}, {r:.0%}' for a, r in means)} |")


if __name__ == "__main__":
    main()
