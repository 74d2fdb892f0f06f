"""Distillation losses as data: one value per sample, equal to the functions, and limits."""

import copy

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from strategies import logit_pairs
from unchecked import unchecked

from multiview import stream
from multiview.distill import Hinton, PaperUpdate, Squares, hinton_kd, l2_logits, paper_kd

LOSSES = (Hinton(), Squares(), Squares(center=False), PaperUpdate(), PaperUpdate(gated=False))


@pytest.mark.parametrize("kd_loss", LOSSES, ids=repr)
@pytest.mark.parametrize("batch", [(), (4,), (4, 3)])
def test_there_is_one_value_of_each_sample_whatever_the_batch(kd_loss, batch):
    student, teacher = torch.randn(2, *batch, 5, generator=stream(0, "pair"))
    values = kd_loss(student, teacher)
    assert values.shape == batch
    flat = [kd_loss(s, t) for s, t in zip(student.view(-1, 5), teacher.view(-1, 5), strict=True)]
    torch.testing.assert_close(values.flatten(), torch.stack(flat))


@given(logit_pairs(), st.floats(0.5, 20), st.floats(0.2, 1.0), st.booleans())
def test_the_mean_is_that_of_the_function_to_the_bit(pair, temperature, tau, flag):
    student, teacher = pair
    assert Hinton(temperature)(*pair).mean().equal(hinton_kd(student, teacher, temperature))
    update = PaperUpdate(tau=tau, scale=2.0, gated=flag)
    assert update(*pair).mean().equal(paper_kd(student, teacher, tau, scale=2.0, gated=flag))
    each = l2_logits(student, teacher, center=flag, reduction="none") / student.shape[-1]
    assert Squares(center=flag)(*pair).equal(each)


@given(logit_pairs(), st.floats(1e3, 1e5))
def test_centred_squares_are_the_limit_of_hot_hinton(pair, temperature):
    torch.testing.assert_close(
        Hinton(temperature)(*pair), Squares()(*pair), rtol=50 / temperature, atol=1e-6
    )


def test_losses_are_values():
    assert Hinton(4.0) == Hinton() == copy.deepcopy(Hinton())
    assert len({*LOSSES, *map(copy.deepcopy, LOSSES)}) == len(LOSSES)


@pytest.mark.parametrize(
    ("kind", "field", "value"),
    [
        (Hinton, "temperature", 0.0),
        (Hinton, "temperature", float("nan")),
        (Squares, "center", 1),
        (PaperUpdate, "tau", -1.0),
        (PaperUpdate, "scale", 0),
        (PaperUpdate, "gated", "yes"),
    ],
)
def test_bad_settings_are_refused_by_name(kind, field, value):
    with unchecked(), pytest.raises(ValueError, match=field):
        kind(**{field: value})
