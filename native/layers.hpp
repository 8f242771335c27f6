// One layer forward and back, for a slice of rows: what steps and predictions share.
#pragma once

#include "gather.hpp"
#include "losses.hpp"
#include "sparse.hpp"
#include "tiles.hpp"

namespace backpass {
namespace BACKPASS_ISA {

// What lies beyond the last unit of a layer is set to zero: phi(0) need not be.
template <class T> static void clear_beyond(T* a, ptrdiff_t rows, int units) {
    constexpr int V = Lanes<T>::n;
    if (units % V == 0) return;
    const IVec<T> inside = units_of_panel<T>(units / V, units);
    for (ptrdiff_t n = 0; n < rows; n++)
        store(a + n * V, where<T>(inside, load(a + n * V), Vec<T>{}));
}

// F2 of one panel of a layer: a = phi(z), d = phi'(z) unless null.
template <class T> static void activate(const Layer<T>& layer, int j, ptrdiff_t rows, const T* z,
                                        T* a, T* d, ptrdiff_t panel) {
    const ptrdiff_t at = j * panel;
    if (!layer.activation) return;  // softmax: with the loss, by row
    layer.activation(z + at, a + at, d ? d + at : nullptr, rows, layer.numbers);
    if (j == layer.out_panels - 1) clear_beyond<T>(a + at, rows, layer.n_out);
}

// F1 and F2 of one layer: z = a W + b (kept in z), a = phi(z), d = phi'(z) unless null.
template <class T> static void layer_forward(const Layer<T>& layer, ptrdiff_t rows, const T* below,
                                             T* z, T* a, T* d, ptrdiff_t panel) {
    constexpr int V = Lanes<T>::n;
    multiply<T>(rows, layer.n_in, layer.out_panels, below, panel, layer.W,
                (ptrdiff_t)layer.in_panels * V * V, layer.b, z, panel,
                [&](int j) { activate<T>(layer, j, rows, z, a, d, panel); });
}

// The same for the first layer on rows `from` ... `to` of a block of entries; z, a, d: the block's.
template <class T> static void entries_forward(const Layer<T>& layer, const Entries<T>& entries,
                                               ptrdiff_t from, ptrdiff_t to, T* z, T* a, T* d,
                                               ptrdiff_t panel) {
    constexpr int V = Lanes<T>::n;
    sparse_forward<T>(layer, entries, from, to, z, panel);
    for (int j = 0; j < layer.out_panels; j++)
        activate<T>(layer, j, to - from, z + from * V, a + from * V, d ? d + from * V : nullptr,
                    panel);
}

// B2a, D and B2b: delta = (delta_above W^T) * d, where d = phi'(z) and its dropout mask
template <class T> static void layer_backward(const Layer<T>& above, ptrdiff_t rows,
                                              const T* delta_above, const T* d, T* delta,
                                              ptrdiff_t panel) {
    constexpr int V = Lanes<T>::n;
    multiply<T>(rows, above.n_out, above.in_panels, delta_above, panel, above.WT,
                (ptrdiff_t)above.out_panels * V * V, (const T*)nullptr, delta, panel, [&](int j) {
                    T* g = delta + j * panel;
                    const T* dphi = d + j * panel;
                    for (ptrdiff_t i = 0; i < rows * V; i += V)
                        store(g + i, load(g + i) * load(dphi + i));
                });
}

}  // namespace BACKPASS_ISA
}  // namespace backpass
