"""How a generalist and its specialists are combined."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import minimize

from multiview import stream
from multiview.distill.combination import combine, consulted

SETS = ([0, 3], [4, 2, 5], [5, 1])  # of 6 classes, two of them overlapping


def normal(*shape: int, name: str = "") -> torch.Tensor:
    return torch.randn(*shape, generator=stream(0, "normal", name, *shape), dtype=torch.float64)


def several(n: int = 8, scale: float = 2.0) -> tuple[torch.Tensor, list]:
    """A generalist of 6 classes and specialists of ``SETS``."""
    said = [
        (classes, scale * normal(n, len(classes) + 1, name=f"said {i}"))
        for i, classes in enumerate(SETS)
    ]
    return scale * normal(n, 6, name="generalist"), said


def divergence(q: torch.Tensor, generalist: torch.Tensor, said: list) -> torch.Tensor:
    """KL(p_g, q) + sum of KL(p_m, q), written out."""
    total = torch.zeros(len(q), dtype=torch.float64)
    for i, p in enumerate(generalist.softmax(1).unbind(1)):
        total += p * (p.log() - q[:, i].log())
    for classes, logits in said:
        *own, dustbin = logits.softmax(1).unbind(1)
        rest = torch.stack([q[:, i] for i in range(q.shape[1]) if i not in classes]).sum(0)
        total += dustbin * (dustbin.log() - rest.log())
        for i, p in zip(classes, own, strict=True):
            total += p * (p.log() - q[:, i].log())
    return total


def test_specialists_and_generalist_meet_at_the_minimum_that_scipy_finds():
    generalist, said = several(scale=3.0)
    q = combine(generalist, said, top=6).softmax(1)
    torch.testing.assert_close(q.sum(1), torch.ones(8, dtype=torch.float64))
    for row in range(8):
        mine = generalist[[row]], [(classes, logits[[row]]) for classes, logits in said]

        def loss(z: np.ndarray, mine: tuple = mine) -> float:
            return float(divergence(torch.from_numpy(z).softmax(0)[None], *mine))

        best = minimize(loss, np.zeros(6), method="BFGS", options={"gtol": 1e-9})
        expected = torch.from_numpy(best.x).softmax(0)
        torch.testing.assert_close(q[row], expected, rtol=1e-4, atol=1e-5)
        assert float(divergence(q[[row]], *mine)) <= best.fun + 1e-9


def test_so_it_does_by_the_papers_gradient_descent_on_logits():
    generalist, said = several(4, scale=1.0)
    z = torch.zeros(4, 6, dtype=torch.float64, requires_grad=True)
    for _ in range(700):
        (slope,) = torch.autograd.grad(divergence(z.softmax(1), generalist, said).sum(), z)
        z = (z - 0.5 * slope).detach().requires_grad_()
    found = combine(generalist, said, top=6).softmax(1)
    torch.testing.assert_close(found, z.softmax(1).detach(), rtol=1e-5, atol=1e-6)


def test_one_specialist_has_a_closed_form():
    # Stationarity: within S the mean of both; outside, the generalist's proportions, with the mean
    # of its mass there and the dustbin's.
    generalist, (_, (classes, logits), _) = several(50, scale=4.0)
    p_g, p_m = generalist.softmax(1), logits.softmax(1)
    outside = p_g.clone()
    outside[:, classes] = 0
    mass = outside.sum(1, keepdim=True)
    expected = outside / mass * (mass + p_m[:, -1:]) / 2
    expected[:, classes] = (p_g[:, classes] + p_m[:, :-1]) / 2
    found = combine(generalist, [(classes, logits)], top=6)
    torch.testing.assert_close(found.softmax(1), expected, rtol=1e-9, atol=1e-15)


@given(st.integers(0, 999))
def test_specialists_that_say_what_the_generalist_says_change_nothing(seed):
    generalist = 3 * torch.randn(3, 6, generator=stream(seed), dtype=torch.float64)
    said = []
    for classes in SETS:
        rest = [i for i in range(6) if i not in classes]
        parts = [generalist[:, classes], generalist[:, rest].logsumexp(1, keepdim=True)]
        said.append((classes, torch.cat(parts, 1) + 1))
    found = combine(generalist, said, top=6)
    torch.testing.assert_close(found.softmax(1), generalist.softmax(1), rtol=0, atol=1e-7)


def test_only_those_of_the_best_classes_are_asked():
    generalist = torch.tensor([[9.0, 0, 1, 2, 3, 4], [0, 0, 9, 8, 0, 1], [0, 9, 0, 0, 0, 7]])
    sets = [[0, 3], [4, 2], [5, 3]]
    assert consulted(generalist, sets).tolist() == [
        [True, False, False],
        [False, True, False],
        [False, False, False],
    ]
    assert consulted(generalist, sets, 2).tolist() == [
        [True, False, True],
        [True, True, True],
        [False, False, True],
    ]
    assert consulted(generalist, sets, 6).all()
    for top in (0, 7):
        with pytest.raises(ValueError, match=f"top={top}"):
            consulted(generalist, sets, top)


def test_a_sample_hears_its_own_specialists_and_no_others():
    generalist, said = several(40)
    asked = consulted(generalist, [classes for classes, _ in said], top=1)
    assert 0 < (~asked.any(1)).sum() + asked.all(1).sum() + asked.sum() < asked.numel()
    found = combine(generalist, said, top=1)
    for row in range(40):
        mine = [
            (classes, logits[[row]])
            for (classes, logits), mine in zip(said, asked[row].tolist(), strict=True)
            if mine
        ]
        alone = combine(generalist[[row]], mine, top=6)[0]
        torch.testing.assert_close(found[row], alone, rtol=1e-6, atol=1e-6)
        if not mine:
            assert found[row].equal(generalist[row])


def test_where_nobody_is_asked_the_generalist_speaks_alone():
    generalist = normal(3, 6)
    assert combine(generalist, []).equal(generalist)
    sure = torch.tensor([[9.0, 0, 0, 0, 0, 0]])
    assert combine(sure, [([4, 2], torch.zeros(1, 3))]).equal(sure)


def test_extreme_logits_stay_finite_in_the_generalists_precision():
    generalist = torch.tensor([[500.0, 0, -500, 0, 0, 0], [0, -900, -900, -900, 500, -900]])
    said = [([0, 1], torch.tensor([[-800.0, 0, 800], [-800, -800, 900]]))]
    found = combine(generalist, said, top=6)
    assert found.dtype == torch.float32
    assert found.isfinite().all()
    torch.testing.assert_close(found[0].softmax(0)[0], torch.tensor(0.5))


def test_logits_that_do_not_fit_are_refused():
    generalist = torch.zeros(2, 4)
    with pytest.raises(ValueError, match=r"\(2, 2\): it takes \(2, 3\)"):
        combine(generalist, [([0, 1], torch.zeros(2, 2))])
    with pytest.raises(ValueError, match="not all"):
        combine(generalist, [([0, 1, 2, 3], torch.zeros(2, 5))])
