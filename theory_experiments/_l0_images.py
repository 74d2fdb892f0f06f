"""L0 regularisation on images: sparse nets, what they are compared with, and the lambda cliff."""

from dataclasses import dataclass, field, replace
from typing import Any, Literal

from torch import Tensor, nn

from multiview import stream
from multiview.data.images import ImageData
from multiview.data.splits import Splits, split
from multiview.runs.experiment import Context
from multiview.sparsity import (
    L0Spec,
    expected_share,
    flops,
    gated_layers,
    open_probability,
    pruned,
    recalibrate_batchnorm,
    sparsify,
    units_left,
)
from multiview.train import OptimSpec, fit, outputs_of, target_loss
from multiview.train.averaging import Averaged
from multiview.train.source import source_of
from theory_experiments._contrast import error
from theory_experiments._image_nets import Dense, Recipe, Residual
from theory_experiments._l0_nets import (
    LeNet,
    checkpoint_in,
    magnitude_pruned,
    reinitialised,
    share_left,
    with_dropout,
    with_gates,
)

NO_ADAPTATION = OptimSpec(epochs=5, batch_size=100, learning_rate=0.05, weight_decay=0.0)
ASKING = OptimSpec(
    epochs=20,
    batch_size=100,
    algorithm="adam",
    learning_rate=0.01,
    weight_decay=0.0,
    warmup=0.0,
)
Part = Literal["mnist_mlp", "lenet", "cifar10", "cifar100"]


@dataclass(frozen=True, kw_only=True)
class Cliff:
    """How the share of weights left falls with lambda, and a share that is asked for instead.

    By SGD from nearly open gates, as where the cliff was seen (Gale, Elsen & Hooker, The State of
    Sparsity in Deep Neural Networks, arXiv 1902.09574): while the penalty outweighs the task, all
    logits of a layer fall together, slowly at first, and lambda x steps decides whether they
    arrive. The share is asked for with Adam, whose steps tell gates that the task holds from those
    it does not: with the same SGD (seed 1000) the expected share came out as asked for, 0.30, and
    that left at test time as 0.12.
    """

    strengths: tuple[float, ...] = (10, 12, 13, 14, 15, 16, 17, 18, 20)  # lambda, rising
    target: float = 0.3  # share of the gated weights
    warmup: float = 0.5  # of the share asked for, which falls from 1
    start: float = 0.1  # dropout rate; log a = 2.197
    images: int = 10_000  # the first of the training images
    optim: OptimSpec = NO_ADAPTATION
    asking: OptimSpec = ASKING

    def __post_init__(self) -> None:
        if list(self.strengths) != sorted(set(self.strengths)) or len(self.strengths) < 2:
            raise ValueError(f"strengths={self.strengths} must rise, and be at least two.")
        if self.images < 1:
            raise ValueError(f"images={self.images} counts at least 1.")


@dataclass(frozen=True, kw_only=True)
class L0ImageCell:
    """One repetition of one net on one data set; all its nets have the same images and order."""

    seed: int = 0
    part: Part = "mnist_mlp"
    data: Literal["mnist", "cifar10", "cifar100", "multi_view"] = "mnist"
    num_train: int | None = None  # None: all but those for validation
    num_validation: int = 5000  # of the training file too, for the choice of settings
    num_test: int | None = None  # None: all
    net: Dense | LeNet | Residual = field(default_factory=lambda: Dense(widths=(300, 100)))
    start: float | tuple[float, ...] = (0.2, 0.5, 0.5)  # dropout rates at which gates start
    recipe: Recipe
    equal: float = 0.1  # lambda of all layers; divided by N in the loss
    separate: tuple[float, ...] | None = None  # lambda of each layer
    sweep: tuple[float, ...] = ()  # further values of ``equal``
    averaging: float = 0.999  # decay of the average over steps that a net is tested as
    weight_decay: float = 0.0  # inside the penalty
    dropped: tuple[float, float] = (0.2, 0.5)  # dropout of the dense net: of inputs, hidden
    dropped_small: float = 0.2  # of hidden units of the net of the size that is left
    plain_rate: float | None = None  # learning rate of nets without gates; None: the recipe's
    tuning: float = 0.25  # epochs after magnitude pruning, of the recipe's
    cliff: Cliff | None = None

    def __post_init__(self) -> None:
        if self.equal in self.sweep:
            raise ValueError(f"sweep={self.sweep} holds equal={self.equal}: leave it out.")
        if not 0 < self.tuning <= 1:
            raise ValueError(f"tuning={self.tuning} is a share of the epochs in (0, 1].")


@dataclass(frozen=True, kw_only=True, eq=False)
class Work:
    """The images of a cell, and how nets are trained on them."""

    cell: L0ImageCell
    splits: Splits
    context: Context

    def plain(self) -> nn.Module:
        """The untrained net without gates: the same start for all."""
        return self.cell.net.build(self.splits, stream(self.cell.seed, "init"))

    def sparse(
        self, name: str, penalty: L0Spec, optim: OptimSpec, start: float | tuple[float, ...]
    ) -> nn.Module:
        """A net with gates, trained."""
        net = with_gates(self.plain(), start, stream(self.cell.seed, "gates"))
        sparsify(
            net,
            self.splits.train,
            self.splits.train_labels,
            spec=optim,
            penalty=penalty,
            **self._settings(name),
        )
        return net

    def trained(self, name: str, net: nn.Module, optim: OptimSpec) -> nn.Module:
        """``net``, which has no gates, trained on the labels and averaged like those with gates."""
        loss, inputs = target_loss(self.splits.train_labels), self.splits.train
        averaged, settings = Averaged(net, self.cell.averaging), self._settings(name)
        fit(averaged, inputs, loss, spec=optim, after_step=averaged.after_step, **settings)
        averaged.finish()
        source = source_of(inputs, net, settings["augment"], optim.batch_size)
        recalibrate_batchnorm(net, (seen for _, seen in source.batches(settings["generator"], 0)))
        return net

    def _settings(self, name: str) -> dict[str, Any]:
        recipe = self.cell.recipe
        moved = recipe.flip or recipe.padding or recipe.cutout
        return {
            "generator": stream(self.cell.seed, "order"),
            "augment": recipe.augment if moved else None,
            "compute": recipe.compute,
            "progress": lambda message, done: self.context.progress(f"{name}: {message}", done),
            "checkpoint": checkpoint_in(self.context.scratch, name),
        }

    def error(self, net: nn.Module) -> float:
        """Test error of a net."""
        says = outputs_of(net, self.splits.test, compute=self.cell.recipe.compute)
        return error(says, self.splits.test_labels)

    @property
    def sample(self) -> Tensor:
        """One image, for counts."""
        return self.splits.train[0]


def lambdas(cell: L0ImageCell) -> dict[float, str]:
    """The method trained with each single lambda, rising."""
    others = {strength: f"lambda_{strength:g}" for strength in cell.sweep}
    return dict(sorted((others | {cell.equal: "equal"}).items()))


def run_l0_images(
    cell: L0ImageCell, images: ImageData, context: Context
) -> dict[str, dict[str, Any]]:
    """Train nets with gates, and nets of the size they have left.

    Returns:
        Of all nets of averaged weights the test ``error`` and the ``flops`` of one image:

        - ``equal`` (one lambda), ``lambda_<strength>`` (other ones) and, where asked for,
          ``separate`` (one of each layer), with what ``of_sparse`` has of them;
        - ``dense`` (all weights, with dropout), ``magnitude`` (dense, pruned by norm to the units
          that equal has left, trained on, which has dense's steps and ``tuning`` times as many
          more) and ``small`` (the size that equal has left, from a start of its own).

        What ``of_cliff`` has of the cliff's nets. ``train_images`` and ``steps`` of "data".
    """
    sizes = (cell.num_train, cell.num_validation, cell.num_test)
    splits = split(images, *sizes, stream(cell.seed, "images"), context.device)
    work = Work(cell=cell, splits=splits, context=context)
    steps = cell.recipe.optim.epochs * -(-len(splits.train) // cell.recipe.optim.batch_size)
    row: dict[str, dict[str, Any]] = {}
    equal, names = None, lambdas(cell)
    for strength in (cell.equal, *cell.sweep):
        net = regularised(work, f"lambda {strength:g}", strength)
        equal = equal or net
        row[names[strength]] = {"strength": strength, **of_sparse(work, net)}
    assert equal is not None
    if cell.separate is not None:
        row["separate"] = of_sparse(work, regularised(work, "separate lambdas", cell.separate))
    row |= of_equal_size(work, equal)
    if cell.cliff is not None:
        row |= of_cliff(work, cell.cliff)
    return row | {"data": {"train_images": len(splits.train), "steps": steps}}


def regularised(work: Work, name: str, strength: float | tuple[float, ...]) -> nn.Module:
    """A net trained with this lambda by the recipe."""
    cell = work.cell
    penalty = L0Spec(strength=strength, averaging=cell.averaging, weight_decay=cell.weight_decay)
    optim = replace(cell.recipe.optim, weight_decay=0.0)
    return work.sparse(name, penalty, optim, cell.start)


def of_sparse(work: Work, net: nn.Module) -> dict[str, Any]:
    """What a net with gates has left, by the gates of test time and in expectation.

    Returns:
        ``error`` and ``flops``; ``units`` left and ``expected_units``, lists by layer; ``share``
        and ``expected_share`` of the weights, ``expected_flops``; and ``parity``: the largest gap
        of outputs between the net with gates and the pruned one, as a fraction of the largest.
    """
    layers = gated_layers(net).values()
    small = pruned(net)
    few = work.splits.test[:500]
    theirs, ours = (outputs_of(each, few) for each in (net, small))
    return {
        "error": work.error(small),
        "units": units_left(net),
        "expected_units": [
            float(open_probability(each.gates.log_alpha).sum().detach()) for each in layers
        ],
        **shares(net),
        "flops": flops(net, work.sample),
        "expected_flops": flops(net, work.sample, "expected"),
        "parity": float((theirs - ours).abs().max() / theirs.abs().max()),
    }


def shares(net: nn.Module) -> dict[str, float]:
    """Shares of the gated weights that are left at test time and in expectation."""
    return {"share": share_left(net), "expected_share": float(expected_share(net).detach())}


def of_equal_size(work: Work, equal: nn.Module) -> dict[str, dict[str, Any]]:
    """The dense net, pruned by norm, and a new one of the size that is left."""
    cell, optim = work.cell, plain_optim(work.cell)
    dense = work.trained("dense", with_dropout(work.plain(), *cell.dropped), optim)
    by_norm = magnitude_pruned(dense, units_left(equal))
    brief = replace(optim, epochs=max(1, round(cell.tuning * optim.epochs)))
    nets = {
        "dense": dense,
        "magnitude": work.trained("pruned by norm", by_norm, brief),
        "small": small_net(work, equal),
    }
    return {
        name: {"error": work.error(net), "flops": flops(net, work.sample)}
        for name, net in nets.items()
    }


def small_net(work: Work, equal: nn.Module) -> nn.Module:
    """A net of the size that ``equal`` has left, on the inputs that it reads, trained anew."""
    net = reinitialised(pruned(equal), stream(work.cell.seed, "small"))
    rate = work.cell.dropped_small
    return work.trained("small", with_dropout(net, 0.0, rate), plain_optim(work.cell))


def plain_optim(cell: L0ImageCell) -> OptimSpec:
    """The recipe of nets without gates."""
    optim = cell.recipe.optim
    return replace(optim, learning_rate=cell.plain_rate or optim.learning_rate)


def of_cliff(work: Work, cliff: Cliff) -> dict[str, dict[str, Any]]:
    """Shares of weights left by lambda, and where a share is asked for.

    Returns:
        ``share``, ``expected_share`` and test ``error`` of ``cliff_<strength>`` and of
        ``target_<share>``.
    """
    few = replace(
        work.splits,
        train=work.splits.train[: cliff.images],
        train_labels=work.splits.train_labels[: cliff.images],
    )
    work, row = replace(work, splits=few), {}
    for strength in cliff.strengths:
        name = f"cliff, lambda {strength:g}"
        net = work.sparse(name, L0Spec(strength=strength), cliff.optim, cliff.start)
        measured = {**shares(net), "error": work.error(net)}
        row[f"cliff_{strength:g}"] = {"strength": strength, **measured}
    penalty = L0Spec(target=cliff.target, warmup=cliff.warmup)
    net = work.sparse(f"target {cliff.target:g}", penalty, cliff.asking, cliff.start)
    asked = {"target": cliff.target, **shares(net), "error": work.error(net)}
    return row | {f"target_{cliff.target:g}": asked}
