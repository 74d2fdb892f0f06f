"""A coin shows heads half of the time.

A script like those in theory_experiments, for the tests of the bookkeeping: it notes every cell
it computes in the file $TOY_LOG and, by environment, is slow, diverges, raises or is killed.
"""

import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from multiview.runs.claims import Claim
from multiview.runs.experiment import Context, Experiment, Grid
from multiview.runs.script import main


@dataclass(frozen=True, kw_only=True)
class Coin:
    """A biased coin."""

    heads: float = 0.5


@dataclass(frozen=True, kw_only=True)
class Cell:
    """Flips of one coin."""

    seed: int
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
        case "die":
            os.kill(os.getpid(), signal.SIGKILL)
        case "die in a write":
            os.fsync = lambda descriptor: os.kill(os.getpid(), signal.SIGKILL)
        case "stop":  # as Ctrl-Z does: SIGTERM waits until it is continued
            os.kill(os.getpid(), signal.SIGSTOP)
    flips = np.random.default_rng([cell.seed, cell.flips]).random(cell.flips) < cell.coin.heads
    return {"error": flips.mean(), "flips_made": flips, "nested": [1, [2.5, None]], "nan": np.nan}


def cells(seed: int, options: Options) -> list[Cell]:
    """Short and long sequences."""
    coin = Coin(heads=0.5 if options.coin == "fair" else 0.9)
    return [Cell(seed=seed, flips=flips, coin=coin) for flips in (100, 200)]


def claims(preset: str, options: Options) -> list[Claim]:
    """It is fair."""

    def share(table):
        return table[table["flips"] == 200]["error"]

    fair = Claim(
        name="fair",
        source="Theorem 0",
        statement="heads as often as tails",
        predicted=(0.3, 0.7),
        estimate=share,
        trials=200,
    )
    return [fair]


EXPERIMENT = Experiment(
    name="toy_experiment",
    run=run,
    grids={"smoke": Grid(cells=cells, seeds=2), "laptop": Grid(cells=cells, seeds=4)},
    claims=claims,
    options=Options,
    summary=lambda table: f"heads: {table['error'].mean():.3f}",
)

if __name__ == "__main__":
    main(EXPERIMENT)
