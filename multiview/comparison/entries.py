"""Names of methods, and what the theory says of them, beside what is measured."""

from collections.abc import Collection, Mapping

import pandas as pd

from multiview.bench import Entry


def labelled(table: pd.DataFrame, entries: Mapping[str, Entry]) -> pd.DataFrame:
    """The table with the ``label`` and ``group`` of each method; others have none."""
    named = {name: each.label for name, each in entries.items()}
    groups = {name: each.group for name, each in entries.items()}
    return table.assign(label=table["method"].map(named.get), group=table["method"].map(groups.get))


def with_predictions(table: pd.DataFrame, entries: Mapping[str, Entry]) -> pd.DataFrame:
    """The table with ``predicted``: coverage by the theory, of the measured coverage of others.

    Missing where the theory says nothing, or of what was not measured.
    """
    parts = []
    for _, lines in table.groupby(["seed", *(["part"] if "part" in table else [])], sort=False):
        c = dict(zip(lines["method"], lines["coverage"], strict=True))
        theory: dict[str, float] = {}
        for name, each in entries.items():
            if each.theory is None or name not in c:
                continue
            try:
                theory[name] = each.theory(c, int(lines["members"].iloc[0]))
            except KeyError:  # of a method that is not compared
                continue
        parts.append(lines.assign(predicted=lines["method"].map(theory.get)))
    return pd.concat(parts)


def counted_in_views(
    table: pd.DataFrame, *measures: str, averaged: Collection[str] = ()
) -> pd.DataFrame:
    """The table with a column ``<measure>_of``: of how many views a repetition's value is a share.

    Args:
        averaged: Methods whose values are means over many networks, and so no counts.
    """
    if "spec.num_classes" not in table:  # of a script's other parts alone
        return table
    views = table["spec.num_classes"] * table["spec.num_views"]
    views = views.where(~table["method"].isin(list(averaged)))
    known = {name: views.where(table[name].notna()) for name in measures if name in table}
    return table.assign(**{f"{name}_of": values for name, values in known.items()})
