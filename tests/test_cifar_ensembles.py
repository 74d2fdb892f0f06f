"""run_ensembles on tiny made-up images: each teacher, each column, and killed cells."""

import io
from dataclasses import replace
from functools import partial

import numpy as np
import pandas as pd
import pytest
import torch
from rich.console import Console
from test_image_contrast import images

from multiview import stream
from multiview.data.splits import split
from multiview.probes import agreement
from multiview.runs.claims import judge
from multiview.runs.experiment import Context
from multiview.runs.find import find
from multiview.train.optim import OptimSpec
from theory_experiments import _image_ensembles as ensembles
from theory_experiments import cifar_ensembles as script
from theory_experiments._image_cost import cost_of
from theory_experiments._image_ensembles import EnsembleCell, run_ensembles
from theory_experiments._image_nets import Recipe, Residual, Trained

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
AGREEMENT = agreement(torch.eye(3)[None].expand(2, 3, 3), torch.tensor([0, 1]))
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
    assert settings["lesson"].keywords == {"temperature": CELL.temperature}
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


def rows(**changes) -> pd.DataFrame:
    """Two repetitions in which all claims hold."""
    columns = {
        "one": 0.30,
        "one_each": [[0.29, 0.31]] * 2,
        "ensemble": 0.20,
        "sum": 0.30,
        "distilled": 0.22,
        "self": 0.25,
        "distilled_ensemble": 0.20,
        "self_ensemble": 0.20,
        "one_train": 0.0,
        "sum_train": 0.0,
    }
    return pd.DataFrame({"seed": [0, 1], "status": "ok", **columns, **changes})


def verdicts(table: pd.DataFrame) -> dict[str, str]:
    found = [judge(claim, table) for claim in script.claims("laptop", script.Options())]
    assert all(each.note == "" for each in found)
    return {each.claim.name: each.verdict for each in found}


def test_each_claim_turns_with_the_column_it_is_about():
    assert set(verdicts(rows()).values()) == {"supported"}
    assert script.claims("smoke", script.Options()) == []
    for column, worse, names in (
        ("sum", 0.2, {"trained sum"}),
        ("distilled", 0.28, {"student"}),
        ("self", 0.33, {"self-distillation"}),
        ("distilled_ensemble", 0.15, {"ensemble of students"}),
        ("self_ensemble", 0.15, {"ensemble of self-distilled"}),
        ("one_each", [[0.1, 0.5], [0.1, 0.5]], {"gain against spread", "gain against the best"}),
    ):
        found = verdicts(rows(**{column: worse}))
        assert {name for name, verdict in found.items() if verdict == "refuted"} == names


def test_a_sum_that_does_not_fit_decides_nothing():
    unfit = rows(sum_train=[0.3, 0.0])
    assert np.isnan(script.gain_of_the_sum(unfit)).tolist() == [True, False]


def test_the_summary_shows_all_methods():
    extra = {f"{who}_best": [0.3, 0.3] for who in script.METHODS}
    extra |= {f"pair_{name}": [0.1, 0.1] for name in vars(AGREEMENT)}
    table = rows(data="cifar10", num_train=2000, members=2, **extra)
    console = Console(width=160, record=True, file=io.StringIO())
    console.print(script.summary(table))
    text = console.export_text()
    for name in (*script.METHODS.values(), "3.30 ± 0.21", "30.0 ["):
        assert name in text


def test_columns_of_the_best_states_are_theirs():
    labels = torch.zeros(2, dtype=torch.long)
    right, bad = torch.tensor([1.0, 0.0]), torch.tensor([0.0, 1.0])
    group = Trained(
        nets=[torch.nn.Identity()] * 2,
        train=torch.stack([right, bad]).expand(2, 2, 2),
        test=torch.stack([bad, 2 * bad]).expand(2, 2, 2),
        best_test=torch.stack([right, 0.4 * bad]).expand(2, 2, 2),
        best_epochs=[1, 2],
    )
    columns = ensembles.group_columns("one", "ensemble", group, labels, labels)
    assert columns["one"] == 1
    assert columns["one_best"] == 0.5
    assert columns["ensemble_best"] == 0
    assert columns["ensemble_by_size"] == [1, 1]
    assert columns["one_train"] == 0.5
    assert columns["one_epoch"] == 1.5


def test_cost_counts_the_passes_of_all_groups(monkeypatch):
    said = {}
    monkeypatch.setattr(
        script, "time_and_memory", lambda flop, *rest: said.update(flop=flop) or str(rest)
    )
    monkeypatch.setattr(script, "images_of", lambda cell, context: images())
    cell = replace(CELL, data="cifar10")
    assert script.cost([cell, cell], Context()) is not None
    splits = split(images(), 3, 3, 3, stream(0))
    forward = cost_of(cell.net.build(splits, stream(0)), splits.train[0]).forward
    # 3 members, a sum of 3 and 3 students of each kind; 3 teachers for each of the two parts of the
    # students (2 and 1 side by side), and one for each that is self-distilled.
    passes = 3 * (3 + 3 + 3 + 3) + 2 * 3 + 3
    assert said["flop"] == 2 * passes * 4 * 30 * forward


@pytest.mark.parametrize("data", ["cifar10", "cifar100"])
@pytest.mark.parametrize("preset", list(script.PRESETS))
def test_every_class_has_equal_shares(preset, data):
    classes = int(data.removeprefix("cifar"))
    (cell,) = find("cifar_ensembles").cells(preset, script.Options(data=data), seeds=1)
    sizes = (cell.num_train, cell.num_validation, cell.num_test)
    assert not any(size % classes for size in sizes)


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
    assert script.beyond_half(table).tolist() == pytest.approx([0.01, -0.03])
