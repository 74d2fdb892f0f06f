"""A fitted kernel model, and its predictions."""

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from multiview import checks
from multiview.ntk.arguments import check_tensor
from multiview.ntk.layout import CrossKernel, Layout, finite, layout_of, matrices


@dataclass(frozen=True, kw_only=True)
class DualModel:
    """Dual coefficients, f(x) = K(x, train) @ dual, however they were found."""

    dual: Float[Tensor, "*sets n k"]
    layout: Layout  # of the kernel they belong to


def check_model(model: DualModel) -> None:
    """Refuse what is no fitted model.

    Raises:
        ValueError: As said.
    """
    checks.instance("model", model, DualModel, "fit one by solve, descend or gradient_flow")


def predict(k_test_train: CrossKernel, model: DualModel) -> Float[Tensor, "*sets t k"]:
    """f(x) = K(x, train) @ dual, one set of predictions for each leading index of ``dual``.

    A model that began at f_0 (``start`` of ``gradient_flow`` and ``descend``) predicts
    f_0(x) + f(x): add the network's outputs f_0 at the test samples to what is returned.

    Args:
        k_test_train: Kernels between test rows and training columns, (t, n), (k, t, n) or
            (t, n, k, k) as in the fit and not scaled. From kernels between training rows and test
            columns: ``.mT`` of the first two, ``.permute(1, 0, 3, 2)`` of the last.

    Raises:
        ValueError: If shapes disagree with the fit, or an entry is not finite.
    """
    check_tensor("k_test_train", k_test_train)
    check_model(model)
    n, k = model.dual.shape[-2:]
    layout = layout_of(k_test_train.shape)
    if layout is None or layout != model.layout:
        raise ValueError(
            f"k_test_train {tuple(k_test_train.shape)} must be (t, n), (k, t, n) or (t, n, k, k), "
            f"as in the fit, which has a {model.layout.outputs!r} kernel with n={n}, k={k}; a "
            "kernel with training rows needs .mT."
        )
    products = finite(matrices(k_test_train)) @ layout.columns(model.dual)
    t = products.shape[1] // (k if layout.outputs == "full" else 1)
    return layout.targets(products, (*model.dual.shape[:-2], t, k))
