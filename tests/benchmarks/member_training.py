"""Images a second in training FastNets: formats, precisions, and members alone, beside or stacked.

``python tests/benchmarks/member_training.py [--device cuda] [--members 4] [--compile]``

The first line is a FastNet as it was: with GELU, and with a bias of the fixed filters that is
trained. ``--give-back`` leaves the C library as it is, which gives freed memory back.

One run, medians of a few repeats. A "unit" is one image through one network, forward and backward,
with the optimiser's step; the share is that of the rate of a large bfloat16 matrix product. Stacked
is ``torch.func``'s way: one call with the weights of all members, which makes grouped convolutions.
"""

import argparse
import copy
import statistics
import time
from collections.abc import Callable

import torch
from torch import nn
from torch.func import functional_call, stack_module_state, vmap
from torch.nn import functional as F

from multiview import stream
from multiview.bench.cost import cost_of, gemm_rate
from multiview.models import FastNet, SideBySide
from multiview.runs.memory import keep_freed_memory
from multiview.train.compute import ComputeSpec
from multiview.train.loop import target_loss

BATCH = 50
IMAGES = 1000  # that a time is taken of
REPEATS = 5


def build(index: int, widths: tuple[int, int, int], device: str) -> FastNet:
    """A net behind fixed filters."""
    filters = torch.randn(24, 3, 2, 2, generator=stream(0, "filters"))
    generator = stream(0, "init", index)
    return FastNet(widths=widths, whitening=filters, generator=generator).to(device).train()


class Former(FastNet):
    """A FastNet as it was."""

    def __init__(self, widths: tuple[int, int, int], whitening: torch.Tensor) -> None:
        super().__init__(widths=widths, whitening=whitening, generator=stream(0, "init", 0))
        self.first.register_parameter("bias", nn.Parameter(torch.zeros(len(whitening))))
        for block in self.top.blocks:
            assert isinstance(block, nn.Sequential)
            for i, layer in enumerate(block):
                if isinstance(layer, nn.SiLU):
                    block[i] = nn.GELU()

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """The logits."""
        return self.top(F.gelu(self.first(images)))


def step_of(module: nn.Module, compute: ComputeSpec, x: torch.Tensor, y: torch.Tensor) -> Callable:
    """One step of training as ``fit`` takes it."""
    forward, loss = compute.prepared(module), target_loss(y)
    rows = torch.arange(len(y), device=y.device)
    optimizer = torch.optim.SGD(module.parameters(), lr=1e-3, momentum=0.9, nesterov=True)

    def step() -> None:
        optimizer.zero_grad()
        loss(forward(x), x, rows).backward()
        optimizer.step()

    return step


def stacked_step(nets: list[FastNet], x: torch.Tensor, y: torch.Tensor) -> Callable:
    """The same step with the members' weights stacked."""
    parameters, buffers = stack_module_state(nets)  # type: ignore[arg-type]
    trained = [p for p in parameters.values() if p.requires_grad]
    optimizer = torch.optim.SGD(trained, lr=1e-3, momentum=0.9, nesterov=True)
    skeleton = copy.deepcopy(nets[0]).to("meta")
    images = x.contiguous(memory_format=torch.channels_last)

    def one(own: dict, state: dict) -> torch.Tensor:
        return functional_call(skeleton, (own, state), (images,))

    def step() -> None:
        optimizer.zero_grad()
        with torch.autocast(x.device.type, torch.bfloat16):
            logits = vmap(one)(parameters, buffers)  # (members, n, k)
        target = y.expand(len(nets), -1)
        F.cross_entropy(logits.float().flatten(0, 1), target.flatten()).mul(len(nets)).backward()
        optimizer.step()

    return step


def seconds(step: Callable, batch: int, device: str) -> float:
    """Median time of a step."""
    taken, steps = [], max(2, IMAGES // batch)
    for repeat in range(REPEATS + 1):
        begin = time.perf_counter()
        for _ in range(steps):
            step()
        if device != "cpu":
            torch.cuda.synchronize()
        if repeat:  # the first warms up
            taken.append((time.perf_counter() - begin) / steps)
    return statistics.median(taken)


def main() -> None:
    """Print a line a way."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--members", type=int, default=4)
    parser.add_argument("--widths", type=int, nargs=3, default=(16, 32, 64))
    parser.add_argument("--batch", type=int, default=BATCH)
    parser.add_argument("--compile", action="store_true")
    parser.add_argument("--give-back", action="store_true")
    given = parser.parse_args()
    if not given.give_back:
        keep_freed_memory()
    device, widths = given.device, tuple(given.widths)
    x = torch.randn(given.batch, 3, 32, 32, generator=stream(0, "x")).to(device)
    y = (torch.arange(given.batch) % 10).to(device)
    flop = 3 * cost_of(build(0, widths, device), x[0]).forward
    limit = gemm_rate(device, torch.bfloat16)
    print(f"{torch.get_num_threads()} threads, limit {limit:.1e} FLOP/s, {flop:.1e} FLOP a unit")
    both = ComputeSpec(channels_last=True, bfloat16=True)
    filters = torch.randn(24, 3, 2, 2, generator=stream(0, "filters"))
    former = Former(widths, filters).to(device).train()
    ways = {
        "alone, float32": ComputeSpec(),
        "alone, float32, channels last": ComputeSpec(channels_last=True),
        "alone, bfloat16": ComputeSpec(bfloat16=True),
        "alone, bfloat16, channels last": both,
    }
    if given.compile:
        ways["alone, both, compiled"] = ComputeSpec(channels_last=True, bfloat16=True, compile=True)
    steps = {"alone, both, as it was": (step_of(former, both, x, y), 1)}
    steps |= {
        name: (step_of(build(0, widths, device), compute, x, y), 1)
        for name, compute in ways.items()
    }
    nets = [build(i, widths, device) for i in range(given.members)]
    many = f"{given.members} members"
    steps[f"{many} side by side, both"] = (step_of(SideBySide(nets), both, x, y), given.members)
    again = [build(i, widths, device) for i in range(given.members)]
    steps[f"{many} stacked, both"] = (stacked_step(again, x, y), given.members)
    base = 0.0
    for name, (step, number) in steps.items():
        rate = number * given.batch / seconds(step, given.batch, device)
        base = base or rate
        share = rate * flop / limit
        print(f"{name:36s} {rate:8.0f} units/s  {rate / base:5.2f}x  {share:5.1%} of the limit")


if __name__ == "__main__":
    main()
