"""Specialists on images: beside a generalist, by how their classes are chosen and where they start.

Sets of classes that a generalist confuses, superclasses, and random sets; nets that start from the
generalist and fresh ones.
"""

import copy
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from multiview import stream
from multiview.data.images import ImageData
from multiview.data.splits import Splits, split
from multiview.distill import (
    combine,
    corrected,
    specialist_from,
    specialist_labels,
    specialist_rows,
)
from multiview.distill.combination import Specialist, consulted
from multiview.runs.experiment import Context
from multiview.train import fit, outputs_of, target_loss
from theory_experiments._contrast import Progress, error, errors_by_size, spans, within
from theory_experiments._image_nets import Recipe, Trained, train_group
from theory_experiments._specialist_sets import (
    FAMILIES,
    ImageSpecialistCell,
    Sets,
    ensemble_of,
    specialist_sets,
)


def run_image_specialists(
    cell: ImageSpecialistCell, images: ImageData, context: Context
) -> dict[str, dict[str, Any]]:
    """Train generalists and the specialists of the first, and measure their test errors.

    Returns:
        ``error`` of ``generalist``, the first one; of ``member``, ``ensemble_2`` and so on, the
        mean logits of as many as their ``size``; of ``continued``, the first one trained on for
        ``epochs``, about as many images as the family ``tuned`` sees; and of the generalist with
        each of ``FAMILIES``, with ``specialists``, how many they are, and ``conditional``, the
        error within the right specialist's classes, beside ``conditional_generalist``. Of ``tuned``
        and ``generalist``: ``error_outside`` and ``error_inside``, on test images of the classes
        that no specialist covers and of the others, NaN without such classes; and of "data" their
        shares of the images, ``share_outside`` and ``share_inside``. By the columns of K-means:
        ``agreement``, the adjusted Rand index of confusable sets and superclasses, and
        ``largest_set``, the most classes in one; ``null_low`` and ``null_high`` of "data", the
        central 95% of the index when classes change places at random.
    """
    sizes = (cell.num_train, cell.num_validation, cell.num_test)
    drawn = stream(cell.seed, "images", "split")
    splits = split(images, *sizes, drawn, context.device)
    labels = splits.test_labels.cpu()
    parts = spans({"members": 3.0 * cell.members, "continued": 2.0, **dict.fromkeys(FAMILIES, 2.0)})
    train = partial(_train_whole, cell, splits, context)
    nets = [cell.net.build(splits, stream(cell.seed, "init", e)) for e in range(cell.members)]
    members = train("members", nets, cell.recipe, parts["members"])
    generalist, z = members.nets[0], members.test[:, 0]
    sets, agreement = specialist_sets(cell, images, splits, generalist)
    chosen = {
        name: [classes for classes in of_kind if len(classes) >= cell.smallest_set]
        for name, of_kind in sets.items()
    }
    longer = _as_many_images(cell, splits, chosen[FAMILIES["tuned"][0]])
    more = train("continued", [copy.deepcopy(generalist)], longer, parts["continued"])
    row = agreement | {
        "generalist": {"error": error(z, labels)},
        **_averages(members.test, labels),
        "continued": {"error": error(more.test[:, 0], labels), "epochs": longer.optim.epochs},
    }
    for who, (which, tuned) in FAMILIES.items():
        progress = within(context.progress, *parts[who])
        start = (lambda i: generalist) if tuned else partial(_fresh, cell, splits)
        recipe = cell.tuned if tuned else cell.recipe
        family = _family(cell, who, chosen[which], start, recipe, splits, z, progress)
        together = combine(z, family)
        row[who] = {"error": error(together, labels), "specialists": len(family)}
        row[who] |= _conditional(z, family, splits)
        if who == "tuned":
            for place, own in _by_covering(family, splits).items():
                row["data"][f"share_{place}"] = float(own.double().mean())
                row["generalist"][f"error_{place}"] = error(z[own], labels[own])  # NaN of none
                row[who][f"error_{place}"] = error(together[own], labels[own])
    return row


def _averages(
    single: Float[Tensor, "t members k"], labels: Int[Tensor, " t"]
) -> dict[str, dict[str, Any]]:
    """Errors of the mean logits of 1, 2, ... generalists."""
    by_size = enumerate(errors_by_size(single, labels), 1)
    return {ensemble_of(size): {"size": size, "error": each} for size, each in by_size}


def _train_whole(
    cell: ImageSpecialistCell,
    splits: Splits,
    context: Context,
    name: str,
    nets: list[nn.Module],
    recipe: Recipe,
    span: tuple[float, float],
) -> Trained:
    """Train nets of all classes."""
    loss = target_loss(splits.train_labels, cell.recipe.smoothing)
    given = {"seed": cell.seed, "context": context, "span": span}
    return train_group(name, nets, recipe, splits, lambda part: loss, **given)


def _as_many_images(cell: ImageSpecialistCell, splits: Splits, sets: Sets) -> Recipe:
    """``tuned`` for as many images as specialists of these sets see, to whole epochs, at least 1.

    In each of its epochs a specialist sees the images of its classes and as many others, or all.
    """
    labels = splits.train_labels.cpu()
    own = [int(torch.isin(labels, torch.tensor(classes)).sum()) for classes in sets]
    seen = sum(min(2 * each, len(labels)) for each in own)
    epochs = max(1, round(cell.tuned_epochs * seen / len(labels)))
    return replace(cell.tuned, optim=replace(cell.tuned.optim, epochs=epochs))


def _fresh(cell: ImageSpecialistCell, splits: Splits, place: int) -> nn.Module:
    return cell.net.build(splits, stream(cell.seed, "init", "specialist", place))


def _family(
    cell: ImageSpecialistCell,
    who: str,
    sets: Sets,
    start: Callable[[int], nn.Module],
    recipe: Recipe,
    splits: Splits,
    generalist: Float[Tensor, "t k"],
    progress: Progress,
) -> list[Specialist]:
    """Train a specialist of each set; its logits on the test images that it is needed for.

    Those are the images that consult it and those of its classes; on all others they are 0.
    """
    asked = consulted(generalist, sets)
    family = []
    for i, classes in enumerate(sets):
        net = start(i)
        head = [part for part in net.modules() if isinstance(part, nn.Linear)][-1]
        net = specialist_from(net, head, classes)
        draws = stream(cell.seed, who, "rows", i)
        taken = specialist_rows(splits.train_labels, classes, splits.num_classes, draws)
        own = specialist_labels(splits.train_labels[taken.rows], classes, splits.num_classes)
        fit(
            net,
            splits.train[taken.rows],
            target_loss(own, recipe.smoothing),
            recipe.optim,
            stream(cell.seed, who, "order", i),
            augment=recipe.augment,
            compute=recipe.compute,
        )
        needed = asked[:, i] | _among(splits, classes)
        logits = torch.zeros(len(generalist), len(classes) + 1)
        seen = outputs_of(net, splits.test[needed.to(splits.test.device)], compute=recipe.compute)
        logits[needed] = corrected(seen.cpu(), taken.oversampling)
        family.append((classes, logits))
        progress(f"{who} specialist {i + 1} of {len(sets)}", (i + 1) / len(sets))
    return family


def _among(splits: Splits, classes: Sequence[int]) -> Bool[Tensor, " t"]:
    """Which test images are of these classes."""
    return torch.isin(splits.test_labels.cpu(), torch.tensor(classes))


def _conditional(
    generalist: Float[Tensor, "t k"], family: list[Specialist], splits: Splits
) -> dict[str, float]:
    """Errors on the images of each specialist's classes, when only these classes are allowed."""
    wrong, before, count = 0.0, 0.0, 0
    for classes, logits in family:
        own = _among(splits, classes)
        targets = specialist_labels(splits.test_labels.cpu()[own], classes, splits.num_classes)
        # Consulted by all of them: it may be that the generalist would not have done so.
        k = generalist.shape[1]
        together = combine(generalist[own], [(classes, logits[own])], top=k)
        number = int(own.sum())
        wrong += number * error(together[:, classes], targets)
        before += number * error(generalist[own][:, classes], targets)
        count += number
    sums = {"conditional": wrong, "conditional_generalist": before}
    return {name: value / count if count else float("nan") for name, value in sums.items()}


def _by_covering(family: list[Specialist], splits: Splits) -> dict[str, Bool[Tensor, " t"]]:
    """The test images of the classes that no specialist covers, and of those that one does."""
    covering = sum((_among(splits, classes).long() for classes, _ in family), torch.zeros(()))
    covering = covering.expand(len(splits.test_labels))
    return {"outside": covering == 0, "inside": covering == 1}
