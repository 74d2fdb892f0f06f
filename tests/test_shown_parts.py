"""Methods that show parts of the inputs: groups of images, views of patches."""

from dataclasses import replace
from typing import Any

import pytest
import torch

from multiview.bench import Flow, PatchSetting
from multiview.bench.nets import Fast
from multiview.bench.recipe import Recipe
from multiview.data import MultiViewSpec
from multiview.data.views import without_views
from multiview.methods import Ensemble, Members, Student
from multiview.models import FastTop
from multiview.runs.experiment import Context
from multiview.train import OptimSpec, TrainSpec
from theory_experiments.views.shown_groups import (
    GroupSetting,
    LayerBench,
    Mask,
    ShownGroups,
    SingleGroups,
    showing,
)
from theory_experiments.views.shown_views import ShownViews

RECIPE = Recipe(
    optim=OptimSpec(epochs=2, batch_size=20, learning_rate=0.2), flip=False, padding=1, together=2
)
LAYER = GroupSetting(
    data="multi_view",
    num_pretrain=40,
    num_train=40,
    num_validation=20,
    num_test=60,
    members=2,
    base=Fast(widths=(8, 8, 8)),
    net=Fast(widths=(4, 4, 4)),
    pretrain=RECIPE,
    recipe=RECIPE,
    students=RECIPE,
    tiles=(2, 2),
)
KINDS = {
    "layer": LAYER,
    "tiles": replace(LAYER, inputs="tiles"),
    "colours": replace(LAYER, inputs="colours", groups=3),
}
STEPS = TrainSpec(max_steps=15)  # stopped while there are errors to tell networks apart by
PATCHES = PatchSetting(
    spec=MultiViewSpec(
        num_classes=3, num_views=3, patch_dim=20, num_patches=8, sparsity=1.0, mu=0.25, sigma_p=0.1
    ),
    num_train=60,
    members=3,
    width=5,
    training=Flow(labels=STEPS, students=replace(STEPS, max_steps=8)),
)


@pytest.fixture(scope="module", params=list(KINDS))
def bench(request):
    return KINDS[request.param].bench(0, Context())


def shown_by(net) -> torch.Tensor:
    assert isinstance(net[0], Mask)
    return net[0].get_buffer("shown")


def test_groups_are_disjoint_and_hold_all_inputs(bench):
    masks = bench.setting.masks(bench)
    assert len(masks) == bench.setting.groups
    assert (masks.long().sum(0) == 1).all()
    assert masks.equal(bench.setting.masks(bench))


def test_networks_see_their_groups_and_nothing_else(bench):
    masks = bench.setting.masks(bench)
    group = ShownGroups(groups=(0, 2), of=Members())
    found = bench.trained(group)
    for net in found.net.nets:
        assert shown_by(net).equal(masks[[0, 2]].any(0))
    inputs = bench.samples.test
    hidden = inputs + ~masks[[0, 2]].any(0) * torch.randn_like(inputs)
    assert found.logits(inputs).equal(found.logits(hidden))
    seen = inputs + masks[0] * torch.randn_like(inputs)
    assert not found.logits(inputs).equal(found.logits(seen))


def test_what_a_method_builds_on_sees_the_same_groups_and_is_trained_once(bench):
    mean = ShownGroups(groups=(1,), of=Ensemble())
    student = ShownGroups(groups=(1,), of=Student(number=1))
    members = bench.trained(ShownGroups(groups=(1,), of=Members()))
    inputs = bench.samples.test
    expected = members.logits(inputs).mean(1)
    torch.testing.assert_close(bench.trained(mean).logits(inputs), expected)
    taught = bench.trained(student).net
    assert shown_by(taught.nets[0]).equal(shown_by(members.net.nets[0]))
    assert bench.trained(ShownGroups(groups=(1,), of=Members())) is members


def test_initial_weights_are_the_same_whatever_is_shown(bench):
    nets = [showing(bench, groups).one("members") for groups in ((0,), (0, 1, 2))]
    last = [list(net.parameters())[-1] for net in nets]
    assert last[0].equal(last[1])
    assert not last[0].equal(list(showing(bench, (0,)).one("students").parameters())[-1])


def test_single_groups_are_each_networks_own_or_the_first(bench):
    inputs, masks = bench.samples.test, bench.setting.masks(bench)
    alone = bench.trained(SingleGroups(start="alone")).logits
    same = bench.trained(SingleGroups(start="same", same=True)).logits
    assert alone(inputs).shape == (60, bench.setting.groups, 10)
    without_first = inputs + masks[0] * torch.randn_like(inputs)
    moved = [(f(inputs) != f(without_first)).any(0).any(-1).tolist() for f in (alone, same)]
    assert moved == [[i == 0 for i in range(len(masks))], [True] * len(masks)]


def test_channels_are_those_of_images_that_the_net_below_has_not_seen():
    bench = LAYER.bench(0, Context())
    assert isinstance(bench, LayerBench)
    assert bench.inputs.shape[:2] == (80, 8)  # mirror images are samples of their own
    assert bench.labels[:40].equal(bench.labels[40:])
    net: Any = bench.one("any")
    assert isinstance(net[1], FastTop)
    assert 0 <= bench.base_error <= 1
    more = replace(LAYER, pretrain=replace(RECIPE, optim=replace(RECIPE.optim, epochs=1)))
    assert not more.bench(0, Context()).inputs.equal(bench.inputs)


@pytest.mark.parametrize("groups", [(), (4,), (-1, 0)])
def test_groups_that_there_are_not_are_refused(groups):
    with pytest.raises(ValueError, match="groups="):
        ShownGroups(groups=groups, of=Members()).check(LAYER)


def test_as_many_groups_of_colours_as_colours():
    bench = replace(LAYER, inputs="colours").bench(0, Context())
    with pytest.raises(ValueError, match="groups=4, but the images have 3 colours"):
        replace(LAYER, inputs="colours").masks(bench)


def test_views_not_kept_are_in_no_patch_that_is_trained_or_tested_on():
    bench = PATCHES.bench(0, Context())
    dropped = torch.arange(3).expand(3, 3) >= 2
    patches = bench.inputs
    kept = without_views(patches, bench.features, dropped)
    found: Any = bench.trained(ShownViews(kept=2, of=Members()))
    assert found.logits(patches).equal(found.net(kept))
    torch.testing.assert_close(found.logits(patches), found.logits(kept))
    on_kept = bench.on(kept, bench.labels)
    members, student = (on_kept.trained(each).logits(kept) for each in (Members(), Student()))
    assert found.logits(patches).equal(members)
    assert bench.trained(ShownViews(kept=2, of=Student())).logits(patches).equal(student)


def test_all_views_kept_change_nothing():
    bench = PATCHES.bench(0, Context())
    whole, shown = (bench.trained(each) for each in (Members(), ShownViews(kept=3, of=Members())))
    torch.testing.assert_close(whole.logits(bench.inputs), shown.logits(bench.inputs))


@pytest.mark.parametrize("kept", [0, 4])
def test_views_that_there_are_not_are_refused(kept):
    method = ShownViews(kept=kept, of=Members())
    with pytest.raises(ValueError, match="use 1 to num_views=3"):
        method.check(PATCHES)
    with pytest.raises(ValueError, match="kept="):
        ShownViews(kept=1, of=Members()).check(LAYER)
