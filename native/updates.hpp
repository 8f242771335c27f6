// U: one struct per optimiser, the same formulas as backpass/core/optimizers.py.
//
// step() changes w, and the state m and v, of one vector; g is the gradient with clipping and L2.
// numbers() turns the optimiser's hyperparameters into those of step t.
#pragma once

#include <math.h>
#if defined(__AVX512F__)
#include <immintrin.h>
#endif

#include "elementary.hpp"
#include "kernels.hpp"

namespace backpass {
namespace BACKPASS_ISA {

// sqrt(v) within 1 ULP for v >= 0. Adam divides too, and both wait for the one divider; on AVX-512
// an estimate of 1 / sqrt(v) to 2^-14 and Newton steps, s + (v - s^2) / (2 sqrt(v)) the last, keep
// it free.
template <class T> BACKPASS_INLINE Vec<T> root(Vec<T> v) { return sqrt<T>(v); }
#if defined(__AVX512F__)
template <class T> BACKPASS_INLINE Vec<T> root_from(Vec<T> v, Vec<T> inverse) {
    const Vec<T> s = v * inverse, refined = s + (v - s * s) * (all((T)0.5) * inverse);
    return where<T>((v > 0) & (v < (T)__builtin_inf()), refined, v);
}
template <> BACKPASS_INLINE Vec<float> root<float>(Vec<float> v) {
    return root_from<float>(v, (Vec<float>)_mm512_maskz_rsqrt14_ps(0xFFFF, (__m512)v));
}
template <> BACKPASS_INLINE Vec<double> root<double>(Vec<double> v) {
    const Vec<double> r = (Vec<double>)_mm512_maskz_rsqrt14_pd(0xFF, (__m512d)v);
    return root_from<double>(v, r * (all(1.5) - all(0.5) * v * r * r));
}
#endif

struct Sgd {
    static constexpr int slots = 0;
    template <class T> static void numbers(UpdateNumbers<T>*, const double*, double, double) {}
    template <class T> static BACKPASS_INLINE Vec<T> step(Vec<T> w, Vec<T> g, Vec<T>&, Vec<T>&,
                                                          const UpdateNumbers<T>& u) {
        return w - all(u.rate) * g;
    }
};

struct Momentum {
    static constexpr int slots = 1;
    template <class T>
    static void numbers(UpdateNumbers<T>* u, const double* hyper, double, double) {
        u->c[0] = (T)hyper[0];
    }
    template <class T> static BACKPASS_INLINE Vec<T> step(Vec<T> w, Vec<T> g, Vec<T>& velocity,
                                                          Vec<T>&, const UpdateNumbers<T>& u) {
        velocity = all(u.c[0]) * velocity - all(u.rate) * g;
        return w + velocity;
    }
};

struct Nesterov : Momentum {
    template <class T> static BACKPASS_INLINE Vec<T> step(Vec<T> w, Vec<T> g, Vec<T>& velocity,
                                                          Vec<T>&, const UpdateNumbers<T>& u) {
        velocity = all(u.c[0]) * velocity - all(u.rate) * g;
        return w + all(u.c[0]) * velocity - all(u.rate) * g;
    }
};

struct Adam {
    static constexpr int slots = 2;
    template <class T>
    static void numbers(UpdateNumbers<T>* u, const double* hyper, double t, double rate) {
        const double b1 = hyper[0], b2 = hyper[1];
        u->rate = (T)(rate * ::sqrt(1 - ::pow(b2, t)) / (1 - ::pow(b1, t)));
        u->c[0] = (T)b1, u->c[1] = (T)(1 - b1), u->c[2] = (T)b2, u->c[3] = (T)(1 - b2);
        u->c[4] = (T)hyper[2];
    }
    template <class T> static BACKPASS_INLINE Vec<T> step(Vec<T> w, Vec<T> g, Vec<T>& m, Vec<T>& v,
                                                          const UpdateNumbers<T>& u) {
        m = all(u.c[0]) * m + all(u.c[1]) * g;
        v = all(u.c[2]) * v + all(u.c[3]) * (g * g);
        return w - all(u.rate) * m / (root<T>(v) + all(u.c[4]));
    }
};

struct Rmsprop {
    static constexpr int slots = 1;
    template <class T>
    static void numbers(UpdateNumbers<T>* u, const double* hyper, double, double) {
        u->c[0] = (T)hyper[0], u->c[1] = (T)(1 - hyper[0]), u->c[2] = (T)hyper[1];
    }
    template <class T> static BACKPASS_INLINE Vec<T> step(Vec<T> w, Vec<T> g, Vec<T>& v, Vec<T>&,
                                                          const UpdateNumbers<T>& u) {
        v = all(u.c[0]) * v + all(u.c[1]) * (g * g);
        return w - all(u.rate) * g / (root<T>(v) + all(u.c[2]));
    }
};

template <class T, class Rule>
static __attribute__((noinline)) void update(T* w, const T* g, T* first, T* second,
                                             ptrdiff_t vectors, const UpdateNumbers<T>& numbers) {
    constexpr int V = Lanes<T>::n;
    const UpdateNumbers<T> u = numbers;
    for (ptrdiff_t i = 0; i < vectors * V; i += V) {
        const Vec<T> before = load(w + i);
        const Vec<T> gradient = all(u.scale) * load(g + i) + all(u.penalty) * before;
        Vec<T> m = Rule::slots > 0 ? load(first + i) : Vec<T>{};
        Vec<T> v = Rule::slots > 1 ? load(second + i) : Vec<T>{};
        const Vec<T> after = Rule::template step<T>(before, gradient, m, v, u);
        if (Rule::slots > 0) store(first + i, m);
        if (Rule::slots > 1) store(second + i, v);
        store(w + i, after - all(u.decay) * before);
    }
}

template <class T, class Rule>
static void step_numbers(UpdateNumbers<T>* u, const double* hyper, int64_t step, double rate) {
    u->rate = (T)rate;
    Rule::template numbers<T>(u, hyper, (double)step, rate);
}

template <class T> struct UpdateEntry {
    const char* name;
    int slots;
    Update<T> update;
    void (*numbers)(UpdateNumbers<T>*, const double*, int64_t, double);
};

template <class T, class Rule> static UpdateEntry<T> update_entry(const char* name) {
    return {name, Rule::slots, &update<T, Rule>, &step_numbers<T, Rule>};
}

template <class T> static UpdateEntry<T> find_update_entry(const char* name) {
    const UpdateEntry<T> entries[] = {
        update_entry<T, Sgd>("sgd"),           update_entry<T, Momentum>("momentum"),
        update_entry<T, Nesterov>("nesterov"), update_entry<T, Adam>("adam"),
        update_entry<T, Adam>("adamw"),        update_entry<T, Rmsprop>("rmsprop"),
    };
    for (const auto& entry : entries)
        if (std::strcmp(entry.name, name) == 0) return entry;
    return {nullptr, 0, nullptr, nullptr};
}

}  // namespace BACKPASS_ISA
}  // namespace backpass
