"""compare: methods on any samples by any network, from Python."""

import io
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import Tensor, nn
from torch.utils.data import Dataset

from multiview import checks
from multiview.bench import Cell, Entry, Method, Setting
from multiview.bench.recipe import Recipe, plain_recipe
from multiview.bench.tensors import TensorSetting, samples_of
from multiview.comparison.experiment import chosen, comparison
from multiview.comparison.settings import setting_of
from multiview.runs.engines import LocalEngine, check_device
from multiview.runs.experiment import Context, Experiment, NoOptions
from multiview.runs.find import drawing
from multiview.runs.report import grids
from multiview.runs.runner import plan
from multiview.runs.store import RESULTS, Run
from multiview.runs.sweep import compute

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

    def _repr_html_(self) -> str:
        """The tables as a notebook shows them."""
        shown = grids(self.experiment, self.run.table())
        return "\n".join(grid._repr_html_() for grid in shown)


def compare(
    net: Callable[[], nn.Module] | str | None = None,
    train: Pair | Dataset | None = None,
    test: Pair | Dataset | None = None,
    *,
    methods: str | Sequence[str] | Mapping[str, Method | Entry] = "one,ensemble,summed,hinton,self",
    setting: Setting | str | None = None,
    validation: Pair | Dataset | None = None,
    num_classes: int | None = None,
    members: int | None = None,
    epochs: int | None = None,
    recipe: Recipe | None = None,
    students: Recipe | None = None,
    seeds: int = 3,
    out: Path | str = RESULTS,
    data_dir: Path | str | None = None,
    device: str = "cpu",
) -> Comparison:
    """Train methods on the same samples, repeat with other seeds, and compare.

    Rows are stored in ``out`` as they come: a comparison that was stopped goes on where it was, and
    one that is done is read. A network is known by what it is and does; methods and losses of your
    own are known by their source, which those typed at a prompt lack: there, give a changed one
    another name.

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
        members: K, the networks of an ensemble; 4 unless the setting says otherwise.
        epochs: Of every training; 20 on samples of your own.
        recipe: Of networks on labels; by default ``plain_recipe(epochs)``.
        students: Of whatever is taught; by default ``recipe``.
        seeds: Independent repetitions: 0, 1, ...
        out: Directory of all results; rows go to OUT/compare.
        data_dir: Directory of real images.
        device: Name of the torch device, such as "cpu" or "cuda".

    Raises:
        ValueError: If an argument does not fit, before anything is trained.
        RuntimeError: If a repetition is stopped by an error, or none succeeds.
    """
    own = {"train": train, "test": test, "validation": validation, "num_classes": num_classes}
    own |= {"recipe": recipe, "students": students}
    if setting is None:
        chosen_setting: Setting = _own_setting(net, members, epochs, **own)
    else:
        chosen_setting = _given_setting(setting, net, members, epochs, own)
    entries = _entries(methods, chosen_setting)
    experiment = comparison(chosen_setting, entries, seeds=seeds)
    check_device(device)
    folder = None if data_dir is None else Path(data_dir)
    context = Context(device=device, data_dir=folder)
    run, jobs = plan(experiment, "default", NoOptions(), out=Path(out), context=context)
    experiment.check([job.cell for job in jobs], context)
    run.store()
    with LocalEngine() as executor:
        for outcome in compute(jobs, executor):
            if outcome.status == "error":
                raise RuntimeError(f"a repetition was stopped by an error:\n{outcome.message}")
            if outcome.status == "failed":
                warnings.warn(f"a repetition failed: {outcome.message}", stacklevel=2)
    if "ok" not in run.table()["status"].tolist():
        raise RuntimeError("every repetition failed: use a smaller learning rate, or other inputs.")
    return Comparison(run=run, experiment=experiment)


def _own_setting(
    net: Any,
    members: int | None,
    epochs: int | None,
    *,
    train: Any,
    test: Any,
    validation: Any,
    num_classes: int | None,
    recipe: Recipe | None,
    students: Recipe | None,
) -> TensorSetting:
    """The setting of a user's samples and networks."""
    if net is None or train is None or test is None:
        raise ValueError("give net, train and test, or a setting that has samples and networks.")
    if not callable(net):
        raise ValueError(f"net={net!r} makes no module: give a function that makes one.")
    parts = {"train": train, "test": test, "validation": validation}
    pairs = {name: None if each is None else _pair(name, each) for name, each in parts.items()}
    samples = samples_of(**pairs, num_classes=num_classes)  # type: ignore[arg-type]
    if recipe is not None and epochs is not None:
        raise ValueError(f"epochs={epochs} does not apply where a recipe is given: set it there.")
    on_labels = recipe or plain_recipe(checks.count("epochs", 20 if epochs is None else epochs))
    return TensorSetting.of(
        samples,
        cast(Callable[[], nn.Module], net),
        members=checks.count("members", 4 if members is None else members),
        recipe=checks.instance("recipe", on_labels, Recipe),
        students=checks.instance("students", students or on_labels, Recipe),
    )


def _given_setting(
    setting: Any, net: Any, members: int | None, epochs: int | None, own: Mapping[str, Any]
) -> Setting:
    """A setting by name or as it is; what would not apply to it is refused."""
    by_name = isinstance(setting, str)
    if not by_name and not isinstance(setting, Setting):
        raise ValueError(f"setting={setting!r}: give a name or a Setting.")
    rest = {} if by_name else {"net": net, "members": members, "epochs": epochs}
    given = [name for name, value in {**own, **rest}.items() if value is not None]
    if given:
        raise ValueError(
            f"{given[0]} does not apply where a setting is given: leave it out, or set it there."
        )
    if not by_name:
        return setting
    if net is not None and not isinstance(net, str):
        raise ValueError(f"net={net!r}: a setting given by name takes the name of a network.")
    return setting_of(setting, net, members, epochs=epochs)


def _pair(name: str, samples: Any) -> Pair:
    """Inputs and labels of a pair, or of a map-style data set of pairs.

    Raises:
        ValueError: If it is neither.
    """
    if isinstance(samples, Dataset) and hasattr(samples, "__len__"):
        samples = _items(name, samples)
    if isinstance(samples, Tensor) or not isinstance(samples, tuple | list) or len(samples) != 2:
        raise ValueError(
            f"{name} is a {type(samples).__name__}: give a pair (inputs, labels) of tensors, or a "
            "data set with a length whose items are such pairs."
        )
    inputs, labels = (
        _stacked(f"{what} of {name}", each)
        for what, each in zip(("inputs", "labels"), samples, strict=True)
    )
    return inputs, labels


def _items(name: str, samples: Any) -> tuple[list, list]:
    """Inputs and labels of a map-style data set."""
    items = [samples[i] for i in range(len(samples))]
    for i, each in enumerate(items):
        if not isinstance(each, tuple | list) or len(each) != 2:
            raise ValueError(
                f"{name}[{i}] is a {type(each).__name__}"
                f"{f' of {len(each)}' if isinstance(each, tuple | list) else ''}: give a data set "
                "whose items are pairs (input, label)."
            )
    return [each for each, _ in items], [label for _, label in items]


def _stacked(name: str, values: Any) -> Tensor:
    try:
        if isinstance(values, tuple | list) and len(values) and isinstance(values[0], Tensor):
            return torch.stack(list(values))
        return torch.as_tensor(values)
    except (RuntimeError, TypeError, ValueError) as error:  # of several shapes, or no numbers
        raise ValueError(
            f"{name} make no tensor ({error}): give tensors of one shape, or numbers."
        ) from error


def _entries(
    methods: str | Sequence[str] | Mapping[str, Method | Entry], setting: Setting
) -> dict[str, Entry]:
    if isinstance(methods, str):
        return chosen(methods, setting)
    if not isinstance(methods, Mapping):
        names = list(methods) if isinstance(methods, Sequence) else [methods]
        if not all(isinstance(name, str) for name in names):
            raise ValueError(
                f"methods={methods!r}: give names, or methods of your own by name, "
                '{"mine": Student(...)}.'
            )
        return chosen(",".join(names), setting)
    for name, each in methods.items():
        if not isinstance(each, Method | Entry):
            raise ValueError(f"methods[{name!r}]={each!r}: give a Method or an Entry.")
    if not methods:
        raise ValueError("methods is empty: name at least one.")
    return {
        name: each if isinstance(each, Entry) else Entry(each, name)
        for name, each in methods.items()
    }
