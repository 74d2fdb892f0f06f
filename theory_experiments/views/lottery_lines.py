"""What follows from a line's arrays over networks and classes: shares, medians and fits."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

from theory_experiments.views.growth import TAIL_LOSSES

CLEAR = 1.2  # a lead from which on the winner is called predictable
ALL, CLEARLY, SET_M = "all", f"{CLEAR} and more", "set M"
LEADS = {  # a lead over a view that no neuron sees is infinite, and the last bin holds it
    "1 to 1.05": (1.0, 1.05),
    "1.05 to 1.1": (1.05, 1.1),
    "1.1 to 1.2": (1.1, 1.2),
    "1.2 to 1.5": (1.2, 1.5),
    "1.5 and more": (1.5, math.inf),
    ALL: (1.0, math.inf),
    CLEARLY: (CLEAR, math.inf),
}
Line = Any  # a line of the table: a Series, or a mapping of its columns


def derived(table: pd.DataFrame) -> pd.DataFrame:
    """The table with what follows from its arrays, and lines by the lead in the initial weights.

    ``background`` says what patches without a feature hold: "empty" or "noise". Lines of the
    methods "ahead" and "ahead_unweighted" hold, for each ``leads`` of ``LEADS`` and for those of
    the winning set M, how many ``classes`` have such a lead and in what fraction of them the view
    ahead is learned, ``accuracy``.
    """
    noisy = table["spec.sigma_background"] > 0
    table = table.assign(background=np.where(noisy, "noise", "empty"))
    of = {"member": {**MEMBER, **FIT}, "unweighted": FIT}
    more = [
        {name: value(line) for name, value in of.get(str(line["method"]), GROUP).items()}
        for _, line in table.iterrows()
    ]
    table = table.join(pd.DataFrame(more, index=table.index))
    return pd.concat([table, by_lead(table)], ignore_index=True)


def by_lead(table: pd.DataFrame) -> pd.DataFrame:
    """How often the view ahead is learned, by its lead."""
    predictions = table.loc[table["method"].isin(["member", "unweighted"])]
    lines = []
    for _, line in predictions.iterrows():
        known: dict[str, Any] = {name: line[name] for name in ("seed", "status", "background")}
        method = "ahead" if line["method"] == "member" else "ahead_unweighted"
        for leads, (low, high) in {**LEADS, SET_M: (set_m(line["width"]), math.inf)}.items():
            chosen = (line["lead"] >= low) & ((line["lead"] < high) | math.isinf(high))
            found = {"classes": int(chosen.sum()), "accuracy": mean_of(line["right"][chosen])}
            lines.append({**known, "method": method, "leads": leads, **found})
    return pd.DataFrame(lines)


def set_m(width: int) -> float:
    """The lead from which on a view is in the winning set M, 1 + 1 / log^2 m."""
    return 1 + 1 / math.log(width) ** 2


def mean_of(values: np.ndarray) -> float:
    """The mean, NaN of nothing."""
    return float(values.mean()) if values.size else math.nan


def loser_small(line: Line, shown: bool | None = None) -> float:
    """The fraction of classes whose loser is below a tenth of its winner.

    Args:
        shown: Only classes whose losing view a single-view training sample does or does not show.
    """
    chosen = np.ones_like(line["shown"]) if shown is None else line["shown"] == shown
    return mean_of((line["final_loser"] < 0.1 * line["final_winner"])[chosen])


def loser_size(line: Line) -> float:
    """The median losing Lambda over sigma_init, in classes with one view learned."""
    return np.median(line["final_loser"][line["one_view"]]) / line["sigma_init"]


def loser_growth(line: Line) -> float:
    """The median growth of the losers over their start."""
    start = line["start_loser"]
    return np.median(line["final_loser"][start > 0] / start[start > 0])


def over_predicted(prediction: str) -> Callable[[Line], float]:
    """The median of a loser's growth over that predicted, where the lead is clear."""
    return lambda line: np.nanmedian((line["growth"] / line[prediction])[line["lead"] >= CLEAR])


def at_loss(bound: float) -> int:
    """Where this loss stands among TAIL_LOSSES."""
    return int(np.abs(np.log(TAIL_LOSSES / bound)).argmin())


def error_at(bound: float) -> Callable[[Line], float]:
    """Single-view test error when the training loss first was below ``bound``."""
    return lambda line: np.nanmean(line["tail_error"][at_loss(bound)])


def tail_growth(line: Line, begin: float = 0.1, end: float = 0.001) -> float:
    """The losers' mean growth a decade of the loss, in classes with one view learned."""
    first, last = (line["tail_loser"][at_loss(bound)][line["one_view"]] for bound in (begin, end))
    alive = (first > 0) & (last > 0)
    return math.exp(np.log(last[alive] / first[alive]).mean() / math.log10(begin / end))


def slope(line: Line) -> float:
    """The b for which 1 / (1 + lead^-b), the chance that the view ahead is learned, fits best.

    At a lead of 1 neither view is ahead, so the chance is 1/2 there. NaN where no finite b is the
    most likely: all views ahead are learned, or too many are not.
    """
    from scipy.optimize import brentq
    from scipy.special import expit

    logs = np.log(line["lead"]) * np.where(line["right"], 1, -1)
    logs = logs[np.isfinite(logs)].astype(float)

    def score(b: float) -> float:
        """The derivative of the log likelihood; it falls in b."""
        return float((logs * expit(-b * logs)).sum())

    most = 1e4
    return brentq(score, 0.0, most) if score(0.0) > 0 > score(most) else math.nan  # type: ignore


def lead_at_99(line: Line) -> float:
    """The lead at which the fitted chance is 99%."""
    return 99 ** (1 / slope(line))


FIT: dict[str, Callable[[Line], float]] = {"slope": slope, "lead_at_99": lead_at_99}
MEMBER: dict[str, Callable[[Line], float]] = {
    "clear_leads": lambda line: (line["lead"] >= CLEAR).mean(),
    "one_view_learned": lambda line: line["one_view"].mean(),
    "loser_small": loser_small,
    "loser_small_not_shown": lambda line: loser_small(line, shown=False),
    "loser_small_shown": lambda line: loser_small(line, shown=True),
    "loser_over_winner": lambda line: np.median(line["final_loser"] / line["final_winner"]),
    "loser_size": loser_size,
    "loser_growth": loser_growth,
    "growth_to_knee": lambda line: np.nanmedian(line["growth"]),
    "growth_over_predicted": over_predicted("growth_predicted"),
    "growth_over_predicted_noise": over_predicted("growth_predicted_noise"),
    "stray_size": lambda line: np.median(line["stray"]) / line["sigma_init"],
    "stray_growth": lambda line: np.median(line["stray"] / line["start_stray"]),
    "error_at_0.1": error_at(0.1),
    "error_at_0.05": error_at(0.05),
    "error_at_0.01": error_at(0.01),
    "error_at_0.001": error_at(0.001),
    "tail_growth": tail_growth,
}
GROUP: dict[str, Callable[[Line], float]] = {  # of samples: the label's logit and where it is from
    "logit": lambda line: line["parts"].sum(),
    "fresh_logit": lambda line: line["fresh_parts"].sum(),
    "no_feature_share": lambda line: line["parts"][3] / line["parts"].sum(),
}
