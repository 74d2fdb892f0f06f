"""Ridge regression with kernels on disk: Cholesky and substitution tile by tile."""

import hashlib
import json
import logging
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from jaxtyping import Float
from numpy.linalg import LinAlgError
from torch import Tensor

from multiview.atomic import write_atomically
from multiview.ntk.arguments import check_folder
from multiview.ntk.fingerprint import CODE, KEY_DIGITS
from multiview.ntk.layout import Layout, layout_of, square
from multiview.ntk.predict import DualModel, check_model
from multiview.ntk.solve import (
    FIRST_JITTER,
    LAST_JITTER,
    Solution,
    check_ridge,
    mean_diagonal,
)
from multiview.ntk.store import TileError, TileStore, stack

FAILED = "failed.json"  # kernels that are not positive definite with this jitter
_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Factor:
    """Upper triangular U_i with U_i^T U_i = K_i / scale_i + ridge + jitter_i, on disk."""

    tiles: TileStore
    layout: Layout
    scale: Float[Tensor, " kernels"]  # mean diagonals
    jitter: Float[Tensor, " kernels"]
    ridge: float


class _NotPositive(Exception):
    def __init__(self, kernels: list[int]) -> None:
        super().__init__(kernels)
        self.kernels = kernels


def factor_tiles(
    store: TileStore, directory: Path | str | None = None, ridge: float = 1e-3
) -> Factor:
    """Cholesky factors of the kernels of a store, in float64 and as ``solve`` would take them.

    Left-looking: each tile of U is the kernel's tile less products of tiles of U above it, so it
    is written once and no other is changed. After a kill the same call goes on with the tiles that
    are missing, to the same bits with as many threads of torch; a second call finds all there.
    Tiles that are there are not read for their own sake: a damaged one is found by whoever needs
    it, here and in ``solve_tiles``, named in the log and computed again; for others it is a
    TileError, and ``repair`` of the factor's tiles with this call again makes it anew.
    In memory are 3 tiles, some 8 at the peak with the libraries' copies (measured), however many
    there are. With t tiles a side t^3 / 3 tiles are read: the larger the tiles, the less is read.

    Args:
        store: Symmetric and complete.
        directory: Factors lie in it under keys of their own; by default "factors" in the store.
        ridge: Relative to the mean diagonal, >= 0.

    Raises:
        ValueError: If the store is not symmetric, or a mean diagonal is not positive.
        TileError: If a tile of the kernel is missing or damaged.
        numpy.linalg.LinAlgError: If a kernel is not positive definite even with the last jitter.
    """
    ridge = check_ridge("ridge", ridge)
    _check_store("store", store)
    root = store.directory / "factors"
    if directory is not None:
        root = check_folder("directory", directory).resolve()
    if store.tiling.form != "symmetric":
        raise ValueError(
            f"{store.directory} holds a {store.tiling.form} kernel: only a symmetric one, of "
            "samples with themselves (x2=None), has a factor."
        )
    if missing := store.missing():
        raise TileError(
            f"{store.directory} lacks {len(missing)} tiles, {missing[0]} the first: compute them "
            "with the call that made the store."
        )
    scale = _mean_diagonals(store)
    jitter = torch.zeros_like(scale)
    while True:
        factor = Factor(
            tiles=_factor_store(store, root, ridge, jitter),
            layout=square(store),
            scale=scale,
            jitter=jitter,
            ridge=ridge,
        )
        failed = _factor(store, factor)
        if not failed:
            return factor
        if max(float(jitter[i]) for i in failed) >= LAST_JITTER:
            raise LinAlgError(
                f"kernel {failed} is not positive definite with ridge={ridge} and jitter="
                f"{LAST_JITTER} of its mean diagonal: give a larger ridge, or compute the kernel "
                "in float64."
            )
        jitter = jitter.clone()
        jitter[failed] = (10 * jitter[failed]).clamp(FIRST_JITTER, LAST_JITTER)


def solve_tiles(
    store: TileStore,
    targets: Float[Tensor, "*sets n k"],
    ridge: float = 1e-3,
    *,
    directory: Path | str | None = None,
) -> Solution:
    """``solve`` for a kernel on disk: the same model to rounding.

    Beside the tiles of ``factor_tiles`` it holds the targets as columns twice. Factors that are in
    ``directory`` are used again: further targets read the kernel's diagonal tiles once and the
    factor's tiles twice, forward and backward.

    Raises:
        ValueError: If shapes disagree or a target is not finite; otherwise as ``factor_tiles``.
    """
    _check_store("store", store)
    square(store).check(targets)
    factor = factor_tiles(store, directory, ridge)
    dual = _substituted(store, factor, factor.layout.columns(targets).cpu())
    return Solution(
        dual=factor.layout.targets(dual / factor.scale[:, None, None], targets.shape),
        layout=factor.layout,
        scale=factor.scale,
        jitter=factor.jitter,
        ridge=factor.ridge,
    )


def predict_tiles(k_test_train: TileStore, model: DualModel) -> Float[Tensor, "*sets t k"]:
    """``predict`` with a kernel between test rows and training columns on disk.

    Raises:
        ValueError: If shapes disagree with the fit.
        TileError: If a tile is missing or damaged.
    """
    _check_store("k_test_train", k_test_train)
    check_model(model)
    layout, shape = layout_of(k_test_train.shape), model.dual.shape
    if layout is None or layout != model.layout:
        raise ValueError(
            f"k_test_train {k_test_train.shape} must be (t, n) or (k, t, n), as in the fit, which "
            f"has a {model.layout.outputs!r} kernel with n={shape[-2]}, k={shape[-1]}: fill it "
            "with x1 the test samples and x2 those of training."
        )
    products = k_test_train.matmul(layout.columns(model.dual))
    return layout.targets(products, (*shape[:-2], k_test_train.shape[-2], shape[-1]))


def _check_store(name: str, store: TileStore) -> None:
    if not isinstance(store, TileStore):
        raise ValueError(
            f"{name} is a {type(store).__name__}: give a TileStore, as fill_tiles returns it. "
            "Kernels in memory are for solve and predict."
        )


def _factor(store: TileStore, factor: Factor) -> list[int]:
    """Compute the missing tiles; returns the kernels that are not positive definite.

    U_jj^T U_jj = S_jj and U_ii^T U_ij = S_ij with S_ij = A_ij - sum_{k<i} U_ki^T U_kj.
    """
    tiles, note = factor.tiles, factor.tiles.directory / FAILED
    if note.exists():
        return json.loads(note.read_bytes())
    missing = set(tiles.missing())
    try:
        for j in range(len(tiles.tiling.columns)):
            for i in range(j + 1):
                if (i, j) in missing:
                    _compute(store, factor, i, j)
    except _NotPositive as error:
        write_atomically(note, json.dumps(error.kernels).encode())
        for at in tiles.tiling.places():  # of no use any more
            tiles.path(*at).unlink(missing_ok=True)
    except TileError:  # another process may have found it out, and removed the tiles
        if not note.exists():
            raise
    return json.loads(note.read_bytes()) if note.exists() else []


def _compute(store: TileStore, factor: Factor, i: int, j: int) -> Float[Tensor, "B r c"]:
    tile = _factor_tile(store, factor, i, j)
    factor.tiles.write(i, j, tile.view(factor.tiles.tiling.tile_shape(i, j)))
    return tile


def _upper(store: TileStore, factor: Factor, i: int, j: int) -> Float[Tensor, "B r c"]:
    """U_ij from disk, computed again if it is damaged."""
    try:
        return stack(factor.tiles.read(i, j))
    except TileError as error:
        if not factor.tiles.path(i, j).exists():
            raise
        _log.warning("%s This is done now.", error)
    return _compute(store, factor, i, j)


def _factor_tile(store: TileStore, factor: Factor, i: int, j: int) -> Float[Tensor, "B r c"]:
    """U_ij, from the kernel's tile and those of U above it in columns i and j."""
    s = stack(store.read(i, j)).div_(factor.scale[:, None, None])
    if i == j:
        s.diagonal(dim1=1, dim2=2).add_((factor.ridge + factor.jitter)[:, None])
    for k in range(i):
        left = _upper(store, factor, k, i)
        s.baddbmm_(left.mT, left if i == j else _upper(store, factor, k, j), alpha=-1)
    if i < j:
        return torch.linalg.solve_triangular(_upper(store, factor, i, i).mT, s, upper=False)
    u, info = torch.linalg.cholesky_ex(s, upper=True)
    if failed := (info > 0).nonzero().flatten().tolist():
        raise _NotPositive(failed)
    return u


def _substituted(
    store: TileStore, factor: Factor, columns: Float[Tensor, "B n s"]
) -> Float[Tensor, "B n s"]:
    """(U^T U)^-1 columns: forward through U^T, then backward through U."""
    x, spans = columns.clone(), factor.tiles.tiling.rows
    for j, mine in enumerate(spans):
        for k, above in enumerate(spans[:j]):
            x[:, mine] -= _upper(store, factor, k, j).mT @ x[:, above]
        lower = _upper(store, factor, j, j).mT
        x[:, mine] = torch.linalg.solve_triangular(lower, x[:, mine], upper=False)
    for i, mine in reversed(list(enumerate(spans))):
        for k in range(i + 1, len(spans)):
            x[:, mine] -= _upper(store, factor, i, k) @ x[:, spans[k]]
        upper = _upper(store, factor, i, i)
        x[:, mine] = torch.linalg.solve_triangular(upper, x[:, mine], upper=True)
    return x


def _factor_store(store: TileStore, root: Path, ridge: float, jitter: Tensor) -> TileStore:
    numbers = [float(ridge).hex(), [j.hex() for j in jitter.tolist()]]
    identity = json.dumps([store.tiling.key, CODE, *numbers])
    key = hashlib.sha256(identity.encode()).hexdigest()[:KEY_DIGITS]
    tiling = replace(store.tiling, form="triangular", dtype="float64", key=key)
    return TileStore.create(root / key, tiling)


def _mean_diagonals(store: TileStore) -> Float[Tensor, " B"]:
    """Mean diagonal of each kernel, which is positive."""
    tiling = store.tiling
    total = torch.zeros(tiling.num_outputs or 1, dtype=torch.float64)
    for i in range(len(tiling.rows)):
        total += stack(store.read(i, i)).diagonal(dim1=1, dim2=2).sum(1)
    return mean_diagonal((total / tiling.n1)[:, None, None])
