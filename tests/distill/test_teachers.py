"""averaged_logits and ensemble_teacher: means of distributions, and teachers that never change."""

import hypothesis.strategies as st
import pytest
import torch
from hypothesis import given
from torch import nn
from unchecked import unchecked

from multiview import stream
from multiview.distill import averaged_logits, ensemble_teacher


def logits(seed: int, scale: float = 3.0) -> torch.Tensor:
    return scale * torch.randn(5, 4, 3, generator=stream(seed, "logits"))


@given(st.integers(0, 50), st.floats(0.5, 20))
def test_softened_at_the_lessons_temperature_it_is_the_mean_of_softened_members(seed, T):
    members = logits(seed)
    arithmetic = (averaged_logits(members, "probabilities", T) / T).softmax(-1)
    torch.testing.assert_close(arithmetic, (members / T).softmax(-1).mean(1))
    geometric = (averaged_logits(members, "logits", T) / T).softmax(-1)
    product = (members / T).log_softmax(-1).mean(1).exp()
    torch.testing.assert_close(geometric, product / product.sum(-1, keepdim=True))


def test_the_mean_at_one_temperature_is_not_the_mean_at_another():
    members = logits(0)
    right = (averaged_logits(members, "probabilities", 4.0) / 4).softmax(-1)
    wrong = (averaged_logits(members, "probabilities", 1.0) / 4).softmax(-1)
    assert (right - wrong).abs().max() > 0.05


def test_certain_members_give_finite_logits():
    members = torch.tensor([[[900.0, 0.0, 0.0], [900.0, 0.0, 0.0]]])
    mean = averaged_logits(members)
    assert mean.isfinite().all()
    torch.testing.assert_close(mean - mean.amax(), torch.tensor([[0.0, -900.0, -900.0]]))


def net(seed: int) -> nn.Module:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(6, 8), nn.BatchNorm1d(8), nn.Dropout(0.5), nn.Linear(8, 3))


@pytest.mark.parametrize("average", ["probabilities", "logits"])
def test_members_in_train_mode_teach_in_eval_mode_and_stay_as_they_were(average):
    members = [net(0).train(), net(1).eval()]
    before = [{name: v.clone() for name, v in each.state_dict().items()} for each in members]
    x = torch.randn(20, 6, generator=stream(0, "x"))
    teach = ensemble_teacher(members, average, 2.0)
    taught = teach(x)
    assert taught.equal(teach(x))  # no dropout
    assert not taught.requires_grad
    quiet = torch.stack([each.eval()(x) for each in members], 1)
    torch.testing.assert_close(taught, averaged_logits(quiet, average, 2.0))
    for each, state in zip(members, before, strict=True):
        assert all(each.state_dict()[name].equal(value) for name, value in state.items())
    teach(x)
    members[0].train()
    teach(x)
    assert members[0].training
    assert all(part.training for part in members[0].modules())


def test_bad_ensembles_are_refused():
    with pytest.raises(ValueError, match="members"):
        ensemble_teacher([])
    with unchecked(), pytest.raises(ValueError, match="average"):
        averaged_logits(logits(0), "median")  # pyright: ignore[reportArgumentType]
    with pytest.raises(ValueError, match="temperature"):
        averaged_logits(logits(0), temperature=0.0)
