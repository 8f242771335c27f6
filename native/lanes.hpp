// Vectors of one instruction set, from the compiler's own vector types: no intrinsics.
//
// Every header in native/ that computes is compiled once per instruction set, in a namespace named
// after it (BACKPASS_ISA), with the vector width BACKPASS_BYTES. They use no standard-library
// templates: the linker would merge instantiations of different instruction sets into one.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

#ifndef BACKPASS_ISA
#define BACKPASS_ISA baseline
#define BACKPASS_BYTES 16
#endif

#define BACKPASS_INLINE inline __attribute__((always_inline))

namespace backpass {
namespace BACKPASS_ISA {

using std::ptrdiff_t;
using std::size_t;

template <class T> struct Lanes;

template <> struct Lanes<float> {
    typedef float V __attribute__((vector_size(BACKPASS_BYTES)));
    typedef int32_t I __attribute__((vector_size(BACKPASS_BYTES)));
    typedef float U __attribute__((vector_size(BACKPASS_BYTES), aligned(4)));  // any address
    typedef int32_t Int;
    static constexpr int n = BACKPASS_BYTES / 4;
};

template <> struct Lanes<double> {
    typedef double V __attribute__((vector_size(BACKPASS_BYTES)));
    typedef int64_t I __attribute__((vector_size(BACKPASS_BYTES)));
    typedef double U __attribute__((vector_size(BACKPASS_BYTES), aligned(8)));
    typedef int64_t Int;
    static constexpr int n = BACKPASS_BYTES / 8;
};

template <class T> using Vec = typename Lanes<T>::V;
template <class T> using IVec = typename Lanes<T>::I;

template <class T> BACKPASS_INLINE Vec<T> load(const T* p) { return *(const Vec<T>*)p; }
template <class T> BACKPASS_INLINE void store(T* p, Vec<T> x) { *(Vec<T>*)p = x; }
template <class T> BACKPASS_INLINE Vec<T> load_any(const T* p) {
    return (Vec<T>)*(const typename Lanes<T>::U*)p;
}
template <class T> BACKPASS_INLINE void store_any(T* p, Vec<T> x) {
    *(typename Lanes<T>::U*)p = (typename Lanes<T>::U)x;
}
template <class T> BACKPASS_INLINE Vec<T> all(T x) { return x - Vec<T>{}; }

// where(mask, x, y): lanes of x where the mask (a comparison's result) is set, else of y
template <class T> BACKPASS_INLINE Vec<T> where(IVec<T> mask, Vec<T> x, Vec<T> y) {
    return mask ? x : y;
}

// bits as integers and back, without conversion
template <class T> BACKPASS_INLINE IVec<T> bits(Vec<T> x) { return (IVec<T>)x; }
template <class T> BACKPASS_INLINE Vec<T> from_bits(IVec<T> x) { return (Vec<T>)x; }

}  // namespace BACKPASS_ISA
}  // namespace backpass
