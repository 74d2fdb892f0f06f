"""Modules that a kernel engine may misread, and plain ones, each with what ``gram`` must do."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from ntk_strategies import Net
from torch import nn
from torch.nn import functional
from torch.nn.utils import parametrizations, rnn


@dataclass(frozen=True)
class Case:
    """A module and what is expected: its kernel, right to rounding, or a refusal."""

    make: Callable[[], nn.Module]
    shape: tuple[int, ...] = (3,)  # of a sample
    refused: str | None = None  # a pattern of the ValueError's message; None: right
    tokens: bool = False  # samples are integers below 5
    dtype: torch.dtype = torch.float64
    train: bool = False
    tolerance: float = 1e-9  # of the kernel's largest entry


MIXES = "other outputs in a batch than alone"
DRAWS = "draws at random"
IMAGE, SEQUENCE = (2, 6, 5), (4, 3)


def net(forward, width=3, **more):
    """Two linear layers, "a" and "b", and whatever else the forward pass needs."""
    return Net(forward, a=nn.Linear(3, width), b=nn.Linear(width, 2), **more)


def hidden(net, x):
    return torch.tanh(net.a(x))


def head(*layers, features):
    return nn.Sequential(*layers, nn.Tanh(), nn.Flatten(), nn.Linear(features, 2))


def in_order_of(order):
    """``a`` sees the samples in another order than the module does."""

    def forward(net, x):
        o = order(x)
        return net.b(torch.tanh(net.a(x[o]))[o.argsort()])

    return lambda: net(forward)


def with_parameter(forward, *shape, **layers):
    def make():
        module = Net(forward, **layers)
        module.theta = nn.Parameter(torch.zeros(shape))
        return module

    return make


def with_buffer(forward, buffer):
    def make():
        module = net(forward)
        module.register_buffer("held", buffer.clone().requires_grad_())
        return module

    return make


def packed(net, x):
    lengths = (x[:, :, 0] > 0).sum(1).clamp(min=1).cpu()
    sequences = rnn.pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
    _, last = net.gru(sequences)
    return net.b(last[0])


def padded(net, x):
    lengths = (x[:, :, 0] > 0).sum(1).clamp(min=1).tolist()
    rows = [row[:length] for row, length in zip(x, lengths, strict=True)]
    return net.b(rnn.pad_sequence([hidden(net, row) for row in rows], batch_first=True).sum(1))


def experts_by_mask(net, x):
    out = x.new_zeros(len(x), 2)
    first = x[:, 0] > 0
    out[first] = net.a(x[first])[:, :2]
    out[~first] = net.c(x[~first])
    return out


def experts_by_index(net, x):
    chosen = (x[:, 0] > 0).long()
    return torch.stack([net.experts[i](row) for i, row in zip(chosen.tolist(), x, strict=True)])


def top_expert(net, x):
    """Every expert sees the samples that are routed to it, in the router's order."""
    weight = net.router(x).softmax(-1)[:, 0]
    chosen = (x[:, 0] > 0).long()
    order = chosen.argsort(stable=True)
    out = torch.cat([net.experts[i](x[order][chosen[order] == i]) for i in range(2)])
    return out[order.argsort()] * weight[:, None]


def top_two(net, x):
    weight, chosen = net.router(x).topk(2, -1)
    values = torch.stack([expert(x) for expert in net.experts], 1)
    picked = values.gather(1, chosen[..., None].expand(-1, -1, 2))
    return (weight.softmax(-1)[..., None] * picked).sum(1)


def experts(forward):
    def make():
        layers = nn.ModuleList(nn.Linear(3, 2) for _ in range(3))
        return Net(forward, router=nn.Linear(3, 3), experts=layers)

    return make


def two_experts(forward):
    def make():
        layers = nn.ModuleList(nn.Linear(3, 2) for _ in range(2))
        return Net(forward, router=nn.Linear(3, 2), experts=layers)

    return make


def on_a_subset(net, x):
    h = hidden(net, x)
    changed = h.clone()
    subset = x[:, 0] > 0
    changed[subset] = torch.tanh(net.c(h[subset]))
    return net.b(changed)


def reversed_in_large_batches(net, x):
    if len(x) <= 3:
        return net.b(hidden(net, x))
    return net.b(hidden(net, x.flip(0)).flip(0))


def mixing_in_large_batches(net, x):
    h = hidden(net, x)
    return net.b(h - h.mean(0) if len(x) > 3 else h)


def detached_in_large_batches(net, x):
    h = hidden(net, x)
    return net.b(h.detach() if len(x) > 3 else h)


def doubled_gradient_in_large_batches(net, x):
    h = hidden(net, x)
    return net.b(2 * h - h.detach() if len(x) > 3 else h)


def branch_on_the_sum(net, x):
    return net.b(hidden(net, x) if x.sum() > 0 else net.a(x).relu())


def branch_on_each(net, x):
    rows = [net.b(hidden(net, row) if row[0] > 0 else net.a(row).relu()) for row in x]
    return torch.stack(rows)


def straight_through_batch(net, x):
    """Its values are each sample's own, its gradients are not."""
    h = hidden(net, x)
    total = h.sum(0, keepdim=True)
    return net.b(h + total - total.detach())


def constant_input_reordered(net, x):
    """All samples' inputs of ``a`` are one, so that their order shows in gradients alone."""
    o = x[:, 0].argsort()
    ones = torch.ones_like(x)
    return net.b(net.a(ones)[o][o.argsort()] * net.a(ones)[o] * x)


class Cube(torch.autograd.Function):
    """Written the old way, which torch.func refuses."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x**3

    @staticmethod
    def backward(ctx, gradient):
        return 3 * ctx.saved_tensors[0] ** 2 * gradient


class Swapped(nn.Linear):
    """A subclass that uses its weight otherwise."""

    def forward(self, x):
        return x @ self.weight + self.bias


def forward_replaced():
    """The layer's type, calls and uses of its weight say nothing of what it computes."""
    module = net(lambda net, x: net.b(hidden(net, x)))
    layer = module.get_submodule("a")
    forward = layer.forward
    layer.forward = lambda x: 2 * forward(x)
    return module


def forward_replaced_for_large():
    """So for some samples only, of which a trial may hold none."""
    module = net(lambda net, x: net.b(hidden(net, x)))
    layer = module.get_submodule("a")
    forward = layer.forward
    layer.forward = lambda x: forward(torch.where(x[:, 1:2] > 1.2, 2.0, 1.0) * x)
    return module


def forward_replaced_in(dtype):
    """So where numbers are coarse, and what is left of a factor could be taken for rounding."""

    def make():
        module = net(lambda net, x: net.b(hidden(net, x.to(dtype).float())))
        layer = module.get_submodule("a")
        assert isinstance(layer, nn.Linear)
        layer.forward = lambda input: functional.linear(input, 2 * layer.weight, layer.bias)
        return module

    return make


def keeps_a_mask(net, x):
    """What it keeps of one call, the next one uses."""
    if getattr(net, "mask", None) is None or net.mask.shape != x.shape:
        net.mask = 2 * torch.ones_like(x)
    return net.b(hidden(net, x * net.mask))


def keeps_what_it_saw(net, x):
    net.seen = hidden(net, x)
    return net.b(net.seen)


class Doubled(nn.Module):
    def forward(self, weight):
        return 2 * weight


def hooked():
    module = net(lambda net, x: net.b(hidden(net, x)))
    module.get_submodule("a").register_forward_hook(lambda layer, args, output: output.flip(-1) * 2)
    module.get_submodule("b").register_forward_pre_hook(lambda layer, args: (args[0] ** 2,))
    return module


def tied():
    module = net(lambda net, x: net.b(torch.tanh(net.c(hidden(net, x)))), c=nn.Linear(3, 3))
    module.get_submodule("c").weight = module.get_submodule("a").weight
    return module


def parametrised(layer):
    nn.utils.parametrize.register_parametrization(layer, "weight", Doubled())
    return nn.Sequential(layer, nn.Tanh(), nn.Linear(2, 2))


def registered_twice():
    square = nn.Linear(3, 3)
    return nn.Sequential(square, nn.Tanh(), square, nn.Tanh(), nn.Linear(3, 2))


def frozen():
    module = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2))
    module[0].weight.requires_grad_(False)
    return module


def attention(net, x):
    return net.b(net.attention(x, x, x, need_weights=False)[0].mean(1))


def cross_attention_of_samples(net, x):
    return net.b(net.attention(x[None], x[None], x[None], need_weights=False)[0][0])


def written_row_by_row(net, x):
    out = torch.zeros(len(x), 2, dtype=x.dtype)
    for i in range(2):
        out[:, i] = net.b(hidden(net, x))[:, i]
    return out


def with_value_check(net, x):
    if not torch.isfinite(x).all():
        raise RuntimeError("no")
    return net.b(hidden(net, x))


def counting(net, x):
    net.held.data.add_(1)
    return net.b(hidden(net, x)) * net.held


def recurrent(kind, **settings):
    directions = 2 if settings.get("bidirectional") else 1

    def make():
        layer = kind(3, 3, batch_first=True, **settings)
        return Net(
            lambda net, x: net.b(net.a(x)[0][:, -1]), a=layer, b=nn.Linear(3 * directions, 2)
        )

    return Case(make, SEQUENCE)


def image(*layers, features):
    return Case(lambda: head(*[layer() for layer in layers], features=features), IMAGE)


def conv(units=4, size=3, inputs=2, **settings):
    return lambda: nn.Conv2d(inputs, units, size, **settings)


PLAIN = {
    "linear": Case(lambda: nn.Linear(3, 2)),
    "mlp": Case(lambda: net(lambda net, x: net.b(hidden(net, x)))),
    "one output": Case(lambda: nn.Sequential(nn.Linear(3, 4), nn.GELU(), nn.Linear(4, 1))),
    "one number a sample": Case(lambda: net(lambda net, x: net.b(hidden(net, x))[:, 0])),
    "several output axes": Case(lambda: nn.Linear(3, 2), SEQUENCE),
    "linear over images": Case(lambda: nn.Linear(5, 2), IMAGE),
    "residual": Case(lambda: net(lambda net, x: net.b(x + hidden(net, x)))),
    "convolution": image(conv(), features=48),
    "grouped": image(conv(groups=2), features=48),
    "dilated and strided": image(conv(size=2, dilation=2, stride=2), features=16),
    "same padding": image(conv(padding="same"), features=120),
    "padded": image(conv(padding=(1, 2)), features=168),
    "reflected": image(conv(padding=1, padding_mode="reflect"), features=120),
    "circular": image(conv(padding=1, padding_mode="circular"), features=120),
    "inplace relu": image(conv(), lambda: nn.ReLU(inplace=True), features=48),
    "depthwise, no bias": image(conv(units=2, groups=2, bias=False), features=24),
    "transposed": image(lambda: nn.ConvTranspose2d(2, 3, 2), features=126),
    "one-dimensional": Case(lambda: head(nn.Conv1d(4, 3, 2), features=6), SEQUENCE),
    "three-dimensional": Case(lambda: head(nn.Conv3d(1, 2, 2), features=8), (1, 3, 3, 2)),
    "pixel shuffle": image(conv(), lambda: nn.PixelShuffle(2), features=48),
    "max pool": image(conv(), lambda: nn.MaxPool2d(2), features=8),
    "batch norm, eval": image(conv(), lambda: nn.BatchNorm2d(4), features=48),
    "batch norm without affine": image(
        conv(), lambda: nn.BatchNorm2d(4, affine=False), features=48
    ),
    "batch norm of vectors": Case(lambda: head(nn.Linear(3, 4), nn.BatchNorm1d(4), features=4)),
    "group norm": image(conv(), lambda: nn.GroupNorm(2, 4), features=48),
    "layer norm": image(conv(), lambda: nn.LayerNorm([4, 3]), features=48),
    "layer norm without bias": Case(
        lambda: head(nn.Linear(3, 4), nn.LayerNorm(4, bias=False), features=16), SEQUENCE
    ),
    "instance norm": image(conv(), lambda: nn.InstanceNorm2d(4, affine=True), features=48),
    "norm before the layers": image(lambda: nn.GroupNorm(1, 2), conv(), features=48),
    "embedding": Case(lambda: head(nn.Embedding(5, 3), features=12), (4,), tokens=True),
    "bag of embeddings": Case(lambda: head(nn.EmbeddingBag(5, 3), features=3), (4,), tokens=True),
    "embedding, then attention": Case(
        lambda: Net(
            lambda net, x: attention(net, net.e(x)),
            e=nn.Embedding(5, 4),
            attention=nn.MultiheadAttention(4, 2, batch_first=True),
            b=nn.Linear(4, 2),
        ),
        (4,),
        tokens=True,
    ),
    "attention": Case(
        lambda: Net(
            attention, attention=nn.MultiheadAttention(3, 1, batch_first=True), b=nn.Linear(3, 2)
        ),
        SEQUENCE,
    ),
    "transformer layer": Case(
        lambda: head(
            nn.TransformerEncoderLayer(3, 1, 4, dropout=0.0, batch_first=True), features=12
        ),
        SEQUENCE,
    ),
    "recurrent": recurrent(nn.RNN),
    "GRU": recurrent(nn.GRU),
    "LSTM": recurrent(nn.LSTM),
    "GRU, bidirectional, two layers": recurrent(nn.GRU, bidirectional=True, num_layers=2),
    "LSTM, bidirectional": recurrent(nn.LSTM, bidirectional=True),
    "GRU cell": Case(lambda: head(nn.GRUCell(3, 3), features=3)),
    "PReLU": Case(lambda: nn.Sequential(nn.Linear(3, 4), nn.PReLU(4), nn.Linear(4, 2))),
    "PReLU, one number": image(conv(), nn.PReLU, features=48),
    "bilinear": Case(
        lambda: Net(
            lambda net, x: net.c(x, hidden(net, x)), a=nn.Linear(3, 3), c=nn.Bilinear(3, 3, 2)
        )
    ),
    "weight norm": Case(lambda: head(parametrizations.weight_norm(nn.Linear(3, 4)), features=4)),
    "orthogonal": Case(lambda: head(parametrizations.orthogonal(nn.Linear(3, 3)), features=3)),
    "parametrised": Case(lambda: parametrised(nn.Linear(3, 2))),
    "frozen": Case(frozen),
    "dropout, eval": Case(lambda: head(nn.Linear(3, 4), nn.Dropout(0.5), features=4)),
}

TRAPS = {
    "tied": Case(tied),
    "registered twice": Case(registered_twice),
    "called twice": Case(lambda: net(lambda net, x: net.b(hidden(net, hidden(net, x))))),
    "functional call": Case(
        lambda: net(lambda net, x: net.b(torch.tanh(functional.linear(x, net.a.weight))))
    ),
    "functional call beside": Case(
        lambda: net(lambda net, x: net.b(hidden(net, x)) + (x @ net.a.weight.T)[:, :2])
    ),
    "forward called": Case(lambda: net(lambda net, x: net.b.forward(hidden(net, x)))),
    "subclass": Case(lambda: head(Swapped(3, 3), features=3)),
    "hooks that alter": Case(hooked),
    "forward replaced": Case(forward_replaced),
    "forward replaced for large": Case(forward_replaced_for_large),
    "forward replaced in bfloat16": Case(
        forward_replaced_in(torch.bfloat16), dtype=torch.float32, tolerance=1e-4
    ),
    "forward replaced in float16": Case(
        forward_replaced_in(torch.float16), dtype=torch.float32, tolerance=1e-4
    ),
    "keeps a mask": Case(lambda: net(keeps_a_mask)),
    "keeps what it saw": Case(lambda: net(keeps_what_it_saw)),
    "functional call, dead in some samples": Case(
        lambda: net(
            lambda net, x: (
                net.b(hidden(net, x))
                + functional.relu(-x[:, :1]) * functional.linear(x, net.a.weight)[:, :2]
            )
        )
    ),
    "unused parameter": Case(lambda: net(lambda net, x: net.a(x))),
    "detached branch": Case(
        lambda: net(lambda net, x: net.b(hidden(net, x).detach()) + net.a(x)[:, :2])
    ),
    "detached parameter": Case(
        lambda: net(lambda net, x: net.b(torch.tanh(x @ net.a.weight.detach().T + net.a.bias)))
    ),
    "parameter without layer": Case(
        with_parameter(lambda net, x: torch.einsum("ni,io->no", x, net.theta).tanh(), 3, 2)
    ),
    "scalar parameter": Case(
        with_parameter(lambda net, x: net.theta * net.a(x).tanh(), a=nn.Linear(3, 2))
    ),
    "buffer with requires_grad": Case(
        with_buffer(lambda net, x: net.b(hidden(net, x) * net.held), torch.ones(3))
    ),
    "buffer written to": Case(with_buffer(counting, torch.zeros(1)), refused="second time"),
    "custom function": Case(lambda: net(lambda net, x: net.b(Cube.apply(net.a(x))))),
    "in place": Case(lambda: net(lambda net, x: net.b(net.a(x).tanh_()).mul_(2))),
    "written row by row": Case(lambda: net(written_row_by_row)),
    "check of values": Case(lambda: net(with_value_check)),
    "branch on each sample": Case(lambda: net(branch_on_each)),
    "branch on the sum": Case(lambda: net(branch_on_the_sum), refused=MIXES),
    "sequence first": Case(
        lambda: net(lambda net, x: net.b(hidden(net, x.transpose(0, 1)).sum(0))), SEQUENCE
    ),
    "samples and tokens in one axis": Case(
        lambda: net(
            lambda net, x: net.b(hidden(net, x.flatten(0, 1)).view(*x.shape[:2], -1).sum(1))
        ),
        SEQUENCE,
    ),
    "sorted by sign": Case(in_order_of(lambda x: x[:, 0].sign().argsort(stable=True))),
    "sorted by value": Case(in_order_of(lambda x: x[:, 0].argsort())),
    "reversed": Case(in_order_of(lambda x: torch.arange(len(x)).flip(0))),
    "rolled": Case(in_order_of(lambda x: torch.arange(len(x)).roll(1))),
    "reversed in large batches": Case(lambda: net(reversed_in_large_batches)),
    "detached in large batches": Case(lambda: net(detached_in_large_batches)),
    "gradient doubled in large batches": Case(lambda: net(doubled_gradient_in_large_batches)),
    "constant input reordered": Case(lambda: net(constant_input_reordered)),
    "straight through the batch": Case(lambda: net(straight_through_batch)),
    "packed": Case(
        lambda: Net(packed, gru=nn.GRU(3, 3, batch_first=True), b=nn.Linear(3, 2)), SEQUENCE
    ),
    "padded": Case(lambda: net(padded), SEQUENCE),
    "experts by mask": Case(
        lambda: net(experts_by_mask, c=nn.Linear(3, 2)), refused="a is used otherwise"
    ),
    "experts by index": Case(experts(experts_by_index)),
    "top expert": Case(two_experts(top_expert), refused=r"experts\.\d is used otherwise"),
    "top two experts": Case(experts(top_two)),
    "on a subset": Case(lambda: net(on_a_subset, c=nn.Linear(3, 3)), refused="c is used otherwise"),
    "gathered by index": Case(
        lambda: net(lambda net, x: net.b(hidden(net, x)[torch.arange(len(x))]))
    ),
    "flipped across the batch": Case(
        lambda: net(lambda net, x: net.b(hidden(net, x)).flip(0)), refused=MIXES
    ),
    "cumulative across the batch": Case(
        lambda: net(lambda net, x: net.b(hidden(net, x).cumsum(0))), refused=MIXES
    ),
    "cumulative in a sample": Case(
        lambda: net(lambda net, x: net.b(hidden(net, x).cumsum(1)).sum(1)), SEQUENCE
    ),
    "batch mean subtracted": Case(
        lambda: net(lambda net, x: net.b(hidden(net, x) - hidden(net, x).mean(0))), refused=MIXES
    ),
    "batch mean subtracted from inputs": Case(
        lambda: net(lambda net, x: net.b(hidden(net, x - x.mean(0)))), refused=MIXES
    ),
    "batch mean in large batches": Case(lambda: net(mixing_in_large_batches), refused=MIXES),
    "attention across samples": Case(
        lambda: Net(
            cross_attention_of_samples,
            attention=nn.MultiheadAttention(3, 1, batch_first=True),
            b=nn.Linear(3, 2),
        ),
        refused=MIXES,
    ),
    "normalised over the batch": Case(
        lambda: net(lambda net, x: net.b(hidden(net, x)).softmax(0)), refused=MIXES
    ),
    "batch norm, train": Case(
        lambda: head(nn.Linear(3, 4), nn.BatchNorm1d(4), features=4),
        refused=r"1 \(BatchNorm1d\) is in train mode",
        train=True,
    ),
    "batch norm without statistics": Case(
        lambda: head(nn.Linear(3, 4), nn.BatchNorm1d(4, track_running_stats=False), features=4),
        refused="has no running statistics",
    ),
    "dropout, train": Case(
        lambda: head(nn.Linear(3, 4), nn.Dropout(0.5), features=4),
        refused=r"1 \(Dropout\) draws at random",
        train=True,
    ),
    "random inputs": Case(
        lambda: net(lambda net, x: net.b(hidden(net, x + torch.randn_like(x)))), refused=DRAWS
    ),
    "a tuple": Case(lambda: net(lambda net, x: (net.a(x), x)), refused="returns a tuple"),
    "a list": Case(lambda: net(lambda net, x: [net.a(x)]), refused="returns a list"),
    "a scalar": Case(lambda: net(lambda net, x: net.a(x).sum()), refused=r"outputs of shape \(\)"),
    "no outputs": Case(lambda: net(lambda net, x: net.a(x)[:, :0]), refused="0 outputs"),
    "scripted": Case(lambda: torch.jit.script(nn.Linear(3, 2)), refused="compiled by TorchScript"),
    "mixed precision": Case(
        lambda: net(lambda net, x: net.b(torch.tanh(net.a(x).bfloat16()).float())),
        dtype=torch.float32,
        tolerance=0.05,
    ),
    "float32": Case(
        lambda: net(lambda net, x: net.b(hidden(net, x))), dtype=torch.float32, tolerance=1e-5
    ),
    "a frozen layer that overflows": Case(
        lambda: net(lambda net, x: net.b(hidden(net, x)).mul(1e200) ** 2),
        refused=r"outputs\[\d\] has entries that are NaN or infinite",
    ),
}

CASES = PLAIN | TRAPS
