"""What the synthetic part of distillation prints."""

from collections.abc import Iterator

import pandas as pd

from multiview.runs.estimates import Estimate, measured
from multiview.runs.tables import Column, Line, Listing, estimated, lines_of, measure
from theory_experiments._patch_student_claims import LESSONS

LEFT_OUT = {  # who and which measure
    "its error": ("omitted", "error"),
    "its error after one shift": ("omitted", "shifted"),
    "others' error after it": ("others", "shifted"),
    "its single-view error after it": ("omitted", "single"),
    "its c after it": ("omitted", "coverage"),
    "others' c after it": ("others", "coverage"),
    "its views that its logit answers to": ("omitted", "answered"),
    "others' views that theirs do": ("others", "answered"),
}


def patch_students_tables(table: pd.DataFrame) -> Iterator[Listing]:
    """Coverage and errors beside c as the theory has it; a class left out; who agrees with whom."""
    yield Listing(
        title="Patches: views covered and errors of teachers and students",
        lines=_lines(table),
        columns=[
            measure("c, %", "coverage"),
            measure("theory's c", "predicted", interval=False),
            measure("view by view", "union", interval=False),
            measure("single-view error, %", "single"),
            measure("multi-view error, %", "multi"),
            measure("margin", "margin", unit="number"),
        ],
    )
    yield Listing(
        title="A class left out, in %",
        lines=[
            Line(label=says, where={"who": who, "measure": name})
            for says, (who, name) in LEFT_OUT.items()
        ],
        columns=[
            estimated("soft targets", lambda line: _left_out(line, "hinton")),
            estimated("labels", lambda line: _left_out(line, "labels")),
            estimated(
                "soft minus labels",
                lambda line: _left_out(line, "hinton") - _left_out(line, "labels"),
                unit="points",
            ),
        ],
    )
    agrees: list[Column] = [
        measure("another", "same_view"),
        measure("its teacher", "same_view_as_teacher"),
        measure("its start, by labels", "same_view_as_labels"),
    ]
    heat = {"hinton": {"T": table.iloc[0]["temperature"]}}
    students = [
        Line(
            label=f"student of one ({says})",
            where={"lesson": lesson, "size": 1, **heat.get(lesson, {})},
        )
        for lesson, says in LESSONS.items()
    ]
    yield Listing(
        title="Classes of which a network won the same view as another one, in %",
        lines=[Line(label="one network", where={"method": "member"}), *students],
        columns=agrees,
    )


def _left_out(line: Line, lesson: str) -> Estimate:
    return measured(line.where["measure"], f"{line.where['who']}_{lesson}")


def _lines(table: pd.DataFrame) -> Iterator[Line]:
    """Every method, by what it varies."""
    first = table.iloc[0]
    sizes, K, T = first["sizes"], first["sizes"][-1], first["temperature"]
    few = f"{table['few_share'].max():.0%} of the samples"
    yield from lines_of({"member": "one network", "labels": "labels, as long as students"})
    yield from lines_of({f"ensemble_{size}": f"K={size}" for size in sizes}, group="teachers")
    for lesson, says, heat in (
        ("hinton", f"Hinton's loss at T={T:g}", {"T": T}),
        ("paper", "the paper's update", {}),
    ):
        for size in sizes:
            where = {"lesson": lesson, "size": size, **heat}
            yield Line(label=f"K={size}", where=where, group=f"students, {says}")
    for teachers, says in ((K, "all teach"), (1, "one teaches")):
        for hot in first["temperatures"]:
            where = {"lesson": "hinton", "size": teachers, "T": hot}
            yield Line(label=f"T={hot:g}", where=where, group=f"students, Hinton's loss, {says}")
    for lesson, says in (("squares", "logits"), ("squares_centred", "centred logits")):
        yield Line(
            label=says, where={"lesson": lesson, "size": K}, group="students, squares, all teach"
        )
    for lesson, says in LESSONS.items():
        for r in range(int(first["rounds"]) + 1):
            where = {"chain": lesson, "round": r}
            yield Line(label=f"round {r}", where=where, group=f"students of students, {says}")
    others = {
        "self_same_start": "Hinton's loss, one teaches, starts as its teacher",
        "few_hinton": f"{few}, soft targets",
        "few_labels": f"{few}, labels",
    }
    yield from lines_of(others, group="other students")
