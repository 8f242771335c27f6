// The first layer on CSR rows: work goes with the entries, not with the columns.
//
// The entries of a block of rows are converted once (column, value); F1 adds the weights of a row's
// entries, B3 walks each row's entries along with the panels of the tile's owner.
#pragma once

#include "gather.hpp"

namespace backpass {
namespace BACKPASS_ISA {

// The entries of a row, at most `room`; returns how many. What is checked, and used, is the copy of
// its columns: their owner may write to them meanwhile. One that is none any more becomes column 0.
template <class T, class S, class Index>
static int64_t convert_row(const Source& X, int64_t row, int32_t* column, T* value, int64_t room) {
    const Span span = span_of_row<Index>(X, row);
    const Index* columns = (const Index*)X.columns + span.begin;
    const S* values = (const S*)X.data + span.begin;
    const int64_t n = span.end - span.begin < room ? span.end - span.begin : room;
    const uint32_t width = (uint32_t)X.width;
    for (int64_t i = 0; i < n; i++) column[i] = (int32_t)columns[i], value[i] = (T)values[i];
    for (int64_t i = 0; i < n; i++) column[i] = (uint32_t)column[i] < width ? column[i] : 0;
    return n;
}

template <class T, class S> static int64_t convert_row_of(const Source& X, int64_t row,
                                                          int32_t* column, T* value, int64_t room) {
    if (X.wide_indices) return convert_row<T, S, int64_t>(X, row, column, value, room);
    return convert_row<T, S, int32_t>(X, row, column, value, room);
}

// The entries of rows `from` ... `to` of a block, to their places among those of the whole block.
// Where the rows have more entries than when the room for them was made, the last ones go without.
template <class T> static void gather_entries(const Source& X, const int64_t* rows, ptrdiff_t from,
                                              ptrdiff_t to, const Entries<T>& entries) {
    int64_t at = 0;
    for (ptrdiff_t n = 0; n < from; n++) at += entries_of_row(X, rows[n]);
    if (at > entries.room) at = entries.room;
    for (ptrdiff_t n = from; n < to; n++) {
        entries.start[n] = at;
        with_dtype(X.dtype, [&](auto zero) {
            at += convert_row_of<T, decltype(zero)>(X, rows[n], entries.column + at,
                                                    entries.value + at, entries.room - at);
        });
        entries.stop[n] = at;
    }
}

// z[c] = b[c] + sum of value * W[column] over a row's entries, for COUNT panels
template <class T, int COUNT>
static BACKPASS_INLINE void sparse_panels(const Entries<T>& entries, ptrdiff_t n, const T* W,
                                          ptrdiff_t w_panel, const T* b, T* z, ptrdiff_t panel) {
    constexpr int V = Lanes<T>::n;
    Vec<T> sum[COUNT];
    for (int c = 0; c < COUNT; c++) sum[c] = load(b + c * V);
    for (int64_t e = entries.start[n]; e < entries.stop[n]; e++) {
        const Vec<T> x = all(entries.value[e]);
        const T* line = W + (ptrdiff_t)entries.column[e] * V;
        for (int c = 0; c < COUNT; c++) sum[c] += x * load(line + c * w_panel);
    }
    for (int c = 0; c < COUNT; c++) store(z + c * panel, sum[c]);
}

// F1 of the first layer for rows `from` ... `to`
template <class T> static void sparse_forward(const Layer<T>& layer, const Entries<T>& entries,
                                              ptrdiff_t from, ptrdiff_t to, T* z, ptrdiff_t panel) {
    constexpr int V = Lanes<T>::n;
    const ptrdiff_t w_panel = (ptrdiff_t)layer.in_panels * V * V;
    for (ptrdiff_t n = from; n < to; n++) {
        int j = 0;
        for (; j + 4 <= layer.out_panels; j += 4)
            sparse_panels<T, 4>(entries, n, layer.W + j * w_panel, w_panel, layer.b + j * V,
                                z + j * panel + n * V, panel);
        for (; j < layer.out_panels; j++)
            sparse_panels<T, 1>(entries, n, layer.W + j * w_panel, w_panel, layer.b + j * V,
                                z + j * panel + n * V, panel);
    }
}

// Set every row's cursor to its first entry at or beyond a column.
template <class T>
static void seek(const Entries<T>& entries, int64_t* cursor, ptrdiff_t rows, int32_t column) {
    for (ptrdiff_t n = 0; n < rows; n++) {
        int64_t low = entries.start[n], high = entries.stop[n];
        while (low < high) {
            const int64_t middle = (low + high) / 2;
            if (entries.column[middle] < column) low = middle + 1;
            else high = middle;
        }
        cursor[n] = low;
    }
}

// B3 of one tile of the first layer: G[c][i][V] (+)= sum over entries (n, i) of value * E[c][n][V]
template <class T> static void sparse_gradient_tile(const Entries<T>& entries, int64_t* cursor,
                                                    ptrdiff_t rows, int in_panel, int width,
                                                    const T* E, ptrdiff_t e_panel, T* G,
                                                    ptrdiff_t g_panel, bool first) {
    constexpr int V = Lanes<T>::n;
    if (first)
        for (int c = 0; c < width; c++)
            for (int i = 0; i < V * V; i += V) store(G + c * g_panel + i, Vec<T>{});
    const int32_t begin = in_panel * V;
    for (ptrdiff_t n = 0; n < rows; n++)
        for (; cursor[n] < entries.stop[n]; cursor[n]++) {
            const uint32_t line = (uint32_t)(entries.column[cursor[n]] - begin);
            if (line >= (uint32_t)V) break;  // beyond the panel, or before it: out of order
            const Vec<T> x = all(entries.value[cursor[n]]);
            T* g = G + line * V;
            for (int c = 0; c < width; c++)
                store(g + c * g_panel, load(g + c * g_panel) + x * load(E + c * e_panel + n * V));
        }
}

}  // namespace BACKPASS_ISA
}  // namespace backpass
