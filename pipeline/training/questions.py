"""Several questions about the same images: a head for each label column, from one reading of the rows."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any, Protocol, TypeVar

from pipeline.images.manifest import Manifest
from pipeline.runs.saving import Saving
from pipeline.stage_two.rows import RowMemory


class Result(Protocol):
    """A run, or a sweep."""

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        ...

    def _repr_html_(self) -> str:
        """For notebooks."""
        ...


Answer = TypeVar("Answer", bound=Result)


@dataclass(frozen=True)
class ByQuestion(Mapping[str, Any]):
    """The result for each label column, by its name: runs of `fit`, or sweeps."""

    results: Mapping[str, Any]

    def __getitem__(self, question: str) -> Any:
        return self.results[question]

    def __iter__(self) -> Iterator[str]:
        return iter(self.results)

    def __len__(self) -> int:
        return len(self.results)

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON: `questions`, with the result for each column by its name."""
        return {"questions": {name: result.as_dict() for name, result in self.results.items()}}

    def __repr__(self) -> str:
        return f"ByQuestion({', '.join(f'{name}={result!r}' for name, result in self.results.items())})"

    def _repr_html_(self) -> str:
        """The results one after the other, for notebooks."""
        return "".join(f"<h4>{escape(name)}</h4>{result._repr_html_()}" for name, result in self.results.items())


def train_each(
    manifests: Mapping[str, Manifest], train: Callable[..., Answer], saving: Saving, runs: Path
) -> Answer | ByQuestion:
    """Train for each question.

    Args:
        manifests: The labelled images by question; a single one has any key.
        train: Takes a manifest, and by the names `saving` and `memory` how the run is saved and the rows that were read already.
        saving: How the run is saved; with several questions, a name is followed by the question.
        runs: Folder of the runs.

    Returns:
        The result; of several questions each with its name.

    Raises:
        SettingError: A name is not valid or taken.
    """
    if len(manifests) == 1:
        return train(next(iter(manifests.values())), saving=saving)
    savings = {question: saving.of_question(question) for question in manifests}
    for each in savings.values():
        each.check(runs)
    memory = RowMemory()
    return ByQuestion(
        {question: train(manifest, saving=savings[question], memory=memory) for question, manifest in manifests.items()}
    )
