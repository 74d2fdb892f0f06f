"""What the synthetic part of distillation prints."""

from collections.abc import Iterator

import pandas as pd

from multiview.runs.estimates import Estimate, measured
from multiview.runs.tables import Line, Listing, estimated, lines_of, measure
from theory_experiments._patch_student_nets import LESSONS

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
        title="Patches: views covered and test errors of teachers and students",
        lines=list(_lines(table)),
        columns=[
            measure("c, %", "coverage", digits=0),
            measure("theory's c", "predicted", interval=False, digits=0),
            measure("view by view", "union", interval=False, digits=0),
            measure("single-view, %", "single"),
            measure("multi-view, %", "multi"),
            measure("margin", "margin", unit="number", digits=1),
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
    of_one = {"hinton": {"T": table.iloc[0]["temperature"]}, "paper": {}}
    students = [
        Line(label=f"student of one ({LESSONS[lesson]})", where={"lesson": lesson, "size": 1, **at})
        for lesson, at in of_one.items()
    ]
    yield Listing(
        title="Classes of which a network won the same view as another one, in %",
        lines=[Line(label="one network", where={"method": "member"}), *students],
        columns=[
            measure("another", "same_view"),
            measure("its teacher", "same_view_as_teacher"),
            measure("its start, by labels", "same_view_as_labels"),
        ],
    )


def _left_out(line: Line, lesson: str) -> Estimate:
    return measured(line.where["measure"], f"{line.where['who']}_{lesson}")


def _lines(table: pd.DataFrame) -> Iterator[Line]:
    """Every method, by what it varies."""
    first = table.iloc[0]
    sizes, T, rounds = first["sizes"], first["temperature"], range(int(first["rounds"]) + 1)
    yield from lines_of({"member": "one network", "labels": "labels, for longer"})
    yield from lines_of({f"ensemble_{size}": f"K={size}" for size in sizes}, group="teachers")
    for size in sizes:
        where = {"lesson": "hinton", "size": size, "T": T}
        yield Line(label=f"K={size}", where=where, group=f"Hinton, T={T:g}")
    for size in sizes:
        yield Line(
            label=f"K={size}", where={"lesson": "paper", "size": size}, group=LESSONS["paper"]
        )
    for size in (sizes[-1], 1):
        for hot in first["temperatures"]:
            where = {"lesson": "hinton", "size": size, "T": hot}
            yield Line(label=f"T={hot:g}", where=where, group=f"Hinton, K={size}")
    yield from lines_of({"self_same_start": "its teacher's start"}, group="Hinton, K=1")
    squares = {"squares": "logits", "squares_centred": "centred logits"}
    for lesson, says in squares.items():
        where = {"lesson": lesson, "size": sizes[-1]}
        yield Line(label=says, where=where, group=f"squares, K={sizes[-1]}")
    for lesson, says in LESSONS.items():
        for r in rounds:
            where = {"chain": lesson, "round": r}
            yield Line(label=f"round {r}", where=where, group=f"rounds, {says}")
    few = {"few_hinton": "soft targets", "few_labels": "labels"}
    yield from lines_of(few, group=f"{table['few_share'].max():.0%} of the samples")
