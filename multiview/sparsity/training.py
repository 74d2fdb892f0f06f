"""sparsify: train a network with gates; with the averaged weights, warm-up and multipliers."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Unpack

import torch
from jaxtyping import Float, Int, Shaped
from torch import Tensor, nn

from multiview import checks, shapes
from multiview.sparsity.layers import layers_with_gates
from multiview.sparsity.penalty import L0Spec, l0_penalty, target_gap
from multiview.train import FitResult, OptimSpec, fit, target_loss
from multiview.train.averaging import Averaged
from multiview.train.loop import FitSettings, Loss, in_turn
from multiview.train.source import Loader, LoaderTargets, check_source, source_of


class Sparsifying(Averaged):
    """A network with gates in training, with all that changes from step to step in its state.

    Raises:
        ValueError: If ``net`` has no gates, ``spec`` is no ``L0Spec`` or has strengths for another
            number of layers, or ``num_samples`` is no integer >= 1.
    """

    share: Tensor  # of the penalty that acts now
    multiplier: Tensor  # of the Lagrangian

    def __init__(self, net: nn.Module, spec: L0Spec, num_samples: int) -> None:
        checks.instance("spec", spec, L0Spec)
        super().__init__(net, spec.averaging)
        num_samples = checks.count("num_samples", num_samples)
        spec.strengths(len(layers_with_gates(net)))  # refused here, not at the first batch
        self.spec, self.num_samples = spec, num_samples
        device = next(net.parameters()).device
        self.register_buffer("share", torch.tensor(spec.share(0, 1), device=device))
        self.register_buffer("multiplier", torch.zeros((), device=device))

    def loss(self, task: Loss) -> Loss:
        """The task's loss and the penalty."""

        def total(logits: Tensor, inputs: Tensor, rows: Tensor | LoaderTargets) -> Tensor:
            penalty = l0_penalty(self.net, self.spec, self.num_samples, self.share, self.multiplier)
            return task(logits, inputs, rows) + penalty

        total.samples = getattr(task, "samples", None)  # type: ignore[attr-defined]
        return total

    def after_step(self, done: int, total: int) -> None:
        """Keep logits where they learn, average the weights, raise share and multiplier."""
        for layer in layers_with_gates(self.net):
            layer.gates.clamp()
        super().after_step(done, total)
        if self.spec.target is not None:
            with torch.no_grad():
                gap = target_gap(self.net, self.spec, self.share)
                growth = (self.share > 0) * (gap if self.spec.signed else gap.abs())
                self.multiplier.add_(self.spec.ascent / total * growth)
        self.share.fill_(self.spec.share(done, total))


def sparsify(
    net: nn.Module,
    inputs: Shaped[Tensor, "n ..."] | Loader,
    labels: Int[Tensor, " n"] | Float[Tensor, "n k"] | None = None,
    *,
    spec: OptimSpec,
    penalty: L0Spec,
    generator: torch.Generator | int,
    loss: Loss | None = None,
    num_samples: int | None = None,
    **settings: Unpack[FitSettings],
) -> FitResult:
    """Train ``net``, which has gates, in place with L0 regularisation; it is left in eval mode.

    With averaging it ends with the averaged weights. Running statistics of BatchNorm are taken anew
    from the training inputs under the gates of test time: those of the training are of random gates
    and of other weights. (Not those of ``best`` states, where there is a score.)

    Args:
        labels: As for ``target_loss``; None for those a loader gives, or with ``loss``.
        spec: Without weight decay, which stands in ``penalty``, multiplied by the gates.
        generator: As of ``fit``; gates follow from it too.
        loss: Of the task; cross-entropy with ``labels`` by default.
        num_samples: N of the penalty; by default the number of inputs, which a loader must be told.
        settings: Of ``fit``; running statistics too are taken from inputs that ``augment`` changed.

    Raises:
        Diverged, ValueError: As ``fit``; or if the network has no gates, ``spec`` decays weights,
            or N is not known.
    """
    checks.module("net", net)
    checks.instance("spec", spec, OptimSpec)
    checks.instance("penalty", penalty, L0Spec)
    generator = checks.generator("generator", generator, "order")
    if labels is not None:
        shapes.targets("labels", labels)
    check_source(inputs)
    if spec.weight_decay:
        raise ValueError(
            f"spec.weight_decay={spec.weight_decay} would decay weights whose gates are shut: use "
            "spec with weight_decay=0 and L0Spec(weight_decay=...)."
        )
    if num_samples is None:
        if not isinstance(inputs, Tensor):
            raise ValueError(
                "num_samples is None: a loader's samples are not counted, say how many."
            )
        num_samples = len(inputs)
    training = Sparsifying(net, penalty, num_samples)
    after_step = in_turn(training.after_step, settings.get("after_step"))
    chosen: FitSettings = {**settings, "after_step": after_step}
    result = fit(
        training,
        inputs,
        training.loss(target_loss(labels) if loss is None else loss),
        spec,
        generator,
        **chosen,
    )
    training.finish()
    source = source_of(inputs, net, settings.get("augment"), spec.batch_size)
    recalibrate_batchnorm(net, (seen for _, seen in source.batches(generator, 0)))
    return replace(result, best=tuple(training.best_of_net(each) for each in result.best))


def recalibrate_batchnorm(module: nn.Module, batches: Iterable[Shaped[Tensor, "_ ..."]]) -> None:
    """Replace running statistics of BatchNorm by means over batches, all else in eval mode.

    Args:
        batches: Inputs in random order. Every batch counts alike, so that those smaller than the
            first, as the last may be, are left out. Not looked at where there is no BatchNorm.

    Raises:
        ValueError: If no batch has two samples.
    """
    checks.module("module", module)
    norms = [each for each in module.modules() if isinstance(each, nn.modules.batchnorm._BatchNorm)]
    norms = [each for each in norms if each.track_running_stats]
    if not isinstance(batches, Iterable) or isinstance(batches, str):
        raise ValueError(f"batches={checks.shown(batches)} are none: give tensors of inputs.")
    if not norms:
        return
    module.eval()
    momenta = [each.momentum for each in norms]
    for each in norms:
        each.reset_running_stats()
        each.momentum = None  # the plain mean over batches
        each.train()
    size = 0
    with torch.no_grad():
        for i, batch in enumerate(batches):
            shapes.fit(**{f"batches[{i}]": (batch, "any n *axes")})
            size = size or len(batch)
            if len(batch) >= max(2, size):
                module(batch)
    for each, momentum in zip(norms, momenta, strict=True):
        each.momentum = momentum
    module.eval()
    means = [each.running_mean for each in norms]
    if not all(bool(mean.isfinite().all()) for mean in means if mean is not None):
        raise ValueError(
            "batches hold NaN or infinite values, or the network makes them: use others."
        )
    if size < 2:
        raise ValueError(
            f"batches of {size} samples have no variance for BatchNorm: use batches of 2 or more."
        )
