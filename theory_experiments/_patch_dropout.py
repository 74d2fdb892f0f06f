"""Dropout on synthetic patches: do random masks show other views than the whole network?

A class has two views and a network learns one, decided by its start. Predicted before any run, of
c, the fraction of views covered: the masks of one trained net know the views that it knows, so that
averaging them adds nothing, while K nets reach 1 - 2^-K; dropout during training does add views if
it can hide a whole one, the more the larger the probability p^w that all w neurons of a view are
dropped, which is predicted to fall with width, and wherever whole patches are dropped; a student
that starts as a copy of its teacher keeps its c, one of a fresh start adds views of its own; and
transfer inputs that hide patches help only if the teacher knows the view that is left.

Two limits of these tests. Masks stand outside the activation here, so that the mean of the logits
over masks is the standard prediction, exactly: that masks add nothing could fail only in what the
mean of probabilities does otherwise. And students are taught by the KL divergence at temperature 1,
at which a teacher that is nearly certain shows little of what else it knows: where a student of a
fresh start learns less than predicted, that is as much about the temperature as about the teacher.
"""

from dataclasses import replace
from typing import Any

from torch import Tensor

from multiview.runs.experiment import Context
from multiview.theory import ensemble_error, student_coverage
from theory_experiments._patch_dropout_nets import (
    PatchDropoutCell,
    Setting,
    classifiers,
    train_nets,
)
from theory_experiments._patch_nets import (
    PAPER_SPEC,
    SMALL_SPEC,
    draw_features,
    draw_train,
    sliding_means,
)
from theory_experiments._patch_sgd import measured
from theory_experiments._won_views import pairwise_agreement, won_views


def run_patch_dropout(cell: PatchDropoutCell, context: Context) -> dict[str, dict[str, Any]]:
    """Networks with dropout, their masks' mean, their students, and what each of them covers.

    Returns:
        Of every method ``coverage``, ``margin`` (mean over probes that show one view), ``single``
        and ``multi`` (errors). ``ensemble_K``, means of K networks without dropout, over the ring
        of members (``size``; ``predicted``, the coverage 1 - (1 - c)^K). Means over ``copies``
        networks by what is ``dropped`` in training, with which ``probability`` and of how many
        neurons a class. ``standard``, a net trained with dropout of neurons; ``masks``, the mean of
        its predictions over masks; ``coarse`` and ``coarse_masks``, the same of a net trained with
        the smallest dropout of patches, whose masks are as coarse as a view; ``copied`` and
        ``fresh``, students of ``standard`` by dropout distillation from its own weights or from a
        start of their own (with ``predicted`` coverage); and students of fresh starts on clean
        inputs and on such with hidden patches: ``one_clean`` and ``one_hidden`` of ``one_teacher``,
        a net without dropout, ``all_clean`` and ``all_hidden`` of ``all_teacher``, one trained with
        the largest dropout of patches. ``same_view``: fraction of the classes in which ``standard``
        recognises the same view best; of ``member``, that of two members without dropout.
    """
    features = draw_features(cell)
    train = draw_train(cell, features)
    plain, nets = train_nets(cell, train, context.progress)
    alone = classifiers(cell, train, plain, nets, context.progress)

    def outputs(patches: Tensor) -> dict[str, Tensor]:
        members = plain(patches)
        many = {setting.name: net(patches) for setting, net in nets.items()}
        single = {name: logits(patches) for name, logits in alone.items()}
        return {"members": members, "ring": sliding_means(members), **many, **single}

    covered, values = measured(cell, features, outputs)
    every = [*(setting.name for setting in nets), *alone]
    row: dict[str, dict[str, Any]] = {
        name: {measure: float(each[name].double().mean()) for measure, each in values.items()}
        for name in every
    }
    rings = {measure: each["ring"].double() for measure, each in values.items()}
    row |= _without_dropout(cell, rings)
    for setting in [*nets, Setting("nothing", 0.0, cell.width)]:
        row[setting.name] |= setting._asdict()
    row["fresh"]["predicted"] = student_coverage(
        row["standard"]["coverage"], row["ensemble_1"]["coverage"]
    )
    won = {name: won_views(each) for name, each in covered.items()}
    for name in ("masks", "copied", "fresh"):
        row[name]["same_view"] = float((won[name] == won["standard"]).double().mean())
    return row | {"member": {"same_view": pairwise_agreement(won["members"])}}


def _without_dropout(cell: PatchDropoutCell, rings: dict[str, Tensor]) -> dict[str, dict[str, Any]]:
    """Ensembles of each size, and networks of the same starts as those with dropout.

    Args:
        rings: By measure, (members, sizes).
    """
    means = {measure: ring.mean(0).tolist() for measure, ring in rings.items()}
    own = means["coverage"][0]
    found: dict[str, dict[str, Any]] = {
        f"ensemble_{size}": {
            "size": size,
            "predicted": 1 - ensemble_error(size, own),
            **{measure: values[size - 1] for measure, values in means.items()},
        }
        for size in range(1, cell.members + 1)
    }
    starts = {measure: float(ring[: cell.copies, 0].mean()) for measure, ring in rings.items()}
    return found | {Setting("nothing", 0.0, cell.width).name: starts}


LAPTOP = PatchDropoutCell()
SMOKE = replace(
    LAPTOP,
    spec=SMALL_SPEC,
    num_train=100,
    members=2,
    width=4,
    widths=(2, 4),
    neurons=(0.25,),
    patches=(0.5,),
    optim=replace(LAPTOP.optim, epochs=5, batch_size=50),
    student=replace(LAPTOP.student, epochs=5, batch_size=50),
    num_masks=10,
    num_test=100,
    probes_per_view=20,
)
PAPER = replace(
    LAPTOP,
    spec=PAPER_SPEC,
    num_train=2000,
    members=10,
    copies=5,
    width=20,
    widths=(5, 10, 20, 40),
    neurons=(0.1, 0.25, 0.5, 0.8),
    patches=(0.1, 0.2, 0.5),
    num_test=10_000,
    probes_per_view=100,
)
