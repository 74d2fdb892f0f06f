/* The passes over pre-activations that patch_passes.py describes, each in one go through memory.

   z holds groups x terms x n numbers; one group's sums stay in registers, BLOCK samples at a time.
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
