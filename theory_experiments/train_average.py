"""An ensemble gains because its members are trained apart; trained as one they gain nothing.

Training the sum of K networks directly holds one lottery for each class, as one wide network does,
so the sum errs like one network, while K networks trained apart err on 2^-K of the single-view
samples (Allen-Zhu & Li, arXiv 2012.09816, Figure 1). Training their mean is the sum at a K-fold
smaller knee and start (see ``_averages``); at a fixed knee that leaves the theorem's regime as K
grows and both views are learned, which a K-fold knee undoes. And in as many steps a student of the
ensemble learns the more of the missing views the hotter Hinton's loss shows it the teachers' small
outputs, in part because hotter losses learn faster: coverage at half the steps stands beside.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd
from rich.console import Group
from rich.table import Table

from multiview.runs.claims import Claim
from multiview.runs.experiment import Context, Experiment, Grid, NoOptions
from multiview.runs.script import main
from theory_experiments._averages import JointCell, run_joint
from theory_experiments._estimates import (
    Estimate,
    claims_from,
    difference,
    largest,
    percent,
    ratio,
    where,
)
from theory_experiments._patch_nets import PAPER_SPEC, SMALL_SPEC, only_cpu
from theory_experiments._temperatures import TemperatureCell, run_temperature


@dataclass(frozen=True, kw_only=True)
class Sweep:
    """The cells of one repetition: every size at the base width, every width at one size."""

    joint: JointCell = field(default_factory=JointCell)
    temperature: TemperatureCell = field(default_factory=TemperatureCell)
    sizes: tuple[int, ...] = (2, 4, 8)  # K
    widths: tuple[int, ...] = (5, 15)  # besides the base cell's
    size_of_widths: int = 4

    def shapes(self) -> list[tuple[int, int]]:
        """(K, width) of the cells trained as one."""
        base = [(size, self.joint.width) for size in self.sizes]
        return base + [(self.size_of_widths, width) for width in self.widths]

    def cells(self, seed: int, options: Any) -> Iterator[JointCell | TemperatureCell]:
        """Every cell of the repetition ``seed``."""
        for size, width in self.shapes():
            yield replace(self.joint, seed=seed, members=size, width=width)
        yield replace(self.temperature, seed=seed)


def resized(sweep: Sweep, student_steps: int, **nets: Any) -> Sweep:
    """The sweep with other fields in both kinds of cells."""
    student = replace(sweep.temperature.student, max_steps=student_steps)
    return replace(
        sweep,
        joint=replace(sweep.joint, **nets),
        temperature=replace(sweep.temperature, student=student, **nets),
    )


LAPTOP = Sweep()
PAPER = resized(
    Sweep(sizes=(2, 5, 10), widths=(10, 40), size_of_widths=5),
    student_steps=1000,
    spec=PAPER_SPEC,
    num_train=2000,
    num_test=10000,
    probes_per_view=100,
    width=20,
)
SMOKE = resized(
    Sweep(
        temperature=TemperatureCell(temperatures=(1.0, 4.0)),
        sizes=(2, 3),
        widths=(5,),
        size_of_widths=2,
    ),
    student_steps=40,
    spec=SMALL_SPEC,
    num_train=200,
    num_test=200,
    probes_per_view=20,
    members=4,
)
SWEEPS = {"smoke": SMOKE, "laptop": LAPTOP, "paper": PAPER}
SEEDS = {"smoke": 2, "laptop": 5, "paper": 10}


def run(cell: JointCell | TemperatureCell, context: Context) -> dict[str, Any]:
    """One cell: networks trained apart and as one, or students by temperature."""
    if isinstance(cell, JointCell):
        return run_joint(cell, context.progress)
    return run_temperature(cell, context.progress)


WAYS = {
    "one": "one net",
    "ensemble": "ensemble",
    "sum": "trained sum",
    "mean": "trained mean",
    "mean_knee": "mean, knee K R",
}
STUDENTS = {"fresh": "fresh student", "member": "student from a teacher"}
MEASURES = {"": "error", "_coverage": "coverage"}


def summary(table: pd.DataFrame) -> Group:
    """Errors and coverage in percent, with their 95% intervals."""
    n = table["seed"].nunique()
    joint, students = joint_rows(table), temperature_rows(table)
    what = "single-view test error and views covered in %, mean [95% interval]"
    apart = Table("K", "width", "", *WAYS.values(), title=f"{what}, n={n}", title_justify="left")
    for size, width in joint[["members", "width"]].drop_duplicates().to_numpy().tolist():
        rows = where(joint, members=size, width=width)
        for ending, measure in MEASURES.items():
            values = [percent(rows[way + ending]) for way in WAYS]
            apart.add_row(str(size), str(width), measure, *values)
    taught = Table(title="Students by temperature, and by the paper's update", title_justify="left")
    if len(students):
        for heading in ("", "", *(f"T={T:g}" for T in students["temperatures"].iat[0]), "paper"):
            taught.add_column(heading)
        for start, name in STUDENTS.items():
            for ending, measure in (MEASURES | {"_coverage_half": "cov., half time"}).items():
                by_temperature = zip(*students[start + ending], strict=True)
                values = [*by_temperature, students[f"{start}_paper{ending}"]]
                taught.add_row(name, measure, *map(percent, values))
        for who, name in (("one", "one net"), ("ensemble", "the teacher")):
            for ending, measure in MEASURES.items():
                taught.add_row(name, measure, percent(students[who + ending]))
    return Group(apart, taught)


def joint_rows(table: pd.DataFrame) -> pd.DataFrame:
    """The rows of networks trained apart and as one."""
    return where(table, part="joint")


def temperature_rows(table: pd.DataFrame) -> pd.DataFrame:
    """The rows of students by temperature."""
    return where(table, part="temperature")


def at(size: int, width: int, value: Estimate) -> Estimate:
    """Estimate: ``value`` of the rows of this many networks of this width."""
    return lambda table: value(where(table, part="joint", members=size, width=width))


def by_seed(how: str, value: Estimate) -> Estimate:
    """Estimate: the ``mean`` or ``max`` of ``value`` over the sizes and widths of each seed."""

    def estimate(table: pd.DataFrame) -> Any:
        rows = joint_rows(table)
        return value(rows).groupby(rows["seed"]).agg(how)

    return estimate


def slope(name: str) -> Estimate:
    """Estimate: growth of a list by temperature with each doubling of T, by least squares."""

    def estimate(table: pd.DataFrame) -> Any:
        rows = temperature_rows(table)
        doublings = np.log2(np.asarray(rows["temperatures"].iat[0], float))
        return [float(np.polyfit(doublings, values, 1)[0]) for values in rows[name]]

    return estimate


def hottest_minus_coldest(name: str) -> Estimate:
    """Estimate: a list by temperature, its last value minus its first."""
    return lambda table: [each[-1] - each[0] for each in temperature_rows(table)[name]]


def claims(preset: str, options: NoOptions) -> list[Claim]:
    """What Figure 1 and the finite knee predict; the smoke preset is too small for either."""
    if preset == "smoke":
        return []
    sweep = SWEEPS[preset]
    return claims_from([*joint_claims(sweep), *temperature_claims(sweep)])


def joint_claims(sweep: Sweep) -> Iterator[tuple]:
    """Training apart and as one."""
    width, K = sweep.joint.width, max(sweep.sizes)
    none, figure, knee = (-1.0, 0.05), "Figure 1", "finite knee"
    for size, m in sweep.shapes():
        says = f"training the sum of {size} networks gains less than 0.05 over one network"
        gain = at(size, m, difference("one", "sum"))
        yield f"trained sum, K={size}, width {m}", figure, says, none, gain
    for size in sweep.sizes:
        says = f"{size} networks trained apart err less, averaged, than their sum trained as one"
        gain = at(size, width, difference("sum", "ensemble"))
        yield f"ensemble against sum, K={size}", figure, says, (0.0, 1.0), gain
    says = f"training the mean of {K} networks gains less than 0.05 over one network"
    gain = at(K, width, difference("one", "mean"))
    yield f"trained mean, K={K}, knee R", figure, says, none, gain
    says = f"so does their mean at {K} times the knee and start"
    gain = at(K, width, difference("one", "mean_knee"))
    yield f"trained mean, K={K}, knee K R", knee, says, none, gain
    says = "over all sizes and widths it errs within 0.05 of the sum, from which only draws differ"
    gap = by_seed("mean", difference("mean_knee", "sum"))
    yield "mean at knee K R against sum", knee, says, (-0.05, 0.05), gap
    says = f"at the same knee the mean of {K} errs less than half as often as one network"
    fewer = at(K, width, ratio("mean", "one"))
    yield f"mean against one network, K={K}", knee, says, (0.0, 0.5), fewer
    says = "members, sum and means are right on every training sample"
    training = [f"{way}_train" for way in WAYS if way != "ensemble"]
    error = by_seed("max", largest(*training))
    yield "training error", "Theorem 1", says, (0.0, 0.0), error


def temperature_claims(sweep: Sweep) -> Iterator[tuple]:
    """Small outputs of the teachers count for more in a hotter loss."""
    cold, *_, hot = sweep.temperature.temperatures
    source, up, down = "Theorem 3, proof idea", (0.0, math.inf), (-math.inf, 0.0)
    for start, name in STUDENTS.items():
        says = "the student covers more views with each doubling of the temperature"
        yield f"{name}: coverage by T", source, says, up, slope(f"{start}_coverage")
        says = f"the student covers more views at T={hot:g} than at T={cold:g}"
        change = hottest_minus_coldest(f"{start}_coverage")
        yield f"{name}: T={hot:g} against {cold:g}", source, says, up, change
        says = "the student's error falls with each doubling of the temperature"
        yield f"{name}: error by T", source, says, down, slope(start)


EXPERIMENT = Experiment(
    name="train_average",
    run=run,
    grids={name: Grid(cells=sweep.cells, seeds=SEEDS[name]) for name, sweep in SWEEPS.items()},
    claims=claims,
    check=only_cpu,
    summary=summary,
    figure="train_average",
)

if __name__ == "__main__":
    main(EXPERIMENT)
