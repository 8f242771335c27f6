// Trains small networks with the kernels of one instruction set and prints what came of it: the same
// program for two processors must print almost the same numbers. See test_native_cross.py.
#include <cstdio>

#include "prediction.hpp"
#include "run.hpp"

namespace backpass {
namespace BACKPASS_ISA {
extern const Isa isa;
}
}  // namespace backpass
using namespace backpass;

template <class T> struct Program {
    static constexpr int ROWS = 53;
    const Kernels<T>& kernels;
    const std::vector<int> sizes{7, 17, 33, 3};
    std::vector<double> X = std::vector<double>(ROWS * 7), Y = std::vector<double>(ROWS * 3);
    std::vector<int32_t> labels = std::vector<int32_t>(ROWS);
    std::vector<T> theta{};
    uint32_t state = 1;

    double draw() { return (state = state * 1664525u + 1013904223u) / 4294967296.0 * 2 - 1; }

    static Source rows_of(const std::vector<double>& values, int width) {
        Source source;
        source.data = values.data(), source.dtype = Dtype::f64;
        source.row_stride = 8 * width, source.column_stride = 8;
        source.n_rows = ROWS, source.width = width;
        return source;
    }

    void train(const char* optimizer, std::vector<double> numbers, const char* hidden,
               const char* output, const char* loss, int threads, double dropout) {
        state = 1;
        for (double& x : X) x = draw();
        for (double& y : Y) y = (draw() + 1) / 2;
        for (int32_t& label : labels) label = (int32_t)((draw() + 1) * 1.5);
        theta.assign(7 * 17 + 17 + 17 * 33 + 33 + 33 * 3 + 3, 0);
        for (T& w : theta) w = (T)(draw() / 4);
        Settings s;
        const std::vector<Spec> activations{{hidden, {}}, {hidden, {}}, {output, {}}};
        s.batch_size = 13, s.n_threads = threads, s.alpha = 0.1, s.dropout = dropout, s.seed = 5;
        s.clip_norm = 1;
        Run<T> run(kernels, sizes, activations, {loss, {}}, {optimizer, numbers}, s);
        run.load(theta.data());
        const bool classes = std::string(loss) == "cross_entropy";
        Rows<T> rows = backpass::rows_of<T>(rows_of(X, 7));
        rows.Y = rows_of(Y, 3), rows.labels = classes ? labels.data() : nullptr;
        run.set_rows(rows);
        std::vector<int64_t> order;
        for (int epoch = 0; epoch < 4; epoch++)
            for (int row = 0; row < ROWS; row++) order.push_back(row * 29 % ROWS);
        const size_t steps = (order.size() + 12) / 13;
        std::vector<double> rates(steps, 0.01), costs(2 * steps);
        run.advance(order.data(), (int64_t)order.size(), rates.data(), costs.data(), Poll{});
        run.store(theta.data());
        std::vector<T> out(ROWS * 3);
        predict<T>(kernels, sizes, activations, theta.data(), rows_of(X, 7), out.data(), threads,
                   Poll{});
        double sums[3] = {0, 0, 0};
        for (const double cost : costs) sums[0] += cost;
        for (size_t i = 0; i < theta.size(); i++) sums[1] += theta[i] * (double)(i % 7 + 1);
        for (size_t i = 0; i < out.size(); i++) sums[2] += out[i] * (double)(i % 5 + 1);
        std::printf("%s %s %s %d %.17g %.17g %.17g\n", optimizer, hidden, loss, (int)sizeof(T),
                    sums[0], sums[1], sums[2]);
    }

    void run_all() {
        for (const int threads : {1, 2}) {
            train("sgd", {}, "relu", "softmax", "cross_entropy", threads, 0);
            train("adam", {0.9, 0.999, 1e-8}, "tanh", "identity", "squared_error", threads, 0.3);
            train("momentum", {0.9}, "gelu", "logistic", "binary_cross_entropy", threads, 0);
            train("rmsprop", {0.9, 1e-8}, "silu", "exp", "poisson", threads, 0);
        }
    }
};

int main() {
    Program<float>{*BACKPASS_ISA::isa.f32}.run_all();
    Program<double>{*BACKPASS_ISA::isa.f64}.run_all();
}
