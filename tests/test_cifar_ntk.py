"""cifar_ntk: its models against the engine and the features, its presets, images and claims."""

from dataclasses import replace

import pandas as pd
import pytest
import torch
from matplotlib.figure import Figure
from tiny_images import write_cifar10

from figures.cifar_ntk import draw
from multiview import stream
from multiview.data.stand_ins import multi_view_images, view_textures
from multiview.ntk import centred_one_hot, descend, gram, predict, solve
from multiview.runs.experiment import Context
from multiview.runs.find import find
from multiview.runs.script import run_script
from multiview.runs.store import load
from multiview.train.metrics import wrong
from theory_experiments import cifar_ntk
from theory_experiments._cifar_ntk import (
    MODELS,
    KernelCell,
    expected_kernel_cost,
    images_of,
    last_inputs,
    last_layer_kernels,
    run_models,
)
from theory_experiments._image_contrast import ImageCell, SmallNet, WideNet, expected_cost

CELL = KernelCell(
    data="multi_view",
    num_train=60,
    num_test=60,
    members=3,
    net=SmallNet(widths=(3, 4)),
    steps=40,
    student_steps=60,
)


def images():
    """Three classes whose textures fill most of the image."""
    textures = view_textures(3, stream(0, "textures"), channels=2, side=8)
    return multi_view_images(
        textures, 90, 90, stream(0, "images"), image_size=(8, 16), contrast=100.0, noise=20.0
    )


def prepared():
    """Images, labels and nets as the cell has them."""
    data = images().subset(60, 60, stream(0, "cifar_ntk", "subset"))
    train, test = data.standardised()
    nets = [CELL.net.build(data, stream(0, "cifar_ntk", "init", i)) for i in range(3)]
    return data, train, test, nets


@pytest.fixture(scope="module")
def row():
    return run_models(CELL, images())


def frozen_but_for_the_last(net):
    *others, weight, bias = net.parameters()
    for parameter in others:
        parameter.requires_grad_(False)
    assert weight.dim() == 2
    assert bias.requires_grad
    return net


@pytest.mark.parametrize("spec", [SmallNet(widths=(3, 4)), WideNet(depth=10, widen=1)])
def test_the_last_layers_kernel_is_that_of_a_net_with_all_else_frozen(spec):
    data, train, test, _ = prepared()
    net = spec.build(data, stream(0, "net"))
    own, cross = last_layer_kernels(net, train, test)
    assert all(parameter.requires_grad for parameter in net.parameters())
    frozen = frozen_but_for_the_last(net)
    full = gram(frozen, train[:7], test[:5], outputs="full")
    for a in range(3):
        for b in range(3):
            wanted = cross[:5, :7].T if a == b else torch.zeros(7, 5).double()
            torch.testing.assert_close(full[..., a, b], wanted, rtol=1e-4, atol=1e-4)
    for kernel, rows in ((own, train), (cross, test)):
        trace = gram(frozen, rows, train, outputs="trace")
        torch.testing.assert_close(3 * kernel, trace, rtol=1e-4, atol=1e-3)


def test_last_inputs_are_what_the_last_layer_turns_into_the_output():
    _, train, _, nets = prepared()
    *_, layer = nets[0].modules()
    many = torch.cat([train] * 12)  # more than one batch
    features = last_inputs(nets[0], many)
    assert not features.requires_grad
    torch.testing.assert_close(layer(features), nets[0](many))
    assert not layer._forward_pre_hooks


def test_every_number_is_there_and_models_beat_chance(row):
    assert row["data"]["jitter"] == 0
    for model in MODELS:
        for method in ("member", "ensemble_2", "ensemble", "summed", "distilled"):
            assert 0 <= row[f"{model}_{method}"]["error"] < 0.6, (model, method)
        each = row[f"{model}_member"]["error_each"]
        assert len(set(each)) > 1  # the members differ
        assert row[f"{model}_first"]["error"] == each[0]
        assert {row[f"{model}_{role}"]["model"] for role in ("member", "summed")} == {model}


def test_models_are_the_fits_they_are_called(row):
    data, train, test, nets = prepared()
    labels, targets = data.test_labels, centred_one_hot(data.train_labels, 3)

    def errs(outputs):
        return pytest.approx(wrong(outputs, labels).double().mean().item(), abs=1e-9)

    for i, net in enumerate(nets):
        own, cross = gram(net, train, outputs="trace"), gram(net, test, train, outputs="trace")
        assert row["kernel_member"]["error_each"][i] == errs(
            predict(cross, solve(own, targets, CELL.ridge))
        )
        rate = CELL.relative_rate * descend(own, targets + 1 / 3, steps=0).learning_rate
        descent = descend(own, targets + 1 / 3, steps=CELL.steps, learning_rate=rate)
        assert row["linearised_member"]["error_each"][i] == errs(predict(cross, descent)[0])
        own, cross = last_layer_kernels(net, train, test)
        last = predict(cross, solve(own, targets, CELL.last_layer_ridge))
        assert row["last_layer_member"]["error_each"][i] == errs(last)


def test_every_setting_reaches_its_own_model():
    usual = run_models(CELL, images())
    for change, model, students_only in (
        ({"ridge": 30.0}, "kernel", False),
        ({"student_ridge": 1000.0}, "kernel", True),
        ({"last_layer_ridge": 300.0}, "last_layer", False),
        ({"last_layer_student_ridge": 1000.0}, "last_layer", True),
        ({"steps": 1}, "linearised", False),
        ({"student_steps": 1}, "linearised", True),
        ({"relative_rate": 0.02}, "linearised", False),
        ({"temperature": 1000.0}, "linearised", True),
    ):
        row = run_models(replace(CELL, **change), images())
        moved = {name for name in usual if row[name] != usual[name]} - {"data"}
        assert moved, change
        assert {usual[name]["model"] for name in moved} == {model}, change
        assert (moved == {f"{model}_distilled"}) == students_only, change
    assert {values["model"] for name, values in usual.items() if name != "data"} == set(MODELS)


def test_the_same_cell_gives_the_same_row_and_another_seed_another(row):
    assert run_models(CELL, images()) == row
    assert run_models(replace(CELL, seed=1), images()) != row


def test_progress_only_moves_forward_and_ends_at_one():
    heard: list[float] = []
    run_models(CELL, images(), lambda message, fraction: heard.append(fraction))
    assert heard == sorted(heard)
    assert heard[-1] == 1


def test_other_images_or_one_member_are_refused():
    with pytest.raises(ValueError, match="data='cifar10', but the images are multi_view"):
        run_models(replace(CELL, data="cifar10"), images())
    with pytest.raises(ValueError, match="members=1"):
        replace(CELL, members=1)


def test_cost_counts_kernels_factorisations_and_descents():
    cell = replace(CELL, net=WideNet(depth=10, widen=1))
    like = ImageCell(num_train=60, num_test=60, members=3, net=cell.net)
    cost = expected_kernel_cost(cell, images())
    assert cost.kernels == expected_cost(like, images()).kernels
    assert cost.training == 0
    # 3 members, their sum and a student, in two columns; 4 descents of 40 steps and one of 60.
    assert cost.solves == pytest.approx(2 * 5 * 60**3 / 3 + (4 * 40 + 60) * 2 * 60**2 * 3)
    assert cost.memory == 8 * (4 * 60 * 120 + 2 * 60**2)


@pytest.mark.parametrize("preset", ["smoke", "laptop", "paper"])
@pytest.mark.parametrize("data", [None, "cifar10", "cifar100", "multi_view"])
def test_every_preset_has_cells_that_differ_in_the_seed_alone(preset, data):
    cells = find("cifar_ntk").cells(preset, cifar_ntk.Options(data=data), seeds=2)
    first = 0 if preset == "smoke" else 10
    assert [cell.seed for cell in cells] == [first, first + 1]
    assert replace(cells[0], seed=first + 1) == cells[1]
    usual = "multi_view" if preset == "smoke" else "cifar10"
    assert cells[0].data == (data or usual)
    assert cells[0].num_train % 100 == cells[0].num_test % 100 == 0


def test_stand_ins_are_redrawn_with_the_seed():
    one, same, other = (images_of(replace(CELL, seed=s), Context()) for s in (0, 0, 1))
    assert one.train_images.equal(same.train_images)
    assert not one.train_images.equal(other.train_images)
    assert one.train_images.shape == (60, 3, 32, 32)


def test_the_smoke_preset_needs_no_data_and_is_drawn(tmp_path):
    args = ["--preset", "smoke", "--out", str(tmp_path)]
    assert run_script(find("cifar_ntk"), args) == 0
    assert set(load(tmp_path / "cifar_ntk")["seed"]) == {0, 1}
    assert (tmp_path / "cifar_ntk" / "cifar_ntk-smoke.png").stat().st_size


@pytest.mark.parametrize("data", [[], ["--data", "cifar100"]])
def test_image_data_without_a_directory_are_refused_before_any_work(tmp_path, capfd, data):
    assert run_script(find("cifar_ntk"), [*data, "--out", str(tmp_path)]) == 2
    name = data[-1] if data else "cifar10"
    assert f"--data {name} reads the images from --data-dir" in capfd.readouterr().err
    assert not (tmp_path / "cifar_ntk").exists()


def test_real_images_are_read_once_and_costs_said(tmp_path):
    write_cifar10(tmp_path)
    context = Context(data_dir=tmp_path)
    cell = replace(CELL, data="cifar10", num_train=50, num_test=20)
    found = images_of(cell, context)
    assert found is images_of(replace(cell, seed=1), context)
    message = cifar_ntk.cost([cell, cell], context)
    assert message is not None
    assert message.startswith("Expected for 2 cells: ")
    assert "training" not in message
    assert cifar_ntk.cost([CELL], Context()) is None
    assert (
        0 < cifar_ntk.run(cell, context)["kernel_member"]["error"] <= 1
    )  # noise: nothing to learn


def table(n: int = 2, **errors: float) -> pd.DataFrame:
    """Lines of ``n`` repetitions in which all errors are 0.5 but ``errors``."""
    lines = [
        {"seed": seed, "status": "ok", "data": "cifar10", "num_train": 1500, "members": 2}
        | {"method": f"{model}_{role}", "model": model, "role": role, "size": SIZES.get(role)}
        | {"error": errors.get(f"{model}_{role}", 0.5)}
        for seed in range(n)
        for model in MODELS
        for role in cifar_ntk.METHODS
    ]
    return pd.DataFrame(lines)


SIZES = {"member": 1.0, "ensemble": 2.0}


def test_claims_are_three_a_model_and_judge_what_they_name():
    claims = {claim.name: claim for claim in claims_about("laptop")}
    assert len(claims) == 9
    for model, name in cifar_ntk.MODELS.items():
        for role, claim, value, expected in (
            ("member", "ensemble", 0.6, 0.1),
            ("summed", "trained sum", 0.4, 0.1),  # the sum may be better
            ("distilled", "student", 0.47, -0.03),
        ):
            found = claims[f"{name}: {claim}"]
            values = found.estimate.of(table(2, **{f"{model}_{role}": value})).by_seed
            assert values.tolist() == pytest.approx([expected] * 2)
            inside = found.predicted[0] <= expected <= found.predicted[1]
            assert inside == (claim != "student")
            assert (found.kind == "check") == (claim == "ensemble")
    assert claims_about("smoke") == []


def claims_about(preset):
    return find("cifar_ntk").claims_about(preset, cifar_ntk.Options())


@pytest.mark.parametrize("n", [1, 2])
def test_any_number_of_repetitions_is_drawn_and_summed_up(n):
    assert isinstance(draw(table(n)), Figure)
    (listing,) = cifar_ntk.tables(table(n))
    assert len(listing.grid(table(n)).rows) == 3 * 5
