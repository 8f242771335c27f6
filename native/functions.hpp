// Single functions of an instruction set, whole vectors in and out: for the tests of them.
#pragma once

#include "arrays.hpp"
#include "isas.hpp"
#include "packed.hpp"

namespace backpass {
namespace {

const Isa& isa_named(const std::string& name) {
    for (const Isa* isa : available_isas())
        if (name == isa->name) return *isa;
    refuse("instruction set '" + name + "' is not available here");
}
template <class T> const Kernels<T>& kernels_of(const Isa& isa);
template <> const Kernels<float>& kernels_of(const Isa& isa) { return *isa.f32; }
template <> const Kernels<double>& kernels_of(const Isa& isa) { return *isa.f64; }

template <class T> void bound_elementary(const std::string& isa, const std::string& name,
                                         const ReadVector<T>& x, const Vector<T>& y) {
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

template <class T> void bound_activation(const std::string& isa, const Spec& spec,
                                         const ReadVector<T>& z, const Vector<T>& a,
                                         const Vector<T>& d) {
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

}  // namespace
}  // namespace backpass
