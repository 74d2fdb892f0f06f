"""Loaders in the place of tensors: the same training, labels that follow their samples."""

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
        return (next(self.batches) for _ in range(self.size))


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

    def loss(logits, inputs, beside):
        seen.append((inputs, beside))
        return logits.square().mean()

    fit(net(), [X[:20], X[20:]], loss, SPEC, stream(0, "order"))
    assert [len(inputs) for inputs, _ in seen] == [20, 30] * 3
    assert all(beside is None for _, beside in seen)


def test_what_a_loader_cannot_do_is_refused(tmp_path):
    loader = DataLoader(TensorDataset(X, Y), batch_size=7)
    with pytest.raises(ValueError, match="augment"):
        fit(net(), loader, target_loss(None), SPEC, stream(0), augment=flip_and_crop)
    kept = Checkpoint(path=tmp_path / "kept.pt")
    with pytest.raises(ValueError, match="checkpoint"):
        fit(net(), loader, target_loss(None), SPEC, stream(0), checkpoint=kept)
    with pytest.raises(ValueError, match="empty"):
        fit(net(), X[:0], target_loss(Y), SPEC, stream(0))


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
