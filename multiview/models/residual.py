"""What the residual networks are made of: convolutions, norms and stages."""

from collections.abc import Callable, Sequence
from typing import Literal, get_args

from torch import nn

from multiview import checks
from multiview.models.images import image_sizes

Norm = Literal["batch", "group"]
STEM_WIDTH = 16
STAGE_WIDTHS = (16, 32, 64)
CHANNELS_PER_GROUP = 16  # of GroupNorm (arXiv 1803.08494, Table 3); divides every width here


def blocks_per_stage(depth: int, outside: int, name: str = "depth") -> int:
    """n of ``depth`` = 6n + ``outside``: three stages of n blocks of two convolutions.

    Args:
        name: What an error calls the depth.

    Raises:
        ValueError: If no n >= 1 gives this depth.
    """
    n, rest = divmod(checks.count(name, depth) - outside, 6)
    if rest or n < 1:
        known = ", ".join(f"{6 * i + outside}" for i in range(1, 4))
        raise ValueError(f"{name}={depth} must be 6n + {outside}: {known}, ...")
    return n


def check_sizes(num_classes: int, image_shape: tuple[int, int, int], halvings: int = 2) -> None:
    """Refuse what a network that halves its images so often cannot take."""
    checks.count("num_classes", num_classes)
    times = {2: "twice", 3: "three times"}[halvings]
    image_sizes(image_shape, 2**halvings, f"is halved {times}")


def conv(inputs: int, outputs: int, kernel: int = 3, stride: int = 1) -> nn.Module:
    """A convolution without bias (a norm follows) that keeps the size at stride 1; not drawn."""
    settings = {"stride": stride, "padding": kernel // 2, "bias": False}
    return nn.utils.skip_init(nn.Conv2d, inputs, outputs, kernel, **settings)


def norm_layer(norm: Norm, channels: int) -> nn.Module:
    """BatchNorm, or GroupNorm, which never mixes samples, with 16 channels a group."""
    checks.choice("norm", norm, get_args(Norm))
    if norm == "batch":
        return nn.BatchNorm2d(channels)
    return nn.GroupNorm(channels // CHANNELS_PER_GROUP, channels)


def stages(
    block: Callable[[int, int, int], nn.Module],
    blocks: Sequence[int],
    widths: Sequence[int] = STAGE_WIDTHS,
    inputs: int = STEM_WIDTH,
) -> list[nn.Module]:
    """All blocks in order; the first of every stage but the first halves the image.

    Args:
        block: (input channels, output channels, stride) to a block.
        blocks: How many each stage has.
        widths: Channels of each stage.
        inputs: Channels of the stem.
    """
    built = []
    for stage, (number, width) in enumerate(zip(blocks, widths, strict=True)):
        for i in range(number):
            built.append(block(inputs, width, 2 if stage and not i else 1))
            inputs = width
    return built


def head(inputs: int, num_classes: int) -> list[nn.Module]:
    """Mean over the image and a linear layer."""
    linear = nn.utils.skip_init(nn.Linear, inputs, num_classes)
    return [nn.AdaptiveAvgPool2d(1), nn.Flatten(), linear]
