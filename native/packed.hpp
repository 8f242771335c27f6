// Layers with packed weights: what training and prediction share.
#pragma once

#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "memory.hpp"

namespace backpass {

using Spec = std::pair<std::string, std::vector<double>>;  // a record's name and numbers

template <class To> void copy_numbers(const std::vector<double>& from, To* to, size_t size) {
    for (size_t i = 0; i < size; i++) to[i] = i < from.size() ? (To)from[i] : 0;
}

// Elements of V rows of the output layer, transposed.
inline ptrdiff_t scratch_of(int units, int lanes) {
    return (ptrdiff_t)panels_of(units, lanes) * lanes * lanes;
}

// They own their parameters.
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
    template <class W, class B> void store(T* flat, W weights, B biases, double scale = 1) {
        for_flat(weights, biases, [&](Layer<T>& q, T* W_, T* b_, size_t w, size_t b) {
            unpack(W_, q.n_in, q.n_out, V, flat + w, scale);
            for (int i = 0; i < q.n_out; i++) flat[b + i] = scale == 1 ? b_[i] : (T)(b_[i] * scale);
        });
    }
    void load(const T* flat) {
        load(
            flat, [](Layer<T>& q) { return q.W; }, [](Layer<T>& q) { return q.b; });
    }

    const Kernels<T>& kernels;
    const int V;
    std::vector<Layer<T>> layers;

  private:
    std::vector<Buffer<T>> buffers_;
};

}  // namespace backpass
