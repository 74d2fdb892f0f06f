"""Students on synthetic patches: which views they learn from whom, by which lesson.

A class has two views and a network learns one, by the lottery of its start. Four predictions about
c, the fraction of views covered, follow from the multi-view theory (arXiv 2012.09816, Section 4)
and were written down before any run: a student of a fresh start adds what it would learn alone to
what its teacher shows, c = 1 - (1 - c_T) (1 - c_0); hotter lessons show more; a few samples with
soft targets show as much as many; and a class that no sample is of is seen in the others' samples.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float, Int
from rich.console import Group
from rich.table import Table
from torch import Tensor

from multiview import stream
from multiview.data import PatchBatch, sample_patches
from multiview.ensemble import mean_logits
from multiview.experiment import Context
from multiview.models import PatchNet
from multiview.probes import coverage_of, coverage_probes
from multiview.train import TrainSpec
from theory_experiments._contrast import Progress, within
from theory_experiments._estimates import Estimate, difference, number, percent
from theory_experiments._patch_nets import (
    PAPER_SPEC,
    SMALL_SPEC,
    STUDENT,
    draw_features,
    draw_train,
    fit,
    logits_of,
    new_nets,
    streamed_errors,
)
from theory_experiments._patch_pupil_rows import after_shift, agreements, at, columns, predictions
from theory_experiments._patch_pupils import PatchStudentsCell, Pupil, pupils_of, train_pupils


def run_patch_students(cell: PatchStudentsCell, context: Context) -> dict[str, Any]:
    """Teachers, their students, students of students, and what each of them covers.

    Returns:
        For every ``<who>``, ``_coverage``, ``_margin`` (mean over probes that show one view),
        ``_single`` and ``_multi`` (errors): lists in the order of ``sizes`` for ``teacher``,
        ``hinton`` and ``paper``, with ``predicted``, the closed form with the measured c of the
        teacher and of ``one``, and ``union``, the c of teacher and students' start together, the
        start trained as the members are; in the order of ``temperatures`` for ``heat`` (all members
        teach) and ``heat_one`` (one does); by round, from the first teacher, for ``again_hinton``
        and ``again_paper``; numbers for ``one`` (mean of the members), ``labels`` (the students'
        start, taught by labels alone, for as many steps), ``l2``, ``l2_centred``,
        ``scarce_soft`` and ``scarce_hard``. Of classes left out,
        for ``omitted_soft`` and ``_hard``: means over these classes of ``_error`` on them,
        ``_shifted`` after the ``_shift`` of one bias, ``_shifted_others`` on all others,
        ``_coverage`` and ``_coverage_others`` after the shift, ``_heard`` and ``_heard_others``,
        the fraction of ``heard_views``. ``<who>_agrees_teacher`` and
        ``_labels``: fraction of classes in which a student of one network won the same view.
    """
    progress = context.progress
    features = draw_features(cell)
    train = draw_train(cell, features)
    probes = coverage_probes(cell.spec, features, stream(cell.seed, "probes"), cell.probes_per_view)
    start = new_nets(cell, "student", 1)
    begin = new_nets(cell, "members", cell.members)
    begin = begin.with_weight(torch.cat([begin.weight, start.weight]))
    trained = fit("members", begin, train, cell.train, progress, 0.0, 0.2).net
    members, own = trained.member(slice(-1)), trained.member(-1)
    groups = pupils_of(cell)
    pupils = list(dict.fromkeys(pupil for group in groups.values() for pupil in group))
    places = {name: [pupils.index(each) for each in group] for name, group in groups.items()}
    taught = teachers_of(logits_of(members, train), pupils)
    students = train_pupils(cell, start, train, taught, pupils, progress, 0.2, 0.85)

    few = _few_of_each(train.labels, cell.samples_per_class)
    scarce = [groups["hinton"][-1], Pupil(lesson="labels")]
    of_few = [pupils.index(each) for each in scarce]
    poor = train_pupils(cell, start, train[few], taught[few][:, of_few], scarce, progress, 0.85)
    first = [groups["hinton"][0], groups["paper"][0]]
    chain = students.with_weight(students.weight[[pupils.index(each) for each in first]])
    generations = _born_again(cell, train, chain, first, within(progress, 0.9, 1.0))

    def outputs(batch: PatchBatch) -> dict[str, Tensor]:
        single = logits_of(members, batch)
        teachers = [mean_logits(single[:, :size]) for size in cell.sizes]
        return {
            "one": single,
            "teacher": torch.stack(teachers, 1),
            "students": logits_of(students, batch),
            "scarce": logits_of(poor, batch),
            "again": torch.stack([logits_of(each, batch) for each in generations], 1),
        }

    on_probes = outputs(probes)
    covered = {name: coverage_of(logits, probes) for name, logits in on_probes.items()}
    measures = {
        "_coverage": {name: each.fraction for name, each in covered.items()},
        "_margin": {name: each.margin.mean((-2, -1)) for name, each in covered.items()},
        "_single": streamed_errors(cell, features, "single", cell.num_test, outputs),
        "_multi": streamed_errors(cell, features, "multi", cell.num_test, outputs),
    }
    row: dict[str, Any] = {}
    for ending, values in measures.items():
        row |= columns(ending, values, places)
    own_views = coverage_of(logits_of(own, probes), probes).covered[0]
    row |= predictions(covered["teacher"], row["one_coverage"], own_views)
    row |= agreements(covered["one"], covered["students"], places)
    for name in ("omitted_soft", "omitted_hard"):
        net = students.with_weight(students.weight[places[name]])
        row |= _left_out(cell, features, name, net, probes)
    return row


def teachers_of(
    logits: Float[Tensor, "n members k"], pupils: Sequence[Pupil]
) -> Float[Tensor, "n pupils k"]:
    """Each pupil's teacher: the mean of the first of these networks."""
    return torch.stack([mean_logits(logits[:, : pupil.teachers]) for pupil in pupils], 1)


def _few_of_each(labels: Int[Tensor, " N"], number: int) -> Int[Tensor, " few"]:
    """The first ``number`` samples of each class, or all where there are fewer."""
    return torch.cat([(labels == j).nonzero().flatten()[:number] for j in labels.unique()])


def _born_again(
    cell: PatchStudentsCell,
    train: PatchBatch,
    chains: PatchNet,
    pupils: Sequence[Pupil],
    progress: Progress,
) -> list[PatchNet]:
    """Each chain's generations from the second, each of a start of its own."""
    generations = [chains]
    for round in range(1, cell.rounds):
        start = new_nets(cell, f"round {round}", 1)
        taught = logits_of(generations[-1], train)
        begin, end = (round - 1) / cell.rounds, round / cell.rounds
        generations.append(train_pupils(cell, start, train, taught, pupils, progress, begin, end))
    return generations


def _left_out(
    cell: PatchStudentsCell,
    features: Float[Tensor, "k L d"],
    name: str,
    students: PatchNet,
    probes: PatchBatch,
) -> dict[str, float]:
    """Means over the classes left out, of students that never met them."""
    mixed = {
        use: sample_patches(cell.spec, features, number, stream(cell.seed, "omitted", use))
        for use, number in (("validation", cell.num_validation), ("test", cell.num_test))
    }
    logits = {use: logits_of(students, batch) for use, batch in mixed.items()}
    on_probes = logits_of(students, probes)
    rows = [
        after_shift(
            omitted,
            (logits["validation"][:, i], mixed["validation"].labels),
            (logits["test"][:, i], mixed["test"].labels),
            on_probes[:, i],
            probes,
        )
        for i, omitted in enumerate(cell.omitted)
    ]
    return {f"{name}_{key}": sum(row[key] for row in rows) / len(rows) for key in rows[0]}


LAPTOP = PatchStudentsCell()
SMOKE = replace(
    LAPTOP,
    spec=SMALL_SPEC,
    num_train=120,
    members=2,
    sizes=(1, 2),
    temperatures=(4.0, 16.0),
    omitted=(0,),
    rounds=2,
    width=5,
    train=TrainSpec(relative_step=1.0, max_steps=80),
    student=replace(STUDENT, max_steps=20),
    num_validation=200,
    num_test=200,
    probes_per_view=20,
)
PAPER = replace(
    LAPTOP,
    spec=PAPER_SPEC,
    num_train=2000,
    width=20,
    q=4,
    temperatures=(1.0, 2.0, 4.0, 8.0, 16.0, 64.0),
    omitted=(0, 1, 2),
    student=replace(STUDENT, max_steps=1000),
    num_validation=10_000,
    num_test=10_000,
    probes_per_view=100,
)
CELLS = {"smoke": SMOKE, "laptop": LAPTOP, "paper": PAPER}
LESSONS = {"hinton": "Hinton", "paper": "the paper's update"}


def patch_students_claims(cell: PatchStudentsCell = LAPTOP) -> Iterator[tuple]:
    """What was predicted of c, before any run, with what counts as equal."""
    # "More" is at least 0.05 more: two students that learn nothing are not a gain of 0.
    near, up = (-0.05, 0.05), (0.05, math.inf)
    for lesson, name in LESSONS.items():
        for place, size in enumerate(cell.sizes):
            says = f"c of a student of {size} is 1 - (1 - c_T)(1 - c_0) to 0.05 ({name})"
            gap = at(difference_at(f"{lesson}_coverage", "predicted", place))
            yield f"synthetic: {lesson}, K={size}", "lotteries add up", says, near, gap
        says = f"from one teacher it covers what that or its own start would, to 0.05 ({name})"
        gap = at(difference_at(f"{lesson}_coverage", "union", 0))
        yield f"synthetic: {lesson}, view by view", "lotteries add up", says, near, gap
        says = f"in each round of students of students c rises ({name})"
        rise = at(lambda t, of=f"again_{lesson}_coverage": t[of].map(lambda c: np.diff(c).min()))
        yield f"synthetic: {lesson}, rounds", "lotteries add up", says, up, rise
    hot, source = f"T={cell.temperatures[-1]:g}", "hotter shows more"
    says = f"c is larger at {hot} than at T={cell.temperatures[0]:g}"
    yield f"synthetic: {hot}", source, says, up, at(lambda t: last(t) - t["heat_coverage"].str[0])
    for l2 in ("l2", "l2_centred"):
        says = f"c of {l2.replace('_', ', ')} on logits is that at {hot} to 0.05"
        gap = at(lambda t, of=f"{l2}_coverage": t[of] - last(t))
        yield f"synthetic: {l2}", source, says, near, gap
    if cell.temperatures[0] == 1:
        says = "at T=1 the student covers what labels teach, to 0.1"
        gap = at(lambda t: t["heat_coverage"].str[0] - t["labels_coverage"])
        yield "synthetic: T=1", source, says, (-0.1, 0.1), gap
    few, source = f"{cell.samples_per_class} samples a class", "few samples, soft targets"
    says = f"with {few} soft targets keep c within 0.1 of the teacher's"
    gap = at(lambda t: t["scarce_soft_coverage"] - t["teacher_coverage"].str[-1])
    yield "synthetic: few, soft", source, says, (-0.1, 0.1), gap
    says = f"with {few} and labels alone c is below that with all samples"
    fall = at(difference("labels_coverage", "scarce_hard_coverage"))
    yield "synthetic: few, hard", source, says, up, fall
    source = "a class left out"
    says = "after one shift of its bias the class left out errs as the others to 0.05"
    gap = at(difference("omitted_soft_shifted", "omitted_soft_shifted_others"))
    yield "synthetic: left out, error", source, says, near, gap
    says = "its logit answers to as many of its views as the others' logits do to theirs, to 0.1"
    gap = at(difference("omitted_soft_heard", "omitted_soft_heard_others"))
    yield "synthetic: left out, views", source, says, (-0.1, 0.1), gap
    says = "and to more of them than with labels alone"
    gain = at(difference("omitted_soft_heard", "omitted_hard_heard"))
    yield "synthetic: left out, soft", source, says, up, gain


def difference_at(minuend: str, subtrahend: str, place: int) -> Estimate:
    """Estimate: the difference of two lists at one place."""
    return lambda table: table[minuend].str[place] - table[subtrahend].str[place]


def last(table: pd.DataFrame) -> pd.Series:
    """c at the hottest temperature."""
    return table["heat_coverage"].str[-1]


WHO = {
    "one": "one network",
    "labels": "labels, as long as students",
    "l2": "logits, all teach",
    "l2_centred": "centred logits, all teach",
    "scarce_soft": "few samples, soft targets",
    "scarce_hard": "few samples, labels",
}
MEASURES = {"_coverage": "c", "_single": "single-view error", "_multi": "multi-view error"}


def patch_students_summary(table: pd.DataFrame) -> Group:
    """Coverage, errors and margins with their 95% intervals, and c as the theory has it."""
    n, first = table["seed"].nunique(), table.iloc[0]
    title = f"Patches, in %, mean [95% interval], n={n}"
    lists = Table(title=title, title_justify="left")
    for heading in ("", "", *MEASURES.values(), "margin", "predicted c", "view by view"):
        lists.add_column(heading)
    axes = {
        "teacher": ("teacher, K", first["sizes"]),
        "hinton": (f"Hinton at T={first['temperature']:g}, K", first["sizes"]),
        "paper": ("the paper's update, K", first["sizes"]),
        "heat": ("all teach, T", first["temperatures"]),
        "heat_one": ("one teaches, T", first["temperatures"]),
        "again_hinton": ("Hinton, round", range(int(first["rounds"]) + 1)),
        "again_paper": ("the paper's update, round", range(int(first["rounds"]) + 1)),
    }
    for name, (says, places) in axes.items():
        for i, place in enumerate(places):
            values = [percent(table[name + ending].str[i]) for ending in MEASURES]
            values.append(number(table[f"{name}_margin"].str[i], -math.inf))
            if name in LESSONS:
                values += [percent(table[law].str[i]) for law in ("predicted", "union")]
            lists.add_row(says, f"{place:g}", *values)
    for name, says in WHO.items():
        values = [percent(table[name + ending]) for ending in MEASURES]
        lists.add_row(says, "", *values, number(table[f"{name}_margin"], -math.inf))
    missing = Table("a class left out", "its error", "one shift", "others", "heard", "others")
    for name, says in (("omitted_soft", "soft targets"), ("omitted_hard", "labels")):
        keys = ("error", "shifted", "shifted_others", "heard", "heard_others")
        missing.add_row(says, *(percent(table[f"{name}_{key}"]) for key in keys))
    won = Table("the same view is won by", "", "")
    won.add_row("two networks", percent(table["one_agrees"]), "")
    for name, says in LESSONS.items():
        pair = [percent(table[f"{name}_agrees_{whom}"]) for whom in ("teacher", "labels")]
        won.add_row(f"student of one ({says}) and its teacher; its start, by labels", *pair)
    return Group(lists, missing, won)
