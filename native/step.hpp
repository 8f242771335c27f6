// A training step in two passes (note 4's two algorithms, as hardware likes them).
//
// Pass 1, over samples (F1, F2, D, C, B1, B2a, B2b): every thread takes a slice of the mini-batch
// through all layers and back. Pass 2, over parameters (B3, B4, U): every tile of a gradient is
// summed over the whole batch by the one thread that owns it, and goes straight into the update.
// Between them stand two barriers; no gradient is ever reduced over threads, so the results do not
// depend on how many there are.
#pragma once

#include "dropout.hpp"
#include "gather.hpp"
#include "losses.hpp"
#include "sparse.hpp"
#include "tiles.hpp"
#include "threads.hpp"
#include "updates.hpp"

namespace backpass {
namespace BACKPASS_ISA {

// What lies beyond the last unit of a layer is set to zero: phi(0) need not be.
template <class T>
static void clear_beyond(T* a, ptrdiff_t rows, int units) {
    constexpr int V = Lanes<T>::n;
    if (units % V == 0) return;
    const IVec<T> inside = units_of_panel<T>(units / V, units);
    for (ptrdiff_t n = 0; n < rows; n++)
        store(a + n * V, where<T>(inside, load(a + n * V), Vec<T>{}));
}

// F2 of one panel of a layer: a = phi(z), d = phi'(z) unless null.
template <class T>
static void activate(const Layer<T>& layer, int j, ptrdiff_t rows, const T* z, T* a, T* d,
                     ptrdiff_t panel) {
    const ptrdiff_t at = j * panel;
    if (!layer.activation) return;  // softmax: with the loss, by row
    layer.activation(z + at, a + at, d ? d + at : nullptr, rows, layer.numbers);
    if (j == layer.out_panels - 1) clear_beyond<T>(a + at, rows, layer.n_out);
}

// F1 and F2 of one layer: z = a W + b (kept in z), a = phi(z), d = phi'(z) unless null.
template <class T>
static void layer_forward(const Layer<T>& layer, ptrdiff_t rows, const T* below, T* z, T* a, T* d,
                          ptrdiff_t panel) {
    constexpr int V = Lanes<T>::n;
    multiply<T>(rows, layer.n_in, layer.out_panels, below, panel, layer.W,
                (ptrdiff_t)layer.in_panels * V * V, layer.b, z, panel,
                [&](int j) { activate<T>(layer, j, rows, z, a, d, panel); });
}

// The same for the first layer on rows `from` ... `to` of a block of entries; z, a, d: the block's.
template <class T>
static void entries_forward(const Layer<T>& layer, const Entries<T>& entries, ptrdiff_t from,
                            ptrdiff_t to, T* z, T* a, T* d, ptrdiff_t panel) {
    constexpr int V = Lanes<T>::n;
    sparse_forward<T>(layer, entries, from, to, z, panel);
    for (int j = 0; j < layer.out_panels; j++)
        activate<T>(layer, j, to - from, z + from * V, a + from * V, d ? d + from * V : nullptr,
                    panel);
}

// B2a and B2b: delta = (delta_above W^T) * phi'(z)
template <class T>
static void layer_backward(const Layer<T>& above, ptrdiff_t rows, const T* delta_above, const T* d,
                           T* delta, ptrdiff_t panel) {
    constexpr int V = Lanes<T>::n;
    multiply<T>(rows, above.n_out, above.in_panels, delta_above, panel, above.WT,
                (ptrdiff_t)above.out_panels * V * V, (const T*)nullptr, delta, panel, [&](int j) {
                    T* g = delta + j * panel;
                    const T* dphi = d + j * panel;
                    for (ptrdiff_t i = 0; i < rows * V; i += V) store(g + i, load(g + i) * load(dphi + i));
                });
}

template <class T> struct Trainer {
    static constexpr int V = Lanes<T>::n;
    Job<T>& job;
    const int thread;
    int64_t step;  // steps taken

    // --- pass 1 ------------------------------------------------------------------------------

    // Rows `from` ... `to` of the block whose rows begin `offset` rows into the mini-batch.
    void pass_1(const int64_t* rows, ptrdiff_t from, ptrdiff_t to, ptrdiff_t offset, double S) {
        const ptrdiff_t n = to - from, panel = job.panel_rows * V, at = from * V;
        if (n <= 0) return;
        const int L = job.n_layers;
        if (job.sparse) gather_entries<T>(job.X, rows, from, to, job.entries);
        else gather<T>(job.X, rows + from, n, job.A[0] + at, panel);
        for (int l = 1; l <= L; l++) {
            const Layer<T>& layer = job.layers[l - 1];
            if (l == 1 && job.sparse)
                entries_forward<T>(layer, job.entries, from, to, job.E[1], job.A[1], job.D[1],
                                   panel);
            else layer_forward<T>(layer, n, job.A[l - 1] + at, job.E[l] + at, job.A[l] + at,
                             job.D[l] + at, panel);
            if (l < L && job.dropout > 0)
                drop<T>(job.A[l] + at, job.D[l] + at, panel, offset + from, n, layer.n_out, l,
                        (uint64_t)step, job.seed, job.dropout);
        }
        output(rows, from, n, S);
        if (!job.backward) return;
        for (int l = L - 1; l >= 1; l--)
            layer_backward<T>(job.layers[l], n, job.E[l + 1] + at, job.D[l] + at, job.E[l] + at,
                              panel);
        if (job.row_norm) norms(rows - job.rows + from, from, n);
    }

    // C and B1
    void output(const int64_t* rows, ptrdiff_t from, ptrdiff_t n, double S) {
        const int L = job.n_layers;
        const Layer<T>& last = job.layers[L - 1];
        const ptrdiff_t panel = job.panel_rows * V, at = from * V;
        if (job.labels)
            gather_labels<T>(job.labels, job.smoothing, last.n_out, rows + from, n, job.Yb + at,
                             panel);
        else
            gather<T>(job.Y, rows + from, n, job.Yb + at, panel);
        T* factor = job.factor + from;
        for (ptrdiff_t i = 0; i < n; i++)
            factor[i] = (T)((job.weights ? (double)job.weights[rows[from + i]] : 1.0) / S);
        double* cost = job.row_cost + from;
        job.output_error({job.E[L] + at, job.A[L] + at, job.D[L] + at, job.Yb + at, panel, n,
                          last.n_out, factor, cost, job.ceiling, job.loss_numbers,
                          job.scratch + thread * job.scratch_size});
        bool finite = true;
        for (ptrdiff_t i = 0; i < n; i++) {
            cost[i] *= job.weights ? (double)job.weights[rows[from + i]] : 1.0;
            finite &= cost[i] - cost[i] == 0;
        }
        if (!finite && job.apply_update)  // an evaluation says what it found
            __atomic_store_n(&job.stop, (int)NOT_FINITE, __ATOMIC_RELAXED);
    }

    // ||g_n||^2 = sum_l (||a_{l-1}||^2 + 1) ||delta_l||^2, with delta before its factor s_n
    void norms(ptrdiff_t row, ptrdiff_t from, ptrdiff_t n) {
        const ptrdiff_t panel = job.panel_rows * V;
        for (ptrdiff_t i = 0; i < n; i++) {
            double total = 0;
            for (int l = 1; l <= job.n_layers; l++) {
                const Layer<T>& layer = job.layers[l - 1];
                const ptrdiff_t at = (from + i) * V;
                const double below = l == 1 && job.sparse
                                         ? entry_squares(from + i)
                                         : squares(job.A[l - 1] + at, panel, layer.in_panels);
                total += (below + 1) * squares(job.E[l] + at, panel, layer.out_panels);
            }
            const double factor = (double)job.factor[from + i];
            job.row_norm[row + i] = factor != 0 ? total / (factor * factor) : 0;
        }
    }

    double entry_squares(ptrdiff_t n) const {
        double sum = 0;
        for (int64_t e = job.entries.start[n]; e < job.entries.stop[n]; e++)
            sum += (double)job.entries.value[e] * (double)job.entries.value[e];
        return sum;
    }

    static double squares(const T* x, ptrdiff_t stride, ptrdiff_t vectors) {
        Vec<T> sum = {};
        for (ptrdiff_t i = 0; i < vectors; i++) sum += load(x + i * stride) * load(x + i * stride);
        return (double)sum_of_lanes<T>(sum);
    }

    // --- pass 2 ------------------------------------------------------------------------------

    T* at_tile(T* panels, const Layer<T>& layer, const Tile& tile, int c) const {
        return panels + (((ptrdiff_t)tile.out_panel + c) * layer.in_panels + tile.in_panel) * V * V;
    }

    // The parameters and the state of a tile, brought near while its gradient is summed.
    void fetch(const Tile& tile) const {
        const Layer<T>& layer = job.layers[tile.layer - 1];
        for (int c = 0; c < tile.width; c++)
            for (T* panels : {layer.W, layer.W_state[0], layer.W_state[1]}) {
                if (!panels) continue;
                const char* at = (const char*)at_tile(panels, layer, tile, c);
                for (ptrdiff_t i = 0; i < (ptrdiff_t)sizeof(T) * V * V; i += LINE)
                    __builtin_prefetch(at + i, 1, 3);
            }
    }

    // B3 of one tile, into G; `first`: G begins at zero
    void weight_gradient(const Tile& tile, ptrdiff_t rows, T* G, ptrdiff_t g_panel, bool first) {
        const ptrdiff_t panel = job.panel_rows * V;
        const T* delta = job.E[tile.layer] + tile.out_panel * panel;
        if (tile.layer == 1 && job.sparse) {
            int64_t* cursor = job.cursors + thread * job.panel_rows;
            if (&tile - job.tiles == job.tile_ranges[thread] || tile.in_panel == 0)
                seek<T>(job.entries, cursor, rows, tile.in_panel * V);
            return sparse_gradient_tile<T>(job.entries, cursor, rows, tile.in_panel, tile.width,
                                           delta, panel, G, g_panel, first);
        }
        const T* a = job.A[tile.layer - 1] + tile.in_panel * panel;
        if (tile.width == 3) gradient_tile<T, 3>(rows, a, delta, panel, G, g_panel, first);
        else if (tile.width == 2) gradient_tile<T, 2>(rows, a, delta, panel, G, g_panel, first);
        else gradient_tile<T, 1>(rows, a, delta, panel, G, g_panel, first);
    }

    // B4 of one panel
    void bias_gradient(const Tile& tile, int c, ptrdiff_t rows, T* g, bool first) {
        const T* delta = job.E[tile.layer] + (tile.out_panel + c) * job.panel_rows * V;
        Vec<T> sum = first ? Vec<T>{} : load(g);
        for (ptrdiff_t n = 0; n < rows; n++) sum += load(delta + n * V);
        store(g, sum);
    }

    // U of one panel of a tile, and the transposed copy of its weights
    void update_weights(const Tile& tile, int c, const T* g, const UpdateNumbers<T>& u) {
        const Layer<T>& layer = job.layers[tile.layer - 1];
        T* W = at_tile(layer.W, layer, tile, c);
        T* m = layer.W_state[0] ? at_tile(layer.W_state[0], layer, tile, c) : nullptr;
        T* v = layer.W_state[1] ? at_tile(layer.W_state[1], layer, tile, c) : nullptr;
        job.update(W, g, m, v, V, u);
        if (layer.WT)
            transpose_block<T>(W, layer.WT + ((ptrdiff_t)tile.in_panel * layer.out_panels +
                                              tile.out_panel + c) * V * V);
    }

    void update_biases(const Tile& tile, int c, const T* g, const UpdateNumbers<T>& weights) {
        const Layer<T>& layer = job.layers[tile.layer - 1];
        const ptrdiff_t at = ((ptrdiff_t)tile.out_panel + c) * V;
        UpdateNumbers<T> u = weights;
        u.penalty = u.decay = 0;
        job.update(layer.b + at, g, layer.b_state[0] ? layer.b_state[0] + at : nullptr,
                   layer.b_state[1] ? layer.b_state[1] + at : nullptr, 1, u);
    }

    // What a tile adds to the L2 penalty of C, of the weights before their update.
    void sum_squares(int i, T penalty) {
        const Tile& tile = job.tiles[i];
        const Layer<T>& layer = job.layers[tile.layer - 1];
        double total = 0;
        for (int c = 0; c < tile.width && penalty != 0; c++)
            total += squares(at_tile(layer.W, layer, tile, c), V, V);
        job.tile_squares[i] = total;
    }

    // The common case: gradients stay in the first-level cache between B3 and U.
    void pass_2(ptrdiff_t rows, const UpdateNumbers<T>& u) {
        T G[GRADIENT_WIDTH * V * V] __attribute__((aligned(BACKPASS_BYTES)));
        for (int i = job.tile_ranges[thread]; i < job.tile_ranges[thread + 1]; i++) {
            const Tile& tile = job.tiles[i];
            sum_squares(i, u.penalty);
            if (job.prefetch) fetch(tile);
            weight_gradient(tile, rows, G, V * V, true);
            for (int c = 0; c < tile.width; c++) update_weights(tile, c, G + c * V * V, u);
            if (tile.in_panel == 0)
                for (int c = 0; c < tile.width; c++) {
                    bias_gradient(tile, c, rows, G, true);
                    update_biases(tile, c, G, u);
                }
        }
    }

    // Gradients that are kept: for batches of several blocks, clipping, and callers who want them.
    void pass_2_kept(ptrdiff_t rows, bool first) {
        for (int i = job.tile_ranges[thread]; i < job.tile_ranges[thread + 1]; i++) {
            const Tile& tile = job.tiles[i];
            const Layer<T>& layer = job.layers[tile.layer - 1];
            weight_gradient(tile, rows, at_tile(layer.G, layer, tile, 0),
                            (ptrdiff_t)layer.in_panels * V * V, first);
            if (tile.in_panel == 0)
                for (int c = 0; c < tile.width; c++)
                    bias_gradient(tile, c, rows, layer.gb + ((ptrdiff_t)tile.out_panel + c) * V,
                                  first);
        }
    }

    // The L2 term of B3 added to the kept gradients, and the squares of what a tile then holds.
    void finish_kept(T penalty) {
        for (int i = job.tile_ranges[thread]; i < job.tile_ranges[thread + 1]; i++) {
            const Tile& tile = job.tiles[i];
            const Layer<T>& layer = job.layers[tile.layer - 1];
            double gradients = 0;
            sum_squares(i, penalty);
            for (int c = 0; c < tile.width; c++) {
                T *g = at_tile(layer.G, layer, tile, c), *W = at_tile(layer.W, layer, tile, c);
                for (int r = 0; r < V * V; r += V)
                    store(g + r, load(g + r) + all(penalty) * load(W + r));
                gradients += squares(g, V, V);
                if (tile.in_panel == 0)
                    gradients += squares(layer.gb + ((ptrdiff_t)tile.out_panel + c) * V, V, 1);
            }
            job.tile_norms[i] = gradients;
        }
    }

    // The kept gradients divided by their largest number, where their squares leave the range of T;
    // returns that number. Every thread looks at all of them, before any divides its own.
    double divide_kept() {
        T largest = 0;
        for (int i = 0; i < job.tile_ranges[job.n_threads]; i++)
            each_kept(job.tiles[i], [&](T* g, ptrdiff_t size) {
                for (ptrdiff_t k = 0; k < size; k++) {
                    const T x = g[k] < 0 ? -g[k] : g[k];
                    if (x > largest) largest = x;
                }
            });
        wait(job.barrier);
        for (int i = job.tile_ranges[thread]; i < job.tile_ranges[thread + 1]; i++) {
            job.tile_norms[i] = 0;
            each_kept(job.tiles[i], [&](T* g, ptrdiff_t size) {
                for (ptrdiff_t k = 0; k < size; k += V) store(g + k, load(g + k) / all(largest));
                job.tile_norms[i] += squares(g, V, size / V);
            });
        }
        wait(job.barrier);
        return (double)largest;
    }

    // f(gradients, how many) of the weights of a tile, and of its biases where it has them
    template <class F> void each_kept(const Tile& tile, F&& f) const {
        const Layer<T>& layer = job.layers[tile.layer - 1];
        for (int c = 0; c < tile.width; c++) {
            f(at_tile(layer.G, layer, tile, c), V * V);
            if (tile.in_panel == 0) f(layer.gb + ((ptrdiff_t)tile.out_panel + c) * V, V);
        }
    }

    void update_kept(UpdateNumbers<T> u) {
        u.penalty = 0;  // it is in the kept gradients
        const int tiles = job.tile_ranges[job.n_threads];
        double norm = __builtin_sqrt(sum(job.tile_norms, tiles)), unit = 1;
        if (job.clip_norm > 0 && norm - norm != 0) {
            unit = divide_kept();
            norm = __builtin_sqrt(sum(job.tile_norms, tiles));
            u.scale = (T)unit;
        }
        if (job.clip_norm > 0 && norm > job.clip_norm / unit)
            u.scale = (T)(job.clip_norm / norm);
        for (int i = job.tile_ranges[thread]; i < job.tile_ranges[thread + 1]; i++) {
            const Tile& tile = job.tiles[i];
            const Layer<T>& layer = job.layers[tile.layer - 1];
            for (int c = 0; c < tile.width; c++) {
                update_weights(tile, c, at_tile(layer.G, layer, tile, c), u);
                if (tile.in_panel == 0)
                    update_biases(tile, c, layer.gb + ((ptrdiff_t)tile.out_panel + c) * V, u);
            }
        }
    }

    static double sum(const double* x, ptrdiff_t n) {  // in index order: the same in every thread
        double total = 0;
        for (ptrdiff_t i = 0; i < n; i++) total += x[i];
        return total;
    }

    // --- a step ------------------------------------------------------------------------------

    int stop() const { return __atomic_load_n(&job.stop, __ATOMIC_RELAXED); }

    double weight_sum(const int64_t* rows, int64_t n) const {
        if (!job.weights) return (double)n;
        double S = 0;
        for (int64_t i = 0; i < n; i++) S += (double)job.weights[rows[i]];
        return S;
    }

    // One mini-batch; false after a loss that is not finite.
    bool batch(const int64_t* rows, int64_t n, double rate, double* costs) {
        const double S = weight_sum(rows, n);
        if (S == 0 && job.apply_update) {  // no mean: it costs nothing and changes nothing
            if (thread == 0) costs[0] = costs[1] = 0;
            return true;
        }
        UpdateNumbers<T> u = {};
        if (job.apply_update) job.step_numbers(&u, job.hyper, step + 1, rate);
        u.scale = 1;
        u.penalty = job.decoupled ? 0 : (T)(job.alpha / S);
        u.decay = job.decoupled ? (T)(rate * job.alpha) : 0;
        const bool kept = job.keep_gradient || n > job.block_rows;
        const double unit = job.row_norm ? job.norm_unit : S;
        double cost = 0;
        for (int64_t start = 0; start < n; start += job.block_rows) {
            const int64_t size = n - start < job.block_rows ? n - start : job.block_rows;
            const int64_t from = size * thread / job.n_threads;
            const int64_t to = size * (thread + 1) / job.n_threads;
            pass_1(rows + start, from, to, start, unit);
            wait(job.barrier);
            if (thread == 0) cost += sum(job.row_cost, size);
            if (stop() != GO_ON) {
                if (thread == 0) costs[0] = cost / S, costs[1] = 0;
                return false;
            }
            if (!job.gradients) {}
            else if (kept) pass_2_kept(size, start == 0);
            else pass_2(size, u);
            wait(job.barrier);
            // the others look at this once they have met thread 0 again
            if (thread == 0 && job.poll()) __atomic_store_n(&job.stop, (int)STOPPED, __ATOMIC_RELAXED);
        }
        if (!job.gradients) {
            for (int i = job.tile_ranges[thread]; i < job.tile_ranges[thread + 1]; i++)
                sum_squares(i, u.penalty);
            wait(job.barrier);
        } else if (kept) {
            finish_kept(u.penalty);
            wait(job.barrier);
            if (job.apply_update) {
                update_kept(u);
                if (thread == 0) costs[1] = penalty(S);
                wait(job.barrier);
            }
        }
        if (thread == 0) {
            costs[0] = cost / S;
            if (!kept || !job.apply_update) costs[1] = penalty(S);
        }
        step++;
        return true;
    }

    double penalty(double S) const {
        if (job.decoupled || job.alpha == 0) return 0;
        return job.alpha * sum(job.tile_squares, job.tile_ranges[job.n_threads]) / (2 * S);
    }

    void run() {
        const FlushToZero guard;
        int64_t b = 0;
        for (int64_t start = 0; start < job.n_rows; start += job.batch_size, b++) {
            const int64_t left = job.n_rows - start;
            const bool go_on = batch(job.rows + start, left < job.batch_size ? left : job.batch_size,
                                     job.rates ? job.rates[b] : 0, job.costs + 2 * b);
            if (thread == 0) job.done = !go_on && stop() == STOPPED ? b : b + 1;
            if (!go_on) break;
        }
        if (thread == 0 && step != job.steps) job.steps = step;  // others have read it: barriers
    }
};

template <class T> static void train(Job<T>* job, int thread) {
    Trainer<T>{*job, thread, job->steps}.run();
}

}  // namespace BACKPASS_ISA
}  // namespace backpass
