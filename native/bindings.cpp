// The Python module backpass._native: every argument is checked here, then the GIL is released.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <chrono>

#include "isas.hpp"
#include "prediction.hpp"

namespace nb = nanobind;
using namespace nb::literals;

namespace backpass {
namespace {

using AnyArray = nb::ndarray<nb::ro, nb::device::cpu>;
template <class T> using Vector = nb::ndarray<T, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
template <class T>
using ReadVector = nb::ndarray<const T, nb::ndim<1>, nb::c_contig, nb::device::cpu>;

// Lets Python's signal handlers run now and then while native code computes.
class Signals {
  public:
    Poll poll() { return {&ask, this}; }
    void raise() const {
        if (pending_) throw nb::python_error();
    }

  private:
    static bool ask(void* self) {
        Signals& signals = *(Signals*)self;
        const auto now = std::chrono::steady_clock::now();
        if (now - signals.last_ < std::chrono::milliseconds(50)) return false;
        signals.last_ = now;
        const nb::gil_scoped_acquire held;
        signals.pending_ = PyErr_CheckSignals() != 0;
        return signals.pending_;
    }
    std::chrono::steady_clock::time_point last_ = std::chrono::steady_clock::now();
    bool pending_ = false;
};

[[noreturn]] void refuse(const std::string& what) { throw std::invalid_argument(what); }
void require(bool good, const char* what) {
    if (!good) refuse(what);
}

// NumPy hands out views of bytes, whose numbers may begin anywhere; no processor promises to read
// those.
template <class... A> void require_aligned(const A&... arrays) {
    require((... && (arrays.size() == 0 || (uintptr_t)arrays.data() % arrays.itemsize() == 0)),
            "an array is not aligned: copy it");
}

// `x` as it is: an array converted for the occasion would be gone before it is used.
template <class A> A exactly(nb::handle x, const char* what) {
    A array;
    if (!nb::try_cast<A>(x, array, false)) throw nb::type_error(what);
    require_aligned(array);
    return array;
}
AnyArray any_array(nb::handle x) {
    return exactly<AnyArray>(x, "not an array of numbers that the native engine reads");
}

Dtype dtype_of(const AnyArray& x) {
    const auto type = x.dtype();
    const bool real = type.code == (uint8_t)nb::dlpack::dtype_code::Float;
    const bool whole = type.code == (uint8_t)nb::dlpack::dtype_code::Int;
    const bool natural = type.code == (uint8_t)nb::dlpack::dtype_code::UInt ||
                         type.code == (uint8_t)nb::dlpack::dtype_code::Bool;
    struct Known {
        bool is_kind;
        int bits;
        Dtype dtype;
    };
    const Known known[] = {
        {real, 32, Dtype::f32},    {real, 64, Dtype::f64},    {whole, 8, Dtype::i8},
        {whole, 16, Dtype::i16},   {whole, 32, Dtype::i32},   {whole, 64, Dtype::i64},
        {natural, 8, Dtype::u8},   {natural, 16, Dtype::u16}, {natural, 32, Dtype::u32},
        {natural, 64, Dtype::u64},
    };
    for (const Known& k : known)
        if (k.is_kind && k.bits == type.bits && type.lanes == 1) return k.dtype;
    refuse("an array has a dtype that the native engine does not read");
}

// Rows of a dense array (n,) or (n, width).
Source dense_source(const AnyArray& x, int width) {
    require(x.ndim() == 1 || x.ndim() == 2, "an array of rows must have 1 or 2 axes");
    require((int64_t)(x.ndim() == 2 ? x.shape(1) : 1) == width, "an array has the wrong width");
    Source source;
    source.data = x.data();
    source.dtype = dtype_of(x);
    const ptrdiff_t size = x.itemsize();
    source.row_stride = x.stride(0) * size;
    source.column_stride = x.ndim() == 2 ? x.stride(1) * size : size;
    source.n_rows = (int64_t)x.shape(0);
    source.width = width;
    return source;
}

// Whether a CSR row lies within the entries, its columns in order and once each: the gradient walks
// along them, panel by panel.
template <class Index> bool row_fits(const Source& x, int64_t row) {
    const Index *starts = (const Index*)x.starts, *columns = (const Index*)x.columns;
    const int64_t begin = starts[row], end = starts[row + 1];
    if (begin < 0 || begin > end || end > x.n_entries) return false;
    int64_t last = -1;
    for (int64_t e = begin; e < end; e++) {
        if (columns[e] <= last || columns[e] >= x.width) return false;
        last = columns[e];
    }
    return true;
}
bool row_fits(const Source& x, int64_t row) {
    return x.wide_indices ? row_fits<int64_t>(x, row) : row_fits<int32_t>(x, row);
}

// Rows of a CSR array, from (data, indices, indptr).
Source sparse_source(const AnyArray& data, const AnyArray& columns, const AnyArray& starts,
                     int width) {
    for (const AnyArray* x : {&data, &columns, &starts})
        require(x->ndim() == 1 && (x->shape(0) < 2 || x->stride(0) == 1),
                "the arrays of a sparse array must be contiguous vectors");
    require(starts.shape(0) >= 1 && columns.shape(0) == data.shape(0), "sparse arrays do not fit");
    const Dtype index = dtype_of(columns);
    require(index == dtype_of(starts) && (index == Dtype::i32 || index == Dtype::i64),
            "sparse indices must be int32 or int64");
    Source source;
    source.data = data.data();
    source.dtype = dtype_of(data);
    source.n_rows = (int64_t)starts.shape(0) - 1;
    source.width = width;
    source.n_entries = (int64_t)data.shape(0);
    source.starts = starts.data(), source.columns = columns.data();
    source.wide_indices = index == Dtype::i64;
    bool good = source.wide_indices ? *(const int64_t*)source.starts == 0
                                    : *(const int32_t*)source.starts == 0;
    for (int64_t n = 0; n < source.n_rows; n++) good &= row_fits(source, n);
    require(good, "a sparse array's indptr does not fit its data, or its columns are not in order");
    return source;
}

// The rows that a call reads, again: the arrays are the caller's, who may have written to them.
void check_still_fits(const Source& x, const std::vector<int64_t>& rows) {
    bool good = true;
    if (x.starts)
        for (const int64_t row : rows) good &= row_fits(x, row);
    require(good, "a sparse array was changed after it was set, and no longer fits");
}

Source any_source(nb::handle x, int width) {
    if (nb::isinstance<nb::tuple>(x)) {
        const nb::tuple parts = nb::borrow<nb::tuple>(x);
        require(parts.size() == 3, "a sparse array is (data, indices, indptr)");
        return sparse_source(any_array(parts[0]), any_array(parts[1]), any_array(parts[2]), width);
    }
    return dense_source(any_array(x), width);
}

const Isa& isa_named(const std::string& name) {
    for (const Isa* isa : available_isas())
        if (name == isa->name) return *isa;
    refuse("instruction set '" + name + "' is not available here");
}
template <class T> const Kernels<T>& kernels_of(const Isa& isa);
template <> const Kernels<float>& kernels_of(const Isa& isa) { return *isa.f32; }
template <> const Kernels<double>& kernels_of(const Isa& isa) { return *isa.f64; }

void check_sizes(const std::vector<int>& sizes, const std::vector<Spec>& activations) {
    require(sizes.size() >= 2 && activations.size() == sizes.size() - 1,
            "sizes and activations do not fit");
    for (const int size : sizes)  // so that one rounded up to whole vectors is an int, too
        require(size >= 1 && size <= 1 << 30, "sizes must be 1 ... 2^30");
    for (size_t l = 0; l + 1 < activations.size(); l++)
        require(activations[l].first != "softmax", "softmax is an output");
}
size_t parameters_of(const std::vector<int>& sizes) {
    size_t count = 0;
    for (size_t l = 1; l < sizes.size(); l++) {  // a layer has at most 2^60 + 2^30 of them
        count += ((size_t)sizes[l - 1] + 1) * sizes[l];
        require(count <= (size_t)1 << 60, "the network has more parameters than there is memory");
    }
    return count;
}

// Run<T> with the arrays it reads kept alive.
template <class T> class BoundRun {
    // Native code computes without the GIL: another thread, or a signal's handler, may call then.
    class Alone {
      public:
        explicit Alone(const BoundRun& run) : busy_(run.busy_) {
            require(!busy_, "the run is computing; call it again when that has ended");
            busy_ = true;
        }
        Alone(const Alone&) = delete;
        Alone& operator=(const Alone&) = delete;
        ~Alone() { busy_ = false; }

      private:
        bool& busy_;
    };

  public:
    BoundRun(const std::string& isa, const std::vector<int>& sizes,
             const std::vector<Spec>& activations, const Spec& loss, const Spec& optimizer,
             int64_t batch_size, int n_threads, double alpha, bool decoupled, double dropout,
             uint64_t seed, double clip_norm, double ceiling, double smoothing)
        : run_(kernels_of<T>(isa_named(isa)),
               checked({sizes, activations, loss, optimizer, batch_size, n_threads, alpha, dropout,
                        clip_norm, smoothing, ceiling, seed, decoupled})) {
        width_ = sizes.front(), outputs_ = sizes.back();
    }

    void set_rows(nb::object X, nb::object y, nb::object labels, nb::object weights) {
        const Alone alone(*this);
        const Source rows = any_source(X, width_);
        Source targets;
        const int32_t* label = nullptr;
        const T* weight = nullptr;
        if (labels.is_none()) {
            targets = any_source(y, outputs_);
            require(targets.n_rows == rows.n_rows, "X and y have different numbers of rows");
        } else {
            const auto vector = exactly<ReadVector<int32_t>>(labels, "class labels must be int32");
            require((int64_t)vector.shape(0) == rows.n_rows, "X and y have different numbers of rows");
            label = vector.data();
            bool good = true;
            for (int64_t n = 0; n < rows.n_rows; n++) good &= label[n] >= 0 && label[n] < outputs_;
            require(good, "a class label is out of range");
        }
        if (!weights.is_none()) {
            const auto vector = exactly<ReadVector<T>>(weights, "weights must have the run's dtype");
            require((int64_t)vector.shape(0) == rows.n_rows,
                    "X and sample_weight have different numbers of rows");
            weight = vector.data();
        }
        run_.set_rows(rows, targets, label, weight);
        n_rows_ = rows.n_rows, X_ = rows, Y_ = targets;
        kept_ = nb::make_tuple(X, y, labels, weights);
    }

    void load(const ReadVector<T>& flat) {
        const Alone alone(*this);
        require_aligned(flat);
        require_parameters(flat.shape(0));
        run_.load(flat.data());
    }
    void store(const Vector<T>& flat) {
        const Alone alone(*this);
        require_aligned(flat);
        require_parameters(flat.shape(0));
        run_.store(flat.data());
    }
    void load_state(int slot, const ReadVector<T>& flat) {
        const Alone alone(*this);
        require_aligned(flat);
        require_slot(slot, flat.shape(0));
        run_.load_state(slot, flat.data());
    }
    void store_state(int slot, const Vector<T>& flat) {
        const Alone alone(*this);
        require_aligned(flat);
        require_slot(slot, flat.shape(0));
        run_.store_state(slot, flat.data());
    }
    int64_t steps() const { return run_.steps(); }
    void set_steps(int64_t steps) {
        const Alone alone(*this);
        require(steps <= (int64_t)1 << 62, "steps must be at most 2^62");
        run_.set_steps(steps);
    }
    int slots() const { return run_.slots(); }
    void set_threads(int n) {
        const Alone alone(*this);
        require(n >= 1 && n <= run_.most_threads(), "more threads than the run was made with");
        run_.set_threads(n);
    }

    int64_t advance(const ReadVector<int64_t>& rows, const ReadVector<double>& rates,
                    const Vector<double>& costs) {
        const Alone alone(*this);
        require_aligned(rows, rates, costs);
        take_rows(rows);
        const int64_t M = run_.job().batch_size, n = (int64_t)rows_.size();
        const size_t batches = (size_t)((n + M - 1) / M);
        require(rates.shape(0) == batches && costs.shape(0) == 2 * batches,
                "advance needs a rate and two costs for every batch");
        Signals signals;
        int64_t done;
        {
            const nb::gil_scoped_release released;
            done = run_.advance(rows_.data(), n, rates.data(), costs.data(), signals.poll());
        }
        signals.raise();
        return done;
    }

    void evaluate(const ReadVector<int64_t>& rows, const Vector<double>& costs,
                  nb::object gradient, nb::object norms) {
        const Alone alone(*this);
        require_aligned(rows, costs);
        take_rows(rows);
        require(rows_.size() >= 1 && costs.shape(0) == 2, "evaluate needs rows and two costs");
        T* into = nullptr;
        if (!gradient.is_none()) {
            const auto vector = exactly<Vector<T>>(gradient, "gradient must have the run's dtype");
            require_parameters(vector.shape(0));
            into = vector.data();
        }
        double* row_norms = nullptr;
        if (!norms.is_none()) {
            const auto vector = exactly<Vector<double>>(norms, "norms must be float64");
            require(vector.shape(0) == rows_.size(), "norms need a place for every row");
            row_norms = vector.data();
        }
        Signals signals;
        {
            const nb::gil_scoped_release released;
            run_.evaluate(rows_.data(), (int64_t)rows_.size(), costs.data(), into, row_norms,
                          signals.poll());
        }
        signals.raise();
    }

  private:
    static Settings checked(Settings s) {
        check_sizes(s.sizes, s.activations);
        require(s.batch_size >= 1 && s.batch_size <= (int64_t)1 << 40,
                "batch_size must be 1 ... 2^40");
        require(s.n_threads >= 1 && s.n_threads <= 1024, "n_threads must be 1 ... 1024");
        return s;
    }
    void require_parameters(size_t count) const {
        require(count == run_.parameter_count(), "a parameter vector has the wrong length");
    }
    void require_slot(int slot, size_t count) const {
        require(slot >= 0 && slot < run_.slots(), "the optimiser has no such state");
        require_parameters(count);
    }
    // A copy is checked and used: the caller may write to his meanwhile.
    void take_rows(const ReadVector<int64_t>& rows) {
        rows_.assign(rows.data(), rows.data() + rows.shape(0));
        bool good = true;
        for (const int64_t row : rows_) good &= row >= 0 && row < n_rows_;
        require(good, "a row index is out of range");
        check_still_fits(X_, rows_);
        check_still_fits(Y_, rows_);
    }

    Run<T> run_;
    Source X_, Y_;
    std::vector<int64_t> rows_;  // of the last call
    mutable bool busy_ = false;
    int width_ = 0, outputs_ = 0;
    int64_t n_rows_ = 0;
    nb::object kept_;
};

template <class T> class BoundRowPredictor {
  public:
    BoundRowPredictor(const std::string& isa, const std::vector<int>& sizes,
                      const std::vector<Spec>& activations, ReadVector<T> flat)
        : flat_(flat), predictor_((check_sizes(sizes, activations), require_aligned(flat),
                                   require(flat.shape(0) == parameters_of(sizes),
                                           "a parameter vector has the wrong length"),
                                   kernels_of<T>(isa_named(isa))),
                                  sizes, activations, flat.data()) {}

    void predict(const ReadVector<T>& x, const Vector<T>& y) const {
        require_aligned(x, y);
        require((int)x.shape(0) == predictor_.n_in(), "the row has the wrong width");
        require((int)y.shape(0) == predictor_.n_out(), "the output has the wrong width");
        predictor_.predict(x.data(), y.data());
    }

  private:
    ReadVector<T> flat_;
    RowPredictor<T> predictor_;
};

template <class T>
void bound_predict(const std::string& isa, const std::vector<int>& sizes,
                   const std::vector<Spec>& activations, const ReadVector<T>& flat, nb::object X,
                   const Vector<T>& output, int n_threads) {
    check_sizes(sizes, activations);
    require_aligned(flat, output);
    require(flat.shape(0) == parameters_of(sizes), "a parameter vector has the wrong length");
    require(n_threads >= 1 && n_threads <= 1024, "n_threads must be 1 ... 1024");
    const Source rows = any_source(X, sizes.front());
    // divided: a row that is there 2^62 times has more outputs than an int64 counts
    require(output.shape(0) % sizes.back() == 0 &&
                (int64_t)output.shape(0) / sizes.back() == rows.n_rows, "the output does not fit");
    const Kernels<T>& kernels = kernels_of<T>(isa_named(isa));
    Signals signals;
    {
        const nb::gil_scoped_release released;
        predict<T>(kernels, sizes, activations, flat.data(), rows, output.data(), n_threads,
                   signals.poll());
    }
    signals.raise();
}

// For the tests of the functions themselves: whole vectors in, whole vectors out.
template <class T>
void bound_elementary(const std::string& isa, const std::string& name, const ReadVector<T>& x,
                      const Vector<T>& y) {
    const Kernels<T>& kernels = kernels_of<T>(isa_named(isa));
    const Elementary<T> f = kernels.find_elementary(name.c_str());
    if (!f) refuse("unknown function '" + name + "'");
    require_aligned(x, y);
    require(x.shape(0) == y.shape(0), "input and output differ in length");
    const size_t vectors = (x.shape(0) + kernels.lanes - 1) / kernels.lanes;
    Buffer<T> in(vectors * kernels.lanes), out(vectors * kernels.lanes);
    std::memcpy(in.get(), x.data(), sizeof(T) * x.shape(0));
    f(in.get(), out.get(), (ptrdiff_t)vectors);
    std::memcpy(y.data(), out.get(), sizeof(T) * x.shape(0));
}

template <class T>
void bound_activation(const std::string& isa, const Spec& spec, const ReadVector<T>& z,
                      const Vector<T>& a, const Vector<T>& d) {
    const Kernels<T>& kernels = kernels_of<T>(isa_named(isa));
    const Activation<T> f = kernels.find_activation(spec.first.c_str());
    if (!f) refuse("unknown activation '" + spec.first + "'");
    require_aligned(z, a, d);
    require(z.shape(0) == a.shape(0) && z.shape(0) == d.shape(0), "arrays differ in length");
    const size_t n = z.shape(0), vectors = (n + kernels.lanes - 1) / kernels.lanes;
    Buffer<T> in(vectors * kernels.lanes), value(vectors * kernels.lanes),
        slope(vectors * kernels.lanes);
    double numbers[4];
    copy_numbers(spec.second, numbers, 4);
    std::memcpy(in.get(), z.data(), sizeof(T) * n);
    f(in.get(), value.get(), slope.get(), (ptrdiff_t)vectors, numbers);
    std::memcpy(a.data(), value.get(), sizeof(T) * n);
    std::memcpy(d.data(), slope.get(), sizeof(T) * n);
}

template <class T> void bind(nb::module_& m, const char* run, const char* row) {
    nb::class_<BoundRun<T>>(m, run)
        .def(nb::init<const std::string&, const std::vector<int>&, const std::vector<Spec>&,
                      const Spec&, const Spec&, int64_t, int, double, bool, double, uint64_t,
                      double, double, double>(),
             "isa"_a, "sizes"_a, "activations"_a, "loss"_a, "optimizer"_a, nb::kw_only(),
             "batch_size"_a, "n_threads"_a, "alpha"_a, "decoupled"_a, "dropout"_a, "seed"_a,
             "clip_norm"_a, "ceiling"_a, "smoothing"_a)
        .def("set_rows", &BoundRun<T>::set_rows, "X"_a, "y"_a.none(), "labels"_a.none(),
             "weights"_a.none())
        .def("load", &BoundRun<T>::load, "flat"_a.noconvert())
        .def("store", &BoundRun<T>::store, "flat"_a.noconvert())
        .def("load_state", &BoundRun<T>::load_state, "slot"_a, "flat"_a.noconvert())
        .def("store_state", &BoundRun<T>::store_state, "slot"_a, "flat"_a.noconvert())
        .def_prop_rw("steps", &BoundRun<T>::steps, &BoundRun<T>::set_steps)
        .def_prop_ro("slots", &BoundRun<T>::slots)
        .def("set_threads", &BoundRun<T>::set_threads, "n"_a)
        .def("advance", &BoundRun<T>::advance, "rows"_a.noconvert(), "rates"_a.noconvert(),
             "costs"_a.noconvert())
        .def("evaluate", &BoundRun<T>::evaluate, "rows"_a.noconvert(), "costs"_a.noconvert(),
             "gradient"_a.none(), "norms"_a.none());
    nb::class_<BoundRowPredictor<T>>(m, row)
        .def(nb::init<const std::string&, const std::vector<int>&, const std::vector<Spec>&,
                      ReadVector<T>>(),
             "isa"_a, "sizes"_a, "activations"_a, "flat"_a.noconvert())
        .def("predict", &BoundRowPredictor<T>::predict, "x"_a.noconvert(), "y"_a.noconvert());
    m.def("predict", &bound_predict<T>, "isa"_a, "sizes"_a, "activations"_a, "flat"_a.noconvert(),
          "X"_a, "output"_a.noconvert(), "n_threads"_a);
    m.def("elementary_into", &bound_elementary<T>, "isa"_a, "name"_a, "x"_a.noconvert(),
          "y"_a.noconvert());
    m.def("activation_into", &bound_activation<T>, "isa"_a, "spec"_a, "z"_a.noconvert(),
          "a"_a.noconvert(), "d"_a.noconvert());
}

std::vector<std::string> isa_names() {
    std::vector<std::string> names;
    for (const Isa* isa : available_isas()) names.emplace_back(isa->name);
    return names;
}

bool knows(const std::string& kind, const std::string& name, const std::string& output) {
    const Kernels<double>& kernels = *available_isas().back()->f64;
    int slots;
    if (kind == "activation") return name == "softmax" || kernels.find_activation(name.c_str());
    if (kind == "loss") return kernels.find_loss(name.c_str(), output.c_str());
    if (kind == "optimizer") return kernels.find_update(name.c_str(), &slots);
    refuse("kind must be activation, loss or optimizer");
}

}  // namespace
}  // namespace backpass

NB_MODULE(_native, m) {
    m.doc() = "The native engine of backpass; see backpass.engines.native.";
    m.def("isas", &backpass::isa_names, "Instruction sets this machine can run, the fastest first.");
    m.def("knows", &backpass::knows, "kind"_a, "name"_a, "output"_a = "",
          "Whether there is native code for a record.");
    backpass::bind<float>(m, "Run32", "RowPredictor32");
    backpass::bind<double>(m, "Run64", "RowPredictor64");
}
