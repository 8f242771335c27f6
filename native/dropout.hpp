// D: dropout masks from Philox-4x32-10, the same as backpass/core/dropout.py.
//
// The counter is (unit / 4, row, layer, step), the key is the seed: a mask depends on nothing else.
#pragma once

#include "tiles.hpp"

namespace backpass {
namespace BACKPASS_ISA {

constexpr int PHILOX_LANES = 16;
typedef uint32_t PhiloxWords __attribute__((vector_size(4 * PHILOX_LANES)));
typedef uint64_t PhiloxProducts
    __attribute__((vector_size(4 * PHILOX_LANES)));  // every second word

// The high and the low halves of x * multiplier in every lane.
static BACKPASS_INLINE void multiply_words(const PhiloxWords& x, uint32_t multiplier,
                                           PhiloxWords& high, PhiloxWords& low) {
    const PhiloxProducts even = ((PhiloxProducts)x & 0xFFFFFFFFu) * (uint64_t)multiplier;
    const PhiloxProducts odd = ((PhiloxProducts)x >> 32) * (uint64_t)multiplier;
    low = (PhiloxWords)((even & 0xFFFFFFFFu) | (odd << 32));
    high = (PhiloxWords)((even >> 32) | (odd & 0xFFFFFFFF00000000u));
}

// Four random words of each of 16 counters (x[0][i], x[1][i], x[2][i], x[3][i]), in their place.
static BACKPASS_INLINE void philox_4x32(PhiloxWords x[4], uint64_t seed) {
    uint32_t k0 = (uint32_t)seed, k1 = (uint32_t)(seed >> 32);
    for (int round = 0; round < 10; round++) {
        PhiloxWords high0, low0, high1, low1;
        multiply_words(x[0], 0xD2511F53u, high0, low0);
        multiply_words(x[2], 0xCD9E8D57u, high1, low1);
        x[0] = high1 ^ x[1] ^ k0, x[1] = low1;
        x[2] = high0 ^ x[3] ^ k1, x[3] = low0;
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
template <class T> static __attribute__((noinline)) void drop(T* a, T* d, ptrdiff_t panel,
                                                              ptrdiff_t first, ptrdiff_t n,
                                                              int units, int layer, uint64_t step,
                                                              uint64_t seed, double p) {
    constexpr int V = Lanes<T>::n, PART = V < 4 ? V : 4;  // of four units, as many as lie together
    typedef T Part __attribute__((vector_size(PART * sizeof(T)), aligned(sizeof(T))));
    const uint64_t share = (uint64_t)__builtin_nearbyint(p * 4294967296.0);  // up to 2^32
    const uint32_t threshold = (uint32_t)share;
    const T kept = share >> 32 ? (T)0 : (T)(1 / (1 - p));
    const uint32_t blocks = (uint32_t)(units + 3) / 4;  // four units take the words of one counter
    uint32_t block = 0;
    for (ptrdiff_t row = 0; row < n;) {
        uint32_t counter[2][PHILOX_LANES] = {}, words[4 * PHILOX_LANES];
        ptrdiff_t line[PHILOX_LANES];
        int lanes = 0;
        for (; lanes < PHILOX_LANES && row < n; lanes++) {
            counter[0][lanes] = block, counter[1][lanes] = (uint32_t)(first + row);
            line[lanes] = row * V;
            if (++block == blocks) block = 0, row++;
        }
        PhiloxWords x[4] = {
            {}, {}, PhiloxWords{} + (uint32_t)layer, PhiloxWords{} + (uint32_t)step};
        std::memcpy(x, counter, sizeof counter);
        philox_4x32(x, seed);
        interleave_words(x, words, std::make_integer_sequence<int, PHILOX_LANES>{});
        T factor[4 * PHILOX_LANES];
        for (int i = 0; i < 4 * PHILOX_LANES; i++) factor[i] = words[i] >= threshold ? kept : (T)0;
        for (int i = 0; i < lanes; i++)
            for (int part = 0; part < 4; part += PART) {
                const int unit = (int)counter[0][i] * 4 + part;
                if (PART < 4 && unit >= units) break;  // else what lies beyond is in the panel: 0
                const ptrdiff_t at = (unit / V) * panel + line[i] + unit % V;
                const Part mask = *(const Part*)(factor + 4 * i + part);
                *(Part*)(a + at) *= mask;
                *(Part*)(d + at) *= mask;
            }
    }
}

}  // namespace BACKPASS_ISA
}  // namespace backpass
