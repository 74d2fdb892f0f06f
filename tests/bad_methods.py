"""Bad methods and experiments."""

import math
from dataclasses import dataclass, replace
from typing import Any

import torch
from one_bad_input import BadInput
from toy_experiment import EXPERIMENT, Options

from multiview.bench import Entry
from multiview.bench.nets import Quick
from multiview.comparison.settings import PATCHES
from multiview.distill import Hinton
from multiview.methods import Ensemble, Group, Labels, Member, Members, Rocket, Student, Variant
from multiview.methods.variant import TransferSet
from multiview.runs.claims import Claim
from multiview.runs.estimates import measured
from multiview.runs.experiment import Experiment, Preset
from multiview.runs.runner import plan


def bad(name: str, function: Any, message: str, /, **arguments: Any) -> BadInput:
    """A line about what a call with these arguments says."""
    return BadInput(name, lambda here: function(**arguments), message)


METHODS: list[BadInput] = [
    bad("no members", Members, "number=0 counts networks: use number >= 1, an integer.", number=0),
    bad(
        "a network before the first",
        Member,
        "index=-1 is the place of a network: use index >= 0, an integer.",
        index=-1,
    ),
    bad(
        "a group of none", Group, "of=() holds the methods of a group: use a tuple of some.", of=()
    ),
    bad(
        "an unknown average",
        Ensemble,
        "average='median': choose one of ('probabilities', 'logits').",
        average="median",
    ),
    bad(
        "a temperature of 0",
        Hinton,
        "temperature=0.0 is a temperature, which must be > 0: use a finite number in [1e-6, 1e6].",
        temperature=0.0,
    ),
    bad(
        "a weight below 0",
        Student,
        "weight=-1.0 must be >= 0 and finite: use a finite number in [0, inf).",
        weight=-1.0,
    ),
    bad("no students", Student, "number=0 counts students: use number >= 1, an integer.", number=0),
    bad(
        "a teacher by name",
        Student,
        "teacher='ensemble' is no Method: give one such as Ensemble().",
        teacher="ensemble",
    ),
    bad(
        "a loss by name",
        Student,
        "kd_loss='hinton' is no function: give one, or an object like it.",
        kd_loss="hinton",
    ),
    bad(
        "an unknown course",
        Labels,
        "course='teachers': choose one of ('labels', 'students').",
        course="teachers",
    ),
    bad(
        "a delay of all steps",
        Rocket,
        "delay=1.0 is a fraction: use a finite number in [0, 1).",
        delay=1.0,
    ),
    bad(
        "a share of nothing",
        TransferSet,
        "share=0.0 is a fraction of samples: use (0, 1].",
        share=0.0,
    ),
    bad(
        "no class to be met",
        TransferSet,
        "classes=(1, 2) are all in without=(1, 2): leave one to be met.",
        classes=(1, 2),
        without=(1, 2),
    ),
    bad(
        "an entry of no method",
        Entry,
        "method='one' is no Method: give one such as Student().",
        method="one",
        label="one",
    ),
    BadInput(
        "one more than there are",
        lambda here: Member(index=4).check(PATCHES),
        "index=4 of 4 networks: use 0 to 3, or more networks.",
    ),
    BadInput(
        "a mean over one",
        lambda here: Ensemble(size=1, of=Labels()).check(PATCHES),
        "of=Labels(start='student', course='students') leaves one network, and "
        "several are needed: name a method of several, such as Members().",
    ),
    BadInput(
        "other networks of patches",
        lambda here: Variant(of=Labels(), net=Quick()).check(PATCHES),
        "net=Quick(widths=(8, 16, 32), hidden=64, dropout=0.4): networks of "
        "patches are PatchNets, leave it out.",
    ),
]


@dataclass(frozen=True)
class Seedless:
    """A cell that has no seed."""

    n: int = 1


@dataclass(frozen=True)
class Own:
    """A cell of the test."""

    n: Any = 1
    seed: int = 0


def planned(*cells: Any, **changes: Any):
    """Plan an experiment of these cells."""
    experiment = replace(EXPERIMENT, presets={"p": Preset(cells=list(cells))}, **changes)
    return lambda here: plan(experiment, "p", Options(), out=here)


def claim(**changes: Any) -> Claim:
    """A claim of the toy experiment with other fields."""
    settings = {"source": "Theorem 1", "statement": "s", "predicted": (0.0, 1.0)} | changes
    return Claim(name="fair", estimate=measured("error", "coin"), **settings)


def named(**changes: Any) -> Experiment:
    """The toy experiment with other fields."""
    return replace(EXPERIMENT, **changes)


def repeated(seeds: Any) -> list:
    """Cells of so many repetitions."""
    return EXPERIMENT.cells("smoke", Options(), seeds=seeds)


EXPERIMENTS: list[BadInput] = [
    bad(
        "a name with a blank",
        named,
        "name='my coin' names files and a module: use an identifier.",
        name="my coin",
    ),
    bad(
        "no presets",
        named,
        "presets of toy_experiment is empty: give at least one preset.",
        presets={},
    ),
    BadInput("no cells", planned(), "preset=p of toy_experiment has no cells: give at least one."),
    BadInput(
        "a cell that is a number",
        planned(3),
        "cell=3 has no seed: use a dataclass with a field seed.",
    ),
    BadInput(
        "a cell without a seed",
        planned(Seedless()),
        "cell=Seedless(n=1) has no seed: use a dataclass with a field seed.",
    ),
    BadInput(
        "a cell twice",
        planned(Own(), Own()),
        "preset=p of toy_experiment has the cell Own(n=1, seed=0) twice: give it once.",
    ),
    BadInput(
        "a cell that holds NaN",
        planned(Own(n=math.nan)),
        "Own.n=nan cannot stand in a cell: use finite numbers, strings, booleans, "
        "None, and tuples, mappings and dataclasses of them.",
    ),
    BadInput(
        "a cell that holds a tensor",
        planned(Own(n=torch.zeros(1))),
        "Own.n=tensor([0.]) cannot stand in a cell: use finite numbers, strings, "
        "booleans, None, and tuples, mappings and dataclasses of them.",
    ),
    BadInput(
        "a cell that holds numbers by number",
        planned(Own(n={1: 2})),
        "Own.n has the key 1: use strings other than '__type__'.",
    ),
    bad(
        "repetitions as a word",
        repeated,
        "seeds='3' leaves nothing to compute: use an integer of at least 1.",
        seeds="3",
    ),
    bad(
        "repetitions by half",
        repeated,
        "seeds=1.5 leaves nothing to compute: use an integer of at least 1.",
        seeds=1.5,
    ),
    bad(
        "a reversed prediction",
        claim,
        "predicted=(1.0, 0.0) of 'fair' is no interval: use (low, high) with low <= high.",
        predicted=(1.0, 0.0),
    ),
    bad(
        "a check that is primary",
        claim,
        "primary=True of 'fair', whose kind is 'check': only a claim can be primary, leave it out.",
        kind="check",
        primary=True,
    ),
]
