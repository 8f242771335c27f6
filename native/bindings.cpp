// The Python module backpass._native: every argument is checked here, then the GIL is released.
#include <nanobind/stl/pair.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <chrono>

#include "arrays.hpp"
#include "functions.hpp"
#include "prediction.hpp"
#include "run.hpp"

using namespace nb::literals;

namespace backpass {
namespace {

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

// f(poll) without the GIL; a signal that was heard meanwhile is raised after it.
template <class F> void compute(F&& f) {
    Signals signals;
    {
        const nb::gil_scoped_release released;
        f(signals.poll());
    }
    signals.raise();
}

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

// Divided: a row that is there 2^62 times has more outputs than an int64 counts.
void require_outputs(size_t places, int64_t rows, int units) {
    require(places % units == 0 && (int64_t)(places / units) == rows, "the output does not fit");
}

// Rows<T> with the arrays it reads kept alive.
template <class T> class BoundRows {
  public:
    BoundRows(nb::object X, nb::object y, nb::object labels, nb::object weights, int n_in,
              int n_out)
        : n_in(n_in), n_out(n_out), kept_(nb::make_tuple(X, y, labels, weights)) {
        rows_ = rows_of<T>(any_source(X, n_in));
        const int64_t n = size();
        has_targets = !y.is_none() || !labels.is_none();
        if (!labels.is_none()) {
            const auto vector = exactly<ReadVector<int32_t>>(labels, "class labels must be int32");
            require((int64_t)vector.shape(0) == n, "X and y have different numbers of rows");
            rows_.labels = vector.data();
            bool good = true;
            for (int64_t i = 0; i < n; i++) good &= rows_.labels[i] >= 0 && rows_.labels[i] < n_out;
            require(good, "a class label is out of range");
        } else if (!y.is_none()) {
            rows_.Y = any_source(y, n_out);
            require(rows_.Y.n_rows == n, "X and y have different numbers of rows");
        }
        if (!weights.is_none()) {
            const auto vector =
                exactly<ReadVector<T>>(weights, "weights must have the run's dtype");
            require((int64_t)vector.shape(0) == n,
                    "X and sample_weight have different numbers of rows");
            rows_.weights = vector.data();
        }
    }
    const Rows<T>& get() const { return rows_; }
    int64_t size() const { return rows_.X.n_rows; }

    const int n_in, n_out;
    bool has_targets = false;

  private:
    Rows<T> rows_;
    nb::object kept_;
};

// Run<T> with the rows it reads kept alive.
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
             const Settings& settings)
        : run_((check(sizes, activations, settings), kernels_of<T>(isa_named(isa))), sizes,
               activations, loss, optimizer, settings) {
        width_ = sizes.front(), outputs_ = sizes.back();
    }

    void set_rows(nb::object rows) {
        const Alone alone(*this);
        const BoundRows<T>& given = fitting(rows);
        require(given.has_targets, "rows to train on need targets");
        run_.set_rows(given.get());
        rows_ = rows, n_rows_ = given.size(), X_ = given.get().X, Y_ = given.get().Y;
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
        take(rows, n_rows_, X_, Y_);
        const int64_t M = run_.batch_size(), n = (int64_t)taken_.size();
        const size_t batches = (size_t)((n + M - 1) / M);
        require(rates.shape(0) == batches && costs.shape(0) == 2 * batches,
                "advance needs a rate and two costs for every batch");
        int64_t done = 0;
        compute([&](Poll poll) {
            done = run_.advance(taken_.data(), n, rates.data(), costs.data(), poll);
        });
        return done;
    }

    void evaluate(const ReadVector<int64_t>& rows, const Vector<double>& costs, nb::object gradient,
                  nb::object norms) {
        const Alone alone(*this);
        require_aligned(rows, costs);
        take(rows, n_rows_, X_, Y_);
        require(taken_.size() >= 1 && costs.shape(0) == 2, "evaluate needs rows and two costs");
        T* into = nullptr;
        if (!gradient.is_none()) {
            const auto vector = exactly<Vector<T>>(gradient, "gradient must have the run's dtype");
            require_parameters(vector.shape(0));
            into = vector.data();
        }
        double* row_norms = nullptr;
        if (!norms.is_none()) {
            const auto vector = exactly<Vector<double>>(norms, "norms must be float64");
            require(vector.shape(0) == taken_.size(), "norms need a place for every row");
            row_norms = vector.data();
        }
        compute([&](Poll poll) {
            run_.evaluate(taken_.data(), (int64_t)taken_.size(), costs.data(), into, row_norms,
                          poll);
        });
    }

    void shard(const ReadVector<int64_t>& rows, int64_t offset, double mass,
               const Vector<double>& costs, const Vector<T>& gradient) {
        const Alone alone(*this);
        require_aligned(rows, costs, gradient);
        take(rows, n_rows_, X_, Y_);
        require(taken_.size() >= 1 && costs.shape(0) == 2, "shard needs rows and two costs");
        require(offset >= 0 && offset <= (int64_t)1 << 40, "offset must be 0 ... 2^40");
        require_mass(mass);
        require_parameters(gradient.shape(0));
        compute([&](Poll poll) {
            run_.shard(taken_.data(), (int64_t)taken_.size(), offset, mass, costs.data(),
                       gradient.data(), poll);
        });
    }

    void apply(const ReadVector<T>& gradient, double mass, double rate,
               const Vector<double>& costs) {
        const Alone alone(*this);
        require_aligned(gradient, costs);
        require_parameters(gradient.shape(0));
        require_mass(mass);
        require(costs.shape(0) == 2, "apply needs two costs");
        compute([&](Poll poll) { run_.apply(gradient.data(), mass, rate, costs.data(), poll); });
    }

    void evaluate_rows(const BoundRows<T>& data, nb::object rows, nb::object costs,
                       nb::object outputs) {
        const Alone alone(*this);
        require_fit(data);
        int64_t n = data.size();
        if (!rows.is_none()) {
            take(exactly<ReadVector<int64_t>>(rows, "rows must be int64"), data.size(),
                 data.get().X, data.get().Y);
            n = (int64_t)taken_.size();
        } else {
            check_still_fits(data.get().X, n, [](int64_t i) { return i; });
            check_still_fits(data.get().Y, data.get().Y.n_rows, [](int64_t i) { return i; });
        }
        double* costs_to = nullptr;
        T* outputs_to = nullptr;
        if (!costs.is_none()) {
            const auto vector = exactly<Vector<double>>(costs, "costs must be float64");
            require(vector.shape(0) == 2 && n >= 1 && data.has_targets,
                    "costs need rows with targets, and two places");
            costs_to = vector.data();
        }
        if (!outputs.is_none()) {
            const auto vector = exactly<Vector<T>>(outputs, "outputs must have the run's dtype");
            require_outputs(vector.shape(0), n, outputs_);
            outputs_to = vector.data();
        }
        require(costs_to || outputs_to, "nothing is asked for: neither costs nor outputs");
        compute([&](Poll poll) {
            run_.evaluate_rows(data.get(), rows.is_none() ? nullptr : taken_.data(), n, costs_to,
                               outputs_to, poll);
        });
    }

  private:
    static void check(const std::vector<int>& sizes, const std::vector<Spec>& activations,
                      const Settings& s) {
        check_sizes(sizes, activations);
        require(s.batch_size >= 1 && s.batch_size <= (int64_t)1 << 40,
                "batch_size must be 1 ... 2^40");
        require(s.n_threads >= 1 && s.n_threads <= 1024, "n_threads must be 1 ... 1024");
    }
    void require_fit(const BoundRows<T>& rows) const {
        require(rows.n_in == width_ && rows.n_out == outputs_, "the rows do not fit the network");
    }
    const BoundRows<T>& fitting(nb::handle rows) const {
        const BoundRows<T>* given;
        if (!nb::try_cast(rows, given) || !given) throw nb::type_error("these are no rows");
        require_fit(*given);
        return *given;
    }
    void require_parameters(size_t count) const {
        require(count == run_.parameter_count(), "a parameter vector has the wrong length");
    }
    static void require_mass(double mass) {
        require(mass > 0 && std::isfinite(mass), "mass must be above 0, and finite");
    }
    void require_slot(int slot, size_t count) const {
        require(slot >= 0 && slot < run_.slots(), "the optimiser has no such state");
        require_parameters(count);
    }
    // A copy is checked and used: the caller may write to his meanwhile.
    void take(const ReadVector<int64_t>& rows, int64_t n_rows, const Source& X, const Source& Y) {
        taken_.assign(rows.data(), rows.data() + rows.shape(0));
        bool good = true;
        for (const int64_t row : taken_) good &= row >= 0 && row < n_rows;
        require(good, "a row index is out of range");
        for (const Source* x : {&X, &Y})
            check_still_fits(*x, (int64_t)taken_.size(), [&](int64_t i) { return taken_[i]; });
    }

    Run<T> run_;
    nb::object rows_;  // of training
    Source X_, Y_;
    int64_t n_rows_ = 0;
    std::vector<int64_t> taken_;  // row numbers of the last call
    mutable bool busy_ = false;
    int width_ = 0, outputs_ = 0;
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

template <class T> void bound_predict(const std::string& isa, const std::vector<int>& sizes,
                                      const std::vector<Spec>& activations,
                                      const ReadVector<T>& flat, nb::object X,
                                      const Vector<T>& output, int n_threads) {
    check_sizes(sizes, activations);
    require_aligned(flat, output);
    require(flat.shape(0) == parameters_of(sizes), "a parameter vector has the wrong length");
    require(n_threads >= 1 && n_threads <= 1024, "n_threads must be 1 ... 1024");
    const Source rows = any_source(X, sizes.front());
    require_outputs(output.shape(0), rows.n_rows, sizes.back());
    const Kernels<T>& kernels = kernels_of<T>(isa_named(isa));
    compute([&](Poll poll) {
        predict<T>(kernels, sizes, activations, flat.data(), rows, output.data(), n_threads,
                   poll);
    });
}

template <class T> void bind(nb::module_& m, const char* rows, const char* run, const char* row) {
    nb::class_<BoundRows<T>>(m, rows)
        .def(nb::init<nb::object, nb::object, nb::object, nb::object, int, int>(), "X"_a,
             "y"_a.none(), "labels"_a.none(), "weights"_a.none(), nb::kw_only(), "n_in"_a,
             "n_out"_a)
        .def("__len__", &BoundRows<T>::size);
    nb::class_<BoundRun<T>>(m, run)
        .def(nb::init<const std::string&, const std::vector<int>&, const std::vector<Spec>&,
                      const Spec&, const Spec&, const Settings&>(),
             "isa"_a, "sizes"_a, "activations"_a, "loss"_a, "optimizer"_a, "settings"_a)
        .def("set_rows", &BoundRun<T>::set_rows, "rows"_a)
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
             "gradient"_a.none(), "norms"_a.none())
        .def("shard", &BoundRun<T>::shard, "rows"_a.noconvert(), "offset"_a, "mass"_a,
             "costs"_a.noconvert(), "gradient"_a.noconvert())
        .def("apply", &BoundRun<T>::apply, "gradient"_a.noconvert(), "mass"_a, "rate"_a,
             "costs"_a.noconvert())
        .def("evaluate_rows", &BoundRun<T>::evaluate_rows, "data"_a, "rows"_a.none(),
             "costs"_a.none(), "outputs"_a.none());
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

void bind_settings(nb::module_& m) {
    auto settings = nb::class_<Settings>(m, "Settings");
    settings.def("__init__", [](Settings* self, const nb::kwargs& given) {
        new (self) Settings();
        size_t known = 0;
        each_setting([&](const char* name, auto member) {
            if (!given.contains(name)) return;
            known++;
            if (!nb::try_cast(given[name], self->*member))
                throw nb::type_error((std::string("not a value of ") + name).c_str());
        });
        if (known != given.size()) throw nb::type_error("there is no such setting");
    });
    each_setting([&](const char* name, auto member) { settings.def_ro(name, member); });
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
    m.def("isas", &backpass::isa_names,
          "Instruction sets this machine can run, the fastest first.");
    m.def("knows", &backpass::knows, "kind"_a, "name"_a, "output"_a = "",
          "Whether there is native code for a record.");
    backpass::bind_settings(m);
    backpass::bind<float>(m, "Rows32", "Run32", "RowPredictor32");
    backpass::bind<double>(m, "Rows64", "Run64", "RowPredictor64");
}
