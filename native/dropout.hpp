// D: dropout masks from Philox-4x32-10, the same as backpass/core/dropout.py.
//
// The counter is (unit / 4, row, layer, step), the key is the seed: a mask depends on nothing else.
#pragma once

#if defined(__AVX512F__)
#include <immintrin.h>
#endif

#include "tiles.hpp"

namespace backpass {
namespace BACKPASS_ISA {

constexpr int PHILOX_LANES = 16;
typedef uint32_t PhiloxWords __attribute__((vector_size(4 * PHILOX_LANES)));
typedef uint64_t PhiloxProducts
    __attribute__((vector_size(4 * PHILOX_LANES)));  // every second word

// x * multiplier of every second word, from the lowest on.
static BACKPASS_INLINE PhiloxProducts multiply_even(const PhiloxProducts& x, uint32_t multiplier) {
#if defined(__AVX512F__)  // GCC takes the three times slower product of 64 bits
    return (PhiloxProducts)_mm512_mul_epu32((__m512i)x, _mm512_set1_epi64(multiplier));
#else
    return (x & 0xFFFFFFFFu) * (uint64_t)multiplier;
#endif
}

// The high and the low halves of x * multiplier in every lane.
static BACKPASS_INLINE void multiply_words(const PhiloxWords& x, uint32_t multiplier,
                                           PhiloxWords& high, PhiloxWords& low) {
    const PhiloxProducts even = multiply_even((PhiloxProducts)x, multiplier);
    const PhiloxProducts odd = multiply_even((PhiloxProducts)x >> 32, multiplier);
    low = (PhiloxWords)((even & 0xFFFFFFFFu) | (odd << 32));
    high = (PhiloxWords)((even >> 32) | (odd & 0xFFFFFFFF00000000u));
}

// Four random words of each of 16 counters (x[0][i], x[1][i], x[2][i], x[3][i]), in their place,
// of as many such sets as keep the multipliers busy.
template <int SETS> static BACKPASS_INLINE void philox_4x32(PhiloxWords x[SETS][4], uint64_t seed) {
    uint32_t k0 = (uint32_t)seed, k1 = (uint32_t)(seed >> 32);
    for (int round = 0; round < 10; round++) {
        for (int s = 0; s < SETS; s++) {
            PhiloxWords high0, low0, high1, low1;
            multiply_words(x[s][0], 0xD2511F53u, high0, low0);
            multiply_words(x[s][2], 0xCD9E8D57u, high1, low1);
            x[s][0] = high1 ^ x[s][1] ^ k0, x[s][1] = low1;
            x[s][2] = high0 ^ x[s][3] ^ k1, x[s][3] = low0;
        }
        k0 += 0x9E3779B9u, k1 += 0xBB67AE85u;
    }
}

// The words of lane i one after the other: x[w][i] to words[4 i + w].
template <int... K> static BACKPASS_INLINE void interleave_words(const PhiloxWords x[4],
                                                                 uint32_t* words,
                                                                 std::integer_sequence<int, K...>) {
    constexpr int N = PHILOX_LANES;
    const PhiloxWords pairs[4] = {
        // x0[0] x1[0] x0[1] x1[1] ..., its upper half; the same of x2 and x3
        BACKPASS_SHUFFLE(PhiloxWords, x[0], x[1], (K / 2 + (K % 2) * N)...),
        BACKPASS_SHUFFLE(PhiloxWords, x[0], x[1], (N / 2 + K / 2 + (K % 2) * N)...),
        BACKPASS_SHUFFLE(PhiloxWords, x[2], x[3], (K / 2 + (K % 2) * N)...),
        BACKPASS_SHUFFLE(PhiloxWords, x[2], x[3], (N / 2 + K / 2 + (K % 2) * N)...)};
    for (int half = 0; half < 2; half++) {
        const PhiloxWords a = pairs[half], b = pairs[half + 2];
        const PhiloxWords four[2] = {
            BACKPASS_SHUFFLE(PhiloxWords, a, b, (K / 4 * 2 + K % 2 + (K / 2 % 2) * N)...),
            BACKPASS_SHUFFLE(PhiloxWords, a, b, (N / 2 + K / 4 * 2 + K % 2 + (K / 2 % 2) * N)...)};
        std::memcpy(words + half * 2 * N, four, sizeof four);
    }
}

// a and d of rows first ... first + n - 1 of a mini-batch times mask / (1 - p).
//
// Down the rows of a panel, whose units lie together: the words of 16 counters are the mask of a
// few rows in a piece.
template <class T> static __attribute__((noinline)) void drop(T* a, T* d, ptrdiff_t panel,
                                                              ptrdiff_t first, ptrdiff_t n,
                                                              int units, int layer, uint64_t step,
                                                              uint64_t seed, double p) {
    constexpr int V = Lanes<T>::n, SETS = BACKPASS_REGISTERS == 32 ? 2 : 1;
    constexpr int BLOCKS = V < 4 ? 1 : V / 4;  // four units take the words of one counter
    constexpr int PANELS = V < 4 ? 4 / V : 1;  // that a counter's units lie in
    constexpr int ROWS = PHILOX_LANES / BLOCKS, WORDS = 4 * PHILOX_LANES;
    const uint64_t share = (uint64_t)__builtin_nearbyint(p * 4294967296.0);  // up to 2^32
    const uint32_t threshold = (uint32_t)share;
    const T kept = share >> 32 ? (T)0 : (T)(1 / (1 - p));
    PhiloxWords block_of, row_of;
    for (int i = 0; i < PHILOX_LANES; i++) {
        block_of[i] = (uint32_t)(i % BLOCKS), row_of[i] = (uint32_t)(i / BLOCKS);
    }
    for (int block = 0; 4 * block < units; block += BLOCKS)
        for (ptrdiff_t row = 0; row < n; row += SETS * ROWS) {
            PhiloxWords x[SETS][4];
            for (int s = 0; s < SETS; s++) {
                x[s][0] = block_of + (uint32_t)block;
                x[s][1] = row_of + (uint32_t)(first + row + s * ROWS);
                x[s][2] = PhiloxWords{} + (uint32_t)layer, x[s][3] = PhiloxWords{} + (uint32_t)step;
            }
            philox_4x32<SETS>(x, seed);
            uint32_t words[SETS * WORDS];
            for (int s = 0; s < SETS; s++)
                interleave_words(x[s], words + s * WORDS,
                                 std::make_integer_sequence<int, PHILOX_LANES>{});
            const ptrdiff_t rows = n - row < SETS * ROWS ? n - row : SETS * ROWS;
            for (int part = 0; part < PANELS && 4 * block + part * V < units; part++) {
                const ptrdiff_t at = (4 * block / V + part) * panel + row * V;
                for (ptrdiff_t i = 0; i < rows * V; i++) {
                    const uint32_t word = words[V < 4 ? i / V * 4 + part * V + i % V : i];
                    const T factor = word >= threshold ? kept : (T)0;
                    a[at + i] *= factor;
                    d[at + i] *= factor;
                }
            }
        }
}

}  // namespace BACKPASS_ISA
}  // namespace backpass
