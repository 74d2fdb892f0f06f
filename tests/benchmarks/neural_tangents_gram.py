"""Kernels of neural-tangents for ntk_gram.py, timed in an environment of its own.

    python neural_tangents_gram.py arrays.npz threads

Reads lines "net n outputs implementation destination", computes that kernel of the first n samples
once, writes it to the destination and answers {"seconds", "megabytes"}, or {"error"}, in one line
of JSON. The first of two equal lines compiles; its memory is that of compiling and computing.
"""

import json
import os
import sys
import time
from pathlib import Path

THREADS = int(sys.argv[2])
os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:THREADS])  # before threads are started

import jax  # noqa: E402  # pyright: ignore[reportMissingImports]
import jax.numpy as jnp  # noqa: E402  # pyright: ignore[reportMissingImports]
import neural_tangents as nt  # noqa: E402  # pyright: ignore[reportMissingImports]
import numpy as np  # noqa: E402


def convolve(x, weight, stride=1, padding=0):
    layout, sides, steps = ("NCHW", "OIHW", "NCHW"), [(padding, padding)] * 2, (stride, stride)
    return jax.lax.conv_general_dilated(x, weight, steps, sides, dimension_numbers=layout)


def cnn(weights, constants, x):
    """Three convolutions without padding, relu, and a linear layer."""
    *convolutions, last, bias = weights
    for weight, shift in zip(convolutions[::2], convolutions[1::2], strict=True):
        x = jax.nn.relu(convolve(x, weight) + shift[:, None, None])
    return x.reshape(len(x), -1) @ last.T + bias


def resnet20(weights, constants, x):
    """Option A, BatchNorm by its running statistics."""
    weights, constants = iter(weights), iter(constants)

    def convolved(x, stride=1):
        x = convolve(x, next(weights), stride, padding=1)
        scale, shift, mean, variance = (next(i) for i in [weights] * 2 + [constants] * 2)
        factor = scale / jnp.sqrt(variance + 1e-5)
        return factor[:, None, None] * (x - mean[:, None, None]) + shift[:, None, None]

    x = jax.nn.relu(convolved(x))
    for stride in (1, 1, 1, 2, 1, 1, 2, 1, 1):
        branch = convolved(jax.nn.relu(convolved(x, stride)))
        if stride == 2:
            x = x[:, :, ::2, ::2]
            x = jnp.concatenate([x, jnp.zeros_like(x)], 1)
        x = jax.nn.relu(x + branch)
    return x.mean((2, 3)) @ next(weights).T + next(weights)


def arrays(given, prefix):
    count = sum(name.startswith(prefix) for name in given.files)
    return [jnp.asarray(given[f"{prefix}{i}"]) for i in range(count)]


def peak_kilobytes():
    return int(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0])


def main():
    given = np.load(sys.argv[1])
    compiled = {}
    for line in sys.stdin:
        net, n, outputs, implementation, destination = line.split()
        key = (net, n, outputs, implementation)
        weights, x = arrays(given, f"{net}_weight"), jnp.asarray(given["x"][: int(n)])
        constants = arrays(given, f"{net}_constant")
        if key not in compiled:
            function = {"cnn": cnn, "resnet20": resnet20}[net]
            kernel = nt.empirical_ntk_fn(
                lambda weights, x, f=function, c=constants: f(weights, c, x),
                trace_axes=() if outputs == "full" else (-1,),
                vmap_axes=0,
                implementation=int(implementation),
            )
            compiled[key] = jax.jit(lambda x, weights, kernel=kernel: kernel(x, None, weights))
        Path("/proc/self/clear_refs").write_text("5")
        before, start = peak_kilobytes(), time.perf_counter()
        try:
            result = compiled[key](x, weights).block_until_ready()
        except Exception as error:
            answer = {"error": f"{type(error).__name__}: {error}".splitlines()[0][:200]}
        else:
            seconds = time.perf_counter() - start
            answer = {"seconds": seconds, "megabytes": (peak_kilobytes() - before) / 1024}
            np.save(destination, np.asarray(result))
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
