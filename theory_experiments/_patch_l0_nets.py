"""Patch nets with gates on their neurons: trained, pruned, and what is left of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor

from multiview import stream
from multiview.data import PatchBatch
from multiview.distill import Hinton, distillation_loss
from multiview.models import DropoutPatchNet, PatchNet, SideBySide, SingleMember
from multiview.sparsity import GatedPatchNet, L0Spec, expected_share, pruned, sparsify
from multiview.train import OptimSpec, fit, target_loss
from multiview.train.loop import Loss
from theory_experiments._contrast import Progress, spans, within
from theory_experiments._patch_nets import draw_train, new_nets
from theory_experiments._patch_sgd import SGD, SgdCell


@dataclass(frozen=True, kw_only=True)
class PatchL0Cell(SgdCell):
    """Trained networks pruned by gates of many strengths, and networks gated from their start.

    Strengths are lambda of ``L0Spec``, which divides them by the number of samples. Chosen on the
    seeds 1000 to 1003.
    """

    prune: OptimSpec = SGD  # with gates, from a trained network
    scratch: OptimSpec = field(default_factory=lambda: replace(SGD, epochs=100))  # from no training
    gates: float = 0.3  # d: the gates start open with probability 0.92
    hidden: float = 0.5  # dropout of patches in the training of the network that knows all views
    strengths: tuple[float, ...] = (0.01, 0.03, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 12.8)
    kept: float = 0.4  # the one at which all members are pruned, to be averaged
    temperature: float = 4.0  # of the soft targets that are not at 1
    other_mu: float = 0.32  # more single-view samples
    other_num_train: int = 1600  # more samples, a multiple, at as many steps
    # There, for as many steps; with N they grow, so that lambda/N is as here.
    other_strengths: tuple[float, ...] = (0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 12.8)
    scratch_strengths: tuple[float, ...] = (0.005, 0.02, 0.05, 0.2)
    # Fraction of the steps before the penalty, in the delayed trainings; their strengths are larger
    # by 1 / (1 - delay), so that lambda times the steps it acts for is as without a delay.
    delay: float = 0.5
    fine: tuple[float, ...] = (0.024, 0.0255, 0.027, 0.0285, 0.03)
    targets: tuple[float, ...] = (0.7, 0.5, 0.3, 0.15)  # shares of the weights to be left

    def __post_init__(self) -> None:
        for name in ("strengths", "other_strengths", "scratch_strengths", "fine"):
            values = getattr(self, name)
            if not values or any(b <= a for a, b in pairwise((0.0, *values))):
                raise ValueError(f"{name}={values} are one or more values > 0, ascending.")
        if self.kept not in self.strengths:
            raise ValueError(f"kept={self.kept} must be one of strengths={self.strengths}.")
        if not self.targets or any(b >= a for a, b in pairwise((1.0, *self.targets, 0.0))):
            raise ValueError(f"targets={self.targets} are shares in (0, 1), descending.")
        if not 0 < self.delay < 1:
            raise ValueError(f"delay={self.delay} is a fraction of the steps in (0, 1).")
        if not self.spec.mu <= self.other_mu <= 1:
            raise ValueError(f"other_mu={self.other_mu} must be at least mu={self.spec.mu}.")
        times, rest = divmod(self.other_num_train, self.num_train)
        if rest or not 1 <= times <= min(self.optim.epochs, self.prune.epochs):
            raise ValueError(
                f"other_num_train={self.other_num_train} must be a multiple of num_train="
                f"{self.num_train}, by at most the epochs of optim and prune."
            )


@dataclass(frozen=True, kw_only=True)
class Left:
    """Networks after training with gates, side by side."""

    net: SideBySide  # pruned, no gates
    expected: Float[Tensor, " nets"]  # share of the weights behind open gates, in expectation
    gap: float  # largest difference of the logits from the gated ones', over the largest logit

    def __call__(self, patches: Float[Tensor, "n P d"]) -> Float[Tensor, "n nets k"]:
        """Logits."""
        return self.net(patches)

    def weights(self) -> list[Float[Tensor, "k m d"]]:
        """Weights of each pruned network, as wide as its widest class."""
        nets = (each.net for each in self.net.nets if isinstance(each, SingleMember))
        return [each.weight.detach()[0] for each in nets if isinstance(each, PatchNet)]

    def neurons(self) -> Float[Tensor, " nets"]:
        """Mean number of neurons of a class that are left."""
        return torch.stack([_alive(w).sum(-1).double().mean() for w in self.weights()])

    def fewest(self) -> Float[Tensor, " nets"]:
        """Number of neurons that are left of the class with the fewest."""
        return torch.stack([_alive(w).sum(-1).double().min() for w in self.weights()])

    def held(self, features: Float[Tensor, "k L d"], least: float) -> Float[Tensor, " nets"]:
        """Mean number of views of a class that a neuron of it answers to with at least this."""
        answers = (torch.einsum("kmd,kvd->kmv", w, features) for w in self.weights())
        return torch.stack([(a.amax(1) >= least).double().sum(-1).mean() for a in answers])


def _alive(weight: Float[Tensor, "k m d"]) -> Tensor:
    return (weight != 0).any(-1)


def dense_net(
    cell: PatchL0Cell, train: PatchBatch, members: int, progress: Progress, patch: float = 0.0
) -> PatchNet:
    """Networks trained without gates, with dropout of whole patches where asked for."""
    net = DropoutPatchNet(new_nets(cell, "members", members), patch=patch)
    generator = stream(cell.seed, "sgd", "members")
    fit(net, train.patches, target_loss(train.labels), cell.optim, generator, progress=progress)
    return net.plain()


def sparse_nets(
    cell: PatchL0Cell,
    train: PatchBatch,
    starts: Sequence[PatchNet],
    penalty: L0Spec,
    progress: Progress,
    *,
    optim: OptimSpec | None = None,
    loss: Loss | None = None,
) -> Left:
    """Train gated copies of these networks, of one member each, side by side, and prune them.

    Args:
        penalty: With one strength for each.
        optim: ``cell.prune`` by default.
        loss: Cross-entropy with the labels by default.
    """
    gated = [
        # Every copy's gates start alike, so that strengths are compared on equal starts.
        GatedPatchNet(start, dropout=cell.gates, generator=stream(cell.seed, "gates"))
        for start in starts
    ]
    nets = SideBySide(SingleMember(each) for each in gated)
    sparsify(
        nets,
        train.patches,
        spec=optim or cell.prune,
        penalty=penalty,
        generator=stream(cell.seed, "sgd", "gates"),
        loss=loss or target_loss(train.labels),
        progress=progress,
    )
    left = pruned(nets)
    assert isinstance(left, SideBySide)
    with torch.no_grad():
        before, after = nets(train.patches), left(train.patches)
        expected = torch.stack([expected_share(each) for each in gated])
    gap = float((before - after).abs().max() / before.abs().max().clamp(min=1))
    return Left(net=left, expected=expected, gap=gap)


def variants(cell: PatchL0Cell) -> dict[str, PatchL0Cell]:
    """Variants of the cell: more single-view samples, or more samples at as many steps.

    The penalty is divided by the number of samples: strengths grow with it, so that gates are
    pushed as hard.
    """
    times = cell.other_num_train // cell.num_train
    return {
        "more_mu": replace(cell, spec=replace(cell.spec, mu=cell.other_mu)),
        "more_samples": replace(
            cell,
            num_train=cell.other_num_train,
            other_strengths=tuple(times * each for each in cell.other_strengths),
            optim=replace(cell.optim, epochs=cell.optim.epochs // times),
            prune=replace(cell.prune, epochs=cell.prune.epochs // times),
        ),
    }


def strengths_of(cell: PatchL0Cell) -> dict[str, tuple[float, ...]]:
    """The strengths of each group of networks that are pruned with one each.

    ``one``: the first member; ``all``: the network that knows all views; ``soft`` and ``cool``:
    the same, taught by itself instead of labels, at ``temperature`` and at 1; ``more_mu`` and
    ``more_samples``: as ``all``, of other samples; ``from_start`` and ``delayed``: gated from no
    training, where a delay makes up for its steps by more strength; ``fine``: near the cliff.
    """
    return {
        **dict.fromkeys(("one", "all", "soft", "cool"), cell.strengths),
        **{name: other.other_strengths for name, other in variants(cell).items()},
        "from_start": cell.scratch_strengths,
        "delayed": tuple(each / (1 - cell.delay) for each in cell.scratch_strengths),
        "fine": cell.fine,
    }


def train_nets(
    cell: PatchL0Cell, train: PatchBatch, features: Float[Tensor, "k L d"], progress: Progress
) -> tuple[PatchNet, PatchNet, dict[str, Left]]:
    """Members without gates; the network that knows all views; and what is left, by name."""
    many, steps = len(cell.strengths), cell.prune.epochs
    work = {"dense": cell.optim.epochs * (cell.members + 1)}
    work |= {"one": steps * (many + cell.members - 1)}
    work |= dict.fromkeys(("all", "soft", "cool"), steps * many)
    others = steps * len(cell.other_strengths) + cell.optim.epochs
    work |= dict.fromkeys(variants(cell), others)
    work |= dict.fromkeys(
        ("from_start", "delayed"), cell.scratch.epochs * len(cell.scratch_strengths)
    )
    work |= {"fine": steps * len(cell.fine), "target": steps * len(cell.targets)}
    parts = {name: within(progress, *span) for name, span in spans(work).items()}

    dense = dense_net(cell, train, cell.members, within(parts["dense"], 0, 0.7))
    full = dense_net(cell, train, 1, within(parts["dense"], 0.7, 1), patch=cell.hidden)
    members = [dense.member(e) for e in range(cell.members)]
    sweep = L0Spec(strength=cell.strengths)
    left: dict[str, Left] = {}
    alike = L0Spec(strength=(*cell.strengths, *[cell.kept] * (cell.members - 1)))
    starts = [members[0]] * many + members[1:]
    left["one"] = sparse_nets(cell, train, starts, alike, parts["one"])
    left["all"] = sparse_nets(cell, train, [full] * many, sweep, parts["all"])
    for name, temperature in (("soft", cell.temperature), ("cool", 1.0)):
        loss = distillation_loss(None, full.single(), Hinton(temperature), label_weight=0.0)
        left[name] = sparse_nets(cell, train, [full] * many, sweep, parts[name], loss=loss)
    left |= _of_variants(cell, features, parts)
    young = [new_nets(cell, "members", 1)] * len(cell.scratch_strengths)
    for name, delay in (("from_start", 0.0), ("delayed", cell.delay)):
        spec = L0Spec(strength=strengths_of(cell)[name], delay=delay)
        left[name] = sparse_nets(cell, train, young, spec, parts[name], optim=cell.scratch)
    starts = [full] * len(cell.fine)
    left["fine"] = sparse_nets(cell, train, starts, L0Spec(strength=cell.fine), parts["fine"])
    for i, target in enumerate(cell.targets):  # one after the other: a multiplier each
        inner = within(parts["target"], i / len(cell.targets), (i + 1) / len(cell.targets))
        spec = L0Spec(target=target)
        left[f"target {target:g}"] = sparse_nets(cell, train, [full], spec, inner)
    return dense, full, left


def _of_variants(
    cell: PatchL0Cell, features: Float[Tensor, "k L d"], parts: Mapping[str, Progress]
) -> dict[str, Left]:
    """What is left of networks that know all views, trained and pruned on other samples."""
    left = {}
    for name, other in variants(cell).items():
        train = draw_train(other, features)
        full = dense_net(other, train, 1, within(parts[name], 0, 0.1), patch=cell.hidden)
        spec = L0Spec(strength=other.other_strengths)
        starts = [full] * len(other.other_strengths)
        left[name] = sparse_nets(other, train, starts, spec, within(parts[name], 0.1, 1))
    return left
