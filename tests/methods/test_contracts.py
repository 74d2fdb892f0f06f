"""What holds of every method of the catalogue, on patches and on a module of one's own."""

import pickle
from dataclasses import replace

import pytest
import torch
from kept_artefacts import found_again
from torch import nn

from multiview import stream
from multiview.bench import Cell, Entry, Flow, PatchSetting, Sgd, check, run
from multiview.bench.images import ImageSetting
from multiview.bench.recipe import plain_recipe
from multiview.bench.tensors import TensorSetting, samples_of
from multiview.comparison.experiment import EVERY, cell_of
from multiview.methods import Dropout, Gates, Kernels, Rocket
from multiview.methods.catalogue import CATALOGUE, PATCHES_ONLY
from multiview.runs.experiment import Context
from multiview.runs.rows import plain_cell, row_key
from multiview.train import OptimSpec, TrainSpec
from theory_experiments.settings import SMOKE_BY_SGD

OPTIM = OptimSpec(epochs=3, batch_size=50, learning_rate=1.0, weight_decay=0.0)
PATCHES = replace(SMOKE_BY_SGD, num_train=60, training=Sgd(labels=OPTIM, students=OPTIM))


class OwnNet(nn.Module):
    """A user's module, with a dropout layer whose rate can be set."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Dropout(0.1), nn.Linear(8, 3))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.layers(x)


def own_setting() -> TensorSetting:
    x = torch.randn(90, 6, generator=stream(0, "own"))
    y = x[:, :3].argmax(1)
    train, test, validation = ((x[i : i + 30], y[i : i + 30]) for i in (0, 30, 60))
    recipe = plain_recipe(epochs=2, batch_size=10)
    return TensorSetting.of(
        samples_of(train, test, validation),
        OwnNet,
        members=2,
        recipe=recipe,
        students=replace(recipe, together=3),
    )


FLOW = replace(
    PATCHES,
    sigma_init=0.3,
    training=Flow(
        labels=TrainSpec(max_steps=8),
        students=TrainSpec(method="adaptive", max_steps=5, loss_bound=0.0),
    ),
)


def allowed(setting: PatchSetting) -> dict[str, Entry]:
    """The methods that a setting can train."""
    found = {}
    for name, entry in EVERY.items():
        try:
            check([Cell(setting=setting, methods={name: entry.method})], Context())
        except ValueError:
            continue
        found[name] = entry
    return found


SETTINGS = {
    "patches": (PATCHES, EVERY),
    "flow": (FLOW, allowed(FLOW)),
    "module": (own_setting(), CATALOGUE),
}


def snapshot(net):
    return None if net is None else {k: v.clone() for k, v in net.state_dict().items()}


@pytest.mark.parametrize("name", SETTINGS)
def test_what_trainings_leave_is_found_by_another_bench(name, tmp_path, monkeypatch):
    setting, entries = SETTINGS[name]
    methods = {key: entry.method for key, entry in entries.items()}
    found_again(setting, methods, tmp_path, monkeypatch)


@pytest.fixture(scope="module", params=SETTINGS)
def twice(request):
    """All methods trained in order and in reverse, and their networks right after training."""
    setting, entries = SETTINGS[request.param]
    benches = []
    for names in (list(entries), list(entries)[::-1]):
        bench = setting.bench(7, Context())
        bench.plan([entries[name].method for name in names])
        states = {}
        for name in names:
            states[name] = snapshot(bench.trained(entries[name].method).net)
        benches.append((bench, states))
    return entries, benches


def test_the_order_of_training_changes_nothing(twice):
    entries, ((first, _), (second, _)) = twice
    inputs = first.inputs[:20]
    for name, entry in entries.items():
        one, other = (
            bench.outputs(bench.trained(entry.method).logits, inputs) for bench in (first, second)
        )
        assert one.isfinite().all(), name
        assert one.shape in {(20, first.num_classes), (20, first.members, first.num_classes)}
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5, msg=name)


def test_a_bench_trains_once_and_changes_no_net_in_place(twice):
    entries, benches = twice
    for bench, states in benches:
        for name, entry in entries.items():
            classifier = bench.trained(entry.method)
            assert classifier is bench.trained(replace(entry.method))  # an equal method
            for key, value in (states[name] or {}).items():
                assert classifier.net.state_dict()[key].equal(value), (name, key)
            assert classifier.net is None or not classifier.net.training


@pytest.mark.parametrize("name", EVERY)
def test_a_method_is_a_value_that_can_be_stored(name):
    method = EVERY[name].method
    again = pickle.loads(pickle.dumps(method))
    assert again == method
    assert hash(again) == hash(method)
    cell = Cell(setting=PATCHES, methods={"it": method})
    assert plain_cell(replace(cell, methods={"it": again})) == plain_cell(cell)
    others = {EVERY[other].method for other in EVERY if other != name}
    assert method not in others
    for other in others:
        assert row_key("x", replace(cell, methods={"it": other}), "v") != row_key("x", cell, "v")


def test_what_a_setting_cannot_train_is_refused_before_any_training():
    flow = replace(PATCHES, training=Flow(labels=TrainSpec(), students=TrainSpec()))
    image = ImageSetting(data="multi_view")
    for setting, method, words in (
        (flow, Dropout(), "needs minibatches"),
        (flow, Rocket(), "needs minibatches"),
        (flow, Gates(), "needs minibatches"),
        (image, PATCHES_ONLY["patch_dropout"].method, "kind='patch'"),
        (image, Dropout(), "Fast has no dropout"),
        (image, Rocket(shared=2), "shared=2"),
        (replace(image, num_train=50_000), Kernels(), "num_train=50000"),
        (PATCHES, Rocket(shared=5), "0 to 4"),
    ):
        with pytest.raises(ValueError, match=words):
            check([Cell(setting=setting, methods={"it": method})], Context())


def test_a_cell_is_computed_as_its_methods_and_measures_say():
    setting, _ = SETTINGS["module"]
    names = ("one", "ensemble", "hinton", "gates")
    cell = cell_of(setting, {name: CATALOGUE[name] for name in names})
    row = run(cell, Context())
    assert list(row) == list(names)
    assert len(row["one"]["each"]) == setting.members
    assert row["one"]["error"] == pytest.approx(sum(row["one"]["each"]) / setting.members)
    assert 0 < row["gates"]["share_open"] <= 1
    assert "best" in row["hinton"]  # there are validation samples
    assert run(cell, Context()) == row


def test_a_setting_of_patches_says_what_it_needs():
    with pytest.raises(ValueError, match="members=0"):
        replace(PATCHES, members=0)
    with pytest.raises(ValueError, match="device='cuda'"):
        PatchSetting.check(PATCHES, Context(device="cuda"))
