"""Images a second in training FastNets: formats, precisions, and members alone, beside or stacked.

``python tests/benchmarks/member_training.py [--device cuda] [--members 4] [--compile]``

The first line is a FastNet as it was: with GELU, and with a bias of the fixed filters that is
trained. ``--give-back`` leaves the C library as it is, which gives freed memory back.

One run, medians of a few repeats. A "unit" is one image through one network, forward and backward,
with the optimiser's step; the share is that of the rate of a large bfloat16 matrix product, or a
float32 one where the processor has no other. Stacked is ``torch.func``'s way: one call with the
weights of all members, which makes grouped convolutions.
"""

import argparse
import copy
from collections.abc import Callable, Iterator
from statistics import median

import torch
from ratio import Ratio, in_turn
from torch import nn
from torch.func import functional_call, stack_module_state, vmap
from torch.nn import functional as F

from multiview import stream
from multiview.bench.cost import cost_of, gemm_rate
from multiview.models import FastNet, SideBySide
from multiview.runs.memory import keep_freed_memory
from multiview.train.bfloat16 import is_native
from multiview.train.compute import ComputeSpec
from multiview.train.loop import target_loss

BATCH = 50
IMAGES = 1000  # that a time is taken of
REPEATS = 5
FASTER = 1.5  # times, aimed at
FORMER = "alone, both, as it was"


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
        with ComputeSpec(bfloat16=True).autocast(x.device):
            logits = vmap(one)(parameters, buffers)  # (members, n, k)
        target = y.expand(len(nets), -1)
        F.cross_entropy(logits.float().flatten(0, 1), target.flatten()).mul(len(nets)).backward()
        optimizer.step()

    return step


def ways(given: argparse.Namespace) -> dict[str, tuple[Callable[[], None], int]]:
    """One step of each way, and how many members it trains."""
    device, widths = given.device, tuple(given.widths)
    x, y = samples(given)
    both = ComputeSpec(channels_last=True, bfloat16=True)
    filters = torch.randn(24, 3, 2, 2, generator=stream(0, "filters"))
    former = Former(widths, filters).to(device).train()
    alone = {
        "alone, float32": ComputeSpec(),
        "alone, float32, channels last": ComputeSpec(channels_last=True),
        "alone, bfloat16": ComputeSpec(bfloat16=True),
        "alone, bfloat16, channels last": both,
    }
    if given.compile:
        alone["alone, both, compiled"] = ComputeSpec(
            channels_last=True, bfloat16=True, compile=True
        )
    steps = {FORMER: (step_of(former, both, x, y), 1)}
    steps |= {
        name: (step_of(build(0, widths, device), compute, x, y), 1)
        for name, compute in alone.items()
    }
    nets = [build(i, widths, device) for i in range(given.members)]
    many = f"{given.members} members"
    steps[f"{many} side by side, both"] = (step_of(SideBySide(nets), both, x, y), given.members)
    again = [build(i, widths, device) for i in range(given.members)]
    steps[f"{many} stacked, both"] = (stacked_step(again, x, y), given.members)
    return steps


def samples(given: argparse.Namespace) -> tuple[torch.Tensor, torch.Tensor]:
    """Images of random pixels and their labels."""
    x = torch.randn(given.batch, 3, 32, 32, generator=stream(0, "x")).to(given.device)
    return x, (torch.arange(given.batch) % 10).to(given.device)


def unit_seconds(
    steps: dict[str, tuple[Callable[[], None], int]], given: argparse.Namespace
) -> dict[str, list[float]]:
    """Times of one image through one network, in turn."""
    tasks = {name: step for name, (step, _) in steps.items()}
    after = None if given.device == "cpu" else torch.cuda.synchronize
    times = in_turn(tasks, REPEATS, calls=max(2, IMAGES // given.batch), after=after)
    return {
        name: [each / (steps[name][1] * given.batch) for each in values]
        for name, values in times.items()
    }


def ratios() -> Iterator[Ratio]:
    """One member alone, and four side by side, held against a network as it was."""
    given = arguments([])
    keep_freed_memory()
    kept = ("alone, bfloat16, channels last", f"{given.members} members side by side, both")
    steps = ways(given)
    times = unit_seconds({name: steps[name] for name in (FORMER, *kept)}, given)
    for name in kept:
        yield Ratio(
            what=f"FastNet, an image of training: {name}",
            rival=FORMER,
            ours=[1000 * each for each in times[name]],
            theirs=[1000 * each for each in times[FORMER]],
            aim=1 / FASTER if name == kept[-1] else None,
            unit="ms",
        )


def arguments(words: list[str] | None = None) -> argparse.Namespace:
    """What was asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--members", type=int, default=4)
    parser.add_argument("--widths", type=int, nargs=3, default=(16, 32, 64))
    parser.add_argument("--batch", type=int, default=BATCH)
    parser.add_argument("--compile", action="store_true")
    parser.add_argument("--give-back", action="store_true")
    return parser.parse_args(words)


def main() -> None:
    """Print a line a way."""
    given = arguments()
    if not given.give_back:
        keep_freed_memory()
    net = build(0, tuple(given.widths), given.device)
    flop = 3 * cost_of(net, samples(given)[0][0]).forward
    kind = torch.bfloat16 if is_native(torch.device(given.device)) else torch.float32
    limit = gemm_rate(given.device, kind)
    print(f"{torch.get_num_threads()} threads, limit {limit:.1e} FLOP/s, {flop:.1e} FLOP a unit")
    times = unit_seconds(ways(given), given)
    for name, values in times.items():
        rate, faster = 1 / median(values), median(times[FORMER]) / median(values)
        share = rate * flop / limit
        print(f"{name:36s} {rate:8.0f} units/s  {faster:5.2f}x  {share:5.1%} of the limit")


if __name__ == "__main__":
    main()
