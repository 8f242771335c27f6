// Lets things fail while the engine computes, each at one known moment: the system gives no thread,
// memory runs out, the owner of an array writes to it. See test_native_faults.py.
#if !defined(_GNU_SOURCE)
#define _GNU_SOURCE
#endif
#include <dlfcn.h>
#include <pthread.h>

#include <cstdio>
#include <cstdlib>

#include "prediction.hpp"
#include "run.hpp"

namespace {

int threads_left = 1 << 20;      // that the system will give
int allocations_left = 1 << 30;  // that succeed

}  // namespace

extern "C" int pthread_create(pthread_t* thread, const pthread_attr_t* attributes,
                              void* (*f)(void*), void* data) {
    using Create = int (*)(pthread_t*, const pthread_attr_t*, void* (*)(void*), void*);
    static const Create create = (Create)dlsym(RTLD_NEXT, "pthread_create");
    return threads_left-- > 0 ? create(thread, attributes, f, data) : EAGAIN;
}

// malloc's own alignment, 16, is enough for the baseline instruction set.
void* operator new(size_t bytes, std::align_val_t, const std::nothrow_t&) noexcept {
    return allocations_left-- > 0 ? std::malloc(bytes) : nullptr;
}
void* operator new(size_t bytes) {
    if (void* data = allocations_left-- > 0 ? std::malloc(bytes) : nullptr) return data;
    throw std::bad_alloc();
}
void operator delete(void* data, std::align_val_t) noexcept { std::free(data); }
void operator delete(void* data) noexcept { std::free(data); }
void operator delete(void* data, size_t) noexcept { std::free(data); }

namespace backpass {
namespace BACKPASS_ISA {
extern const Isa isa;
}
}  // namespace backpass
using namespace backpass;

namespace {

void require(bool good, const char* what) {
    if (good) return;
    std::printf("failed: %s\n", what);
    std::exit(1);
}

constexpr int ROWS = 300, WIDTH = 40, HIDDEN = 70, UNITS = 3, BATCH = 25;
const std::vector<int> SIZES{WIDTH, HIDDEN, UNITS};
const std::vector<Spec> ACTIVATIONS{{"tanh", {}}, {"identity", {}}};
const Kernels<float>& kernels = *BACKPASS_ISA::isa.f32;

struct Problem {
    std::vector<float> X, Y, theta;
    std::vector<int64_t> order;
    std::vector<double> rates, costs;
    std::vector<int32_t> starts{0}, columns;
    uint32_t state = 1;

    float draw() { return (float)((state = state * 1664525u + 1013904223u) / 4294967296.0 - 0.5); }
    static Source rows_of(const std::vector<float>& values, int width) {
        Source source;
        source.data = values.data(), source.dtype = Dtype::f32;
        source.row_stride = 4 * width, source.column_stride = 4;
        source.n_rows = ROWS, source.width = width;
        return source;
    }
    Source dense() const { return rows_of(X, WIDTH); }
    // CSR: every other row is empty, and the others have `entries` each.
    Source sparse() const {
        Source source;
        source.data = X.data(), source.dtype = Dtype::f32;
        source.n_rows = ROWS, source.width = WIDTH;
        source.starts = starts.data(), source.columns = columns.data();
        source.n_entries = (int64_t)columns.size();
        return source;
    }
    Source targets() const { return rows_of(Y, UNITS); }

    explicit Problem(int entries = 4)
        : X(ROWS * WIDTH), Y(ROWS * UNITS), theta(WIDTH * HIDDEN + HIDDEN + HIDDEN * UNITS + UNITS),
          rates(ROWS / BATCH, 0.1), costs(2 * ROWS / BATCH) {
        for (std::vector<float>* numbers : {&X, &Y, &theta})
            for (float& x : *numbers) x = draw();
        for (int64_t n = 0; n < ROWS; n++) order.push_back(n * 7 % ROWS);
        for (int n = 0; n < ROWS; n++) {
            for (int entry = 0; n % 2 == 0 && entry < entries; entry++)
                columns.push_back((WIDTH - entries) / 2 + entry);
            starts.push_back((int32_t)columns.size());
        }
    }
};

Settings settings(int n_threads) {
    Settings s;
    s.batch_size = BATCH, s.n_threads = n_threads, s.alpha = 0.1, s.dropout = 0.2, s.seed = 3;
    return s;
}

struct Learner : Run<float> {
    explicit Learner(int n_threads)
        : Run<float>(kernels, SIZES, ACTIVATIONS, {"squared_error", {}}, {"sgd", {}},
                     settings(n_threads)) {}
};

Rows<float> with_targets(const Source& X, const Problem& p) {
    Rows<float> rows = backpass::rows_of<float>(X);
    rows.Y = p.targets();
    return rows;
}

std::vector<float> trained(int n_threads) {
    Problem p;
    Learner run(n_threads);
    run.load(p.theta.data());
    run.set_rows(with_targets(p.dense(), p));
    for (int epoch = 0; epoch < 3; epoch++)
        require(run.advance(p.order.data(), ROWS, p.rates.data(), p.costs.data(), Poll{}) ==
                    ROWS / BATCH,
                "all batches");
    run.store(p.theta.data());
    return p.theta;
}

std::vector<float> predicted(int n_threads) {
    const Problem p;
    std::vector<float> output(ROWS * UNITS);
    predict<float>(kernels, SIZES, ACTIVATIONS, p.theta.data(), p.dense(), output.data(), n_threads,
                   Poll{});
    return output;
}

// The same bytes come from the threads that there are.
void too_few_threads() {
    const std::vector<float> weights = trained(1), output = predicted(1);
    for (const int given : {0, 1, 2}) {
        threads_left = given;
        require(trained(4) == weights, "training with the threads there are");
        threads_left = given;
        require(predicted(4) == output, "predicting with the threads there are");
    }
    threads_left = 1 << 20;
}

// New rows or an evaluation for which there is no memory leave the run as it was.
void no_memory(bool sparse_first) {
    const Problem p;
    const auto rows = [&](Run<float>& run, bool sparse) {
        run.set_rows(with_targets(sparse ? p.sparse() : p.dense(), p));
    };
    std::vector<float> want;
    for (int given = -1, failed = 1; failed; given++) {  // -1: nothing is let fail
        Learner run(2);
        std::vector<double> cost(2), norms(ROWS), costs(p.costs);
        std::vector<float> gradient(p.theta.size()), got(p.theta.size());
        run.load(p.theta.data());
        rows(run, sparse_first);
        if (given >= 0) allocations_left = given;
        failed = 0;
        try {
            rows(run, !sparse_first);
            run.evaluate(p.order.data(), ROWS, cost.data(), gradient.data(), norms.data(), Poll{});
            run.evaluate_rows(with_targets(p.sparse(), p), nullptr, ROWS, cost.data(), got.data(),
                              Poll{});
        } catch (const std::bad_alloc&) {
            failed = 1;
        }
        allocations_left = 1 << 30;
        run.advance(p.order.data(), ROWS, p.rates.data(), costs.data(), Poll{});
        run.load(p.theta.data());
        run.set_steps(0);
        rows(run, !sparse_first);
        require(
            run.advance(p.order.data(), ROWS, p.rates.data(), costs.data(), Poll{}) == ROWS / BATCH,
            "the batches of a run whose evaluation failed");
        run.evaluate(p.order.data(), ROWS, cost.data(), gradient.data(), nullptr, Poll{});
        run.store(got.data());
        got.insert(got.end(), gradient.begin(), gradient.end());
        for (const double x : costs) got.push_back((float)x);
        if (want.empty()) want = got, failed = 1;
        require(got == want, "a run whose evaluation failed is as it was");
    }
}

// An owner who writes to a CSR array between two blocks of rows of one call.
struct Owner {
    Problem& problem;
    void (*change)(Problem&);
    int calls = 0;
    static bool ask(void* self) {
        Owner& owner = *(Owner*)self;
        if (owner.calls++ == 0) owner.change(owner.problem);
        return false;
    }
    Poll poll() { return {&ask, this}; }
};

// Numbers change with the array; no place out of bounds is read or written.
void changed_meanwhile(int entries, int n_threads) {
    void (*const changes[])(Problem&) = {
        [](Problem& p) {
            for (int32_t& x : p.starts) x = 1 << 30;
        },
        [](Problem& p) {
            for (int32_t& x : p.starts) x -= 1 << 30;
        },
        [](Problem& p) {
            for (size_t n = 0; n < p.starts.size(); n += 2) p.starts[n] = 1 << 30;
        },
        [](Problem& p) {  // every other row has all the entries: more than there is room for
            for (size_t n = 1; n < p.starts.size(); n += 2) p.starts[n - 1] = 0;
            for (size_t n = 1; n < p.starts.size(); n += 2) p.starts[n] = (int)p.columns.size();
        },
        [](Problem& p) {
            for (int32_t& c : p.columns) c = 1 << 30;
        },
        [](Problem& p) {
            for (int32_t& c : p.columns) c = -1 - c;
        },
        [](Problem& p) {
            for (int32_t& c : p.columns) c = WIDTH - 1 - c;
        },  // out of order
    };
    for (const auto change : changes) {
        for (const int call : {0, 1, 2, 3}) {
            Problem p(entries);
            Owner owner{p, change};
            std::vector<float> gradient(p.theta.size()), output(ROWS * UNITS);
            std::vector<double> cost(2), norms(ROWS);
            Learner run(n_threads);
            run.load(p.theta.data());
            run.set_rows(with_targets(p.sparse(), p));
            if (call == 0)
                run.advance(p.order.data(), ROWS, p.rates.data(), p.costs.data(), owner.poll());
            if (call == 1)
                run.evaluate(p.order.data(), ROWS, cost.data(), gradient.data(), norms.data(),
                             owner.poll());
            if (call == 2)
                predict<float>(kernels, SIZES, ACTIVATIONS, p.theta.data(), p.sparse(),
                               output.data(), n_threads, owner.poll());
            if (call == 3)
                run.evaluate_rows(with_targets(p.sparse(), p), nullptr, ROWS, cost.data(),
                                  output.data(), owner.poll());
            // of several threads the other one may have taken all blocks
            require(owner.calls > 0 || (call >= 2 && n_threads > 1), "the owner was asked");
        }
    }
}

}  // namespace

int main() {
    too_few_threads();
    no_memory(false);
    no_memory(true);
    for (const int n_threads : {1, 2}) {
        changed_meanwhile(4, n_threads);   // worth working on entries
        changed_meanwhile(30, n_threads);  // gathered like dense rows
    }
    std::printf("done\n");
}
