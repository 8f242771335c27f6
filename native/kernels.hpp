// What crosses between the bindings and the kernels of one instruction set: plain data only.
//
// Layout of everything blocked: panels of V units, [unit / V][row][V], V lanes of one vector.
// Lanes beyond the last unit are zero in every panel and stay zero through every pass, so that no
// sum needs a mask. Ids in comments (F1 ... U) are those of backpass/core/equations.py.
#pragma once

#include <cstddef>
#include <cstdint>

namespace backpass {

enum class Dtype : int { f32, f64, i8, i16, i32, i64, u8, u16, u32, u64 };

// Rows of the user's array: dense with any strides (in bytes), or CSR. Never copied whole.
struct Source {
    const void* data = nullptr;
    Dtype dtype = Dtype::f32;
    ptrdiff_t row_stride = 0, column_stride = 0;
    int64_t n_rows = 0;
    int width = 0;
    const void* starts = nullptr;   // CSR: indptr, (n_rows + 1)
    const void* columns = nullptr;  // CSR: indices
    bool wide_indices = false;      // CSR: int64 instead of int32
    int64_t n_entries = 0;          // CSR
};

template <class T>
using Activation = void (*)(const T* z, T* a, T* d, ptrdiff_t vectors, const double* numbers);
template <class T> using Elementary = void (*)(const T* x, T* y, ptrdiff_t vectors);

// C and B1 for some rows of the output layer; see losses.hpp.
template <class T> struct OutputSlice {
    T* delta;            // in: z_L; out: delta_L; panels
    const T *a, *d, *y;  // a_L, dphi_L, targets; panels
    ptrdiff_t panel;     // elements from one panel to the next
    ptrdiff_t rows;
    int units;        // k
    const T* factor;  // s_n / S, (rows,)
    double* cost;     // out: (rows,)
    T ceiling;        // largest cost of one sample and output
    const double* numbers;
    T* scratch;  // OUTPUT_BLOCKS times V lines of every panel
};
constexpr int OUTPUT_BLOCKS = 3;
template <class T> using OutputError = void (*)(const OutputSlice<T>&);

// U for a run of vectors; `scale` is what clipping multiplies the gradient with.
template <class T> struct UpdateNumbers {
    T rate, scale, penalty, decay;  // penalty: alpha / S (B3); decay: rate * alpha, decoupled
    T c[6];                         // the optimiser's own, with those that depend on the step
};
template <class T> using Update = void (*)(T* w, const T* g, T* first, T* second, ptrdiff_t vectors,
                                           const UpdateNumbers<T>&);

template <class T> struct Layer {
    int n_in, n_out, in_panels, out_panels;
    T* W;   // [out panel][in_panels * V][V]
    T* WT;  // [in panel][out_panels * V][V]; null where no error goes below
    T* b;   // [out panel][V]
    T* G;   // the gradient, laid out like W; null where it is never kept
    T* gb;  // like b
    T *W_state[2], *b_state[2];
    Activation<T> activation;
    double numbers[4];
};

// One tile column of a weight gradient: V rows of W in `width` neighbouring panels, one thread's.
struct Tile {
    int layer, in_panel, out_panel, width;
};

// A number of the caller's arrays, whose owner may write to them meanwhile: read once, so that what
// is used is what was found to fit. Internal linkage, here and below: compiled for every
// instruction set.
template <class I> static inline I read_once(const I* x) {
    return __atomic_load_n(x, __ATOMIC_RELAXED);
}

// Where the entries of a CSR row are; of one that no longer fits: none.
struct Span {
    int64_t begin, end;
};
template <class Index> static inline Span span_of_row(const Source& X, int64_t row) {
    const Index* starts = (const Index*)X.starts;
    const int64_t begin = read_once(starts + row), end = read_once(starts + row + 1);
    return begin < 0 || begin > end || end > X.n_entries ? Span{0, 0} : Span{begin, end};
}
static inline int64_t entries_of_row(const Source& X, int64_t row) {
    const Span span = X.wide_indices ? span_of_row<int64_t>(X, row) : span_of_row<int32_t>(X, row);
    return span.end - span.begin;
}

// The entries of a block of CSR rows, converted: those of row n from start[n] to stop[n].
template <class T> struct Entries {
    int64_t *start = nullptr, *stop = nullptr;
    int32_t* column = nullptr;
    T* value = nullptr;
    int64_t room = 0;  // of column and value
};

// Asked by thread 0 between blocks of rows: whether to stop (Ctrl-C).
struct Poll {
    bool (*ask)(void* data) = nullptr;
    void* data = nullptr;
    bool operator()() const { return ask && ask(data); }
};

struct Barrier {
    int n = 1;
    int waiting = 0;
    unsigned generation = 0;  // begins again at 0: two of them are only compared
};

enum Stop : int { GO_ON, NOT_FINITE, STOPPED };

// The network, and what its outputs cost.
template <class T> struct Model {
    int n_layers;
    Layer<T>* layers;
    bool softmax;  // of the output: by row, not element by element
    OutputError<T> output_error;
    double loss_numbers[4];
    T ceiling, smoothing;
};

// How the parameters are learnt: U, and what is added to the cost.
template <class T> struct Learning {
    Update<T> update;
    void (*step_numbers)(UpdateNumbers<T>*, const double* hyper, int64_t step, double rate);
    double hyper[4];
    double alpha, clip_norm;  // clip_norm: 0 for none
    double dropout;
    uint64_t seed;
    bool decoupled;
};

// Rows with their targets, where the caller has them.
template <class T> struct Rows {
    Source X, Y;
    const int32_t* labels = nullptr;  // class labels instead of Y, or null
    const T* weights = nullptr;       // s, one for each row of X, or null
    bool sparse = false;              // whether the first layer works on entries

    double weight(int64_t row) const { return weights ? (double)weights[row] : 1.0; }
};

// The rows of one call, and the batches they are cut into.
struct Batches {
    const int64_t* rows;
    int64_t n_rows, batch_size, block_rows;  // a larger batch is computed block by block
    const double* rates;                     // one for each batch
};

// What is computed of a batch: an evaluation may go forward only, or back to the error signals,
// without gradients.
struct Passes {
    bool backward, gradients, keep_gradient, apply_update;
    double* row_norm;  // ||g_n||^2 of each row of the call, or null
    double norm_unit;  // what weights are divided by meanwhile: their size, a power of two
    double mass;       // S of the mini-batch that the rows are a part of; 0: they are all of it
    int64_t offset;    // where they begin in it
    bool given;        // the kept gradients are there: nothing is computed but their update
};

// What a step computes with.
template <class T> struct Workspace {
    T** A;      // inputs of each layer 1 ... L, and a_L: [0 ... L]
    T** D;      // phi'(z) of each layer, times its dropout mask: [1 ... L]
    T** E;      // z of each layer, which delta takes the place of: [1 ... L]
    T* Yb;      // targets, panels
    T* factor;  // s_n / S
    double* row_cost;
    ptrdiff_t panel_rows;  // rows of a panel in these buffers
    T* scratch;            // for the output layer, `scratch_size` for each thread
    ptrdiff_t scratch_size;
    Entries<T> entries;
    int64_t* cursors;  // panel_rows for each thread
    bool prefetch;     // whether parameters and state are too many to stay in the cache
};

// Who owns what in pass 2.
struct Shares {
    int n_threads;
    const Tile* tiles;
    const int* tile_ranges;  // (n_threads + 1)
    double *tile_squares, *tile_norms;
};

struct Result {
    double* costs;  // (batches, 2): mean loss, penalty
    int64_t done;
    int stop;  // set when a loss is not finite (NOT_FINITE) or asked to (STOPPED)
};

// Everything the threads of one call share.
template <class T> struct Job {
    Model<T> model;
    Learning<T> learning;
    int64_t steps;  // taken before this call; counts on
    Rows<T> data;
    Batches batches;
    Passes passes;
    Workspace<T> work;
    Shares shares;
    Result result;
    Poll poll;
    Barrier barrier;
};

// Rows that only go forward, block by block: their outputs, or what they cost, or both.
constexpr int FORWARD_ROWS = 112;  // of a block: some tiles high, and small enough for the cache

// The buffers of one thread, panels of FORWARD_ROWS rows.
template <class T> struct ForwardBuffers {
    T *here, *there;  // the inputs and outputs of a layer, by turns
    T *a, *d, *y;     // of the output layer: a_L, dphi_L, targets; null where nothing is judged
    T* scratch;       // for the output layer
    Entries<T> entries;
};

template <class T> struct Forward {
    Model<T> model;
    Rows<T> data;
    const int64_t* rows;  // of the data; null: all of them in order
    int64_t n_rows;
    T* outputs;        // (n_rows, k), C order, or null
    double* row_cost;  // s_n C_n of each row, or null
    const T* factor;   // FORWARD_ROWS ones: what error signals, which are not used, are scaled by
    const ForwardBuffers<T>* buffers;  // one for each thread
    Poll poll;
    int64_t next;  // the next block to be taken
};

// A network for one row: weights as they lie in the flat buffer, (in, out).
template <class T> struct OneRow {
    int n_layers;
    const int* sizes;
    const T* flat;
    const Activation<T>* activations;
    const double (*numbers)[4];
    bool softmax;
    T* layers[2];  // the outputs of a layer, by turns
    T* scratch;    // for softmax
};

template <class T> struct Kernels {
    int lanes, gradient_width;
    void (*train)(Job<T>*, int thread);
    void (*tile_squares)(const Job<T>*, int thread);
    void (*forward)(Forward<T>*, int thread);
    void (*predict_one)(const OneRow<T>*, const T* x, T* y);
    void (*gather_row)(const Source*, int64_t row, T* x);
    void (*transpose)(const Layer<T>*, T* WT);
    Activation<T> (*find_activation)(const char* name);
    Elementary<T> (*find_elementary)(const char* name);
    OutputError<T> (*find_loss)(const char* loss, const char* output);
    Update<T> (*find_update)(const char* name, int* slots);
    void (*(*find_step_numbers)(const char* name))(UpdateNumbers<T>*, const double*, int64_t,
                                                   double);
};

struct Isa {
    const char* name;
    const Kernels<float>* f32;
    const Kernels<double>* f64;
};

}  // namespace backpass
