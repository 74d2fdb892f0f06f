"""Setting: what networks are trained on, of which kind they are and how they are trained."""

from abc import ABC, abstractmethod

from multiview.bench.bench import Bench
from multiview.bench.nets import NetSpec
from multiview.bench.types import Context, Course, DropoutKind


class Setting(ABC):
    """What networks are trained on, of which kind they are and how they are trained.

    A frozen dataclass of plain data, so that it can stand in a cell.
    """

    members: int

    @property
    def side_by_side(self) -> bool:
        """Whether methods that may be trained in one go are."""
        return False

    def trainings(self, networks: int, course: Course) -> int:
        """Into how many trainings those of so many networks in one go fall."""
        return 1

    @abstractmethod
    def bench(self, seed: int, context: Context) -> Bench:
        """The bench of one repetition."""

    def check(self, context: Context) -> None:
        """Refuse what a bench could not be made from, such as missing data.

        Raises:
            ValueError: If it cannot; as all checks here.
        """

    def check_dropout(self, kind: DropoutKind, rate: float | None) -> None:
        """Refuse dropout that networks here cannot have, or a missing rate of those without any."""

    def check_sgd(self, method: str) -> None:
        """Refuse a method that needs minibatches, where training has none."""

    def check_features(self, method: str) -> None:
        """Refuse a method that projects gradients onto features.

        Raises:
            ValueError: Unless networks of patches follow the flow.
        """
        raise ValueError(
            f"{method} needs the features of synthetic patches and the gradient flow: use a "
            "PatchSetting with training=Flow(...)."
        )

    def check_shared(self, shared: int) -> None:
        """Refuse an amount of a light network that cannot be its booster's too."""

    def with_net(self, net: NetSpec) -> "Setting":
        """The setting with networks of another kind.

        Raises:
            ValueError: If networks here are of one kind alone.
        """
        raise ValueError(
            f"net={net}: networks in a {type(self).__name__} are of one kind: leave it out."
        )

    def check_gates(self, dropout: float | tuple[float, ...]) -> None:
        """Refuse gates on networks that have no layer to put them on.

        Args:
            dropout: Rate at which the gates of all layers start, or of each.
        """

    def check_kernels(self) -> None:
        """Refuse tangent kernels where they would not fit."""
