// D: dropout masks from Philox-4x32-10, the same as backpass/masks.py.
//
// The counter is (unit / 4, row, layer, step), the key is the seed: a mask depends on nothing else.
#pragma once

#include "lanes.hpp"

namespace backpass {
namespace BACKPASS_ISA {

constexpr int PHILOX_LANES = 16;

// Four random words of each of 16 counters (c0[i], c1[i], layer, step).
static BACKPASS_INLINE void philox_4x32(const uint32_t* c0, const uint32_t* c1, uint32_t layer,
                                        uint32_t step, uint64_t seed,
                                        uint32_t words[4][PHILOX_LANES]) {
    uint32_t x0[PHILOX_LANES], x1[PHILOX_LANES], x2[PHILOX_LANES], x3[PHILOX_LANES];
    for (int i = 0; i < PHILOX_LANES; i++) x0[i] = c0[i], x1[i] = c1[i], x2[i] = layer, x3[i] = step;
    uint32_t k0 = (uint32_t)seed, k1 = (uint32_t)(seed >> 32);
    for (int round = 0; round < 10; round++) {
        for (int i = 0; i < PHILOX_LANES; i++) {
            const uint64_t a = (uint64_t)x0[i] * 0xD2511F53u, b = (uint64_t)x2[i] * 0xCD9E8D57u;
            x0[i] = (uint32_t)(b >> 32) ^ x1[i] ^ k0;
            x1[i] = (uint32_t)b;
            x2[i] = (uint32_t)(a >> 32) ^ x3[i] ^ k1;
            x3[i] = (uint32_t)a;
        }
        k0 += 0x9E3779B9u, k1 += 0xBB67AE85u;
    }
    for (int i = 0; i < PHILOX_LANES; i++)
        words[0][i] = x0[i], words[1][i] = x1[i], words[2][i] = x2[i], words[3][i] = x3[i];
}

// a and d of rows first ... first + n - 1 of a mini-batch times mask / (1 - p).
template <class T>
static void drop(T* a, T* d, ptrdiff_t panel, ptrdiff_t first, ptrdiff_t n, int units, int layer,
                 uint64_t step, uint64_t seed, double p) {
    constexpr int V = Lanes<T>::n;
    const uint32_t threshold = (uint32_t)(uint64_t)__builtin_nearbyint(p * 4294967296.0);
    const T kept = (T)(1 / (1 - p));
    const ptrdiff_t blocks = (units + 3) / 4, total = n * blocks;
    for (ptrdiff_t start = 0; start < total; start += PHILOX_LANES) {
        uint32_t block[PHILOX_LANES], row[PHILOX_LANES], words[4][PHILOX_LANES];
        for (int i = 0; i < PHILOX_LANES; i++) {
            block[i] = (uint32_t)((start + i) % blocks);
            row[i] = (uint32_t)(first + (start + i) / blocks);
        }
        philox_4x32(block, row, (uint32_t)layer, (uint32_t)step, seed, words);
        for (int i = 0; i < PHILOX_LANES && start + i < total; i++) {
            const ptrdiff_t line = (ptrdiff_t)(row[i] - (uint32_t)first) * V;
            for (int w = 0; w < 4; w++) {
                const int unit = (int)block[i] * 4 + w;
                if (unit >= units) break;
                const ptrdiff_t at = (unit / V) * panel + line + unit % V;
                const T factor = words[w][i] >= threshold ? kept : 0;
                a[at] *= factor;
                d[at] *= factor;
            }
        }
    }
}

}  // namespace BACKPASS_ISA
}  // namespace backpass
