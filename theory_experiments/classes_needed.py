"""How many classes does Theorem 3 need?

The paper's update only pushes outputs up (Allen-Zhu & Li, arXiv 2012.09816, Section 3), so a
student may follow its teacher in two ways: its neurons of a class learn that class's missing view
where it occurs in samples of other classes, or they come to respond to features of those samples'
own labels ("strays"). With a fraction s / k of samples that show a feature of strength Z_o, the
first grows at a rate of (s / k) Z_o^q, the second at one of (1 / k) (2 s / k) Z_y^q; so the
mechanism of the theorem should need x = k (Z_o / Z_y)^q / 2 of about 1 or more. Measured here are
students over k, q and Z_o, and the same students with the strays left out of their gradient, which
must not need many classes if strays are the reason. Claims were fixed before any run but for pilots
on seeds from 1000 on, and with the rows of ``theorems`` known, which are one cell of the sweep on
other seeds; old settings of this package, with ten classes, are among the cells.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import pandas as pd

from multiview.bench import Cell, Flow, PatchSetting, check, run
from multiview.distill import Hinton, PaperUpdate, Squares
from multiview.measures import PatchErrors, Views
from multiview.methods import Ensemble, Member, Members, Student
from multiview.runs.claims import Claim, at_least, at_most, within
from multiview.runs.estimates import Estimate, average, measured
from multiview.runs.experiment import Experiment, Preset
from multiview.runs.script import main
from multiview.runs.tables import Line, Listing, measure
from multiview.theory import student_coverage
from multiview.train import TrainSpec
from theory_experiments.settings import BY_FLOW, WEAK_SPEC, many_classes, taught_for
from theory_experiments.views.closed_forms import by_method
from theory_experiments.views.units import counted_in_views

taught = partial(Student, kd_loss=PaperUpdate(scale=30.0), weight=30.0)
self_taught = partial(taught, teacher=Member(index=1), start=Member(index=0))
SHORT = {"member": Members(), "ensemble": Ensemble(), "distilled": taught(number=4)}
METHODS = SHORT | {
    "distilled_no_strays": taught(number=4, strays=False),
    "self": self_taught(),
    "self_no_strays": self_taught(strays=False),
}
# Losses of which each has a minimum that the flow goes to, as the paper's update has not.
FOR_LONG = {
    "member": Members(),
    "ensemble": Ensemble(),
    "hinton": Student(kd_loss=Hinton(16.0), number=2),
    "squares": Student(kd_loss=Squares(), number=2),
}
STARTS = {3: 0.01, 4: 0.1}  # sigma_init by q: with q = 4 small starts take far longer
SWEEP = "sweep"


def threshold(k: Any, q: Any, other: Any, label: Any) -> Any:
    """x = k (Z_o / Z_y)^q / 2, the rate of the true feature over that of strays."""
    return k * (other / label) ** q / 2


def setting(k: int, q: int, other: float, *, members: int = 8) -> PatchSetting:
    """The setting of many classes with other numbers of them, q and Z_o = Gamma."""
    own = many_classes(k)
    spec = replace(own.spec, other_strength=other, gamma_other=other)
    return replace(own, spec=spec, members=members, q=q, sigma_init=STARTS[q])


def cell(part: str, where: PatchSetting, num_test: int = 2000) -> Cell[PatchSetting]:
    """All students of one setting, and the views they have learned."""
    measures = (Views(probes_per_view=20), PatchErrors(num_test=num_test))
    return Cell(part=part, setting=where, methods=METHODS, measures=measures)


def for_long(where: PatchSetting, steps: int) -> Cell[PatchSetting]:
    """Students by Hinton's loss and by squared logits, along the flow for many steps."""
    assert isinstance(where.training, Flow)
    flow = TrainSpec(loss_bound=0.0, max_steps=steps, bfloat16=True)
    trained = replace(where, training=replace(where.training, students=flow))
    return replace(cell("for long", trained), methods=FOR_LONG)


def longer(where: PatchSetting, steps: int) -> Cell[PatchSetting]:
    """Students of a cell of the sweep for more steps, which tells what time has to do with it."""
    return replace(cell("longer", taught_for(where, steps)), methods=SHORT)


def old_settings() -> Iterator[Cell[PatchSetting]]:
    """The two settings with ten classes in which the theorems were measured before."""
    weak = replace(BY_FLOW, spec=WEAK_SPEC, relu_knee=10.0, sigma_init=0.1)
    for name, where in (("old, weak", weak), ("old, strong", BY_FLOW)):
        yield cell(name, replace(taught_for(where, 300), members=8))


def cells(
    classes: tuple[int, ...] = (10, 20, 40), strengths: tuple[float, ...] = (0.2, 0.3, 0.4)
) -> Iterator[Cell[PatchSetting]]:
    """The sweep, the students that are trained to their end, and the old settings."""
    for k in classes:
        for q in (3, 4):
            for other in strengths:
                yield cell(SWEEP, setting(k, q, other))
    yield for_long(setting(20, 3, 0.3), 1500)
    yield longer(setting(20, 3, 0.3), 300)
    yield from old_settings()


def smoke() -> Iterator[Cell[PatchSetting]]:
    """Two numbers of classes, few members, samples and steps."""
    for k in (10, 12):
        own = setting(k, 3, 0.4, members=2)
        assert isinstance(own.training, Flow)
        labels = replace(own.training.labels, max_steps=60)
        training = replace(own.training, labels=labels)
        few = taught_for(replace(own, num_train=150, width=4, training=training), 10)
        yield cell(SWEEP, few, num_test=100)
    yield for_long(few, 20)
    yield longer(few, 20)


SMALL = ((10, 3), (10, 4), (20, 4))  # k and q of cells with x below 0.05 at Z_o = 0.2
PAIRS = (  # cells of like x and other k, q and Z_o: k, q, Z_o of each
    ((40, 3, 0.2), (40, 4, 0.3)),  # 0.16
    ((20, 3, 0.3), (20, 4, 0.4)),  # 0.27, 0.26
    ((10, 3, 0.4), (20, 3, 0.3)),  # 0.32, 0.27
    ((40, 3, 0.3), (40, 4, 0.4)),  # 0.54, 0.51
)


def at(measure_: str, method: str, k: int, q: int, other: float) -> Estimate:
    """A measure in one cell of the sweep."""
    where = {"part": SWEEP, "spec.num_classes": k, "q": float(q), "Z_o": other}
    return measured(measure_, method, **where)


def claims(cells: Sequence[Cell]) -> Iterator[Claim]:
    """Where x is large and where small, that x is what counts, and that strays are the reason."""
    source, section = "Theorem 3, finite k", "Section 3"
    yield Claim(
        "above the threshold",
        source,
        "with x above 1 (k = 40, q = 3, Z_o = 0.4) a student gains 90% of what theory predicts",
        at_least(0.9),
        at("share", "distilled", 40, 3, 0.4),
    )
    small = [at("share", "distilled", k, q, 0.2) for k, q in SMALL]
    statement = "with x below 0.05 it gains at most a quarter of that"
    yield Claim("below the threshold", source, statement, at_most(0.25), average(small))
    free = [at("share", "distilled_no_strays", k, q, 0.2) for k, q in SMALL]
    statement = "there, without strays, it gains three quarters of that in as many steps"
    yield Claim("strays, not time", section, statement, at_least(0.75), average(free))
    more = measured("share", "distilled", part="longer") - at("share", "distilled", 20, 3, 0.3)
    statement = "three times the steps move the share by at most 0.1 (k = 20, q = 3, Z_o = 0.3)"
    yield Claim("time", section, statement, within(0.1), more)
    for i, (one, other) in enumerate(PAIRS, 1):
        difference = at("share", "distilled", *one) - at("share", "distilled", *other)
        names = [f"k = {k}, q = {q}, Z_o = {z}" for k, q, z in (one, other)]
        statement = f"students gain the same share at like x ({'; '.join(names)}), to 0.15"
        yield Claim(f"one curve, {i}", source, statement, within(0.15), difference)
    yield Claim(
        "without strays",
        section,
        "without strays a student of ten classes gains 90% of what theory predicts (Z_o = 0.4)",
        at_least(0.9),
        at("share", "distilled_no_strays", 10, 3, 0.4),
    )
    with_strays, without = (
        at("share", name, 10, 3, 0.4) for name in ("distilled", "distilled_no_strays")
    )
    statement = "that is a fifth of the predicted gain more than with them"
    yield Claim("strays cost", section, statement, at_least(0.2), without - with_strays)
    for loss in ("hinton", "squares"):
        share = measured("share", loss, part="for long")
        statement = f"by {loss}, for 1,500 gradients, a student gains 90% of what is predicted"
        yield Claim(f"no threshold, {loss}", "finite k", statement, at_least(0.9), share)


STUDENTS = {
    "distilled": "ensemble",
    "distilled_no_strays": "ensemble",
    "hinton": "ensemble",
    "squares": "ensemble",
    "self": "member",
    "self_no_strays": "member",
}


def derived(table: pd.DataFrame) -> pd.DataFrame:
    """The table with ``Z_o``, ``Z_y``, ``x`` and, of students, what theory predicts.

    ``predicted``, c = 1 - (1 - c_T) (1 - c_0); ``share``, the gain over a network on labels in that
    which is predicted, (c - c_0) / (predicted - c_0).
    """
    for name, field in (("Z_o", "other_strength"), ("Z_y", "label_strength")):
        table = table.assign(**{name: table[f"spec.{field}"].map(middle)})
    x = threshold(table["spec.num_classes"], table["q"], table["Z_o"], table["Z_y"])
    table = table.assign(x=x)
    parts = [with_shares(lines) for _, lines in table.groupby("key", sort=False)]
    averaged = ["member"]
    return counted_in_views(pd.concat(parts), "coverage", "single", averaged=averaged)


def middle(strength: Any) -> float:
    """A constant strength, or the middle of its range."""
    return float(strength) if isinstance(strength, int | float) else sum(strength) / len(strength)


def with_shares(lines: pd.DataFrame) -> pd.DataFrame:
    """The lines of a cell with what theory predicts of students, and the share they reach."""
    c = by_method(lines, "coverage")
    predicted = {
        who: student_coverage(c[teacher], c["member"])
        for who, teacher in STUDENTS.items()
        if who in c
    }
    share = {who: (c[who] - c["member"]) / (p - c["member"]) for who, p in predicted.items()}
    return lines.assign(
        predicted=lines["method"].map(predicted.get), share=lines["method"].map(share.get)
    )


def tables(table: pd.DataFrame) -> Iterator[Listing]:
    """Shares of the predicted gain in every cell, in the order of x."""
    names = ["part", "spec.num_classes", "q", "Z_o", "x"]
    places = table.sort_values(by="x").drop_duplicates(names)[names]
    lines = [
        Line(
            label=(part, f"{k:g}", f"{q:g}", f"{z:.3g}", f"{x:.2g}{'' if x >= 1 else ', below 1'}"),
            where={"part": part, "spec.num_classes": k, "q": q, "Z_o": z},
        )
        for part, k, q, z, x in places.itertuples(index=False)
    ]
    yield Listing(
        title="Views covered, and shares of the predicted gain",
        lines=lines,
        columns=[
            measure("one network, %", "coverage", method="member"),
            measure("ensemble, %", "coverage", method="ensemble"),
            measure("student, %", "coverage", method="distilled"),
            measure("its share, %", "share", method="distilled"),
            measure("without strays, %", "share", method="distilled_no_strays"),
            measure("self, %", "share", method="self"),
            measure("self without strays, %", "share", method="self_no_strays"),
            measure("Hinton, %", "share", method="hinton"),
            measure("squares, %", "share", method="squares"),
        ],
        labels=("part", "k", "q", "Z_o", "x"),
        note="Where x is below 1 the theory of many classes does not reach: such a line says "
        "nothing against Theorem 3.",
    )


EXPERIMENT = Experiment(
    name="classes_needed",
    description=__doc__ or "",
    run=run,
    presets={
        "smoke": Preset(cells=list(smoke()), seeds=1, claimed=False),
        "quick": Preset(cells=list(cells((10, 20))), seeds=5, claimed=False),
        # From other seeds on than ``theorems``, which has a cell in common.
        "laptop": Preset(cells=list(cells()), seeds=10, first_seed=20),
        "paper": Preset(cells=list(cells((10, 20, 40, 80))), seeds=10, first_seed=20),
    },
    claims=claims,
    check=check,
    derived=derived,
    tables=tables,
    figure="classes_needed",
)

if __name__ == "__main__":
    main(EXPERIMENT)
