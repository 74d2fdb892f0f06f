"""Calls of multiview.distill."""

from functools import partial
from typing import Any

import torch
from one_call import Call, double, finite, labels, mlp, near, normal
from torch import Tensor, nn

from multiview import distill, stream
from multiview.train.optim import OptimSpec

STUDENT, TEACHER = normal(5, 3, name="student"), normal(5, 3, name="teacher")
Z_STUDENT, Z_TEACHER = (
    (each - each.mean(-1, keepdim=True)) / each.std(-1, correction=0, keepdim=True)
    for each in (STUDENT, TEACHER)
)
EACH = partial(distill.l2_logits, reduction="none")
SPEC = OptimSpec(epochs=2, batch_size=3)
INPUTS = torch.ones(5, 4)
TRAINING = {"inputs": ("x", "labels", "targets", "samples"), "labels": ("targets",)}


def _two() -> dict[str, Any]:
    return {"student_logits": STUDENT.clone(), "teacher_logits": TEACHER.clone()}


def _mean(values: Tensor, a: dict[str, Any]) -> Tensor:
    if a["reduction"] == "mean" and not values.numel():
        return torch.zeros(())  # of nothing there is no mean: whatever was returned is wrong
    return values.mean() if a["reduction"] == "mean" else values


def _hinton(found: Tensor, a: dict[str, Any]) -> bool:
    T = a["temperature"]
    s, t = (double(a[name]) / T for name in ("student_logits", "teacher_logits"))
    p = t.softmax(-1)
    each = (torch.special.xlogy(p, p) - torch.where(p == 0, 0, p * s.log_softmax(-1))).sum(-1)
    return (near(found, _mean(T**2 * each, a)) and found.numel() > 0) or a["reduction"] == "none"


def _l2(found: Tensor, a: dict[str, Any]) -> bool:
    gap = double(a["student_logits"]) - double(a["teacher_logits"])
    if a["center"]:
        gap = gap - gap.mean(-1, keepdim=True)
    return near(found, _mean(gap.square().sum(-1) / 2, a))


def _probabilities(found: Tensor, a: dict[str, Any]) -> bool:
    gap = double(a["student_logits"]).softmax(-1) - double(a["teacher_logits"]).softmax(-1)
    return near(found, _mean(gap.square().sum(-1) / 2, a))


def _truncated(logits: Tensor, tau: float) -> Tensor:
    return ((tau**2 * double(logits)).clamp(max=1) / tau).softmax(-1)


def _paper(found: Tensor, a: dict[str, Any]) -> bool:
    s, t = (
        _truncated(a["scale"] * a[name], a["tau"]) for name in ("student_logits", "teacher_logits")
    )
    return near(found, _mean(-(s - t).clamp(max=0).sum(-1), a))


def _averaged(found: Tensor, a: dict[str, Any]) -> bool:
    z, T = double(a["logits"]), a["temperature"]
    if a["average"] == "logits":
        return near(found, z.mean(1))
    return near((double(found) / T).softmax(-1), (z / T).softmax(-1).mean(1))


def _fewest_wrong(found: float, a: dict[str, Any]) -> bool:
    """No shift on a grid leaves fewer wrong."""

    def wrong(shift: float) -> int:
        z = double(a["logits"]).clone()
        z[:, [*a["classes"]]] += shift
        own = z.gather(1, a["labels"][:, None])
        return int((z.scatter(1, a["labels"][:, None], -torch.inf).amax(1) >= own[:, 0]).sum())

    grid = [x / 10 for x in range(-60, 61)]
    return finite(a["logits"]) and wrong(found) <= min(map(wrong, grid))


def _shifted(found: Tensor, a: dict[str, Any]) -> bool:
    expected = double(a["logits"]).clone()
    expected[:, [*map(int, a["classes"])]] += a["shift"]
    return near(found, expected)


def _combined(found: Tensor, a: dict[str, Any]) -> bool:
    """A distribution each; where no specialist is asked, the generalist's own logits."""
    if not a["specialists"]:
        return near(found, a["generalist"])
    top = int(a["top"])
    best = double(a["generalist"]).topk(top, 1).indices
    asked = torch.isin(best, torch.tensor([*a["specialists"][0][0]])).any(1)
    said = double(found)[asked].exp().sum(-1)
    return near(found[~asked], a["generalist"][~asked]) and near(said, torch.ones(len(said)))


def _specialist(found: Tensor, a: dict[str, Any]) -> bool:
    listed = [int(x) for x in a["classes"]]
    return found.tolist() == [
        listed.index(x) if x in listed else len(listed) for x in a["labels"].tolist()
    ]


def _rows(found: Any, a: dict[str, Any]) -> bool:
    own = torch.isin(a["labels"], torch.tensor([*a["classes"]]))
    few = min(int(own.sum()), int((~own).sum()))
    number = int(own.sum()) + few
    return len(found.rows.unique()) == number and bool(torch.isin(own.nonzero(), found.rows).all())


def _fits(student: str) -> Any:
    def right(found: Any, a: dict[str, Any]) -> bool:
        fits = getattr(found, "fits", (found,))
        steps = 2 * -(-len(a["inputs"]) // 3)
        ok = all(each.steps == steps and finite(each.loss) for each in fits)
        return ok and finite(*a[student].parameters()) and not a[student].training

    return right


def _taught(
    targets: Any, teacher: Any, kd_loss: Any, weight: Any, label_weight: Any, smoothing: Any
):
    settings = {"weight": weight, "label_weight": label_weight, "smoothing": smoothing}
    loss = distill.distillation_loss(targets, teacher, kd_loss, **settings)
    return loss(STUDENT, INPUTS, torch.arange(5))


def _taught_right(found: Tensor, a: dict[str, Any]) -> bool:
    taught = a["teacher"] if isinstance(a["teacher"], Tensor) else a["teacher"](INPUTS)
    target = a["targets"][:5] if a["targets"].dim() == 1 else a["targets"][:5].double()
    soft = nn.functional.cross_entropy(STUDENT.double(), target, label_smoothing=a["smoothing"])
    half = (STUDENT.double() - double(taught)).square().sum(-1).mean() / 2
    return near(found, a["weight"] * half + a["label_weight"] * soft)


def _rocket(targets: Tensor, **settings: Any) -> Tensor:
    logits = torch.stack([STUDENT, TEACHER], 1)
    return distill.rocket_loss(targets, **settings)(logits, INPUTS, torch.arange(5))


def _rocket_right(found: Tensor, a: dict[str, Any]) -> bool:
    alone = [nn.functional.cross_entropy(x.double(), a["targets"][:5]) for x in (STUDENT, TEACHER)]
    hint = (STUDENT - TEACHER).double().square().sum(-1).mean()
    return near(found, sum(alone) + a["weight"] * hint)


def _objective(labels: Tensor, teacher_logits: Tensor, kd_loss: Any, weight: Any):
    made = distill.distillation_objective(labels, teacher_logits, kd_loss, weight)
    return made(STUDENT.unsqueeze(1), torch.arange(5), torch.arange(1))


def _objective_right(found: Any, a: dict[str, Any]) -> bool:
    hard = nn.functional.cross_entropy(STUDENT.double(), a["labels"], reduction="none")
    half = (STUDENT.double() - double(a["teacher_logits"])).square().sum(-1) / 2
    return near(found[0][:, 0], hard + a["weight"] * half)


def _biased(student: Any, teacher: Any) -> None:
    student.layers[-1].bias.data.fill_(1.0)


def _head(generalist: Any, classes: Any) -> nn.Module:
    net = nn.Sequential(nn.Linear(4, 3)) if generalist is NET else generalist
    head: Any = net[0] if isinstance(net, nn.Sequential) else net
    return distill.specialist_from(net, head, classes)


def _head_right(found: nn.Module, a: dict[str, Any]) -> bool:
    return found(INPUTS).shape == (5, len(a["classes"]) + 1)


NET = nn.Sequential(nn.Linear(4, 3))
DROPOUT: dict[str, Any] = {"dropout": 0.5}
CALLS = {
    "hinton_kd": Call(
        function=distill.hinton_kd,
        arguments=lambda: _two() | {"temperature": 4.0, "reduction": "mean"},
        right=_hinton,
    ),
    "hinton_kd, of each sample": Call(
        function=distill.hinton_kd,
        arguments=lambda: _two() | {"temperature": 2.0, "reduction": "none"},
        right=_hinton,
    ),
    "l2_logits": Call(
        function=distill.l2_logits,
        arguments=lambda: _two() | {"center": True, "reduction": "mean"},
        right=_l2,
    ),
    "paper_kd": Call(
        function=distill.paper_kd,
        arguments=lambda: (
            _two() | {"tau": 1 / 3, "scale": 1.5, "gated": True, "reduction": "mean"}
        ),
        right=_paper,
    ),
    "squared_probabilities": Call(
        function=distill.squared_probabilities,
        arguments=lambda: _two() | {"reduction": "mean"},
        right=_probabilities,
    ),
    "truncated_probabilities": Call(
        function=distill.truncated_probabilities,
        arguments=lambda: {"logits": STUDENT.clone(), "tau": 0.3},
        right=lambda found, a: near(found, _truncated(a["logits"], a["tau"])),
    ),
    "averaged_logits": Call(
        function=distill.averaged_logits,
        arguments=lambda: {
            "logits": normal(5, 2, 3), "average": "probabilities", "temperature": 2.0,
        },
        right=_averaged,
    ),
    "ensemble_teacher": Call(
        function=lambda **a: distill.ensemble_teacher(**a)(INPUTS),
        arguments=lambda: {
            "members": [mlp(0), mlp(1)], "average": "logits", "temperature": 2.0,
        },
        right=lambda found, a: (
            a["average"] != "logits"
            or near(found, torch.stack([net(INPUTS) for net in a["members"]]).mean(0))
        ),
    ),
    "best_shift": Call(
        function=distill.best_shift,
        arguments=lambda: {"logits": STUDENT.clone(), "labels": labels(), "classes": [0, 2]},
        right=_fewest_wrong,
    ),
    "shifted": Call(
        function=distill.shifted,
        arguments=lambda: {"logits": STUDENT.clone(), "classes": [0, 2], "shift": 0.7},
        right=_shifted,
    ),
    "combine": Call(
        function=lambda logits, classes, **a: distill.combine(
            specialists=[(classes, logits)], **a
        ),
        arguments=lambda: {
            "generalist": STUDENT.clone(), "logits": normal(5, 3), "classes": [0, 1], "top": 1,
            "tolerance": 1e-9, "max_steps": 100,
        },
        right=lambda found, a: _combined(found, a | {"specialists": [(a["classes"], None)]}),
        says={"logits": ("specialists",), "classes": ("specialists", "the specialist of")},
    ),
    "combine, of lists": Call(
        function=distill.combine,
        arguments=lambda: {
            "generalist": STUDENT.clone(), "specialists": [([0, 1], normal(5, 3))],
        },
        right=lambda found, a: _combined(found, a | {"top": 1}),
        says={"specialists": ("the specialist of",)},
    ),
    "confusable_sets": Call(
        function=distill.confusable_sets,
        arguments=lambda: {
            "probabilities": normal(9, 4).softmax(-1), "num_sets": 2, "generator": stream(0),
            "columns": "correlation", "restarts": 3,
        },
        right=lambda found, a: (
            sorted(x for each in found for x in each) == [*range(a["probabilities"].shape[1])]
            and len(found) <= a["num_sets"]
        ),
    ),
    "adjusted_rand": Call(
        function=distill.adjusted_rand,
        arguments=lambda: {"first": [0, 0, 1, 1], "second": [0, 0, 1, 2]},
        right=lambda found, a: (
            -1 <= found <= 1 and near(found, distill.adjusted_rand(a["second"], a["first"]))
        ),
        says={"first": ("partitions",), "second": ("partitions",)},
    ),
    "specialist_labels": Call(
        function=distill.specialist_labels,
        arguments=lambda: {"labels": labels(), "classes": [2, 0], "num_classes": 4},
        right=_specialist,
    ),
    "specialist_rows": Call(
        function=distill.specialist_rows,
        arguments=lambda: {
            "labels": labels(), "classes": [2], "num_classes": 3, "generator": stream(0),
        },
        right=_rows,
    ),
    "specialist_from": Call(
        function=_head,
        arguments=lambda: {"generalist": NET, "classes": [0]},
        right=_head_right,
        says={"generalist": ("head",)},
    ),
    "corrected": Call(
        function=distill.corrected,
        arguments=lambda: {"logits": STUDENT.clone(), "oversampling": 2.0},
        right=lambda found, a: near(
            found,
            double(a["logits"])
            + _last(a["logits"]) * torch.tensor(float(a["oversampling"])).log(),
        ),
    ),
    "born_again": Call(
        function=distill.born_again,
        arguments=lambda: {"first": mlp(), "students": [mlp(1), mlp(2)], "distil": _biased},
        right=lambda found, a: found == [a["first"], *a["students"]],
    ),
    "bregman": Call(
        function=lambda divergence: distill.bregman(divergence)[0](STUDENT, TEACHER),
        arguments=lambda: {"divergence": "squared_logits"},
        right=lambda found, a: near(found, (STUDENT - TEACHER).square().sum(-1) / 2),
    ),
    "monte_carlo": Call(
        function=lambda **a: distill.monte_carlo(**a)(INPUTS),
        arguments=lambda: {
            "module": mlp(**DROPOUT), "masks": 3, "average": "logits", "generator": stream(0),
            "batch_size": 2,
        },
        right=lambda found, a: found.shape == (5, 3) and finite(found),
    ),
    "hint_loss": Call(
        function=lambda hint, temperature: distill.hint_loss(hint, temperature)(STUDENT, TEACHER),
        arguments=lambda: {"hint": "tempered", "temperature": 2.0},
        right=lambda found, a: near(
            found,
            -(a["temperature"] ** 2)
            * ((TEACHER / a["temperature"]).softmax(-1)
               * (STUDENT / a["temperature"]).log_softmax(-1)).sum(-1),
        ),
    ),
    "official_kd_weight": Call(
        function=distill.official_kd_weight,
        arguments=lambda: {"num_classes": 10, "alpha": 0.9},
        right=lambda found, a: near(found, 2 * a["alpha"] / a["num_classes"]) and found >= 0,
    ),
    "per_student": Call(
        function=lambda first, second, students: distill.per_student(first, second)(
            students, torch.stack([TEACHER, TEACHER], 1)
        ),
        arguments=lambda: {
            "first": EACH, "second": EACH, "students": normal(5, 2, 3),
        },
        right=lambda found, a: near(
            found, (double(a["students"]) - TEACHER[:, None]).square().sum(-1) / 2
        ),
        says={
            "first": ("kd_losses",), "second": ("kd_losses",),
            "students": ("student_logits", "teacher_logits"),
        },
    ),
    "distillation_loss": Call(
        function=_taught,
        arguments=lambda: {
            "targets": labels(), "teacher": TEACHER.clone(), "kd_loss": distill.l2_logits,
            "weight": 0.9, "label_weight": 0.1, "smoothing": 0.2,
        },
        right=_taught_right,
    ),
    "distillation_loss, by a net": Call(
        function=_taught,
        arguments=lambda: {
            "targets": normal(5, 3).softmax(-1), "teacher": mlp(1), "kd_loss": distill.l2_logits,
            "weight": 0.9, "label_weight": 0.1, "smoothing": 0.0,
        },
        right=_taught_right,
    ),
    "distillation_objective": Call(
        function=_objective,
        arguments=lambda: {
            "labels": labels(), "teacher_logits": TEACHER.clone(), "kd_loss": EACH,
            "weight": 0.7,
        },
        right=_objective_right,
    ),
    "knowledge_distillation": Call(
        function=distill.knowledge_distillation,
        arguments=lambda: {
            "student": mlp(), "teacher": mlp(1), "inputs": normal(5, 4), "labels": labels(),
            "spec": SPEC, "generator": stream(0), "kd_loss": distill.Hinton(), "weight": 0.9,
            "label_weight": 0.1,
        },
        right=_fits("student"),
        says=TRAINING,
    ),
    "dropout_distillation": Call(
        function=distill.dropout_distillation,
        arguments=lambda: {
            "student": mlp(), "teacher": mlp(1, **DROPOUT), "inputs": normal(5, 4), "spec": SPEC,
            "generator": stream(0), "divergence": "kl", "masks": 2,
        },
        right=_fits("student"),
        says=TRAINING | {"teacher": ("module",)},
    ),
    "rocket_loss": Call(
        function=_rocket,
        arguments=lambda: {
            "targets": labels(), "hint": "logits", "weight": 0.1, "block": True,
            "teacher_weight": 0.0,
        },
        right=_rocket_right,
    ),
    "rocket_launching": Call(
        function=distill.rocket_launching,
        arguments=lambda: {
            "light": mlp(), "booster": mlp(1), "inputs": normal(5, 4), "labels": labels(),
            "spec": SPEC, "generator": stream(0), "hint": "logits", "weight": 0.1, "block": True,
            "delay": 0.2,
        },
        right=_fits("light"),
        says=TRAINING,
    ),
    "sequential_rocket_launching": Call(
        function=distill.sequential_rocket_launching,
        arguments=lambda: {
            "light": mlp(), "booster": mlp(1), "inputs": normal(5, 4), "labels": labels(),
            "spec": SPEC, "generator": stream(0), "hint": "logits", "weight": 0.1,
        },
        right=_fits("booster"),
        says=TRAINING,
    ),
    "RocketResult": Call(
        function=distill.RocketResult,
        arguments=lambda: {"light": mlp(), "boosters": [mlp(1)], "fits": (1,)},
        right=lambda found, a: all(getattr(found, name) is x for name, x in a.items()),
    ),
    "Hinton": Call(
        function=lambda temperature: distill.Hinton(temperature)(STUDENT, TEACHER),
        arguments=lambda: {"temperature": 2.0},
        right=lambda found, a: near(
            found,
            distill.hinton_kd(STUDENT, TEACHER, a["temperature"], reduction="none"),
        ),
    ),
    "Squares": Call(
        function=lambda center: distill.Squares(center)(STUDENT, TEACHER),
        arguments=lambda: {"center": False},
        right=lambda found, a: near(
            found, (STUDENT - TEACHER).var(-1, correction=0) / 2
            if a["center"] else (STUDENT - TEACHER).square().mean(-1) / 2,
        ),
    ),
    "Standardised": Call(
        function=lambda temperature: distill.Standardised(temperature)(STUDENT, TEACHER),
        arguments=lambda: {"temperature": 2.0},
        right=lambda found, a: near(
            found,
            distill.hinton_kd(Z_STUDENT, Z_TEACHER, a["temperature"], reduction="none"),
        ),
    ),
    "PaperUpdate": Call(
        function=lambda **a: distill.PaperUpdate(**a)(STUDENT, TEACHER),
        arguments=lambda: {"tau": 0.5, "scale": 2.0, "gated": True},
        right=lambda found, a: near(
            found,
            distill.paper_kd(STUDENT, TEACHER, a["tau"], scale=a["scale"], reduction="none"),
        ),
    ),
    # The name of a type, whose calls are those of the losses above.
    "KDLoss": Call(
        function=lambda student_logits: distill.Squares(center=False)(student_logits, TEACHER),
        arguments=lambda: {"student_logits": STUDENT.clone()},
        right=lambda found, a: near(
            found, (double(a["student_logits"]) - TEACHER).square().mean(-1) / 2
        ),
        says={"student_logits": ("teacher_logits",)},
    ),
}  # fmt: skip


def _last(logits: Tensor) -> Tensor:
    """1 in the last column."""
    return torch.zeros(logits.shape).index_fill(1, torch.tensor([logits.shape[1] - 1]), 1.0)
