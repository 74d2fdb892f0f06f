"""specialists: families on tiny made-up images, on patches, their claims and what is printed."""

import io
import math
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
import torch
from rich.console import Console
from test_image_contrast import images

from multiview import stream
from multiview.claims import judge
from multiview.data import MultiViewSpec
from multiview.data.splits import split
from multiview.distill.combination import combine
from multiview.experiment import Context
from multiview.find import find
from multiview.models import PatchNet
from multiview.script import run_script
from multiview.train import TrainSpec
from multiview.train.optim import OptimSpec
from theory_experiments import _patch_specialists as patch_part
from theory_experiments import _specialist_tables as tables
from theory_experiments import _specialists as image_part
from theory_experiments import specialists as script
from theory_experiments._image_nets import Fast, Recipe
from theory_experiments._patch_specialists import PatchSpecialistCell, from_generalist
from theory_experiments._specialist_sets import ImageSpecialistCell

IMAGES = ImageSpecialistCell(
    data="multi_view",
    num_train=60,
    num_validation=30,
    num_test=30,
    members=2,
    num_sets=2,
    smallest_set=1,
    net=Fast(widths=(3, 4, 4)),
    recipe=Recipe(optim=OptimSpec(epochs=2, batch_size=10, learning_rate=0.2), flip=False),
    tuned_epochs=1,
)
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


def larger():
    """The made-up images, each pixel four times."""
    data = images()
    grown = {
        name: getattr(data, name).repeat_interleave(2, 2).repeat_interleave(2, 3)
        for name in ("train_images", "test_images")
    }
    return replace(data, **grown)


def quiet(message: str, fraction: float) -> None:
    """Progress to nobody."""


@pytest.fixture(scope="module")
def kept():
    """A row on images and what stands behind it."""
    heard: dict = {"families": {}, "starts": [], "corrected": []}
    with pytest.MonkeyPatch.context() as patch:
        family, start = image_part._family, image_part.specialist_from
        correct = image_part.corrected

        def note_correction(logits, oversampling):
            heard["corrected"].append((oversampling, correct(logits, oversampling)))
            return heard["corrected"][-1][1]

        def note_family(cell, who, sets, *rest):
            heard["families"][who] = (sets, rest, family(cell, who, sets, *rest))
            return heard["families"][who][-1]

        def note_start(net, head, classes):
            weights = {name: value.clone() for name, value in net.state_dict().items()}
            heard["starts"].append((classes, weights))
            return start(net, head, classes)

        patch.setattr(image_part, "_family", note_family)
        patch.setattr(image_part, "specialist_from", note_start)
        patch.setattr(image_part, "corrected", note_correction)
        data = larger()
        heard["row"] = image_part.run_image_specialists(IMAGES, data, Context())
        heard["splits"] = split(data, 60, 30, 30, stream(0, "images", "split"))
    return heard


def test_every_family_has_its_sets_and_its_start(kept):
    families, starts = kept["families"], iter(kept["starts"])
    assert families["superclass"][0] == [[0, 1], [2]]  # neighbours, for want of superclasses
    assert families["tuned"][0] == families["fresh"][0]
    sizes = {who: sorted(map(len, sets)) for who, (sets, *_) in families.items()}
    assert sizes["random"] == sizes["tuned"]
    first = None
    for who, (sets, *_) in families.items():
        for classes in sets:
            seen, weights = next(starts)
            assert seen == classes
            first = first or weights
            same = all(weights[name].equal(value) for name, value in first.items())
            assert same == (who != "fresh")


def test_what_specialists_say_is_corrected_by_how_few_others_they_saw(kept):
    noted = iter(kept["corrected"])
    for _, _, family in kept["families"].values():
        for classes, logits in family:
            oversampling, said = next(noted)
            # 20 images of each of 3 classes: of one class as many others, of two all 20.
            assert oversampling == (2 if len(classes) == 1 else 1)
            assert logits[logits.any(1)].equal(said)


def test_fresh_specialists_are_trained_as_generalists_are(kept):
    for who, (_, (_, recipe, *_), _) in kept["families"].items():
        assert recipe == (IMAGES.recipe if who == "fresh" else IMAGES.tuned)
    assert IMAGES.tuned.optim.epochs == 1
    assert IMAGES.tuned.optim.learning_rate == IMAGES.tuned_rate


def test_the_row_says_what_generalist_and_specialists_say_together(kept):
    row, labels = kept["row"], kept["splits"].test_labels
    for who, (_, (_, _, _, z, _), family) in kept["families"].items():
        wrong = combine(z, family).argmax(1) != labels
        assert row[who] == pytest.approx(float(wrong.double().mean()))
        assert row[f"{who}_specialists"] == len(family)
        own = []
        for classes, logits in family:  # within a set of classes: both on average
            mine = torch.isin(labels, torch.tensor(classes))
            mean = z.softmax(1)[:, classes] + logits.softmax(1)[:, :-1]
            picked = torch.tensor(classes)[mean.argmax(1)]
            own.append((picked != labels)[mine])
        expected = float(torch.cat(own).double().mean())
        assert row[f"{who}_conditional"] == pytest.approx(expected)
    assert row["generalist"] == pytest.approx(float((z.argmax(1) != labels).double().mean()))
    assert len(row["ensemble_by_size"]) == 2
    assert 0 <= row["continued"] <= 1
    assert row["null_low"] <= 0 <= row["null_high"]


def test_small_sets_have_no_specialist_and_their_classes_no_gain_of_their_own():
    row = image_part.run_image_specialists(
        replace(IMAGES, smallest_set=2, num_sets=2), larger(), Context()
    )
    assert row["tuned_specialists"] == 1
    assert row["share_0"] == pytest.approx(1 / 3)
    assert row["share_1"] == pytest.approx(2 / 3)
    for who in ("tuned", "generalist"):
        mixed = row["share_0"] * row[f"{who}_0"] + row["share_1"] * row[f"{who}_1"]
        assert mixed == pytest.approx(row[who])


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
        assert 0 <= row[f"{who}_both"] <= row[f"{who}_coverage"] <= 1
    assert row["tuned_steps"] < row["fresh_steps"]
    assert [sum(sizes) for sizes in row["clusters"]] == [4, 4]


def test_what_a_patch_specialist_says_is_corrected():
    net = PatchNet(num_classes=3, width=2, patch_dim=20, generator=stream(0))
    batch = patch_part.draw_train(PATCHES, patch_part.draw_features(PATCHES))
    plain, more = (
        patch_part._heard(
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


def rows(**changes) -> pd.DataFrame:
    """Two repetitions of both parts in which all claims hold."""
    on_images = {
        **dict.fromkeys(tables.ON_IMAGES, 0.6),
        "generalist": 0.70,
        "tuned": 0.65,
        "continued": 0.69,
        "random": 0.68,
        "superclass": 0.64,
        "ensemble_by_size": [[0.7, 0.66]] * 2,
        "generalist_0": 0.7,
        "generalist_1": 0.7,
        "tuned_0": 0.7,
        "tuned_1": 0.64,
        "share_0": 0.2,
        "share_1": 0.8,
        "agreement": 0.4,
        "agreement_correlation": 0.4,
        "agreement_covariance": 0.01,
        "largest_correlation": 9,
        "largest_covariance": 70,
        "null_low": -0.03,
        "null_high": 0.04,
        "tuned_conditional": 0.5,
        "tuned_conditional_generalist": 0.55,
        **{f"{who}_specialists": 20 for who in ("tuned", "fresh", "superclass", "random")},
    }
    on_patches = {
        f"{who}{end}": 0.5 for who in tables.ON_PATCHES for end in ("", "_multi", "_coverage")
    }
    on_patches |= {"fresh_top_coverage": 0.6, "fresh_all_coverage": 0.7}
    parts = []
    for part, columns in (("cifar100", on_images), ("synthetic", on_patches)):
        sizes = {"data": "cifar100", "num_train": 2500}
        columns = columns | {name: value for name, value in changes.items() if name in columns}
        parts.append(
            pd.DataFrame({"seed": [0, 1], "status": "ok", "part": part, **sizes, **columns})
        )
    return pd.concat(parts, ignore_index=True)


def verdicts(table: pd.DataFrame) -> dict[str, str]:
    found = [judge(claim, table) for claim in script.claims("laptop", script.Options())]
    assert all(each.note == "" and each.repetitions == 2 for each in found)
    return {each.claim.name: each.verdict for each in found}


def test_each_claim_turns_with_the_column_it_is_about():
    assert set(verdicts(rows()).values()) == {"supported"}
    for column, worse, names in (
        ("generalist", 0.64, {"specialists"}),
        ("continued", 0.64, {"specialists against training on"}),
        ("random", 0.6, {"confusable against random sets"}),
        ("fresh", 0.66, {"fresh start"}),
        ("tuned_0", 0.6, {"gain by covering"}),
        ("agreement", 0.03, {"superclasses"}),
        ("tuned_top_coverage", 0.6, {"views, tuned, top"}),
        ("tuned_all_coverage", 0.4, {"views, tuned, all"}),
        ("fresh_top_coverage", 0.54, {"views, fresh, top"}),
        ("fresh_all_coverage", 0.54, {"views, fresh, all"}),
    ):
        found = verdicts(rows(**{column: worse}))
        assert {name for name, verdict in found.items() if verdict == "refuted"} == names


def test_claims_are_of_the_chosen_part():
    assert script.claims("smoke", script.Options()) == []
    parts = [
        script.claims("laptop", script.Options(part=part)) for part in ("cifar100", "synthetic")
    ]
    names = [claim.name for claims in parts for claim in claims]
    assert names == [claim.name for claim in script.claims("laptop", script.Options())]
    assert [len(claims) for claims in parts] == [6, 4]


def test_relative_gains_are_of_accuracy():
    table = pd.DataFrame({"a": [0.75, 1.0], "b": [0.739, 0.5]})
    found = tables.relative("b", "a")(table)
    assert found[0] == pytest.approx(0.044)
    assert pd.isna(found[1])


def test_the_summary_shows_both_parts_beside_the_paper():
    console = Console(width=160, record=True, file=io.StringIO())
    console.print(script.summary(rows()))
    text = console.export_text()
    names = (*tables.ON_IMAGES.values(), *tables.ON_PATCHES.values(), *tables.JFT.values())
    for name in (*names, "other data", "2 generalists averaged", "-0.030 to 0.040", "16.7 ["):
        assert name in text


@pytest.mark.parametrize("preset", list(script.PRESETS))
def test_every_preset_has_both_parts_and_cells_that_differ_in_the_seed_alone(preset):
    experiment = find("specialists")
    cells = experiment.cells(preset, script.Options(), seeds=2)
    assert [cell.part for cell in cells] == ["cifar100", "synthetic"] * 2
    assert [replace(cell, seed=1) for cell in cells[:2]] == cells[2:]
    for part in ("cifar100", "synthetic"):
        (cell,) = experiment.cells(preset, script.Options(part=part), seeds=1)
        assert cell.part == part


def test_images_without_a_directory_are_refused_before_any_work(tmp_path, capfd):
    args = ["--out", str(tmp_path)]
    assert run_script(script.EXPERIMENT, args) == 2
    assert "--part synthetic" in capfd.readouterr().err
    assert not list(tmp_path.rglob("*.json"))


def test_cost_counts_the_passes_of_all_nets(monkeypatch):
    said = {}
    monkeypatch.setattr(
        script, "time_and_memory", lambda flop, *rest: said.update(flop=flop) or str(rest)
    )
    monkeypatch.setattr(script, "images_of", lambda cell, context: larger())
    monkeypatch.setattr(
        script, "refuse_missing_images", lambda cells, context: [c for c in cells if c != PATCHES]
    )
    cell = replace(IMAGES, data="cifar100")
    assert script.cost([PATCHES, cell, cell], Context(data_dir=Path())) is not None
    splits = split(larger(), 3, 3, 3, stream(0))
    forward = script.cost_of(cell.net.build(splits, stream(0)), splits.train[0]).forward
    # Two generalists of 2 epochs, one trained on for 2; each family twice its epochs' images.
    epochs = 2 * 2 + 2 + 2 * (1 + 2 + 1 + 1)
    assert said["flop"] == 2 * 3 * epochs * 60 * forward
    assert script.cost([PATCHES], Context()) is None


def test_the_smoke_preset_runs_and_is_drawn(tmp_path):
    args = ["--preset", "smoke", "--seeds", "1", "--out", str(tmp_path)]
    assert run_script(script.EXPERIMENT, args) == 0
    assert (tmp_path / "specialists" / "specialists-smoke.png").stat().st_size
