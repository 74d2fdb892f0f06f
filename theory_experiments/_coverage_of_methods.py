"""The table of methods, and what is measured of each on one draw of the samples."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import reduce
from typing import Any, Literal

from jaxtyping import Bool
from torch import Tensor

from multiview.runs.experiment import Context
from multiview.theory import ensemble_error, lost_error, single_view_error, student_coverage
from theory_experiments import _coverage_of_methods_nets as nets
from theory_experiments._coverage_of_methods_bench import Bench, Classifier, MethodsCell
from theory_experiments._patch_sgd import measured

Group = Literal["labels", "averaging", "students", "dropout", "rocket", "gates", "kernels"]
# What the theory says of a method's c, of the measured c of others and K.
Prediction = Callable[[Mapping[str, float], int], float]


@dataclass(frozen=True, kw_only=True)
class Method:
    """One way to come from the samples to a classifier."""

    group: Group
    says: str
    train: Callable[[Bench], Classifier]
    predicted: Prediction | None = None  # None where the theory says nothing


def like(name: str) -> Prediction:
    """Predicts as many views as another method covers."""
    return lambda c, members: c[name]


def adds(*teachers: str) -> Prediction:
    """Predicts the teachers' views together with those that labels alone would show the student."""

    def covers(c: Mapping[str, float], members: int) -> float:
        return reduce(lambda own, name: student_coverage(c[name], own), teachers, c["labels"])

    return covers


def constant(value: float) -> Prediction:
    """Predicts this value, whatever others cover."""
    return lambda c, members: value


def averaged(name: str) -> Prediction:
    """Predicts what as many independent networks as members cover together, each like this one."""
    return lambda c, members: 1 - ensemble_error(members, c[name])


def _row(
    group: Group,
    says: str,
    train: Callable[[Bench], Classifier],
    predicted: Prediction | None = None,
) -> Method:
    return Method(group=group, says=says, train=train, predicted=predicted)


METHODS: dict[str, Method] = {
    "member": _row("labels", "one network", nets.one, constant(1 / 2)),
    "labels": _row("labels", "as many steps as students", nets.labels, constant(1 / 2)),
    "ensemble": _row("averaging", "ensemble", nets.ensemble, averaged("member")),
    "summed": _row("averaging", "trained as a sum", nets.summed, like("member")),
    "hinton": _row("students", "of the ensemble, Hinton's loss", nets.hinton, adds("ensemble")),
    "squares": _row("students", "of the ensemble, squared logits", nets.squares, adds("ensemble")),
    "paper": _row("students", "of the ensemble, paper's update", nets.paper, adds("ensemble")),
    "self_fresh": _row(
        "students", "of one net (self), fresh start", nets.self_fresh, adds("member")
    ),
    "self_continued": _row(
        "students", "of one net (self), two phases", nets.self_continued, adds("member")
    ),
    "neuron": _row("dropout", "of neurons", nets.dropped("neuron")),
    "neuron_masks": _row("dropout", "mean over its masks", nets.masks("neuron"), like("neuron")),
    "neuron_distilled": _row(
        "dropout", "its masks, distilled", nets.distilled("neuron"), like("neuron")
    ),
    "patch": _row("dropout", "of patches", nets.dropped("patch"), constant(1.0)),
    "patch_masks": _row("dropout", "mean over its masks", nets.masks("patch"), like("patch")),
    "patch_distilled": _row(
        "dropout", "its masks, distilled", nets.distilled("patch"), like("patch")
    ),
    "rocket": _row("rocket", "light net, nothing shared", nets.rocket, adds("rocket_booster")),
    "rocket_booster": _row("rocket", "its booster", nets.rocket_booster, constant(1 / 2)),
    "rocket_kd": _row(
        "rocket", "light net, and a trained net", nets.rocket_kd, adds("rocket_booster", "member")
    ),
    "rocket_late": _row("rocket", "light net, late hint", nets.rocket_late, adds("rocket_booster")),
    "rocket_unblocked": _row("rocket", "light net, hint not blocked", nets.rocket_unblocked),
    "rocket_half": _row("rocket", "light net, half of it shared", nets.rocket_half),
    "rocket_shared": _row(
        "rocket", "light net, all of it shared", nets.rocket_shared, constant(1 / 2)
    ),
    "rocket_ensemble": _row(
        "rocket", "light net, ensemble boosts", nets.rocket_ensemble, adds("rocket_boosters")
    ),
    "rocket_boosters": _row(
        "rocket", "mean of its boosters", nets.rocket_boosters, averaged("labels")
    ),
    "dense": _row("gates", "light penalty, labels", nets.gates(strong=False, soft=False)),
    "dense_soft": _row(
        "gates",
        "light penalty, of the ensemble",
        nets.gates(strong=False, soft=True),
        adds("ensemble"),
    ),
    "pruned": _row(
        "gates", "strong penalty, labels", nets.gates(strong=True, soft=False), constant(1 / 2)
    ),
    "pruned_soft": _row(
        "gates", "strong penalty, of the ensemble", nets.gates(strong=True, soft=True)
    ),
    "kernel_member": _row("kernels", "one kernel", nets.kernel("single")),
    "kernel_ensemble": _row("kernels", "ensemble", nets.kernel("ensemble")),
    "kernel_summed": _row("kernels", "sum", nets.kernel("summed"), like("kernel_ensemble")),
    "kernel_distilled": _row(
        "kernels", "ensemble, distilled", nets.kernel("distilled"), like("kernel_member")
    ),
}
NETWORKS = tuple(name for name, method in METHODS.items() if method.group != "kernels")


def run(cell: MethodsCell, context: Context) -> dict[str, dict[str, Any]]:
    """One repetition: all methods on the same samples.

    Returns:
        Of every method of ``METHODS``: ``coverage``, c; ``margin``, its mean over probes that show
        one view; ``single`` and ``multi``, the errors on test samples of either kind; ``views``,
        the fractions of classes of which 0, 1, ... views are covered; ``law``, the single-view
        error that c predicts; ``predicted``, the theory's c where it says one; and ``covered``, the
        views covered, (k, L). Of ``member`` and ``kernel_member`` numbers are means over the
        members, and the views are the first one's; "first" is the first member alone. Of methods
        with gates: ``share_open``, the share of the neurons whose gates are open.
    """
    bench = Bench.of(cell)
    classifiers: dict[str, Classifier] = {}
    for i, (name, method) in enumerate(METHODS.items()):
        context.progress(name, i / len(METHODS))
        classifiers[name] = method.train(bench)

    def outputs(patches: Tensor) -> dict[str, Tensor]:
        return {name: classify(patches) for name, classify in classifiers.items()}

    covered, values = measured(cell, bench.features, outputs)
    row: dict[str, dict[str, Any]] = {
        name: {measure: float(each[name].double().mean()) for measure, each in values.items()}
        for name in METHODS
    }
    c = {name: row[name]["coverage"] for name in METHODS}
    for name, method in METHODS.items():
        views, classifier = covered[name].covered, classifiers[name]
        row[name] |= {
            "views": views_per_class(views),
            "law": law(cell, c[name]),
            "covered": views if views.dim() == 2 else views[0],
        }
        if method.predicted is not None:
            row[name]["predicted"] = method.predicted(c, cell.members)
        if isinstance(classifier, nets.Pruned):
            row[name]["share_open"] = classifier.left
    row["first"] = {"coverage": float(row["member"]["covered"].double().mean())}
    return row


def views_per_class(covered: Bool[Tensor, "*members k L"]) -> list[float]:
    """Fractions of the classes of which 0, 1, ..., L views are covered."""
    each = covered.sum(-1).flatten()
    return (each.bincount(minlength=covered.shape[-1] + 1).double() / len(each)).tolist()


def law(cell: MethodsCell, c: float) -> float:
    """Single-view error of a classifier that covers c and gets wrong what outshines a lost view."""
    return single_view_error(c, lost_error(cell.spec, cell.spec.num_views * c))
