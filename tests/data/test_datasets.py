"""Data sets give the very samples of ``sample_patches``, with and without workers."""

from itertools import islice

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from strategies import multi_view_specs, seeds
from torch.utils.data import DataLoader
from unchecked import unchecked

from multiview import stream
from multiview.data import (
    MultiViewDataset,
    MultiViewSpec,
    MultiViewStream,
    PatchBatch,
    make_features,
    sample_patches,
)
from multiview.data.datasets import AT_ONCE, FIELDS
from multiview.data.provenance import Kind

# As many workers as are asked for, on however few cores.
pytestmark = pytest.mark.filterwarnings("ignore:This DataLoader will create:UserWarning")
SPEC = MultiViewSpec(num_classes=3, patch_dim=8, num_patches=6, mu=0.5)
FEATURES = make_features(SPEC, stream(0, "features"))
N = 2 * AT_ONCE + 40  # two whole blocks and a part of one


def blocks(seed: int, n: int, kind: Kind = "mixed") -> list[PatchBatch]:
    """What a stream is made of."""
    seed = int(torch.randint(2**62, (), generator=stream(seed, "samples")))
    sizes = [min(AT_ONCE, n - begin) for begin in range(0, n, AT_ONCE)]
    return [
        sample_patches(SPEC, FEATURES, size, stream(seed, "block", i), kind)
        for i, size in enumerate(sizes)
    ]


@given(multi_view_specs(), seeds(), st.integers(1, 20), st.sampled_from(["mixed", "single"]))
def test_a_dataset_holds_the_samples_of_sample_patches(spec, seed, n, kind):
    features = make_features(spec, stream(seed))
    one, other = stream(seed, "x"), stream(seed, "x")
    drawn = sample_patches(spec, features, n, other, kind)
    data = MultiViewDataset(spec, features, n, one, kind, fields=FIELDS)
    assert len(data) == n
    assert one.get_state().equal(other.get_state())
    for i, sample in enumerate(data):  # type: ignore[arg-type]
        for name, value in zip(FIELDS, sample, strict=True):
            assert torch.equal(value, getattr(drawn, name)[i])


def test_an_integer_stands_for_a_named_stream():
    data = MultiViewDataset(SPEC, FEATURES, 5, 7)
    drawn = sample_patches(SPEC, FEATURES, 5, stream(7, "samples"))
    patches, label = data[3]
    assert torch.equal(patches, drawn.patches[3])
    assert torch.equal(label, drawn.labels[3])
    assert torch.equal(data[-2][0], patches)
    with pytest.raises(IndexError, match="index=5: there are 5 samples"):
        data[5]


@pytest.mark.parametrize("workers", [0, 2])
def test_a_loader_of_a_dataset_gives_its_samples_in_order(workers):
    data = MultiViewDataset(SPEC, FEATURES, 25, 0)
    loader = DataLoader(data, batch_size=10, num_workers=workers)
    patches, labels = (torch.cat(each) for each in zip(*loader, strict=True))
    assert torch.equal(patches, data.batch.patches)
    assert torch.equal(labels, data.batch.labels)


@pytest.mark.parametrize("kind", ["mixed", "multi", "single"])
def test_a_stream_gives_its_blocks_one_after_the_other(kind):
    data = MultiViewStream(SPEC, FEATURES, 5, kind, n=N, fields=["labels", "lone_view", "patches"])
    expected = blocks(5, N, kind)
    for _ in range(2):  # every pass gives the same
        labels, views, patches = (torch.stack(each) for each in zip(*data, strict=True))
        assert torch.equal(labels, torch.cat([each.labels for each in expected]))
        assert torch.equal(views, torch.cat([each.lone_view for each in expected]))
        assert torch.equal(patches, torch.cat([each.patches for each in expected]))


@pytest.mark.parametrize("workers", [0, 1, 2, 3])
def test_workers_share_the_samples_of_a_stream(workers):
    """The same samples come in all, each once, and again in the next pass."""
    data = MultiViewStream(SPEC, FEATURES, 5, n=N)
    loader = DataLoader(data, batch_size=50, num_workers=workers)
    expected = torch.cat([each.patches for each in blocks(5, N)]).flatten(1)
    first, second = (torch.cat([patches for patches, _ in loader]).flatten(1) for _ in range(2))
    assert torch.equal(first, second)
    assert len(data) == len(first) == N
    assert torch.equal(*(x[x[:, 0].argsort()] for x in (first, expected)))


@pytest.mark.parametrize("workers", [0, 2])
def test_a_stream_without_n_does_not_end(workers):
    data = MultiViewStream(SPEC, FEATURES, stream(0, "x"))
    loader = DataLoader(data, batch_size=AT_ONCE, num_workers=workers)
    found = torch.cat([patches for patches, _ in islice(loader, 6)]).flatten(1)
    assert len(found) == 6 * AT_ONCE
    assert len(found.unique(dim=0)) == len(found)
    with pytest.raises(TypeError, match="never ends"):
        len(data)


def test_a_generator_gives_one_number_to_a_stream():
    generator = stream(0, "x")
    one, other = (MultiViewStream(SPEC, FEATURES, generator, n=3) for _ in range(2))
    again = MultiViewStream(SPEC, FEATURES, stream(0, "x"), n=3)
    first, second, third = (torch.stack([x for x, _ in data]) for data in (one, other, again))
    assert torch.equal(first, third)
    assert not torch.equal(first, second)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"generator": "x"}, "generator='x' is no Generator: use an integer"),
        ({"generator": True}, "generator=True is no Generator"),
        ({"n": 0}, "n=0 counts samples: use n >= 1, an integer."),
        ({"kind": "other"}, "kind='other'"),
        ({"fields": ["patch"]}, r"fields=\['patch'\] do not name what a sample has"),
        ({"fields": []}, r"fields=\[\] do not name"),
        ({"features": FEATURES[:2]}, "features has shape"),
    ],
)
def test_bad_arguments_are_refused(changes, words):
    arguments = {"spec": SPEC, "features": FEATURES, "n": 3, "generator": 0} | changes
    for kind in (MultiViewDataset, MultiViewStream):
        with unchecked(), pytest.raises(ValueError, match=words):
            kind(**arguments)
