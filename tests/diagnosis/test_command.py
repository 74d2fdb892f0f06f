"""multiview diagnose: the networks of a folder, asked for samples of a file or test images."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from one_bad_input import printed
from safetensors.torch import save_file
from saved_nets import asked, net, samples, saved
from tiny_images import write_cifar10
from torch import nn

from multiview.data.images import load_images, moments, standardise
from multiview.diagnosis import diagnose
from multiview.diagnosis.folder import classifiers, nets_in
from multiview.diagnosis.found import document
from multiview.diagnosis.samples import images_of, read_samples
from multiview.models import PatchNet, SingleMember, save
from multiview.rng import stream
from multiview.runs.cli import command

FOUND = ("--samples", "samples.npz")


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    saved(tmp_path)
    asked(tmp_path)
    return tmp_path


def called(*arguments: str) -> str:
    found = printed(lambda: command(["diagnose", *arguments]))
    assert found.code == 0, found.text
    return found.text


def test_the_document_is_what_diagnose_returns(here):
    found = json.loads(called("nets", *FOUND, "--sizes", "2", "4", "--seed", "5", "--json"))
    expected = diagnose([net(i) for i in range(3)], samples(), sizes=(2, 4), seed=5)
    names = [f"net_{i}.safetensors" for i in range(3)]
    assert found == {"folder": "nets"} | json.loads(json.dumps(document(expected, names)))
    assert [each["error"] for each in found["nets"]] == list(expected.errors)
    (taught,) = [
        each for each in found["predictions"] if (each["kind"], each["size"]) == ("self", 1)
    ]
    assert taught["gain"]["low"] == expected.predicted("self").gain.low


def test_the_tables_hold_the_same_numbers(here):
    text = called("nets", *FOUND)
    found = diagnose([net(i) for i in range(3)], samples())
    for i, error in enumerate(found.errors):
        assert f"net_{i}.safetensors {100 * error:.1f}" in text
    gain = found.predicted("ensemble", 10).gain
    assert f"{100 * gain.value:.1f} [{100 * gain.low:.1f}, {100 * gain.high:.1f}]" in text
    assert "the average of 10, logits *" in text
    assert "120 samples of 3 classes" in text


def test_what_is_not_known_is_null():
    """Of two that never err on the same samples nobody can say whether mistakes are alike."""
    labels = torch.arange(200) % 2
    logits = [nn.functional.one_hot(labels, 2).float() for _ in range(2)]
    logits[0][0], logits[1][1] = logits[0][0].flip(0), logits[1][1].flip(0)
    found = document(diagnose(logits, labels), ["a", "b"])
    assert found["agreement"]["same_wrong_label"] is None
    json.dumps(found, allow_nan=False)


def test_both_kinds_of_files_hold_samples(here):
    inputs, labels = samples()
    save_file({"inputs": inputs, "labels": labels}, here / "samples.safetensors")
    for name in ("samples.npz", "samples.safetensors"):
        found, own = read_samples(here / name)
        torch.testing.assert_close(found, inputs, rtol=0, atol=0)
        assert own.equal(labels)
    other = {"inputs": inputs.double().numpy(), "labels": labels.numpy().astype("uint16")}
    found, own = read_samples(asked(here, other))
    torch.testing.assert_close(found, inputs, rtol=0, atol=0)
    assert own.equal(labels)


def test_a_patch_network_of_one_member_is_a_classifier(tmp_path):
    for seed in range(2):
        drawn = stream(seed, "init")
        made = PatchNet(members=1, num_classes=3, width=2, patch_dim=4, generator=drawn)
        save(made, tmp_path / f"{seed}.safetensors")
    patches, labels = torch.randn(9, 5, 4, generator=stream(0, "x")), torch.arange(9) % 3
    found = classifiers(nets_in(tmp_path), patches, labels, "here")
    assert all(isinstance(each, SingleMember) for each in found)


def test_test_images_are_standardised_by_the_training_images(tmp_path):
    write_cifar10(tmp_path, per_batch=120)
    data = load_images("cifar10", tmp_path)
    _, expected = standardise(data.train_images, data.test_images)
    images, labels = images_of("cifar10", tmp_path, None, 0)
    torch.testing.assert_close(images, expected, rtol=1e-6, atol=1e-6)
    assert labels.equal(data.test_labels.long())
    drawn, own = images_of("cifar10", tmp_path, 110, 3)
    assert len({tuple(each.flatten().tolist()) for each in drawn}) == len(own) == 110
    again, _ = images_of("cifar10", tmp_path, 110, 3)
    assert drawn.equal(again)
    assert not drawn.equal(images_of("cifar10", tmp_path, 110, 4)[0])


def test_a_constant_channel_has_deviation_one():
    images = torch.full((3, 2, 4, 4), 7, dtype=torch.uint8)
    mean, deviation = moments(images)
    assert mean.flatten().tolist() == [7, 7]
    assert deviation.flatten().tolist() == [1, 1]


def test_a_damaged_file_is_told_as_one(here):
    inputs, labels = samples()
    np.savez_compressed("packed.npz", inputs=inputs.numpy(), labels=labels.numpy())
    whole = bytearray(Path("packed.npz").read_bytes())
    whole[len(whole) // 2] ^= 255
    Path("packed.npz").write_bytes(whole)
    with pytest.raises(ValueError, match=r"packed\.npz is no whole \.npz file"):
        read_samples(Path("packed.npz"))


def test_networks_of_another_precision_are_asked(here):
    expected = called("nets", *FOUND)
    for i in range(3):
        save(net(i).double(), here / "nets" / f"net_{i}.safetensors")
    assert called("nets", *FOUND) == expected
