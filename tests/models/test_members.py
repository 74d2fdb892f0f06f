"""One member, or the sum of all, as a classifier: values, gradients and what is shared."""

import pytest
import torch
from hypothesis import given
from net_strategies import patch_nets_with_data
from torch import nn

from multiview import stream
from multiview.models import DropoutPatchNet, PatchNet, SingleMember, SummedMembers
from multiview.sparsity import GatedPatchNet


def make(members: int) -> PatchNet:
    return PatchNet(
        members=members, num_classes=3, width=4, patch_dim=6, generator=stream(0, "init")
    )


def some_patches() -> torch.Tensor:
    return torch.randn(5, 3, 6, generator=stream(0, "patches"))


@given(patch_nets_with_data())
def test_single_and_summed_are_the_member_and_the_sum(case):
    net, patches, _ = case
    logits = net(patches)
    for e in range(len(net.weight)):
        torch.testing.assert_close(net.single(e)(patches), logits[:, e], rtol=1e-12, atol=1e-12)
    assert torch.equal(net.summed()(patches), logits.sum(1))


def test_the_only_member_is_the_network_itself_to_the_bit():
    net = make(1)
    single = net.single()
    assert single.net is net
    assert next(single.parameters()) is net.weight
    logits = single(some_patches())
    assert torch.equal(logits, net(some_patches()).squeeze(1))
    (found,) = torch.autograd.grad(logits.square().sum(), net.weight)
    (expected,) = torch.autograd.grad(net(some_patches()).squeeze(1).square().sum(), net.weight)
    assert torch.equal(found, expected)


def test_of_several_members_single_is_a_copy_and_the_sum_shares():
    net = make(3)
    single = net.single(1)
    assert torch.equal(next(single.parameters()), net.weight[1:2])
    with torch.no_grad():
        next(single.parameters()).zero_()
    assert net.weight.all()
    assert next(net.summed().parameters()) is net.weight


@pytest.mark.parametrize(("members", "index"), [(1, 1), (3, 3), (3, -1), (3, True)])
def test_a_member_that_there_is_not_is_refused(members, index):
    with pytest.raises(ValueError, match=r"index=.*use 0 to"):
        make(members).single(index)


def test_any_network_of_one_member_becomes_a_classifier():
    patches = some_patches()
    for net in (DropoutPatchNet(make(1)), GatedPatchNet(make(1), generator=stream(0, "gates"))):
        net.eval()
        assert torch.equal(SingleMember(net)(patches), net(patches)[:, 0])


@pytest.mark.parametrize("net", [make(2), nn.Flatten(), nn.Flatten(0)])
def test_a_network_of_more_than_one_member_or_none_is_refused(net):
    with pytest.raises(ValueError, match=r"\(n, 1, k\).*net.member"):
        SingleMember(net)(some_patches())


def test_what_has_no_members_is_not_summed():
    with pytest.raises(ValueError, match="logits of net"):
        SummedMembers(nn.Flatten())(some_patches())
