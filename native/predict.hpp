// Prediction: F1 and F2 only. Rows are taken block by block by whichever thread is free; one row
// goes through the weights as they lie in the flat buffer, without packing them.
#pragma once

#include "step.hpp"

namespace backpass {
namespace BACKPASS_ISA {

// Panels of `rows` rows into rows of the output.
template <class T>
static void unpack_rows(const T* panels, ptrdiff_t panel, ptrdiff_t rows, int units, T* output) {
    constexpr int V = Lanes<T>::n;
    for (ptrdiff_t n = 0; n < rows; n++, output += units) {
        int k = 0;
        for (; k + V <= units; k += V) store_any(output + k, load(panels + (k / V) * panel + n * V));
        for (; k < units; k++) output[k] = panels[(k / V) * panel + n * V + k % V];
    }
}

template <class T> static void predict(Prediction<T>* job, int thread) {
    const FlushToZero guard;
    T *here = job->buffers[2 * thread], *there = job->buffers[2 * thread + 1];
    const ptrdiff_t panel = job->block_rows * Lanes<T>::n;
    for (;;) {
        const int64_t start = __atomic_fetch_add(&job->next, job->block_rows, __ATOMIC_RELAXED);
        if (start >= job->n_rows) return;
        const int64_t left = job->n_rows - start;
        const ptrdiff_t rows = left < job->block_rows ? left : job->block_rows;
        if (job->entries) gather_entry_range<T>(job->X, start, rows, job->entries[thread]);
        else gather_range<T>(job->X, start, rows, here, panel);
        for (int l = 0; l < job->n_layers; l++) {
            if (l == 0 && job->entries)
                entries_forward<T>(job->layers[0], job->entries[thread], 0, rows, there, there,
                                   (T*)nullptr, panel);
            else layer_forward<T>(job->layers[l], rows, here, there, there, (T*)nullptr, panel);
            T* swap = here;
            here = there, there = swap;
        }
        const int k = job->layers[job->n_layers - 1].n_out;
        if (job->softmax) softmax_rows<T>(here, here, panel, rows, k,
                                          job->scratch + thread * job->scratch_size);
        unpack_rows<T>(here, panel, rows, k, job->output + start * k);
        if (thread == 0 && job->poll())
            __atomic_store_n(&job->next, job->n_rows, __ATOMIC_RELAXED);
    }
}

// y[j] = b[j] + sum_k x[k] W[k][j] for `count` vectors from column j on
template <class T, int COUNT>
static BACKPASS_INLINE void columns_of_row(const T* x, const T* W, int n_in, int n_out, const T* b,
                                           T* y) {
    constexpr int V = Lanes<T>::n;
    Vec<T> sum[COUNT];
    for (int c = 0; c < COUNT; c++) sum[c] = load_any(b + c * V);
    for (int k = 0; k < n_in; k++, W += n_out)
        for (int c = 0; c < COUNT; c++) sum[c] += all(x[k]) * load_any(W + c * V);
    for (int c = 0; c < COUNT; c++) store_any(y + c * V, sum[c]);
}

template <class T>
static void row_forward(const T* x, const T* W, const T* b, int n_in, int n_out, T* y) {
    constexpr int V = Lanes<T>::n;
    int j = 0;
    for (; j + 4 * V <= n_out; j += 4 * V) columns_of_row<T, 4>(x, W + j, n_in, n_out, b + j, y + j);
    for (; j + V <= n_out; j += V) columns_of_row<T, 1>(x, W + j, n_in, n_out, b + j, y + j);
    if (j < n_out && n_out >= V) {  // the last columns, with some of those before once more
        j = n_out - V;
        columns_of_row<T, 1>(x, W + j, n_in, n_out, b + j, y + j);
    } else if (j < n_out) {
        for (int c = j; c < n_out; c++) y[c] = b[c];
        for (int k = 0; k < n_in; k++)
            for (int c = j; c < n_out; c++) y[c] += x[k] * W[(ptrdiff_t)k * n_out + c];
    }
}

template <class T> static void predict_one(const OneRow<T>* net, const T* x, T* y) {
    constexpr int V = Lanes<T>::n;
    const FlushToZero guard;
    const T* flat = net->flat;
    const int L = net->n_layers;
    for (int l = 0; l < L; l++) {
        const int n_in = net->sizes[l], n_out = net->sizes[l + 1], vectors = (n_out + V - 1) / V;
        T* z = net->layers[l % 2];
        row_forward<T>(x, flat, flat + (ptrdiff_t)n_in * n_out, n_in, n_out, z);
        flat += (ptrdiff_t)n_in * n_out + n_out;
        if (net->activations[l]) net->activations[l](z, z, nullptr, vectors, net->numbers[l]);
        else softmax_rows<T>(z, z, V, 1, n_out, net->scratch);
        x = z;
    }
    std::memcpy(y, x, sizeof(T) * net->sizes[L]);
}

}  // namespace BACKPASS_ISA
}  // namespace backpass
