"""run_ensembles on tiny made-up images: each teacher, each column, and killed cells."""

from dataclasses import replace
from functools import partial

import pandas as pd
import pytest
import torch
from test_image_contrast import images

from multiview import stream
from multiview.experiment import Context
from multiview.find import find
from multiview.train.optim import OptimSpec
from theory_experiments import _image_ensembles as ensembles
from theory_experiments import cifar_ensembles as script
from theory_experiments._image_ensembles import EnsembleCell, run_ensembles
from theory_experiments._image_nets import Recipe, Residual

CELL = EnsembleCell(
    data="multi_view",
    num_train=30,
    num_validation=30,
    num_test=90,
    members=3,
    net=Residual(depth=8),
    recipe=Recipe(
        optim=OptimSpec(epochs=4, batch_size=10, learning_rate=0.1),
        flip=False,  # the classes' corners would change places
        padding=1,
        together=2,
    ),
    student_rate=0.05,
)
SINGLES = {"one": "ensemble", "distilled": "distilled_ensemble", "self": "self_ensemble"}


@pytest.fixture(scope="module")
def row():
    return run_ensembles(CELL, images(), Context())


def test_every_number_is_there_and_holds_together(row):
    for who, ensemble in SINGLES.items():
        for ending in ("", "_best"):
            each = row[f"{who}_each{ending}"]
            assert len(each) == 3
            assert row[f"{who}{ending}"] == pytest.approx(sum(each) / 3)
            assert 0 <= row[f"{ensemble}{ending}"] < 2 / 3
        by_size = row[f"{ensemble}_by_size"]
        assert by_size[0] == pytest.approx(row[who])
        assert by_size[-1] == row[ensemble]
        assert 0 <= row[f"{who}_epoch"] <= 3
    assert len(row["sum_each"]) == 1
    for who in ("one", "sum", "distilled", "self"):
        assert 0 <= row[f"{who}_train"] < 2 / 3
    assert 0 < row["pair_disagreement"] < 1
    assert 0 <= row["pair_both_wrong"] <= max(row["one_each"])
    assert 0 <= row["ensemble_probabilities"] < 2 / 3


def test_each_student_has_its_teacher_and_a_start_of_its_own(monkeypatch):
    taught, trained = [], {}
    plain_loss, plain_train = ensembles.taught_loss, ensembles.train_group

    def note_loss(targets, teacher, **settings):
        taught.append((teacher, settings))
        return plain_loss(targets, teacher, **settings)

    def note_group(name, nets, recipe, *rest, **settings):
        start = nets[0].state_dict()
        first = {key: value.clone() for key, value in start.items() if value.dim() == 4}
        trained[name] = (next(iter(first.values())), recipe)
        return plain_train(name, nets, recipe, *rest, **settings)

    monkeypatch.setattr(ensembles, "taught_loss", note_loss)
    monkeypatch.setattr(ensembles, "train_group", note_group)
    splits_seen = images().subset(30, 90, stream(0)).standardised()[0][:5]
    groups = {}
    plain = ensembles._train

    def note_all(*args):
        groups.update(plain(*args))
        return groups

    monkeypatch.setattr(ensembles, "_train", note_all)
    run_ensembles(CELL, images(), Context())
    members = [net.eval() for net in groups["one"].nets]
    outputs = [net(splits_seen).detach() for net in members]
    (from_all, settings), (from_first, _), (from_last, _) = taught
    assert settings["temperature"] == CELL.temperature
    assert settings["weight"] == CELL.weight
    near = partial(torch.testing.assert_close, rtol=0.1, atol=0.1)  # teachers are in bfloat16
    near(from_all(splits_seen), sum(outputs) / 3)
    assert from_first(splits_seen).shape == (5, 2, 3)
    near(from_first(splits_seen)[:, 1], outputs[1])
    near(from_last(splits_seen)[:, 0], outputs[2])
    starts = [weight for weight, _ in trained.values()]
    assert all(not a.equal(b) for i, a in enumerate(starts) for b in starts[:i])
    assert trained["members"][1] == trained["sum"][1] == CELL.recipe
    assert trained["distilled"][1].optim.learning_rate == CELL.student_rate


def test_a_cell_that_was_stopped_goes_on_to_the_same_row(row, tmp_path):
    heard = []

    def stop(message, fraction):
        heard.append(message)
        if len(heard) == 17:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_ensembles(CELL, images(), Context(scratch=tmp_path, progress=stop))
    assert "distilled" in heard[-1]
    assert len(list(tmp_path.glob("members*"))) == 2
    assert run_ensembles(CELL, images(), Context(scratch=tmp_path)) == row


def test_one_member_is_no_ensemble():
    with pytest.raises(ValueError, match="members=1"):
        replace(CELL, members=1)


@pytest.mark.parametrize("net", ["fast", "resnet20", "resnet34", "wrn16-4", "wrn28-10"])
@pytest.mark.parametrize("preset", list(script.PRESETS))
def test_every_preset_has_cells_that_differ_in_the_seed_alone(preset, net):
    options = script.Options(net=net, data="cifar100")
    cells = find("cifar_ensembles").cells(preset, options, seeds=2)
    assert replace(cells[0], seed=1) == cells[1]
    assert cells[0].data == "cifar100"


def test_images_without_a_directory_are_refused_before_any_work():
    with pytest.raises(ValueError, match="--data-dir"):
        script.cost([replace(CELL, data="cifar10")], Context())


def test_estimates_have_the_sign_of_their_names():
    table = pd.DataFrame(
        {
            "one": [0.30, 0.30],
            "one_each": [[0.29, 0.31], [0.25, 0.35]],
            "ensemble": [0.26, 0.26],
            "distilled": [0.27, 0.31],
        }
    )
    deviations = [0.02 / 2**0.5, 0.1 / 2**0.5]
    expected = [0.04 - 2 * each for each in deviations]
    assert script.beyond_the_spread(table).tolist() == pytest.approx(expected)
    assert script.beyond_the_best(table).tolist() == pytest.approx([0.03, -0.01])
    assert script.recovered("distilled")(table).tolist() == pytest.approx([0.75, -0.25])
