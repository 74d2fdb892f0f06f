"""Bad modules and samples for tangent kernels, and bad kernels on disk."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import torch
from few_samples import D, K, X, linear, normed, with_value
from one_bad_input import BadInput
from torch import nn

from multiview.ntk import fill_tiles, gram, solve


def kernel(name: str, message: str, module: Any = None, **changes: Any) -> BadInput:
    """A line about a kernel."""
    module = linear if module is None else module
    return BadInput(name, lambda here: gram(module(), **{"x1": X[:4], **changes}), message)


def unsendable() -> nn.Module:
    """A module with a hook that no process can be sent."""
    module = linear()
    module.register_forward_hook(lambda module, inputs, output: output)
    return module


def filled(**changes: Any) -> Callable[[Path], Any]:
    """Fill a kernel on disk."""

    def call(here: Path) -> Any:
        given: dict[str, Any] = {"directory": here, "module": linear(), "x1": X[:4]} | changes
        return fill_tiles(**given)

    return call


KERNELS: list[BadInput] = [
    kernel(
        "a module that is frozen",
        "module has no parameter with requires_grad=True, so its tangent kernel is "
        "empty: call module.requires_grad_(True).",
        lambda: linear().requires_grad_(False),
    ),
    kernel(
        "a module without parameters",
        "module has no parameter with requires_grad=True, so its tangent kernel is "
        "empty: call module.requires_grad_(True).",
        nn.Identity,
    ),
    kernel(
        "dropout in train mode",
        "1 (Dropout) draws at random in train mode, so its kernel is not defined: "
        "call module.eval() first.",
        lambda: nn.Sequential(linear(), nn.Dropout()),
    ),
    kernel(
        "BatchNorm in train mode",
        "1 (BatchNorm1d) is in train mode and mixes the samples of a batch: call "
        "module.eval() first.",
        normed,
    ),
    kernel(
        "outputs that are a tuple",
        "module returns a tuple: wrap it so that it returns one tensor, a row of "
        "outputs for each sample.",
        lambda: nn.RNN(D, K),
    ),
    kernel(
        "a module of other samples",
        "module does not take a batch of one sample (5,) of torch.float32: mat1 "
        "and mat2 shapes cannot be multiplied (1x5 and 6x3). Give samples first, "
        "of the shape and type that it takes.",
        lambda: nn.Linear(D + 1, K),
    ),
    kernel("no samples", "x1 (0, 5) must hold samples of one shape, at least one each.", x1=X[:0]),
    kernel(
        "samples with NaN",
        "x1[0] has entries that are NaN or infinite: its kernel is not defined. "
        "Leave that sample out, or replace them.",
        x1=with_value(X[:4], torch.nan),
    ),
    kernel(
        "samples of two shapes",
        "x1 (4, 5) and x2 (4, 3) must hold samples of one shape, at least one each.",
        x2=X[:4, :3],
    ),
    kernel(
        "samples of two types",
        "x1 torch.float32 and x2 torch.float64 differ: give both one type.",
        x2=X[:4].double(),
    ),
    kernel(
        "an unknown way",
        "method='fast': choose one of ('auto', 'layerwise', 'jacobian').",
        method="fast",
    ),
    kernel(
        "a precision that is none",
        "dtype=torch.int64 is no floating-point type: use torch.float64.",
        dtype=torch.int64,
    ),
    BadInput(
        "a kernel that is not square",
        lambda here: solve(torch.ones(3, 4).double(), torch.ones(3, 2).double(), 0.1),
        "kernel (3, 4) must be (n, n), (k, n, n) or (n, n, k, k).",
    ),
    BadInput(
        "a kernel on disk of all outputs",
        filled(outputs="full"),
        'outputs=\'full\': a store holds "trace" or "per_class" kernels. A '
        '"full" one has (n k)^2 entries, so one worth solving fits in memory: '
        "use gram.",
    ),
    BadInput(
        "tiles of nothing",
        filled(tile=0),
        "tile=0 is a count: use tile >= 1, an integer.",
    ),
    BadInput(
        "an executor by name",
        filled(executor="dask"),
        "executor='dask' has no submit: give a concurrent.futures.Executor, or "
        "None to compute here.",
    ),
    BadInput(
        "a module that cannot be sent",
        filled(executor=ThreadPoolExecutor(1), module=unsendable()),
        "module cannot be sent to the executor's workers (Can't pickle local "
        "object 'unsendable.<locals>.<lambda>'): define its classes and functions "
        "at the top of an importable file, or use executor=None.",
    ),
    BadInput(
        "a folder that is a number",
        filled(directory=3),
        "directory=3 is no str or PathLike: give the path of a folder.",
    ),
]
