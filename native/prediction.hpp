// Prediction with packed weights for many rows, with the flat buffer itself for one.
#pragma once

#include "forward.hpp"

namespace backpass {

// One row, again and again: everything that does not depend on the row is found once.
template <class T> class RowPredictor {
  public:
    RowPredictor(const Kernels<T>& kernels, const std::vector<int>& sizes,
                 const std::vector<Spec>& activations, const T* flat)
        : kernels_(kernels), sizes_(sizes), numbers_(activations.size() * 4) {
        for (size_t l = 0; l < activations.size(); l++) {
            const auto& [name, numbers] = activations[l];
            functions_.push_back(kernels.find_activation(name.c_str()));
            if (!functions_.back() && name != "softmax")
                throw std::invalid_argument("unknown activation '" + name + "'");
            copy_numbers(numbers, &numbers_[4 * l], 4);
        }
        const int widest = *std::max_element(sizes.begin(), sizes.end());
        const size_t padded = (size_t)panels_of(widest, kernels.lanes) * kernels.lanes;
        const size_t block = (size_t)scratch_of(sizes.back(), kernels.lanes);
        scratch_.reset(2 * padded + block);
        net_ = {(int)activations.size(),
                sizes_.data(),
                flat,
                functions_.data(),
                (const double(*)[4])numbers_.data(),
                activations.back().first == "softmax",
                {scratch_.get(), scratch_.get() + padded},
                scratch_.get() + 2 * padded};
    }
    int n_in() const { return sizes_.front(); }
    int n_out() const { return sizes_.back(); }
    void predict(const T* x, T* y) const { kernels_.predict_one(&net_, x, y); }

  private:
    const Kernels<T>& kernels_;
    std::vector<int> sizes_;
    std::vector<double> numbers_;
    std::vector<Activation<T>> functions_;
    Buffer<T> scratch_;
    OneRow<T> net_;
};

constexpr int64_t FEW_ROWS = 8;  // packing the weights would cost more than it brings
template <class T> void predict_few(const Kernels<T>& kernels, const std::vector<int>& sizes,
                                    const std::vector<Spec>& activations, const T* flat,
                                    const Source& X, T* output) {
    const RowPredictor<T> predictor(kernels, sizes, activations, flat);
    Buffer<T> x((size_t)panels_of(X.width, kernels.lanes) * kernels.lanes);
    for (int64_t n = 0; n < X.n_rows; n++) {
        kernels.gather_row(&X, n, x.get());
        predictor.predict(x.get(), output + n * sizes.back());
    }
}

// Many rows: weights are packed once a call, rows go through in blocks.
template <class T> void predict(const Kernels<T>& kernels, const std::vector<int>& sizes,
                                const std::vector<Spec>& activations, const T* flat,
                                const Source& X, T* output, int n_threads, Poll poll) {
    if (X.n_rows <= FEW_ROWS) return predict_few(kernels, sizes, activations, flat, X, output);
    PackedLayers<T> packed(kernels, sizes, activations);
    packed.load(flat);
    Forward<T> job = {};
    job.model.n_layers = (int)packed.layers.size(), job.model.layers = packed.layers.data();
    job.model.softmax = activations.back().first == "softmax";
    job.data = rows_of<T>(X);
    job.n_rows = X.n_rows, job.outputs = output, job.poll = poll;
    const int64_t blocks = (X.n_rows + FORWARD_ROWS - 1) / FORWARD_ROWS;
    Pool pool((int)std::min<int64_t>(n_threads, blocks));
    go_forward(kernels, job, pool, pool.ready(pool.size()));
}

}  // namespace backpass
