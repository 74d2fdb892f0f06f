"""Modules of other forms teach, learn and have kernels as modules of ours do."""

import doctest
from collections import OrderedDict
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset
from unchecked import unchecked

from multiview import stream
from multiview.data import batches, tensor_batches
from multiview.distill import ensemble_teacher, knowledge_distillation
from multiview.models import MLP, as_classifier, classifier
from multiview.ntk import gram
from multiview.train import OptimSpec

X = torch.randn(64, 3, 2, 2, generator=stream(0, "x"))
Y = X.flatten(1)[:, :3].argmax(1)


class Theirs(nn.Module):
    """As the image classifiers of transformers: one keyword, an object with logits, labels."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = MLP(
            input_shape=(3, 2, 2), num_classes=3, widths=(16,), generator=stream(0, "init")
        )

    def forward(self, *, pixel_values: Tensor, labels: Tensor | None = None) -> Any:
        assert labels is None, "labels ask for a loss"
        return SimpleNamespace(logits=self.inner(pixel_values), loss=None, hidden_states=None)


class Entries(Dataset):
    """Samples as dicts."""

    def __len__(self) -> int:
        return len(X)

    def __getitem__(self, index: int) -> dict[str, Any]:
        return {"pixel_values": X[index], "labels": Y[index], "name": f"sample {index}"}


def student() -> MLP:
    return MLP(input_shape=(3, 2, 2), num_classes=3, widths=(16,), generator=stream(1, "init"))


def loader() -> DataLoader:
    return DataLoader(Entries(), batch_size=16)


SPEC = OptimSpec(epochs=40, batch_size=16, learning_rate=0.1, weight_decay=0.0)


@pytest.mark.parametrize("module", [classifier, batches])
def test_the_lines_of_the_documentation_run(module):
    found = doctest.testmod(module)
    assert found.attempted >= 3
    assert not found.failed


def test_a_module_of_another_library_teaches_a_student_of_ours_from_its_own_loader():
    """What the student learns is what it learns from the same network in our form."""
    theirs = Theirs().train()
    settings = {"spec": SPEC, "weight": 1.0, "label_weight": 0.1}
    taught, again = student(), student()
    teacher = as_classifier(theirs, "pixel_values")
    before = torch.nn.functional.kl_div(
        taught(X).log_softmax(1), theirs.inner(X).softmax(1), reduction="batchmean"
    )
    knowledge_distillation(
        taught, teacher, tensor_batches(loader()), generator=stream(2), **settings
    )
    order = DataLoader(torch.utils.data.TensorDataset(X, Y), batch_size=16)
    knowledge_distillation(again, theirs.inner, order, generator=stream(2), **settings)
    for one, other in zip(taught.parameters(), again.parameters(), strict=True):
        assert torch.equal(one, other)
    after = torch.nn.functional.kl_div(
        taught(X).log_softmax(1), theirs.inner(X).softmax(1), reduction="batchmean"
    )
    assert after < before / 4
    assert theirs.training


def test_a_module_of_another_library_learns_from_an_ensemble_of_such():
    theirs, teacher = Theirs(), student()
    ours = as_classifier(theirs, "pixel_values")
    start = theirs.inner(X)
    knowledge_distillation(
        ours,
        ensemble_teacher([as_classifier(teacher), teacher]),
        X,
        Y,
        spec=SPEC,
        generator=stream(2),
    )
    gaps = [(logits - teacher(X)).square().mean() for logits in (theirs.inner(X), start)]
    assert gaps[0] < gaps[1] / 2  # the module itself was trained


def test_the_kernel_of_the_wrapped_module_is_its_own():
    theirs = Theirs().eval()
    found = gram(as_classifier(theirs, "pixel_values"), X[:6])
    assert torch.allclose(found, gram(theirs.inner, X[:6]), rtol=1e-5)


@pytest.mark.parametrize(
    "outputs",
    [
        lambda z: z,
        lambda z: {"logits": z, "loss": None},
        lambda z: OrderedDict(logits=z),
        lambda z: SimpleNamespace(logits=z),
    ],
)
def test_every_form_of_batches_and_outputs(outputs):
    class Added(nn.Module):
        def forward(self, x, mask):
            return outputs(x * mask)

    ours, x, mask = as_classifier(Added()), torch.ones(2, 3), torch.arange(6.0).view(2, 3)
    for batch in ({"mask": mask, "x": x, "labels": x}, (x, mask), [x, mask]):
        assert torch.equal(ours(batch), mask)


@pytest.mark.parametrize(
    "outputs", [(torch.ones(2, 3),), {"loss": 1}, SimpleNamespace(), torch.ones(2), 3.0]
)
def test_outputs_without_logits_are_refused(outputs):
    class Odd(nn.Module):
        def forward(self, x):
            return outputs

    with unchecked(), pytest.raises(ValueError, match=r"are no logits \(n, k\)"):
        as_classifier(Odd())(torch.ones(2, 3))


@pytest.mark.parametrize(
    ("batch", "words"),
    [
        (torch.ones(2), "gave a batch of type Tensor, and no dict with an entry 'pixel_values'"),
        ({"image": X}, "entries image and no tensor 'pixel_values': name .* by inputs"),
        ({"pixel_values": X, "labels": [0]}, "entries pixel_values, labels and no tensor 'labels'"),
    ],
)
def test_batches_of_another_form_are_refused(batch, words):
    with pytest.raises(ValueError, match=words):
        list(tensor_batches([batch]))
    with unchecked(), pytest.raises(ValueError, match="loader=3 is no loader with a length"):
        tensor_batches(3)  # type: ignore[arg-type]


@pytest.mark.parametrize("batch", [{"y": X}, (X, X), {"pixel_values": X, "mask": X}, X])
def test_entries_that_the_module_does_not_take_are_refused(batch):
    with pytest.raises(ValueError, match=r"module does not take .* by without\.$"):
        as_classifier(Theirs(), "inputs")(batch)
