"""How fast a device multiplies matrices: the limit that costs are held against."""

import time

import torch

SIZE = 2048
REPEATS = 5


def gemm_rate(device: str | torch.device = "cpu", dtype: torch.dtype = torch.float32) -> float:
    """FLOP/s of a large square matrix product, the best of a few; takes about a second on a CPU."""
    matrix = torch.ones(SIZE, SIZE, device=device, dtype=dtype)
    best = 0.0
    for _ in range(REPEATS):
        _wait(matrix)
        begin = time.perf_counter()
        torch.mm(matrix, matrix)
        _wait(matrix)
        best = max(best, 2 * SIZE**3 / (time.perf_counter() - begin))
    return best


def _wait(matrix: torch.Tensor) -> None:
    if matrix.is_cuda:
        torch.cuda.synchronize(matrix.device)
