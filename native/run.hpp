// A training run: it owns the packed parameters, the optimiser's state and the buffers of a step.
#pragma once

#include <algorithm>
#include <cmath>
#include <limits>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "memory.hpp"
#include "pool.hpp"

namespace backpass {

using Spec = std::pair<std::string, std::vector<double>>;  // a record's name and numbers

// What the bindings are told; see engines/native.py.
struct Settings {
    std::vector<int> sizes;
    std::vector<Spec> activations;
    Spec loss, optimizer;
    int64_t batch_size = 1;
    int n_threads = 1;
    double alpha = 0, dropout = 0, clip_norm = 0, smoothing = 0;
    double ceiling = std::numeric_limits<double>::infinity();
    uint64_t seed = 0;
    bool decoupled = false;
};

template <class To> void copy_numbers(const std::vector<double>& from, To* to, size_t size) {
    for (size_t i = 0; i < size; i++) to[i] = i < from.size() ? (To)from[i] : 0;
}

// Elements of V rows of the output layer, transposed.
inline ptrdiff_t scratch_of(int units, int lanes) {
    return (ptrdiff_t)panels_of(units, lanes) * lanes * lanes;
}

// Layers with packed weights: what training and prediction share.
template <class T> class PackedLayers {
  public:
    PackedLayers(const Kernels<T>& kernels, const std::vector<int>& sizes,
                 const std::vector<Spec>& activations)
        : kernels(kernels), V(kernels.lanes), layers(sizes.size() - 1) {
        for (size_t l = 0; l < layers.size(); l++) {
            Layer<T>& q = layers[l];
            q = {};
            q.n_in = sizes[l], q.n_out = sizes[l + 1];
            q.in_panels = panels_of(q.n_in, V), q.out_panels = panels_of(q.n_out, V);
            q.W = keep(weights_of(q)), q.b = keep(biases_of(q));
            const auto& [name, numbers] = activations[l];
            q.activation = kernels.find_activation(name.c_str());
            if (!q.activation && name != "softmax")
                throw std::invalid_argument("unknown activation '" + name + "'");
            copy_numbers(numbers, q.numbers, 4);
        }
    }

    size_t weights_of(const Layer<T>& q) const {
        return (size_t)q.in_panels * q.out_panels * V * V;
    }
    size_t biases_of(const Layer<T>& q) const { return (size_t)q.out_panels * V; }
    T* keep(size_t count) {
        buffers_.emplace_back(count);
        return buffers_.back().get();
    }

    // f(panels of W, panels of b, their place in the flat buffer) layer by layer
    template <class W, class B, class F> void for_flat(W weights, B biases, F f) {
        size_t start = 0;
        for (Layer<T>& q : layers) {
            f(q, weights(q), biases(q), start, start + (size_t)q.n_in * q.n_out);
            start += (size_t)q.n_in * q.n_out + q.n_out;
        }
    }
    template <class W, class B> void load(const T* flat, W weights, B biases) {
        for_flat(weights, biases, [&](Layer<T>& q, T* W_, T* b_, size_t w, size_t b) {
            pack(flat + w, q.n_in, q.n_out, V, W_);
            std::memcpy(b_, flat + b, sizeof(T) * q.n_out);
        });
    }
    template <class W, class B>
    void store(T* flat, W weights, B biases, double scale = 1) {
        for_flat(weights, biases, [&](Layer<T>& q, T* W_, T* b_, size_t w, size_t b) {
            unpack(W_, q.n_in, q.n_out, V, flat + w, scale);
            for (int i = 0; i < q.n_out; i++) flat[b + i] = scale == 1 ? b_[i] : (T)(b_[i] * scale);
        });
    }
    void load(const T* flat) {
        load(flat, [](Layer<T>& q) { return q.W; }, [](Layer<T>& q) { return q.b; });
    }

    const Kernels<T>& kernels;
    const int V;
    std::vector<Layer<T>> layers;

  private:
    std::vector<Buffer<T>> buffers_;
};

template <class T> class Run {
  public:
    static constexpr int64_t BLOCK_ROWS = 2048;  // a larger batch is computed block by block

    Run(const Kernels<T>& kernels, const Settings& s)
        : packed_(kernels, s.sizes, s.activations), pool_(s.n_threads) {
        job_ = {};
        job_.n_layers = (int)packed_.layers.size();
        job_.layers = packed_.layers.data();
        job_.batch_size = s.batch_size;
        job_.block_rows = std::min(s.batch_size, BLOCK_ROWS);
        choose_functions(s);
        job_.smoothing = (T)s.smoothing;
        job_.alpha = s.alpha, job_.clip_norm = s.clip_norm, job_.decoupled = s.decoupled;
        job_.dropout = s.dropout, job_.seed = s.seed;
        for (size_t l = 0; l < packed_.layers.size(); l++) {
            Layer<T>& q = packed_.layers[l];
            if (l > 0) q.WT = packed_.keep(packed_.weights_of(q));
            for (int slot = 0; slot < slots_; slot++) {
                q.W_state[slot] = packed_.keep(packed_.weights_of(q));
                q.b_state[slot] = packed_.keep(packed_.biases_of(q));
            }
        }
        size_t bytes = 0;
        for (const Layer<T>& q : packed_.layers)
            bytes += packed_.weights_of(q) * sizeof(T) * (2 + (size_t)slots_);
        job_.prefetch = bytes > (1u << 20);
        if (s.clip_norm > 0 || s.batch_size > BLOCK_ROWS) keep_gradients();
        make_buffers(s.sizes);
        make_tiles();
        set_threads(s.n_threads);
    }

    // How many of the pool's threads compute from now on; the results are the same.
    void set_threads(int n) {
        std::vector<int> ranges;
        for (int t = 0; t <= n; t++) {
            const double share = work_.back() * t / n - 1e-9;
            ranges.push_back(
                (int)(std::lower_bound(work_.begin(), work_.end(), share) - work_.begin()));
        }
        ranges.back() = (int)tiles_.size();
        ranges_.swap(ranges);
        job_.tile_ranges = ranges_.data();
        job_.n_threads = job_.barrier.n = n;
    }
    int most_threads() const { return pool_.size(); }

    int slots() const { return slots_; }
    int64_t steps() const { return job_.steps; }
    size_t parameter_count() const {
        size_t count = 0;
        for (const Layer<T>& q : packed_.layers) count += (size_t)q.n_in * q.n_out + q.n_out;
        return count;
    }
    const Job<T>& job() const { return job_; }

    void load(const T* flat) {
        packed_.load(flat);
        for (Layer<T>& q : packed_.layers)
            if (q.WT) packed_.kernels.transpose(&q, q.WT);
    }
    void store(T* flat) {
        packed_.store(flat, [](Layer<T>& q) { return q.W; }, [](Layer<T>& q) { return q.b; });
    }
    void load_state(int slot, const T* flat) {
        packed_.load(flat, [&](Layer<T>& q) { return q.W_state[slot]; },
                     [&](Layer<T>& q) { return q.b_state[slot]; });
    }
    void set_steps(int64_t steps) { job_.steps = steps; }
    void store_state(int slot, T* flat) {
        packed_.store(flat, [&](Layer<T>& q) { return q.W_state[slot]; },
                      [&](Layer<T>& q) { return q.b_state[slot]; });
    }

    // What can fail comes first: the run keeps its rows then.
    void set_rows(const Source& X, const Source& Y, const int32_t* labels, const T* weights) {
        const bool sparse = is_worth_sparse(X);
        if (!sparse && !A_[0]) A_[0] = panels(X.width);
        if (sparse && !job_.cursors) {
            cursors_.reset((size_t)(job_.panel_rows * pool_.size()));
            job_.cursors = cursors_.get();
        }
        job_.X = X, job_.Y = Y, job_.labels = labels, job_.weights = weights;
        job_.sparse = sparse;
    }

    // Steps for the batches that `rows` is cut into; returns how many were tried.
    int64_t advance(const int64_t* rows, int64_t n_rows, const double* rates, double* costs,
                    Poll poll) {
        use_ready_threads();
        Job<T> job = job_;
        job.rates = rates;
        job.apply_update = job.backward = job.gradients = true;
        job.keep_gradient = job.clip_norm > 0;
        job.row_norm = nullptr, job.poll = poll;
        go(job, rows, n_rows, costs);
        job_.steps = job.steps;
        return job.done;
    }

    // Cost over all `rows`; with `gradient`, its gradient; with `norms`, ||g_n||^2 of each row
    // (0 where its weight is 0), and no L2.
    void evaluate(const int64_t* rows, int64_t n_rows, double* costs, T* gradient, double* norms,
                  Poll poll) {
        if (gradient) keep_gradients();
        use_ready_threads();
        Job<T> job = job_;
        job.apply_update = false, job.keep_gradient = true;
        job.gradients = gradient, job.backward = gradient || norms;
        job.row_norm = norms, job.rates = nullptr, job.poll = poll;
        job.batch_size = n_rows, job.dropout = 0;
        double S = 0;
        for (int64_t i = 0; i < n_rows; i++) S += job.weights ? (double)job.weights[rows[i]] : 1;
        job.norm_unit = S > 0 ? std::ldexp(1, std::ilogb(S / (double)n_rows)) : 1;
        if (norms) job.alpha = 0;
        go(job, rows, n_rows, costs);
        if (!gradient) return;
        packed_.store(gradient, [](Layer<T>& q) { return q.G; },
                      [](Layer<T>& q) { return q.gb; }, norms ? job.norm_unit / S : 1.0);
    }

  private:
    void choose_functions(const Settings& s) {
        const Kernels<T>& k = packed_.kernels;
        const std::string& output = s.activations.back().first;
        job_.output_error = k.find_loss(s.loss.first.c_str(), output.c_str());
        if (!job_.output_error) throw std::invalid_argument("unknown loss '" + s.loss.first + "'");
        copy_numbers(s.loss.second, job_.loss_numbers, 4);
        job_.ceiling = (T)s.ceiling;
        job_.update = k.find_update(s.optimizer.first.c_str(), &slots_);
        job_.step_numbers = k.find_step_numbers(s.optimizer.first.c_str());
        if (!job_.update)
            throw std::invalid_argument("unknown optimizer '" + s.optimizer.first + "'");
        copy_numbers(s.optimizer.second, job_.hyper, 4);
    }

    void keep_gradients() {
        for (Layer<T>& q : packed_.layers) {
            if (!q.G) q.G = packed_.keep(packed_.weights_of(q));
            if (!q.gb) q.gb = packed_.keep(packed_.biases_of(q));
        }
    }

    T* panels(int units) {
        return packed_.keep((size_t)panels_of(units, packed_.V) * packed_.V * job_.panel_rows);
    }

    void make_buffers(const std::vector<int>& sizes) {
        const int V = packed_.V;
        // panels a power of two apart would share their places in the cache
        job_.panel_rows = job_.block_rows + (job_.block_rows * V * (int)sizeof(T) % 4096 == 0);
        A_.assign(sizes.size(), nullptr), D_ = A_, E_ = A_;
        for (size_t l = 0; l < sizes.size(); l++) {
            if (l > 0) A_[l] = panels(sizes[l]), D_[l] = panels(sizes[l]), E_[l] = panels(sizes[l]);
        }
        job_.A = A_.data(), job_.D = D_.data(), job_.E = E_.data();
        job_.Yb = panels(sizes.back());
        job_.scratch_size = OUTPUT_BLOCKS * scratch_of(sizes.back(), V);
        job_.scratch = packed_.keep((size_t)(job_.scratch_size * pool_.size()));
        job_.factor = packed_.keep((size_t)job_.panel_rows);
        row_cost_.reset((size_t)job_.panel_rows);
        job_.row_cost = row_cost_.get();
    }

    // Tiles in the order of the parameters; each thread owns a run of them of equal work.
    void make_tiles() {
        const int widest = packed_.kernels.gradient_width;
        work_ = {0};
        for (int l = 1; l <= job_.n_layers; l++) {
            const Layer<T>& q = packed_.layers[l - 1];
            for (int j = 0; j < q.out_panels;) {
                const int width = std::min(widest, q.out_panels - j);
                for (int i = 0; i < q.in_panels; i++) {
                    tiles_.push_back({l, i, j, width});
                    work_.push_back(work_.back() + width + 0.2);
                }
                j += width;
            }
        }
        job_.tiles = tiles_.data();
        tile_squares_.reset(tiles_.size()), tile_norms_.reset(tiles_.size());
        job_.tile_squares = tile_squares_.get(), job_.tile_norms = tile_norms_.get();
    }

    // Fewer than were asked for, where the system gives no more.
    void use_ready_threads() {
        const int ready = pool_.ready(job_.n_threads);
        if (ready < job_.n_threads) set_threads(ready);
    }

    // `job` is a call's own: one that fails leaves the run's as it was.
    void go(Job<T>& job, const int64_t* rows, int64_t n_rows, double* costs) {
        job.rows = rows, job.n_rows = n_rows, job.costs = costs;
        job.done = 0, job.stop = GO_ON;
        if (job.sparse) job.entries = room_for_entries(job);
        struct Work {
            const Kernels<T>& kernels;
            Job<T>& job;
        } work = {packed_.kernels, job};
        pool_.run([](void* self, int thread) {
            const Work& work = *(Work*)self;
            work.kernels.train(&work.job, thread);
        }, &work, job.n_threads);
    }

    // Room for the entries of the block with the most of them.
    Entries<T> room_for_entries(const Job<T>& job) {
        int64_t most = 0;
        for (int64_t batch = 0; batch < job.n_rows; batch += job.batch_size) {
            const int64_t end = std::min(job.n_rows, batch + job.batch_size);
            for (int64_t block = batch; block < end; block += job.block_rows) {
                int64_t count = 0;
                for (int64_t i = block; i < std::min(end, block + job.block_rows); i++)
                    count += entries_of_row(job.X, job.rows[i]);
                most = std::max(most, count);
            }
        }
        return entry_buffers_.get(job.panel_rows, most);
    }

    PackedLayers<T> packed_;
    Pool pool_;
    EntryBuffers<T> entry_buffers_;
    Buffer<int64_t> cursors_;
    Job<T> job_;
    int slots_ = 0;
    std::vector<T*> A_, D_, E_;
    Buffer<double> row_cost_, tile_squares_, tile_norms_;
    std::vector<Tile> tiles_;
    std::vector<double> work_;  // before each tile
    std::vector<int> ranges_;
};

}  // namespace backpass
