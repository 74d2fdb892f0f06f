"""Specialists: nets that tell a few confusable classes apart, beside one generalist for all.

Hinton, Vinyals & Dean, arXiv 1503.02531, Section 5. A specialist has an output for each class of
its set S and, last, one for all others together, the dustbin.
"""

import copy
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from multiview import checks, shapes


@dataclass(frozen=True, eq=False)
class SpecialistRows:
    """What a specialist is trained on."""

    rows: Int[Tensor, " n"]  # which training samples, in random order
    oversampling: float  # by which factor the odds of S against the rest exceed the natural ones


def specialist_labels(
    labels: Int[Tensor, " n"], classes: Sequence[int], num_classes: int
) -> Int[Tensor, " n"]:
    """The index of each label in ``classes``; ``len(classes)``, the dustbin, if it is not there.

    Raises:
        ValueError: If ``classes`` repeats a class, or holds none, all, or one that there is not.
    """
    check_classes(classes, checks.count("num_classes", num_classes))
    shapes.fit(labels=(labels, "int n?"))
    shapes.indices("labels", labels, 0, num_classes, "num_classes")
    column = torch.full((num_classes,), len(classes), device=labels.device)
    column[list(classes)] = torch.arange(len(classes), device=labels.device)
    return column[labels]


def specialist_rows(
    labels: Int[Tensor, " n"],
    classes: Sequence[int],
    num_classes: int,
    generator: torch.Generator | int,
) -> SpecialistRows:
    """All samples of S and, drawn without repetition, as many of the others, or all if fewer.

    Args:
        generator: Sole source of randomness, advanced in place; or a seed.

    Raises:
        ValueError: As ``specialist_labels``; or if there is no sample of S, or none of another.
    """
    generator = checks.generator("generator", generator, "specialist")
    special = specialist_labels(labels, classes, num_classes).cpu() < len(classes)
    own, rest = (mask.nonzero().squeeze(1) for mask in (special, ~special))
    if not min(len(own), len(rest)):
        raise ValueError(
            f"labels hold {len(own)} samples of classes={list(classes)} and {len(rest)} of others: "
            "a specialist needs both."
        )
    drawn = rest[torch.randperm(len(rest), generator=generator)[: len(own)]]
    rows = torch.cat([own, drawn])
    rows = rows[torch.randperm(len(rows), generator=generator)]
    return SpecialistRows(rows=rows.to(labels.device), oversampling=len(rest) / len(drawn))


def specialist_from(generalist: nn.Module, head: nn.Linear, classes: Sequence[int]) -> nn.Module:
    """A copy of ``generalist`` whose ``head`` has an output for each of ``classes`` and a dustbin.

    The rows of ``classes`` are copied. All other classes together have the logit log sum exp z_i,
    which is not linear; the dustbin starts at its tangent where these z_i are equal,
    mean z_i + log(how many), a lower bound. The new head has a bias also where the old one has
    none. Given a new net, this is a fresh specialist.

    Args:
        head: The last layer, a part of ``generalist``, with one output a class.

    Raises:
        ValueError: If ``head`` is not a part of the generalist, or as ``specialist_labels``.
    """
    checks.module("generalist", generalist)
    checks.instance("head", head, nn.Linear)
    check_classes(classes, head.out_features)
    names = [name for name, part in generalist.named_modules() if part is head]
    if not names:
        raise ValueError("head is no part of generalist: give the linear layer itself.")
    rest = [i for i in range(head.out_features) if i not in set(classes)]
    new = nn.Linear(head.in_features, len(classes) + 1).to(head.weight)
    with torch.no_grad():
        old = head.bias if head.bias is not None else head.weight.new_zeros(head.out_features)
        for target, source in ((new.weight, head.weight), (new.bias, old)):
            target.copy_(torch.cat([source[list(classes)], source[rest].mean(0, keepdim=True)]))
        new.bias[-1] += math.log(len(rest))
    if names[0] == "":
        return new.train(head.training)
    specialist = copy.deepcopy(generalist)
    specialist.set_submodule(names[0], new.train(head.training))
    return specialist


def corrected(
    logits: Float[Tensor, "n outputs"], oversampling: float
) -> Float[Tensor, "n outputs"]:
    """The logits with log ``oversampling`` added to the dustbin's.

    Trained where S had the share s instead of its natural p, a calibrated specialist's odds of the
    dustbin are those of the natural mixture times (p / (1 - p)) / (s / (1 - s)) = 1 / oversampling;
    this undoes it exactly. At s = 1/2 it is (1 - p) / p, while S itself occurs 1 / 2p times too
    often: the rest occurs too seldom by the factor 2 (1 - p), which that number leaves out.

    Raises:
        ValueError: If ``logits`` are no floating-point numbers (n, outputs), or ``oversampling`` is
            not positive and finite.
    """
    shapes.fit(logits=(logits, "float n? outputs"))
    oversampling = checks.number(
        "oversampling", oversampling, "(0, inf)", meaning="is a ratio of odds"
    )
    return torch.cat([logits[:, :-1], logits[:, -1:] + math.log(oversampling)], 1)


def check_classes(
    classes: Any, num_classes: int, name: str = "classes", of: str = "num_classes"
) -> None:
    """Raise a ValueError unless ``classes`` are some, but not all, and each named once."""
    listed = checks.items(name, classes)
    whole = all(isinstance(each, int | np.integer) and each is not True for each in listed)
    known = whole and set(listed) <= set(range(num_classes))
    if not known or not 0 < len({*listed}) < num_classes:
        raise ValueError(
            f"{name}={checks.shown(classes)} must be some, and not all, of 0 to "
            f"{num_classes - 1} of {of}: use integers."
        )
    if len({*listed}) < len(listed):
        raise ValueError(f"{name}={checks.shown(classes)} names a class twice: name each once.")
