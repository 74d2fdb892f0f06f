"""The compiled passes of ``patch_passes``: built at first use, and kept in the user's cache."""

import ctypes
import hashlib
import logging
import os
import platform
import shlex
import subprocess
import tempfile
from functools import cache
from pathlib import Path

import torch

SWITCH = "MULTIVIEW_COMPILED"  # environment variable; 0: torch's own operations instead
SECONDS = 60  # for the compiler, which takes about one

_log = logging.getLogger(__name__)

# Here and not in a file of its own, so that the code version of rows counts it.
SOURCE = r"""
/* z holds groups x terms x n numbers; one group's sums stay in registers, BLOCK samples at a time.
   A bfloat16 is the upper half of a float. */
#include <stdint.h>

#define BLOCK 16

static inline float as_float(uint16_t half) {
    union { uint32_t bits; float value; } both = {(uint32_t)half << 16};
    return both.value;
}

static inline uint16_t as_half(float value) { /* to the nearest, ties to even */
    union { float value; uint32_t bits; } both = {value};
    return (both.bits + 0x7fff + (both.bits >> 16 & 1)) >> 16;
}

#define SAME(x) (x)
#define CLAMPED(v) ((v) < 0 ? 0 : (v) > 1 ? 1 : (v))
#define SLOPE(q, s) ((q) == 2 ? (s) : (q) == 3 ? (s) * (s) : (s) * (s) * (s))

#define ADD(count, q, read)                                                     \
    for (long t = 0; t < terms; t++) {                                          \
        const __typeof__(*z) *at = z + (g * terms + t) * n + j;                 \
        for (int i = 0; i < (count); i++) {                                     \
            float v = read(at[i]), s = CLAMPED(v);                              \
            sum[i] += (v - s * (1 - 1.0f / (q))) * SLOPE(q, s);                 \
        }                                                                       \
    }                                                                           \
    for (int i = 0; i < (count); i++) sums[g * n + j + i] = sum[i];

#define PASSES(type, name, q, read, written)                                    \
    void activate_##name##_##q(const type *z, float *sums, long groups,         \
                               long terms, long n, int threads) {               \
        _Pragma("omp parallel for num_threads(threads)")                        \
        for (long g = 0; g < groups; g++)                                       \
            for (long j = 0; j < n; j += BLOCK) {                               \
                float sum[BLOCK] = {0};                                         \
                int rest = n - j;                                               \
                if (rest >= BLOCK) { ADD(BLOCK, q, read) }                      \
                else { ADD(rest, q, read) }                                     \
            }                                                                   \
    }                                                                           \
    void pull_##name##_##q(type *z, const float *residual, long residuals,      \
                           long groups, long terms, long n, int threads) {      \
        _Pragma("omp parallel for num_threads(threads)")                        \
        for (long g = 0; g < groups; g++) {                                     \
            const float *own = residual + g % residuals * n;                    \
            for (long t = 0; t < terms; t++) {                                  \
                type *at = z + (g * terms + t) * n;                             \
                for (long i = 0; i < n; i++) {                                  \
                    float s = CLAMPED(read(at[i]));                             \
                    at[i] = written(SLOPE(q, s) * own[i]);                      \
                }                                                               \
            }                                                                   \
        }                                                                       \
    }

#define OF_POWER(q)                               \
    PASSES(float, float32, q, SAME, SAME)         \
    PASSES(uint16_t, bfloat16, q, as_float, as_half)

OF_POWER(2)
OF_POWER(3)
OF_POWER(4)
"""


@cache
def library() -> ctypes.CDLL | None:
    """The compiled passes; None where they are switched off or cannot be had, which is logged."""
    if os.environ.get(SWITCH) == "0":
        return None
    try:
        return ctypes.CDLL(str(_built()))
    except (OSError, RuntimeError, subprocess.SubprocessError) as error:
        said = str(getattr(error, "stderr", None) or error).strip().splitlines()
        _log.warning(
            "Patch networks train by torch's own operations, which is slower: %s (%s=0 asks for "
            "that)",
            said[0] if said else type(error).__name__,
            SWITCH,
        )
        return None


def _built() -> Path:
    """The library's path; it is compiled for this processor and this torch if it is not there.

    Raises:
        OSError: If there is no compiler, or the cache cannot be written.
        RuntimeError: If the user has no folder.
        subprocess.SubprocessError: If the compiler fails.
    """
    # torch's own threads: two pools of them would fight for the processors.
    home = Path(torch.__file__).parent
    found = [*home.glob("lib/libgomp*.so*"), *home.parent.glob("torch.libs/libgomp*.so*")]
    here = ["-march=native"] if _processor() else []
    # Nobody traps a comparison; unless told so, gcc clamps one number at a time on AVX2.
    command = [*shlex.split(os.environ.get("CC", "cc")), "-O3", "-fno-trapping-math", *here]
    command += ["-fopenmp", "-shared", "-fPIC", "-x", "c", "-", "-x", "none", *map(str, found[:1])]
    made_of = (SOURCE, *command, torch.__version__, _processor())
    key = hashlib.sha256("\0".join(made_of).encode()).hexdigest()[:16]
    folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "multiview"
    path = folder / f"patch_passes-{key}.so"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder) as scratch:
            new = Path(scratch) / path.name
            subprocess.run(
                [*command, "-o", str(new)],
                input=SOURCE,
                check=True,
                timeout=SECONDS,
                capture_output=True,
                text=True,
            )
            os.replace(new, path)  # whole, whoever else compiles it
    return path


def _processor() -> str:
    """What the processor can do; empty where that is not known, and no cache could tell."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return ""
    can = next((line for line in lines if line.lower().startswith(("flags", "features"))), "")
    return can and f"{platform.machine()} {can}"
