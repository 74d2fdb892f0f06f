"""Kernel models of one kind, fit by themselves, against all four methods together."""

import pytest
import torch
from unchecked import unchecked

from multiview import stream
from multiview.ntk import centred_one_hot, fit_kernels, kernel_methods
from multiview.ntk.members import predict_each, summed_kernel

GENERATOR = stream(0, "kernels")
FEATURES = [torch.randn(30, 12, generator=GENERATOR).double() for _ in range(3)]
PAIRS = [(each[:20] @ each[:20].T, each[20:] @ each[:20].T) for each in FEATURES]
TRAIN, TEST = ([pair[i] for pair in PAIRS] for i in range(2))
TARGETS = centred_one_hot(torch.arange(20) % 3, 3)


@pytest.mark.parametrize("settings", [{}, {"temperature": 0.5}, {"student_ridge": 0.7}])
@pytest.mark.parametrize("kind", ["single", "ensemble", "summed", "distilled"])
def test_one_kind_is_that_of_all_four_to_the_bit(kind, settings):
    wanted = kernel_methods(PAIRS, TARGETS, 0.1, **settings)
    fit = fit_kernels(kind, TRAIN, TARGETS, 0.1, **settings)
    found = fit(TEST)
    assert torch.equal(found[:, 0] if kind == "distilled" else found, getattr(wanted, kind))
    torch.testing.assert_close(fit([each[:4] for each in TEST]), found[:4])
    assert fit.jitter == 0


def test_students_have_every_members_features():
    students = fit_kernels("distilled", TRAIN, TARGETS, 0.1)(TEST)
    for e in range(3):
        rotated = kernel_methods(PAIRS[e:] + PAIRS[:e], TARGETS, 0.1)
        torch.testing.assert_close(students[:, e], rotated.distilled)


def test_the_sum_leaves_the_kernels_as_they_are():
    copies = [each.clone() for each in TRAIN]
    torch.testing.assert_close(summed_kernel(TRAIN), torch.stack(TRAIN).sum(0))
    assert all(map(torch.equal, TRAIN, copies))


def test_a_singular_member_is_reported():
    singular = torch.ones(2, 2).double()
    assert fit_kernels("single", [singular], torch.ones(2, 1).double(), 0.0).jitter > 0


def test_bad_input_is_refused():
    fit = fit_kernels("single", TRAIN, TARGETS)
    with unchecked():
        for call, message in (
            (lambda: fit_kernels("mean", TRAIN, TARGETS), "kind='mean': choose"),  # type: ignore[arg-type]
            (lambda: fit_kernels("single", [], TARGETS), "at least one member"),
            (lambda: summed_kernel([]), "at least one member"),
            (lambda: summed_kernel([TRAIN[0], TEST[0]]), r"kernels\[1\] has shape"),
            (lambda: fit(TEST[:2]), "kernels are 2 and models are 3"),
            (lambda: predict_each(TEST, fit.models[:1]), "kernels are 3 and models are 1"),
            (lambda: fit_kernels("distilled", TRAIN, TARGETS, temperature=0.0), "temperature=0"),
            (lambda: fit_kernels("single", TRAIN, TARGETS, -1.0), "ridge=-1"),
        ):
            with pytest.raises(ValueError, match=message):
                call()
