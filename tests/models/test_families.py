"""Networks of four families, many side by side."""

import numpy as np
import pytest
import torch

from multiview import stream
from multiview.models.families import FAMILIES, FamilyNets
from multiview.train import OptimSpec, fit
from theory_experiments.views.gaussian_tasks import members_cross_entropy


def networks(family, members=3, seed=0):
    sizes = {"num_patches": 4, "patch_dim": 5, "num_classes": 3, "width": 6}
    nets = FamilyNets(family, members=members, **sizes, generator=stream(seed, family)).double()
    for bias in nets.biases:
        bias.data.normal_(generator=stream(seed, "bias"))
    return nets


def member(nets, e):
    alone = networks(nets.family, members=1)
    alone.load_state_dict({name: value[e : e + 1] for name, value in nets.state_dict().items()})
    return alone


def one_by_one(nets, patches):
    """Logits from the definition: member by member, sample by sample."""
    weights = [w.detach().numpy() for w in nets.weights]
    biases = [b.detach().numpy() for b in nets.biases]
    logits = np.zeros((len(patches), len(weights[0]), weights[-1].shape[2]))
    for n, x in enumerate(patches.numpy()):
        for e in range(len(weights[0])):
            first, *later = [(w[e], b[e]) for w, b in zip(weights, biases, strict=True)]
            flat = x.reshape(-1)
            if nets.family == "convolutional":
                state = sum(np.maximum(patch @ first[0] + first[1], 0) for patch in x)
            else:
                state = flat @ first[0] + first[1]
            if nets.family == "connected":
                state = np.maximum(state, 0)
            if nets.family == "residual":
                (w1, b1), (w2, b2), _ = later
                state = state + np.maximum(np.maximum(state, 0) @ w1 + b1, 0) @ w2 + b2
            logits[n, e] = state @ later[-1][0] + later[-1][1] if later else state
    return logits


@pytest.mark.parametrize("family", FAMILIES)
def test_a_family_computes_what_it_says(family):
    nets = networks(family)
    patches = torch.randn(7, 4, 5, generator=stream(0, "x")).double()
    np.testing.assert_allclose(nets(patches).detach().numpy(), one_by_one(nets, patches))


@pytest.mark.parametrize("family", FAMILIES)
def test_members_trained_together_are_members_trained_alone(family):
    nets = networks(family)
    alone = [member(nets, e) for e in range(3)]
    patches = torch.randn(30, 4, 5, generator=stream(0, "x")).double()
    labels = torch.randint(0, 3, (30,), generator=stream(0, "y"))
    spec = OptimSpec(epochs=3, batch_size=8, learning_rate=0.1)
    start = nets(patches).detach()
    for each in (nets, *alone):
        fit(each, patches, members_cross_entropy(labels), spec, stream(0, "order"))
    assert (nets(patches) - start).abs().amax() > 0.1
    for e, each in enumerate(alone):
        torch.testing.assert_close(nets(patches)[:, e], each(patches)[:, 0])


def test_larger_ensembles_begin_with_the_same_networks():
    few, many = (
        FamilyNets(
            "residual",
            members=members,
            num_patches=2,
            patch_dim=3,
            num_classes=4,
            width=5,
            generator=stream(0, "init"),
        )
        for members in (2, 5)
    )
    for smaller, larger in zip(few.weights, many.weights, strict=True):
        assert torch.equal(smaller, larger[:2])
        assert not torch.equal(larger[0], larger[1])


def test_networks_that_make_no_sense_are_refused():
    sizes = {"num_patches": 2, "patch_dim": 3, "num_classes": 4, "width": 5, "members": 2}
    with pytest.raises(ValueError, match="deep"):
        FamilyNets("deep", **sizes, generator=stream(0))
    with pytest.raises(ValueError, match="width"):
        FamilyNets("linear", **(sizes | {"width": 0}), generator=stream(0))
