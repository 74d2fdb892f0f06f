"""Test errors that Ma et al. (Dropout with Expectation-linear Regularization, ICLR 2017) print."""

from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True)
class Published:
    """Test errors in % of one net, as printed, with their spread over 5 runs where there is one."""

    net: str
    errors: dict[str, float]
    spread: dict[str, float] = field(default_factory=dict)

    @property
    def texts(self) -> dict[str, str]:
        """The errors as printed, by method."""
        ends = {who: f" +- {spread:.2f}" for who, spread in self.spread.items()}
        return {who: f"{error:.2f}{ends.get(who, '')}" for who, error in self.errors.items()}

    @property
    def gains(self) -> dict[str, float]:
        """Published gains over the standard prediction."""
        standard = self.errors["standard"]
        return {who: (standard - error) / 100 for who, error in self.errors.items()}


ALL_CONV = ("standard", "masks_100", "expectation_linear", "distilled")


def _all_conv(errors: tuple[float, ...], spread: tuple[float, ...]) -> Published:
    return Published(
        net="AllConv",
        errors=dict(zip(ALL_CONV, errors, strict=True)),
        spread=dict(zip(ALL_CONV, spread, strict=True)),
    )


# Tables 1 and 2; the nets most like ours first. Numbers of images, and widths, differ from ours.
PUBLISHED = {
    "mnist": (Published(net="3 x 1024", errors={"standard": 1.19, "masks_100": 1.04}),),
    "cifar10": (
        Published(net="3 conv + 2 fc", errors={"standard": 12.82, "masks_100": 12.16}),
        _all_conv((11.18, 10.58, 10.86, 10.81), (0.11, 0.21, 0.08, 0.14)),
    ),
    "cifar100": (
        Published(net="3 conv + 2 fc", errors={"standard": 37.22, "masks_100": 36.01}),
        _all_conv((35.50, 34.43, 35.10, 35.07), (0.25, 0.23, 0.13, 0.20)),
    ),
}
CAVEAT = (
    "; Ma et al.'s errors on CIFAR-100 came out about 3% worse than those of Rota Bulo et al. "
    "(quoted from memory, unverified)"
)


def published_gain(part: str, data: str, method: str | None) -> float | None:
    """Published gain over the standard prediction, of the net most like ours; None without one."""
    if data != part:  # made-up images
        return None
    gains = [each.gains[method] for each in PUBLISHED[part] if method in each.gains]
    return gains[0] if gains and method != "standard" else None
