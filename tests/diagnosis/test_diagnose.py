"""diagnose: networks and data as they come, what is refused, the text and the picture."""

from types import SimpleNamespace

import pytest
import torch
from made_nets import labels, noisy
from torch import nn
from torch.utils.data import DataLoader, TensorDataset
from unchecked import unchecked

from multiview.diagnosis import Diagnosis, diagnose
from multiview.probes import agreement

N = 300
DRAWN = torch.Generator().manual_seed(0)
X = torch.randn(N, 6, generator=DRAWN)
Y = X[:, :3].argmax(1)


class Net(nn.Module):
    """Right about as often as its noise allows; in train mode it answers otherwise."""

    def __init__(self, seed: int, noise: float = 0.5, k: int = 3) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(6, k))
        drawn = torch.Generator().manual_seed(seed)
        nn.init.eye_(self.weight)
        self.weight.data += noise * torch.randn(6, k, generator=drawn)
        self.drop = nn.Dropout(0.9)

    def forward(self, x):
        return self.drop(x @ self.weight)


def same(one: Diagnosis, other: Diagnosis) -> bool:
    return str(one) == str(other) and one.by_size == other.by_size


def test_modules_and_their_logits_are_diagnosed_alike():
    nets = [Net(seed).eval() for seed in range(3)]
    logits = [net(X).detach() for net in nets]
    expected = diagnose(logits, Y)
    assert same(diagnose(logits, (X, Y)), expected)
    assert same(diagnose(nets, (X, Y)), expected)
    assert same(diagnose(nets, (X, Y), batch_size=7, device="cpu"), expected)
    assert same(diagnose(nets, TensorDataset(X, Y)), expected)
    assert same(diagnose(nets, DataLoader(TensorDataset(X, Y), batch_size=32)), expected)
    # A loader that shuffles changes the order of samples alone.
    shuffled = diagnose(nets, DataLoader(TensorDataset(X, Y), batch_size=32, shuffle=True))
    assert shuffled.by_size == pytest.approx(expected.by_size)
    assert shuffled.one.nll == pytest.approx(expected.one.nll)


def test_networks_are_evaluated_in_eval_mode_without_gradients_and_left_as_they_were():
    nets = [Net(0), Net(1).eval(), Net(2)]
    nets[2].drop.eval()  # frozen by its owner, in a network that trains
    before = [[each.training for each in net.modules()] for net in nets]
    assert same(diagnose(nets, (X, Y)), diagnose([net.eval() for net in nets], (X, Y)))
    for net, modes in zip(nets, before, strict=True):
        for each, mode in zip(net.modules(), modes, strict=True):
            each.training = mode
    diagnose(nets, (X, Y))
    assert [[each.training for each in net.modules()] for net in nets] == before
    assert all(net.weight.grad is None for net in nets)


def test_an_output_that_holds_logits_will_do():
    class Wrapped(Net):
        def forward(self, x):
            return SimpleNamespace(logits=super().forward(x))

    assert same(diagnose([Wrapped(0), Wrapped(1)], (X, Y)), diagnose([Net(0), Net(1)], (X, Y)))


def test_what_is_measured_holds_together():
    nets = noisy(N, 3, torch.Generator().manual_seed(3))
    found = diagnose(nets, labels(N))
    assert found.agreement == agreement(torch.stack(nets, 1), labels(N))
    assert found.by_size[1] == pytest.approx(sum(found.errors) / 3)
    assert int(found.counts.samples.sum()) == N
    right = float((found.counts.samples * torch.arange(4)).sum()) / (3 * N)
    assert right == pytest.approx(1 - found.by_size[1])
    gained = float((found.counts.gain * found.counts.samples).nansum()) / N
    assert gained == pytest.approx(found.by_size[1] - found.by_size[3])
    assert found.together.nll < found.one.nll  # as of any average of probabilities


def test_the_same_seed_gives_the_same_numbers():
    nets = noisy(N, 2, torch.Generator().manual_seed(3))
    assert diagnose(nets, labels(N)).predictions == diagnose(nets, labels(N)).predictions
    assert diagnose(nets, labels(N)).predictions != diagnose(nets, labels(N), seed=1).predictions


def test_the_text_the_table_and_the_picture_show_all_predictions():
    found = diagnose(noisy(N, 2, torch.Generator().manual_seed(3)), labels(N), sizes=(2, 7))
    text = str(found)
    for words in (
        "network 1",
        "300 samples of",
        "the average of 7, logits *",
        "the average of 2, probabilities  ",
        "one student of 7 averaged *",
        "self-distillation",
        "ECE",
    ):
        assert words in text
    table = found.table
    assert len(table) == 2 * 2 + len(found.predictions) == 11
    shown = [axes.get_title("left") for axes in found.figure.axes]
    assert len(shown) == 2
    ticks = [each.get_text() for each in found.figure.axes[1].get_yticklabels()]
    assert ticks == [
        *("the average of 2", "the average of 7"),
        *("one student of 2", "one student of 7", "self-distillation"),
    ]


def test_a_prediction_that_was_not_asked_for_is_refused():
    found = diagnose(noisy(N, 2, torch.Generator().manual_seed(3)), labels(N), sizes=(2,))
    with pytest.raises(ValueError, match=r"size=10.* there are ensemble of 2"):
        found.predicted("ensemble", 10)


GOOD = [Net(0), Net(1)]
LOGITS = [net.eval()(X).detach() for net in GOOD]
NAN = LOGITS[0].clone()
NAN[3, 1] = torch.nan
UNTRAINED = torch.randn(N, 3, generator=torch.Generator().manual_seed(9))


class Unasked(nn.Module):
    """A network that must not be called."""

    def forward(self, x):
        raise AssertionError("work was done before a check")


@pytest.mark.parametrize(
    ("nets", "data", "settings", "words"),
    [
        ([Unasked()], (X, Y), {}, "nets holds 1: .* give two or more"),
        (Unasked(), (X, Y), {}, "nets is a Unasked: give a list"),
        ([Unasked(), LOGITS[0]], (X, Y), {}, "nets holds Tensor, Unasked: give torch modules"),
        ([Unasked(), 3], (X, Y), {}, "nets holds Unasked, int: give torch modules"),
        ([Unasked(), Unasked()], X, {}, "data is a Tensor without labels: give pairs"),
        ([Unasked(), Unasked()], [X, X, X], {}, "data gives a Tensor without labels: give pairs"),
        ([Unasked(), Unasked()], (X, None), {}, "data is a Tensor and a NoneType: give pairs"),
        ([Unasked(), Unasked()], (X, Y[1:]), {}, "data has 300 inputs and 299 labels"),
        ([Unasked(), Unasked()], (X, Y.double()), {}, "labels are .*float64: give the classes as"),
        ([Unasked(), Unasked()], [], {}, "data holds no samples: give pairs"),
        ([Unasked(), Unasked()], (X, Y), {"sizes": ()}, "sizes=.* is empty"),
        ([Unasked(), Unasked()], (X, Y), {"sizes": (1,)}, "sizes=.*counts networks"),
        ([Unasked(), Unasked()], (X, Y), {"level": 95}, "level=95 is a probability"),
        ([Unasked(), Unasked()], (X, Y), {"batch_size": 0}, "batch_size=0 counts samples"),
        ([Unasked(), Unasked()], (X, Y), {"device": "abacus"}, "device='abacus' is not available"),
        ([Net(0), Net(1, k=4)], (X, Y), {}, r"nets\[1\] tells 4 classes apart and nets\[0\] 3"),
        ([nn.Flatten(0), Net(1)], (X, Y), {}, r"Flatten gives \(1536,\) for 256 samples"),
        ([LOGITS[0], LOGITS[1][1:]], Y, {}, r"nets\[1\] gives logits of 299 samples for 300"),
        ([LOGITS[0], LOGITS[1].long()], Y, {}, r"nets\[1\] gives \(300, 3\) of torch.int64"),
        (LOGITS, DataLoader(TensorDataset(X, Y)), {}, "data is a DataLoader: with nets given as"),
        (LOGITS, Y + 1, {}, "labels run from 1 to 3 and nets tell 3 classes apart"),
        ([LOGITS[1], NAN], Y, {}, r"nets\[1\] gives 1 logits that are NaN or infinite"),
        ([LOGITS[0], LOGITS[1], LOGITS[0]], Y, {}, r"nets\[0\] and nets\[2\] give the same logits"),
        ([Net(0), Net(0)], (X, Y), {}, r"nets\[0\] and nets\[1\] give the same logits"),
        ([LOGITS[0], UNTRAINED], Y, {}, r"nets\[1\] is right on .* use trained networks"),
    ],
)
def test_what_cannot_be_diagnosed_is_refused_in_one_line(nets, data, settings, words):
    with unchecked(), pytest.raises(ValueError, match=words) as refused:
        diagnose(nets, data, **settings)
    assert "\n" not in str(refused.value)


def test_a_network_that_names_the_commonest_class_is_untrained():
    y = torch.tensor([0] * 270 + [1] * 30)
    nets = [torch.stack([torch.ones(300), 0.1 * torch.randn(300)], 1) for _ in range(2)]
    with pytest.raises(ValueError, match=r"commonest class \(90.0%\)"):
        diagnose(nets, y)
