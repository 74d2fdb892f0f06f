"""kernel_regime: eight errors of one call, and what a network of fixed features must show."""

import pytest
import torch
from torch import nn

from multiview.diagnosis import kernel_regime
from multiview.diagnosis.regime import METHODS, MODELS, ROLES

DRAWN = torch.Generator().manual_seed(0)


def samples(n: int) -> tuple[torch.Tensor, torch.Tensor]:
    x = torch.randn(n, 6, generator=DRAWN)
    return x, x[:, :3].argmax(1)


TRAIN, TEST = samples(80), samples(200)


@pytest.fixture(scope="module")
def linear(tmp_path_factory):
    """A linear model, which is its own tangent kernel, and of which all starts end alike."""
    out = tmp_path_factory.mktemp("regime")
    settings = {"members": 2, "epochs": 30, "seeds": 2, "out": out}
    return kernel_regime(lambda: nn.Linear(6, 3), TRAIN, TEST, **settings)


def test_all_eight_are_there(linear):
    assert set(linear.errors) == set(MODELS)
    for errors in linear.errors.values():
        assert set(errors) == set(ROLES)
        assert all(0 <= each <= 0.4 for each in errors.values())
    assert set(linear.table["method"]) == set(METHODS)


def test_a_linear_model_gains_nothing_by_any_of_them(linear):
    """Its features are the inputs for every start: an ensemble has no more than one."""
    for model in MODELS:
        for role in ("ensemble", "summed", "distilled"):
            assert abs(linear.gain(model, role).mean) <= 0.03
    assert linear.gain("network", "member").mean == 0


def test_the_text_and_the_picture_show_them(linear):
    text = str(linear)
    assert text.count("a gain of") == 6
    assert "One tangent kernel errs on" in text
    left, right, *_ = linear.figure.axes
    assert len(left.patches) == 8
    assert right.get_title("left") == "b  Gains over one"


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"members": 1}, "members=1 counts networks"),
        ({"seeds": 0}, "seeds=0 counts repetitions"),
        ({"train": samples(2001)}, "train has 2001 samples: .* give a random 2000 of them"),
        ({"test": samples(3000)}, "test has 3000 samples"),
    ],
)
def test_what_would_not_fit_is_refused_before_any_training(settings, words, tmp_path):
    given = {"train": TRAIN, "test": TEST, "out": tmp_path} | settings
    with pytest.raises(ValueError, match=words):
        kernel_regime(lambda: nn.Linear(6, 3), **given)


def test_no_other_model_has_a_gain(linear):
    with pytest.raises(ValueError, match="model='forest': choose one of"):
        linear.gain("forest", "summed")
