"""Seconds until a command line answers, and until the main comparison is done.

    python tests/benchmarks/starts.py

Whole processes, from the start of the interpreter to its end. The first starts are held against
that of an interpreter that imports nothing, or torch alone; the limits were set as seconds.
"""

import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path

from ratio import Ratio, in_turn, table
from rich.console import Console

SCRIPT = Path(__file__).parents[2] / "theory_experiments" / "ensemble_vs_ntk.py"
WORDS = {
    "an empty program": ["-c", "pass"],
    "import torch": ["-c", "import torch"],
    "multiview list": ["-m", "multiview", "list"],
    "ensemble_vs_ntk.py --help": [str(SCRIPT), "--help"],
}
LIMITS = {"multiview list": 0.7, "ensemble_vs_ntk.py --help": 1.2}  # seconds
RIVALS = {"multiview list": "an empty program", "ensemble_vs_ntk.py --help": "import torch"}
REPEATS, SEEDS = 5, 3
MAIN_JOB = 30.0  # seconds, with three seeds on two cores


def called(words: list[str]) -> None:
    """Run an interpreter to its end."""
    subprocess.run([sys.executable, *words], check=True, capture_output=True)


def ratios() -> Iterator[Ratio]:
    """Starts held against bare ones and against their limits; then the main job."""
    yield from start_ratios()
    words = [str(SCRIPT), "--seeds", f"{SEEDS}", "--engine", "processes", "--workers", "2"]
    with tempfile.TemporaryDirectory() as folder:
        begin = time.perf_counter()
        called([*words, "--out", folder])
        seconds = time.perf_counter() - begin
    what, rival = f"ensemble_vs_ntk.py, {SEEDS} seeds", f"{MAIN_JOB:g} s"
    yield Ratio(what=what, rival=rival, ours=[seconds], theirs=[MAIN_JOB], aim=1.0)


def start_ratios() -> Iterator[Ratio]:
    """The starts alone."""
    tasks = {name: partial(called, words) for name, words in WORDS.items()}
    times: Mapping[str, list[float]] = in_turn(tasks, REPEATS)
    for name, limit in LIMITS.items():
        rival = RIVALS[name]
        yield Ratio(what=name, rival=rival, ours=times[name], theirs=times[rival])
        yield Ratio(what=name, rival=f"{limit:g} s", ours=times[name], theirs=[limit], aim=1.0)


if __name__ == "__main__":
    Console(width=120).print(table(ratios()))
