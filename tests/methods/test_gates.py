"""Networks with gates on a bench, and what they are compared with."""

from dataclasses import replace

import pytest
import torch
from torch.nn.functional import cross_entropy

from multiview.bench import Cell, Classifier, PatchSetting, Sgd, check
from multiview.bench.images import ImageSetting
from multiview.bench.nets import Dense
from multiview.bench.recipe import Recipe
from multiview.distill import Hinton
from multiview.measures import Flops
from multiview.methods import (
    Baseline,
    Dropout,
    Gates,
    Group,
    MagnitudePruned,
    Member,
    Members,
    Reinitialised,
    RingEnsembles,
)
from multiview.runs.experiment import Context
from multiview.sparsity import L0Spec
from multiview.train import ComputeSpec, OptimSpec
from theory_experiments.settings import SMOKE_BY_SGD

OPTIM = OptimSpec(epochs=4, batch_size=50, learning_rate=1.0, weight_decay=0.0)
PATCHES = replace(
    SMOKE_BY_SGD,
    num_train=60,
    relu_knee=1.0,  # large weights answer at once
    sigma_init=0.3,
    training=Sgd(labels=OPTIM, students=OPTIM),
)
ADAM = OptimSpec(  # at a constant rate
    epochs=32,
    batch_size=10,
    algorithm="adam",
    learning_rate=0.03,
    weight_decay=0.0,
    warmup=0.0,
    schedule="steps",
    drop=1.0,
)
RECIPE = Recipe(optim=ADAM, flip=False, padding=0, compute=ComputeSpec())
IMAGES = ImageSetting(
    data="multi_view",
    num_train=40,
    num_validation=10,
    num_test=20,
    members=1,
    net=Dense(widths=(8, 6)),
    recipe=RECIPE,
    students=RECIPE,
)


def pruned_by(strength: float, **further) -> Gates:
    return Gates(penalty=L0Spec(strength=strength, averaging=0.9), **further)


def weights(trained: Classifier) -> list[torch.Tensor]:
    assert trained.net is not None
    return list(trained.net.parameters())


def patches(seed: int = 0):
    return PATCHES.bench(seed, Context())


def test_without_a_penalty_all_neurons_stay_and_under_a_huge_one_none():
    bench = patches()
    light, huge = (bench.trained(pruned_by(x, dropout=0.3)) for x in (0.0, 1000.0))
    assert light.notes["share_open"] == 1
    assert light.notes["expected_share"] > 0.8
    assert huge.notes["share_open"] == 0
    assert huge.notes["units"] == [0]
    assert (huge.notes["strength"], huge.notes["parity"]) == (1000.0, 0.0)
    assert 0 <= light.notes["parity"] < 1e-5
    assert light.logits(bench.inputs).abs().max() > 0.1
    assert (huge.logits(bench.inputs) == 0).all()


def test_gates_go_on_from_a_trained_network_without_its_dropout():
    bench = patches()
    knows_all = Dropout(kind="patch", rate=0.5)
    further, fresh = (pruned_by(0.0, start=start) for start in (knows_all, "student"))
    before, after, other = (
        float(cross_entropy(bench.trained(each).logits(bench.inputs), bench.labels))
        for each in (knows_all, further, fresh)
    )
    assert after < min(before, other)
    one = bench.gated(bench.one("members"), 0.3)
    again = bench.gated(bench.dropout_net("members", "patch", 0.5), (0.3,))
    torch.testing.assert_close(one.eval()(bench.inputs), again.eval()(bench.inputs))


def test_a_teacher_alone_can_teach_and_a_share_can_be_asked_for():
    bench = patches()
    knows_all = Dropout(kind="patch", rate=0.5)
    alone = pruned_by(0.0, start=knows_all, teacher=knows_all, label_weight=0.0)
    taught = bench.trained(replace(alone, kd_loss=Hinton(1.0)))
    teacher = bench.trained(knows_all)
    gap = taught.logits(bench.inputs).softmax(-1) - teacher.logits(bench.inputs).softmax(-1)
    assert gap.abs().mean() < 0.1
    asked = bench.trained(Gates(penalty=L0Spec(target=0.5)))
    assert asked.notes["target"] == 0.5
    assert "strength" not in asked.notes


def test_baselines_have_the_stated_sizes_and_trainings():
    bench = IMAGES.bench(0, Context())
    gates = pruned_by(0.5, dropout=(0.2, 0.5, 0.5))
    dense = Baseline(dropout=(0.2, 0.5), averaging=0.9)
    by_norm = MagnitudePruned(of=dense, like=gates)
    anew = Reinitialised(like=gates, dropout=0.2, averaging=0.9)
    trained = {str(i): bench.trained(each) for i, each in enumerate((gates, dense, by_norm, anew))}
    left, whole, magnitude, fresh = (each["flops"] for each in Flops().of(bench, trained).values())
    assert left < whole
    # Of the same size; the one pruned by norm may lack what nobody reads any more.
    assert magnitude <= left == fresh
    several = bench.trained(Gates(penalty=L0Spec(strength=(0.5, 0.1, 0.1))))
    assert "strength" not in several.notes
    assert len(several.notes["units"]) == len(several.notes["expected_units"]) == 3


def test_the_optimisers_decay_acts_through_the_penalty():
    decaying = replace(IMAGES, students=replace(RECIPE, optim=replace(ADAM, weight_decay=0.1)))
    bench = decaying.bench(0, Context())
    free, bound, same = (
        bench.trained(Gates(penalty=L0Spec(strength=0.0, weight_decay=each)))
        for each in (1e-9, 0.0, 0.1)
    )
    sizes = [
        sum(float(w.detach().square().sum()) for w in weights(each)) for each in (free, bound, same)
    ]
    assert sizes[1] == sizes[2] < sizes[0]


@pytest.mark.parametrize(
    "method",
    [Baseline(), MagnitudePruned(of=Baseline(), like=Gates()), Reinitialised(like=Gates())],
)
def test_baselines_of_patches_are_refused(method):
    with pytest.raises(ValueError, match="use an ImageSetting"):
        check([Cell(setting=PATCHES, methods={"it": method})], Context())


def test_arguments_out_of_range_are_refused():
    with pytest.raises(ValueError, match=r"tuning=0\.0"):
        MagnitudePruned(of=Baseline(), like=Gates(), tuning=0.0)
    with pytest.raises(ValueError, match="size=0"):
        RingEnsembles(size=0)
    bench = patches()
    with pytest.raises(ValueError, match="size=3: there are 2"):
        bench.trained(RingEnsembles(size=3)).logits(bench.inputs)


def test_rings_average_each_network_with_those_that_follow():
    setting: PatchSetting = replace(PATCHES, members=3)
    bench = setting.bench(0, Context())
    members = bench.trained(Members()).logits(bench.inputs)
    first, pairs, every = (
        bench.trained(RingEnsembles(size=size)).logits(bench.inputs) for size in (1, 2, 3)
    )
    assert first.equal(members)
    for i in range(3):
        torch.testing.assert_close(pairs[:, i], (members[:, i] + members[:, (i + 1) % 3]) / 2)
        torch.testing.assert_close(every[:, i], members.mean(1))
    group = bench.trained(Group(of=tuple(Member(index=i) for i in range(3))))
    torch.testing.assert_close(group.logits(bench.inputs), members)
