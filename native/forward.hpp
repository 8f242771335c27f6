// Rows through packed layers, forward only, by the threads of a pool: predictions, and their costs.
#pragma once

#include <algorithm>
#include <vector>

#include "packed.hpp"
#include "pool.hpp"

namespace backpass {

template <class T> Rows<T> rows_of(const Source& X) {
    Rows<T> rows;
    rows.X = X, rows.sparse = is_worth_sparse(X);
    return rows;
}

// The most entries that a block of rows has; `rows`: null for all in order.
inline int64_t most_entries(const Source& X, const int64_t* rows, int64_t n, int64_t block_rows) {
    int64_t most = 0;
    for (int64_t start = 0; start < n; start += block_rows) {
        int64_t count = 0;
        for (int64_t i = start; i < std::min(n, start + block_rows); i++)
            count += entries_of_row(X, rows ? rows[i] : i);
        most = std::max(most, count);
    }
    return most;
}

// The buffers of so many threads for one pass.
template <class T> class ForwardRoom {
  public:
    ForwardRoom(const Forward<T>& job, int lanes, int n_threads)
        : lanes_(lanes), factor_(FORWARD_ROWS),
          entries_((size_t)(job.data.sparse ? n_threads : 0)) {
        std::fill_n(factor_.get(), FORWARD_ROWS, (T)1);
        const Layer<T>*layers = job.model.layers, &last = layers[job.model.n_layers - 1];
        int widest = job.data.sparse ? 0 : layers[0].n_in;
        for (int l = 0; l < job.model.n_layers; l++) widest = std::max(widest, layers[l].n_out);
        const int64_t most =
            job.data.sparse ? most_entries(job.data.X, job.rows, job.n_rows, FORWARD_ROWS) : 0;
        for (int t = 0; t < n_threads; t++) {
            ForwardBuffers<T> b = {};
            b.here = panels(widest), b.there = panels(widest);
            if (job.row_cost)
                b.a = panels(last.n_out), b.d = panels(last.n_out), b.y = panels(last.n_out);
            b.scratch = keep((size_t)(OUTPUT_BLOCKS * scratch_of(last.n_out, lanes)));
            if (job.data.sparse) b.entries = entries_[(size_t)t].get(FORWARD_ROWS, most);
            buffers_.push_back(b);
        }
    }
    void lend(Forward<T>& job) const { job.buffers = buffers_.data(), job.factor = factor_.get(); }

  private:
    T* keep(size_t count) {
        owned_.emplace_back(count);
        return owned_.back().get();
    }
    T* panels(int units) { return keep((size_t)panels_of(units, lanes_) * lanes_ * FORWARD_ROWS); }

    const int lanes_;
    std::vector<Buffer<T>> owned_;
    Buffer<T> factor_;
    std::vector<EntryBuffers<T>> entries_;
    std::vector<ForwardBuffers<T>> buffers_;
};

// The pass, by n threads of the pool, at most what it has ready; and, where a training job is given,
// what the squares of its weights come to.
template <class T> void go_forward(const Kernels<T>& kernels, Forward<T>& job, Pool& pool, int n,
                                   const Job<T>* penalised = nullptr) {
    const ForwardRoom<T> room(job, kernels.lanes, n);
    room.lend(job);
    struct Work {
        const Kernels<T>& kernels;
        Forward<T>& job;
        const Job<T>* penalised;
    } work = {kernels, job, penalised};
    pool.run(
        [](void* self, int thread) {
            const Work& work = *(Work*)self;
            if (work.penalised) work.kernels.tile_squares(work.penalised, thread);
            work.kernels.forward(&work.job, thread);
        },
        &work, n);
}

}  // namespace backpass
