"""Random small modules with data, and random kernels of known features, in float64."""

import torch
from hypothesis import strategies as st
from torch import nn

from multiview import stream
from multiview.models import PatchNet

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
