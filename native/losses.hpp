// C and B1: one struct per loss, the same formulas as backpass/losses.py.
//
// at() gives the cost of one vector of outputs and its derivative, from the targets y, the
// predictions a and the pre-activations z. `fused` says that the derivative is already the one to z;
// otherwise it is the one to a, and is multiplied with dphi.
#pragma once

#include "elementary.hpp"
#include "kernels.hpp"

namespace backpass {
namespace BACKPASS_ISA {

template <class T> BACKPASS_INLINE Vec<T> sign(Vec<T> x) {  // NaN stays NaN
    return where<T>(x > 0, all((T)1), where<T>(x < 0, all((T)-1), x));
}
template <class T> BACKPASS_INLINE Vec<T> magnitude(Vec<T> x) { return where<T>(x < 0, -x, x); }
template <class T> BACKPASS_INLINE Vec<T> x_log_y(Vec<T> x, Vec<T> y) {
    return where<T>(x == 0, Vec<T>{}, x * log<T>(y));
}
// `yes` where x > 0 or NaN: a prediction that is NaN must not cost 0
template <class T> BACKPASS_INLINE Vec<T> where_positive(Vec<T> x, Vec<T> yes, Vec<T> no) {
    return where<T>(x <= 0, no, yes);
}

#define BACKPASS_AT                                                                           \
    template <class T>                                                                        \
    static BACKPASS_INLINE void at([[maybe_unused]] Vec<T> y, [[maybe_unused]] Vec<T> a,      \
                                   [[maybe_unused]] Vec<T> z,                                 \
                                   [[maybe_unused]] const double* numbers, Vec<T>& cost,      \
                                   Vec<T>& derivative)

struct SquaredError {
    static constexpr bool fused = false;
    BACKPASS_AT {
        cost = all((T)0.5) * ((a - y) * (a - y));
        derivative = a - y;
    }
};

struct AbsoluteError {
    static constexpr bool fused = false;
    BACKPASS_AT {
        derivative = sign<T>(a - y);
        cost = derivative * (a - y);
    }
};

struct Huber {
    static constexpr bool fused = false;
    BACKPASS_AT {
        const Vec<T> r = a - y, delta = all((T)numbers[0]);
        const IVec<T> inside = (r <= delta) & (r >= -delta);
        cost = where<T>(inside, all((T)0.5) * (r * r),
                        delta * (magnitude<T>(r) - all((T)0.5) * delta));
        derivative = where<T>(inside, r, delta * sign<T>(r));
    }
};

struct Logistic {
    static constexpr bool fused = false;
    BACKPASS_AT {
        cost = log_one_plus_exp<T>(-y * a);
        derivative = -y * logistic<T>(-y * a);
    }
};

struct Hinge {
    static constexpr bool fused = false;
    BACKPASS_AT {
        const Vec<T> gap = all((T)1) - y * a;
        cost = where_positive<T>(gap, gap, Vec<T>{});
        derivative = where_positive<T>(gap, -y, Vec<T>{});
    }
};

struct Shortfall {
    static constexpr bool fused = false;
    BACKPASS_AT {
        cost = where_positive<T>(y - a, y - a, Vec<T>{});
        derivative = where_positive<T>(y - a, all((T)-1), Vec<T>{});
    }
};

struct Pinball {
    static constexpr bool fused = false;
    BACKPASS_AT {
        const Vec<T> gap = y - a, tau = all((T)numbers[0]), below = all((T)(numbers[0] - 1));
        cost = where_positive<T>(gap, tau * gap, below * gap);
        derivative = where_positive<T>(gap, -tau, below * sign<T>(gap));
    }
};

struct LogisticBinaryCrossEntropy {
    static constexpr bool fused = true;
    BACKPASS_AT {
        cost = y * log_one_plus_exp<T>(-z) + (all((T)1) - y) * log_one_plus_exp<T>(z);
        derivative = a - y;
    }
};

struct ExpPoisson {
    static constexpr bool fused = true;
    BACKPASS_AT {
        cost = x_log_y<T>(y, y) - y * z - y + a;
        derivative = a - y;
    }
};

struct SoftplusPoisson {
    static constexpr bool fused = true;
    BACKPASS_AT {
        const IVec<T> far = z < (T)-40, zero = a == 0;
        const Vec<T> log_a = where<T>(far, z, log<T>(where<T>(far, all((T)1), a)));
        const Vec<T> safe = where<T>(zero, all((T)1), a), shrunk = -expm1<T>(-a);
        cost = x_log_y<T>(y, y) - y * log_a - y + a;
        derivative = shrunk - y * where<T>(zero, safe, -expm1<T>(-safe) / safe);
    }
};
#undef BACKPASS_AT

// Lanes of panel `p` that belong to units.
template <class T> BACKPASS_INLINE IVec<T> units_of_panel(int p, int units) {
    IVec<T> lane;
    for (int i = 0; i < Lanes<T>::n; i++) lane[i] = i;
    return lane + (typename Lanes<T>::Int)(p * Lanes<T>::n) < (typename Lanes<T>::Int)units;
}

template <class T> BACKPASS_INLINE T sum_of_lanes(Vec<T> x) {
    T part[Lanes<T>::n] __attribute__((aligned(BACKPASS_BYTES)));
    store(part, x);
    for (int width = Lanes<T>::n / 2; width; width /= 2)
        for (int i = 0; i < width; i++) part[i] += part[i + width];
    return part[0];
}
template <class T> BACKPASS_INLINE T max_of_lanes(Vec<T> x) {
    T part[Lanes<T>::n] __attribute__((aligned(BACKPASS_BYTES)));
    store(part, x);
    for (int width = Lanes<T>::n / 2; width; width /= 2)
        for (int i = 0; i < width; i++)
            part[i] = part[i] < part[i + width] ? part[i + width] : part[i];
    return part[0];
}

template <class T, class Loss>
static __attribute__((noinline)) void output_error(const OutputSlice<T>& o) {
    constexpr int V = Lanes<T>::n;
    const int panels = (o.units + V - 1) / V;
    for (ptrdiff_t n = 0; n < o.rows; n++) {
        Vec<T> total = {};
        for (int p = 0; p < panels; p++) {
            const ptrdiff_t at = p * o.panel + n * V;
            const Vec<T> y = load(o.y + at), a = load(o.a + at), z = load(o.delta + at);
            const IVec<T> inside = units_of_panel<T>(p, o.units);
            Vec<T> cost, derivative;
            Loss::template at<T>(y, a, z, o.numbers, cost, derivative);
            if (!Loss::fused) derivative *= load(o.d + at);
            cost = where<T>(cost > o.ceiling, all(o.ceiling), cost);
            total += where<T>(inside, cost, Vec<T>{});
            store(o.delta + at, where<T>(inside, all(o.factor[n]) * derivative, Vec<T>{}));  // B1
        }
        o.cost[n] = (double)sum_of_lanes<T>(total);
    }
}

// F2 of softmax for one row; returns log sum_k exp(z_k), what -log a_k adds z_k to.
template <class T>
BACKPASS_INLINE T softmax_row(const T* z, T* a, ptrdiff_t panel, int units) {
    constexpr int V = Lanes<T>::n;
    const int panels = (units + V - 1) / V;
    const T lowest = -__builtin_inf();
    Vec<T> top = all(lowest);
    for (int p = 0; p < panels; p++) {
        const Vec<T> x = where<T>(units_of_panel<T>(p, units), load(z + p * panel), all(lowest));
        top = where<T>(x > top, x, top);
    }
    const T largest = max_of_lanes<T>(top);
    Vec<T> sums = {};
    for (int p = 0; p < panels; p++) {
        const Vec<T> e = where<T>(units_of_panel<T>(p, units),
                                  exp<T>(load(z + p * panel) - all(largest)), Vec<T>{});
        store(a + p * panel, e);
        sums += e;
    }
    const T sum = sum_of_lanes<T>(sums);
    for (int p = 0; p < panels; p++) store(a + p * panel, load(a + p * panel) / all(sum));
    return largest + log<T>(all(sum))[0];
}

template <class T>
static __attribute__((noinline)) void softmax_rows(const T* z, T* a, ptrdiff_t panel,
                                                   ptrdiff_t rows, int units) {
    for (ptrdiff_t n = 0; n < rows; n++)
        softmax_row<T>(z + n * Lanes<T>::n, a + n * Lanes<T>::n, panel, units);
}

// softmax with cross-entropy: C = sum_k y_k (log sum_m exp(z_m) - z_k), dC/dz = a - y
template <class T>
static __attribute__((noinline)) void softmax_cross_entropy(const OutputSlice<T>& o) {
    constexpr int V = Lanes<T>::n;
    const int panels = (o.units + V - 1) / V;
    for (ptrdiff_t n = 0; n < o.rows; n++) {
        T *z = o.delta + n * V, *a = (T*)o.a + n * V;
        const T log_sum = softmax_row<T>(z, a, o.panel, o.units);
        Vec<T> total = {};
        for (int p = 0; p < panels; p++) {
            const Vec<T> y = load(o.y + p * o.panel + n * V);
            const Vec<T> shifted = all(log_sum) - load(z + p * o.panel);
            Vec<T> cost = y * shifted;
            cost = where<T>(cost > o.ceiling, all(o.ceiling), cost);
            total += where<T>(units_of_panel<T>(p, o.units), cost, Vec<T>{});
            store(z + p * o.panel, all(o.factor[n]) * (load(a + p * o.panel) - y));  // B1
        }
        o.cost[n] = (double)sum_of_lanes<T>(total);
    }
}

// softmax with squared error: dC/dz_i = a_i (r_i - sum_k a_k r_k), r = a - y
template <class T>
static __attribute__((noinline)) void softmax_squared_error(const OutputSlice<T>& o) {
    constexpr int V = Lanes<T>::n;
    const int panels = (o.units + V - 1) / V;
    for (ptrdiff_t n = 0; n < o.rows; n++) {
        T *z = o.delta + n * V, *a = (T*)o.a + n * V;
        softmax_row<T>(z, a, o.panel, o.units);
        Vec<T> total = {}, mixed = {};
        for (int p = 0; p < panels; p++) {
            const Vec<T> r = load(a + p * o.panel) - load(o.y + p * o.panel + n * V);
            const Vec<T> cost = all((T)0.5) * (r * r);
            total += where<T>(cost > o.ceiling, all(o.ceiling), cost);
            mixed += r * load(a + p * o.panel);
        }
        const Vec<T> mean = all(sum_of_lanes<T>(mixed));
        for (int p = 0; p < panels; p++) {
            const Vec<T> p_a = load(a + p * o.panel);
            const Vec<T> r = p_a - load(o.y + p * o.panel + n * V);
            store(z + p * o.panel, all(o.factor[n]) * (p_a * (r - mean)));
        }
        o.cost[n] = (double)sum_of_lanes<T>(total);
    }
}

template <class T> struct LossEntry {
    const char *loss, *output;  // output: "" for any that is not fused
    OutputError<T> error;
};

template <class T> static OutputError<T> find_loss(const char* loss, const char* output) {
    const LossEntry<T> entries[] = {
        {"cross_entropy", "softmax", &softmax_cross_entropy<T>},
        {"squared_error", "softmax", &softmax_squared_error<T>},
        {"binary_cross_entropy", "logistic", &output_error<T, LogisticBinaryCrossEntropy>},
        {"poisson", "exp", &output_error<T, ExpPoisson>},
        {"poisson", "softplus", &output_error<T, SoftplusPoisson>},
        {"squared_error", "", &output_error<T, SquaredError>},
        {"absolute_error", "", &output_error<T, AbsoluteError>},
        {"huber", "", &output_error<T, Huber>},
        {"logistic", "", &output_error<T, Logistic>},
        {"hinge", "", &output_error<T, Hinge>},
        {"shortfall", "", &output_error<T, Shortfall>},
        {"pinball", "", &output_error<T, Pinball>},
    };
    for (const auto& entry : entries)
        if (std::strcmp(entry.loss, loss) == 0 &&
            (std::strcmp(entry.output, output) == 0 || !entry.output[0]))
            return entry.error;
    return nullptr;
}

}  // namespace BACKPASS_ISA
}  // namespace backpass
