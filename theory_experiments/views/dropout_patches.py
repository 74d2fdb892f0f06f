"""Dropout on synthetic patches: do random masks show other views than the whole network?

A class has two views and a network learns one, decided by its start. Predicted before any run, of
c, the fraction of views covered: the masks of one trained net know the views that it knows; dropout
during training does add views if it can hide a whole one, the more the larger the probability p^w
that all w neurons of a view are dropped, which is predicted to fall with width; a student of a
fresh start adds views of its own; and transfer inputs that hide patches help only if the teacher
knows the view that is left. What dropout of patches, the mean over masks of neurons and a student
that starts as its teacher cover is judged in ``coverage_of_methods``.

Two limits of these tests. Masks stand outside the activation here, so that the mean of the logits
over masks is the standard prediction, exactly: that masks add nothing could fail only in what the
mean of probabilities does otherwise. And students are taught by the KL divergence at temperature 1,
at which a teacher that is nearly certain shows little of what else it knows: where a student of a
fresh start learns less than predicted, that is as much about the temperature as about the teacher.

The margin was set, as for every experiment, before any run on the seeds from 10 on, with results of
the seeds 0 to 9 known.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from itertools import combinations
from typing import Any, Literal

import numpy as np
import pandas as pd

from multiview.bench import Cell, Entry, Method, PatchSetting, Sgd, adds
from multiview.comparison.entries import with_predictions
from multiview.measures import PatchErrors, Varied, Views
from multiview.methods import Dropout, Masks, MaskStudent, Member, Members, UnlabelledStudent
from multiview.runs.claims import Claim, within
from multiview.runs.estimates import Estimate, measured
from multiview.runs.tables import Line, Listing, lines_of, measure
from theory_experiments.settings import BY_SGD, PAPER_BY_SGD, SMOKE_BY_SGD
from theory_experiments.views.parts import SYNTHETIC
from theory_experiments.views.units import LESS, MARGIN, MORE, NO_MORE, SAME, counted_in_views

NEURON = 0.25  # dropout of neurons, of the teacher and at every width

Dropped = Literal["nothing", "neuron", "patch"]


@dataclass(frozen=True, kw_only=True)
class Axes:
    """What is varied of dropout in training.

    Attributes:
        neurons: Probabilities of a neuron to be dropped.
        patches: Those of a patch; the last covers all views.
        widths: Neurons of a class.
        copies: Networks of each kind, of the same starts as the first members.
    """

    neurons: tuple[float, ...] = (0.1, NEURON, 0.5)
    patches: tuple[float, ...] = (0.2, 0.5)
    widths: tuple[int, ...] = (5, 10, 20)
    copies: int = 2

    def rates(self, own_width: bool) -> list[tuple[Dropped, float]]:
        """What is dropped in training, and how often; off the setting's own width but a part."""
        each: dict[Dropped, tuple[float, ...]] = {
            "nothing": (0.0,),
            "neuron": self.neurons if own_width else (NEURON,),
            "patch": self.patches if own_width else (),
        }
        return [(dropped, p) for dropped, rates in each.items() for p in rates]

    def networks(self, dropped: Dropped, p: float) -> Method:
        """Networks that are trained with this dropout."""
        if dropped != "nothing":
            return Dropout(kind=dropped, rate=p, number=self.copies)
        return Members(number=self.copies)


def entries(axes: Axes, masks: int) -> dict[str, Entry]:
    """Every classifier at the setting's own width: teachers, masks, students and networks alone."""
    net = partial(Dropout, number=axes.copies)
    teacher, coarse = net(rate=NEURON), net(kind="patch", rate=axes.patches[0])
    most = net(kind="patch", rate=axes.patches[-1])
    plain, all_views = Member(), Member(of=most)
    fresh = MaskStudent(of=teacher, start="student")
    return {
        "member": Entry(Members(), "nets without dropout"),
        "standard": Entry(Member(of=teacher), "trained with dropout of neurons"),
        "masks": Entry(Masks(of=teacher, number=masks), "mean over its masks"),
        "coarse": Entry(Member(of=coarse), "trained with least dropout of patches"),
        "coarse_masks": Entry(Masks(of=coarse, number=masks), "mean over its masks of patches"),
        "fresh": Entry(
            fresh, "student of the first, fresh start", theory=adds("standard", own="member")
        ),
        "one_teacher": Entry(plain, "net without dropout"),
        "one_clean": Entry(UnlabelledStudent(teacher=plain), "its student"),
        "one_hidden": Entry(
            UnlabelledStudent(teacher=plain, hidden=0.5), "its student, patches hidden"
        ),
        "all_teacher": Entry(all_views, "net with dropout of patches"),
        "all_clean": Entry(UnlabelledStudent(teacher=all_views), "its student"),
        "all_hidden": Entry(
            UnlabelledStudent(teacher=all_views, hidden=0.5), "its student, patches hidden"
        ),
    }


def cells(
    setting: PatchSetting, axes: Axes, *, masks: int, num_test: int, probes_per_view: int
) -> list[Cell[PatchSetting]]:
    """The setting as it is, with all classifiers; and with networks of other widths."""
    found = []
    for width in sorted(axes.widths, key=lambda each: each != setting.width):
        own = width == setting.width
        methods = {name: each.method for name, each in entries(axes, masks).items() if own}
        places: dict[str, dict[str, Any]] = {}
        for dropped, p in axes.rates(own):
            name = f"{dropped}_{p:g}_width_{width}"
            methods[name] = axes.networks(dropped, p)
            places[name] = {"dropped": dropped, "probability": p}
        measures = (
            Views(probes_per_view=probes_per_view),
            PatchErrors(num_test=num_test),
            Varied(values=places),
        )
        other = replace(setting, width=width)
        found.append(Cell(part=SYNTHETIC, setting=other, methods=methods, measures=measures))
    return found


def for_epochs(setting: PatchSetting, epochs: int) -> PatchSetting:
    """The setting with as many epochs of students; chosen on the seed 1000."""
    training = setting.training
    assert isinstance(training, Sgd)
    students = replace(training.students, epochs=epochs)
    return replace(setting, training=replace(training, students=students))


ENTRIES = entries(Axes(), masks=100)
LAPTOP = cells(for_epochs(BY_SGD, 100), Axes(), masks=100, num_test=200, probes_per_view=30)
SMOKE = cells(
    SMOKE_BY_SGD,
    Axes(neurons=(NEURON,), patches=(0.5,), widths=(2, 4)),
    masks=10,
    num_test=100,
    probes_per_view=20,
)
PAPER = cells(
    for_epochs(PAPER_BY_SGD, 100),
    Axes(
        neurons=(0.1, NEURON, 0.5, 0.8), patches=(0.1, 0.2, 0.5), widths=(5, 10, 20, 40), copies=5
    ),
    masks=100,
    num_test=10_000,
    probes_per_view=100,
)

SATURATED = "if its teacher, nearly certain at temperature 1, shows them"
IDENTITY = "in logits an identity here, as masks stand outside the activation"
ONE_VIEW = within(MARGIN + 1e-9)  # coverage moves in steps of one view, such as 0.05
SOURCE = "derived; arXiv 2012.09816, Section 4"
c = partial(measured, "coverage", part=SYNTHETIC)


def claims(*cells: Cell[PatchSetting]) -> Iterator[Claim]:
    """What was predicted of c, and the check that masks change nothing."""
    dropped = [each for each in cells[0].methods.values() if isinstance(each, Dropout)]
    widest, narrowest = (f(cell.setting.width for cell in cells) for f in (max, min))
    least, masks = (cells[0].methods[name] for name in ("coarse_masks", "masks"))
    assert isinstance(least, Masks)
    assert isinstance(masks, Masks)
    highest = max(each.rate or 0.0 for each in dropped if each.kind == "neuron")

    def trained(dropped: str, p: float, width: int = cells[0].setting.width) -> Estimate:
        return c(dropped=dropped, probability=p, width=width)

    def widened(dropped: str, p: float) -> Estimate:
        return trained(dropped, p, widest) - trained(dropped, p, narrowest)

    yield _claim(
        "P1",
        "masks of patches",
        f"the mean probabilities over {masks.number} masks of patches, as coarse as a view, of a "
        f"net with dropout {least.of.rate:g} of them cover what its standard prediction does, to "
        f"{MARGIN} ({IDENTITY})",
        ONE_VIEW,
        c("coarse_masks") - c("coarse"),
    )
    yield _claim(
        "P2",
        "neurons",
        f"dropout {highest:g} of neurons in training covers {MARGIN} more than none",
        MORE,
        trained("neuron", highest) - trained("nothing", 0.0),
    )
    yield _claim(
        "P2",
        "width",
        f"the gain at dropout {NEURON:g} falls by {MARGIN} from width {narrowest} to the largest",
        LESS,
        widened("neuron", NEURON) - widened("nothing", 0.0),
    )
    yield _claim(
        "P3",
        "fresh",
        f"a student of a fresh start covers 1 - (1 - c_T)(1 - c_0), to {MARGIN} ({SATURATED})",
        SAME,
        c("fresh") - measured("predicted", "fresh", part=SYNTHETIC),
    )
    yield _claim(
        "P4",
        "hidden, all known",
        f"inputs with hidden patches teach {MARGIN} more views of a teacher that knows all "
        f"({SATURATED})",
        MORE,
        c("all_hidden") - c("all_clean"),
    )
    yield _claim(
        "P4",
        "hidden, one known",
        "inputs with hidden patches teach no more views of a teacher that knows one of two, to "
        f"{MARGIN}",
        NO_MORE,
        c("one_hidden") - c("one_clean"),
    )


def _claim(
    prediction: str, name: str, statement: str, predicted: tuple[float, float], estimate: Estimate
) -> Claim:
    kind = "check" if predicted == ONE_VIEW else "claim"
    source = f"{prediction} ({SOURCE})"
    return Claim(f"synthetic: {name}", source, statement, predicted, estimate, kind=kind)


def derived(lines: pd.DataFrame) -> pd.DataFrame:
    """The lines with ``predicted``, c by the closed form, and ``same_view``.

    That is the fraction of classes in which a classifier recognises the view by the larger margin
    that the network trained with dropout of neurons does; of ``member``, that of two members.
    """
    dominant = lines.set_index(["seed", "method"])["dominant_view"].to_dict()
    each = zip(lines["seed"], lines["method"], strict=True)
    lines = lines.assign(same_view=[same_view(*names, dominant) for names in each])
    several = list(lines.loc[lines["dropped"].notna(), "method"].unique())  # means over networks
    named = with_predictions(lines, ENTRIES)
    return counted_in_views(named, "coverage", "single", averaged=[*several, "member"])


def same_view(seed: int, method: str, dominant: Mapping[Any, np.ndarray]) -> float:
    """The fraction of classes with the same dominant view; NaN where that is not asked."""
    views = dominant[seed, method]
    if method == "member":
        pairs = [np.mean(one == other) for one, other in combinations(views, 2)]
        return float(np.mean(pairs)) if pairs else np.nan
    if method in ("masks", "fresh"):
        return float(np.mean(views == dominant[seed, "standard"]))
    return np.nan


COLUMNS = (
    measure("c, %", "coverage"),
    measure("predicted c, %", "predicted", interval=False),
    measure("single-view error, %", "single"),
    measure("multi-view error, %", "multi"),
)


def tables(lines: pd.DataFrame) -> Iterator[Listing]:
    """Coverage, errors and margins with their 95% intervals, and c as the theory has it.

    Args:
        lines: Those of the synthetic part.
    """
    yield Listing(
        title="Patches: teachers, masks and students",
        lines=lines_of({name: each.label for name, each in ENTRIES.items()}, part=SYNTHETIC),
        columns=[
            *COLUMNS,
            measure("margin", "margin", unit="number"),
            measure("same view as the first, %", "same_view"),
        ],
    )
    yield Listing(
        title="Patches: networks trained with dropout",
        labels=("dropped in training",),
        lines=[
            Line(label=method.replace("_", " "), where={"method": method, "part": SYNTHETIC})
            for method in lines.loc[lines["dropped"].notna(), "method"].unique()
        ],
        columns=COLUMNS,
    )
