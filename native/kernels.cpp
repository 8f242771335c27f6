// The kernels of one instruction set: this file is compiled once for each (see CMakeLists.txt).
#include "activations.hpp"
#include "forward_kernels.hpp"
#include "step.hpp"

namespace backpass {
namespace BACKPASS_ISA {

template <class T> static Update<T> find_update(const char* name, int* slots) {
    const UpdateEntry<T> entry = find_update_entry<T>(name);
    *slots = entry.slots;
    return entry.update;
}

template <class T> static void (*find_step_numbers(const char* name))(UpdateNumbers<T>*,
                                                                      const double*, int64_t,
                                                                      double) {
    return find_update_entry<T>(name).numbers;
}

template <class T> static void gather_row(const Source* X, int64_t row, T* x) {
    gather<T>(*X, &row, 1, x, Lanes<T>::n);  // one row: its panels lie one after the other
}

// WT from W, block by block
template <class T> static void transpose(const Layer<T>* layer, T* WT) {
    constexpr int V = Lanes<T>::n;
    for (ptrdiff_t i = 0; i < layer->in_panels; i++)
        for (ptrdiff_t j = 0; j < layer->out_panels; j++)
            transpose_block<T>(layer->W + (j * layer->in_panels + i) * V * V,
                               WT + (i * layer->out_panels + j) * V * V);
}

template <class T> static const Kernels<T> kernels = {
    Lanes<T>::n,          GRADIENT_WIDTH,      &train<T>,      &tile_squares<T>,
    &forward<T>,          &predict_one<T>,     &gather_row<T>, &transpose<T>,
    &find_activation<T>,  &find_elementary<T>, &find_loss<T>,  &find_update<T>,
    &find_step_numbers<T>};

#define BACKPASS_TEXT_(x) #x
#define BACKPASS_TEXT(x) BACKPASS_TEXT_(x)
extern const Isa isa;
const Isa isa = {BACKPASS_TEXT(BACKPASS_ISA), &kernels<float>, &kernels<double>};

}  // namespace BACKPASS_ISA
}  // namespace backpass
