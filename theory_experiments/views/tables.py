"""Names of methods, and what the theory says of them, beside what is measured."""

from collections.abc import Mapping

import pandas as pd

from multiview.bench import Entry


def labelled(table: pd.DataFrame, entries: Mapping[str, Entry]) -> pd.DataFrame:
    """The table with the ``label`` and ``group`` of each method; others have none."""
    named = {name: each.label for name, each in entries.items()}
    groups = {name: each.group for name, each in entries.items()}
    return table.assign(label=table["method"].map(named.get), group=table["method"].map(groups.get))


def with_predictions(table: pd.DataFrame, entries: Mapping[str, Entry]) -> pd.DataFrame:
    """The table with ``predicted``, what the theory says of c by the measured c of others."""
    parts = []
    for _, lines in table.groupby(["seed", *(["part"] if "part" in table else [])], sort=False):
        c = dict(zip(lines["method"], lines["coverage"], strict=True))
        K = int(lines["members"].iloc[0])
        theory = {
            name: each.theory(c, K)
            for name, each in entries.items()
            if each.theory is not None and name in c
        }
        parts.append(lines.assign(predicted=lines["method"].map(theory.get)))
    return pd.concat(parts)
