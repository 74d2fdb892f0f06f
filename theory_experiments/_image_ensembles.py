"""Networks on images, their ensemble and sum, and students of the ensemble and of one another."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Literal

from jaxtyping import Int
from torch import Tensor, nn

from multiview import stream
from multiview.data.images import ImageData
from multiview.data.splits import Splits, split
from multiview.distill import Hinton, distillation_loss, ensemble_teacher
from multiview.ensemble import mean_logits, mean_probabilities
from multiview.models import SideBySide, SumOfNets
from multiview.probes import agreement
from multiview.runs.experiment import Context
from multiview.train import frozen, target_loss
from multiview.train.loop import Loss
from theory_experiments._contrast import (
    Row,
    ensembles,
    error,
    errors_by_size,
    errors_of,
    spans,
)
from theory_experiments._image_nets import Fast, Recipe, Residual, Trained, fast_recipe, train_group

WORK = {"members": 2, "sum": 2, "distilled": 3, "self": 3}  # about, by what it takes
ENSEMBLES = {"member": "ensemble", "distilled": "distilled_ensemble", "self": "self_ensemble"}


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


def run_ensembles(cell: EnsembleCell, images: ImageData, context: Context) -> Row:
    """Train all groups of networks and measure their test errors.

    Returns:
        What ``of_group`` has of ``member``, ``distilled`` (each taught by the ensemble), ``self``
        (each taught by one member), with their ensembles, and of ``summed``, as many networks
        trained as one. ``error`` of ``ensemble_probabilities``: of the members' mean probabilities.
        Of ``pairs``: the ``Agreement`` of the members.
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
    row: Row = {}
    for who, group in groups.items():
        row |= of_group(who, ENSEMBLES.get(who), group, labels, splits.train_labels.cpu())
    members = groups["member"].test
    row["ensemble_probabilities"] = {"error": error(mean_probabilities(members), labels)}
    row["pairs"] = vars(agreement(members, labels))
    return row


def of_group(
    who: str,
    ensemble: str | None,
    group: Trained,
    labels: Int[Tensor, " t"],
    train_labels: Int[Tensor, " n"],
) -> Row:
    """Errors of the networks of one group, and of their mean logits where these have a name.

    Returns:
        Of ``who``: ``error``, the mean error of its networks after the last epoch, and ``each``,
        theirs; ``error_best`` and ``each_best`` of the states that were best on the validation
        images, ``epoch`` being the mean of those epochs; ``train``, the error on the training
        images as they are. Of ``ensemble``: ``error`` and ``error_best``; of ``<ensemble>_2`` and
        so on ``error``, the mean over all choices of as many networks (``size``).
    """
    each, each_best = (errors_of(outputs, labels) for outputs in (group.test, group.best_test))
    networks = {
        "error": sum(each) / len(each),
        "error_best": sum(each_best) / len(each_best),
        "each": each,
        "each_best": each_best,
        "train": sum(errors_of(group.train, train_labels)) / len(group.nets),
        "epoch": sum(group.best_epochs) / len(group.nets),
    }
    if ensemble is None:
        return {who: networks}
    names = ensembles(len(each), who, ensemble)
    by_size = enumerate(zip(names, errors_by_size(group.test, labels), strict=True), 1)
    row: Row = {name: {"size": size, "error": value} for size, (name, value) in by_size}
    row[who] |= networks
    row[ensemble]["error_best"] = error(mean_logits(group.best_test), labels)
    return row


def _train(cell: EnsembleCell, splits: Splits, context: Context) -> dict[str, Trained]:
    """The groups by the names of their methods."""
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
        distillation_loss,
        splits.train_labels,
        kd_loss=Hinton(cell.temperature),
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
    return {"member": members, "distilled": distilled, "self": itself, "summed": summed}
