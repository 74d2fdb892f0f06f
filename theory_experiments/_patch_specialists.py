"""Specialists of PatchNets: which views they add to those of their generalist."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from multiview import stream
from multiview.data import PatchBatch, sample_patches
from multiview.distill import (
    combine,
    confusable_sets,
    corrected,
    specialist_labels,
    specialist_rows,
)
from multiview.distill.combination import Specialist
from multiview.models import PatchNet
from theory_experiments._averages import means, measured
from theory_experiments._contrast import Progress, within
from theory_experiments._patch_nets import (
    NetCell,
    draw_features,
    draw_train,
    fit,
    logits_of,
    new_nets,
)

STARTS = ("tuned", "fresh")


@dataclass(frozen=True, kw_only=True)
class PatchSpecialistCell(NetCell):
    """Each of ``members`` networks is a generalist with specialists of its own.

    Classes are alike by construction, so that none is confused with one rather than another and
    K-means sets single classes apart from one large rest; hence the sets are random, of equal size.
    """

    part: str = "synthetic"
    members: int = 4
    num_sets: int = 3
    num_validation: int = 1000  # further samples, on which a generalist's confusions show
    num_test: int = 1000  # of single-view and of multi-view samples each
    probes_per_view: int = 50


@dataclass(frozen=True, kw_only=True)
class Trained:
    """A specialist after training."""

    classes: list[int]
    net: PatchNet
    oversampling: float
    steps: float
    converged: bool


def run_patch_specialists(
    cell: PatchSpecialistCell, progress: Progress
) -> dict[str, dict[str, Any]]:
    """Errors and coverage of generalists alone and with specialists of two starts.

    Returns:
        What is ``measured`` of ``generalist``, the generalists alone; ``pair``, the mean logits of
        two of them; and, for the starts ``tuned``, from the generalist, and ``fresh``:
        ``<start>_top``, the generalist with the specialist of its best class; ``<start>_all``, with
        all of them, consulted on every sample; ``<start>_alone``, the specialists without it, by
        their logits above the dustbin's, and their ``steps`` and ``converged``. All are means over
        the generalists. ``clusters`` of "data": the sizes of the sets that K-means would have made
        of each generalist's predictions.
    """
    features = draw_features(cell)
    train = draw_train(cell, features)
    held = sample_patches(cell.spec, features, cell.num_validation, stream(cell.seed, "validation"))
    start = new_nets(cell, "members", cell.members)
    generalists = fit("generalists", start, train, cell.train, progress, 0.0, 0.2).net
    predicted = logits_of(generalists, held).softmax(-1)
    families: dict[str, list[list[Trained]]] = {start: [] for start in STARTS}
    clusters = []
    for e in range(cell.members):
        draws = stream(cell.seed, "sets", e)
        order = torch.randperm(cell.spec.num_classes, generator=draws)
        sets = [sorted(part.tolist()) for part in order.tensor_split(cell.num_sets)]
        found = confusable_sets(predicted[:, e], cell.num_sets, draws)
        clusters.append(sorted(map(len, found)))
        for i, (who, family) in enumerate(families.items()):
            done = (e + i / len(STARTS), e + (i + 1) / len(STARTS))
            inner = within(progress, *(0.2 + 0.7 * each / cell.members for each in done))
            family.append(_family(cell, who, e, generalists.member(e), sets, train, inner))

    def outputs(batch: PatchBatch) -> dict[str, Tensor]:
        single = logits_of(generalists, batch)
        found = {"generalist": single, "pair": (single + single.roll(1, 1)) / 2}
        for who, of_members in families.items():
            said = [[_answer(each, batch) for each in family] for family in of_members]
            for name, top in (("top", 1), ("all", cell.spec.num_classes)):
                pairs = zip(single.unbind(1), said, strict=True)
                found[f"{who}_{name}"] = torch.stack([combine(z, s, top) for z, s in pairs], 1)
            found[f"{who}_alone"] = torch.stack([_alone(each, single.shape[2]) for each in said], 1)
        return found

    found = measured(cell, features, train, outputs, cell.num_test, cell.probes_per_view)
    row: dict[str, dict[str, Any]] = {**means(found)}
    for who, of_members in families.items():
        trained = [each for family in of_members for each in family]
        row[f"{who}_alone"] |= {
            "steps": sum(each.steps for each in trained) / len(trained),
            "converged": sum(each.converged for each in trained) / len(trained),
        }
    return row | {"data": {"clusters": clusters}}


def from_generalist(generalist: PatchNet, classes: list[int]) -> PatchNet:
    """A PatchNet whose last class, the dustbin, has neurons of all classes but ``classes``.

    As many as any class has: the largest neuron of each such class, those of the largest first,
    then the second largest, and so on.

    Args:
        generalist: One network.
    """
    (weight,) = generalist.weight.detach()  # (k, m, d)
    rest = [i for i in range(len(weight)) if i not in classes]
    size = weight[rest].norm(dim=-1)  # (rest, m)
    rank = size.argsort(1, descending=True)
    ranked = weight[rest].take_along_dim(rank.unsqueeze(-1), 1)
    by_size = size.amax(1).argsort(descending=True)
    neurons = ranked[by_size].transpose(0, 1).flatten(0, 1)[: weight.shape[1]]
    return generalist.with_weight(torch.cat([weight[classes], neurons.unsqueeze(0)]).unsqueeze(0))


def _family(
    cell: PatchSpecialistCell,
    who: str,
    member: int,
    generalist: PatchNet,
    sets: list[list[int]],
    train: PatchBatch,
    progress: Progress,
) -> list[Trained]:
    """Train a specialist of each set."""
    k, family = cell.spec.num_classes, []
    for i, classes in enumerate(sets):
        taken = specialist_rows(
            train.labels, classes, k, stream(cell.seed, "specialist rows", member, i)
        )
        labels = specialist_labels(train.labels[taken.rows], classes, k)
        batch = replace(train[taken.rows], labels=labels)
        if who == "tuned":
            net = from_generalist(generalist, classes)
        else:
            fresh = new_nets(cell, f"specialist {member} {i}", 1)
            net = fresh.with_weight(fresh.weight[:, : len(classes) + 1])
        begin, end = i / len(sets), (i + 1) / len(sets)
        result = fit(f"{who} {i + 1} of {len(sets)}", net, batch, cell.train, progress, begin, end)
        family.append(
            Trained(
                classes=classes,
                net=result.net,
                oversampling=taken.oversampling,
                steps=float(result.steps),
                converged=bool(result.converged),
            )
        )
    return family


def _answer(specialist: Trained, batch: PatchBatch) -> Specialist:
    """A specialist's classes and its corrected logits on a batch."""
    logits = corrected(logits_of(specialist.net, batch)[:, 0], specialist.oversampling)
    return specialist.classes, logits


def _alone(said: Sequence[Specialist], num_classes: int) -> Float[Tensor, "n k"]:
    """The specialists' logits of their classes above their dustbins'."""
    out = said[0][1].new_zeros(len(said[0][1]), num_classes)
    for classes, logits in said:
        out[:, classes] = logits[:, :-1] - logits[:, -1:]
    return out
