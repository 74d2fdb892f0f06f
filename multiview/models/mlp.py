"""MLP: layers of rectified linear units, with dropout."""

from collections.abc import Sequence
from itertools import pairwise
from math import prod

import torch
from jaxtyping import Float
from torch import Tensor, nn

from multiview import checks, shapes
from multiview.models.initial import draw_weights


class MLP(nn.Module):
    """Fully connected ReLU layers and a linear one, on flattened inputs.

    Args:
        input_shape: Of one sample.
        widths: Units of each hidden layer; none makes it linear.
        input_dropout: Probability that an input is set to 0 while training.
        dropout: The same of hidden units; what stays is divided by 1 - dropout.
        generator: Sole source of randomness, advanced in place; or a seed. See ``draw_weights``.

    Raises:
        ValueError: If an argument is out of range; in the forward pass, if inputs are neither of
            ``input_shape`` nor flattened.
    """

    def __init__(
        self,
        *,
        input_shape: Sequence[int],
        num_classes: int,
        widths: Sequence[int],
        input_dropout: float = 0.0,
        dropout: float = 0.0,
        generator: torch.Generator | int,
    ) -> None:
        super().__init__()
        num_classes = checks.count("num_classes", num_classes)
        self.input_shape = input_shape = checks.counts("input_shape", input_shape)
        if not input_shape:
            raise ValueError(
                "input_shape=() has no axis: give the shape of one sample, such as (8,)."
            )
        widths = checks.counts("widths", widths)
        input_dropout = checks.drop_probability("input_dropout", input_dropout)
        dropout = checks.drop_probability("dropout", dropout)
        generator = checks.generator("generator", generator, "initial weights")
        layers: list[nn.Module] = [nn.Flatten()]
        if input_dropout:
            layers.append(nn.Dropout(input_dropout))
        for narrow, wide in pairwise((prod(input_shape), *widths)):
            layers += [nn.utils.skip_init(nn.Linear, narrow, wide), nn.ReLU()]
            if dropout:
                layers.append(nn.Dropout(dropout))
        layers.append(nn.utils.skip_init(nn.Linear, (prod(input_shape), *widths)[-1], num_classes))
        self.layers = nn.Sequential(*layers)
        draw_weights(self, generator)

    def forward(self, x: Float[Tensor, "n ..."]) -> Float[Tensor, "n k"]:
        """Logits of inputs of ``input_shape``, or flattened ones."""
        shapes.fit(inputs=(x, "float n? *axes"))
        if tuple(x.shape[1:]) not in (self.input_shape, (prod(self.input_shape),)):
            raise ValueError(
                f"inputs x have shape {tuple(x.shape)}: use (n, *input_shape) with "
                f"input_shape={self.input_shape}."
            )
        weight = next(each for each in self.layers.modules() if isinstance(each, nn.Linear)).weight
        shapes.same_type("inputs", x, weight)
        return self.layers(x)
