// Elementary functions of vectors: at most 4 units in the last place from the exact value over the
// whole range (measured: tests/test_native_functions.py), right at infinity, NaN and zeros of both
// signs, without branches or tables. Each is the same sequence of operations in every lane.
//
// Products and sums contract to fused multiply-adds where the machine has them; nothing here needs
// that. Polynomials are minimax fits (Sollya, fpminimax), given from the constant term up.
#pragma once

#include "lanes.hpp"

namespace backpass {
namespace BACKPASS_ISA {

// How T is laid out in bits, and where functions of it saturate.
template <class T> struct Format;

template <> struct Format<float> {
    typedef uint32_t Word;
    typedef Word Words __attribute__((vector_size(BACKPASS_BYTES)));
    static constexpr int mantissa = 23;            // bits
    static constexpr int bias = 127;               // of the exponent
    static constexpr Word root_half = 0x3f3504f3;  // the bits of sqrt(1/2)
    static constexpr float smallest = 0x1p-126f;   // normal number
    static constexpr float ln2_high = 0x1.62e4p-1f, ln2_low = 0x1.7f7d1cp-20f;  // high: 15 bits
    static constexpr float exp_is_0 = -104, exp_is_infinite = 89, expm1_is_minus_1 = -18;
};

template <> struct Format<double> {
    typedef uint64_t Word;
    typedef Word Words __attribute__((vector_size(BACKPASS_BYTES)));
    static constexpr int mantissa = 52;
    static constexpr int bias = 1023;
    static constexpr Word root_half = 0x3fe6a09e667f3bcd;
    static constexpr double smallest = 0x1p-1022;
    static constexpr double ln2_high = 0x1.62e42feep-1, ln2_low = 0x1.a39ef35793c76p-33;  // 32 bits
    static constexpr double exp_is_0 = -746, exp_is_infinite = 710, expm1_is_minus_1 = -38;
};

template <class T> using Words = typename Format<T>::Words;
template <class T> BACKPASS_INLINE Words<T> words(Vec<T> x) { return (Words<T>)x; }
template <class T> BACKPASS_INLINE Vec<T> from_words(Words<T> x) { return (Vec<T>)x; }

template <class T> constexpr typename Format<T>::Word sign_bit = typename Format<T>::Word(1)
                                                                 << (sizeof(T) * 8 - 1);

// 2^exponent as a number, for exponents of normal numbers
template <class T> constexpr T power_of_two(int exponent) {
    T x = 1;
    for (; exponent > 0; --exponent) x *= 2;
    for (; exponent < 0; ++exponent) x /= 2;
    return x;
}

// 1.5 * 2^mantissa: added to a number below 2^(mantissa - 1) it rounds it to an integer, which then
// stands in the low bits of the sum
template <class T> constexpr T rounder = T(1.5) * power_of_two<T>(Format<T>::mantissa);

// c0 + c1 x + c2 x^2 + ...
template <class T> BACKPASS_INLINE Vec<T> polynomial(Vec<T>, double c0) { return all<T>(T(c0)); }
template <class T, class... C>
BACKPASS_INLINE Vec<T> polynomial(Vec<T> x, double c0, double c1, C... higher) {
    return polynomial<T>(x, c1, higher...) * x + T(c0);
}

template <class T> BACKPASS_INLINE Vec<T> absolute(Vec<T> x) {
    return from_words<T>(words<T>(x) & ~sign_bit<T>);
}
// |x| with the sign of y
template <class T> BACKPASS_INLINE Vec<T> with_sign(Vec<T> x, Vec<T> y) {
    return from_words<T>((words<T>(x) & ~sign_bit<T>) | (words<T>(y) & sign_bit<T>));
}
// -|x|
template <class T> BACKPASS_INLINE Vec<T> minus_absolute(Vec<T> x) {
    return from_words<T>(words<T>(x) | sign_bit<T>);
}
// GCC makes one instruction of a minimum or maximum only where it does not see a literal
template <class T> BACKPASS_INLINE Vec<T> bound(T limit) {
    Vec<T> x = all<T>(limit);
#if defined(__GNUC__) && !defined(__clang__) && defined(__x86_64__)
    asm("" : "+v"(x));
#endif
    return x;
}
// min(x, high) and max(x, low) that leave NaN as it is
template <class T> BACKPASS_INLINE Vec<T> at_most(Vec<T> x, T high) {
    const Vec<T> h = bound<T>(high);
    return where<T>(x > h, h, x);
}
template <class T> BACKPASS_INLINE Vec<T> at_least(Vec<T> x, T low) {
    const Vec<T> l = bound<T>(low);
    return where<T>(x < l, l, x);
}

template <class T> BACKPASS_INLINE Vec<T> sqrt(Vec<T> x) {
    Vec<T> y;
    for (int i = 0; i < Lanes<T>::n; ++i)
        y[i] = sizeof(T) == 4 ? T(__builtin_sqrtf(float(x[i]))) : T(__builtin_sqrt(double(x[i])));
    return y;
}

// --- exponentials --------------------------------------------------------------------------------

// x = n ln 2 + r with |r| <= ln 2 / 2, so that e^x = 2^n e^r
template <class T> struct Reduced {
    Vec<T> expm1_r;     // e^r - 1
    Words<T> exponent;  // n + offset, in the low bits
};

template <class T> BACKPASS_INLINE Reduced<T> reduce(Vec<T> x, int offset) {
    typedef Format<T> F;
    const T round = rounder<T> + T(offset);
    const T log2_e = T(0x1.71547652b82fep0);
    const Vec<T> sum = x * log2_e + round;
    const Vec<T> n = sum - round;
    const Vec<T> r = (x - n * F::ln2_high) - n * F::ln2_low;
    Vec<T> q;  // (e^r - 1 - r) / r^2
    if constexpr (sizeof(T) == 4)
        q = polynomial<T>(r, 0.4999999701976776, 0.16666541993618011, 4.16674949228763580e-2,
                          8.36672540754079819e-3, 1.38654850888997316e-3);
    else
        q = polynomial<T>(r, 0.50000000000000055511, 0.16666666666666590801, 4.16666666665730101e-2,
                          8.33333333338809497e-3, 1.38888889326938101e-3, 1.98412697233793891e-4,
                          2.48015039690555526e-5, 2.75574024504097302e-6, 2.76265470312005596e-7,
                          2.50557831195895641e-8);
    return {r * r * q + r, words<T>(sum)};
}

// 2^(e - bias), from e in the low bits
template <class T> BACKPASS_INLINE Vec<T> two_to_the(Words<T> e) {
    return from_words<T>(e << Format<T>::mantissa);
}

// e^x for x <= exp_is_infinite
template <class T> BACKPASS_INLINE Vec<T> exp_of_bounded(Vec<T> x) {
    typedef Format<T> F;
    const Reduced<T> y = reduce<T>(at_least<T>(x, F::exp_is_0), 2 * F::bias);
    const Words<T> half = y.exponent >> 1;  // 2^n in two factors: it may be no normal number
    return (y.expm1_r + T(1)) * two_to_the<T>(half) * two_to_the<T>(y.exponent - half);
}

template <class T> BACKPASS_INLINE Vec<T> exp(Vec<T> x) {
    return exp_of_bounded<T>(at_most<T>(x, Format<T>::exp_is_infinite));
}

// (e^x - 1) / 2 for x from expm1_is_minus_1: where e^x overflows, half of it may not
template <class T> BACKPASS_INLINE Vec<T> half_expm1(Vec<T> x) {
    const Reduced<T> y = reduce<T>(x, Format<T>::bias - 1);
    const Vec<T> s = two_to_the<T>(y.exponent);  // 2^(n - 1)
    return y.expm1_r * s + (s - T(0.5));
}

template <class T> BACKPASS_INLINE Vec<T> expm1(Vec<T> x) {
    typedef Format<T> F;
    const Vec<T> b = at_most<T>(at_least<T>(x, F::expm1_is_minus_1), F::exp_is_infinite);
    const Vec<T> half = half_expm1<T>(b);
    constexpr T tiny =
        power_of_two<T>(-F::mantissa - 2);  // below it e^x - 1 = x, with the sign of 0
    return where<T>(absolute<T>(x) < all<T>(tiny), x, half + half);
}

// 1 / (1 + e^-x)
template <class T> BACKPASS_INLINE Vec<T> logistic(Vec<T> x) {
    const Vec<T> e = exp_of_bounded<T>(minus_absolute<T>(x));
    return where<T>(x < all<T>(0), e, all<T>(1)) / (e + T(1));
}

// (1 - e^-2|x|) / (1 + e^-2|x|) with the sign of x
template <class T> BACKPASS_INLINE Vec<T> tanh(Vec<T> x) {
    const T low = Format<T>::expm1_is_minus_1;
    const Vec<T> half = half_expm1<T>(at_least<T>(absolute<T>(x) * T(-2), low));
    return with_sign<T>(half / (half + T(1)), x);
}

// --- logarithms ----------------------------------------------------------------------------------

// k ln 2 + log(1 + f) for 1 + f from sqrt(1/2) to sqrt(2)
template <class T> BACKPASS_INLINE Vec<T> log_of_parts(Vec<T> k, Vec<T> f) {
    typedef Format<T> F;
    const Vec<T> s = f / (f + T(2));  // log(1 + f) = 2 artanh(s) = 2 s + s r
    const Vec<T> z = s * s;
    Vec<T> r;
    if constexpr (sizeof(T) == 4)
        r = z * polynomial<T>(z, 0.66666686534881592, 0.39988514780998230, 0.29588428139686584);
    else
        r = z * polynomial<T>(z, 0.66666666666666696273, 0.39999999999898622205,
                              0.28571428626564943087, 0.22222211028724855875,
                              0.18182897116735466381, 0.15331453088264923590,
                              0.14619771925747654384);
    const Vec<T> h = f * f * T(0.5);  // 2 s = f - s f, and s f = h - s h
    return k * F::ln2_high + (f - (h - (s * (h + r) + k * F::ln2_low)));
}

// a normal number as 2^k (1 + f), 1 + f from sqrt(1/2) to sqrt(2)
template <class T> struct Parts {
    Vec<T> k, f;
    Words<T> exponent;  // k + bias, in place
};

template <class T> BACKPASS_INLINE Parts<T> parts(Vec<T> x) {
    typedef Format<T> F;
    typedef typename F::Word Word;
    const Word one = Word(F::bias) << F::mantissa, fraction = (Word(1) << F::mantissa) - 1;
    const Word round = Word(F::mantissa + F::bias) << F::mantissa | Word(1) << (F::mantissa - 1);
    const Words<T> w = words<T>(x) + (one - F::root_half);
    const Vec<T> m = from_words<T>((w & fraction) + F::root_half);
    const Vec<T> sum = from_words<T>((w >> F::mantissa) | round);
    return {sum - (rounder<T> + T(F::bias)), m - T(1), w & ~fraction};
}

template <class T> BACKPASS_INLINE Vec<T> log(Vec<T> x) {
    typedef Format<T> F;
    const T infinity = T(__builtin_inf()), nan = T(__builtin_nan(""));
    const IVec<T> subnormal = (IVec<T>)(x < all<T>(F::smallest));
    constexpr T scale = power_of_two<T>(F::mantissa + 2);
    const Parts<T> y = parts<T>(where<T>(subnormal, x * scale, x));
    const Vec<T> k = where<T>(subnormal, y.k - T(F::mantissa + 2), y.k);
    const Vec<T> inside = log_of_parts<T>(k, y.f);
    const Vec<T> outside = where<T>(x == all<T>(0), all<T>(-infinity), all<T>(nan));
    return where<T>(x > all<T>(0), where<T>(x < all<T>(infinity), inside, x), outside);
}

template <class T> BACKPASS_INLINE Vec<T> log1p(Vec<T> x) {
    typedef Format<T> F;
    typedef typename F::Word Word;
    const T infinity = T(__builtin_inf()), nan = T(__builtin_nan(""));
    const Parts<T> y = parts<T>(x + T(1));
    const Vec<T> scale = from_words<T>((Word(2 * F::bias) << F::mantissa) - y.exponent);  // 2^-k
    const Vec<T> exact = x * scale + (scale - T(1));       // (1 + x) 2^-k - 1
    constexpr T large = power_of_two<T>(F::mantissa + 2);  // 1 + x = x from here
    const Vec<T> f = where<T>(x < all<T>(large), exact, y.f);
    const Vec<T> inside = log_of_parts<T>(y.k, f);
    const Vec<T> outside = where<T>(x == all<T>(-1), all<T>(-infinity), all<T>(nan));
    const Vec<T> finite = where<T>(x == all<T>(0), x, inside);
    return where<T>(x > all<T>(-1), where<T>(x < all<T>(infinity), finite, x), outside);
}

// log(1 + e^x) = max(x, 0) + log(1 + e), e = e^-|x|; where e > sqrt(2) - 1, 1 + e = 2 (1 + (e-1)/2)
template <class T> BACKPASS_INLINE Vec<T> log_one_plus_exp(Vec<T> x) {
    const Vec<T> e = exp_of_bounded<T>(minus_absolute<T>(x));
    const IVec<T> large = (IVec<T>)(e > all<T>(T(0.41421356)));
    const Vec<T> k = where<T>(large, all<T>(1), all<T>(0));
    const Vec<T> f = where<T>(large, e * T(0.5) - T(0.5), e);
    return where<T>(x > all<T>(0), x, all<T>(0)) + log_of_parts<T>(k, f);
}

// --- the error function --------------------------------------------------------------------------

// erf(x), given e^(-x^2)
template <class T> BACKPASS_INLINE Vec<T> erf_by_gauss(Vec<T> x, Vec<T> gauss) {
    const Vec<T> z = x * x, u = absolute<T>(x);
    const Vec<T> t = all<T>(1) / (u + T(2.5));
    Vec<T> p, q;
    if constexpr (sizeof(T) == 4) {
        p = polynomial<T>(z, 0.12837916612625122, -0.37612628936767578, 0.11283618956804276,
                          -2.68551744520664215e-2, 5.19084464758634567e-3, -8.03183589596301317e-4,
                          7.92413047747686505e-5);
        q = polynomial<T>(t, 7.53376360254286431e-3, 0.38158570489819232, 3.17731436818020230,
                          -5.22486463195267703, 26.0381636395826739);
    } else {
        p = polynomial<T>(
            z, 0.12837916709551255856, -0.37612638903183476247, 0.11283791670943446599,
            -2.68661706430609915907e-2, 5.22397760599531315355e-3, -8.54832593172770373486e-4,
            1.20552938081555963915e-4, -1.49247187879829843626e-5, 1.64472289370572374381e-6,
            -1.62071522953755138225e-7, 1.37148906907304856342e-8, -7.78714026299889241329e-10);
        q = polynomial<T>(t, -4.8589270270726472e-5, 0.56667724965516630, 1.3527195358613830,
                          4.0456282133032291, -0.67065484916421236, 58.813534824462216,
                          -192.93906644573062, 652.27041217782289, -1288.4012934199798,
                          1263.2445363470838, -498.26211392479757);
    }
    const Vec<T> small = x + x * p;                          // |x| < 1
    const Vec<T> large = with_sign<T>(T(1) - gauss * q, x);  // q = e^(x^2) erfc(|x|)
    return where<T>(u < all<T>(1), small, large);
}

template <class T> BACKPASS_INLINE Vec<T> erf(Vec<T> x) {
    return erf_by_gauss<T>(x, exp_of_bounded<T>(-(x * x)));
}

}  // namespace BACKPASS_ISA
}  // namespace backpass
