"""Training of patch networks by minibatches."""

from dataclasses import dataclass

from multiview import checks
from multiview.train import OptimSpec


@dataclass(frozen=True, kw_only=True)
class Sgd:
    """Training by minibatch SGD, of networks on labels and of whatever is taught.

    Raises:
        ValueError: If ``labels`` or ``students`` is no ``OptimSpec``.
    """

    labels: OptimSpec
    students: OptimSpec

    def __post_init__(self) -> None:
        checks.instance("labels", self.labels, OptimSpec)
        checks.instance("students", self.students, OptimSpec)
