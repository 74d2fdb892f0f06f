"""Means over dropout masks: their errors and variance, and how far other predictors are from them.

What comes before the first dropout is the same for all masks, so it is computed once.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from multiview import checks
from multiview.bench.bench import Bench
from multiview.bench.method import Classifier
from multiview.distill import averaged_logits, hinton_kd, monte_carlo
from multiview.measures.errors import Row, TestMeasure, errors, module_bench
from multiview.train import ComputeSpec, outputs_of

ROWS = 20_000  # inputs, each with a mask, that are held at once


@dataclass(frozen=True, kw_only=True)
class MaskMeans(TestMeasure):
    """What averaging over masks changes on the test samples.

    Of methods named "masks_N", means over N masks: ``masks``, N; ``error``; ``variance`` over draws
    of the masks. Of those over most masks and of all methods of one network: ``cross_entropy`` and
    ``divergence``, the KL divergence from the mean of as many further masks.

    Attributes:
        of_net: Name of the method whose network has dropout.
        numbers: Each N, in ascending order.
        alike: Names of two methods that differ in their draws alone: the ``variance`` of the first.

    Raises:
        ValueError: If ``numbers`` is empty, or one of them is no integer >= 1.
    """

    of_net: str = "standard"
    numbers: tuple[int, ...] = (1, 2, 5, 10, 20, 50, 100)
    alike: tuple[str, str] | None = None

    def __post_init__(self) -> None:
        if not checks.counts("numbers", self.numbers, meaning="counts masks"):
            raise ValueError(f"numbers={self.numbers} has no number of masks: use one or more.")

    def of(self, bench: Bench, trained: Mapping[str, Classifier]) -> Row:
        """Measures of each method, and of the means over each number of masks."""
        here, net = module_bench(bench), trained[self.of_net].net
        assert net is not None
        test, labels = here.samples.test, here.samples.test_labels.cpu()
        compute, most = here.setting.recipe.compute, max(self.numbers)
        first, second = (
            by_masks(net, test, most, here.stream("masks", name), compute).cpu()
            for name in ("a", "b")
        )
        row: Row = {}
        for number in self.numbers:
            means = (averaged_logits(each[:, :number]) for each in (first, second))
            error, variance = mean_error(first, number, labels), spread(*means)
            row[f"masks_{number}"] = {"masks": number, "error": error, "variance": variance}
        logits = {name: here.outputs(each.logits, test) for name, each in trained.items()}
        logits[f"masks_{most}"] = averaged_logits(first)
        ideal = averaged_logits(second)
        for name, found in logits.items():
            if found.dim() == 2:
                row.setdefault(name, {})["cross_entropy"] = float(
                    nn.functional.cross_entropy(found, labels)
                )
                row[name]["divergence"] = float(hinton_kd(found, ideal, 1.0))
        if self.alike is not None:
            one, other = self.alike
            row[one]["variance"] = spread(logits[one], logits[other])
        return row


def by_masks(
    net: nn.Module,
    inputs: Float[Tensor, "n C H W"],
    masks: int,
    generator: torch.Generator,
    compute: ComputeSpec,
) -> Float[Tensor, "n masks k"]:
    """A network's predictions under random masks, one by one, of some inputs at a time.

    Args:
        net: Its ``layers`` are an ``nn.Sequential``, as of QuickNet and MLP.
    """
    layers: nn.Sequential = net.layers  # type: ignore[assignment]
    first = next(i for i, each in enumerate(layers) if isinstance(each, nn.Dropout))
    features = outputs_of(layers[:first], inputs, compute=compute)
    one = monte_carlo(layers[first:], 1, generator=generator)
    parts = features.split(max(1, ROWS // masks))
    return torch.cat([one(x.repeat_interleave(masks, 0)).unflatten(0, (-1, masks)) for x in parts])


def mean_error(each: Float[Tensor, "n masks k"], number: int, labels: Int[Tensor, " n"]) -> float:
    """The error of the mean of ``number`` masks, over all groups of so many that there are."""
    groups = each[:, : each.shape[1] // number * number].unflatten(1, (-1, number)).unbind(1)
    found = [float(errors(averaged_logits(group), labels)) for group in groups]
    return sum(found) / len(found)


def spread(first: Float[Tensor, "n k"], second: Float[Tensor, "n k"]) -> float:
    """Variance of a prediction's probabilities, summed over classes, from two independent ones."""
    difference = first.softmax(1) - second.softmax(1)
    return float(difference.square().sum(1).mean() / 2)
