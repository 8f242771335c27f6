// C and B1: one struct per loss, the same formulas as backpass/core/losses.py.
//
// at() gives the cost of one vector of outputs and its derivative, from the targets y, the
// predictions a and the pre-activations z. `fused` says that the derivative is already the one to z;
// otherwise it is the one to a, and is multiplied with dphi.
#pragma once

#include "elementary.hpp"
#include "kernels.hpp"
#include "tiles.hpp"

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

#define BACKPASS_AT                                                                      \
    template <class T> static BACKPASS_INLINE void at(                                   \
        [[maybe_unused]] Vec<T> y, [[maybe_unused]] Vec<T> a, [[maybe_unused]] Vec<T> z, \
        [[maybe_unused]] const double* numbers, Vec<T>& cost, Vec<T>& derivative)

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

// --- softmax -------------------------------------------------------------------------------------
//
// Rows are taken V at a time and transposed, so that a lane is a row: maxima and sums over the
// units run down the vectors, and exp is taken of k vectors instead of one for every row.

// V rows, transposed: [unit][V rows], in scratch memory of `panels * V` vectors.
template <class T> struct RowBlock {
    const int panels;
    T* const data;

    // from panels, and back; `rows` of V
    void read(const T* x, ptrdiff_t panel, ptrdiff_t rows) {
        constexpr int V = Lanes<T>::n;
        T line[V * V] __attribute__((aligned(BACKPASS_BYTES)));
        for (int p = 0; p < panels; p++) {
            for (int i = 0; i < V; i++)
                store(line + i * V, i < rows ? load(x + p * panel + i * V) : Vec<T>{});
            transpose_block<T>(line, data + p * V * V);
        }
    }
    void write(T* x, ptrdiff_t panel, ptrdiff_t rows) const {
        constexpr int V = Lanes<T>::n;
        T line[V * V] __attribute__((aligned(BACKPASS_BYTES)));
        for (int p = 0; p < panels; p++) {
            transpose_block<T>(data + p * V * V, line);
            for (ptrdiff_t i = 0; i < rows; i++) store(x + p * panel + i * V, load(line + i * V));
        }
    }
    BACKPASS_INLINE T* unit(int k) const { return data + k * Lanes<T>::n; }
};

template <class T> static RowBlock<T> row_block(int units, T* scratch, int number) {
    constexpr int V = Lanes<T>::n;
    const int panels = (units + V - 1) / V;
    return {panels, scratch + (ptrdiff_t)number * panels * V * V};
}

// F2 of softmax for V rows: z becomes a. With t = max_k z_k and s = sum_k exp(z_k - t), which is
// from 1 to the number of units, -log a_k = log s - (z_k - t), to rounding of the small numbers.
template <class T> struct SoftmaxSums { Vec<T> top, log_sum; };
template <class T> static SoftmaxSums<T> softmax_block(const T* z, T* a, int units) {
    constexpr int V = Lanes<T>::n;
    Vec<T> top = load(z);
    for (int k = 1; k < units; k++) {
        const Vec<T> x = load(z + k * V);
        top = where<T>(x > top, x, top);
    }
    Vec<T> sum = {};
    for (int k = 0; k < units; k++) {
        const Vec<T> e = exp<T>(load(z + k * V) - top);
        store(a + k * V, e);
        sum += e;
    }
    const Vec<T> inverse = all((T)1) / sum;
    for (int k = 0; k < units; k++) store(a + k * V, load(a + k * V) * inverse);
    return {top, log<T>(sum)};
}

template <class T>
static __attribute__((noinline)) void softmax_rows(const T* z, T* a, ptrdiff_t panel,
                                                   ptrdiff_t rows, int units, T* scratch) {
    constexpr int V = Lanes<T>::n;
    RowBlock<T> block = row_block<T>(units, scratch, 0);
    for (ptrdiff_t n = 0; n < rows; n += V) {
        const ptrdiff_t count = rows - n < V ? rows - n : V;
        block.read(z + n * V, panel, count);
        softmax_block<T>(block.data, block.data, units);
        block.write(a + n * V, panel, count);
    }
}

// softmax with cross-entropy: C = -sum_k y_k log a_k, dC/dz = a - y
template <class T>
static __attribute__((noinline)) void softmax_cross_entropy(const OutputSlice<T>& o) {
    constexpr int V = Lanes<T>::n;
    RowBlock<T> z = row_block<T>(o.units, o.scratch, 0), a = row_block<T>(o.units, o.scratch, 1),
                y = row_block<T>(o.units, o.scratch, 2);
    for (int i = 0; i < a.panels * V; i++) store(a.unit(i), Vec<T>{});
    for (ptrdiff_t n = 0; n < o.rows; n += V) {
        const ptrdiff_t count = o.rows - n < V ? o.rows - n : V;
        T factors[V] __attribute__((aligned(BACKPASS_BYTES))) = {}, costs[V];
        for (ptrdiff_t i = 0; i < count; i++) factors[i] = o.factor[n + i];
        z.read(o.delta + n * V, o.panel, count);
        y.read(o.y + n * V, o.panel, count);
        const SoftmaxSums<T> of = softmax_block<T>(z.data, a.data, o.units);
        Vec<T> total = {};
        for (int k = 0; k < o.units; k++) {
            const Vec<T> cost = load(y.unit(k)) * (of.log_sum - (load(z.unit(k)) - of.top));
            total += where<T>(cost > o.ceiling, all(o.ceiling), cost);
            store(a.unit(k), load(factors) * (load(a.unit(k)) - load(y.unit(k))));  // B1
        }
        a.write(o.delta + n * V, o.panel, count);
        store_any(costs, total);
        for (ptrdiff_t i = 0; i < count; i++) o.cost[n + i] = (double)costs[i];
    }
}

// softmax with squared error: dC/dz_i = a_i (r_i - sum_k a_k r_k), r = a - y
template <class T>
static __attribute__((noinline)) void softmax_squared_error(const OutputSlice<T>& o) {
    constexpr int V = Lanes<T>::n;
    RowBlock<T> a = row_block<T>(o.units, o.scratch, 0), y = row_block<T>(o.units, o.scratch, 1);
    for (ptrdiff_t n = 0; n < o.rows; n += V) {
        const ptrdiff_t count = o.rows - n < V ? o.rows - n : V;
        T factors[V] __attribute__((aligned(BACKPASS_BYTES))) = {}, costs[V];
        for (ptrdiff_t i = 0; i < count; i++) factors[i] = o.factor[n + i];
        a.read(o.delta + n * V, o.panel, count);
        y.read(o.y + n * V, o.panel, count);
        softmax_block<T>(a.data, a.data, o.units);
        Vec<T> total = {}, mean = {};
        for (int k = 0; k < o.units; k++) {
            const Vec<T> r = load(a.unit(k)) - load(y.unit(k)), cost = all((T)0.5) * (r * r);
            total += where<T>(cost > o.ceiling, all(o.ceiling), cost);
            mean += r * load(a.unit(k));
        }
        for (int k = 0; k < o.units; k++) {
            const Vec<T> r = load(a.unit(k)) - load(y.unit(k));
            store(a.unit(k), load(factors) * (load(a.unit(k)) * (r - mean)));
        }
        a.write(o.delta + n * V, o.panel, count);
        store_any(costs, total);
        for (ptrdiff_t i = 0; i < count; i++) o.cost[n + i] = (double)costs[i];
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
    const bool elementwise = std::strcmp(output, "softmax") != 0;
    for (const auto& entry : entries)
        if (std::strcmp(entry.loss, loss) == 0 &&
            (std::strcmp(entry.output, output) == 0 || (!entry.output[0] && elementwise)))
            return entry.error;
    return nullptr;
}

}  // namespace BACKPASS_ISA
}  // namespace backpass
