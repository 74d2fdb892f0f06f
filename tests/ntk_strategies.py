"""Random small modules with data, and random kernels of known features, in float64."""

import os
import time
from pathlib import Path

import torch
from hypothesis import strategies as st
from torch import nn

from multiview import stream
from multiview.models import PatchNet
from multiview.ntk import TileStore, Tiling
from multiview.ntk.tiling import Form

OUTPUTS = ("full", "per_class", "trace")


class Reuse(nn.Module):
    """A layer applied twice, and a weight shared by two layers."""

    def __init__(self, width, num_outputs):
        super().__init__()
        self.twice = nn.Linear(width, width)
        self.tied = nn.Linear(width, width, bias=False)
        self.tied.weight = self.twice.weight
        self.head = nn.Linear(width, num_outputs)

    def forward(self, x):
        for layer in (self.twice, self.twice, self.tied):
            x = torch.tanh(layer(x))
        return self.head(x)


class Net(nn.Module):
    """A forward pass of one's own over named layers."""

    def __init__(self, forward, **layers):
        super().__init__()
        self.run = forward
        for name, layer in layers.items():
            setattr(self, name, layer)

    def forward(self, x):
        return self.run(self, x)


def randomised(module, generator):
    """Every parameter and running statistic drawn anew, so none keeps a special value."""
    for tensor in (*module.parameters(), *module.buffers()):
        if tensor.is_floating_point():
            drawn = torch.randn(tensor.shape, generator=generator)
            tensor.data = 0.5 * drawn if isinstance(tensor, nn.Parameter) else 0.5 + drawn.abs()
    return module.double().eval()


@st.composite
def modules_with_data(draw, *, max_samples=6):
    """(module in eval mode, x1, x2), float64; smooth, so finite differences apply."""
    kind = draw(st.sampled_from(["mlp", "conv", "reuse", "patch"]))
    num_outputs, width = draw(st.integers(1, 3)), draw(st.integers(1, 4))
    generator = stream(draw(st.integers(0, 2**31)), "module")
    shape = (width,)
    if kind == "mlp":
        hidden = draw(st.integers(1, 4))
        module = nn.Sequential(nn.Linear(width, hidden), nn.Tanh(), nn.Linear(hidden, num_outputs))
    elif kind == "reuse":
        module = Reuse(width, num_outputs)
    elif kind == "conv":
        groups, channels = draw(st.sampled_from([1, 2])), 4
        norm = draw(st.sampled_from([nn.BatchNorm2d(channels), nn.GroupNorm(2, channels)]))
        module = nn.Sequential(
            nn.Conv2d(2, channels, 3, stride=draw(st.integers(1, 2)), padding=1, groups=groups),
            norm,
            nn.Tanh(),
            nn.Conv2d(channels, 2, 2, bias=False, dilation=draw(st.integers(1, 2))),
            nn.GELU(),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Linear(2, num_outputs),
        )
        shape = (2, 6, 5)
    else:
        patch_dim, num_patches = width, draw(st.integers(1, 3))
        module = PatchNet(
            members=draw(st.integers(1, 2)),
            num_classes=num_outputs,
            width=2,
            patch_dim=patch_dim,
            q=3,
            relu_knee=1.0,
            sigma_init=1.0,
            generator=generator,
        )
        shape = (num_patches, patch_dim)
    n1, n2 = draw(st.integers(1, max_samples)), draw(st.integers(1, max_samples))
    x1, x2 = (torch.randn(n, *shape, generator=generator).double() for n in (n1, n2))
    return randomised(module, generator), x1, x2


@st.composite
def patch_weights_with_data(draw, *, max_samples=6):
    """(weight (members, k, m, d) or (k, m, d), x1, x2, q, relu_knee); every piece of s' is met."""
    sizes = [draw(st.integers(1, 4)) for _ in range(3)]
    members = draw(st.sampled_from([(), (1,), (3,)]))
    generator = stream(draw(st.integers(0, 2**31)), "patches")
    weight = torch.randn(*members, *sizes, generator=generator).double()
    num_patches = draw(st.integers(1, 4))
    n1, n2 = draw(st.integers(1, max_samples)), draw(st.integers(1, max_samples))
    x1, x2 = (
        torch.randn(n, num_patches, sizes[-1], generator=generator).double() for n in (n1, n2)
    )
    return weight, x1, x2, draw(st.sampled_from([2, 2.5, 3, 4])), draw(st.floats(0.3, 2.0))


@st.composite
def features_with_targets(draw):
    """(train features (k, n, f), test features (k, t, f), targets (n, k), ridge)."""
    k, n, t, f = (draw(st.integers(1, top)) for top in (4, 8, 5, 6))
    generator = stream(draw(st.integers(0, 2**31)), "features")
    train, test = (torch.randn(k, rows, f, generator=generator).double() for rows in (n, t))
    targets = torch.randn(n, k, generator=generator).double()
    return train, test, targets, 10 ** draw(st.floats(-4, 1))


@st.composite
def kernels_with_targets(draw, *, layouts=OUTPUTS, full_rank=False):
    """(train kernel, test kernel, targets (n, k)) of random features, in one of the layouts."""
    layout = draw(st.sampled_from(layouts))
    n, k, t, f = (draw(st.integers(1, top)) for top in (6, 3, 4, 6))
    generator = stream(draw(st.integers(0, 2**31)), "kernels")
    f += n * k if full_rank else 0
    train, test = (
        torch.randn(rows, k, f, generator=generator).double() / f**0.5 for rows in (n, t)
    )
    targets = torch.randn(n, k, generator=generator).double()
    return kernel_of(train, train, layout), kernel_of(test, train, layout), targets


def kernel_of(rows, columns, layout):
    """The kernel of features (n, k, f) in a layout; coupled outputs share their features."""
    full = torch.einsum("iaf,jbf->ijab", rows, columns)
    per_class = full.diagonal(dim1=2, dim2=3).permute(2, 0, 1).contiguous()
    return {"full": full, "per_class": per_class, "trace": per_class.sum(0)}[layout]


def as_full(kernel, k):
    """A kernel of uncoupled outputs as the coupled kernel that says the same."""
    kernels = kernel.expand(k, *kernel.shape[-2:])
    return torch.diag_embed(kernels.permute(1, 2, 0))


class ByProducts:
    """A kernel that offers its shape and its product alone, as one on disk would."""

    def __init__(self, kernel):
        self.shape, self._kernel, self.products = tuple(kernel.shape), kernel.double(), 0

    def matmul(self, columns):
        assert columns.dtype == torch.float64
        assert columns.shape[:2] == (1, *self.shape)[-3:-1]
        self.products += 1
        return self._kernel @ columns


def conv_stack(draw, channels, side):
    """Some convolutions with norms and activations between them, as a list of layers."""
    layers = []
    for _ in range(draw(st.integers(1, 3))):
        groups = draw(st.sampled_from([g for g in (1, 2) if channels % g == 0]))
        wider = groups * draw(st.integers(1, 3))
        kernel = draw(st.integers(1, min(3, side)))
        padding = draw(st.sampled_from([0, 1, "same"] if kernel < side else [1, "same"]))
        stride = draw(st.integers(1, 2)) if padding != "same" else 1
        dilation = draw(st.integers(1, 2)) if padding == "same" else 1
        conv = nn.Conv2d(
            channels,
            wider,
            (kernel, 1 + draw(st.integers(0, 1))),
            stride=stride,
            padding=padding,
            dilation=dilation,
            groups=groups,
            bias=draw(st.booleans()),
        )
        channels = wider
        side = conv(torch.zeros(1, conv.in_channels, side, side)).shape[2]
        norms = [nn.Identity(), nn.BatchNorm2d(channels), nn.GroupNorm(groups, channels)]
        layers += [
            conv,
            draw(st.sampled_from(norms)),
            draw(st.sampled_from([nn.Tanh(), nn.SiLU()])),
        ]
        if side < 2:
            break
    return layers, channels


@st.composite
def layered_modules_with_data(draw, *, max_samples=6):
    """(module of known layers in eval mode, x1, x2), float64; some parameters may be frozen."""
    num_outputs, generator = draw(st.integers(1, 3)), stream(draw(st.integers(0, 2**31)), "layers")
    if draw(st.booleans()):
        channels, side = draw(st.integers(1, 2)), 5
        shape = (channels, side, side)
        layers, channels = conv_stack(draw, channels, side)
        layers += [nn.AdaptiveAvgPool2d((1, 2)), nn.Flatten(), nn.Linear(2 * channels, num_outputs)]
    else:
        width, hidden, length = (draw(st.integers(least, 4)) for least in (1, 2, 1))
        tokens = draw(st.booleans())
        shape = (length, width) if tokens else (width,)
        square = nn.Linear(hidden, hidden, bias=draw(st.booleans()))
        layers = [
            nn.Linear(width, hidden),
            nn.Tanh(),
            *[square, nn.SiLU()] * draw(st.integers(0, 2)),
        ]
        layers += [nn.LayerNorm([*shape[:-1], hidden] if draw(st.booleans()) else [hidden])]
        layers += [nn.Flatten(), nn.Linear(hidden * (length if tokens else 1), num_outputs)]
    module = randomised(nn.Sequential(*layers), generator)
    parameters = list(module.parameters())
    for frozen in draw(st.sets(st.integers(0, len(parameters) - 1), max_size=2)):
        parameters[frozen].requires_grad_(len(parameters) < 3)
    n1, n2 = draw(st.integers(1, max_samples)), draw(st.integers(1, max_samples))
    x1, x2 = (torch.randn(n, *shape, generator=generator).double() for n in (n1, n2))
    return module, x1, x2


class Napping(nn.Module):
    """Smooth, and as slow as the environment says, which is no part of what it computes."""

    def __init__(self):
        super().__init__()
        self.hidden, self.head = nn.Linear(3, 4), nn.Linear(4, 2)

    def forward(self, x):
        time.sleep(float(os.environ.get("NAP", "0")))
        return self.head(torch.tanh(self.hidden(x)))


def stored(kernel, directory, tile, form: Form = "symmetric"):
    """A dense kernel, (n1, n2) or (k, n1, n2), as a store."""
    n1, n2 = kernel.shape[-2:]
    tiling = Tiling(
        form=form,
        n1=n1,
        n2=n2,
        num_outputs=len(kernel) if kernel.dim() == 3 else None,
        tile=tile,
        dtype=str(kernel.dtype).removeprefix("torch."),
        key=f"{tuple(kernel.shape)}-{tile}",
    )
    store = TileStore.create(Path(directory), tiling)
    for i, j in tiling.places():
        store.write(i, j, kernel[..., tiling.rows[i], tiling.columns[j]])
    return store
