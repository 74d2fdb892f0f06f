"""Loaders in the place of tensors: the same training, labels that follow their samples."""

from itertools import islice

import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from multiview import stream
from multiview.data.augment import flip_and_crop
from multiview.train.checkpoint import Checkpoint
from multiview.train.loop import fit, target_loss
from multiview.train.optim import OptimSpec

X = torch.randn(50, 6, generator=stream(0, "x"))
Y = torch.arange(50) % 3
SPEC = OptimSpec(epochs=3, batch_size=7, learning_rate=0.2)


def net() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Linear(8, 3))


class Recorded:
    """The batches that a training in memory took."""

    def __init__(self):
        self.batches = []

    def loss(self, logits, seen, rows):
        self.batches.append((seen, Y[rows]))
        return target_loss(Y)(logits, seen, rows)


class PerEpoch:
    """Other batches in each epoch."""

    def __init__(self, batches, epochs):
        self.batches, self.size = iter(batches), len(batches) // epochs

    def __len__(self):
        return self.size

    def __iter__(self):
        return islice(self.batches, self.size)


def test_a_loader_of_the_same_batches_gives_the_same_weights():
    recorded, in_memory, loaded = Recorded(), net(), net()
    spec = OptimSpec(epochs=3, batch_size=10, learning_rate=0.2)
    expected = fit(in_memory, X, recorded.loss, spec, stream(0, "order"))
    loader = PerEpoch(recorded.batches, spec.epochs)
    result = fit(loaded, loader, target_loss(None), spec, stream(0, "order"))
    for name, value in in_memory.state_dict().items():
        assert loaded.state_dict()[name].equal(value), name
    assert result.steps == expected.steps == 15
    torch.testing.assert_close(result.loss, expected.loss)


def test_a_shuffled_loader_repeats_itself_from_the_generator():
    loader = DataLoader(TensorDataset(X, Y), batch_size=7, shuffle=True)
    weights = []
    for name in ("a", "a", "b"):
        module = net()
        fit(module, loader, target_loss(None), SPEC, stream(0, name))
        weights.append(module.get_parameter("0.weight"))
    assert weights[0].equal(weights[1])
    assert not weights[0].equal(weights[2])


def test_a_loader_may_give_inputs_alone():
    seen = []

    def loss(logits, inputs, given):
        seen.append((inputs, given))
        return logits.square().mean()

    fit(net(), [X[:20], X[20:]], loss, SPEC, stream(0, "order"))
    assert [len(inputs) for inputs, _ in seen] == [20, 30] * 3
    assert all(given.labels is None for _, given in seen)


def test_what_a_loader_cannot_do_is_refused(tmp_path):
    loader = DataLoader(TensorDataset(X, Y), batch_size=7)
    with pytest.raises(ValueError, match="augment"):
        fit(net(), loader, target_loss(None), SPEC, stream(0), augment=flip_and_crop)
    kept = Checkpoint(path=tmp_path / "kept.pt")
    with pytest.raises(ValueError, match="checkpoint"):
        fit(net(), loader, target_loss(None), SPEC, stream(0), checkpoint=kept)
    with pytest.raises(ValueError, match="empty"):
        fit(net(), X[:0], target_loss(Y), SPEC, stream(0))


def test_the_natural_loader_of_unlabelled_samples_is_taken():
    loader = DataLoader(TensorDataset(X), batch_size=25)  # its batches are lists of one
    fit(net(), loader, lambda logits, seen, given: logits.square().mean(), SPEC, stream(0))
    with pytest.raises(ValueError, match="gives no labels"):
        fit(net(), loader, target_loss(None), SPEC, stream(0))


def test_uneven_batches_count_by_their_samples():
    parts = [X[:40], X[40:]]
    spec = OptimSpec(epochs=1, learning_rate=1e-9, warmup=0.0)

    def loss(logits, seen, given):
        return seen.mean() + 0 * logits.sum()

    result = fit(net(), parts, loss, spec, stream(0))
    torch.testing.assert_close(result.loss, X.mean()[None])


def test_targets_of_all_samples_are_refused_beside_a_loader():
    loader = DataLoader(TensorDataset(X, Y), batch_size=7)
    with pytest.raises(ValueError, match="numbered by sample"):
        fit(net(), loader, target_loss(Y), SPEC, stream(0))
    with pytest.raises(ValueError, match="targets is None"):
        fit(net(), X, target_loss(None), SPEC, stream(0))


def test_a_loader_that_runs_dry_or_gives_something_else_is_named():
    once = PerEpoch([(X, Y)] * 2, 1)  # a second epoch finds nothing left
    with pytest.raises(ValueError, match="0 batches where its length is 2"):
        fit(net(), once, target_loss(None), SPEC, stream(0))
    with pytest.raises(ValueError, match="type dict"):
        fit(net(), [{"x": X}], target_loss(None), SPEC, stream(0))


def test_batches_beyond_a_loaders_length_are_left_out():
    class Longer(PerEpoch):
        def __len__(self):
            return 2

    spec, taken = OptimSpec(epochs=1, learning_rate=0.1), []

    def loss(logits, seen, given):
        taken.append(len(seen))
        return target_loss(None)(logits, seen, given)

    assert fit(net(), Longer([(X, Y)] * 3, 1), loss, spec, stream(0)).steps == 2
    assert taken == [50, 50]


def test_a_loader_moves_the_generator_on():
    generator, loader = stream(0), DataLoader(TensorDataset(X, Y), batch_size=10, shuffle=True)
    first, second = net(), net()
    fit(first, loader, target_loss(None), SPEC, generator)
    fit(second, loader, target_loss(None), SPEC, generator)
    assert not first.get_parameter("0.weight").equal(second.get_parameter("0.weight"))


def test_max_norm_bounds_each_units_weights_and_leaves_biases_alone():
    module = nn.Linear(6, 3)
    torch.nn.init.constant_(module.bias, 9.0)
    spec = OptimSpec(epochs=5, batch_size=10, learning_rate=0.5, max_norm=0.3, weight_decay=0.0)
    fit(module, X, target_loss(X[:, :3].argmax(1)), spec, stream(0, "order"))
    lengths = module.weight.norm(dim=1)
    assert lengths.max() <= 0.3 * (1 + 1e-5)
    assert lengths.max() > 0.29  # it is reached, so it was needed
    assert module.bias.min() > 5
    with pytest.raises(ValueError, match="max_norm"):
        OptimSpec(max_norm=0.0)
