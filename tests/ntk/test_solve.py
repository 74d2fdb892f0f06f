"""Ridge regression against numpy, against its primal form, and when kernels are nearly singular."""

from functools import partial

import numpy as np
import pytest
import torch
from closeness import close as as_close
from hypothesis import given
from hypothesis import strategies as st
from ntk_strategies import as_full, features_with_targets, kernels_with_targets
from unchecked import unchecked

from multiview import stream
from multiview.ntk import centred_one_hot, predict, solve
from multiview.ntk.solve import FIRST_JITTER, LAST_JITTER

close = partial(as_close, tolerance=1e-8)


def randn(*shape):
    return torch.randn(*shape, generator=stream(0, *shape)).double()


@given(features_with_targets())
def test_dual_is_that_of_numpy_class_by_class(drawn):
    features, _, targets, ridge = drawn
    kernel = features @ features.mT
    solution = solve(kernel, targets, ridge)
    for i, k in enumerate(kernel.numpy()):
        scale = np.trace(k) / len(k)
        expected = np.linalg.solve(k + ridge * scale * np.eye(len(k)), targets[:, i].numpy())
        close(solution.dual[:, i], torch.from_numpy(expected))
        assert solution.scale[i].item() == pytest.approx(scale, rel=1e-12)
    assert solution.ridge == ridge
    assert (solution.jitter == 0).all()


@given(features_with_targets())
def test_predictions_are_those_of_the_primal_ridge_regression(drawn):
    train, test, targets, ridge = drawn
    solution = solve(train @ train.mT, targets, ridge)
    outputs = predict(test @ train.mT, solution)
    for i, phi in enumerate(train):
        penalty = ridge * solution.scale[i] * torch.eye(phi.shape[1], dtype=torch.float64)
        weights = torch.linalg.solve(phi.T @ phi + penalty, phi.T @ targets[:, i])
        close(outputs[:, i], test[i] @ weights, tolerance=1e-7)


@given(features_with_targets(), st.floats(1e-20, 1e20))
def test_multiplying_a_kernel_changes_no_prediction(drawn, factor):
    train, test, targets, ridge = drawn
    small = predict(test @ train.mT, solve(train @ train.mT, targets, ridge))
    scaled = solve(factor * train @ train.mT, targets, ridge)
    close(predict(factor * test @ train.mT, scaled), small)


@given(features_with_targets(), st.integers(1, 3))
def test_many_targets_are_solved_at_once(drawn, sets):
    train, test, targets, ridge = drawn
    several = torch.stack([targets + s * targets.roll(1, 0) for s in range(sets)])
    for kernel, k_test in (
        (train @ train.mT, test @ train.mT),
        (train[0] @ train[0].T, test[0] @ train[0].T),  # one for all outputs
    ):
        at_once = solve(kernel, several, ridge)
        outputs = predict(k_test, at_once)
        for s in range(sets):
            alone = solve(kernel, several[s], ridge)
            close(at_once.dual[s], alone.dual)
            close(outputs[s], predict(k_test, alone))


@given(features_with_targets())
def test_one_kernel_for_all_outputs_is_that_kernel_repeated(drawn):
    train, test, targets, ridge = drawn
    kernel, k_test = train[0] @ train[0].T, test[0] @ train[0].T
    k = targets.shape[1]
    shared, own = solve(kernel, targets, ridge), solve(kernel.repeat(k, 1, 1), targets, ridge)
    close(shared.dual, own.dual)
    close(predict(k_test, shared), predict(k_test.repeat(k, 1, 1), own))


def test_no_ridge_interpolates_and_a_large_ridge_predicts_zero():
    features, targets = randn(2, 5, 8), randn(5, 2)
    kernel = features @ features.mT
    close(predict(kernel, solve(kernel, targets, 0.0)), targets)
    close(
        1e9 * predict(kernel, solve(kernel, targets, 1e9)), _times(kernel, targets), tolerance=1e-6
    )


def _times(kernel, targets):
    scale = kernel.diagonal(dim1=1, dim2=2).mean(1)
    return torch.einsum("kij,jk->ik", kernel, targets) / scale


def test_a_nearly_singular_kernel_gets_the_jitter_it_needs_and_reports_it():
    features = randn(3, 40, 40)
    kernel = features @ features.mT
    # Class 1 gets one eigenvalue below zero by 1e-7 of the scale, as a float32 kernel may have.
    values, vectors = torch.linalg.eigh(kernel[1])
    values[0] = -1e-7 * kernel[1].diagonal().mean()
    kernel[1] = vectors @ values.diag() @ vectors.T
    solution = solve(kernel, randn(40, 3), ridge=0.0)
    assert solution.jitter[0] == solution.jitter[2] == 0
    assert 1e-7 < solution.jitter[1] <= 1.01e-6
    i, scale = 1, solution.scale[1]
    shifted = kernel[i] + solution.jitter[i] * scale * torch.eye(40)
    close(shifted @ solution.dual[:, i], randn(40, 3)[:, i], tolerance=1e-6)
    assert solve(kernel, randn(40, 3), ridge=1e-3).jitter.max() == 0


def test_jitter_begins_small_and_is_bounded():
    kernel = torch.eye(3).double()
    kernel[0, 1] = kernel[1, 0] = 1.0  # exactly singular
    assert solve(kernel, torch.ones(3, 1), ridge=0.0).jitter.item() == FIRST_JITTER
    kernel[0, 1] = kernel[1, 0] = 1 + 0.9 * LAST_JITTER
    assert solve(kernel, torch.ones(3, 1), ridge=0.0).jitter.item() == pytest.approx(LAST_JITTER)
    kernel[0, 1] = kernel[1, 0] = 1.1
    with pytest.raises(np.linalg.LinAlgError, match=r"kernel \[0\] is not positive definite"):
        solve(kernel, torch.ones(3, 1), ridge=0.0)


def test_inputs_are_left_alone_and_taken_in_float32():
    kernel, targets = torch.eye(3), torch.ones(3, 2)
    solution = solve(kernel, targets, ridge=1.0)
    close(solution.dual, torch.full((3, 2), 0.5).double())
    assert torch.equal(kernel, torch.eye(3))
    assert torch.equal(targets, torch.ones(3, 2))


@pytest.mark.parametrize(
    ("kernel", "targets", "ridge", "message"),
    [
        (torch.ones(3, 2), torch.ones(3, 1), 0.1, r"kernel \(3, 2\) must be"),
        (torch.ones(2, 3, 4), torch.ones(3, 2), 0.1, r"kernel \(2, 3, 4\) must be"),
        (torch.eye(3), torch.ones(4, 1), 0.1, r"targets \(4, 1\) must be"),
        (torch.eye(3), torch.ones(3), 0.1, r"targets \(3,\) must be"),
        (torch.eye(3).repeat(2, 1, 1), torch.ones(3, 1), 0.1, "k=2 columns"),
        (torch.eye(3) * float("nan"), torch.ones(3, 1), 0.1, "kernel has entries that are NaN"),
        (torch.eye(3), torch.ones(3, 1) / 0, 0.1, "targets holds 3 values that are NaN"),
        (torch.eye(3), torch.ones(3, 1), -0.1, "ridge=-0.1"),
        (torch.eye(3), torch.ones(3, 1), float("nan"), "ridge=nan"),
        (
            torch.stack([torch.eye(2), torch.zeros(2, 2)]),
            torch.ones(2, 2),
            0.1,
            r"kernel \[1\] has",
        ),
    ],
)
def test_bad_input_is_refused(kernel, targets, ridge, message):
    with unchecked(), pytest.raises(ValueError, match=message):
        solve(kernel, targets, ridge)


@pytest.mark.parametrize(
    ("kernel", "shape"),
    [((2, 4, 4), shape) for shape in [(4,), (5, 4), (2, 3), (3, 5, 4), (2, 4, 5)]]
    + [((4, 4), shape) for shape in [(4,), (4, 5), (2, 5, 4)]],
)
def test_a_test_kernel_unlike_the_fit_is_refused(kernel, shape):
    solution = solve(torch.eye(4).expand(kernel), torch.ones(4, 2))
    with unchecked(), pytest.raises(ValueError, match="as in the fit"):
        predict(torch.ones(shape), solution)


def test_centred_targets_sum_to_zero_and_change_no_argmax_with_one_kernel():
    labels = torch.arange(12) % 4
    targets = centred_one_hot(labels, 4)
    close(targets.sum(1) + 1, torch.ones(12).double())
    assert torch.equal(targets.argmax(1), labels)
    assert targets.dtype == torch.float64
    train, test = randn(12, 20), randn(9, 20)
    centred, plain = (
        predict(test @ train.T, solve(train @ train.T, t)) for t in (targets, targets + 0.25)
    )
    shift = plain - centred
    close(shift, shift[:, :1].expand(-1, 4))


@given(kernels_with_targets(), st.floats(-4, 1))
def test_a_coupled_kernel_is_one_system_of_all_outputs(drawn, exponent):
    kernel, cross, targets = drawn
    ridge, (n, k) = 10**exponent, targets.shape
    full = kernel if kernel.dim() == 4 else as_full(kernel, k)
    full_cross = cross if cross.dim() == 4 else as_full(cross, k)
    system = torch.linalg.inv(
        full.permute(0, 2, 1, 3).reshape(n * k, n * k)
        + ridge * torch.einsum("iiaa", full) / (n * k) * torch.eye(n * k).double()
    )
    several = torch.stack([targets, targets.roll(1, 0), -2 * targets])
    solution = solve(full, several, ridge)
    close(solution.dual.flatten(1), several.flatten(1) @ system, tolerance=1e-6)
    expected = torch.einsum("ijab,sjb->sia", full_cross, solution.dual)
    close(predict(full_cross, solution), expected)
    close(solution.scale, torch.einsum("iiaa", full)[None] / (n * k))
    if kernel.dim() == 2:  # one mean diagonal for all, so the ridge is the same
        close(solve(kernel, several, ridge).dual, solution.dual, tolerance=1e-6)


def test_a_coupled_kernel_is_predicted_with_by_a_coupled_kernel_only():
    solution = solve(torch.eye(8).view(4, 2, 4, 2).transpose(1, 2), torch.ones(4, 2))
    predict(torch.ones(3, 4, 2, 2), solution)
    for shape in [(3, 4), (2, 3, 4), (4, 3, 2, 2), (3, 4, 2, 1), (3, 4, 3, 3)]:
        with unchecked(), pytest.raises(ValueError, match="'full' kernel with n=4, k=2"):
            predict(torch.ones(shape), solution)
    with unchecked(), pytest.raises(ValueError, match="k=2 columns"):
        solve(torch.ones(4, 4, 2, 2), torch.ones(4, 3))
