"""run_ensembles on tiny made-up images: each teacher, each column, and killed cells."""

from dataclasses import replace
from functools import partial

import numpy as np
import pandas as pd
import pytest
import torch
from test_image_contrast import images
from tidy_tables import alike, rows_as_table, texts, with_measures

from figures import cifar_ensembles as figure
from multiview import stream
from multiview.data.splits import split
from multiview.distill import Hinton
from multiview.probes import agreement
from multiview.runs.claims import judge
from multiview.runs.experiment import Context
from multiview.runs.find import find
from multiview.train.optim import OptimSpec
from theory_experiments import _image_ensembles as ensembles
from theory_experiments import cifar_ensembles as script
from theory_experiments._cifar_tables import METHODS, derived, tables
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


@pytest.fixture(scope="module")
def row():
    return run_ensembles(CELL, images(), Context())


def test_every_number_is_there_and_holds_together(row):
    for who, ensemble in ensembles.ENSEMBLES.items():
        single, together = row[who], row[ensemble]
        for ending in ("", "_best"):
            each = single[f"each{ending}"]
            assert len(each) == 3
            assert single[f"error{ending}"] == pytest.approx(sum(each) / 3)
            assert 0 <= together[f"error{ending}"] < 2 / 3
        by_size = [row[name] for name in (who, f"{ensemble}_2", ensemble)]
        assert [each["size"] for each in by_size] == [1, 2, 3]
        assert 0 <= by_size[1]["error"] < 2 / 3
        assert 0 <= single["epoch"] <= 3
    assert len(row["summed"]["each"]) == 1
    for who in ("member", "summed", "distilled", "self"):
        assert 0 <= row[who]["train"] < 2 / 3
    assert 0 < row["pairs"]["disagreement"] < 1
    assert 0 <= row["pairs"]["both_wrong"] <= max(row["member"]["each"])
    assert 0 <= row["ensemble_probabilities"]["error"] < 2 / 3


def test_each_student_has_its_teacher_and_a_start_of_its_own(monkeypatch):
    taught, trained = [], {}
    plain_loss, plain_train = ensembles.distillation_loss, ensembles.train_group

    def note_loss(targets, teacher, **settings):
        taught.append((teacher, settings))
        return plain_loss(targets, teacher, **settings)

    def note_group(name, nets, recipe, *rest, **settings):
        start = nets[0].state_dict()
        first = {key: value.clone() for key, value in start.items() if value.dim() == 4}
        trained[name] = (next(iter(first.values())), recipe)
        return plain_train(name, nets, recipe, *rest, **settings)

    monkeypatch.setattr(ensembles, "distillation_loss", note_loss)
    monkeypatch.setattr(ensembles, "train_group", note_group)
    splits_seen = images().subset(30, 90, stream(0)).standardised()[0][:5]
    groups = {}
    plain = ensembles._train

    def note_all(*args):
        groups.update(plain(*args))
        return groups

    monkeypatch.setattr(ensembles, "_train", note_all)
    run_ensembles(CELL, images(), Context())
    members = [net.eval() for net in groups["member"].nets]
    outputs = [net(splits_seen).detach() for net in members]
    (from_all, settings), (from_first, _), (from_last, _) = taught
    assert settings["kd_loss"] == Hinton(CELL.temperature)
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
    assert replace(cells[0], seed=cells[0].seed + 1) == cells[1]
    assert cells[0].data == "cifar100"
    assert cells[0].seed == (0 if preset == "smoke" else 10)


def test_images_without_a_directory_are_refused_before_any_work():
    with pytest.raises(ValueError, match="--data-dir"):
        script.check([replace(CELL, data="cifar10")], Context())


AS_CLAIMED = {
    "member": {"error": 0.30, "each": [0.29, 0.31], "train": 0.0},
    "ensemble": {"error": 0.20},
    "summed": {"error": 0.30, "train": 0.0},
    "distilled": {"error": 0.22, "each": [0.21, 0.23]},
    "self": {"error": 0.25, "each": [0.24, 0.26]},
    "distilled_ensemble": {"error": 0.20},
    "self_ensemble": {"error": 0.20},
}


def rows(row=AS_CLAIMED, **cell) -> pd.DataFrame:
    """Two repetitions in which, but for what is with_measures, all claims hold."""
    return derived(rows_as_table(*alike(row, 2), **cell))


def verdicts(table: pd.DataFrame) -> dict[str, str]:
    claims = find("cifar_ensembles").claims_about("laptop", script.Options())
    found = [judge(claim, table) for claim in claims]
    assert not any("Error" in each.note for each in found)
    return {each.claim.name: each.verdict for each in found}


def test_each_claim_turns_with_the_measure_it_is_about():
    assert set(verdicts(rows()).values()) == {"supported"}
    assert find("cifar_ensembles").claims_about("smoke", script.Options()) == []
    for who, worse, names in (
        ("summed", {"error": 0.2}, {"trained sum"}),
        ("distilled", {"error": 0.28}, {"student"}),
        ("self", {"error": 0.33}, {"self-distillation"}),
        ("distilled_ensemble", {"error": 0.15}, {"ensemble of students"}),
        ("self_ensemble", {"error": 0.15}, {"ensemble of self-distilled"}),
        ("member", {"each": [0.1, 0.5]}, {"gain against spread", "gain against the best"}),
    ):
        found = verdicts(rows(with_measures(AS_CLAIMED, who, **worse)))
        assert {name for name, verdict in found.items() if verdict == "refuted"} == names


def test_a_sum_that_does_not_fit_decides_nothing():
    unfit = with_measures(AS_CLAIMED, "summed", train=0.3)
    table = derived(rows_as_table(unfit, AS_CLAIMED))
    assert np.isnan(script.gain_of_the_sum().of(table).by_seed).tolist() == [True, False]


def test_tables_and_figure_show_all_methods():
    row = with_measures(AS_CLAIMED, "pairs", **dict.fromkeys(vars(AGREEMENT), 0.1))
    for who in METHODS:
        row = with_measures(row, who, error_best=0.3)
    table = rows(row, data="cifar10", num_train=2000, members=2)
    text = texts(tables(table), table)
    for name in (*METHODS.values(), "3.30 ± 0.21", "30.0 [", "pairs of members"):
        assert name in text
    bars, by_size, _ = (axes for part in figure.draw(table).subfigs for axes in part.axes)
    assert len(bars.patches) == len(METHODS)
    assert len(by_size.get_lines()) == 3


def test_errors_of_the_best_states_are_theirs():
    labels = torch.zeros(2, dtype=torch.long)
    right, bad = torch.tensor([1.0, 0.0]), torch.tensor([0.0, 1.0])
    group = Trained(
        nets=[torch.nn.Identity()] * 2,
        train=torch.stack([right, bad]).expand(2, 2, 2),
        test=torch.stack([bad, 2 * bad]).expand(2, 2, 2),
        best_test=torch.stack([right, 0.4 * bad]).expand(2, 2, 2),
        best_epochs=[1, 2],
    )
    row = ensembles.of_group("member", "ensemble", group, labels, labels)
    assert row["member"]["error"] == 1
    assert row["member"]["error_best"] == 0.5
    assert row["ensemble"]["error_best"] == 0
    assert row["ensemble"]["error"] == 1
    assert row["member"]["train"] == 0.5
    assert row["member"]["epoch"] == 1.5


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
    first = {
        "member": {"error": 0.30, "each": [0.29, 0.31]},
        "ensemble": {"error": 0.26},
        "distilled": {"error": 0.27, "each": [0.27, 0.27]},
    }
    second = with_measures(
        with_measures(first, "member", each=[0.25, 0.35]), "distilled", error=0.31
    )
    table = derived(rows_as_table(first, second))
    claims = {claim.name: claim.estimate for claim in script.claims([CELL])}

    def values(name: str) -> list[float]:
        return claims[name].of(table).by_seed.tolist()

    deviations = [0.02 / 2**0.5, 0.1 / 2**0.5]
    expected = [0.04 - 2 * each for each in deviations]
    assert values("gain against spread") == pytest.approx(expected)
    assert values("gain against the best") == pytest.approx([0.03, -0.01])
    assert values("student") == pytest.approx([0.01, -0.03])
