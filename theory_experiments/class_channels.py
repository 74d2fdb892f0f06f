"""Which channels of a layer carry a class, and do networks of other starts choose other channels?

The paper illustrates views by the channels of a trained ResNet-34: different ones respond to
different parts of a car, and networks of different starts are said to rely on different ones
(Allen-Zhu & Li, arXiv 2012.09816, Section 1). Here this is measured. The lower blocks of one
network are trained on most images and then stay as they are, so that a channel is the same for all
networks above it, which are trained on other images. A channel carries a class by as much as the
log-odds of the class fall, in the mean over its test images, when the channel is blanked. Held
against each other are networks on labels that differ in their start alone, students of their
ensemble, which differ likewise, and students of one network, which have a teacher in common too.

Claims were decided before the runs that they are judged on. If each network learned about half of
the views of a class, and channels held one view each, networks would agree little, and students,
which should learn all views, would rely on more channels and agree more, and not only because
they have one teacher.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import pandas as pd

from multiview.bench import Cell, Entry, check, run
from multiview.bench.images import MADE_UP
from multiview.bench.nets import Fast
from multiview.bench.recipe import fast_recipe, hours_recipe
from multiview.comparison.entries import labelled
from multiview.distill import Hinton
from multiview.measures import TestErrors
from multiview.methods import Ensemble, Member, Members, Student
from multiview.runs.claims import Claim, at_least, at_most
from multiview.runs.estimates import Estimate, measured
from multiview.runs.experiment import Experiment, Preset
from multiview.runs.script import main
from multiview.runs.tables import Line, Listing, lines_of, measure
from theory_experiments.views.carried_classes import CarriedClasses
from theory_experiments.views.group_cost import cost
from theory_experiments.views.group_counts import BaseError
from theory_experiments.views.shown_groups import GroupSetting


@dataclass(frozen=True, kw_only=True)
class Options:
    """Choice of images."""

    data: Literal["cifar10", "cifar100", "multi_view"] | None = None
    """cifar10, cifar100 (from --data-dir) or made up; cifar10 unless said, in smoke made up."""


def entries(members: int) -> dict[str, Entry]:
    """Networks on labels, their mean, and as many students of it and of one network."""
    student = Student(
        kd_loss=Hinton(4.0), weight=0.9, label_weight=0.1, start="distilled", number=members
    )
    of_one = replace(student, teacher=Member(index=0), start="of_one")
    return {
        "member": Entry(Members(), "networks on labels"),
        "ensemble": Entry(Ensemble(), "their ensemble"),
        "distilled": Entry(student, "students of the ensemble"),
        "of_one": Entry(of_one, "students of one network"),
    }


ENTRIES = entries(members=4)
NETWORKS = ("member", "distilled", "of_one")


def cell(setting: GroupSetting, num_images: int) -> Cell[GroupSetting]:
    """All methods on the channels of one layer.

    Args:
        num_images: Test images on which channels are blanked.
    """
    carried = CarriedClasses(methods=NETWORKS, num_images=num_images)
    return Cell(
        setting=setting,
        methods={name: each.method for name, each in entries(setting.members).items()},
        measures=(TestErrors(), carried, BaseError()),
    )


def cells(base: Cell[GroupSetting]) -> Callable[[Options], list[Cell]]:
    """The cell of a repetition, by the options."""

    def chosen(options: Options) -> list[Cell]:
        return [base.changed(data=options.data or base.setting.data)]

    return chosen


TOPS = replace(fast_recipe(epochs=8), flip=False)
LAPTOP = GroupSetting(
    num_train=2000, num_validation=0, num_test=2000, blocks=2, recipe=TOPS, students=TOPS
)
MANY = TOPS.with_optim(batch_size=100, learning_rate=0.6)
HOURS = replace(
    LAPTOP,
    num_pretrain=40_000,
    num_train=10_000,
    num_test=10_000,
    members=8,
    pretrain=hours_recipe(epochs=10),
    recipe=MANY,
    students=MANY,
)
FEW = fast_recipe(epochs=2)
SMOKE = replace(
    LAPTOP,
    data=MADE_UP,
    num_pretrain=100,
    num_train=100,
    num_test=100,
    members=2,
    base=Fast(widths=(4, 8, 8)),
    pretrain=FEW,
    recipe=FEW,
    students=FEW,
)


def of(name: str, method: str = "member") -> Estimate:
    """A measure of one kind of networks."""
    return measured(name, method)


def claims(cells: Sequence[Cell]) -> Iterator[Claim]:
    """What the paper's reading of channels predicts."""
    source = "derived from arXiv 2012.09816, Section 1"
    statement = "two networks agree more on the channels of one class than of two classes"
    own = of("agree") - of("agree_others")
    yield Claim("of a class", "sanity", statement, at_least(1e-9), own, kind="check")
    statement = (
        "networks of different starts rely on different channels: what they lose in one class by "
        "blanking a channel correlates by at most 0.5 over channels"
    )
    yield Claim("other channels", source, statement, at_most(0.5), of("agree"))
    for name, statement, measure_ in (
        ("more channels", "a class is carried by more channels in students", "channels"),
        (
            "more first channels",
            "in students more channels are the first for some images of a class",
            "firsts",
        ),
        ("students agree", "two students agree more than two networks on labels", "agree"),
        (
            "like the mean",
            "a student is more like the mean of the other members than a network is",
            "with_mean",
        ),
    ):
        more = of(measure_, "distilled") - of(measure_)
        yield Claim(name, source, statement, at_least(1e-9), more)
    statement = "students of the ensemble agree more than students of one network do"
    yield Claim(
        "not by a common teacher",
        source,
        statement,
        at_least(1e-9),
        of("agree", "distilled") - of("agree", "of_one"),
    )


def derived(table: pd.DataFrame) -> pd.DataFrame:
    """The table with the names of methods."""
    return labelled(table, ENTRIES)


def tables(table: pd.DataFrame) -> Iterable[Listing]:
    """Errors, numbers of channels, and how networks agree."""
    labels = {name: each.label for name, each in ENTRIES.items()}
    yield Listing(
        title="Test error, %; the net below the layer by itself for comparison",
        lines=[*lines_of(labels), Line(label="net below the layer", where={"method": "base"})],
        columns=[measure("error", "error"), measure("error on training images", "train")],
    )
    yield Listing(
        title="Channels that carry a class, and correlations over channels of what is lost",
        lines=lines_of({name: labels[name] for name in NETWORKS}),
        columns=[
            measure("channels", "channels", unit="number"),
            measure("first for some images", "firsts", unit="number"),
            measure("two networks, one class", "agree", unit="number"),
            measure("two networks, two classes", "agree_others", unit="number"),
            measure("with the mean of the others", "with_mean", unit="number"),
        ],
    )


EXPERIMENT = Experiment(
    name="class_channels",
    description=__doc__ or "",
    run=run,
    presets={
        "smoke": Preset(cells=cells(cell(SMOKE, 100)), seeds=2, claimed=False),
        "laptop": Preset(cells=cells(cell(LAPTOP, 1000)), seeds=3, first_seed=10),
        "hours": Preset(cells=cells(cell(HOURS, 2000)), seeds=5, first_seed=10),
    },
    claims=claims,
    check=check,
    cost=cost,
    options=Options,
    derived=derived,
    tables=tables,
    figure="class_channels",
)

if __name__ == "__main__":
    main(EXPERIMENT)
