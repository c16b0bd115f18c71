"""Results as text; `--json` prints the same values."""

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pipeline.cli.decisions import decision_lines
from pipeline.cli.outlook import uses_of
from pipeline.cli.scores import score_lines
from pipeline.cli.table import table


def describe_features(result: Mapping[str, Any]) -> str:
    """Rows, speed, store, and skipped images."""
    speed = f", {result['images_per_second']:.1f} images per second" if result["new"] else ""
    views = result.get("views")
    source = f" ({result['from_rows']} of them from rows of an earlier layer)" if result["from_rows"] else ""
    lines = [
        f"{result['rows']} rows of {tuple(result['shape'])}: {result['new']} new{source}{_fetched(result)}, {result['reused']} reused{speed}.",
        *(
            [f"{views['rows']} rows of views: {views['new']} new{_fetched(views)}, {_reused(views)} reused."]
            if views
            else []
        ),
        *_image_lines(result),
        f"Store: {result['store']}",
        f"Seconds: {result['seconds'] + (views['seconds'] if views else 0):.1f}",
    ]
    return "\n".join(lines)


def _fetched(result: Mapping[str, Any]) -> str:
    return f", {result['fetched']} fetched" if result["fetched"] else ""


def _reused(views: Mapping[str, Any]) -> int:
    return int(views["rows"] - views["new"] - views["fetched"])


def describe_head(result: Mapping[str, Any]) -> str:
    """The head, and its scores by split."""
    told = [_trained(result), *_augmented(result), *_kept_epoch(result)]
    decided = decision_lines(result)
    lines = [*told, *score_lines(result), *decided, *_image_lines(result), f"Run: {result['folder']}"]
    return "\n".join([*lines, uses_of(result["run"], Path(result["folder"]).parent)])


def describe_page(result: Mapping[str, Any]) -> str:
    """What became of the images, and the address of the tuner's page."""
    return "\n".join([*_image_lines(result), f"{result['address']} shows the page; Ctrl-C ends it."])


def _image_lines(result: Mapping[str, Any]) -> list[str]:
    """Images by class, skipped images and ignored files."""
    from pipeline.images.summary import ImageUse

    return ImageUse.from_dict(result).as_lines()


def _augmented(result: Mapping[str, Any]) -> list[str]:
    """How training images were augmented; of live trainings also that they were not."""
    text = result["augmentation"]
    if text is None:
        return []
    return [f"Augmentation: {text}{' (anew in every epoch)' if text.endswith(', live') else ''}"]


def _kept_epoch(result: Mapping[str, Any]) -> list[str]:
    """Which epoch was kept, and what fine-tuning changed."""
    if "kept_epoch" not in result:
        return []
    kept = f"Kept the weights of epoch {result['kept_epoch']} of {result['epochs']}."
    if "validation_before" not in result:
        return [kept]
    kept = f"{kept[:-1]} ({result['head_epochs']} of the head alone, then fine-tuning)."
    if "accuracy" not in result["validation"]:
        return [kept]
    before, after = result["validation_before"], result["validation"]["accuracy"]
    return [f"{kept} Validation accuracy: {before:.4f} before fine-tuning, {after:.4f} after."]


def _trained(result: Mapping[str, Any]) -> str:
    per_epoch = f", {result['seconds_per_epoch']:.2f} s per epoch" if result["seconds_per_epoch"] else ""
    chosen = ", ".join(f"{key} {value:g}" for key, value in result["chosen"].items())
    parameters = f"{result['trainable_params']:,} of {result['total_params']:,} parameters"
    seconds = f"trained in {result['seconds']:.2f} s{per_epoch}"
    pool = f"pool {result['pool']}"
    return f"{result['head']}{f' ({chosen})' if chosen else ''}, {pool}, {parameters} {seconds}"


def describe_experiment(result: Mapping[str, Any]) -> str:
    """Our figures beside the published ones; no accuracy where the weights are random."""
    changed = ", ".join(f"{name} {value}" for name, value in result["changed"].items())
    title = f"{result['experiment'].upper()}: {result['what']}{f' (changed: {changed})' if changed else ''}"
    if result["mechanics_only"]:
        return f"{title}\nRandom weights: only parameters and seconds mean something.\n{_trained(result)}\nRun: {result['folder']}"
    ours: dict[str, Any] = {
        split: result[split]["accuracy"] for split in ("train", "validation", "test") if split in result
    }
    ours |= {"test_loss": result.get("test", {}).get("loss"), "seconds_per_epoch": result["seconds_per_epoch"]}
    rows = [
        {"figure": name, "published": str(value), "ours": ours.get(name)} for name, value in result["reported"].items()
    ]
    beside = f"\n\n{table(rows)}" if rows else ""
    return f"{title}\n{describe_head(result)}{beside}"


def describe_comparison(result: Mapping[str, Any]) -> str:
    """One row per regime, and when each cached one breaks even."""
    from pipeline.comparison.break_even import BreakEven
    from pipeline.tasks.scores import words_of

    rows = [
        {
            "regime": row["regime"],
            "what is trained": row["what"],
            "validation": f"{row['validation']:.4f}",
            "95 % interval": f"{row['ci95'][0]:.3f} to {row['ci95'][1]:.3f}",
            "test": row["test"],
            "overfitting gap": f"{row['overfitting_gap']:+.3f}",
            "training s": f"{row['training_seconds']:.1f}",
            "with stage one s": f"{row['total_seconds']:.1f}",
            "s per epoch": None if row["seconds_per_epoch"] is None else f"{row['seconds_per_epoch']:.2f}",
            "trained parameters": row["trainable_params"],
        }
        for row in result["rows"]
    ]
    best = max(range(len(rows)), key=lambda number: float(result["rows"][number]["validation"]))
    words = words_of(result["rows"][0].get("score", "accuracy"))
    lines = [table(rows, best=[best]), f"Overfitting gap: training {words} minus validation {words}."]
    if result["augmentation"]:
        lines.append(f"Augmentation of the live regimes: {result['augmentation']}.")
    lines += _image_lines(result)
    if result["plot"]:
        lines.append(f"Plot: {result['plot']}")
    for regime, found in result["break_even"].items():
        lines.append(BreakEven(**found).describe(regime))
    return "\n".join(lines)


def describe_advice(result: Mapping[str, Any]) -> str:
    """The recommended regime, the reasons, and the cost of each regime."""
    advice = result["advice"]
    rows = [
        {
            "regime": row["regime"],
            "stage one s": f"{row['stage_one_seconds']:.0f}",
            "s per epoch": f"{row['seconds_per_epoch']:.1f}",
            "MB on disk": f"{row['megabytes']:.1f}",
        }
        for row in result["costs"]
    ]
    lines = [
        f"{advice['summary']} Run: `{advice['command']}`.",
        *(f"  - {reason}" for reason in advice["reasons"]),
        "",
        "Costs on this machine, estimated from a sample. Stage one is for the rows that are still missing:",
        table(rows),
        "",
        *_image_lines(result),
        _left(result["left"]),
    ]
    return "\n".join(lines)


def describe_race(result: Mapping[str, Any]) -> str:
    """The winner, the accuracies by round, and the next command."""
    told = [result["text"], "", table(result["table"]), "", f"Run: `{result['command']}`."]
    plot = [f"Plot: {result['plot']}"] if result["plot"] else []
    return "\n".join([*told, *plot, *_image_lines(result)])


def describe_plan(result: Mapping[str, Any]) -> str:
    """One row per base, and what was measured."""
    from pipeline.comparison.plan import BREAK_EVEN, describe_duration

    rows = [
        {
            "base": f"{row['base']}, {row['size']} px" + (", bfloat16" if row["precision"] == "bfloat16" else ""),
            "engine": row["engine"],
            "rows per second": f"{row['rows_per_second']:.1f}",
            "rows there": f"{row['rows_there']:,}",
            **(
                {"rows shared": f"{row['rows_shared']:,}"}
                if any(each["rows_shared"] for each in result["bases"])
                else {}
            ),
            "time": describe_duration(row["seconds"]),
            "GB": f"{row['gigabytes']:.3g}",
            "shards": row["shards"],
            "GB of memory": f"{row['memory_gigabytes']:.1f}",
            "break-even epochs": row["break_even"]["epochs"],
            "break-even heads": row["break_even"]["heads"],
        }
        for row in result["bases"]
    ]
    workers = f"{result['workers']} workers like this machine" if result["workers"] > 1 else "this machine"
    first = [
        f"{row['base']} {describe_duration(row['once_seconds'])}" for row in result["bases"] if row["once_seconds"] >= 1
    ]
    lines = [
        f"{result['images']:,} images, {result['rows']:,} rows, on {workers}; measured on {result['measured_on']}:",
        table(rows),
        BREAK_EVEN,
        *([f"Once per machine, in addition: {', '.join(first)}."] if first else []),
        *(_image_lines(result) if "skipped" in result else []),
        _left([row["left"] for row in result["bases"] if row["left"]]),
    ]
    return "\n".join(lines)


def _left(entries: Sequence[Mapping[str, Any]]) -> str:
    from pipeline.comparison.leftovers import LeftRows, describe_left

    return describe_left(LeftRows(**entry) for entry in entries)


def describe_report(result: Mapping[str, Any]) -> str:
    """What was written, and how many runs are on it."""
    count = len(result["runs"])
    return f"Wrote {result['report']}, a page on {count} run{'s' * (count != 1)}."


def describe_cache_export(result: Mapping[str, Any]) -> str:
    """The file, and its rows by split."""
    return f"Wrote {result['file']}: {', '.join(f'{count:,} {split}' for split, count in result['rows'].items())} rows."


def hint_evaluate(run: str, folder: str) -> str:
    """The command that scores a labelled folder."""
    return f"The folders look like the labels of the run. For scores: {shlex.join(['bottleneck', 'evaluate', run, folder])}"


_DIFFERENCES = {"probabilities": "a probability", "values": "a number, in standard deviations"}


def describe_export(result: Mapping[str, Any]) -> str:
    """What was written, its digest, and how close its predictions are to those of its run."""
    own = f"{result['own_images']} of them from its data, the others synthetic"
    images = f"{result['images']} images{'' if result['own_images'] == result['images'] else f' ({own})'}"
    written = "".join(f" and {file} (the classes in the order of the outputs)" for file in result["files"][1:])
    lines = [
        f"Wrote {result['file']} ({result['format']}){written}.",
        "The file makes the same predictions as the run.",
        f"Largest difference of {_DIFFERENCES[result['outputs']]}: {result['largest_difference']:.1e} over {images}.",
    ]
    if "p_values" in result:
        lines.append("The output p_value says how usual an image is. " + _p_value_parity(result["p_values"]))
    if result["encoded"]:
        encoded = result["encoded"]
        lines.append(
            f"From image files instead of pixels: {encoded['largest_difference']:.1e} over {encoded['images']} images, "
            f"{encoded['ties']} of them with another label."
        )
    return "\n".join([*lines, f"SHA-256: {result['sha256']}"])


def _p_value_parity(p_values: Mapping[str, Any]) -> str:
    if not p_values["different"]:
        return "It is the same as the run's for all images."
    return (
        f"It differs from the run's for {p_values['different']} images, by up to {p_values['largest_difference']:.1e}, where validation images "
        "are about equally far."
    )


def describe_verify(result: Mapping[str, Any]) -> str:
    """Number of whole rows, and what is damaged."""
    lines = [f"{result['ok']} of {result['rows']} rows are whole."]
    lines += [f"  {entry['shard']}: {entry['reason']}" for entry in result["bad"]]
    if "recomputed" in result:
        again = result["recomputed"]
        lines.append(
            f"{again['rows']} rows computed again: largest relative difference {again['largest_difference']:.1e}."
        )
    return "\n".join(lines)


def describe_repair(result: Mapping[str, Any]) -> str:
    """Number of whole rows, and which shards were set aside."""
    lines = [f"{result['ok']} of {result['rows']} rows are whole."]
    lines += [
        f"  {shard} was moved to quarantine/; `bottleneck features` makes its rows again."
        for shard in result["set_aside"]
    ]
    lines += [f"  {store}/recipe.json was written again, from the recipe in its shards." for store in result["mended"]]
    lines += [f"  {entry['shard']} was not moved: {entry['reason']}" for entry in result["left"]]
    return "\n".join(lines)


def describe_prune(result: Mapping[str, Any]) -> str:
    """Folders that were or would be deleted."""
    if not result["paths"]:
        return "Nothing to delete. Name stores (see `bottleneck cache ls`) to delete them."
    verb = "Deleted" if result["deleted"] else "Would delete (add --yes)"
    return "\n".join([f"{verb} {result['bytes'] / 1e6:.1f} MB:", *(f"  {path}" for path in result["paths"])])


def describe_compact(result: Mapping[str, Any]) -> str:
    """Shards and bytes of each store, before and after."""
    if not result["stores"]:
        return "No stores yet."
    merged = [store for store in result["stores"] if "error" not in store]
    lines = [table(merged)] if merged else []
    return "\n".join(lines + [f"{s['store']} was not merged: {s['error']}" for s in result["stores"] if "error" in s])


def describe_exchange(result: Mapping[str, Any]) -> str:
    """What was copied of each store, and what was refused."""
    moved = [store for store in result["stores"] if store["shards"]]
    lines = [table(moved)] if moved else ["Nothing to copy."]
    same = len(result["stores"]) - len(moved)
    lines += [f"{same} {'store has' if same == 1 else 'stores have'} nothing new."] if moved and same else []
    return "\n".join([*lines, *(f"{entry['path']} was refused: {entry['reason']}" for entry in result["refused"])])


def describe_stores(stores: Sequence[Mapping[str, Any]]) -> str:
    """One row per store."""
    shown = ("store", "rows", "shards", "bytes", "shape", "compression", "quarantined")
    rows = [{name: store[name] for name in shown} for store in stores]
    rows = [row | {"compression": row["compression"] and f"{row['compression']:.2f}"} for row in rows]
    return table(rows) if rows else "No stores yet."


def describe_weights(result: Mapping[str, Any]) -> str:
    """One row per file of weights."""
    if not result["weights"]:
        return f"No weights in {result['folder']}; `bottleneck weights fetch vgg16` fetches some."
    return table(result["weights"])
