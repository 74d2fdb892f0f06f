"""class_channels: what is measured of known networks, claims, tables and figure."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from tidy_tables import changed, repeated, texts

from figures import class_channels as figure
from multiview import stream
from multiview.bench import Classifier, check, run
from multiview.runs.claims import judge
from multiview.runs.experiment import Context
from theory_experiments import class_channels as script
from theory_experiments.views.carried_classes import (
    CarriedClasses,
    but_one,
    each_blanked,
    log_odds,
    measured,
)

OPTIONS = script.Options()


@pytest.fixture(scope="module")
def row():
    (cell,) = script.EXPERIMENT.cells("smoke", OPTIONS, seeds=1)
    return run(cell, Context())


def test_every_number_is_there_and_holds_together(row):
    for who in script.NETWORKS:
        found = row[who]
        assert found["carried"].shape == found["first"].shape
        networks, classes, channels = found["carried"].shape
        assert (networks, classes, channels) == (2, 10, 8)
        np.testing.assert_allclose(found["first"].sum(2), 1, atol=1e-6)
        assert 1 <= found["channels"] <= channels
        assert 1 <= found["firsts"] <= channels
        for name in ("agree", "agree_others", "with_mean"):
            assert -1 <= found[name] <= 1
    assert 0 <= row["ensemble"]["error"] <= 1
    assert 0 <= row["base"]["error"] <= 1


def test_log_odds_are_those_of_the_class_against_all_others():
    logits = torch.randn(5, 2, 4, generator=stream(0))
    labels = torch.tensor([0, 1, 2, 3, 0])
    p = logits.double().softmax(2)[torch.arange(5), :, labels]
    torch.testing.assert_close(log_odds(logits, labels), (p / (1 - p)).log())


def test_the_mean_of_all_others_leaves_the_network_out():
    logits = torch.arange(12.0).view(1, 3, 4)
    torch.testing.assert_close(but_one(logits)[:, 0], logits[:, 1:].mean(1))
    torch.testing.assert_close(but_one(logits)[:, 2], logits[:, :2].mean(1))


def test_one_channel_after_the_other_holds_what_is_typical():
    inputs, typical = torch.ones(2, 3, 4, 4), torch.zeros(3, 4, 4)
    blanked = list(each_blanked(inputs, typical))
    assert len(blanked) == 3
    for i, each in enumerate(blanked):
        assert each[:, i].equal(typical[i].expand(2, 4, 4))
        rest = [j for j in range(3) if j != i]
        assert each[:, rest].equal(inputs[:, rest])


def test_what_is_carried_is_what_known_networks_lose():
    """Logits are means of channels, so that what blanking one costs can be written out."""
    bench = script.SMOKE.bench(0, Context())

    def logits(x: torch.Tensor) -> torch.Tensor:
        means = x.mean((2, 3))
        return torch.stack([means[:, [(j + i) % 8 for j in range(10)]] for i in range(2)], 1)

    (found,) = (
        CarriedClasses(num_images=100).of(bench, {"member": Classifier(logits=logits)}).values()
    )
    x, labels, train = bench.samples.test, bench.samples.test_labels, bench.samples.train
    y, channel, network = 3, 4, 1  # the network's logit of this class is this channel's mean
    own = x[labels == y]
    blanked = own.clone()
    blanked[:, channel] = train[:, channel].mean(0)

    def odds(images: torch.Tensor) -> torch.Tensor:
        p = logits(images)[:, network].double().softmax(1)[:, y]
        return (p / (1 - p)).log()

    expected = (odds(own) - odds(blanked)).mean()
    assert abs(float(expected)) > 1e-4
    assert found["carried"][network, y, channel] == pytest.approx(float(expected), rel=1e-4)


def lost(*carries: list[list[int]]) -> torch.Tensor:
    """(10 samples of 2 classes, networks, 4 channels): each class loses by these channels alone."""
    found = torch.zeros(10, len(carries), 4, dtype=torch.float64)
    for network, of_classes in enumerate(carries):
        for label, channels in enumerate(of_classes):
            found[label::2, network, channels] = 1.0
    return found


LABELS = torch.arange(10) % 2


def test_networks_that_use_the_same_channels_agree():
    one = [[0], [1]]
    whole = lost(one, one)
    others = torch.stack([whole[y::2].mean(0) for y in range(2)], 1)
    found = measured(whole, LABELS, 2, others)
    assert found["agree"] == pytest.approx(1)
    assert found["with_mean"] == pytest.approx(1)
    assert found["agree_others"] == pytest.approx(-1 / 3)
    assert found["channels"] == found["firsts"] == pytest.approx(1)


def test_networks_that_use_other_channels_do_not():
    whole = lost([[0], [1]], [[2], [3]])
    found = measured(whole, LABELS, 2, whole[:2].movedim(0, 1))
    assert found["agree"] == pytest.approx(-1 / 3)
    two = lost([[0, 1], [2, 3]], [[0, 1], [2, 3]])
    assert measured(two, LABELS, 2, two[:2].movedim(0, 1))["channels"] == pytest.approx(2)


CARRIED = np.random.default_rng(0).random((2, 10, 8))
AS_CLAIMED = {
    "member": {
        "error": 0.2,
        "train": 0.1,
        "carried": CARRIED,
        "first": CARRIED,
        "channels": 10.0,
        "firsts": 5.0,
        "agree": 0.3,
        "agree_others": 0.0,
        "with_mean": 0.4,
    },
    "ensemble": {"error": 0.18, "train": 0.1},
    "distilled": {
        "error": 0.19,
        "train": 0.1,
        "carried": CARRIED,
        "first": CARRIED,
        "channels": 12.0,
        "firsts": 6.0,
        "agree": 0.8,
        "agree_others": 0.0,
        "with_mean": 0.6,
    },
    "of_one": {
        "error": 0.2,
        "train": 0.1,
        "carried": CARRIED,
        "first": CARRIED,
        "channels": 10.0,
        "firsts": 5.0,
        "agree": 0.6,
        "agree_others": 0.0,
        "with_mean": 0.5,
    },
    "base": {"error": 0.15},
}


def table(row=AS_CLAIMED):
    (cell,) = script.EXPERIMENT.cells("laptop", OPTIONS, seeds=1)
    return script.derived(repeated({cell: row}))


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({}, None),
        ({"member.agree_others": 0.6}, "of a class"),
        ({"member.agree": 0.7}, "other channels"),
        ({"distilled.channels": 9.0}, "more channels"),
        ({"distilled.firsts": 4.0}, "more first channels"),
        ({"distilled.agree": 0.2, "of_one.agree": 0.1}, "students agree"),
        ({"of_one.agree": 0.9}, "not by a common teacher"),
        ({"distilled.with_mean": 0.3}, "like the mean"),
    ],
)
def test_each_claim_turns_with_the_measure_it_is_about(changes, name):
    found = {
        claim.name: judge(claim, table(changed(AS_CLAIMED, changes))).verdict
        for claim in script.EXPERIMENT.claims_about("laptop", OPTIONS)
    }
    expected = dict.fromkeys(found, "supported") | ({name: "refuted"} if name else {})
    assert found == expected


def test_tables_show_all_numbers():
    text = texts(script.tables(table()), table())
    for part in ("networks on labels", "net below the layer", "0.800 [", "12.0 ["):
        assert part in text


def test_the_figure_shows_single_networks_and_how_they_agree():
    drawn = figure.draw(table())
    maps: list[Any] = [axes for axes in drawn.axes if axes.get_images()]
    assert len(maps) == 3
    assert maps[1].get_images()[0].get_array().shape == (10, 8)
    one_class = next(axes for axes in drawn.axes if "automobile" in axes.get_title("left"))
    dots: list[Any] = [each.get_offsets() for each in one_class.collections]
    assert [len(each) for each in dots] == [2 * 8, 2 * 8]


@pytest.mark.parametrize("preset", script.EXPERIMENT.presets)
def test_every_preset_has_cells_that_differ_in_the_seed_alone(preset):
    cells = script.EXPERIMENT.cells(preset, OPTIONS, seeds=2)
    assert replace(cells[0], seed=cells[0].seed + 1) == cells[1]
    assert cells[0].setting.blocks == 2


def test_images_without_a_directory_are_refused_before_any_work():
    with pytest.raises(ValueError, match="--data-dir"):
        check(script.EXPERIMENT.cells("laptop", OPTIONS), Context())
