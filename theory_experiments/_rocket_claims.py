"""What the paper says of rocket launching on images, before runs on the seeds from 10 on.

Each seed draws images of its own. Results on the seeds 0 to 9 of CIFAR-10 were known: "every depth
of sharing" has since left out 0, which is no sharing; and only what the paper orders on the same
pair of nets is claimed of it.
"""

from collections.abc import Iterator
from functools import partial

from multiview.runs.claims import Claim
from multiview.runs.estimates import largest, measured
from theory_experiments._rocket_images import RocketImageCell, depths, trainings

NAMES = {
    "cifar10": "CIFAR-10",
    "cifar10_wide": "CIFAR-10, wide",
    "cifar10_bottom": "CIFAR-10, bottom",
    "cifar100": "CIFAR-100",
}
WHO = {
    "base": "light net alone",
    "kd": "KD of the booster trained alone",
    "rocket": "rocket",
    "rocket_kd": "rocket + KD of the same booster trained alone",
    "rocket_booster": "booster of the rocket",
    "booster": "booster alone",
    "no_block": "rocket, no gradient block",
    "no_sharing": "rocket, no sharing",
    "no_joint": "rocket, no joint training",
    "squared": "rocket, hint of probabilities",
    "tempered": "rocket, tempered hint",
}
SOURCE = "arXiv 1708.04106"
# Test errors in %, medians of 3 runs: WRN-16-1 (b), 16-2 (b) and 16-1 (a) of a WRN-40, and
# CIFAR-100 with the first pair; their attention transfer is not done here.
PAPER: dict[str, dict[str, float]] = {
    "cifar10": {
        **{"base": 8.77, "kd": 8.39, "rocket": 7.87, "rocket_kd": 7.52},
        **{"rocket_booster": 6.64, "booster": 6.58, "no_block": 8.50, "no_sharing": 8.06},
        **{"no_joint": 8.04, "squared": 8.32, "tempered": 7.98},
    },
    "cifar10_wide": {
        **{"base": 6.31, "kd": 6.08, "rocket": 5.67, "rocket_kd": 5.64},
        **{"rocket_booster": 5.20, "booster": 5.23},
    },
    "cifar10_bottom": {
        **{"base": 8.69, "kd": 8.34, "rocket": 7.85, "rocket_kd": 7.51},
        **{"rocket_booster": 7.27, "booster": 6.58, "no_block": 8.30, "no_sharing": 8.23},
        **{"no_joint": 8.23, "squared": 8.36, "tempered": 8.26},
    },
    "cifar100": {"base": 43.7, "kd": 36.4, "rocket": 33.3, "rocket_kd": 33.0},
}
PAPER_SECONDS = (6153.0, 7275.0)  # joint, and one after the other
# Of pairs (worse, better) that the paper's tables order, with where they stand.
ORDERED = (
    ("base", "rocket", "Table 1"),
    ("kd", "rocket", "Table 1"),
    ("rocket", "rocket_kd", "Table 1"),
    ("no_block", "rocket", "Table 2"),
    ("no_sharing", "rocket", "Table 2"),
    ("no_joint", "rocket", "Table 2"),
    ("squared", "rocket", "its comparison of hints"),
    ("tempered", "rocket", "its comparison of hints"),
)
BETTER = (1e-9, 1.0)


def image_claims(cell: RocketImageCell) -> Iterator[Claim]:
    """Signs of differences of test errors, of one pair of nets on one data set.

    An order is claimed where the paper has both errors of this part, and both were run.
    """
    name, error = NAMES[cell.part], partial(measured, "error", part=cell.part)
    ran = {"base", "kd", "booster", "rocket_booster", "no_joint", *trainings(cell)}
    for worse, better, where in ORDERED:
        if not {worse, better} <= ran & set(PAPER[cell.part]):
            continue
        yield Claim(
            name=f"{name}: {better} against {worse}",
            source=f"{SOURCE}, {where}",
            statement=f"on {name} the test error of {WHO[better]} is less than that of "
            f"{WHO[worse]}",
            predicted=BETTER,
            estimate=error(worse) - error(better),
        )
    if cell.depths and cell.ablations:
        yield from _depth_claims(cell)
    seconds = partial(measured, "training_seconds", part=cell.part)
    yield Claim(
        name=f"{name}: time",
        source=f"{SOURCE}, its table of times",
        statement=f"on {name} training light net and booster jointly takes less wall time than "
        "training the booster and then the light net with its hints",
        predicted=BETTER,
        estimate=(seconds("no_joint") - seconds("rocket")) / seconds("no_joint"),
    )


def _depth_claims(cell: RocketImageCell) -> Iterator[Claim]:
    name, error = NAMES[cell.part], partial(measured, "error", part=cell.part)
    worst = largest(error(shared_convolutions=n) for n in sorted(depths(cell).values()) if n)
    for rival in ("base", "kd"):
        yield Claim(
            name=f"{name}: every depth against {rival}",
            source=f"{SOURCE}, sweep",
            statement=f"on {name} the test error of the rocket is less than that of {WHO[rival]} "
            "at every measured number of shared convolutions above 0 (the paper's sweep is of "
            "another pair: a light net of one width in all layers, and a booster of 40 layers)",
            predicted=BETTER,
            estimate=error(rival) - worst,
        )
