"""Calls of multiview.sparsity."""

from typing import Any

import numpy as np
import torch
from one_call import Call, double, finite, keeps, labels, mlp, near, normal, patch_net
from torch import Tensor, nn

from multiview import sparsity, stream
from multiview.models import ResNet, WideResNet
from multiview.sparsity import hard_concrete
from multiview.train.loop import target_loss
from multiview.train.optim import OptimSpec

BETA, GAMMA, ZETA = hard_concrete.BETA, hard_concrete.GAMMA, hard_concrete.ZETA
SPEC = OptimSpec(epochs=2, batch_size=3, weight_decay=0.0)
L0 = {
    "strength": 0.2, "weight_decay": 0.1, "delay": 0.1, "warmup": 0.2, "target": 0.5,
    "stiffness": 10.0, "ascent": 20.0, "signed": False, "averaging": 0.9,
}  # fmt: skip


def _cut(s: Tensor) -> Tensor:
    return (s * (ZETA - GAMMA) + GAMMA).clamp(0, 1)


def _gates(function: Any, oracle: Any) -> Call:
    return Call(
        function=function,
        arguments=lambda: {"log_alpha": 2 * normal(3, 4)},
        right=lambda found, a: near(found, oracle(double(a["log_alpha"]))),
    )


def _mean(log_alpha: Tensor) -> Tensor:
    """The mean of gates by many quantiles."""
    u = (torch.arange(20_000, dtype=torch.float64) + 0.5) / 20_000
    s = ((u.log() - (-u).log1p() + log_alpha.unsqueeze(-1)) / BETA).sigmoid()
    return _cut(s).mean(-1)


def _sampled(found: Tensor, a: dict[str, Any]) -> bool:
    u = double(a["u"]).clamp(1e-6, 1 - 1e-6)
    s = ((u.log() - (-u).log1p() + double(a["log_alpha"])) / BETA).sigmoid()
    return near(found, _cut(s))


def gated() -> nn.Module:
    return sparsity.gate_layers(mlp(), generator=stream(0, "gates"))


def _pi(module: nn.Module) -> list[Tensor]:
    every = [each.gates.log_alpha for each in sparsity.gated_layers(module).values()]
    return [(double(x) - BETA * torch.tensor(-GAMMA / ZETA).log()).sigmoid() for x in every]


def _norms(module: nn.Module) -> list[Tensor]:
    return [pi.sum() * w for pi, w in zip(_pi(module), (5, 3), strict=True)]


def _layer(kind: Any, name: str, make: Any, shape: tuple[int, ...], number: int) -> Call:
    def right(layer: Any, a: dict[str, Any]) -> bool:
        per_sample = a.get("per_sample", False)
        start = torch.tensor((1 - a["dropout"]) / a["dropout"]).log()
        near_start = bool(((layer.gates.log_alpha - start).abs() < 0.1).all())
        outputs = layer.eval()(torch.ones(2, *shape))
        number_fits = layer.gates.log_alpha.numel() == number
        same = layer.gates.per_sample == per_sample
        return near_start and same and number_fits and finite(outputs)

    return Call(
        function=kind,
        arguments=lambda: {
            name: make(), "dropout": 0.3, **({} if name == "net" else {"per_sample": False}),
            "generator": stream(0),
        },
        right=right,
    )  # fmt: skip


def _penalty(found: Tensor, a: dict[str, Any]) -> bool:
    share, spec = a["share"], a["spec"]
    return near(found, share * spec.strength * sum(_norms(a["module"])) / a["num_samples"])


def _sparsified(found: Any, a: dict[str, Any]) -> bool:
    return found.steps == 4 and finite(found.loss, *a["net"].parameters()) and not a["net"].training


def _gated_net(net: nn.Module, a: dict[str, Any]) -> bool:
    rates = a["dropout"] if isinstance(a["dropout"], tuple | list) else [a["dropout"]] * 2
    layers = sparsity.gated_layers(net).values()
    starts = [float(each.gates.log_alpha.detach().mean()) for each in layers]
    expected = [float(torch.tensor((1 - rate) / rate).log()) for rate in rates]
    return len(layers) == 2 and max(abs(x - y) for x, y in zip(starts, expected, strict=True)) < 0.1


def _wide() -> nn.Module:
    settings = {"num_classes": 3, "image_shape": (1, 4, 4)}
    return WideResNet(depth=10, widen=1, **settings, generator=stream(0))


def _normed() -> nn.Module:
    return ResNet(depth=8, num_classes=3, image_shape=(1, 4, 4), generator=stream(0))


def _means(found: None, a: dict[str, Any]) -> bool:
    """The first norm has the mean over batches of what the stem makes; small ones are left out."""
    stem, norm = a["module"].layers[0], a["module"].layers[1]
    size = len(a["batches"][0])
    means = [stem(x).mean((0, 2, 3)) for x in a["batches"] if len(x) >= max(2, size)]
    return near(norm.running_mean, torch.stack(means).mean(0))


class _Whole(sparsity.Gated):
    """A gate for all of a weight."""

    def __init__(self, shape: int) -> None:
        super().__init__()
        self.gates = sparsity.HardConcrete(shape, generator=stream(0))
        self.weight = nn.Parameter(torch.ones(*self.gates.log_alpha.shape, 4))

    def gated_weights(self) -> list[Tensor]:
        return [self.weight]


CALLS = {
    "sampled_gates": Call(
        function=sparsity.sampled_gates,
        arguments=lambda: {"log_alpha": normal(3, 4), "u": normal(2, 3, 4).sigmoid()},
        right=_sampled,
    ),
    "eval_gates": _gates(sparsity.eval_gates, lambda x: _cut(x.sigmoid())),
    "median_gates": _gates(sparsity.median_gates, lambda x: _cut((x / BETA).sigmoid())),
    "mean_gates": _gates(sparsity.mean_gates, _mean),
    "open_probability": _gates(
        sparsity.open_probability,
        lambda x: (x - BETA * torch.tensor(-GAMMA / ZETA).log()).sigmoid(),
    ),
    "full_probability": _gates(
        sparsity.full_probability,
        lambda x: (x - BETA * torch.tensor((1 - GAMMA) / (ZETA - 1)).log()).sigmoid(),
    ),
    "HardConcrete": Call(
        function=sparsity.HardConcrete,
        arguments=lambda: {
            "shape": (2, 3), "dropout": 0.3, "per_sample": True, "generator": stream(0),
        },
        right=lambda gates, a: (
            gates(4).shape[1:] == gates.log_alpha.shape
            and gates.log_alpha.shape == torch.Size(np.atleast_1d(a["shape"]).tolist())
            and gates.per_sample == a["per_sample"]
        ),
    ),
    "HardConcrete, called": Call(
        function=lambda samples: sparsity.HardConcrete(3, per_sample=True, generator=stream(0))(
            samples
        ),
        arguments=lambda: {"samples": 4},
        right=lambda found, a: found.shape == (a["samples"], 3) and finite(found),
    ),
    "Gated": Call(
        function=_Whole,
        arguments=lambda: {"shape": 2},
        right=lambda found, a: (
            found.weights_per_gate == 4
            and near(found.squares(), torch.full(found.gates.log_alpha.shape, 4.0))
        ),
    ),
    "GatedLinear": _layer(sparsity.GatedLinear, "linear", lambda: nn.Linear(4, 3), (4,), 4),
    "GatedLinear, called": Call(
        function=lambda x: sparsity.GatedLinear(nn.Linear(4, 3), generator=stream(0)).eval()(x),
        arguments=lambda: {"x": normal(2, 4)},
        right=lambda found, a: found.shape == (len(a["x"]), 3),
    ),
    "GatedConv2d": _layer(sparsity.GatedConv2d, "conv", lambda: nn.Conv2d(2, 3, 3), (2, 4, 4), 3),
    "GatedPatchNet": _layer(sparsity.GatedPatchNet, "net", patch_net, (5, 8), 12),
    "GatedPatchNet, called": Call(
        function=lambda patches: sparsity.GatedPatchNet(
            patch_net(), dropout=0.01, generator=stream(0)
        ).eval()(patches),
        arguments=lambda: {"patches": normal(4, 6, 8)},
        right=lambda found, a: near(found, patch_net().to(a["patches"].dtype)(a["patches"])),
    ),
    "gated_layers": Call(
        function=sparsity.gated_layers,
        arguments=lambda: {"module": gated()},
        right=lambda found, a: len(found) == (2 if isinstance(a["module"], nn.Module) else 0),
    ),
    "number_of_gates": Call(
        function=sparsity.number_of_gates,
        arguments=lambda: {"module": gated()},
        right=lambda found, a: found == 4 + 5,
    ),
    "L0Spec": Call(
        function=sparsity.L0Spec,
        arguments=L0.copy,
        right=lambda spec, a: (
            keeps(spec, a)
            and all(x is None or 0 <= x < 1 for x in (spec.target, spec.averaging))
            and 0 <= spec.delay + spec.warmup <= 1
        ),
    ),
    "expected_l0": Call(
        function=lambda layers: sparsity.expected_l0(layers),
        arguments=lambda: {"layers": [*sparsity.gated_layers(gated()).values()]},
        right=lambda found, a: near(torch.stack([torch.zeros(()), *found]).sum(), sum(
            (double(sparsity.open_probability(x.gates.log_alpha)).sum() * x.weights_per_gate
             for x in a["layers"]), torch.zeros(()))),
    ),
    "expected_share": Call(
        function=sparsity.expected_share,
        arguments=lambda: {"module": gated()},
        right=lambda found, a: near(found, sum(_norms(a["module"])) / (4 * 5 + 5 * 3)),
    ),
    "l0_penalty": Call(
        function=sparsity.l0_penalty,
        arguments=lambda: {
            "module": gated(), "spec": sparsity.L0Spec(strength=0.2), "num_samples": 10,
            "share": 0.5, "multiplier": 0.1,
        },
        right=_penalty,
    ),
    "flops": Call(
        function=sparsity.flops,
        arguments=lambda: {"module": mlp(), "sample": normal(4), "count": "dense"},
        right=lambda found, a: found == 2 * (4 * 5 + 5 * 3),
        says={"sample": ("inputs",)},
    ),
    "units_left": Call(
        function=sparsity.units_left,
        arguments=lambda: {"module": gated()},
        right=lambda found, a: found == [4, 5],
    ),
    "pruned": Call(
        function=sparsity.pruned,
        arguments=lambda: {"module": gated()},
        right=lambda found, a: near(found(torch.ones(2, 4)), a["module"].eval()(torch.ones(2, 4))),
    ),
    "gate_layers": Call(
        function=sparsity.gate_layers,
        arguments=lambda: {
            "net": mlp(), "dropout": (0.2, 0.5), "per_sample": False, "generator": stream(0),
        },
        right=_gated_net,
    ),
    "gate_blocks": Call(
        function=sparsity.gate_blocks,
        arguments=lambda: {
            "net": _wide(), "dropout": 0.3, "per_sample": False, "generator": stream(0),
        },
        right=lambda net, a: len(sparsity.gated_layers(net)) == 3,
    ),
    "Sparsifying": Call(
        function=sparsity.Sparsifying,
        arguments=lambda: {"net": gated(), "spec": sparsity.L0Spec(), "num_samples": 10},
        right=lambda found, a: finite(
            found.loss(target_loss(labels()))(
                found(normal(5, 4)), normal(5, 4), torch.arange(5)
            )
        ),
    ),
    "share_open": Call(
        function=sparsity.share_open,
        arguments=lambda: {"net": gated()},
        right=lambda found, a: found == 1.0,
    ),
    "remaining": Call(
        function=sparsity.remaining,
        arguments=lambda: {"net": gated()},
        right=lambda found, a: found["share_open"] == 1.0 and found["units"] == [4, 5],
    ),
    "magnitude_pruned": Call(
        function=sparsity.magnitude_pruned,
        arguments=lambda: {"net": mlp(), "units": [4, 5]},
        right=lambda found, a: near(found(torch.ones(2, 4)), a["net"].eval()(torch.ones(2, 4))),
    ),
    "reinitialised": Call(
        function=sparsity.reinitialised,
        arguments=lambda: {"net": mlp(), "generator": stream(0)},
        right=lambda found, a: finite(*found.parameters()) and found is not a["net"],
    ),
    "with_dropout": Call(
        function=sparsity.with_dropout,
        arguments=lambda: {"net": mlp(), "inputs": 0.2, "hidden": 0.5},
        right=lambda found, a: [
            each.p for each in found.modules() if isinstance(each, nn.Dropout)
        ] == [a["inputs"], a["hidden"]],
    ),
    "with_gates": Call(
        function=sparsity.with_gates,
        arguments=lambda: {"net": mlp(), "dropout": (0.2, 0.5), "generator": stream(0)},
        right=_gated_net,
    ),
    "recalibrate_batchnorm": Call(
        function=sparsity.recalibrate_batchnorm,
        arguments=lambda: {
            "module": _normed(),
            "batches": [normal(3, 1, 4, 4), normal(3, 1, 4, 4, name="y")],
        },
        right=_means,
        says={"batches": ("images",)},
    ),
    "sparsify": Call(
        function=sparsity.sparsify,
        arguments=lambda: {
            "net": gated(), "inputs": normal(5, 4), "labels": labels(), "spec": SPEC,
            "penalty": sparsity.L0Spec(averaging=0.5), "generator": stream(0), "num_samples": 5,
        },
        right=_sparsified,
        says={"inputs": ("x", "targets", "labels"), "labels": ("targets",), "net": ("module",)},
    ),
}  # fmt: skip
