"""Our kernels against neural-tangents, where an interpreter that has it is named.

It cannot share an environment with a current jax, so it runs in a process of its own:

    python -m venv ntvenv
    ntvenv/bin/pip install "jax==0.4.30" "jaxlib==0.4.30" "neural-tangents==0.6.5" \
        "numpy==2.0.2" "scipy==1.13.1"
    MULTIVIEW_NEURAL_TANGENTS_PYTHON=ntvenv/bin/python pytest tests/ntk/test_neural_tangents.py
"""

import os
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from ntk_strategies import randomised
from torch import nn
from wide_nets import wide_relu_net

from multiview import stream
from multiview.ntk import gram

VARIABLE = "MULTIVIEW_NEURAL_TANGENTS_PYTHON"
ORACLE = Path(__file__).with_name("neural_tangents_oracle.py")
pytestmark = pytest.mark.skipif(
    VARIABLE not in os.environ,
    reason=f"{VARIABLE} names no interpreter with neural-tangents (how: this file's docstring)",
)
WIDE: dict[str, Any] = {"weight_scale": 2**0.5, "bias_scale": 0.3, "depth": 2}


def networks() -> dict[str, nn.Module]:
    """As the oracle writes them, with random weights and biases."""
    nets = {
        "mlp": nn.Sequential(
            nn.Linear(5, 7), nn.Tanh(), nn.Linear(7, 6), nn.ReLU(), nn.Linear(6, 3)
        ),
        "cnn": nn.Sequential(
            nn.Conv2d(2, 4, 3, stride=2, padding=1),
            nn.ReLU(),
            nn.Conv2d(4, 3, 2),
            nn.Tanh(),
            nn.Flatten(),
            nn.Linear(18, 3),  # 3 channels of the 2 x 3 pixels left of 6 x 7
        ),
    }
    return {name: randomised(net, stream(0, name)) for name, net in nets.items()}


def samples(name: str) -> list[torch.Tensor]:
    shape = (5,) if name == "mlp" else (2, 6, 7)
    return [torch.randn(n, *shape, generator=stream(n, name)).double() for n in (4, 3)]


def directions(n: int = 4, d: int = 6) -> torch.Tensor:
    x = torch.randn(n, d, generator=stream(0, "infinite"), dtype=torch.float64)
    return x / x.norm(dim=1, keepdim=True) * d**0.5


@pytest.fixture(scope="module")
def theirs(tmp_path_factory) -> dict[str, torch.Tensor]:
    """Every kernel of neural-tangents, from one process."""
    given: dict[str, Any] = {"infinite_x": directions().numpy()} | WIDE
    for name, net in networks().items():
        given |= {f"{name}_x{i + 1}": x.numpy() for i, x in enumerate(samples(name))}
        given |= {f"{name}_weight{i}": p.detach().numpy() for i, p in enumerate(net.parameters())}
    folder = tmp_path_factory.mktemp("neural_tangents")
    np.savez(folder / "arrays.npz", **given)
    command = [os.environ[VARIABLE], ORACLE, folder / "arrays.npz", folder / "kernels.npz"]
    done = subprocess.run(
        command, capture_output=True, text=True, env=os.environ | {"JAX_PLATFORMS": "cpu"}
    )
    assert done.returncode == 0, done.stderr[-3000:]
    with np.load(folder / "kernels.npz") as kernels:
        return {name: torch.from_numpy(kernels[name]) for name in kernels.files}


@pytest.mark.parametrize("name", ["mlp", "cnn"])
@pytest.mark.parametrize("outputs", ["full", "trace"])
def test_the_empirical_kernel_is_theirs(theirs, name, outputs):
    x1, x2 = samples(name)
    ours = gram(networks()[name], x1, x2, outputs)
    factor = 1 if outputs == "full" else 3  # their trace is the mean over the 3 outputs
    expected = factor * theirs[f"{name}_{outputs}"]
    assert expected.dtype == torch.float64
    size = expected.abs().max().item()
    torch.testing.assert_close(ours, expected, rtol=0, atol=1e-9 * size)


def test_kernels_of_widening_nets_approach_their_infinite_one(theirs):
    x, limit, nets = directions(), theirs["infinite"], 100
    alone = []  # relative error of one network
    for width in (16, 256):
        streams = (stream(0, width, e) for e in range(nets))
        drawn = [wide_relu_net(x.shape[1], width, **WIDE, generator=g) for g in streams]
        kernels = torch.stack([gram(net, x, outputs="trace") for net in drawn])
        squares = (kernels - limit).square().mean(0).sum()
        alone.append((squares.sqrt() / limit.norm()).item())
    assert 3 < alone[0] / alone[1] < 5.3  # 16 times the width, a fourth of the error
    # The mean of the widest: its bias, of order 1 / width, is far below its standard error.
    error = kernels.mean(0) - limit
    assert (error.abs() < 4.5 * kernels.std(0) / nets**0.5).all()
    assert error.norm() < 0.03 * limit.norm()
