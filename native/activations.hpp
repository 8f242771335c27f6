// Activations: value and derivative side by side, as in src/backpass/core/activations.py, whose
// conventions hold here too: at a kink the derivative is that of the left side, and NaN stays NaN.
//
// To add one, write its pair and give it a line in the table of find_activation.
#pragma once

#include "elementary.hpp"

namespace backpass {
namespace BACKPASS_ISA {

template <class T> struct Pair {
    Vec<T> a;  // phi(z)
    Vec<T> d;  // phi'(z)
};

// left where z <= 0, right where z > 0 or NaN
template <class T> BACKPASS_INLINE Vec<T> left_right(Vec<T> z, Vec<T> left, Vec<T> right) {
    return where<T>(z <= all<T>(0), left, right);
}

namespace pairs {  // each (z, the record's numbers) -> (a, d)

// phi = z, phi' = 1
template <class T> BACKPASS_INLINE Pair<T> identity(Vec<T> z, const double*) {
    return {z, all<T>(1)};
}

// phi = 1 / (1 + e^-z), phi' = phi (1 - phi)
template <class T> BACKPASS_INLINE Pair<T> logistic(Vec<T> z, const double*) {
    const Vec<T> a = BACKPASS_ISA::logistic<T>(z);
    return {a, a * (T(1) - a)};
}

// phi = tanh z, phi' = 1 - phi^2
template <class T> BACKPASS_INLINE Pair<T> tanh(Vec<T> z, const double*) {
    const Vec<T> a = BACKPASS_ISA::tanh<T>(z);
    return {a, T(1) - a * a};
}

// phi = max(0, z), phi' = 0 for z <= 0, else 1
template <class T> BACKPASS_INLINE Pair<T> relu(Vec<T> z, const double*) {
    const Vec<T> zero = all<T>(0), one = all<T>(1);
    return {left_right<T>(z, zero, z), where<T>(z > zero, one, zero)};
}

// phi = s z for z <= 0, else z; phi' = s for z <= 0, else 1
template <class T> BACKPASS_INLINE Pair<T> leaky_relu(Vec<T> z, const double* numbers) {
    const Vec<T> slope = all<T>(T(numbers[0]));
    return {left_right<T>(z, slope * z, z), left_right<T>(z, slope, all<T>(1))};
}

// phi = alpha (e^z - 1) for z <= 0, else z; phi' = phi + alpha for z <= 0, else 1
template <class T> BACKPASS_INLINE Pair<T> elu(Vec<T> z, const double* numbers) {
    const Vec<T> alpha = all<T>(T(numbers[0]));
    const Vec<T> left = alpha * expm1<T>(at_most<T>(z, T(0)));
    return {left_right<T>(z, left, z), left_right<T>(z, left + alpha, all<T>(1))};
}

// phi = lambda alpha (e^z - 1) for z <= 0, else lambda z; phi' = phi + lambda alpha, else lambda
template <class T> BACKPASS_INLINE Pair<T> selu(Vec<T> z, const double*) {
    const double lambda = 1.0507009873554805, alpha = 1.6732632423543772;
    const Vec<T> scale = all<T>(T(lambda)), limit = all<T>(T(lambda * alpha));
    const Vec<T> left = limit * expm1<T>(at_most<T>(z, T(0)));
    return {left_right<T>(z, left, scale * z), left_right<T>(z, left + limit, scale)};
}

// phi = z Phi, Phi = (1 + erf(z / sqrt 2)) / 2; phi' = Phi + z e^(-z^2 / 2) / sqrt(2 pi)
template <class T> BACKPASS_INLINE Pair<T> gelu(Vec<T> z, const double*) {
    const Vec<T> gauss = exp_of_bounded<T>(z * z * T(-0.5));
    const Vec<T> cdf = (erf_by_gauss<T>(z * T(0.7071067811865476), gauss) + T(1)) * T(0.5);
    return {z * cdf, cdf + z * (gauss * T(0.3989422804014327))};
}

// phi = z sigma, sigma = 1 / (1 + e^-z); phi' = sigma + phi (1 - sigma)
template <class T> BACKPASS_INLINE Pair<T> silu(Vec<T> z, const double*) {
    const Vec<T> sigma = BACKPASS_ISA::logistic<T>(z);
    const Vec<T> a = z * sigma;
    return {a, sigma + a * (T(1) - sigma)};
}

// phi = z t, t = tanh(log(1 + e^z)) = (2 e^z + e^2z) / (2 + 2 e^z + e^2z);
// phi' = t + z (1 - t^2) sigma. With e = e^-|z|, nothing overflows.
template <class T> BACKPASS_INLINE Pair<T> mish(Vec<T> z, const double*) {
    const Vec<T> e = exp_of_bounded<T>(minus_absolute<T>(z));
    const Vec<T> left = e * (e + T(2)), right = e * T(2) + T(1);
    const Vec<T> t =
        left_right<T>(z, left, right) / left_right<T>(z, left + T(2), e * e * T(2) + right);
    return {z * t, t + z * (T(1) - t * t) * BACKPASS_ISA::logistic<T>(z)};
}

// phi = log(1 + e^z), phi' = 1 / (1 + e^-z)
template <class T> BACKPASS_INLINE Pair<T> softplus(Vec<T> z, const double*) {
    return {log_one_plus_exp<T>(z), BACKPASS_ISA::logistic<T>(z)};
}

// phi = phi' = e^z
template <class T> BACKPASS_INLINE Pair<T> exp(Vec<T> z, const double*) {
    const Vec<T> a = BACKPASS_ISA::exp<T>(z);
    return {a, a};
}

}  // namespace pairs

// a = phi(z) and, unless d is null, d = phi'(z), over `vectors` aligned vectors; a may be z
template <class T>
using Activation = void (*)(const T* z, T* a, T* d, ptrdiff_t vectors, const double* numbers);

template <class T, Pair<T> (*phi)(Vec<T>, const double*)>
void activate(const T* z, T* a, T* d, ptrdiff_t vectors, const double* numbers) {
    constexpr int n = Lanes<T>::n;
    if (d == nullptr) {
        for (ptrdiff_t i = 0; i < vectors * n; i += n)
            store<T>(a + i, phi(load<T>(z + i), numbers).a);
        return;
    }
    for (ptrdiff_t i = 0; i < vectors * n; i += n) {
        const Pair<T> y = phi(load<T>(z + i), numbers);
        store<T>(a + i, y.a);
        store<T>(d + i, y.d);
    }
}

// y = f(x) over `vectors` aligned vectors, for the tests
template <class T> using Elementary = void (*)(const T* x, T* y, ptrdiff_t vectors);

template <class T, Vec<T> (*f)(Vec<T>)> void evaluate(const T* x, T* y, ptrdiff_t vectors) {
    for (ptrdiff_t i = 0; i < vectors * Lanes<T>::n; i += Lanes<T>::n)
        store<T>(y + i, f(load<T>(x + i)));
}

// the entry of that name in a table, or null
template <class Entry, size_t size> auto find(const Entry (&table)[size], const char* name)
    -> decltype(Entry::function) {
    for (const Entry& entry : table) {
        const char *p = entry.name, *q = name;
        for (; *p != '\0' && *p == *q; ++p) ++q;
        if (*p == *q) return entry.function;
    }
    return nullptr;
}

template <class T> Activation<T> find_activation(const char* name) {
    struct Entry {
        const char* name;
        Activation<T> function;
    };
    static constexpr Entry table[] = {
        {"identity", activate<T, pairs::identity<T>>},
        {"logistic", activate<T, pairs::logistic<T>>},
        {"tanh", activate<T, pairs::tanh<T>>},
        {"relu", activate<T, pairs::relu<T>>},
        {"leaky_relu", activate<T, pairs::leaky_relu<T>>},
        {"elu", activate<T, pairs::elu<T>>},
        {"selu", activate<T, pairs::selu<T>>},
        {"gelu", activate<T, pairs::gelu<T>>},
        {"silu", activate<T, pairs::silu<T>>},
        {"mish", activate<T, pairs::mish<T>>},
        {"softplus", activate<T, pairs::softplus<T>>},
        {"exp", activate<T, pairs::exp<T>>},
    };
    return find(table, name);
}

template <class T> Elementary<T> find_elementary(const char* name) {
    struct Entry {
        const char* name;
        Elementary<T> function;
    };
    static constexpr Entry table[] = {
        {"exp", evaluate<T, exp<T>>},
        {"expm1", evaluate<T, expm1<T>>},
        {"log", evaluate<T, log<T>>},
        {"log1p", evaluate<T, log1p<T>>},
        {"tanh", evaluate<T, tanh<T>>},
        {"erf", evaluate<T, erf<T>>},
        {"logistic", evaluate<T, logistic<T>>},
        {"log_one_plus_exp", evaluate<T, log_one_plus_exp<T>>},
        {"sqrt", evaluate<T, sqrt<T>>},
    };
    return find(table, name);
}

}  // namespace BACKPASS_ISA
}  // namespace backpass
