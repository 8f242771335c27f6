// A training run: it owns the packed parameters, the optimiser's state and the buffers of a step.
#pragma once

#include <algorithm>
#include <cmath>
#include <limits>

#include "forward.hpp"

namespace backpass {

// How a run learns; see engines/native.py.
struct Settings {
    int64_t batch_size = 1;
    int n_threads = 1;
    double alpha = 0, dropout = 0, clip_norm = 0, smoothing = 0;
    double ceiling = std::numeric_limits<double>::infinity();  // of the cost of a row and output
    uint64_t seed = 0;
    bool decoupled = false;
};

// f(name, member) of each of them.
template <class F> void each_setting(F&& f) {
    f("batch_size", &Settings::batch_size);
    f("n_threads", &Settings::n_threads);
    f("alpha", &Settings::alpha);
    f("dropout", &Settings::dropout);
    f("clip_norm", &Settings::clip_norm);
    f("smoothing", &Settings::smoothing);
    f("ceiling", &Settings::ceiling);
    f("seed", &Settings::seed);
    f("decoupled", &Settings::decoupled);
}

template <class T> class Run {
  public:
    static constexpr int64_t BLOCK_ROWS = 2048;  // a larger batch is computed block by block

    Run(const Kernels<T>& kernels, const std::vector<int>& sizes,
        const std::vector<Spec>& activations, const Spec& loss, const Spec& optimizer,
        const Settings& s)
        : packed_(kernels, sizes, activations), pool_(s.n_threads), job_() {
        job_.model.n_layers = (int)packed_.layers.size();
        job_.model.layers = packed_.layers.data();
        job_.model.softmax = activations.back().first == "softmax";
        job_.model.ceiling = (T)s.ceiling, job_.model.smoothing = (T)s.smoothing;
        job_.batches.batch_size = s.batch_size;
        job_.batches.block_rows = std::min(s.batch_size, BLOCK_ROWS);
        choose_functions(loss, activations.back().first, optimizer);
        Learning<T>& learning = job_.learning;
        learning.alpha = s.alpha, learning.clip_norm = s.clip_norm;
        learning.dropout = s.dropout, learning.seed = s.seed, learning.decoupled = s.decoupled;
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
        job_.work.prefetch = bytes > (1u << 20);
        if (s.clip_norm > 0 || s.batch_size > BLOCK_ROWS) keep_gradients();
        make_buffers(sizes);
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
        job_.shares.tile_ranges = ranges_.data();
        job_.shares.n_threads = job_.barrier.n = n;
    }
    int most_threads() const { return pool_.size(); }

    int slots() const { return slots_; }
    int64_t steps() const { return job_.steps; }
    size_t parameter_count() const {
        size_t count = 0;
        for (const Layer<T>& q : packed_.layers) count += (size_t)q.n_in * q.n_out + q.n_out;
        return count;
    }
    int64_t batch_size() const { return job_.batches.batch_size; }

    void load(const T* flat) {
        packed_.load(flat);
        for (Layer<T>& q : packed_.layers)
            if (q.WT) packed_.kernels.transpose(&q, q.WT);
    }
    void store(T* flat) {
        packed_.store(
            flat, [](Layer<T>& q) { return q.W; }, [](Layer<T>& q) { return q.b; });
    }
    void load_state(int slot, const T* flat) {
        packed_.load(
            flat, [&](Layer<T>& q) { return q.W_state[slot]; },
            [&](Layer<T>& q) { return q.b_state[slot]; });
    }
    void set_steps(int64_t steps) { job_.steps = steps; }
    void store_state(int slot, T* flat) {
        packed_.store(
            flat, [&](Layer<T>& q) { return q.W_state[slot]; },
            [&](Layer<T>& q) { return q.b_state[slot]; });
    }

    // What can fail comes first: the run keeps its rows then.
    void set_rows(const Rows<T>& rows) {
        if (!rows.sparse && !A_[0]) A_[0] = panels(rows.X.width);
        if (rows.sparse && !job_.work.cursors) {
            cursors_.reset((size_t)(job_.work.panel_rows * pool_.size()));
            job_.work.cursors = cursors_.get();
        }
        job_.data = rows;
    }

    // Steps for the batches that `rows` is cut into; returns how many were tried.
    int64_t advance(const int64_t* rows, int64_t n_rows, const double* rates, double* costs,
                    Poll poll) {
        use_ready_threads();
        Job<T> job = job_;
        job.batches.rates = rates;
        job.passes.apply_update = job.passes.backward = job.passes.gradients = true;
        job.passes.keep_gradient = job.learning.clip_norm > 0;
        job.passes.row_norm = nullptr, job.poll = poll;
        go(job, rows, n_rows, costs);
        job_.steps = job.steps;
        return job.result.done;
    }

    // Cost over all `rows`; with `gradient`, its gradient; with `norms`, ||g_n||^2 of each row
    // (0 where its weight is 0), and no L2.
    void evaluate(const int64_t* rows, int64_t n_rows, double* costs, T* gradient, double* norms,
                  Poll poll) {
        if (gradient) keep_gradients();
        use_ready_threads();
        Job<T> job = job_;
        job.passes.apply_update = false, job.passes.keep_gradient = true;
        job.passes.gradients = gradient, job.passes.backward = gradient || norms;
        job.passes.row_norm = norms, job.batches.rates = nullptr, job.poll = poll;
        job.batches.batch_size = n_rows, job.learning.dropout = 0;
        double S = 0;
        for (int64_t i = 0; i < n_rows; i++) S += job.data.weight(rows[i]);
        job.passes.norm_unit = S > 0 ? std::ldexp(1, std::ilogb(S / (double)n_rows)) : 1;
        if (norms) job.learning.alpha = 0;
        go(job, rows, n_rows, costs);
        if (!gradient) return;
        packed_.store(
            gradient, [](Layer<T>& q) { return q.G; }, [](Layer<T>& q) { return q.gb; },
            norms ? job.passes.norm_unit / S : 1.0);
    }

    // What some rows of a mini-batch, which begin `offset` rows into it, add to its cost and to the
    // gradient of its data term; `mass`: S of all of it. Dropout is that of the next step.
    void shard(const int64_t* rows, int64_t n_rows, int64_t offset, double mass, double* costs,
               T* gradient, Poll poll) {
        keep_gradients();
        use_ready_threads();
        Job<T> job = job_;
        job.passes.gradients = job.passes.backward = job.passes.keep_gradient = true;
        job.passes.mass = mass, job.passes.offset = offset, job.poll = poll;
        job.batches.batch_size = n_rows, job.learning.alpha = 0;
        go(job, rows, n_rows, costs);
        packed_.store(
            gradient, [](Layer<T>& q) { return q.G; }, [](Layer<T>& q) { return q.gb; });
    }

    // The step whose data term has this gradient: L2, clipping, update. costs[1]: the penalty.
    void apply(const T* gradient, double mass, double rate, double* costs, Poll poll) {
        keep_gradients();
        use_ready_threads();
        packed_.load(
            gradient, [](Layer<T>& q) { return q.G; }, [](Layer<T>& q) { return q.gb; });
        Job<T> job = job_;
        job.passes.gradients = job.passes.keep_gradient = job.passes.apply_update = true;
        job.passes.given = true, job.passes.mass = mass, job.poll = poll;
        job.batches.rates = &rate;
        go(job, nullptr, 0, costs);
        job_.steps = job.steps;
    }

    // Outputs and cost of `n` rows of any data, by the parameters as they are, without dropout, in
    // one pass forward; `rows`: null for the first n in order; `costs` or `outputs` may be null.
    void evaluate_rows(const Rows<T>& data, const int64_t* rows, int64_t n, double* costs,
                       T* outputs, Poll poll) {
        use_ready_threads();
        Buffer<double> row_cost;
        Forward<T> pass = {};
        pass.model = job_.model, pass.data = data;
        pass.model.ceiling = std::numeric_limits<T>::infinity();  // it is of recorded costs only
        pass.rows = rows, pass.n_rows = n, pass.outputs = outputs, pass.poll = poll;
        double S = 0;
        if (costs) {
            row_cost.reset((size_t)n);
            pass.row_cost = row_cost.get();
            for (int64_t i = 0; i < n; i++) S += data.weight(rows ? rows[i] : i);
        }
        const Learning<T>& learning = job_.learning;
        const bool penalised = costs && !learning.decoupled && (T)(learning.alpha / S) != 0;
        go_forward(packed_.kernels, pass, pool_, job_.shares.n_threads,
                   penalised ? &job_ : nullptr);
        if (!costs) return;
        double cost = 0;  // block by block, as evaluate() sums
        for (int64_t start = 0; start < n; start += BLOCK_ROWS)
            cost += sum(row_cost.get() + start, std::min(BLOCK_ROWS, n - start));
        costs[0] = cost / S, costs[1] = 0;
        if (penalised)
            costs[1] = learning.alpha * sum(tile_squares_.get(), (int64_t)tiles_.size()) / (2 * S);
    }

  private:
    static double sum(const double* x, int64_t n) {  // in index order
        double total = 0;
        for (int64_t i = 0; i < n; i++) total += x[i];
        return total;
    }

    void choose_functions(const Spec& loss, const std::string& output, const Spec& optimizer) {
        const Kernels<T>& k = packed_.kernels;
        job_.model.output_error = k.find_loss(loss.first.c_str(), output.c_str());
        if (!job_.model.output_error)
            throw std::invalid_argument("unknown loss '" + loss.first + "'");
        copy_numbers(loss.second, job_.model.loss_numbers, 4);
        job_.learning.update = k.find_update(optimizer.first.c_str(), &slots_);
        job_.learning.step_numbers = k.find_step_numbers(optimizer.first.c_str());
        if (!job_.learning.update)
            throw std::invalid_argument("unknown optimizer '" + optimizer.first + "'");
        copy_numbers(optimizer.second, job_.learning.hyper, 4);
    }

    void keep_gradients() {
        for (Layer<T>& q : packed_.layers) {
            if (!q.G) q.G = packed_.keep(packed_.weights_of(q));
            if (!q.gb) q.gb = packed_.keep(packed_.biases_of(q));
        }
    }

    T* panels(int units) {
        return packed_.keep((size_t)panels_of(units, packed_.V) * packed_.V * job_.work.panel_rows);
    }

    void make_buffers(const std::vector<int>& sizes) {
        const int V = packed_.V;
        const int64_t rows = job_.batches.block_rows;
        Workspace<T>& work = job_.work;
        // panels a power of two apart would share their places in the cache
        work.panel_rows = rows + (rows * V * (int)sizeof(T) % 4096 == 0);
        A_.assign(sizes.size(), nullptr), D_ = A_, E_ = A_;
        for (size_t l = 0; l < sizes.size(); l++) {
            if (l > 0) A_[l] = panels(sizes[l]), D_[l] = panels(sizes[l]), E_[l] = panels(sizes[l]);
        }
        work.A = A_.data(), work.D = D_.data(), work.E = E_.data();
        work.Yb = panels(sizes.back());
        work.scratch_size = OUTPUT_BLOCKS * scratch_of(sizes.back(), V);
        work.scratch = packed_.keep((size_t)(work.scratch_size * pool_.size()));
        work.factor = packed_.keep((size_t)work.panel_rows);
        row_cost_.reset((size_t)work.panel_rows);
        work.row_cost = row_cost_.get();
    }

    // Tiles in the order of the parameters; each thread owns a run of them of equal work.
    void make_tiles() {
        const int widest = packed_.kernels.gradient_width;
        work_ = {0};
        for (int l = 1; l <= job_.model.n_layers; l++) {
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
        job_.shares.tiles = tiles_.data();
        tile_squares_.reset(tiles_.size()), tile_norms_.reset(tiles_.size());
        job_.shares.tile_squares = tile_squares_.get(), job_.shares.tile_norms = tile_norms_.get();
    }

    // Fewer than were asked for, where the system gives no more.
    void use_ready_threads() {
        const int ready = pool_.ready(job_.shares.n_threads);
        if (ready < job_.shares.n_threads) set_threads(ready);
    }

    // `job` is a call's own: one that fails leaves the run's as it was.
    void go(Job<T>& job, const int64_t* rows, int64_t n_rows, double* costs) {
        job.batches.rows = rows, job.batches.n_rows = n_rows, job.result.costs = costs;
        job.result.done = 0, job.result.stop = GO_ON;
        if (job.data.sparse) job.work.entries = room_for_entries(job);
        struct Work {
            const Kernels<T>& kernels;
            Job<T>& job;
        } work = {packed_.kernels, job};
        pool_.run(
            [](void* self, int thread) {
                const Work& work = *(Work*)self;
                work.kernels.train(&work.job, thread);
            },
            &work, job.shares.n_threads);
    }

    // Room for the entries of the block with the most of them.
    Entries<T> room_for_entries(const Job<T>& job) {
        const Batches& of = job.batches;
        int64_t most = 0;
        for (int64_t start = 0; start < of.n_rows; start += of.batch_size)
            most = std::max(
                most, most_entries(job.data.X, of.rows + start,
                                   std::min(of.batch_size, of.n_rows - start), of.block_rows));
        return entry_buffers_.get(job.work.panel_rows, most);
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
