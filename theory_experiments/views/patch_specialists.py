"""Specialists of networks of patches: which views they add to those of their generalist."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import pandas as pd

from multiview.bench import Bench, Cell, Classifier, Entry, Flow, PatchSetting
from multiview.data import sample_patches
from multiview.distill.confusable import confusable_sets
from multiview.measures import PatchErrors, TrainErrors, Views
from multiview.measures.patches import PatchMeasure, patch_bench
from multiview.methods import (
    Ensemble,
    Group,
    Member,
    RandomSets,
    Specialists,
    WithSpecialists,
)
from multiview.runs.claims import Claim
from multiview.runs.estimates import measured
from multiview.runs.tables import Listing, lines_of, measure
from multiview.train import TrainSpec
from theory_experiments.settings import BY_FLOW
from theory_experiments.views.parts import SYNTHETIC
from theory_experiments.views.units import MARGIN, MORE, SAME

coverage = partial(measured, "coverage", part=SYNTHETIC)


def entries(members: int, num_sets: int) -> dict[str, Entry]:
    """Generalists, each with specialists of its own; all numbers are means over the generalists.

    Classes are alike by construction, so that none is confused with one rather than another and
    K-means sets single classes apart from one large rest; hence the sets are random, of equal size.
    """
    generalists = [Member(index=e) for e in range(members)]
    before = generalists[-1:] + generalists[:-1]  # in a ring
    pairs = [Ensemble(of=Group(of=pair)) for pair in zip(generalists, before, strict=True)]
    found = {"generalist": Entry(Group(of=tuple(generalists)), "generalist")}
    for name, fresh, origin in (("tuned", False, "from it"), ("fresh", True, "fresh")):
        sets = RandomSets(number=num_sets)
        own = [Specialists(of=each, sets=sets, fresh=fresh) for each in generalists]
        for asked, top, label in (
            ("top", 1, "+ the specialist of its best class"),
            ("all", None, "+ all specialists"),
        ):
            both = tuple(WithSpecialists(of=each, top=top) for each in own)
            found[f"{name}_{asked}"] = Entry(Group(of=both), f"{label}, {origin}")
        found[f"{name}_alone"] = Entry(Group(of=tuple(own)), f"the specialists alone, {origin}")
    return found | {"pair": Entry(Group(of=tuple(pairs)), "two generalists averaged")}


@dataclass(frozen=True, kw_only=True)
class ClusterSizes(PatchMeasure):
    """How K-means of each generalist's predictions groups the classes: ``clusters`` of "data".

    Attributes:
        num_validation: Number of further samples, on which its confusions show.
    """

    num_sets: int
    num_validation: int

    def of(self, bench: Bench, trained: Mapping[str, Classifier]) -> dict[str, dict[str, Any]]:
        """The sizes in increasing order, by generalist."""
        here = patch_bench(bench)
        spec, drawn = here.setting.spec, here.stream("validation")
        further = sample_patches(spec, here.features, self.num_validation, drawn)
        logits = here.outputs(trained["generalist"].logits, further.patches)
        sizes = []
        for e, own in enumerate(logits.softmax(-1).unbind(1)):
            sets = confusable_sets(own, self.num_sets, here.stream("clusters", e))
            sizes.append(sorted(map(len, sets)))
        return {"data": {"clusters": sizes}}


def cell(
    setting: PatchSetting, num_sets: int, num_validation: int, num_test: int, probes: int
) -> Cell:
    """All classifiers in one setting."""
    named = entries(setting.members, num_sets)
    return Cell(
        part=SYNTHETIC,
        setting=setting,
        methods={name: each.method for name, each in named.items()},
        measures=(
            PatchErrors(num_test=num_test),
            TrainErrors(),
            Views(probes_per_view=probes),
            ClusterSizes(num_sets=num_sets, num_validation=num_validation),
        ),
    )


ON_LABELS = BY_FLOW.training.labels
assert isinstance(ON_LABELS, TrainSpec)
# Specialists that start from the generalist follow the flow as long as fresh ones do.
BASE = replace(BY_FLOW, members=4, training=Flow(labels=ON_LABELS, students=ON_LABELS))
LAPTOP = cell(BASE, 3, num_validation=1000, num_test=1000, probes=50)
LABELS = {name: each.label for name, each in entries(members=2, num_sets=2).items()}


def claims(cell: Cell) -> Iterator[Claim]:
    """Views follow from the start: a specialist of the generalist's has none to add."""
    for asked, who in (("top", "the specialist of its best class"), ("all", "all specialists")):
        for start, origin, effect, predicted in (
            ("tuned", "started from the generalist", "change the views covered by less than", SAME),
            ("fresh", "of fresh start", "cover more views, by at least", MORE),
        ):
            statement = f"{who}, {origin}: consulted, they {effect} {MARGIN}"
            added = coverage(f"{start}_{asked}") - coverage("generalist")
            name = f"views, {start}, {asked}"
            yield Claim(name, "multi-view theory", statement, predicted, added)


def tables(table: pd.DataFrame) -> Iterator[Listing]:
    """Errors and coverage on patches."""
    columns = {"single": "single-view error", "multi": "multi-view error"}
    columns |= {"coverage": "views covered"}
    yield Listing(
        title="Synthetic patches, means over generalists, in %",
        lines=lines_of({name: label for name, label in LABELS.items() if "alone" not in name}),
        columns=[measure(heading, name) for name, heading in columns.items()],
    )
