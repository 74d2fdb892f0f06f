"""Groups of channels and tiles: disjoint, complete, of one size, spread over the classes."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from multiview import stream
from multiview.probes.channels import (
    channel_groups,
    channel_masks,
    preferred_classes,
    tile_masks,
)


def test_a_channel_prefers_the_class_it_is_largest_for():
    labels = torch.tensor([0, 1, 2, 0, 1, 2])
    wanted = torch.tensor([2, 0, 0, 1])
    channels = torch.randn(6, 4, 3, 3, generator=stream(0))
    channels += 5.0 * (labels[:, None] == wanted)[:, :, None, None]
    assert preferred_classes(channels, labels, 3).equal(wanted)
    assert preferred_classes(channels - 100, labels, 4).equal(wanted)  # a class without samples


@given(st.integers(1, 4), st.integers(1, 6), st.integers(1, 5), st.integers(0, 99))
def test_groups_share_all_channels_and_each_classs_evenly(groups, size, classes, seed):
    preferred = torch.randint(classes, (groups * size,), generator=stream(seed, "preferred"))
    dealt = channel_groups(preferred, groups, stream(seed, "groups"))
    assert dealt.shape == (groups, size)
    assert dealt.flatten().sort().values.equal(torch.arange(groups * size))
    for label in range(classes):
        counts = (preferred[dealt] == label).sum(1)
        assert counts.max() - counts.min() <= 2  # one more at either end of the class's stretch
    assert dealt.equal(channel_groups(preferred, groups, stream(seed, "groups")))


def test_where_classes_fill_whole_rounds_each_group_has_as_many_of_each():
    preferred = torch.arange(24) % 3
    dealt = channel_groups(preferred, 4, stream(0))
    for label in range(3):
        assert (preferred[dealt] == label).sum(1).tolist() == [2, 2, 2, 2]
    others = [channel_groups(preferred, 4, stream(seed)) for seed in range(1, 5)]
    assert all(not dealt.equal(other) for other in others)


def test_masks_show_the_groups_channels_alone():
    groups = torch.tensor([[0, 3], [1, 4], [5, 2]])
    masks = channel_masks(groups, 6)
    assert masks.shape == (3, 6, 1, 1)
    for mask, group in zip(masks, groups, strict=True):
        assert mask.flatten().nonzero().flatten().tolist() == sorted(group.tolist())


@pytest.mark.parametrize("groups", [1, 2, 4, 8])
def test_tiles_are_whole_disjoint_and_shared_equally(groups):
    masks = tile_masks((6, 8), (2, 4), groups, stream(0))
    assert masks.shape == (groups, 1, 6, 8)
    assert (masks.sum(0) == 1).all()
    assert set(masks.flatten(1).sum(1).tolist()) == {48 // groups}
    tiles = masks.view(groups, 2, 3, 4, 2).float()
    assert (tiles.amax((2, 4)) == tiles.amin((2, 4))).all()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda g: channel_groups(torch.zeros(6, dtype=torch.long), 4, g),
            "groups=4 .* 6 channels",
        ),
        (lambda g: tile_masks((6, 8), (4, 4), 2, g), r"tiles=\(4, 4\) do not divide"),
        (lambda g: tile_masks((6, 8), (2, 4), 3, g), "groups=3 cannot share 8 tiles"),
    ],
)
def test_unequal_shares_are_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call(stream(0))
