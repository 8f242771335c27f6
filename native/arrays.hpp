// What the bindings read arrays with: as they lie, after every check. For one source file.
#pragma once

#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>

#include <stdexcept>
#include <string>
#include <vector>

#include "kernels.hpp"

namespace nb = nanobind;

namespace backpass {
namespace {

using AnyArray = nb::ndarray<nb::ro, nb::device::cpu>;
template <class T> using Vector = nb::ndarray<T, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
template <class T> using ReadVector =
    nb::ndarray<const T, nb::ndim<1>, nb::c_contig, nb::device::cpu>;

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
template <class F> void check_still_fits(const Source& x, int64_t n, F&& row) {
    bool good = true;
    for (int64_t i = 0; x.starts && i < n; i++) good &= row_fits(x, row(i));
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

}  // namespace
}  // namespace backpass
