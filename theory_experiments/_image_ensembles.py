"""Networks on images, their ensemble and sum, and students of the ensemble and of one another."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Literal

from jaxtyping import Int
from torch import Tensor, nn

from multiview import stream
from multiview.data.images import ImageData
from multiview.data.splits import Splits, split
from multiview.distill import ensemble_teacher, hinton_kd, taught_loss
from multiview.ensemble import mean_logits, mean_probabilities
from multiview.models import SideBySide, SumOfNets
from multiview.probes import agreement
from multiview.runs.experiment import Context
from multiview.train.compute import frozen
from multiview.train.loop import Loss, target_loss
from theory_experiments._contrast import error, errors_by_size, errors_of, spans
from theory_experiments._image_nets import Fast, Recipe, Residual, Trained, fast_recipe, train_group

WORK = {"members": 2, "sum": 2, "distilled": 3, "self": 3}  # about, by what it takes


@dataclass(frozen=True, kw_only=True)
class EnsembleCell:
    """One repetition: images, initial weights and the order of images depend on ``seed``.

    Rates (0.15 to 0.6), batches of 50 and 100, shifts by up to 1 and 2 pixels, 10 to 40 epochs and
    weights of 0.1 to 1 were compared on training images held out from training, with seed 1000,
    each for the error of the networks it belongs to.
    """

    seed: int = 0
    data: Literal["cifar10", "cifar100", "multi_view"] = "cifar10"
    num_train: int = 2000
    num_validation: int = 500  # of the training file too
    num_test: int = 2000
    members: int = 4  # they share the images and their order, not the initialisation
    net: Fast | Residual = field(default_factory=lambda: Fast(widths=(16, 32, 64)))
    recipe: Recipe = field(default_factory=lambda: fast_recipe(epochs=20))
    student_rate: float = 0.3
    temperature: float = 4.0
    weight: float = 0.3  # of the teacher, T^2 KL, beside cross-entropy

    def __post_init__(self) -> None:
        if self.members < 2:
            raise ValueError(f"members={self.members} is no ensemble: use at least 2.")


def run_ensembles(cell: EnsembleCell, images: ImageData, context: Context) -> dict[str, Any]:
    """Train all groups of networks and measure their test errors.

    Returns:
        For ``one`` (the members), ``distilled`` (each taught by the ensemble) and ``self`` (each
        taught by one member): ``<who>``, the mean error of single networks, and ``<who>_each``,
        theirs; ``ensemble``, ``distilled_ensemble`` and ``self_ensemble``, those of their mean
        logits. ``sum``: of as many networks trained as one. All of these after the last epoch, and
        with the ending ``_best`` of the states that were best on the validation images.
        ``<...ensemble>_by_size``: of 1, 2, ... members, after the last epoch. ``<who>_train``:
        errors on the training images as they are; ``<who>_epoch``: the mean of the best epochs.
        ``ensemble_probabilities``: of the members' mean probabilities. ``pair_<...>``: the
        ``Agreement`` of the members.
    """
    splits = split(
        images,
        cell.num_train,
        cell.num_validation,
        cell.num_test,
        stream(cell.seed, "images", "split"),
        context.device,
    )
    groups = _train(cell, splits, context)
    labels = splits.test_labels.cpu()
    row: dict[str, Any] = {}
    for who, ensemble in (
        ("one", "ensemble"),
        ("distilled", "distilled_ensemble"),
        ("self", "self_ensemble"),
        ("sum", None),
    ):
        row |= group_columns(who, ensemble, groups[who], labels, splits.train_labels.cpu())
    members = groups["one"].test
    row["ensemble_probabilities"] = error(mean_probabilities(members), labels)
    return row | {f"pair_{name}": value for name, value in vars(agreement(members, labels)).items()}


def group_columns(
    who: str,
    ensemble: str | None,
    group: Trained,
    labels: Int[Tensor, " t"],
    train_labels: Int[Tensor, " n"],
) -> dict[str, Any]:
    """The columns of one group, as ``run_ensembles`` names them."""
    columns: dict[str, Any] = {
        f"{who}_train": sum(errors_of(group.train, train_labels)) / len(group.nets),
        f"{who}_epoch": sum(group.best_epochs) / len(group.nets),
    }
    for ending, outputs in (("", group.test), ("_best", group.best_test)):
        each = errors_of(outputs, labels)
        columns |= {f"{who}{ending}": sum(each) / len(each), f"{who}_each{ending}": each}
        if ensemble is not None:
            columns[f"{ensemble}{ending}"] = error(mean_logits(outputs), labels)
    if ensemble is not None:
        columns[f"{ensemble}_by_size"] = errors_by_size(group.test, labels)
    return columns


def _train(cell: EnsembleCell, splits: Splits, context: Context) -> dict[str, Trained]:
    """The groups by the names of their columns."""
    K, recipe = cell.members, cell.recipe
    gentle = replace(recipe, optim=replace(recipe.optim, learning_rate=cell.student_rate))
    parts = spans(WORK)

    def nets(name: str) -> list[nn.Module]:
        return [cell.net.build(splits, stream(cell.seed, "init", name, e)) for e in range(K)]

    def group(
        name: str, built: list[nn.Module], how: Recipe, loss_of: Callable[[slice], Loss]
    ) -> Trained:
        settings = {"seed": cell.seed, "context": context, "span": parts[name]}
        return train_group(name, built, how, splits, loss_of, **settings)

    on_labels = target_loss(splits.train_labels, recipe.smoothing)
    taught = partial(
        taught_loss,
        splits.train_labels,
        lesson=partial(hinton_kd, temperature=cell.temperature),
        weight=cell.weight,
        smoothing=recipe.smoothing,
    )
    members = group("members", nets("members"), recipe, lambda part: on_labels)
    # One module: its nets are trained as one, so it is the only one of its group.
    summed = group("sum", [SumOfNets(nets("sum"))], recipe, lambda part: on_labels)
    from_all = taught(ensemble_teacher(members.nets, "logits", compute=recipe.compute))
    distilled = group("distilled", nets("distilled"), gentle, lambda part: from_all)

    def from_one(part: slice) -> Loss:  # a teacher of its own for each
        return taught(frozen(SideBySide(members.nets[part]), recipe.compute))

    itself = group("self", nets("self"), gentle, from_one)
    return {"one": members, "sum": summed, "distilled": distilled, "self": itself}
