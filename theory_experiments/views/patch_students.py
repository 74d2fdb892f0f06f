"""Students on synthetic patches: which views they learn from whom, by which KD loss.

A class has two views and a network learns one of them, drawn by its start. Four predictions about
c, the fraction of views covered, are derived from the multi-view theory (arXiv 2012.09816, Section
4): a student of a fresh start adds what it would learn alone to what its teacher shows,
c = 1 - (1 - c_T) (1 - c_0); higher temperatures show more; a few samples with soft targets show as
much as many; and a class that no sample is of is seen in the others' samples.

Networks have twenty classes and are trained by minibatches. Before, this part had ten classes, of
which a teacher shows less, and followed the gradient flow, where Hinton's loss is stiff: at 100
steps it was not yet learned. Weights of the losses were chosen on the seed 1000 (``all_methods``).
"""

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd

from multiview.bench import Cell, Entry, PatchSetting, adds, like
from multiview.bench.entry import Prediction
from multiview.comparison.entries import labelled, with_predictions
from multiview.distill import Hinton, PaperUpdate, Squares, Standardised
from multiview.measures import PatchErrors, Varied, Views
from multiview.methods import Ensemble, Labels, Member, Members, Student, TransferSet, Variant
from multiview.theory import ensemble_error
from theory_experiments.settings import SMOKE_BY_SGD, many_classes_by_sgd
from theory_experiments.views.all_methods import PAPER_WEIGHT, taught
from theory_experiments.views.left_out import ClassLeftOut
from theory_experiments.views.parts import SYNTHETIC
from theory_experiments.views.units import counted_in_views

T = 16.0  # of Hinton's loss where it is not varied
HINTON, PAPER_UPDATE = "hinton", "paper"
# Those by teachers of all sizes, and to students of students.
KD_LOSSES = {HINTON: "Hinton", PAPER_UPDATE: "the paper's update"}
SIZES = (1, 2, 3, 5, 10)  # K of the teachers, rising
TEMPERATURES = (1.0, 4.0, 16.0)
OWN_START = "own_start"  # the students' start, trained as the members are
LEFT_OUT = {"hinton": "soft targets", "labels": "labels"}


def student(loss: str, temperature: float = T, **settings: Any) -> Student:
    """A student by one of the two losses."""
    if loss == HINTON:
        return taught(kd_loss=Hinton(temperature), **settings)
    return Student(kd_loss=PaperUpdate(), weight=PAPER_WEIGHT, **settings)


def method(loss: str, size: int, temperature: float = T) -> str:
    """Name of a student of the mean of so many networks."""
    return f"{loss}_of_{size}" + (f"_T{temperature:g}" if loss == HINTON else "")


def rounds_of(networks: int) -> Prediction:
    """Predicts the views of so many networks that each learn views of their own."""
    return lambda c, members: 1 - ensemble_error(networks, c["member"])


def entries(
    sizes: tuple[int, ...] = SIZES,
    temperatures: tuple[float, ...] = TEMPERATURES,
    rounds: int = 3,
    per_class: int = 4,
    omitted: tuple[int, ...] = (0, 1),
) -> dict[str, Entry]:
    """Every method.

    Args:
        sizes: K of the teachers.
        rounds: Of students taught by the round before, the first by one network.
        per_class: Number of samples of a class that ``few_hinton`` and ``few_labels`` meet.
        omitted: Classes, each left out of a transfer set of its own.
    """
    K = sizes[-1]
    few, mean = TransferSet(per_class=per_class), partial(Entry, group="teachers")
    of_all = partial(taught, teacher=Ensemble(size=K))
    found = {
        "member": Entry(Members(), "one network"),
        OWN_START: Entry(Labels(course="labels"), "the students' start, trained as members"),
        "labels": Entry(Labels(), "labels, for longer"),
        **{f"ensemble_{size}": mean(Ensemble(size=size), f"K={size}") for size in sizes},
        "self_same_start": Entry(
            student(HINTON, teacher=Ensemble(size=1), start=Member()),
            "its teacher's start",
            theory=like("hinton_round_0"),
        ),
        f"squares_of_{K}": Entry(of_all(kd_loss=Squares(center=False)), "logits"),
        f"squares_centred_of_{K}": Entry(of_all(kd_loss=Squares()), "centred logits"),
        f"standardised_of_{K}": Entry(of_all(kd_loss=Standardised()), "standardised logits"),
        "few_hinton": Entry(
            Variant(of=student(HINTON, teacher=Ensemble(size=K)), samples=few),
            "soft targets",
            theory=like(f"ensemble_{K}"),
        ),
        "few_labels": Entry(Variant(of=Labels(), samples=few), "labels"),
    }
    for loss, label in KD_LOSSES.items():
        for size in sizes:
            of = student(loss, teacher=Ensemble(size=size))
            theory = adds(f"ensemble_{size}", own="member")
            found[method(loss, size)] = Entry(of, f"K={size}", label, theory)
        found |= generations(loss, rounds)
    for size in (1, K):
        for at in temperatures:
            of = student(HINTON, at, teacher=Ensemble(size=size))
            found.setdefault(method(HINTON, size, at), Entry(of, f"T={at:g}", f"Hinton, K={size}"))
    for omit in omitted:
        samples = TransferSet(without=(omit,))
        by_all = student(HINTON, teacher=Ensemble(size=K))
        for name, of in (("hinton", by_all), ("labels", Labels())):
            entry = Entry(Variant(of=of, samples=samples), f"without class {omit}")
            found[f"without_{omit}_{name}"] = entry
    return found


def generations(loss: str, rounds: int) -> dict[str, Entry]:
    """The first member, its student, and students of students, each of a start of its own."""
    last: Member | Student = Member()
    found = {f"{loss}_round_0": Entry(last, "round 0", loss, rounds_of(1))}
    for r in range(1, rounds + 1):
        if r == 1:
            last = student(loss, teacher=Ensemble(size=1))
        else:
            last = student(loss, teacher=last, start=f"round {r - 1}")
        found[f"{loss}_round_{r}"] = Entry(last, f"round {r}", loss, rounds_of(r + 1))
    return found


def axes(
    sizes: tuple[int, ...], temperatures: tuple[float, ...], rounds: int, per_class: int
) -> Mapping[str, Mapping[str, Any]]:
    """Where each method stands: ``kd_loss``, ``size`` (K) and ``T``; ``chain`` and ``round``."""
    K = sizes[-1]
    found: dict[str, dict[str, Any]] = {f"ensemble_{size}": {"size": size} for size in sizes}
    found |= {method(PAPER_UPDATE, size): {"kd_loss": PAPER_UPDATE, "size": size} for size in sizes}
    hinton = [(size, T) for size in sizes] + [(size, at) for size in (1, K) for at in temperatures]
    for size, at in hinton:
        found[method(HINTON, size, at)] = {"kd_loss": HINTON, "size": size, "T": at}
    for name in ("squares", "squares_centred"):
        found[f"{name}_of_{K}"] = {"kd_loss": name, "size": K}
    for loss in KD_LOSSES:
        for r in range(rounds + 1):
            found[f"{loss}_round_{r}"] = {"chain": loss, "round": r}
    return found | {name: {"per_class": per_class} for name in ("few_hinton", "few_labels")}


def cell(
    setting: PatchSetting,
    *,
    temperatures: tuple[float, ...] = TEMPERATURES,
    sizes: tuple[int, ...] = SIZES,
    rounds: int = 3,
    omitted: tuple[int, ...] = (0, 1),
    num_test: int = 1000,
    probes_per_view: int = 40,
) -> Cell:
    """All methods, and the views and errors of each.

    Args:
        num_test: Of single-view and of multi-view samples each, and to choose shifts by.
    """
    named = entries(sizes, temperatures, rounds, 4, omitted)
    left_out = [
        ClassLeftOut(
            name=name,
            students=tuple((omit, f"without_{omit}_{name}") for omit in omitted),
            num_validation=num_test,
            num_test=num_test,
            probes_per_view=probes_per_view,
        )
        for name in LEFT_OUT
    ]
    return Cell(
        part=SYNTHETIC,
        setting=setting,
        methods={name: each.method for name, each in named.items()},
        measures=(
            Views(probes_per_view=probes_per_view),
            PatchErrors(num_test=num_test),
            *left_out,
            Varied(values=axes(sizes, temperatures, rounds, 4)),
        ),
    )


SETTING = replace(many_classes_by_sgd(20), members=SIZES[-1])
LAPTOP = cell(SETTING)
SMOKE = cell(
    replace(SMOKE_BY_SGD, num_train=120, width=5),
    sizes=(1, 2),
    temperatures=(4.0, 16.0),
    rounds=2,
    omitted=(0,),
    num_test=200,
    probes_per_view=20,
)
PAPER_TEMPERATURES = (1.0, 2.0, 4.0, 8.0, 16.0, 64.0)
PAPER_CELL = cell(
    replace(many_classes_by_sgd(40), members=SIZES[-1]),
    temperatures=PAPER_TEMPERATURES,
    omitted=(0, 1, 2),
    num_test=10_000,
    probes_per_view=100,
)
ENTRIES = entries(temperatures=PAPER_TEMPERATURES, omitted=(0, 1, 2))


def derived(table: pd.DataFrame) -> pd.DataFrame:
    """The table with names, what the theory says of c, and whose views are whose.

    ``union``: the c of a student's teacher and of its own start together. ``same_view``,
    ``same_view_as_teacher`` and ``same_view_as_labels``: fraction of classes in which two networks
    have the same dominant view; 1/2 by chance. ``few_share``: of the samples that are few.
    """
    named = with_predictions(labelled(table, ENTRIES), ENTRIES)
    parts = [lines.assign(**whose_views(lines)) for _, lines in named.groupby("seed", sort=False)]
    few = named["per_class"] * named["spec.num_classes"] / named["num_train"]
    averaged = ["member", *(f"{who}_{name}" for who in ("omitted", "others") for name in LEFT_OUT)]
    return counted_in_views(
        pd.concat(parts).assign(few_share=few), "coverage", "union", "single", averaged=averaged
    )


def whose_views(lines: pd.DataFrame) -> dict[str, pd.Series]:
    """The columns about views of one repetition, by method."""
    by_method = lines.set_index("method")
    covered, dominant = by_method.get("covered"), by_method.get("dominant_view")
    if covered is None or dominant is None:
        return {}
    found: dict[str, dict[str, float]] = {"union": {}, "same_view": {}}
    for loss in KD_LOSSES:
        for size in by_method.loc[by_method["kd_loss"] == loss, "size"].astype(int).unique():
            together = np.asarray(covered[f"ensemble_{size}"]) | np.asarray(covered[OWN_START])
            found["union"][method(loss, size)] = float(together.mean())
    members = np.asarray(dominant["member"])
    pairs = [float((a == b).mean()) for a, b in combinations(members, 2)]
    found["same_view"]["member"] = float(np.mean(pairs)) if pairs else float("nan")
    for other, views in (("teacher", members[0]), ("labels", np.asarray(dominant["labels"]))):
        found[f"same_view_as_{other}"] = {
            method(loss, 1): float((np.asarray(dominant[method(loss, 1)]) == views).mean())
            for loss in KD_LOSSES
        }
    return {
        name: pd.Series([values.get(who) for who in lines["method"]], lines.index, dtype=float)
        for name, values in found.items()
    }
