"""Kernel models of networks at their start, on patches."""

from dataclasses import replace

import pytest
import torch

from multiview.methods import KernelModel, Kernels
from multiview.ntk import centred_one_hot, kernel_methods
from multiview.runs.experiment import Context
from theory_experiments.settings import SMOKE_BY_SGD

KERNELS = Kernels(width=4, sigma_init=3.0)


@pytest.fixture(scope="module")
def bench():
    return replace(SMOKE_BY_SGD, num_train=40, members=3).bench(0, Context())


def test_models_are_those_of_kernel_methods(bench):
    x = bench.inputs[:7]
    grams = [bench.tangent_gram(net) for net in bench.kernel_networks(3, 4, 3.0)]
    pairs = [(gram(bench.inputs), gram(x, bench.inputs)) for gram in grams]
    expected = kernel_methods(pairs, centred_one_hot(bench.labels, bench.num_classes), 1e-3)
    assert torch.equal(bench.trained(KERNELS).logits(x), expected.single)
    for kind in ("ensemble", "summed", "distilled"):
        found = bench.trained(KernelModel(kind=kind, of=KERNELS))
        assert torch.equal(found.logits(x), getattr(expected, kind)), kind
        assert found.notes["jitter"] == 0
    students = bench.trained(KernelModel(kind="students", of=KERNELS)).logits(x)
    assert students.shape == (7, 3, bench.num_classes)
    assert torch.equal(students[:, 0], expected.distilled)
    assert not torch.allclose(students[:, 1], students[:, 0])
