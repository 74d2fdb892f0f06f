"""What is left of pruned networks: arithmetic, neurons, and the views that neurons encode."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from multiview.bench.bench import Bench
from multiview.bench.method import Classifier, Measure
from multiview.bench.patches import patch_net
from multiview.measures.patches import PatchMeasure, Row, patch_bench
from multiview.models import PatchNet, SingleMember
from multiview.sparsity import flops


@dataclass(frozen=True, kw_only=True)
class Flops(Measure):
    """``flops``, multiplications and additions of one input, of each network there is."""

    def of(self, bench: Bench, trained: Mapping[str, Classifier]) -> Row:
        """The measure of each method that leaves a network."""
        sample = bench.inputs[0]
        return {
            name: {"flops": flops(each.net, sample)}
            for name, each in trained.items()
            if each.net is not None
        }


@dataclass(frozen=True, kw_only=True)
class Neurons(PatchMeasure):
    """Neurons of two-layer networks of patches whose weights are not all 0.

    ``neurons``, their mean number in a class; ``min_neurons``, the number in the class with the
    fewest; ``views_encoded``, the mean number of views of a class to which one of its neurons
    answers with half of the knee of its activation or more.
    """

    def of(self, bench: Bench, trained: Mapping[str, Classifier]) -> Row:
        """The measures of each method that leaves one plain network of patches, by method."""
        here = patch_bench(bench)
        least = here.setting.relu_knee / 2
        return {
            name: neurons(patch_net(each.net).weight.detach()[0], here.features, least)
            for name, each in trained.items()
            if isinstance(each.net, SingleMember) and isinstance(each.net.net, PatchNet)
        }


def neurons(
    weight: Float[Tensor, "k m d"], features: Float[Tensor, "k L d"], least: float
) -> dict[str, float]:
    """What ``Neurons`` says of a network with these weights.

    Args:
        least: A neuron's projection on a view from which on it encodes the view.
    """
    alive = (weight != 0).any(-1).sum(-1).double()
    answers = torch.einsum("kmd,kvd->kmv", weight, features).amax(1)
    return {
        "neurons": float(alive.mean()),
        "min_neurons": float(alive.min()),
        "views_encoded": float((answers >= least).double().sum(-1).mean()),
    }
