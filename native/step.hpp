// A training step in two passes (note 4's two algorithms, as hardware likes them).
//
// Pass 1, over samples (F1, F2, D, C, B1, B2a, B2b): every thread takes a slice of the mini-batch
// through all layers and back. Pass 2, over parameters (B3, B4, U): every tile of a gradient is
// summed over the whole batch by the one thread that owns it, and goes straight into the update.
// Between them stand two barriers; no gradient is ever reduced over threads, so the results do not
// depend on how many there are.
#pragma once

#include "dropout.hpp"
#include "layers.hpp"
#include "threads.hpp"
#include "updates.hpp"

namespace backpass {
namespace BACKPASS_ISA {

template <class T> struct Trainer {
    static constexpr int V = Lanes<T>::n;
    Job<T>& job;
    const int thread;
    int64_t step;  // steps taken
    const Model<T>& model = job.model;
    const Learning<T>& learning = job.learning;
    const Rows<T>& data = job.data;
    const Batches& batches = job.batches;
    const Passes& passes = job.passes;
    const Workspace<T>& work = job.work;
    const Shares& shares = job.shares;

    // --- pass 1 ------------------------------------------------------------------------------

    // Rows `from` ... `to` of the block whose rows begin `offset` rows into the mini-batch.
    void pass_1(const int64_t* rows, ptrdiff_t from, ptrdiff_t to, ptrdiff_t offset, double S) {
        const ptrdiff_t n = to - from, panel = work.panel_rows * V, at = from * V;
        if (n <= 0) return;
        const int L = model.n_layers;
        if (data.sparse) gather_entries<T>(data.X, rows, from, to, work.entries);
        else gather<T>(data.X, rows + from, n, work.A[0] + at, panel);
        for (int l = 1; l <= L; l++) {
            const Layer<T>& layer = model.layers[l - 1];
            if (l == 1 && data.sparse)
                entries_forward<T>(layer, work.entries, from, to, work.E[1], work.A[1], work.D[1],
                                   panel);
            else
                layer_forward<T>(layer, n, work.A[l - 1] + at, work.E[l] + at, work.A[l] + at,
                                 work.D[l] + at, panel);
            if (l < L && learning.dropout > 0)
                drop<T>(work.A[l] + at, work.D[l] + at, panel, offset + from, n, layer.n_out, l,
                        (uint64_t)step, learning.seed, learning.dropout);
        }
        output(rows, from, n, S);
        if (!passes.backward) return;
        for (int l = L - 1; l >= 1; l--)
            layer_backward<T>(model.layers[l], n, work.E[l + 1] + at, work.D[l] + at,
                              work.E[l] + at, panel);
        if (passes.row_norm) norms(rows - batches.rows + from, from, n);
    }

    // C and B1
    void output(const int64_t* rows, ptrdiff_t from, ptrdiff_t n, double S) {
        const int L = model.n_layers;
        const Layer<T>& last = model.layers[L - 1];
        const ptrdiff_t panel = work.panel_rows * V, at = from * V;
        gather_targets<T>(data, model.smoothing, last.n_out, rows + from, n, work.Yb + at, panel);
        T* factor = work.factor + from;
        for (ptrdiff_t i = 0; i < n; i++) factor[i] = (T)(data.weight(rows[from + i]) / S);
        double* cost = work.row_cost + from;
        model.output_error({work.E[L] + at, work.A[L] + at, work.D[L] + at, work.Yb + at, panel, n,
                            last.n_out, factor, cost, model.ceiling, model.loss_numbers,
                            work.scratch + thread * work.scratch_size});
        bool finite = true;
        for (ptrdiff_t i = 0; i < n; i++) {
            cost[i] *= data.weight(rows[from + i]);
            finite &= cost[i] - cost[i] == 0;
        }
        if (!finite && passes.apply_update)  // an evaluation says what it found
            __atomic_store_n(&job.result.stop, (int)NOT_FINITE, __ATOMIC_RELAXED);
    }

    // ||g_n||^2 = sum_l (||a_{l-1}||^2 + 1) ||delta_l||^2, with delta before its factor s_n
    void norms(ptrdiff_t row, ptrdiff_t from, ptrdiff_t n) {
        const ptrdiff_t panel = work.panel_rows * V;
        for (ptrdiff_t i = 0; i < n; i++) {
            double total = 0;
            for (int l = 1; l <= model.n_layers; l++) {
                const Layer<T>& layer = model.layers[l - 1];
                const ptrdiff_t at = (from + i) * V;
                const double below = l == 1 && data.sparse
                                         ? entry_squares(from + i)
                                         : squares(work.A[l - 1] + at, panel, layer.in_panels);
                total += (below + 1) * squares(work.E[l] + at, panel, layer.out_panels);
            }
            const double factor = (double)work.factor[from + i];
            passes.row_norm[row + i] = factor != 0 ? total / (factor * factor) : 0;
        }
    }

    double entry_squares(ptrdiff_t n) const {
        double sum = 0;
        for (int64_t e = work.entries.start[n]; e < work.entries.stop[n]; e++)
            sum += (double)work.entries.value[e] * (double)work.entries.value[e];
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
        const Layer<T>& layer = model.layers[tile.layer - 1];
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
        const ptrdiff_t panel = work.panel_rows * V;
        const T* delta = work.E[tile.layer] + tile.out_panel * panel;
        if (tile.layer == 1 && data.sparse) {
            int64_t* cursor = work.cursors + thread * work.panel_rows;
            if (&tile - shares.tiles == shares.tile_ranges[thread] || tile.in_panel == 0)
                seek<T>(work.entries, cursor, rows, tile.in_panel * V);
            return sparse_gradient_tile<T>(work.entries, cursor, rows, tile.in_panel, tile.width,
                                           delta, panel, G, g_panel, first);
        }
        const T* a = work.A[tile.layer - 1] + tile.in_panel * panel;
        if (tile.width == 3) gradient_tile<T, 3>(rows, a, delta, panel, G, g_panel, first);
        else if (tile.width == 2) gradient_tile<T, 2>(rows, a, delta, panel, G, g_panel, first);
        else gradient_tile<T, 1>(rows, a, delta, panel, G, g_panel, first);
    }

    // B4 of one panel
    void bias_gradient(const Tile& tile, int c, ptrdiff_t rows, T* g, bool first) {
        const T* delta = work.E[tile.layer] + (tile.out_panel + c) * work.panel_rows * V;
        Vec<T> sum = first ? Vec<T>{} : load(g);
        for (ptrdiff_t n = 0; n < rows; n++) sum += load(delta + n * V);
        store(g, sum);
    }

    // U of one panel of a tile, and the transposed copy of its weights
    void update_weights(const Tile& tile, int c, const T* g, const UpdateNumbers<T>& u) {
        const Layer<T>& layer = model.layers[tile.layer - 1];
        T* W = at_tile(layer.W, layer, tile, c);
        T* m = layer.W_state[0] ? at_tile(layer.W_state[0], layer, tile, c) : nullptr;
        T* v = layer.W_state[1] ? at_tile(layer.W_state[1], layer, tile, c) : nullptr;
        learning.update(W, g, m, v, V, u);
        if (layer.WT)
            transpose_block<T>(
                W, layer.WT +
                       ((ptrdiff_t)tile.in_panel * layer.out_panels + tile.out_panel + c) * V * V);
    }

    void update_biases(const Tile& tile, int c, const T* g, const UpdateNumbers<T>& weights) {
        const Layer<T>& layer = model.layers[tile.layer - 1];
        const ptrdiff_t at = ((ptrdiff_t)tile.out_panel + c) * V;
        UpdateNumbers<T> u = weights;
        u.penalty = u.decay = 0;
        learning.update(layer.b + at, g, layer.b_state[0] ? layer.b_state[0] + at : nullptr,
                        layer.b_state[1] ? layer.b_state[1] + at : nullptr, 1, u);
    }

    // What a tile adds to the L2 penalty of C, of the weights before their update.
    void sum_squares(int i, T penalty) {
        const Tile& tile = shares.tiles[i];
        const Layer<T>& layer = model.layers[tile.layer - 1];
        double total = 0;
        for (int c = 0; c < tile.width && penalty != 0; c++)
            total += squares(at_tile(layer.W, layer, tile, c), V, V);
        shares.tile_squares[i] = total;
    }

    // The common case: gradients stay in the first-level cache between B3 and U.
    void pass_2(ptrdiff_t rows, const UpdateNumbers<T>& u) {
        T G[GRADIENT_WIDTH * V * V] __attribute__((aligned(BACKPASS_BYTES)));
        for (int i = shares.tile_ranges[thread]; i < shares.tile_ranges[thread + 1]; i++) {
            const Tile& tile = shares.tiles[i];
            sum_squares(i, u.penalty);
            if (work.prefetch) fetch(tile);
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
        for (int i = shares.tile_ranges[thread]; i < shares.tile_ranges[thread + 1]; i++) {
            const Tile& tile = shares.tiles[i];
            const Layer<T>& layer = model.layers[tile.layer - 1];
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
        for (int i = shares.tile_ranges[thread]; i < shares.tile_ranges[thread + 1]; i++) {
            const Tile& tile = shares.tiles[i];
            const Layer<T>& layer = model.layers[tile.layer - 1];
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
            shares.tile_norms[i] = gradients;
        }
    }

    // The kept gradients divided by their largest number, where their squares leave the range of T;
    // returns that number. Every thread looks at all of them, before any divides its own.
    double divide_kept() {
        T largest = 0;
        for (int i = 0; i < shares.tile_ranges[shares.n_threads]; i++)
            each_kept(shares.tiles[i], [&](T* g, ptrdiff_t size) {
                for (ptrdiff_t k = 0; k < size; k++) {
                    const T x = g[k] < 0 ? -g[k] : g[k];
                    if (x > largest) largest = x;
                }
            });
        wait(job.barrier);
        for (int i = shares.tile_ranges[thread]; i < shares.tile_ranges[thread + 1]; i++) {
            shares.tile_norms[i] = 0;
            each_kept(shares.tiles[i], [&](T* g, ptrdiff_t size) {
                for (ptrdiff_t k = 0; k < size; k += V) store(g + k, load(g + k) / all(largest));
                shares.tile_norms[i] += squares(g, V, size / V);
            });
        }
        wait(job.barrier);
        return (double)largest;
    }

    // f(gradients, how many) of the weights of a tile, and of its biases where it has them
    template <class F> void each_kept(const Tile& tile, F&& f) const {
        const Layer<T>& layer = model.layers[tile.layer - 1];
        for (int c = 0; c < tile.width; c++) {
            f(at_tile(layer.G, layer, tile, c), V * V);
            if (tile.in_panel == 0) f(layer.gb + ((ptrdiff_t)tile.out_panel + c) * V, V);
        }
    }

    void update_kept(UpdateNumbers<T> u) {
        u.penalty = 0;  // it is in the kept gradients
        const int tiles = shares.tile_ranges[shares.n_threads];
        double norm = __builtin_sqrt(sum(shares.tile_norms, tiles)), unit = 1;
        if (learning.clip_norm > 0 && norm - norm != 0) {
            unit = divide_kept();
            norm = __builtin_sqrt(sum(shares.tile_norms, tiles));
            u.scale = (T)unit;
        }
        if (learning.clip_norm > 0 && norm > learning.clip_norm / unit)
            u.scale = (T)(learning.clip_norm / norm);
        for (int i = shares.tile_ranges[thread]; i < shares.tile_ranges[thread + 1]; i++) {
            const Tile& tile = shares.tiles[i];
            const Layer<T>& layer = model.layers[tile.layer - 1];
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

    int stop() const { return __atomic_load_n(&job.result.stop, __ATOMIC_RELAXED); }

    double weight_sum(const int64_t* rows, int64_t n) const {
        if (!data.weights) return (double)n;
        double S = 0;
        for (int64_t i = 0; i < n; i++) S += data.weight(rows[i]);
        return S;
    }

    // One mini-batch; false after a loss that is not finite.
    bool batch(const int64_t* rows, int64_t n, double rate, double* costs) {
        const double S = passes.mass > 0 ? passes.mass : weight_sum(rows, n);
        if (S == 0 && passes.apply_update) {  // no mean: it costs nothing and changes nothing
            if (thread == 0) costs[0] = costs[1] = 0;
            return true;
        }
        UpdateNumbers<T> u = {};
        if (passes.apply_update) learning.step_numbers(&u, learning.hyper, step + 1, rate);
        u.scale = 1;
        u.penalty = learning.decoupled ? 0 : (T)(learning.alpha / S);
        u.decay = learning.decoupled ? (T)(rate * learning.alpha) : 0;
        const bool kept = passes.keep_gradient || n > batches.block_rows;
        const double unit = passes.row_norm ? passes.norm_unit : S;
        double cost = 0;
        for (int64_t start = 0; start < n; start += batches.block_rows) {
            const int64_t size = n - start < batches.block_rows ? n - start : batches.block_rows;
            const int64_t from = size * thread / shares.n_threads;
            const int64_t to = size * (thread + 1) / shares.n_threads;
            pass_1(rows + start, from, to, passes.offset + start, unit);
            wait(job.barrier);
            if (thread == 0) cost += sum(work.row_cost, size);
            if (stop() != GO_ON) {
                if (thread == 0) costs[0] = cost / S, costs[1] = 0;
                return false;
            }
            if (!passes.gradients) {
            } else if (kept) pass_2_kept(size, start == 0);
            else pass_2(size, u);
            wait(job.barrier);
            // the others look at this once they have met thread 0 again
            if (thread == 0 && job.poll())
                __atomic_store_n(&job.result.stop, (int)STOPPED, __ATOMIC_RELAXED);
        }
        if (!passes.gradients) {
            for (int i = shares.tile_ranges[thread]; i < shares.tile_ranges[thread + 1]; i++)
                sum_squares(i, u.penalty);
            wait(job.barrier);
        } else if (kept) {
            finish_kept(u.penalty);
            wait(job.barrier);
            if (passes.apply_update) {
                update_kept(u);
                if (thread == 0) costs[1] = penalty(S);
                wait(job.barrier);
            }
        }
        if (thread == 0) {
            costs[0] = cost / S;
            if (!kept || !passes.apply_update) costs[1] = penalty(S);
        }
        step++;
        return true;
    }

    double penalty(double S) const {
        if (learning.decoupled || learning.alpha == 0) return 0;
        return learning.alpha * sum(shares.tile_squares, shares.tile_ranges[shares.n_threads]) /
               (2 * S);
    }

    void run() {
        const FlushToZero guard;
        int64_t b = 0;
        if (passes.given) batch(nullptr, 0, batches.rates[0], job.result.costs);
        for (int64_t start = 0; start < batches.n_rows; start += batches.batch_size, b++) {
            const int64_t left = batches.n_rows - start;
            const bool go_on =
                batch(batches.rows + start, left < batches.batch_size ? left : batches.batch_size,
                      batches.rates ? batches.rates[b] : 0, job.result.costs + 2 * b);
            if (thread == 0) job.result.done = !go_on && stop() == STOPPED ? b : b + 1;
            if (!go_on) break;
        }
        if (thread == 0 && step != job.steps) job.steps = step;  // others have read it: barriers
    }
};

template <class T> static void train(Job<T>* job, int thread) {
    Trainer<T>{*job, thread, job->steps}.run();
}

// What the L2 term of C is made of, without a step.
template <class T> static void tile_squares(const Job<T>* job, int thread) {
    const FlushToZero guard;
    Trainer<T> trainer{*const_cast<Job<T>*>(job), thread, job->steps};
    for (int i = job->shares.tile_ranges[thread]; i < job->shares.tile_ranges[thread + 1]; i++)
        trainer.sum_squares(i, (T)1);
}

}  // namespace BACKPASS_ISA
}  // namespace backpass
