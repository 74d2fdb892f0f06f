"""Image readers on made-up files, verify, and subsets."""

import dataclasses
import gzip
import hashlib
import os
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tiny_images import (
    batch,
    idx,
    python2_pickle,
    write_cifar10,
    write_cifar100,
    write_mnist,
    write_sums,
)

from multiview import stream
from multiview.data import cifar, mnist
from multiview.data.files import DamagedData
from multiview.data.images import ImageData, load_images, verify

WRITERS = {"cifar10": write_cifar10, "cifar100": write_cifar100, "mnist": write_mnist}


def made_up(per_class: int = 6, num_classes: int = 3, seed: int = 0) -> ImageData:
    """Every image is its own index, so that none can be mistaken for another."""
    n = per_class * num_classes
    images = torch.arange(2 * n, dtype=torch.uint8).view(-1, 1, 1, 1).expand(-1, 2, 4, 4)
    labels = torch.arange(n) % num_classes
    return ImageData(
        name="made up",
        class_names=tuple("abcdefgh"[:num_classes]),
        train_images=images[:n],
        train_labels=labels,
        test_images=images[n:],
        test_labels=labels,
    )


def test_cifar10_pixels_and_labels_are_those_written(tmp_path):
    write_cifar10(tmp_path)
    data = load_images("cifar10", tmp_path)
    assert data.train_images.shape == (100, 3, 32, 32)
    assert data.train_images.dtype == torch.uint8
    assert data.test_labels.dtype == torch.int64
    last = batch([0] * 20, seed=5)[b"data"]
    np.testing.assert_array_equal(data.test_images.flatten(1), last)
    # Red plane first, row by row: pixel (row 1, column 2) of green is entry 1024 + 32 + 2.
    pixels = batch([0] * 20, seed=0)[b"data"]
    assert data.train_images[7, 1, 1, 2] == pixels[7, 1024 + 32 + 2]  # type: ignore[index]
    assert data.train_labels[:12].tolist() == [*range(10), 0, 1]
    assert data.class_names[3] == "class3"


def test_cifar100_reads_the_fine_labels(tmp_path):
    write_cifar100(tmp_path)
    data = load_images("cifar100", tmp_path)
    assert data.num_classes == 100
    assert data.train_labels.tolist() == [i % 100 for i in range(200)]
    assert data.class_names[99] == "class99"


@pytest.mark.parametrize("form", ["plain", "gz", "both"])
def test_mnist_reads_either_form(tmp_path, form):
    write_mnist(tmp_path, form)
    data = load_images("mnist", tmp_path)
    first = np.random.default_rng(0).integers(0, 256, (40, 28, 28), dtype=np.uint8)
    np.testing.assert_array_equal(data.train_images[:, 0], first)
    assert data.test_images.shape == (20, 1, 28, 28)
    assert data.train_labels[:11].tolist() == [*range(10), 0]


def test_mnist_reads_the_plain_form_where_both_are_there_and_verify_both(tmp_path):
    folder = write_mnist(tmp_path, "both")
    (folder / "train-labels-idx1-ubyte.gz").write_bytes(b"damaged")
    load_images("mnist", tmp_path)
    with pytest.raises(ValueError, match=r"train-labels-idx1-ubyte\.gz: it does not decompress"):
        verify(tmp_path)


@pytest.mark.parametrize("name", WRITERS)
def test_the_folder_itself_and_its_parent_are_the_same(tmp_path, name):
    folder = WRITERS[name](tmp_path)
    inside, above = load_images(name, folder), load_images(name, str(tmp_path))
    assert inside.train_images.equal(above.train_images)
    renamed = folder.rename(tmp_path / "elsewhere")
    assert load_images(name, renamed).test_labels.equal(above.test_labels)


@pytest.mark.parametrize("name", WRITERS)
def test_missing_data_says_what_is_expected_and_how_to_get_it(tmp_path, name):
    with pytest.raises(DamagedData, match=rf"holds no {name}: expected .*\n.*\n.*mkdir") as error:
        load_images(name, tmp_path)
    assert "curl" in str(error.value)


def test_unknown_name_is_refused(tmp_path):
    name: Any = "imagenet"
    with pytest.raises(ValueError, match="not one of cifar10, cifar100, mnist"):
        load_images(name, tmp_path)


def test_one_missing_file_is_named_with_its_remedy(tmp_path):
    folder = write_cifar10(tmp_path)
    (folder / "data_batch_3").unlink()
    with pytest.raises(DamagedData, match=r"data_batch_3: missing\.\n  Mend it: curl .* tar"):
        load_images("cifar10", tmp_path)
    mnist_folder = write_mnist(tmp_path, "gz")
    (mnist_folder / "t10k-labels-idx1-ubyte.gz").unlink()
    with pytest.raises(DamagedData, match=r"t10k-labels-idx1-ubyte: missing"):
        load_images("mnist", tmp_path)


@pytest.mark.parametrize("name", WRITERS)
def test_a_truncated_file_is_reported_with_size_and_digest(tmp_path, name):
    folder = WRITERS[name](tmp_path)
    victim = sorted(folder.iterdir())[-1]
    content = victim.read_bytes()
    victim.write_bytes(content[:-7])
    with pytest.raises(DamagedData, match=rf"{victim.name}: .*found {len(content) - 7} bytes, "):
        load_images(name, tmp_path)


def test_an_altered_file_fails_its_sum(tmp_path):
    folder = write_cifar10(tmp_path)
    write_sums(folder)
    load_images("cifar10", tmp_path)
    path = folder / "data_batch_2"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1  # one bit of one pixel: still well-formed
    path.write_bytes(content)
    with pytest.raises(DamagedData, match=r"data_batch_2: altered: found \d+ bytes, sha256 ") as e:
        load_images("cifar10", tmp_path)
    assert "remove" in str(e.value)


def test_a_sums_file_that_is_none_is_reported(tmp_path):
    folder = write_mnist(tmp_path)
    (folder / "SHA256SUMS").write_text("nonsense\n")
    with pytest.raises(DamagedData, match=r"SHA256SUMS: not a list"):
        load_images("mnist", tmp_path)


def change(**entries):
    return lambda content: content | {key.encode(): value for key, value in entries.items()}


@pytest.mark.parametrize(
    ("alter", "message"),
    [
        (change(labels=[0] * 19 + [10]), r"labels from 0 to 10, not within 0\.\.9"),
        (change(labels=[-1] + [0] * 19), r"labels from -1 to 0"),
        (change(labels=[0] * 19), "19 labels for 20 images"),
        (change(labels=["a"] * 20), "not a list of integers"),
        (change(labels=b"text"), "not a list of integers"),
        (change(data=np.zeros((20, 3071), np.uint8)), r"shape \(20, 3071\), not \(n, 3072\)"),
        (change(data=np.zeros((20, 3072))), "array of float64, not an array of uint8"),
        (change(data=[1]), "list, not an array of uint8"),
        (change(data=np.zeros((0, 3072), np.uint8), labels=[]), r"shape \(0, 3072\)"),
        (lambda content: {b"data": content[b"data"]}, "it has no 'labels'"),
        (lambda content: [1], "it holds a list, not a dict"),
        (lambda content: batch([0] * 21, seed=0), "21 images, but batches.meta says 20 a batch"),
        (lambda content: {b"data": Attack()}, r"asks for (posix|nt)\.system"),
    ],
)
def test_malformed_batches_are_refused(tmp_path, alter, message):
    folder = write_cifar10(tmp_path)
    path = folder / "data_batch_4"
    path.write_bytes(python2_pickle(alter(batch([0] * 20, seed=3))))
    with pytest.raises(DamagedData, match=message) as error:
        load_images("cifar10", tmp_path)
    assert str(path) in str(error.value)
    assert "Mend it: curl" in str(error.value)


class Attack:
    def __reduce__(self):
        return os.system, ("false",)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("train-labels-idx1-ubyte", idx(np.full(40, 10)), r"a label 10, not within 0\.\.9"),
        ("train-labels-idx1-ubyte", idx(np.zeros(39)), "39 labels for 40 images"),
        (
            "train-labels-idx1-ubyte",
            idx(np.zeros((40, 1))),
            "it starts with 00000802, not 00000801",
        ),
        ("t10k-images-idx3-ubyte", idx(np.zeros((20, 28, 27))), "not 28 x 28"),
        ("t10k-images-idx3-ubyte", idx(np.zeros((20, 28, 28)))[:-1], r"15695 bytes where .* 15696"),
        ("t10k-images-idx3-ubyte", idx(np.zeros((20, 28, 28))) + b"x", "15697 bytes"),
        ("t10k-images-idx3-ubyte", b"", "no idx3"),
    ],
)
def test_malformed_idx_files_are_refused(tmp_path, name, content, message):
    for form in ("plain", "gz"):
        folder = write_mnist(tmp_path / form, form)
        suffix = "" if form == "plain" else ".gz"
        path = folder / f"{name}{suffix}"
        path.write_bytes(content if form == "plain" else gzip.compress(content))
        with pytest.raises(DamagedData, match=message) as error:
            load_images("mnist", tmp_path / form)
        assert path.name in str(error.value)


def test_a_gzip_bomb_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(mnist, "MAX_BYTES", 1000)
    write_mnist(tmp_path, "gz")
    with pytest.raises(DamagedData, match="more than 1000 bytes"):
        load_images("mnist", tmp_path)


def test_verify_tells_official_listed_and_unknown_apart(tmp_path, monkeypatch):
    folder = write_mnist(tmp_path, "both")
    official = folder / "t10k-labels-idx1-ubyte"
    listed = folder / "t10k-images-idx3-ubyte"
    write_sums(folder)
    text = (folder / "SHA256SUMS").read_text().splitlines()
    keep = [line for line in text if line.endswith(listed.name)]
    # A wrong entry for the official file: the published digest outranks the list.
    (folder / "SHA256SUMS").write_text("\n".join([*keep, "0" * 64 + "  " + official.name]))
    digest = next(line for line in text if line.endswith(official.name)).split()[0]
    monkeypatch.setitem(mnist.SHA256, official.name, digest)
    lines = dict(line.rsplit(": ", 1) for line in verify(tmp_path))
    assert len(lines) == 8
    assert lines.pop(str(official)) == "official"
    assert lines.pop(str(listed)) == "matches SHA256SUMS"
    assert set(lines.values()) == {"unknown content, but well-formed"}


def test_verify_knows_official_md5_sums(tmp_path, monkeypatch):
    folder = write_cifar100(tmp_path)
    content = (folder / "test").read_bytes()
    layout = dataclasses.replace(cifar.CIFAR100, test={"test": hashlib.md5(content).hexdigest()})
    file = cifar.cifar_files(layout, folder)[-1]
    assert file.load()[1] == "official"
    assert cifar.cifar_files(cifar.CIFAR100, folder)[-1].load()[1].startswith("unknown content")


def test_verify_covers_every_data_set_and_lists_all_damage(tmp_path):
    write_cifar10(tmp_path)
    write_cifar100(tmp_path)
    write_mnist(tmp_path)
    assert len(verify(tmp_path)) == 7 + 3 + 4
    (tmp_path / "cifar-10-batches-py" / "data_batch_5").unlink()
    (tmp_path / "cifar-100-python" / "train").write_bytes(b"\x80\x02")
    with pytest.raises(ValueError, match="2 damaged") as error:
        verify(tmp_path)
    assert "data_batch_5: missing" in str(error.value)
    assert "cifar-100-python/train: not a readable pickle" in str(error.value)


def test_verify_sees_files_that_do_not_fit_together(tmp_path):
    folder = write_mnist(tmp_path)
    (folder / "train-labels-idx1-ubyte").write_bytes(idx(np.zeros(39)))
    with pytest.raises(ValueError, match="39 labels for 40 images"):
        verify(tmp_path)


def test_verify_of_an_empty_folder_is_an_error(tmp_path):
    with pytest.raises(ValueError, match="holds none of cifar-10-batches-py"):
        verify(tmp_path)


def test_subset_is_balanced_disjoint_and_determined_by_its_generator():
    data = made_up()
    small = data.subset(9, 6, stream(0, "subset"))
    assert small.train_labels.bincount().tolist() == [3, 3, 3]
    assert small.test_labels.bincount().tolist() == [2, 2, 2]
    values = small.train_images[:, 0, 0, 0].tolist()
    assert len(set(values)) == 9
    # Each image keeps its own label.
    assert (small.train_images[:, 0, 0, 0].long() % 3).equal(small.train_labels)
    again = data.subset(9, 6, stream(0, "subset"))
    assert again.train_images.equal(small.train_images)
    assert again.test_images.equal(small.test_images)
    other = data.subset(9, 6, stream(1, "subset"))
    assert not other.train_images.equal(small.train_images)
    # Not in the order of the classes.
    assert not small.train_labels.equal(small.train_labels.sort().values)


def test_held_out_images_come_from_training_and_are_gone_from_it():
    data = made_up()
    held = data.hold_out(6, stream(0, "held out"))
    train = set(held.train_images[:, 0, 0, 0].tolist())
    test = set(held.test_images[:, 0, 0, 0].tolist())
    assert not train & test
    assert train | test == set(data.train_images[:, 0, 0, 0].tolist())
    assert held.test_labels.bincount().tolist() == [2, 2, 2]
    assert (held.test_images[:, 0, 0, 0].long() % 3).equal(held.test_labels)


@pytest.mark.parametrize(
    ("n_train", "n_test", "message"),
    [(10, 6, "n_train=10"), (9, 7, "n_test=7"), (0, 6, "n_train=0"), (21, 6, "at most 18")],
)
def test_subsets_that_cannot_be_balanced_are_refused(n_train, n_test, message):
    with pytest.raises(ValueError, match=message):
        made_up().subset(n_train, n_test, stream(0))


def test_standardised_uses_the_training_statistics_of_each_channel():
    generator = stream(0, "pixels")
    images = torch.randint(256, (12, 3, 5, 5), generator=generator, dtype=torch.uint8)
    images[:, 1] //= 4
    images[:, 2] = 7  # constant channel
    data = dataclasses.replace(
        made_up(),
        train_images=images[:8],
        train_labels=torch.zeros(8, dtype=torch.long),
        test_images=images[8:],
        test_labels=torch.zeros(4, dtype=torch.long),
    )
    train, test = data.standardised()
    assert train.dtype == torch.float32
    for c in (0, 1):
        values = images[:8, c].double().numpy()
        expected = (images[8:, c].double().numpy() - values.mean()) / values.std()
        np.testing.assert_allclose(test[:, c], expected, rtol=1e-5, atol=1e-6)
        assert abs(float(train[:, c].mean())) < 1e-6
    assert (train[:, 2] == 0).all()


@pytest.mark.skipif("MULTIVIEW_DATA" not in os.environ, reason="needs MULTIVIEW_DATA=DIR")
@pytest.mark.parametrize(
    ("name", "n_train", "n_test", "shape"),
    [
        ("cifar10", 50_000, 10_000, (3, 32, 32)),
        ("cifar100", 50_000, 10_000, (3, 32, 32)),
        ("mnist", 60_000, 10_000, (1, 28, 28)),
    ],
)
def test_real_data(name, n_train, n_test, shape):
    data_dir = Path(os.environ["MULTIVIEW_DATA"])
    data = load_images(name, data_dir)
    assert data.train_images.shape == (n_train, *shape)
    assert len(data.test_labels) == n_test
    assert data.train_labels.unique().tolist() == list(range(data.num_classes))
    if name != "mnist":  # balanced, unlike MNIST
        assert data.train_labels.bincount().unique().tolist() == [n_train // data.num_classes]
    pickle.dumps(data)  # cells may travel between processes
    assert verify(data_dir)
