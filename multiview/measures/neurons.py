"""What the neurons of patch networks have learned."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from multiview.bench.bench import Bench
from multiview.bench.method import Classifier
from multiview.measures.patches import PatchMeasure, Row, patch_bench
from multiview.models import PatchNet
from multiview.probes import view_norms


@dataclass(frozen=True, kw_only=True)
class StrongestNeurons(PatchMeasure):
    """``strongest_view``, the view of each class that its strongest neuron is on, (k,).

    Margins would not do to tell whether two networks have learned the same views: one that mimics
    the other's logits has its margins, whatever its neurons have learned. Of methods that leave one
    network of patches.
    """

    def of(self, bench: Bench, trained: Mapping[str, Classifier]) -> Row:
        """Measures of each method's neurons."""
        features = patch_bench(bench).features
        return {
            name: {"strongest_view": view_norms(all_neurons(each.net), features)[0].argmax(-1)}
            for name, each in trained.items()
            if each.net is not None
        }


def all_neurons(net: nn.Module) -> PatchNet:
    """A network of patches, whose neurons may lie in several blocks, as one PatchNet.

    Raises:
        ValueError: If its parameters are no neurons.
    """
    weights: list[Float[Tensor, "*one k m d"]] = [each.detach() for each in net.parameters()]
    if not weights or any(
        each.dim() not in (3, 4) or each.shape[:-3].numel() != 1 for each in weights
    ):
        raise ValueError(
            f"{type(net).__name__} is no single network of patches: measure neurons of a PatchNet "
            "or of NeuronBlocks."
        )
    blocks = [each.reshape(each.shape[-3:]) for each in weights]
    return PatchNet.of(torch.cat(blocks, 1).unsqueeze(0))
