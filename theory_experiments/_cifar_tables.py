"""What ``cifar_ensembles`` prints: errors beside the paper's, and how members agree."""

from collections.abc import Iterable

import numpy as np
import pandas as pd

from multiview.runs.tables import Line, Listing, given, lines_of, measure

METHODS = {
    "member": "one network",
    "ensemble": "ensemble",
    "summed": "trained as a sum",
    "distilled": "distilled from the ensemble",
    "distilled_ensemble": "ensemble of distilled",
    "self": "self-distilled",
    "self_ensemble": "ensemble of self-distilled",
}
# Test errors in % of WRN-28-10 on all images (Figure 1). Those of ensemble and sum are not labelled
# in the sources at hand: they are assigned by elimination.
PAPER = {
    "cifar10": {
        "member": "3.30 ± 0.21",
        "ensemble": "(2.80)",
        "summed": "(3.54)",
        "distilled": "2.78",
        "self": "2.87",
    },
    "cifar100": {
        "member": "18.49 ± 0.16",
        "ensemble": "(15.31)",
        "summed": "(18.17)",
        "distilled": "16.19",
        "self": "16.44",
    },
}
ONE = {"method": "member"}


def derived(table: pd.DataFrame) -> pd.DataFrame:
    """What methods are called; standard deviation and minimum of the errors of a group."""
    groups = table.loc[table["method"].isin(["member", "distilled", "self"]), "each"]
    return table.assign(
        label=[METHODS.get(who) for who in table["method"]],
        spread=groups.map(lambda each: np.std(each, ddof=1)),
        lowest=groups.map(min),
    )


def tables(table: pd.DataFrame) -> Iterable[Listing]:
    """Errors by method, gains over one network, the paper's values; how members agree."""
    first = table.iloc[0]
    known = {METHODS[who]: text for who, text in PAPER.get(first["data"], {}).items()}
    yield Listing(
        title=f"{first['data']}, {first['num_train']} training images, {first['members']} members: "
        "test error, %",
        lines=lines_of(METHODS),
        columns=[
            measure("last epoch", "error"),
            measure("best on validation", "error_best"),
            measure("gain over one network", "error", unit="points", gain_over=ONE),
            given("paper, WRN-28-10", known),
            measure("deviation of the networks", "spread", unit="points"),
            measure("error on training images", "train"),
        ],
    )
    yield Listing(
        title="Mistakes of the members, % of the test samples",
        lines=[Line(label="pairs of members", where={"method": "pairs"})],
        columns=[
            measure("disagree", "disagreement"),
            measure("both wrong", "both_wrong"),
            measure("both, if independent", "both_wrong_if_independent"),
            measure("in the same way, of these", "same_wrong_label"),
        ],
    )
