"""Contestants in turns within one run, medians, ratios: what all benchmarks share."""

import json
import os
import platform
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

Seconds = Mapping[str, Sequence[float]]


def in_turns(contestants: Mapping[str, Callable[[], Any]], repeats: int) -> dict[str, list[float]]:
    """Wall seconds of each, run one after the other so many times; a float that comes back counts instead."""
    seconds: dict[str, list[float]] = {name: [] for name in contestants}
    for _ in range(repeats):
        for name, run in contestants.items():
            start = time.perf_counter()
            own = run()
            seconds[name].append(own if isinstance(own, float) else time.perf_counter() - start)
    return seconds


def ratio(seconds: Seconds, slower: str, faster: str) -> float:
    """How many times as long the one takes as the other, by their medians."""
    return statistics.median(seconds[slower]) / statistics.median(seconds[faster])


def say(question: str, seconds: Seconds, ratios: Mapping[str, tuple[float, float]], **facts: Any) -> None:
    """Print medians, then each ratio beside its goal, then all as one line of JSON.

    Args:
        question: What was asked.
        seconds: Of each contestant.
        ratios: By what is compared: the ratio and the least that it should be.
        facts: What else belongs to it, such as the number of images.
    """
    print(f"\n{question}")
    for name, values in seconds.items():
        print(f"  {name:32} {statistics.median(values):9.3f} s   of {[round(value, 3) for value in values]}")
    for name, (received, goal) in ratios.items():
        print(f"  {name:60} {received:7.2f}   (goal {goal:g}: {'met' if received >= goal else 'MISSED'})")
    machine = f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    print(json.dumps({"question": question, "machine": machine, "seconds": seconds, "ratios": ratios, **facts}))
