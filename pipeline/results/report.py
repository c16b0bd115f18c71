"""One self-contained HTML page on runs: opens from disk, asks no network."""

import base64
import html
from collections.abc import Sequence
from pathlib import Path
from string import Template
from typing import Any

from pipeline.errors import RunNotFoundError
from pipeline.results.runs import RunFolder

_PAGE = Template("""<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>$title</title>
<style>
:root { color-scheme: light dark; --line: #8884; --soft: #8881; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 62rem; margin: 2rem auto; padding: 0 1rem; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { text-align: left; padding: .35rem .7rem .35rem 0; border-bottom: 1px solid var(--line); white-space: nowrap; }
td.number, th.number { text-align: right; }
img { max-width: 100%; background: white; border-radius: .4rem; }
article { margin: 3rem 0; }
pre { background: var(--soft); padding: .7rem; overflow-x: auto; border-radius: .4rem; }
</style>
<h1>$title</h1>
<p>$answer</p>
<div class="scroll">$table</div>
$articles
</html>
""")


def write_report(runs: Sequence[RunFolder], path: Path) -> Path:
    """Write the page: the best run in a sentence, all runs in a table, then each with its pictures.

    File names and labels are escaped.

    Raises:
        RunNotFoundError: There is no run to report on.
    """
    if not runs:
        raise RunNotFoundError("There is no run to report on; `bottleneck head DATA` makes one.")
    ranked = sorted(runs, key=lambda run: -run.metrics["validation"]["accuracy"])
    path.parent.mkdir(parents=True, exist_ok=True)
    page = _PAGE.substitute(
        title="Heads on cached features",
        answer=_answer(ranked[0]),
        table=_table(ranked),
        articles="\n".join(map(_article, ranked)),
    )
    path.write_text(page, encoding="utf-8")
    return path


def _answer(best: RunFolder) -> str:
    split = "test" if "test" in best.metrics else "validation"
    scores, info = best.metrics[split], best.info
    low, high = scores["ci95"]
    return html.escape(
        f"Best by validation: {info['head']} on {info['recipe']['base']} features of {info['data']}, "
        f"{scores['accuracy']:.1%} of {scores['n']:,} {split} images right "
        f"(95 % interval {low:.1%} to {high:.1%}), trained in {info['seconds']:.1f} s."
    )


def _table(runs: Sequence[RunFolder]) -> str:
    names = ("run", "data", "base", "head", "validation", "test", "seconds")
    numbers = names[4:]
    head = "".join(f'<th{_class(name, numbers)} scope="col">{name}</th>' for name in names)
    rows = []
    for run in runs:
        info, test = run.info, run.metrics.get("test")
        cells = (
            f'<a href="#{html.escape(run.name, quote=True)}">{html.escape(run.name)}</a>',
            html.escape(info["data"]),
            html.escape(info["recipe"]["base"]),
            html.escape(info["head"]),
            f"{run.metrics['validation']['accuracy']:.4f}",
            f"{test['accuracy']:.4f}" if test else "-",
            f"{info['seconds']:.2f}",
        )
        rows.append("".join(f"<td{_class(n, numbers)}>{cell}</td>" for n, cell in zip(names, cells, strict=True)))
    return f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(f'<tr>{row}</tr>' for row in rows)}</tbody></table>"


def _class(name: str, numbers: Sequence[str]) -> str:
    return ' class="number"' if name in numbers else ""


def _article(run: RunFolder) -> str:
    info: dict[str, Any] = run.info
    pictures = "".join(
        f'<p><img alt="{alt}" src="data:image/png;base64,{base64.b64encode(file.read_bytes()).decode()}"></p>'
        for name, alt in (("curves.png", "Learning curves"), ("confusion.png", "Confusion matrix"))
        if (file := run.path / name).is_file()
    )
    made = html.escape(
        f"{info['command'] or 'from Python'}\n\nfingerprint  {info['fingerprint']}\ncreated      {info['created']}"
    )
    name = html.escape(run.name, quote=True)
    return f'<article id="{name}"><h2>{name}</h2>{pictures}<pre>{made}</pre></article>'
