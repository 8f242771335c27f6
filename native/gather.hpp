// Rows of the user's array, of any dtype and stride or CSR, converted straight into panels.
#pragma once

#include "kernels.hpp"
#include "lanes.hpp"

namespace backpass {
namespace BACKPASS_ISA {

// Of the loop that follows: its turns do not depend on one another.
#if defined(__clang__)
#define BACKPASS_INDEPENDENT _Pragma("clang loop vectorize(assume_safety)")
#else
#define BACKPASS_INDEPENDENT _Pragma("GCC ivdep")
#endif

constexpr ptrdiff_t LINE = 64;  // bytes of a cache line

// One row into its line of every panel; what lies beyond the last column is zero.
template <class T, class S> BACKPASS_INLINE void gather_dense_row(const char* row, ptrdiff_t step,
                                                                  int width, T* to,
                                                                  ptrdiff_t panel) {
    constexpr int V = Lanes<T>::n;
    int k = 0;
    if (step == (ptrdiff_t)sizeof(S)) {
        const S* x = (const S*)row;
        for (; k + V <= width; k += V, to += panel) BACKPASS_INDEPENDENT
        for (int i = 0; i < V; i++) to[i] = (T)x[k + i];
    } else {
        for (; k + V <= width; k += V, to += panel)
            for (int i = 0; i < V; i++) to[i] = (T) * (const S*)(row + (k + i) * step);
    }
    if (k < width) {
        store(to, Vec<T>{});
        for (int i = 0; k + i < width; i++) to[i] = (T) * (const S*)(row + (k + i) * step);
    }
}

template <class T, class S> static void gather_dense(const Source& X, const int64_t* rows,
                                                     ptrdiff_t n, T* to, ptrdiff_t panel) {
    constexpr ptrdiff_t AHEAD = 6144;  // bytes on their way
    const ptrdiff_t bytes = X.column_stride == (ptrdiff_t)sizeof(S) ? X.width * sizeof(S) : 0;
    const ptrdiff_t ahead = bytes * 3 > AHEAD ? 3 : AHEAD / (bytes + 1);
    ptrdiff_t fetched = 0;
    for (ptrdiff_t i = 0; i < n; i++) {
        for (; bytes && fetched < n && fetched <= i + ahead; fetched++) {
            const char* row = (const char*)X.data + rows[fetched] * X.row_stride;
            for (ptrdiff_t c = 0; c < bytes + LINE - 1; c += LINE)
                __builtin_prefetch(row + (c < bytes ? c : bytes - 1), 0, 3);
        }
        gather_dense_row<T, S>((const char*)X.data + rows[i] * X.row_stride, X.column_stride,
                               X.width, to + i * Lanes<T>::n, panel);
    }
}

template <class T, class S, class Index> static void gather_sparse(const Source& X,
                                                                   const int64_t* rows, ptrdiff_t n,
                                                                   T* to, ptrdiff_t panel) {
    constexpr int V = Lanes<T>::n;
    const Index* columns = (const Index*)X.columns;
    const S* values = (const S*)X.data;
    for (ptrdiff_t i = 0; i < n; i++, to += V) {
        for (int k = 0; k < X.width; k += V) store(to + (k / V) * panel, Vec<T>{});
        const Span span = span_of_row<Index>(X, rows[i]);
        for (int64_t e = span.begin; e < span.end; e++) {
            const Index c = read_once(columns + e);
            if (c >= 0 && c < X.width) to[(c / V) * panel + c % V] += (T)values[e];
        }
    }
}

template <class T, class S>
static void gather_as(const Source& X, const int64_t* rows, ptrdiff_t n, T* to, ptrdiff_t panel) {
    if (!X.starts) gather_dense<T, S>(X, rows, n, to, panel);
    else if (X.wide_indices) gather_sparse<T, S, int64_t>(X, rows, n, to, panel);
    else gather_sparse<T, S, int32_t>(X, rows, n, to, panel);
}

// f(a zero of the source's type)
template <class F> BACKPASS_INLINE void with_dtype(Dtype dtype, F&& f) {
    switch (dtype) {
        case Dtype::f32: return f(float());
        case Dtype::f64: return f(double());
        case Dtype::i8: return f(int8_t());
        case Dtype::i16: return f(int16_t());
        case Dtype::i32: return f(int32_t());
        case Dtype::i64: return f(int64_t());
        case Dtype::u8: return f(uint8_t());
        case Dtype::u16: return f(uint16_t());
        case Dtype::u32: return f(uint32_t());
        case Dtype::u64: return f(uint64_t());
    }
}

template <class T>
static void gather(const Source& X, const int64_t* rows, ptrdiff_t n, T* to, ptrdiff_t panel) {
    with_dtype(X.dtype, [&](auto zero) { gather_as<T, decltype(zero)>(X, rows, n, to, panel); });
}

// e_l by row, smoothed: 1 - s at the label, and s / k everywhere
template <class T> static void gather_labels(const int32_t* labels, T smoothing, int units,
                                             const int64_t* rows, ptrdiff_t n, T* to,
                                             ptrdiff_t panel) {
    constexpr int V = Lanes<T>::n;
    const T low = smoothing / (T)units;
    for (ptrdiff_t i = 0; i < n; i++, to += V) {
        for (int k = 0; k < units; k += V) {
            T* line = to + (k / V) * panel;
            store(line, Vec<T>{});
            if (low != 0)
                for (int u = 0; u < V && k + u < units; u++) line[u] = low;
        }
        const int label = read_once(labels + rows[i]);
        if (label >= 0 && label < units)  // as it was when it was checked
            to[(label / V) * panel + label % V] += 1 - smoothing;
    }
}

// The targets of `n` rows, into panels.
template <class T> static void gather_targets(const Rows<T>& data, T smoothing, int units,
                                              const int64_t* rows, ptrdiff_t n, T* to,
                                              ptrdiff_t panel) {
    if (data.labels) gather_labels<T>(data.labels, smoothing, units, rows, n, to, panel);
    else gather<T>(data.Y, rows, n, to, panel);
}

}  // namespace BACKPASS_ISA
}  // namespace backpass
