"""Specialists of PatchNets: their data, their starts, and what they answer."""

import math

import torch

from multiview import stream
from multiview.data import MultiViewSpec
from multiview.models import PatchNet
from multiview.train import TrainSpec
from theory_experiments import _patch_specialists as patch_part
from theory_experiments import _specialist_tables as tables
from theory_experiments._patch_specialists import PatchSpecialistCell, from_generalist

PATCHES = PatchSpecialistCell(
    spec=MultiViewSpec(
        num_classes=4, patch_dim=20, num_patches=6, sparsity=1.0, mu=0.25, sigma_p=0.1
    ),
    num_train=60,
    num_validation=40,
    num_test=50,
    probes_per_view=20,
    members=2,
    num_sets=2,
    width=3,
    train=TrainSpec(max_steps=60),
)


def quiet(message: str, fraction: float) -> None:
    """Progress to nobody."""


def test_a_dustbin_starts_with_the_largest_neurons_of_the_rest():
    net = PatchNet(num_classes=4, width=3, patch_dim=2, generator=stream(0))
    with torch.no_grad():
        size = torch.tensor([[1.0, 2, 3], [9, 1, 4], [5, 6, 7], [8, 0, 2]])
        net.weight[0] = size.unsqueeze(-1) * torch.tensor([0.6, 0.8])
    weight = from_generalist(net, [2, 0]).weight.norm(dim=-1)
    expected = torch.tensor([[[5.0, 6, 7], [1, 2, 3], [9, 8, 4]]])
    torch.testing.assert_close(weight, expected)


def test_patches_tell_the_two_starts_apart(monkeypatch):
    nets = []
    fit = patch_part.fit
    monkeypatch.setattr(
        patch_part,
        "fit",
        lambda name, net, batch, *rest: (
            nets.append((name, net, batch)) or fit(name, net, batch, *rest)
        ),
    )
    row = patch_part.run_patch_specialists(PATCHES, quiet)
    tuned, fresh = ([each for each in nets if each[0].startswith(w)] for w in ("tuned", "fresh"))
    assert len(tuned) == len(fresh) == 4  # two sets of each of two generalists
    for (_, old, batch), (_, new, other) in zip(tuned, fresh, strict=True):
        assert old.weight.shape == new.weight.shape == (1, 3, 3, 20)
        assert old.weight.abs().max() > 4 * new.weight.abs().max()  # trained before
        assert batch.patches.equal(other.patches)
        true = batch.strength.sum(2).argmax(1)  # its own class is the strongest in a sample
        own = [set(true[batch.labels == place].tolist()) for place in range(3)]
        assert [len(each) for each in own] == [1, 1, 2]
        assert 0.5 <= (batch.labels < 2).double().mean() < 0.6  # there may be fewer others
    assert len({float(net.weight.sum().detach()) for _, net, _ in fresh}) == 4
    for who in (*tables.ON_PATCHES, "tuned_alone", "fresh_alone"):
        assert 0 <= row[who]["both"] <= row[who]["coverage"] <= 1
        assert {"single", "multi", "train"} <= set(row[who])
    assert row["tuned_alone"]["steps"] < row["fresh_alone"]["steps"]
    assert [sum(sizes) for sizes in row["data"]["clusters"]] == [4, 4]


def test_progress_of_patches_never_goes_back():
    seen = []
    patch_part.run_patch_specialists(PATCHES, lambda message, fraction: seen.append(fraction))
    assert seen == sorted(seen)
    assert 0.85 < seen[-1] <= 1
    assert len({round(each, 2) for each in seen}) > 4


def test_what_a_patch_specialist_answers_is_corrected():
    net = PatchNet(num_classes=3, width=2, patch_dim=20, generator=stream(0))
    batch = patch_part.draw_train(PATCHES, patch_part.draw_features(PATCHES))
    plain, more = (
        patch_part._answer(
            patch_part.Trained(
                classes=[3, 1], net=net, oversampling=ratio, steps=1.0, converged=True
            ),
            batch,
        )
        for ratio in (1.0, math.e)
    )
    assert plain[0] == [3, 1]
    assert plain[1].equal(net(batch.patches)[:, 0])
    torch.testing.assert_close(more[1] - plain[1], torch.tensor([0.0, 0, 1]).expand(60, 3))


def test_alone_the_specialists_are_judged_above_their_dustbins():
    said = [([2, 0], torch.tensor([[5.0, 1, 2]])), ([1], torch.tensor([[4.0, 3]]))]
    assert patch_part._alone(said, 3).tolist() == [[-1, 1, 3]]
