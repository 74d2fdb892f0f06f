"""A coin shows heads half of the time.

A script like those in theory_experiments, for the tests of the bookkeeping: it notes every cell
it computes in the file $TOY_LOG and, by environment, is slow, diverges, raises or is killed.
"""

import os
import signal
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd

from multiview.runs.claims import Claim
from multiview.runs.estimates import measured
from multiview.runs.experiment import Context, Experiment, Preset
from multiview.runs.script import main
from multiview.runs.tables import Line, Listing, measure


@dataclass(frozen=True, kw_only=True)
class Coin:
    """A biased coin."""

    heads: float = 0.5


@dataclass(frozen=True, kw_only=True)
class Cell:
    """Flips of one coin."""

    seed: int = 0
    flips: int
    sizes: tuple[int, ...] = (1, 2)
    coin: Coin = Coin()


@dataclass(frozen=True, kw_only=True)
class Options:
    """Which coin."""

    coin: Literal["fair", "forged"] = "fair"  # a forged one shows heads 9 times in 10


def run(cell: Cell, context: Context) -> dict:
    """Flip it."""
    if log := os.environ.get("TOY_LOG"):
        with Path(log).open("a") as file:
            file.write(f"{cell.seed} {cell.flips}\n")
    for step in range(4):
        context.progress(f"step {step}", step / 4)
        time.sleep(float(os.environ.get("TOY_NAP", "0")) / 4)
    match os.environ.get(f"TOY_SEED_{cell.seed}"):
        case "diverge":
            raise FloatingPointError("the loss is nan at step 3")
        case "raise":
            raise RuntimeError("a bug")
        case "memory":  # more than FAULT_MEMORY of faulty_toy.py allows, or any machine has
            np.ones(1 << 40)
        case "die":
            os.kill(os.getpid(), signal.SIGKILL)
        case "die in a write":
            os.fsync = lambda descriptor: os.kill(os.getpid(), signal.SIGKILL)
        case "stop":  # as Ctrl-Z does: SIGTERM waits until it is continued
            os.kill(os.getpid(), signal.SIGSTOP)
    flips = np.random.default_rng([cell.seed, cell.flips]).random(cell.flips) < cell.coin.heads
    return {
        "coin": {"error": flips.mean(), "flips_made": flips, "nested": [1, [2.5, None]]},
        "data": {"nan": np.nan},
    }


def cells(options: Options) -> list[Cell]:
    """Short and long sequences."""
    coin = Coin(heads=0.5 if options.coin == "fair" else 0.9)
    return [Cell(flips=flips, coin=coin) for flips in (100, 200)]


def claims(cells: Sequence[Cell]) -> list[Claim]:
    """It is fair."""
    fair = Claim(
        name="fair",
        source="Theorem 0",
        statement="heads as often as tails",
        predicted=(0.3, 0.7),
        estimate=measured("error", "coin", flips=200),
    )
    return [fair]


def derived(table: pd.DataFrame) -> pd.DataFrame:
    """Of how many flips the share is taken."""
    return table.assign(error_of=table["flips"].where(table["method"] == "coin"))


def tables(table: pd.DataFrame) -> list[Listing]:
    """The share of heads."""
    lines = [Line(label=f"{n} flips", where={"method": "coin", "flips": n}) for n in (100, 200)]
    return [Listing(title="Heads, %", lines=lines, columns=[measure("share", "error")])]


EXPERIMENT = Experiment(
    name="toy_experiment",
    description=__doc__ or "",
    run=run,
    presets={"smoke": Preset(cells=cells, seeds=2), "laptop": Preset(cells=cells, seeds=4)},
    claims=claims,
    options=Options,
    derived=derived,
    tables=tables,
)

if __name__ == "__main__":
    main(EXPERIMENT)
