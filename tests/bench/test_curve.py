"""Tests of networks along their training, and students without strays."""

from dataclasses import replace

import pytest
import torch

from multiview.bench import Curve, Flow
from multiview.bench.strays import without_strays
from multiview.data import sample_patches
from multiview.distill import PaperUpdate
from multiview.measures import Curves
from multiview.measures.curves import within
from multiview.methods import Ensemble, Members, Student, Summed
from multiview.probes import stray_norms
from multiview.runs.experiment import Context
from multiview.train import TrainSpec
from multiview.train.metrics import wrong
from theory_experiments.settings import SMOKE_BY_SGD

SETTING = replace(
    SMOKE_BY_SGD,
    num_train=60,
    members=3,
    sigma_init=0.3,
    relu_knee=1.0,
    training=Flow(
        labels=TrainSpec(max_steps=30),
        students=TrainSpec(method="adaptive", max_steps=12, loss_bound=0.0),
    ),
    curve=Curve(every=2, num_test=50),
)
TAUGHT = Student(kd_loss=PaperUpdate(), weight=5.0)


def test_networks_are_tested_at_the_start_every_so_often_and_at_the_end():
    bench = SETTING.bench(1, Context())
    members = bench.trained(Members())
    curve = members.curve
    tests, networks = curve["time"].shape
    assert networks == 3
    assert tests >= 4
    assert curve["time"][0].eq(0).all()
    assert curve["time"].diff(dim=0).ge(0).all()
    for kind in ("single", "multi"):
        samples = sample_patches(
            SETTING.spec, bench.features, 50, bench.stream("curve", kind), kind
        )
        for at, logits in ((0, bench.group("members", 3)), (-1, members.logits)):
            with torch.no_grad():
                found = wrong(logits(samples.patches), samples.labels).double().mean(0)
            assert curve[kind][at].tolist() == found.tolist()
    assert (
        members.notes == replace(SETTING, curve=None).bench(1, Context()).trained(Members()).notes
    )


def test_what_is_not_trained_has_no_curve_and_students_have_their_own():
    bench = SETTING.bench(1, Context())
    trained = {"ensemble": bench.trained(Ensemble()), "student": bench.trained(TAUGHT)}
    row = Curves(limit=1e9).of(bench, trained)
    assert row.keys() == {"student"}
    assert row["student"]["within"] == 1
    assert len(row["student"]["curve_time"]) > 2
    for kind in ("single", "multi"):
        expected = trained["student"].curve[kind].mean(1)
        assert row["student"][f"curve_{kind}"].equal(expected)


def test_the_share_of_the_time_within_a_limit_takes_the_worse_end_of_each_span():
    time = torch.tensor([[0.0, 0.0], [1.0, 2.0], [4.0, 2.0], [5.0, 2.0]])
    error = torch.tensor([[0.5, 0.5], [0.1, 0.1], [0.0, 0.0], [0.0, 0.0]])
    assert within(time, error, 0.1).tolist() == pytest.approx([0.8, 0.0])
    assert within(torch.zeros(2, 2), torch.tensor([[1.0, 1.0], [0.0, 1.0]]), 0.1).tolist() == [1, 0]


def test_without_strays_no_neuron_follows_features_of_other_classes():
    bench = SETTING.bench(1, Context())
    features, k = bench.features, bench.num_classes
    gradient = torch.randn(3, k, 4, features.shape[-1], generator=torch.Generator().manual_seed(0))
    kept = torch.tensor([True, False, True, True, False])
    found = without_strays(features, kept, gradient, torch.tensor([1, 2, 3]))
    assert found[0].equal(gradient[0])
    removed = torch.einsum("ekmd,jld->ekmjl", gradient[1:] - found[1:], features)
    left = torch.einsum("ekmd,jld->ekmjl", found[1:], features)
    for i in range(k):
        others = torch.arange(k) != i
        assert removed[:, i, :, i].abs().max() < 1e-5  # of its own features nothing
        assert left[:, i, :, others].abs().max() < 1e-5  # of all others everything


def test_a_student_without_strays_responds_to_other_classes_as_at_the_start():
    bench = replace(SETTING, curve=None).bench(1, Context())
    with_strays, without = (bench.trained(replace(TAUGHT, strays=each)) for each in (True, False))
    start = stray_norms(bench.nets("student"), bench.features)
    torch.testing.assert_close(
        stray_norms(without.net.net, bench.features), start, rtol=1e-4, atol=1e-5
    )
    assert not torch.allclose(stray_norms(with_strays.net.net, bench.features), start, rtol=1e-2)


def test_a_curve_along_minibatches_is_refused():
    with pytest.raises(ValueError, match="tests networks along the flow"):
        replace(SETTING, training=SMOKE_BY_SGD.training)


@pytest.mark.parametrize("field", ["every", "num_test"])
def test_a_curve_counts_from_one(field):
    with pytest.raises(ValueError, match=f"{field}=0"):
        Curve(**{"every": 5, "num_test": 5, field: 0})


def test_what_needs_the_flow_or_tests_along_it_is_refused_elsewhere():
    with pytest.raises(ValueError, match="curve=None"):
        Curves(limit=0.1).check(replace(SETTING, curve=None))
    with pytest.raises(ValueError, match="limit=-1"):
        Curves(limit=-1)
    with pytest.raises(ValueError, match="gradient flow"):
        replace(TAUGHT, strays=False).check(SMOKE_BY_SGD)
    replace(TAUGHT, strays=False).check(SETTING)


def test_a_sum_is_tested_as_the_sum():
    bench = SETTING.bench(1, Context())
    trained = bench.trained(Summed())
    assert trained.curve["single"].shape[1] == trained.curve["time"].shape[1] == 1
    batch = sample_patches(
        SETTING.spec, bench.features, 50, bench.stream("curve", "single"), "single"
    )
    found = wrong(trained.logits(batch.patches), batch.labels).double().mean()
    assert float(trained.curve["single"][-1]) == float(found)


@pytest.mark.parametrize("start", [Summed(), None])
def test_strays_cannot_be_left_out_of_sums_and_of_minibatches(start):
    setting = SETTING if start else SMOKE_BY_SGD
    student = replace(TAUGHT, strays=False, **({"start": start} if start else {}))
    with pytest.raises(ValueError, match="strays=False"):
        setting.bench(1, Context()).trained(student)
