// The two matrix products of a step, in registers.
//
// multiply: rows of one thread's slice times packed weights (F1, B2a); K is blocked so that the
// panels of B stay in the first-level cache. gradient_tile: one tile of a weight gradient over all
// rows of a block (B3). An element is summed over k, or over the rows, in one order with one
// multiply-add each, whatever the height of its tile: the bits do not depend on how rows are cut.
#pragma once

#include <utility>

#include "lanes.hpp"

namespace backpass {
namespace BACKPASS_ISA {

#if defined(__AVX512F__)
#define BACKPASS_REGISTERS 32
#elif defined(__aarch64__)
#define BACKPASS_REGISTERS 32
#else
#define BACKPASS_REGISTERS 16
#endif

constexpr int K_BLOCK = 128;

// C[MR rows][NR panels] (+)= A[MR rows][K] B[K][NR panels]; where k starts, C starts at `init`.
template <class T, int MR, int NR>
static __attribute__((noinline)) void dense_tile(int K, const T* A, ptrdiff_t a_panel, const T* B,
                                                 ptrdiff_t b_panel, T* C, ptrdiff_t c_panel,
                                                 const T* init, bool first) {
    constexpr int V = Lanes<T>::n;
    Vec<T> sum[MR][NR];
#pragma GCC unroll 16
    for (int c = 0; c < NR; c++) {
        if (first) {
            const Vec<T> start = init ? load(init + c * V) : Vec<T>{};
#pragma GCC unroll 16
            for (int r = 0; r < MR; r++) sum[r][c] = start;
        } else {
#pragma GCC unroll 16
            for (int r = 0; r < MR; r++) sum[r][c] = load(C + c * c_panel + r * V);
        }
    }
    auto multiply_add = [&](int q) __attribute__((always_inline)) {
        Vec<T> b[NR];
#pragma GCC unroll 16
        for (int c = 0; c < NR; c++) b[c] = load(B + c * b_panel + q * V);
#pragma GCC unroll 16
        for (int r = 0; r < MR; r++) {
            const Vec<T> a = all(A[r * V + q]);
#pragma GCC unroll 16
            for (int c = 0; c < NR; c++) sum[r][c] += a * b[c];
        }
    };
    for (; K >= V; K -= V) {
        // the next panel of these rows: the hardware does not foresee the jump
#pragma GCC unroll 16
        for (int r = 0; r < MR; r++) __builtin_prefetch(A + a_panel + r * V, 0, 3);
#pragma GCC unroll 4
        for (int q = 0; q < V; q++) multiply_add(q);
        A += a_panel;
        B += V * V;
    }
#pragma GCC unroll 1
    for (int q = 0; q < K; q++) multiply_add(q);
#pragma GCC unroll 16
    for (int c = 0; c < NR; c++)
#pragma GCC unroll 16
        for (int r = 0; r < MR; r++) store(C + c * c_panel + r * V, sum[r][c]);
}

template <class T> using DenseTile = void (*)(int, const T*, ptrdiff_t, const T*, ptrdiff_t, T*,
                                              ptrdiff_t, const T*, bool);

// The heights a tile of NR panels may have, and the tile of a given height.
template <class T, int NR, int... H> struct Heights {
    static constexpr int tallest = (..., H);  // the last
    static int at_most(int rows) {
        int best = 1;
        ((best = H <= rows ? H : best), ...);
        return best;
    }
    static int at_least(int rows) {
        int best = tallest;
        bool found = false;
        ((best = !found && H >= rows ? H : best, found = found || H >= rows), ...);
        return best;
    }
    static DenseTile<T> tile(int height) {
        DenseTile<T> f = nullptr;
        ((f = H == height ? &dense_tile<T, H, NR> : f), ...);
        return f;
    }
};

#if BACKPASS_REGISTERS == 32
template <class T> using TwoPanels = Heights<T, 2, 1, 2, 3, 4, 5, 6, 7, 8, 10, 12>;
template <class T> using OnePanel = Heights<T, 1, 1, 2, 3, 4, 6, 8, 12, 16>;
#else
template <class T> using TwoPanels = Heights<T, 2, 1, 2, 3, 4, 5, 6>;
template <class T> using OnePanel = Heights<T, 1, 1, 2, 3, 4, 6, 8, 12>;
#endif

// Rows cut into tiles of nearly equal height.
template <class T, class Choice, class F> BACKPASS_INLINE void for_heights(ptrdiff_t rows, F&& f) {
    for (ptrdiff_t row = 0; row < rows;) {
        const ptrdiff_t left = rows - row;
        const ptrdiff_t tiles = (left + Choice::tallest - 1) / Choice::tallest;
        const int even = (int)((left + tiles - 1) / tiles);
        int height = Choice::at_least(even);
        if (height > left) height = Choice::at_most((int)left);
        f(row, Choice::tile(height));
        row += height;
    }
}

// C[row][unit] = init[unit] + sum_k A[row][k] B[k][unit]; `done(panel)` once a panel is finished.
template <class T, class F> BACKPASS_INLINE void multiply(ptrdiff_t rows, int K, int panels,
                                                          const T* A, ptrdiff_t a_panel, const T* B,
                                                          ptrdiff_t b_panel, const T* init, T* C,
                                                          ptrdiff_t c_panel, F&& done) {
    constexpr int V = Lanes<T>::n;
    for (int k = 0; k < K; k += K_BLOCK) {
        const int length = K - k < K_BLOCK ? K - k : K_BLOCK;
        const bool first = k == 0, last = k + K_BLOCK >= K;
        const T* a = A + (k / V) * a_panel;
        const T* b = B + (ptrdiff_t)k * V;
        for (int j = 0; j < panels;) {
            const int width = panels - j >= 2 ? 2 : 1;
            auto run = [&](ptrdiff_t row, DenseTile<T> tile) {
                tile(length, a + row * V, a_panel, b + j * b_panel, b_panel,
                     C + j * c_panel + row * V, c_panel, init ? init + j * V : nullptr, first);
            };
            if (width == 2) for_heights<T, TwoPanels<T>>(rows, run);
            else for_heights<T, OnePanel<T>>(rows, run);
            if (last)
                for (int c = 0; c < width; c++) done(j + c);
            j += width;
        }
    }
}

#if BACKPASS_REGISTERS == 32
constexpr int GRADIENT_WIDTH = 3;
template <class T, int NR> constexpr int gradient_height() {
    return NR == 1 && Lanes<T>::n >= 16 ? 16 : Lanes<T>::n < 8 ? Lanes<T>::n : 8;
}
#else
constexpr int GRADIENT_WIDTH = BACKPASS_BYTES == 32 ? 3 : 2;
template <class T, int NR> constexpr int gradient_height() {
    return NR == 1 && Lanes<T>::n >= 8 ? 8 : Lanes<T>::n < 4 ? Lanes<T>::n : 4;
}
#endif

// G[c][i][V] (+)= sum_n A[n][i] E[c][n][V] for the V inputs i of one panel and NR output panels.
template <class T, int NR>
static __attribute__((noinline)) void gradient_tile(ptrdiff_t rows, const T* A, const T* E,
                                                    ptrdiff_t e_panel, T* G, ptrdiff_t g_panel,
                                                    bool first) {
    constexpr int V = Lanes<T>::n, MR = gradient_height<T, NR>();
    for (int h = 0; h < V; h += MR) {
        Vec<T> sum[MR][NR];
#pragma GCC unroll 16
        for (int r = 0; r < MR; r++)
#pragma GCC unroll 16
            for (int c = 0; c < NR; c++)
                sum[r][c] = first ? Vec<T>{} : load(G + c * g_panel + (h + r) * V);
        const T *a = A + h, *e = E;
#pragma GCC unroll 2
        for (ptrdiff_t n = 0; n < rows; n++, a += V, e += V) {
            Vec<T> error[NR];
#pragma GCC unroll 16
            for (int c = 0; c < NR; c++) error[c] = load(e + c * e_panel);
#pragma GCC unroll 16
            for (int r = 0; r < MR; r++) {
                const Vec<T> x = all(a[r]);
#pragma GCC unroll 16
                for (int c = 0; c < NR; c++) sum[r][c] += x * error[c];
            }
        }
#pragma GCC unroll 16
        for (int c = 0; c < NR; c++)
#pragma GCC unroll 16
            for (int r = 0; r < MR; r++) store(G + c * g_panel + (h + r) * V, sum[r][c]);
    }
}

#if defined(__clang__) || __GNUC__ >= 12
#define BACKPASS_SHUFFLE(Indices, x, y, ...) __builtin_shufflevector(x, y, __VA_ARGS__)
#else
#define BACKPASS_SHUFFLE(Indices, x, y, ...) __builtin_shuffle(x, y, Indices{__VA_ARGS__})
#endif

template <class T, int... K> BACKPASS_INLINE void interleave(Vec<T> x, Vec<T> y, Vec<T>& low,
                                                             Vec<T>& high,
                                                             std::integer_sequence<int, K...>) {
    constexpr int V = Lanes<T>::n;  // low: x0 y0 x1 y1 ...; high: the upper halves
    low = BACKPASS_SHUFFLE(IVec<T>, x, y, (K / 2 + (K % 2) * V)...);
    high = BACKPASS_SHUFFLE(IVec<T>, x, y, (V / 2 + K / 2 + (K % 2) * V)...);
}

template <class T, int WIDTH, int... K>
BACKPASS_INLINE Vec<T> fold(Vec<T> x, std::integer_sequence<int, K...>) {
    return x + BACKPASS_SHUFFLE(IVec<T>, x, x, ((K + WIDTH) % Lanes<T>::n)...);
}

// The sum of all lanes, halves first.
template <class T, int WIDTH = Lanes<T>::n / 2> BACKPASS_INLINE T sum_of_lanes(Vec<T> x) {
    const Vec<T> folded = fold<T, WIDTH>(x, std::make_integer_sequence<int, Lanes<T>::n>{});
    if constexpr (WIDTH > 1) return sum_of_lanes<T, WIDTH / 2>(folded);
    else return folded[0];
}

// to[j][i] = from[i][j] for a block of V by V: log2(V) rounds of perfect shuffles.
template <class T> static __attribute__((noinline)) void transpose_block(const T* from, T* to) {
    constexpr int V = Lanes<T>::n;
    Vec<T> x[V], y[V];
#pragma GCC unroll 16
    for (int i = 0; i < V; i++) x[i] = load(from + i * V);
#pragma GCC unroll 4
    for (int step = 1; step < V; step *= 2) {
#pragma GCC unroll 8
        for (int i = 0; i < V / 2; i++)
            interleave<T>(x[i], x[i + V / 2], y[2 * i], y[2 * i + 1],
                          std::make_integer_sequence<int, V>{});
#pragma GCC unroll 16
        for (int i = 0; i < V; i++) x[i] = y[i];
    }
#pragma GCC unroll 16
    for (int i = 0; i < V; i++) store(to + i * V, x[i]);
}

}  // namespace BACKPASS_ISA
}  // namespace backpass
