"""compare: methods on any samples by any network, from Python."""

import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import Tensor, nn
from torch.utils.data import Dataset

from multiview.bench import Cell, Entry, Method, Setting
from multiview.bench.recipe import Recipe, plain_recipe
from multiview.bench.tensors import TensorSetting, samples_of
from multiview.comparison.experiment import chosen, comparison
from multiview.comparison.settings import setting_of
from multiview.runs.engines import ENGINES
from multiview.runs.experiment import Context, Experiment, NoOptions
from multiview.runs.find import drawing
from multiview.runs.report import grids
from multiview.runs.runner import compute, plan
from multiview.runs.store import RESULTS, Run

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from pandas import DataFrame

Pair = tuple[Tensor, Tensor]  # inputs (n, ...) and labels (n,)


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """What a comparison found; printed, it is a table.

    Attributes:
        run: Its stored rows.
    """

    run: Run
    experiment: Experiment[Cell, NoOptions]

    @property
    def table(self) -> "DataFrame":
        """One line a repetition and method: what was measured, and the methods' labels."""
        return self.experiment.derive(self.run.table())

    @property
    def figure(self) -> "Figure":
        """The picture: errors and, on patches, the views learned."""
        return drawing("compare").draw(self.table)

    def __str__(self) -> str:
        from rich.console import Console

        text = io.StringIO()
        console = Console(file=text, width=120)
        for grid in grids(self.experiment, self.run.table()):
            console.print(grid.rich())
        return text.getvalue()


def compare(
    net: Callable[[], nn.Module] | str | None = None,
    train: Pair | Dataset | None = None,
    test: Pair | Dataset | None = None,
    *,
    methods: str | Sequence[str] | Mapping[str, Method | Entry] = "one,ensemble,summed,hinton,self",
    setting: Setting | str | None = None,
    validation: Pair | Dataset | None = None,
    num_classes: int | None = None,
    members: int = 4,
    epochs: int = 20,
    recipe: Recipe | None = None,
    students: Recipe | None = None,
    seeds: int = 3,
    out: Path | str = RESULTS,
    data_dir: Path | str | None = None,
    device: str = "cpu",
) -> Comparison:
    """Train methods on the same samples, repeat with other seeds, and compare.

    Rows are stored in ``out`` as they come: a comparison that was stopped goes on where it was, and
    one that is done is read.

    >>> from multiview.comparison import compare
    >>> x = torch.randn(60, 8)
    >>> y = x[:, :3].argmax(1)
    >>> train, test = (x[:40], y[:40]), (x[40:], y[40:])
    >>> net = lambda: nn.Linear(8, 3)
    >>> settings = {"epochs": 2, "seeds": 2, "out": getfixture("tmp_path")}
    >>> found = compare(net, train, test, methods="one,ensemble,hinton", **settings)
    >>> sorted(found.table["method"].unique())
    ['ensemble', 'hinton', 'one']

    Args:
        net: A function, or class, that makes an untrained module from inputs (n, ...) to logits
            (n, k); with a setting of images by name, the name of a network.
        train: Inputs and labels, or a map-style data set of such pairs; of ``test`` and
            ``validation`` likewise. None: the samples of ``setting``.
        methods: Names of ``multiview.methods.catalogue``, or methods of your own by name.
        setting: In place of samples and network: "patches", "cifar10", "cifar100" or "mnist", or
            a ``PatchSetting`` or ``ImageSetting``.
        num_classes: None: one more than the largest label.
        members: K, the networks of an ensemble.
        recipe: Of networks on labels; by default ``plain_recipe(epochs)``.
        students: Of whatever is taught; by default ``recipe``.
        seeds: Independent repetitions: 0, 1, ...
        out: Directory of all results; rows go to OUT/compare.
        data_dir: Directory of real images.

    Raises:
        ValueError: If an argument does not fit, before anything is trained.
    """
    if setting is None:
        setting = _own_setting(
            net, train, test, validation, num_classes, members, epochs, recipe, students
        )
    elif isinstance(setting, str):
        setting = setting_of(setting, _name(net), members)
    elif not isinstance(setting, Setting):
        raise ValueError(f"setting={setting!r}: give a name or a Setting.")
    entries = _entries(methods, setting)
    experiment = comparison(setting, entries, seeds=seeds)
    folder = None if data_dir is None else Path(data_dir)
    context = Context(device=device, data_dir=folder)
    run, jobs = plan(experiment, "default", NoOptions(), out=Path(out), context=context)
    experiment.check([job.cell for job in jobs], context)
    run.directory.mkdir(parents=True, exist_ok=True)
    run.store()
    with ENGINES["local"](None, None) as executor:
        for outcome in compute(jobs, executor):
            if outcome.status == "error":
                raise RuntimeError(f"a repetition was stopped by an error:\n{outcome.message}")
    return Comparison(run=run, experiment=experiment)


def _own_setting(
    net: Any,
    train: Any,
    test: Any,
    validation: Any,
    num_classes: int | None,
    members: int,
    epochs: int,
    recipe: Recipe | None,
    students: Recipe | None,
) -> TensorSetting:
    """The setting of a user's samples and networks."""
    if net is None or train is None or test is None:
        raise ValueError("give net, train and test, or a setting that has samples and networks.")
    if not callable(net):
        raise ValueError(f"net={net!r} makes no module: give a function that makes one.")
    pairs = [None if each is None else _pair(each) for each in (train, test, validation)]
    samples = samples_of(pairs[0], pairs[1], pairs[2], num_classes)  # type: ignore[arg-type]
    on_labels = recipe or plain_recipe(epochs)
    return TensorSetting.of(
        samples,
        cast(Callable[[], nn.Module], net),
        members=members,
        recipe=on_labels,
        students=students or on_labels,
    )


def _pair(samples: Any) -> Pair:
    """Inputs and labels of a pair, or of a map-style data set of pairs."""
    if isinstance(samples, Dataset):
        inputs, labels = zip(*(samples[i] for i in range(len(samples))), strict=True)  # type: ignore[arg-type]
        return torch.stack([torch.as_tensor(each) for each in inputs]), torch.as_tensor(labels)
    inputs, labels = samples
    return torch.as_tensor(inputs), torch.as_tensor(labels)


def _name(net: Any) -> str | None:
    if net is not None and not isinstance(net, str):
        raise ValueError(f"net={net!r}: a setting given by name takes the name of a network.")
    return net


def _entries(
    methods: str | Sequence[str] | Mapping[str, Method | Entry], setting: Setting
) -> dict[str, Entry]:
    if isinstance(methods, Mapping):
        return {
            name: each if isinstance(each, Entry) else Entry(each, name)
            for name, each in methods.items()
        }
    names = methods if isinstance(methods, str) else ",".join(methods)
    return chosen(names, setting)
