"""Known views in real images: two images of a class side by side, one easy half or two equal ones.

The theory supposes that a class has several views, any of which is enough, that a network learns
one of them, and that another start makes it learn another (Allen-Zhu & Li, arXiv 2012.09816). Here
the views of real images are known: a sample is two images of one class, a fraction mu of the
training samples shows one of them alone, and a network's views are what it recognises of samples
that show one half. With equal views, two images of CIFAR-10, a lottery would give every class of
every network to one half, and averaging would gain far more than variance explains. With unequal
ones, a digit beside an image of the class of the same number, the easy half wins wherever networks
start, and averaging them gives nothing on what shows the hard half alone.

Claims and sizes were decided before any run on the seeds from 10 on. Of others, 1002 and 1003, it
was known what a cell costs and how often one network is right on whole samples, 83% of the equal
views and 99% of the unequal ones. That equal views are both learned in part, without a lottery, is
our expectation: the networks have no activation of a power, on which the theory's lottery rests.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

import pandas as pd

from multiview.bench import Cell, Entry, check, run
from multiview.bench.cost import cost
from multiview.bench.images import MADE_UP
from multiview.bench.nets import Fast
from multiview.comparison.entries import labelled
from multiview.distill import Hinton
from multiview.methods import Ensemble, Member, Members, Student
from multiview.runs.claims import Claim, at_least, at_most
from multiview.runs.estimates import Estimate, average, measured
from multiview.runs.experiment import Experiment, Preset
from multiview.runs.script import main
from multiview.runs.tables import Line, Listing, measure
from theory_experiments.views.half_accuracies import Halves
from theory_experiments.views.two_halves import LEFT, RIGHT, TwoImages, plain
from theory_experiments.views.units import MARGIN, NO_MORE

EQUAL, UNEQUAL = "equal", "unequal"
PARTS = {
    EQUAL: "two images of CIFAR-10",
    UNEQUAL: "an image of CIFAR-10 (left) and a digit (right)",
}
# Weight and temperature are those of ``cifar_ensembles``.
ENTRIES = {
    "member": Entry(Members(), "one network"),
    "ensemble": Entry(Ensemble(), "ensemble"),
    "distilled": Entry(Student(kd_loss=Hinton(4.0), weight=0.3), "distilled from the ensemble"),
    "self": Entry(
        Student(teacher=Member(index=0), kd_loss=Hinton(4.0), weight=0.3, start="self"),
        "self-distilled",
    ),
}
SHOWN = {"both": "both halves", LEFT: "left alone", RIGHT: "right alone"}
NONE = at_most(0.01)  # a gain below is called none


def cells(setting: TwoImages, easy: str, draws: int = 10) -> list[Cell]:
    """Equal and unequal views.

    Args:
        easy: The data set of the easy half.
    """
    # ``Halves`` averages the networks itself.
    methods = {name: each.method for name, each in ENTRIES.items() if name != "ensemble"}
    measures = (Halves(draws=draws),)
    equal = Cell(part=EQUAL, setting=setting, methods=methods, measures=measures)
    return [equal, equal.changed(UNEQUAL, data_right=easy)]


LAPTOP_SETTING = TwoImages(num_train=6000, num_test=4000, net=Fast(widths=(16, 32, 64)))
LAPTOP = cells(LAPTOP_SETTING, "mnist")
SMOKE = cells(
    replace(
        LAPTOP_SETTING,
        data=MADE_UP,
        data_right=MADE_UP,
        num_train=100,
        num_test=50,
        members=2,
        net=Fast(widths=(4, 8, 8)),
        recipe=plain(epochs=2),
        students=plain(epochs=2),
    ),
    MADE_UP,
)


def claims(cells: Sequence[Cell]) -> Iterator[Claim]:
    """What the theory says of an easy view, and what we expect of equal ones."""
    yield from unequal_claims()
    yield from equal_claims()
    for part in (EQUAL, UNEQUAL):
        for who in ("ensemble", "distilled"):
            label = "the ensemble" if who == "ensemble" else "a student of the ensemble"
            statement = f"{label} covers no more halves of classes than one network, to {MARGIN}"
            more = of("coverage", part, who) - of("coverage", part)
            source = "Section 1" if part == UNEQUAL else "our expectation"
            yield Claim(f"{part} views: {who} covers no more", source, statement, NO_MORE, more)


def of(name: str, part: str, method: str = "member") -> Estimate:
    """A measure of a method with equal or with unequal views."""
    return measured(name, method, part=part)


def unequal_claims() -> Iterator[Claim]:
    """Every network takes the easy half, so that averaging finds nothing more."""
    most, few = at_least(0.9), at_most(0.1)  # of the classes, of which there are ten
    for name, statement, predicted, estimate in (
        (
            "easy half chosen",
            "networks know 90% of their classes or more better by the digit alone",
            most,
            of("chose_right", UNEQUAL),
        ),
        (
            "easy half covered",
            "one network covers the digit's half of 90% of the classes or more",
            most,
            of("covered_right", UNEQUAL),
        ),
        (
            "hard half not covered",
            "one network covers the other half of at most 10% of the classes",
            few,
            of("covered_left", UNEQUAL),
        ),
        (
            "no gain on the hard half",
            "averaging gains less than 0.01 on samples that show the hard half alone",
            NONE,
            of(f"gain_{LEFT}", UNEQUAL),
        ),
    ):
        yield Claim(f"unequal views: {name}", "Section 4", statement, predicted, estimate)


def equal_claims() -> Iterator[Claim]:
    """Both halves are learned in part, and variance explains what averaging gains."""
    source = "our expectation"
    statement = (
        "one network covers three quarters of the halves of classes or more, where one half of "
        "each class is half of them"
    )
    c = of("coverage", EQUAL)
    yield Claim("equal views: both learned", source, statement, at_least(0.75), c)
    statement = "one network covers both halves of most classes"
    both = of("both_halves", EQUAL)
    yield Claim("equal views: both in most classes", source, statement, at_least(0.5), both)
    excess = average(
        of(f"gain_{half}", EQUAL) - of(f"surrogate_{half}", EQUAL) for half in (LEFT, RIGHT)
    )
    statement = (
        "on samples that show one half alone averaging gains at most 0.01 more than Gaussian "
        "members of the same mean and covariance would"
    )
    yield Claim("equal views: variance", source, statement, NONE, excess)


def derived(table: pd.DataFrame) -> pd.DataFrame:
    """The table with labels, and of how many halves of classes its fractions are counts.

    Means over several networks are counted in the classes of a repetition as those of one are: the
    networks have the samples in common, and that they agree is what is claimed.
    """
    classes = table["by_class"].map(lambda each: each.shape[-1])
    counts = {"coverage": 2 * classes}
    one_a_class = ("covered_left", "covered_right", "both_halves", "chose_right")
    counts |= dict.fromkeys(one_a_class, classes)
    counted = {f"{name}_of": number for name, number in counts.items()}
    return labelled(table, ENTRIES).assign(**counted)


def tables(table: pd.DataFrame) -> Iterable[Listing]:
    """Accuracies by what is shown and halves covered; gains beside those of Gaussian members."""
    for part, title in PARTS.items():
        yield Listing(
            title=f"{title[0].upper()}{title[1:]}",
            lines=[
                Line(label=each.label, where={"part": part, "method": name})
                for name, each in ENTRIES.items()
            ],
            columns=[
                measure("accuracy, %", "both"),
                measure("left alone, %", LEFT),
                measure("right alone, %", RIGHT),
                measure("training samples, left alone, %", "fitted_left"),
                measure("right alone, %", "fitted_right"),
                measure("halves covered, %", "coverage"),
                measure("both halves, % of classes", "both_halves"),
                measure("better by the right, % of classes", "chose_right"),
            ],
        )
    yield Listing(
        title="Gain by averaging networks, and that of Gaussian members in their place",
        lines=[
            Line(label=title, where={"part": part, "method": "member"})
            for part, title in PARTS.items()
        ],
        columns=[
            measure(f"{shown}, {who}", f"{name}_{half}", unit="points")
            for half, shown in SHOWN.items()
            for name, who in (("gain", "networks"), ("surrogate", "Gaussian"))
        ]
        + [measure("classes with one half in all networks, %", "same")],
    )


EXPERIMENT = Experiment(
    name="two_images",
    description=__doc__ or "",
    run=run,
    presets={
        "smoke": Preset(cells=SMOKE, seeds=2, claimed=False),
        "laptop": Preset(cells=LAPTOP, seeds=10, first_seed=10),
    },
    claims=claims,
    check=check,
    cost=cost,
    derived=derived,
    tables=tables,
    figure="two_images",
)

if __name__ == "__main__":
    main(EXPERIMENT)
