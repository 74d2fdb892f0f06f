"""What claims and summary of the negative control ask of the rows."""

import pandas as pd

from theory_experiments._estimates import Estimate, column, where
from theory_experiments._gaussian_learners import LEARNERS


def pairs(table: pd.DataFrame) -> pd.DataFrame:
    """One line a task and learner, with what claims and summary ask of it.

    ``drop`` is the gain relative to the members' mean error, ``excess`` the gain beyond what
    variance allows, ``over_best`` that over the best member.
    """
    task = ("seed", "inputs", "target", "label_noise")
    numbers = ("train", "one", "best", "spread", "ensemble", "gain", "allowed")
    parts = [
        pd.DataFrame(
            {name: table[name] for name in task}
            | {name: table[f"{learner}_{name}"] for name in numbers}
            | {"learner": learner}
        )
        for learner in LEARNERS
    ]
    found = pd.concat(parts, ignore_index=True)
    return found.assign(
        drop=found["gain"] / found["one"],
        excess=found["gain"] - found["allowed"],
        over_best=found["best"] - found["ensemble"],
    )


def control(table: pd.DataFrame) -> pd.DataFrame:
    """The pairs on Gaussian-like inputs."""
    found = pairs(table)
    return found.loc[found["inputs"] != "multi-view"]


def on_views(value: Estimate) -> Estimate:
    """Estimate: ``value`` of the paper's learner's pairs on multi-view patches, one a seed."""

    def estimate(table: pd.DataFrame) -> pd.Series:
        found = where(pairs(table), inputs="multi-view", learner="smoothed")
        return value(found.set_index("seed"))

    return estimate


def by_seed(how: str, name: str, learners: tuple[str, ...] = LEARNERS) -> Estimate:
    """Estimate: the ``mean`` or ``max`` of a number of ``pairs``, on Gaussian-like inputs."""

    def estimate(table: pd.DataFrame) -> pd.Series:
        found = control(table)
        return found.loc[found["learner"].isin(learners)].groupby("seed")[name].agg(how)

    return estimate


def relative_drop(how: str, learners: tuple[str, ...] = LEARNERS) -> Estimate:
    """Estimate: the relative drop on Gaussian-like inputs over the paper's learner's on views."""
    here, there = by_seed(how, "drop", learners), on_views(column("drop"))
    return lambda table: here(table) / there(table)
