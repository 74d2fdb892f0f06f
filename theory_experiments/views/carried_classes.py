"""Which channels of a layer carry which class in a network above it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, combinations
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from multiview import checks
from multiview.bench import Bench, Classifier, Setting
from multiview.measures.errors import TestMeasure, module_bench

Carried = Float[Tensor, "networks classes channels"]


@dataclass(frozen=True, kw_only=True)
class CarriedClasses(TestMeasure):
    """What each class loses in the log-odds of its images when one channel is blanked.

    A blanked channel holds its mean over the training images, at every place. The log-odds of a
    class are log p / (1 - p). Of each of several networks: ``carried``, (networks, classes,
    channels), means over the class's images, and ``first``, of the same shape, the share of the
    images that lose most by this channel. And means over classes and networks:

    - ``channels``: how many carry a class, sum(a)^2 / sum(a^2) over what is lost; gains are left
      out, and classes that lose nothing by any;
    - ``firsts``: how many are first for some images of a class, 1 / sum(share^2);
    - ``agree``: the correlation over channels of what two networks lose in one class, and
      ``agree_others`` in two classes that differ;
    - ``with_mean``: that of a network and the mean logits of the members but the one of its
      number, so that no network is compared with itself.

    Attributes:
        members: Name of the networks that are averaged.
        methods: Names of those that are measured, which leave several networks.
        num_images: Of the test images, the first ones.
    """

    members: str = "member"
    methods: tuple[str, ...] = ("member",)
    num_images: int = 2000

    def __post_init__(self) -> None:
        checks.count("num_images", self.num_images, meaning="counts images")

    def check(self, setting: Setting) -> None:
        """Refuse a single network."""
        super().check(setting)
        members = getattr(setting, "members", 0)
        if members < 2:
            raise ValueError(f"members={members}: two networks are compared, use at least 2.")

    def _check_classes(self, labels: Int[Tensor, " n"], num_classes: int) -> None:
        """Refuse images among which a class is missing."""
        if len(labels.unique()) < num_classes:
            raise ValueError(
                f"num_images={self.num_images}: of some of {num_classes} classes there is no image "
                "among the first so many test images: use more."
            )

    def of(self, bench: Bench, trained: Mapping[str, Classifier]) -> dict[str, dict[str, Any]]:
        """The values of each method."""
        here, chosen = module_bench(bench), slice(self.num_images)
        inputs, labels = here.samples.test[chosen], here.samples.test_labels[chosen].cpu()
        typical = here.inputs.mean(0)
        self._check_classes(labels, here.num_classes)
        lost: dict[str, Tensor] = {}
        others = torch.zeros(0)
        for name in dict.fromkeys((self.members, *self.methods)):
            shown = chain([inputs], each_blanked(inputs, typical))
            logits = [here.outputs(trained[name].logits, each) for each in shown]
            lost[name] = loss_of_odds(logits, labels)
            if name == self.members:
                rest = loss_of_odds([but_one(each) for each in logits], labels)
                others = by_class(rest, labels, here.num_classes)
        return {
            name: measured(lost[name], labels, here.num_classes, others) for name in self.methods
        }


def loss_of_odds(
    logits: Sequence[Float[Tensor, "n networks k"]], labels: Int[Tensor, " n"]
) -> Float[Tensor, "n networks channels"]:
    """How much the log-odds of the first logits exceed those of each of the others."""
    whole, *blanked = [log_odds(each, labels) for each in logits]
    return whole[:, :, None] - torch.stack(blanked, -1)


def each_blanked(
    inputs: Float[Tensor, "n C H W"], typical: Float[Tensor, "C H W"]
) -> Iterator[Float[Tensor, "n C H W"]]:
    """The inputs with one channel after the other blanked."""
    for channel in range(inputs.shape[1]):
        blanked = inputs.clone()
        blanked[:, channel] = typical[channel]
        yield blanked


def log_odds(
    logits: Float[Tensor, "n networks k"], labels: Int[Tensor, " n"]
) -> Float[Tensor, "n networks"]:
    """Of each sample's own class: its logit less the log of the summed exponentials of all others.

    In float64, for what a blanked channel changes may be small.
    """
    own = labels[:, None, None].expand(-1, logits.shape[1], 1)
    each = logits.double()
    others = each.scatter(2, own, float("-inf")).logsumexp(2)
    return each.gather(2, own)[:, :, 0] - others


def but_one(logits: Float[Tensor, "n networks k"]) -> Float[Tensor, "n networks k"]:
    """For each network the mean logits of all others."""
    return (logits.sum(1, keepdim=True) - logits) / (logits.shape[1] - 1)


def by_class(
    lost: Float[Tensor, "n networks channels"], labels: Int[Tensor, " n"], num_classes: int
) -> Carried:
    """Means over the images of each class."""
    return torch.stack([lost[labels == y].mean(0) for y in range(num_classes)], 1)


def measured(
    lost: Float[Tensor, "n networks channels"],
    labels: Int[Tensor, " n"],
    num_classes: int,
    others: Carried,
) -> dict[str, Any]:
    """All values of one method.

    Args:
        others: Of the members' means that leave one out.
    """
    carried = by_class(lost, labels, num_classes)
    most = torch.nn.functional.one_hot(lost.argmax(2), lost.shape[2]).double()
    first = by_class(most, labels, num_classes)
    positive = carried.clamp(min=0)
    pairs = list(combinations(range(len(carried)), 2))
    alike = torch.stack([correlations(carried[i], carried[j]) for i, j in pairs])
    with_mean = torch.stack([correlations(*pair) for pair in zip(carried, others, strict=True)])
    return {
        "carried": carried.float().numpy(),
        "first": first.float().numpy(),
        "channels": float((positive.sum(2) ** 2 / (positive**2).sum(2)).nanmean()),
        "firsts": float((1 / (first**2).sum(2)).mean()),
        "agree": float(of_one_class(alike).mean()),
        "agree_others": float(of_two_classes(alike).mean()),
        "with_mean": float(of_one_class(with_mean).mean()),
    }


def correlations(
    one: Float[Tensor, "classes channels"], other: Float[Tensor, "classes channels"]
) -> Float[Tensor, "classes classes"]:
    """Of each class in one network with each class in the other, over channels."""
    both = [each - each.mean(1, keepdim=True) for each in (one, other)]
    unit = [each / each.norm(dim=1, keepdim=True) for each in both]
    return unit[0] @ unit[1].T


def of_one_class(squares: Float[Tensor, "pairs k k"]) -> Float[Tensor, "pairs k"]:
    """The diagonals."""
    return squares.diagonal(dim1=1, dim2=2)


def of_two_classes(squares: Float[Tensor, "pairs k k"]) -> Float[Tensor, " entries"]:
    """All that lies beside the diagonals."""
    return squares[:, ~torch.eye(squares.shape[1], dtype=torch.bool)].flatten()
