"""Random patch networks with data, in float64."""

import torch
from hypothesis import strategies as st

from multiview import stream
from multiview.models import PatchNet


@st.composite
def patch_nets_with_data(draw, *, max_members: int = 3):
    """(net, patches, labels): weights large enough that all three pieces of the sReLU are met."""
    k, d = draw(st.integers(2, 4)), draw(st.integers(1, 6))
    n, P = draw(st.integers(1, 7)), draw(st.integers(1, 5))
    seed = draw(st.integers(0, 2**31))
    net = PatchNet(
        members=draw(st.integers(1, max_members)),
        num_classes=k,
        width=draw(st.integers(1, 4)),
        patch_dim=d,
        q=draw(st.sampled_from([1.5, 2, 2.5, 3, 4, 5])),
        relu_knee=draw(st.floats(0.3, 2.0)),
        sigma_init=1.0,
        generator=stream(seed, "net"),
    ).double()
    generator = stream(seed, "data")
    patches = torch.randn(n, P, d, generator=generator, dtype=torch.float64)
    return net, patches, torch.randint(k, (n,), generator=generator)
