"""cifar_ntk: its models against the engine and the features, its presets, images and claims."""

from dataclasses import replace
from typing import Any

import pandas as pd
import pytest
from drawn_numbers import points
from tiny_images import write_cifar10

from figures.cifar_ntk import draw
from multiview.bench import Cell, run
from multiview.bench.images import ImageSetting
from multiview.bench.modules import ModuleBench
from multiview.bench.nets import Conv
from multiview.methods import Kernels, Linearised
from multiview.ntk import centred_one_hot, descend, gram, predict, solve
from multiview.ntk.last_layer import last_layer_gram
from multiview.runs.experiment import Context
from multiview.runs.script import run_script
from multiview.runs.store import load
from multiview.train.metrics import wrong
from theory_experiments import cifar_ntk
from theory_experiments.views.fixed_features import MODELS, cost, kernel_cost

EXPERIMENT = cifar_ntk.EXPERIMENT
SETTING = replace(cifar_ntk.SMOKE, num_train=60, num_test=60, net=Conv(widths=(3, 4)), members=3)
CELL = cifar_ntk.cell(SETTING, steps=40, student_steps=60)


def cells(preset: str, data: Any = None, seeds: int = 1) -> list[Cell]:
    return EXPERIMENT.cells(preset, cifar_ntk.Options(data=data), seeds=seeds)


@pytest.fixture(scope="module")
def row():
    return run(CELL, Context())


def test_every_number_is_there(row):
    for model in MODELS:
        for method in ("member", "ensemble_2", "ensemble", "summed", "distilled"):
            assert 0 <= row[f"{model}_{method}"]["error"] <= 1, (model, method)
        each = row[f"{model}_member"]["error_each"]
        assert row[f"{model}_member"]["error"] == pytest.approx(sum(each) / 3)
        assert row[f"{model}_first"]["error"] == each[0]
        assert [row[f"{model}_{m}"]["size"] for m in ("ensemble_2", "ensemble")] == [2, 3]
        assert {row[f"{model}_{role}"]["model"] for role in ("member", "summed")} == {model}
    assert row["kernel_member"]["jitter"] == 0


def test_models_are_the_fits_they_are_called(row):
    bench = SETTING.bench(0, Context())
    assert isinstance(bench, ModuleBench)
    train, test, labels = bench.inputs, bench.samples.test, bench.samples.test_labels
    targets = centred_one_hot(bench.labels, 10)

    def errs(outputs):
        return pytest.approx(wrong(outputs, labels).double().mean().item(), abs=1e-9)

    for i in range(3):
        net = bench.one("members", i).eval()
        own, cross = gram(net, train, outputs="trace"), gram(net, test, train, outputs="trace")
        ridge = predict(cross, solve(own, targets, 0.3))
        assert row["kernel_member"]["error_each"][i] == errs(ridge)
        rate = 8 * descend(own, targets + 0.1, steps=0).learning_rate
        descent = descend(own, targets + 0.1, steps=40, learning_rate=rate)
        assert row["linearised_member"]["error_each"][i] == errs(predict(cross, descent)[0])
        last = solve(last_layer_gram(net, train), targets, 1.0)
        last = predict(last_layer_gram(net, test, train), last)
        assert row["last_layer_member"]["error_each"][i] == errs(last)


def test_every_setting_reaches_its_own_models():
    bench = SETTING.bench(0, Context())
    inputs = bench.inputs[:20]
    usual = {name: bench.trained(each).logits(inputs) for name, each in CELL.methods.items()}
    for name, changes in (
        ("kernel_member", {"ridge": 30.0}),
        ("kernel_distilled", {"student_ridge": 1000.0}),
        ("last_layer_member", {"ridge": 300.0}),
        ("linearised_member", {"steps": 1}),
        ("linearised_member", {"relative_rate": 0.02}),
        ("linearised_distilled", {"student_steps": 1}),
        ("linearised_distilled", {"temperature": 1000.0}),
    ):
        method: Any = CELL.methods[name]
        other = replace(method, **changes)
        assert not bench.trained(other).logits(inputs).allclose(usual[name]), changes
    member, student = (CELL.methods[f"linearised_{who}"] for who in ("member", "distilled"))
    assert isinstance(member, Linearised)
    assert isinstance(member.of, Kernels)
    assert member.of == CELL.methods["kernel_member"]  # kernels are computed once
    assert student in CELL.methods.values()
    for model in MODELS:
        mean = usual[f"{model}_member"].mean(1)
        assert usual[f"{model}_ensemble"].allclose(mean.to(usual[f"{model}_ensemble"]))


def test_the_same_cell_gives_the_same_row_and_another_seed_another(row):
    assert run(CELL, Context()) == row
    assert run(replace(CELL, seed=1), Context()) != row


def test_cost_counts_kernels_factorisations_and_descents(tmp_path):
    _, solves, memory = kernel_cost(SETTING, CELL, Context())
    # 3 members, their sum and a student, in two columns; 4 descents of 40 steps and one of 60.
    assert solves == pytest.approx(2 * 5 * 60**3 / 3 + (4 * 40 + 60) * 2 * 60**2 * 10)
    assert memory == 8 * (4 * 60 * 120 + 2 * 60**2)
    assert cost([CELL], Context()) is None
    write_cifar10(tmp_path)
    setting = replace(SETTING, data="cifar10", num_train=50, num_test=20)
    message = cost([replace(CELL, setting=setting)] * 2, Context(data_dir=tmp_path))
    assert message is not None
    assert message.text.startswith("Expected for 2 cells: ")


@pytest.mark.parametrize("preset", ["smoke", "laptop", "hours", "paper"])
@pytest.mark.parametrize("data", [None, "cifar10", "cifar100", "multi_view"])
def test_every_preset_has_cells_that_differ_in_the_seed_alone(preset, data):
    found = cells(preset, data, seeds=2)
    first = 0 if preset == "smoke" else 10
    assert [cell.seed for cell in found] == [first, first + 1]
    assert replace(found[0], seed=first + 1) == found[1]
    setting = found[0].setting
    assert isinstance(setting, ImageSetting)
    assert setting.data == (data or ("multi_view" if preset == "smoke" else "cifar10"))
    sizes = [setting.num_train or 1, setting.num_test or 1]
    assert not any(size % 100 for size in sizes)
    for method in found[0].methods.values():
        method.check(setting)


def test_the_smoke_preset_needs_no_data_and_is_drawn(tmp_path):
    args = ["--preset", "smoke", "--seeds", "1", "--out", str(tmp_path)]
    assert run_script(EXPERIMENT, args) == 0
    assert set(load(tmp_path / "cifar_ntk")["seed"]) == {0}
    assert (tmp_path / "cifar_ntk" / "cifar_ntk-smoke.png").stat().st_size


@pytest.mark.parametrize("data", [[], ["--data", "cifar100"]])
def test_image_data_without_a_directory_are_refused_before_any_work(tmp_path, capfd, data):
    assert run_script(EXPERIMENT, [*data, "--out", str(tmp_path)]) == 2
    name = data[-1] if data else "cifar10"
    assert f"{name} is read from --data-dir" in capfd.readouterr().err
    assert not (tmp_path / "cifar_ntk").exists()


def table(n: int = 2, **errors: float) -> pd.DataFrame:
    """Lines of ``n`` repetitions in which all errors are 0.5 but ``errors``."""
    sizes = {"member": 1.0, "ensemble": 2.0}
    lines = [
        {"seed": seed, "status": "ok", "data": "cifar10", "num_train": 1500, "members": 2}
        | {"method": f"{model}_{role}", "model": model, "role": role, "size": sizes.get(role)}
        | {"error": errors.get(f"{model}_{role}", 0.5)}
        for seed in range(n)
        for model in MODELS
        for role in cifar_ntk.ROLES
    ]
    return pd.DataFrame(lines)


def test_claims_are_three_a_model_and_judge_what_they_name():
    about = EXPERIMENT.claims_about
    claims = {claim.name: claim for claim in about("laptop", cifar_ntk.Options())}
    assert len(claims) == 9
    for model, name in MODELS.items():
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
    assert about("smoke", cifar_ntk.Options()) == []


@pytest.mark.parametrize("n", [1, 2])
def test_any_number_of_repetitions_is_drawn_and_summed_up(n):
    (axes,) = draw(table(n, kernel_ensemble=0.45, linearised_summed=0.52)).axes
    gains = [x for _, x, _ in points(axes)]
    assert gains == pytest.approx([0.05, 0, 0, 0, -0.02, 0, 0, 0, 0])
    (listing,) = cifar_ntk.tables(table(n))
    assert len(listing.grid(table(n)).rows) == 3 * 5
