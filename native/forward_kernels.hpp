// Rows that only go forward: F1 and F2, and C where they are judged. Rows are taken block by block by
// whichever thread is free; one row goes through the weights as they lie in the flat buffer, without
// packing them.
#pragma once

#include "layers.hpp"
#include "threads.hpp"

namespace backpass {
namespace BACKPASS_ISA {

// Panels of `rows` rows into rows of the output.
template <class T>
static void unpack_rows(const T* panels, ptrdiff_t panel, ptrdiff_t rows, int units, T* output) {
    constexpr int V = Lanes<T>::n;
    for (ptrdiff_t n = 0; n < rows; n++, output += units) {
        int k = 0;
        for (; k + V <= units; k += V)
            store_any(output + k, load(panels + (k / V) * panel + n * V));
        for (; k < units; k++) output[k] = panels[(k / V) * panel + n * V + k % V];
    }
}

// C of each row of a block, from z_L; a_L and dphi_L are in the buffers.
template <class T> static void judge(const Forward<T>& job, const ForwardBuffers<T>& buffers,
                                     const int64_t* rows, ptrdiff_t n, T* z, double* cost) {
    constexpr ptrdiff_t panel = FORWARD_ROWS * Lanes<T>::n;
    const Model<T>& model = job.model;
    const int units = model.layers[model.n_layers - 1].n_out;
    gather_targets<T>(job.data, model.smoothing, units, rows, n, buffers.y, panel);
    model.output_error({z, buffers.a, buffers.d, buffers.y, panel, n, units, job.factor, cost,
                        model.ceiling, model.loss_numbers, buffers.scratch});
    for (ptrdiff_t i = 0; i < n; i++) cost[i] *= job.data.weight(rows[i]);
}

template <class T> static void forward_block(const Forward<T>& job, int thread, int64_t start) {
    constexpr ptrdiff_t panel = FORWARD_ROWS * Lanes<T>::n;
    const ForwardBuffers<T>& buffers = job.buffers[thread];
    const Model<T>& model = job.model;
    const int L = model.n_layers, units = model.layers[L - 1].n_out;
    const int64_t left = job.n_rows - start;
    const ptrdiff_t n = left < FORWARD_ROWS ? left : FORWARD_ROWS;
    int64_t in_order[FORWARD_ROWS];
    for (ptrdiff_t i = 0; i < n; i++) in_order[i] = start + i;
    const int64_t* rows = job.rows ? job.rows + start : in_order;
    T *here = buffers.here, *there = buffers.there;
    if (job.data.sparse) gather_entries<T>(job.data.X, rows, 0, n, buffers.entries);
    else gather<T>(job.data.X, rows, n, here, panel);
    for (int l = 0; l < L; l++) {
        const bool judged = l == L - 1 && job.row_cost;  // a loss may want z beside a
        T *a = judged ? buffers.a : there, *d = judged ? buffers.d : nullptr;
        if (l == 0 && job.data.sparse)
            entries_forward<T>(model.layers[0], buffers.entries, 0, n, there, a, d, panel);
        else layer_forward<T>(model.layers[l], n, here, there, a, d, panel);
        T* swap = here;
        here = there, there = swap;
    }
    T* a = job.row_cost ? buffers.a : here;  // and here lies z
    if (model.softmax && job.outputs) softmax_rows<T>(here, a, panel, n, units, buffers.scratch);
    if (job.outputs) unpack_rows<T>(a, panel, n, units, job.outputs + start * units);
    if (job.row_cost) judge<T>(job, buffers, rows, n, here, job.row_cost + start);
}

template <class T> static void forward(Forward<T>* job, int thread) {
    const FlushToZero guard;
    for (;;) {
        const int64_t start =
            __atomic_fetch_add(&job->next, (int64_t)FORWARD_ROWS, __ATOMIC_RELAXED);
        if (start >= job->n_rows) return;
        forward_block<T>(*job, thread, start);
        if (thread == 0 && job->poll()) __atomic_store_n(&job->next, job->n_rows, __ATOMIC_RELAXED);
    }
}

// y[j] = b[j] + sum_k x[k] W[k][j] for `count` vectors from column j on
template <class T, int COUNT> static BACKPASS_INLINE void columns_of_row(const T* x, const T* W,
                                                                         int n_in, int n_out,
                                                                         const T* b, T* y) {
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
    for (; j + 4 * V <= n_out; j += 4 * V)
        columns_of_row<T, 4>(x, W + j, n_in, n_out, b + j, y + j);
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
