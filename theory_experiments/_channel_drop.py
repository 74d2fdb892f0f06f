"""Real images with views removed: nets trained on groups of channels, colours or tiles.

The inputs fall into G disjoint groups: channels of an intermediate layer of a trained net, colours,
or tiles of the image. Keeping the first f G of them, the same for all nets, is to keep a fraction f
of what may hold views; everything else is 0.
"""

from dataclasses import replace
from typing import Any

from jaxtyping import Float
from torch import Tensor

from multiview.data.images import ImageData
from multiview.data.splits import Splits
from multiview.distill import Hinton, distillation_loss, ensemble_teacher
from multiview.ensemble import mean_logits
from multiview.probes import gain_by_count, view_counts
from multiview.probes.view_counts import GainByCount
from multiview.runs.experiment import Context
from multiview.train import target_loss
from multiview.train.loop import Loss
from multiview.train.metrics import wrong
from theory_experiments._channel_inputs import DropCell, Inputs, inputs_of, new_nets
from theory_experiments._contrast import error, errors_of, spans, within
from theory_experiments._image_nets import Recipe, Trained, train_group


def run_drop(cell: DropCell, images: ImageData, context: Context) -> dict[str, dict[str, Any]]:
    """Train ensembles and students with fewer and fewer groups, and nets on each group alone.

    Returns:
        For each number of groups kept, ``fraction`` of them all, the test ``error`` of three kinds
        of ``classifier``: ``member``, mean over the members, with each one's and the mean on
        training samples; ``ensemble``, with its ``gain`` over a member; ``distilled``, mean over
        students of the ensemble with the same inputs. For each ``count`` of groups with which alone
        a test image was got right, 0 to G: how many ``samples``, and on these the errors of members
        and ensemble with all groups, the gain, and its share of the whole gain; with the ``nets``
        "disjoint" of the G groups, and with "same", G nets that all see the first group, which
        tells hard images from easy ones and nothing of views. ``alone``: the error with each group
        alone. ``base``: error of the pre-trained net, where there is one.
    """
    parts = spans(
        {
            "base": 2.0 * cell.members if cell.part == "layer" else 0.0,
            **{f"kept {kept}": cell.members + 2.0 * cell.students for kept in cell.kept},
            "alone": cell.groups,
            "same": cell.groups,
        }
    )

    def part(name: str) -> Context:
        return replace(context, progress=within(context.progress, *parts[name]))

    inputs = inputs_of(cell, images, part("base"))
    labels = inputs.splits.test_labels.cpu()
    found = {kept: _with_groups(cell, inputs, kept, part(f"kept {kept}")) for kept in cell.kept}
    alone = _single_groups(cell, inputs, "alone", inputs.masks, part("alone"))
    first = inputs.masks[:1].expand_as(inputs.masks)
    same = _single_groups(cell, inputs, "same", first, part("same"))
    row: dict[str, dict[str, Any]] = {"alone": {"error_each": errors_of(alone, labels)}}
    if cell.part == "layer":
        row["base"] = {"error": inputs.base}
    for fraction, (kept, nets) in zip(cell.fractions, found.items(), strict=True):
        for who, measures in _errors(inputs.splits, *nets).items():
            row[f"{who}_{kept}"] = {"classifier": who, "fraction": fraction, **measures}
    whole = found[cell.groups][0].test
    for name, outputs in (("disjoint", alone), ("same", same)):
        counts = view_counts(~wrong(outputs, labels).T)
        split = gain_by_count(
            counts, wrong(whole, labels), wrong(mean_logits(whole), labels), cell.groups
        )
        row |= _by_count(name, split)
    return row


def _errors(splits: Splits, members: Trained, students: Trained) -> dict[str, dict[str, Any]]:
    """What is measured of each classifier with one number of groups kept."""
    labels = splits.test_labels.cpu()
    each, taught = errors_of(members.test, labels), errors_of(students.test, labels)
    fitted = errors_of(members.train, splits.train_labels.cpu())
    one, ensemble = sum(each) / len(each), error(mean_logits(members.test), labels)
    return {
        "member": {"error": one, "error_each": each, "train": sum(fitted) / len(fitted)},
        "ensemble": {"error": ensemble, "gain": one - ensemble},
        "distilled": {"error": sum(taught) / len(taught)},
    }


def _by_count(nets: str, split: GainByCount) -> dict[str, dict[str, Any]]:
    """What is measured on the test images that so many of the nets get right."""
    measures = {
        "samples": split.samples,
        "member_error": split.one,
        "ensemble_error": split.ensemble,
        "gain": split.gain,
        "share_of_gain": split.share,
    }
    return {
        f"{nets}_right_{count}": {
            "nets": nets,
            "count": count,
            **{name: values[count].item() for name, values in measures.items()},
        }
        for count in range(len(split.samples))
    }


def _with_groups(
    cell: DropCell, inputs: Inputs, kept: int, context: Context
) -> tuple[Trained, Trained]:
    """An ensemble that sees the first ``kept`` groups, and students that see the same."""
    shown = inputs.masks[:kept].any(0)
    parts = spans({"members": cell.members, "students": 2 * cell.students})

    def group(name: str, number: int, recipe: Recipe, loss: Loss) -> Trained:
        return train_group(
            f"kept {kept} {name}",
            new_nets(cell, inputs, shown, name, range(number)),
            recipe,
            inputs.splits,
            lambda part: loss,
            seed=cell.seed,
            context=replace(context, progress=within(context.progress, *parts[name])),
        )

    labels, recipe = inputs.splits.train_labels, inputs.recipe
    members = group("members", cell.members, recipe, target_loss(labels))
    taught = distillation_loss(
        labels,
        ensemble_teacher(members.nets, "logits", compute=recipe.compute),
        Hinton(cell.temperature),
        weight=cell.weight,
    )
    rate = replace(recipe.optim, learning_rate=cell.student_rate)
    students = group("students", cell.students, replace(recipe, optim=rate), taught)
    return members, students


def _single_groups(
    cell: DropCell, inputs: Inputs, name: str, masks: Tensor, context: Context
) -> Float[Tensor, "t groups k"]:
    """Test outputs of one net for each mask, which sees nothing else; all start differently."""
    nets = [new_nets(cell, inputs, mask, name, [i])[0] for i, mask in enumerate(masks)]
    return train_group(
        name,
        nets,
        inputs.recipe,
        inputs.splits,
        lambda part: target_loss(inputs.splits.train_labels),
        seed=cell.seed,
        context=context,
    ).test
