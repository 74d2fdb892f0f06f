"""What a module must take in training: the first batch, and one of a single sample."""

from collections.abc import Callable
from typing import Any

import torch
from jaxtyping import Shaped
from torch import Tensor, nn

from multiview.train.training import forked_rng

TOO_FEW = "more than 1 value per channel"  # what torch says where a norm has one value to look at


def first_outputs(forward: Callable[[Tensor], Any], inputs: Shaped[Tensor, "n ..."]) -> Any:
    """The outputs of the first batch.

    Raises:
        ValueError: If the module does not take it.
    """
    try:
        return forward(inputs)
    except torch.OutOfMemoryError:
        raise
    except (RuntimeError, TypeError, IndexError) as error:
        raise ValueError(
            f"module fails on inputs of shape {tuple(inputs.shape)} and type {inputs.dtype}: "
            f"{str(error).strip()}. Give inputs that it takes, or another module."
        ) from error


def check_lone_sample(
    module: nn.Module,
    inputs: Shaped[Tensor, "n ..."],
    batch_size: int,
    generator: torch.Generator,
) -> None:
    """Refuse a batch of one sample where a BatchNorm would take the mean of one value.

    Nothing of the module changes, and ``generator`` is not moved.

    Raises:
        ValueError: If such a batch would be met.
    """
    n = len(inputs)
    if n % batch_size != 1 and batch_size > 1:
        return
    if not any(isinstance(part, nn.modules.batchnorm._BatchNorm) for part in module.modules()):
        return
    tensors = {**dict(module.named_parameters()), **dict(module.named_buffers())}
    copies = {name: each.detach().clone() for name, each in tensors.items()}
    modes = [(part, part.training) for part in module.modules()]
    module.train()
    try:
        with torch.no_grad(), forked_rng(generator, inputs.device):
            torch.func.functional_call(module, copies, (inputs[:1],))
    except ValueError as error:
        if TOO_FEW not in str(error):
            raise
        sizes = (size for size in range(batch_size + 1, n + 1) if n % size != 1)
        remedy = next((f"use batch_size={size}" for size in sizes), "give more samples")
        raise ValueError(
            f"batch_size={batch_size} leaves a batch of one of {n} samples, on which a BatchNorm "
            f"of the module cannot be trained: {remedy}, or a norm such as GroupNorm."
        ) from error
    finally:
        for part, mode in modes:
            part.training = mode
