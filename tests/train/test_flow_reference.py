"""The flow on small random problems: the loss never rises, and the path is that of DOP853.

Four samples, two classes, two neurons each: a neuron often waits long and then escapes within a
step or two, which is where an estimate of the curvature from before the escape is far too low.
"""

import itertools

import numpy as np
import pytest
import torch
from scipy.integrate import solve_ivp

from multiview import stream
from multiview.models import PatchNet
from multiview.train import Diverged, TrainSpec, cross_entropy, train_patch_net
from multiview.train.patch_gradient import patch_gradient

LABELS = torch.tensor([0, 0, 1, 1])
# With these, steps into a late escape took weights to 10^4 and more, past losses of up to 10^10.
LATE_ESCAPES = (8, 11, 31, 40, 45, 70, 142, 152, 160, 172, 190)


@pytest.fixture(autouse=True)
def one_thread():
    """Two threads spend far more time on meeting than on arrays of a few numbers."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def problem(seed: int, dtype: torch.dtype = torch.float32) -> tuple[torch.Tensor, PatchNet]:
    """Four samples of three patches and a network of four neurons."""
    patches = 0.3 * torch.randn(4, 3, 4, generator=stream(seed, "x"))
    patches[range(4), 0, range(4)] += 1.5
    net = PatchNet(
        num_classes=2,
        width=2,
        patch_dim=4,
        relu_knee=2.0,
        sigma_init=0.1,
        generator=stream(seed),
    )
    return patches.to(dtype), net.to(dtype)


def along_the_reference(net: PatchNet, patches: torch.Tensor, loss: float) -> np.ndarray:
    """The weights of the exact flow where its loss has fallen to ``loss``."""
    objective, rows = cross_entropy(LABELS, 2), torch.arange(len(patches))

    def gradient(weight: np.ndarray):
        at = net.with_weight(torch.from_numpy(weight).view(net.weight.shape))
        return patch_gradient(at, patches, objective, rows)

    def reached(_: float, weight: np.ndarray) -> float:
        return float(gradient(weight).loss) - loss

    reached.terminal = True
    start = net.weight.detach().flatten().numpy().copy()
    path = solve_ivp(
        lambda _, weight: -gradient(weight).weight.flatten().numpy(),
        (0.0, 1e6),
        start,
        method="DOP853",
        rtol=1e-8,
        atol=1e-10,
        events=reached,
    )
    assert path.t_events[0].size == 1
    return path.y[:, -1]


def rise(loss: torch.Tensor) -> float:
    """How far a loss ever stood above an earlier one."""
    return float((loss - loss.cummin(0).values).max())


def is_reached(net: PatchNet, patches: torch.Tensor) -> torch.Tensor:
    """Samples of which a neuron of their class sees a patch; the flow never moves the others."""
    own = net.weight.detach()[0, LABELS]  # (n, m, d)
    return (torch.einsum("nmd,npd->nmp", own, patches) > 0).flatten(1).any(1)


@pytest.mark.parametrize("seed", [*LATE_ESCAPES, *range(1000, 1015)])
def test_the_loss_never_rises_and_no_neuron_leaps(seed):
    patches, net = problem(seed)
    seen = []
    result = train_patch_net(
        net,
        patches,
        LABELS,
        TrainSpec(max_steps=700),
        observe=lambda time, now: seen.append(now.weight.detach()),
    )
    assert rise(result.loss) <= 1e-4
    assert torch.equal(result.converged[0], is_reached(result.net, patches).all())
    # A step lets a neuron grow by a third of its unit, and is refused beyond twice as much.
    for before, after in itertools.pairwise(seen):
        unit = 1.5 * net.sigma_init + (before - seen[0]).norm(dim=-1)
        assert ((after - before).norm(dim=-1) <= 2 / 3 * unit * (1 + 1e-5)).all()


@pytest.mark.parametrize("relative_step", [1.0, 0.3, 0.1, 0.03])
def test_it_is_stable_at_every_step(relative_step):
    """Its loss rose from 0.69 to 515, and that was called converged."""
    patches, net = problem(152)
    spec = TrainSpec(relative_step=relative_step, max_steps=1500)
    result = train_patch_net(net, patches, LABELS, spec)
    assert rise(result.loss) <= 1e-4
    assert float(result.net.weight.detach().norm()) < 30
    # No neuron of its class ever sees the second sample: what is left is log(2) of a quarter.
    assert not result.converged.any()
    assert float(result.loss[-1]) == pytest.approx(np.log(2) / 4, abs=1e-3)


def test_members_are_refused_one_by_one():
    """Beside others, a network whose steps are refused trains as it does alone."""
    patches, net = problem(8, torch.float64)
    others = problem(1004)[1].double().weight, problem(142)[1].double().weight
    nets = net.with_weight(torch.cat([net.weight, *others]))
    spec = TrainSpec(max_steps=400)
    together = train_patch_net(nets, patches, LABELS, spec)
    for e in range(3):
        alone = train_patch_net(nets.member(e), patches, LABELS, spec)
        assert together.steps[e] == alone.steps[0]
        torch.testing.assert_close(
            together.net.weight[e], alone.net.weight[0], rtol=1e-6, atol=1e-8
        )


@pytest.mark.parametrize("seed", [1, 2, 3, 4, 5, 8])
def test_it_follows_the_exact_flow_to_first_order(seed):
    gaps = []
    for relative_step in (0.2, 0.05):
        patches, net = problem(seed, torch.float64)
        spec = TrainSpec(relative_step=relative_step, max_steps=20_000)
        result = train_patch_net(net, patches, LABELS, spec)
        assert result.converged.all()
        expected = along_the_reference(net, patches, float(result.loss[-1]))
        found = result.net.weight.detach().flatten().numpy()
        gaps.append(np.linalg.norm(found - expected) / np.linalg.norm(expected))
    assert gaps[0] < 0.25
    assert gaps[1] < 0.4 * gaps[0] or gaps[1] < 1e-3


def test_an_objective_whose_derivative_is_not_its_own_is_refused():
    """Its loss rises along what it calls its gradient, however short the step."""
    patches, net = problem(0)
    net = net.with_weight(10 * net.weight)  # a start where the loss has far to rise
    hard = cross_entropy(LABELS, 2)

    def uphill(logits, rows, nets):
        loss, residual = hard(logits, rows, nets)
        return loss, -residual

    with pytest.raises(Diverged, match=r"rises along the flow.* after step \d+ with TrainSpec"):
        train_patch_net(net, patches, LABELS, TrainSpec(), objective=uphill)
