"""What networks with gates are compared with: dropout at full size, and the same size by others."""

from dataclasses import dataclass, replace

from torch import nn

from multiview import checks
from multiview.bench.bench import Bench
from multiview.bench.method import Classifier, Method
from multiview.bench.patches import PatchSetting
from multiview.bench.setting import Setting
from multiview.methods.gates import Gates
from multiview.sparsity import recalibrate_batchnorm
from multiview.sparsity.baselines import magnitude_pruned, reinitialised, with_dropout
from multiview.train import fit, target_loss
from multiview.train.averaging import Averaged
from multiview.train.source import source_of


@dataclass(frozen=True, kw_only=True)
class Baseline(Method):
    """A network without gates on labels, with dropout, tested with averaged weights.

    Attributes:
        dropout: In front of linear layers that read the inputs, and of all others.
        averaging: Decay of the average over steps, as of networks with gates; None: no average.
        start: Name of the initial weights.

    Raises:
        ValueError: If a rate of ``dropout``, or ``averaging``, is not in [0, 1).
    """

    dropout: tuple[float, float] = (0.0, 0.0)
    averaging: float | None = None
    start: str = "student"

    def __post_init__(self) -> None:
        for rate in checks.items("dropout", self.dropout):
            checks.drop_probability("dropout", rate)
        check_decay(self.averaging)

    def networks(self, setting: Setting) -> int:
        """One network."""
        return 0

    def check(self, setting: Setting) -> None:
        """Refuse networks of patches, in which the places of dropout are others.

        Raises:
            ValueError: If the setting has such networks.
        """
        refuse_patches(type(self).__name__, setting)

    def train(self, bench: Bench) -> Classifier:
        """Train the network."""
        return fitted(bench, with_dropout(bench.one(self.start), *self.dropout), self.averaging)


@dataclass(frozen=True, kw_only=True)
class MagnitudePruned(Method):
    """A network pruned by the norms of weights to the units that gates left, and trained on.

    Attributes:
        of: What is pruned.
        like: The network with gates.
        tuning: Epochs of the training after pruning, as a share of those of ``of``.

    Raises:
        ValueError: If ``tuning`` is not in (0, 1].
    """

    of: Baseline
    like: Gates
    tuning: float = 0.25

    def __post_init__(self) -> None:
        if not 0 < self.tuning <= 1:
            raise ValueError(f"tuning={self.tuning} is a share of the epochs: use (0, 1].")

    def networks(self, setting: Setting) -> int:
        """One network."""
        return 0

    def check(self, setting: Setting) -> None:
        """Refuse networks of patches.

        Raises:
            ValueError: If the setting has such networks.
        """
        refuse_patches(type(self).__name__, setting)

    def train(self, bench: Bench) -> Classifier:
        """Train the smaller network."""
        net = bench.trained(self.of).net
        assert net is not None
        small = magnitude_pruned(net, bench.trained(self.like).notes["units"])
        return fitted(bench, small, self.of.averaging, self.tuning)


@dataclass(frozen=True, kw_only=True)
class Reinitialised(Method):
    """A network of the size that gates left, on the inputs that it reads, from new weights.

    Attributes:
        dropout: Of hidden units.
        averaging: As of ``Baseline``.

    Raises:
        ValueError: If ``dropout`` or ``averaging`` is not in [0, 1).
    """

    like: Gates
    dropout: float = 0.0
    averaging: float | None = None

    def __post_init__(self) -> None:
        checks.drop_probability("dropout", self.dropout)
        check_decay(self.averaging)

    def networks(self, setting: Setting) -> int:
        """One network."""
        return 0

    def check(self, setting: Setting) -> None:
        """Refuse networks of patches.

        Raises:
            ValueError: If the setting has such networks.
        """
        refuse_patches(type(self).__name__, setting)

    def train(self, bench: Bench) -> Classifier:
        """Train the network."""
        net = bench.trained(self.like).net
        assert net is not None
        fresh = reinitialised(net, bench.stream("small"))
        return fitted(bench, with_dropout(fresh, 0.0, self.dropout), self.averaging)


def check_decay(averaging: float | None) -> None:
    """Refuse what is no decay of an average."""
    if averaging is not None:
        checks.number("averaging", averaging, "[0, 1)", meaning="is a decay")


def refuse_patches(method: str, setting: Setting) -> None:
    """Refuse a setting whose networks are not made of linear layers and convolutions."""
    if isinstance(setting, PatchSetting):
        raise ValueError(
            f"{method} changes linear layers and convolutions, and networks of patches have none: "
            "use an ImageSetting."
        )


def fitted(bench: Bench, net: nn.Module, averaging: float | None, share: float = 1.0) -> Classifier:
    """Train a network on labels, as networks with gates are: averaged, with statistics of its own.

    Args:
        share: Of the epochs.
    """

    def train() -> None:
        settings = bench.training("labels")
        optim = settings.pop("spec")
        optim = replace(optim, epochs=max(1, round(share * optim.epochs)))
        averaged = Averaged(net, averaging)
        loss = target_loss(bench.labels)
        fit(averaged, bench.inputs, loss, optim, after_step=averaged.after_step, **settings)
        averaged.finish()
        source = source_of(bench.inputs, net, settings.get("augment"), optim.batch_size)
        recalibrate_batchnorm(net, (seen for _, seen in source.batches(settings["generator"], 0)))

    bench.fit_once([net], train)
    return Classifier(logits=bench.frozen(net), net=net)
