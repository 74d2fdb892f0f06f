"""Kernels by neural-tangents, for test_neural_tangents.py; runs in an environment of its own.

python neural_tangents_oracle.py arrays.npz kernels.npz, in float64. Networks are plain functions
of the arrays given, so that both sides hold the same weights.
"""

import sys
from typing import Any

import jax  # pyright: ignore[reportMissingImports]
import numpy as np

jax.config.update("jax_enable_x64", True)

# Imported after the precision is chosen.
import jax.numpy as jnp  # noqa: E402  # pyright: ignore[reportMissingImports]
import neural_tangents as nt  # noqa: E402  # pyright: ignore[reportMissingImports]
from neural_tangents import stax  # noqa: E402  # pyright: ignore[reportMissingImports]


def mlp(weights, x):
    """Linear, tanh, linear, relu, linear; weights as torch keeps them, (outputs, inputs)."""
    w1, b1, w2, b2, w3, b3 = weights
    hidden = jnp.tanh(x @ w1.T + b1)
    return jax.nn.relu(hidden @ w2.T + b2) @ w3.T + b3


def convolve(x, weight, bias, stride, padding):
    sides = [(padding, padding)] * 2
    layout = ("NCHW", "OIHW", "NCHW")
    y = jax.lax.conv_general_dilated(x, weight, (stride, stride), sides, dimension_numbers=layout)
    return y + bias[:, None, None]


def cnn(weights, x):
    """A padded convolution of stride 2, relu, one of stride 1 without padding, tanh, linear."""
    w1, b1, w2, b2, w3, b3 = weights
    x = jax.nn.relu(convolve(x, w1, b1, stride=2, padding=1))
    x = jnp.tanh(convolve(x, w2, b2, stride=1, padding=0))
    return x.reshape(len(x), -1) @ w3.T + b3


def infinite(x, weight_scale, bias_scale, depth):
    """The tangent kernel of an infinitely wide relu network with ``depth`` hidden layers."""
    layer = {"W_std": float(weight_scale), "b_std": float(bias_scale), "parameterization": "ntk"}
    hidden = [part for _ in range(int(depth)) for part in (stax.Dense(1, **layer), stax.Relu())]
    kernel = stax.serial(*hidden, stax.Dense(1, **layer))[2]
    return kernel(x, None, "ntk")


def main(source, destination):
    given = np.load(source)
    kernels: dict[str, Any] = {}
    for name, network in (("mlp", mlp), ("cnn", cnn)):
        weights = [given[f"{name}_weight{i}"] for i in range(6)]
        x1, x2 = given[f"{name}_x1"], given[f"{name}_x2"]

        def apply(weights, x, network=network):
            return network(weights, x)

        full = nt.empirical_ntk_fn(apply, trace_axes=(), vmap_axes=0)
        trace = nt.empirical_ntk_fn(apply, trace_axes=(-1,), vmap_axes=0)
        kernels[f"{name}_full"] = full(x1, x2, weights)
        kernels[f"{name}_trace"] = trace(x1, x2, weights)
    settings = (given[name] for name in ("weight_scale", "bias_scale", "depth"))
    kernels["infinite"] = infinite(given["infinite_x"], *settings)
    arrays: dict[str, Any] = {name: np.asarray(kernel) for name, kernel in kernels.items()}
    np.savez(destination, **arrays)


if __name__ == "__main__":
    main(*sys.argv[1:])
