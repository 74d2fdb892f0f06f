"""Every script in theory_experiments: its cells can be made, its smoke preset runs and is drawn."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch

from multiview.data import MultiViewSpec
from multiview.distill import hinton_kd, paper_kd
from multiview.runs.find import find
from multiview.runs.script import run_script
from multiview.runs.store import load
from multiview.train import TrainSpec
from theory_experiments import _patch_contrast as patch_contrast
from theory_experiments import _patch_nets as patch_nets
from theory_experiments import ensemble_vs_ntk as contrast
from theory_experiments._contrast import Outputs, error_columns
from theory_experiments._estimates import difference
from theory_experiments._patch_contrast import PatchCell, run_patches

TINY = PatchCell(
    spec=MultiViewSpec(
        num_classes=3, patch_dim=20, num_patches=6, sparsity=1.0, mu=0.25, sigma_p=0.1
    ),
    num_train=80,
    num_test=60,
    num_kernel_test=40,
    probes_per_view=20,
    members=3,
    width=6,
    kernel_width=6,
    train=TrainSpec(max_steps=200),
    student=TrainSpec(method="adaptive", max_steps=60, loss_bound=0.0),
)


@pytest.mark.parametrize("data", ["patches", "cifar10", "mnist"])
@pytest.mark.parametrize("preset", ["smoke", "laptop", "paper"])
def test_every_preset_and_data_set_has_cells_that_differ_in_the_seed_alone(preset, data):
    cells = find("ensemble_vs_ntk").cells(preset, contrast.Options(data=data), seeds=2)
    assert [cell.seed for cell in cells] == [0, 1]
    assert replace(cells[0], seed=1) == cells[1]
    assert cells[0].data == data


def test_whole_data_sets_are_real_images():
    with pytest.raises(ValueError, match="preset=whole is for real images: add --data cifar10"):
        find("ensemble_vs_ntk").cells("whole", contrast.Options())
    for data in ("cifar10", "mnist"):
        cells = find("ensemble_vs_ntk").cells("whole", contrast.Options(data=data))
        assert {cell.num_train for cell in cells} == {50_000}


def test_the_smoke_preset_runs_in_both_engines_alike_and_is_drawn(tmp_path):
    for engine in ("local", "processes"):
        # A worker computes with its share of the threads; one thread makes the bits comparable.
        threads = torch.get_num_threads()
        torch.set_num_threads(1)
        try:
            args = ["--preset", "smoke", "--engine", engine, "--out", str(tmp_path / engine)]
            assert run_script(find("ensemble_vs_ntk"), args) == 0
        finally:
            torch.set_num_threads(threads)
        assert (tmp_path / engine / "ensemble_vs_ntk" / "ensemble_vs_ntk-smoke.png").stat().st_size
    rows = [
        load(tmp_path / engine / "ensemble_vs_ntk").sort_values("seed", ignore_index=True)
        for engine in ("local", "processes")
    ]
    same = [name for name in rows[0] if name.startswith(("network_", "ntk_"))]
    assert len(same) > 20
    for name in same:
        local, processes = (table[name].tolist() for table in rows)
        np.testing.assert_allclose(local, processes, rtol=1e-6, err_msg=name)


def test_images_without_a_directory_are_refused_before_any_work(tmp_path, capfd):
    args = ["--data", "mnist", "--out", str(tmp_path)]
    assert run_script(find("ensemble_vs_ntk"), args) == 2
    assert "--data-dir" in capfd.readouterr().err


def test_a_patch_row_holds_together():
    row = run_patches(TINY)
    mixed = 0.25 * row["network_one"] + 0.75 * row["network_one_multi"]
    assert row["network_one_mixed"] == pytest.approx(mixed)
    assert row["network_one"] == pytest.approx(np.mean(row["network_one_each"]))
    assert row["network_by_size"][-1] == row["network_ensemble"]
    assert row["theory_by_size"] == pytest.approx([0.5, 0.25, 0.125])
    assert row["coverage_one"].shape == (3, 3, 2)
    assert row["predicted_one"] == pytest.approx(
        (1 - float(row["coverage_one"].double().mean())) * row["distractor"]
    )
    # An ensemble covers what all of its members cover.
    everyone = row["coverage_one"].all(0)
    assert (row["coverage_ensemble"] >= everyone).all()


def test_each_student_has_its_own_start_and_teacher(monkeypatch):
    taught, trained = [], []
    objective, train = patch_nets.distillation_objective, patch_nets.train_patch_net
    monkeypatch.setattr(
        patch_nets,
        "distillation_objective",
        lambda labels, teacher, loss, weight=1.0: (
            taught.append((teacher, loss.func, weight)) or objective(labels, teacher, loss, weight)
        ),
    )

    def record(net, *args, **given):
        trained.append((net, train(net, *args, **given)))
        return trained[-1][1]

    monkeypatch.setattr(patch_nets, "train_patch_net", record)
    samples = patch_contrast._draw(TINY)
    start = patch_nets.new_nets(TINY, "members", 3)
    patch_contrast._train(TINY, samples.train, start, lambda message, fraction: None)
    members, students = trained[0][1].net, trained[2][0]
    logits = members(samples.train.patches).detach()
    (by_paper, by_hinton, by_member) = taught
    torch.testing.assert_close(by_paper[0], logits.mean(1))
    torch.testing.assert_close(by_hinton[0], logits.mean(1))
    torch.testing.assert_close(by_member[0], logits[:, 1])
    assert [each[1] for each in taught] == [paper_kd, hinton_kd, paper_kd]
    assert [each[2] for each in taught] == [TINY.push, 1.0, TINY.push]
    assert torch.equal(students.weight[0], students.weight[1])  # the same fresh start
    assert not torch.equal(students.weight[0], start.weight[0])  # not a member's
    assert torch.equal(students.weight[2], members.weight[0])


def test_errors_by_size_average_over_all_subsets():
    labels = torch.tensor([0, 0])
    right, bad = [3.0, 0.0], [0.0, 1.0]
    single = torch.tensor([[right, bad, bad], [bad, bad, bad]])  # (t, members, k)
    outputs = Outputs(single=single, summed=single[:, 0], distilled=single[:, 1])
    columns = error_columns("network", outputs, labels)
    assert columns["network_one_each"] == [0.5, 1.0, 1.0]
    # Sample 0 is right wherever member 0 is averaged in: 1, 2 and 1 of the 3, 3 and 1 subsets.
    assert columns["network_by_size"] == pytest.approx([5 / 6, 2 / 3, 1 / 2])
    assert columns["network_sum"] == 0.5
    assert columns["network_distilled"] == 1.0


def test_estimates_have_the_sign_of_their_names():
    table = pd.DataFrame(
        {
            "network_one": [0.5],
            "network_sum": [0.4],
            "ntk_distilled": [0.3],
            "ntk_one_each": [[0.1, 0.9]],
        }
    )
    gain = difference("network_one", "network_sum")(table)
    assert gain.tolist() == pytest.approx([0.1])
    assert contrast.student_minus_its_like(table).tolist() == pytest.approx([0.2])
