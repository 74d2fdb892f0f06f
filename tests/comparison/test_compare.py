"""compare: methods by name, from the command line and on samples and networks of one's own."""

import importlib.util
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import TensorDataset
from unchecked import unchecked

from figures import compare as figure
from multiview.bench import Entry
from multiview.bench.images import read_once
from multiview.bench.recipe import plain_recipe
from multiview.bench.tensors import TensorSetting, digest_of, samples_of
from multiview.comparison import compare
from multiview.comparison.experiment import EVERY, chosen, comparison
from multiview.comparison.settings import PATCHES, setting_of
from multiview.data import images
from multiview.distill import Squares
from multiview.methods import Student
from multiview.runs.cli import command
from multiview.runs.experiment import Context

QUICK = ["--num-train", "40", "--epochs", "2", "--members", "2", "--seeds", "2"]


def samples(n: int = 60, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    x = torch.randn(n, 5, generator=torch.Generator().manual_seed(seed))
    return x, x[:, :3].argmax(1)


def linear() -> nn.Module:
    return nn.Linear(5, 3)


def quick(tmp_path, net=linear, train=None, test=None, **given):
    settings = {"methods": "one,ensemble,hinton", "epochs": 2, "seeds": 2, "members": 2} | given
    train = samples() if train is None else train
    test = samples(seed=1) if test is None else test
    return compare(net, train, test, out=tmp_path, **settings)


def test_the_command_trains_measures_draws_and_resumes(tmp_path, capsys):
    line = ["compare", "--methods", "one,ensemble,hinton", *QUICK, "--out", str(tmp_path)]
    assert command(line) == 0
    first = capsys.readouterr()
    for text in ("Views learned and errors", "one network", "of the ensemble,"):
        assert text in first.out
    assert "2 computed" in first.err
    assert len(list(tmp_path.glob("compare/*.png"))) == 1
    assert command(line) == 0
    again = capsys.readouterr()
    assert "2 stored before, 0 computed" in again.err
    assert again.out == first.out


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (["--methods", "one,hintom"], "'hintom' is no method; there are one, labels"),
        (["--methods", ","], "names none: there are one, labels"),
        (["--num-train", "0"], "num_train=0"),
        (["--epochs", "-1"], "epochs=-1"),
        (["--net", "fast"], "patches have their own"),
        (["--setting", "mnist", "--methods", "patch_dropout"], "kind='patch' drops patches"),
        (["--setting", "mnist", "--methods", "dropout"], "Fast has no dropout"),
        (["--setting", "mnist"], "--data-dir"),
    ],
)
def test_what_cannot_be_compared_is_refused_in_one_line(given, words, tmp_path, capsys):
    assert command(["compare", *given, "--out", str(tmp_path)]) == 2
    found = capsys.readouterr()
    assert words in found.err
    assert "Traceback" not in found.err
    assert not list(tmp_path.rglob("*.json"))


def test_all_methods_that_a_setting_allows_are_meant_by_all():
    assert set(chosen("all", PATCHES)) == set(EVERY)
    assert set(chosen("all", setting_of("mnist"))) == set(EVERY) - {
        *("patch_dropout", "dropout", "masks", "mask_student", "gates", "gates_taught")
    }
    assert "masks" in chosen("all", setting_of("mnist", "quick"))


def test_a_network_of_ones_own_is_compared_on_samples_of_ones_own(tmp_path):
    found = quick(tmp_path)
    assert set(found.table["method"]) == {"one", "ensemble", "hinton"}
    assert found.table["error"].between(0, 1).all()
    assert "Hinton's loss" in str(found)
    assert "Hinton&#x27;s loss" in found._repr_html_()
    assert len(found.figure.axes) == 1
    paths = sorted(Path(tmp_path).glob("compare/*.json"))
    before = {path: path.stat().st_mtime_ns for path in paths if "run" not in path.name}
    assert len(before) == 2
    again = quick(tmp_path)
    assert {path: path.stat().st_mtime_ns for path in before} == before  # read, not trained
    np.testing.assert_array_equal(again.table["error"], found.table["error"])
    quick(tmp_path, seeds=3)  # one more row, not three
    rows = [each for each in Path(tmp_path).glob("compare/*.json") if "run" not in each.name]
    assert len(rows) == 3


def rows_in(folder) -> int:
    return sum("run" not in each.name for each in Path(folder).glob("compare/*.json"))


def wide(width: int) -> nn.Module:
    return nn.Sequential(nn.Linear(5, width), nn.ReLU(), nn.Linear(width, 3))


def test_other_samples_and_other_networks_are_other_rows(tmp_path):
    quick(tmp_path)
    quick(tmp_path, train=samples(seed=5))
    for width in (2, 7):  # told by what the function makes, not by its text
        quick(tmp_path, net=lambda: wide(width))  # noqa: B023
    assert rows_in(tmp_path) == 8
    quick(tmp_path, net=partial(wide, 7))  # the same network, written otherwise
    assert rows_in(tmp_path) == 8
    one, other = (samples_of(samples(seed=i), samples(seed=9)) for i in (0, 5))
    assert digest_of(one) != digest_of(other)


OWN = """
from dataclasses import dataclass
from multiview.distill import Hinton

@dataclass(frozen=True)
class Mine:
    def __call__(self, student_logits, teacher_logits):
        return {factor} * Hinton(1.0)(student_logits, teacher_logits)
"""


def test_an_edited_loss_of_ones_own_makes_other_rows(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    versions = []
    for factor in (1, 5):
        folder = tmp_path / f"with_{factor}"
        folder.mkdir()
        (folder / "my_loss.py").write_text(OWN.format(factor=factor))
        spec = importlib.util.spec_from_file_location("my_loss", folder / "my_loss.py")
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        monkeypatch.setitem(sys.modules, "my_loss", module)
        spec.loader.exec_module(module)
        setting = TensorSetting.of(samples_of(samples(), samples(seed=1)), linear, members=2)
        entries = {"mine": Entry(Student(kd_loss=module.Mine()), "mine")}
        versions.append(comparison(setting, entries).code_version())
    assert versions[0] != versions[1]


def test_methods_and_data_sets_of_ones_own(tmp_path):
    methods = {"squares": Entry(Student(kd_loss=Squares(center=False)), "mine"), "s": Student()}
    data = TensorDataset(*samples())
    found = quick(tmp_path, train=data, methods=methods, validation=samples(seed=3))
    assert list(found.table["label"].unique()) == ["mine", "s"]
    assert np.all(found.table["best"].notna())  # there are validation samples


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"net": lambda: nn.Linear(5, 4)}, r"net gives \(2, 4\).*one output for each of 3 classes"),
        ({"net": lambda: "no module"}, "net makes a str"),
        ({"net": nn.Linear(5, 3)}, "already made"),
        ({"net": (lambda net: lambda: net)(nn.Linear(5, 3))}, "the same weights twice"),
        ({"train": (samples()[0].double(), samples()[1])}, "type torch.float64"),
        ({"train": samples()[0]}, "train is a Tensor: give a pair"),
        ({"methods": {"a": "one"}}, "give a Method or an Entry"),
        ({"methods": [Student()]}, "give names, or methods of your own"),
        ({"setting": "patches"}, "train does not apply"),
        ({"device": "foo"}, "device='foo' is not available"),
        ({"net": None}, "give net, train and test"),
        ({"test": (samples()[0][:, :4], samples()[1])}, r"test has inputs of shape \(4,\)"),
        ({"train": (samples()[0], samples()[1][:-1])}, "train has 60 inputs and 59 labels"),
        ({"test": (samples()[0], samples()[1] + 1)}, "labels of test run from 1 to 3"),
        ({"members": 0}, "members=0"),
        ({"epochs": 0}, "epochs=0"),
        ({"recipe": plain_recipe(1)}, "epochs=2 does not apply where a recipe"),
        ({"num_classes": 2}, "labels of train run from 0 to 2: with 2 classes"),
        ({"train": (samples()[0] * torch.nan, samples()[1])}, "inputs of train"),
        ({"methods": "dropout"}, "no nn.Dropout layer"),
        ({"methods": "patch_dropout"}, "kind='patch'"),
        ({"methods": "hintom"}, "'hintom' is no method"),
    ],
)
def test_what_does_not_fit_is_refused_before_any_training(given, words, tmp_path):
    with pytest.raises(ValueError, match=words), unchecked():
        quick(tmp_path, **given)
    assert not list(tmp_path.rglob("*.json"))


def test_a_setting_of_tensors_gives_each_seed_a_start_of_its_own():
    setting = TensorSetting.of(samples_of(samples(), samples(seed=1)), linear, members=2)
    weights = []
    for seed in (0, 0, 1):
        nets: Any = setting.bench(seed, Context()).group("members", 2)
        weights.append([each.weight.detach() for each in nets.nets])
    assert weights[0][0].equal(weights[1][0])
    assert not weights[0][0].equal(weights[2][0])
    assert not weights[0][0].equal(weights[0][1])


def made_up(folder: Path) -> dict:
    """A data set of three classes, each with one bright corner."""
    draws = np.random.default_rng(0)
    labels = {"train": np.arange(90) % 3, "test": np.arange(30) % 3}
    fields: dict = {"class_names": ("a", "b", "c")}
    for split, truth in labels.items():
        pixels = draws.integers(0, 80, (len(truth), 1, 8, 8), dtype=np.uint8)
        for i, label in enumerate(truth):
            pixels[i, :, 4 * (label // 2) : 4 + 4 * (label // 2), 4 * (label % 2) :] += 120
        fields |= {f"{split}_images": pixels, f"{split}_labels": truth.astype(np.int64)}
    return fields


def test_a_new_data_set_takes_a_reader_and_a_name(monkeypatch, tmp_path):
    """Nothing else must know it: it is drawn, trained on and measured as the others are."""
    reader = images.Reader(lambda folder: folder, lambda folder: [], made_up, "made-up")
    monkeypatch.setitem(images.READERS, "corners", reader)  # type: ignore[arg-type]
    read_once.cache_clear()
    setting: Any = setting_of("corners", "dense", members=2, num_train=30, epochs=3)
    setting = replace(setting, num_validation=15, num_test=15)
    found = compare(
        setting=setting, methods="one,ensemble", seeds=1, out=tmp_path, data_dir=tmp_path
    )
    assert set(found.table["data"]) == {"corners"}
    assert np.max(found.table["error"]) < 0.6  # of three classes, so it learned


def test_the_picture_names_every_method_and_group(tmp_path):
    found = quick(tmp_path)
    (axes,) = figure.draw(found.table).axes
    assert [each.get_text() for each in axes.get_yticklabels()] == [
        "labels alone: one network",
        "averaging: ensemble",
        "students: of the ensemble, Hinton's loss",
    ]
    assert {entry.group for entry in EVERY.values()} == set(figure.COLOURS)
