"""Regimes of networks of finite size, and the errors that follow from what they learned."""

from collections.abc import Mapping

import pandas as pd

from multiview.data import MultiViewSpec
from multiview.theory import coverage, ensemble_error, single_view_error
from theory_experiments.views.closed_forms import by_method, lost_error

MOST = 0.25  # the theorem's regime has at most this fraction of classes with no or every view


def with_regime(spec: MultiViewSpec, lines: pd.DataFrame) -> pd.DataFrame:
    """A cell's lines with what the theory says, and in which regime its networks are.

    ``predicted``, the single-view error, follows from the coverage of the members; ``theory`` from
    one view a class. ``none_learned`` and ``all_learned`` are fractions of classes.
    """
    c, views = by_method(lines, "coverage")["member"], lines["views"].dropna().tolist()[0]
    lost = lost_error(spec, spec.num_views * c)
    theory = single_view_error(coverage(0.0, spec.num_views), lost_error(spec))
    predicted = {"member": single_view_error(c, lost)} | {
        name: lost * ensemble_error(int(size), c)
        for name, size in by_method(lines, "size").items()
        if size > 0
    }
    member = {
        "train": by_method(lines, "train")["member"],
        "none_learned": views[0],
        "all_learned": views[-1],
    }
    of_member = {**member, "theory": theory, "regime": regime(member)}
    return lines.assign(
        predicted=lines["method"].map(predicted.get),
        gradients=lines["steps"],
        **{
            name: [value if method == "member" else None for method in lines["method"]]
            for name, value in of_member.items()
        },
    )


def regime(member: Mapping[str, float]) -> str:
    """Which phase a network is in.

    "not trained" errs on training samples; "memorised" is right on them without the views of a
    quarter of the classes or more; the theorem's "one view learned" lies between that and "more
    views learned", at a quarter of the classes again.
    """
    if member["train"] > 0:
        return "not trained"
    if member["none_learned"] >= MOST:
        return "memorised"
    return "one view learned" if member["all_learned"] < MOST else "more views learned"
