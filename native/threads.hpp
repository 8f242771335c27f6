// What a worker needs while it computes: a barrier, and numbers below the smallest normal as zero.
#pragma once

#include "kernels.hpp"
#include "lanes.hpp"
#if defined(_WIN32)
extern "C" __declspec(dllimport) int __stdcall SwitchToThread(void);
#else
#include <sched.h>
#endif
#if defined(__x86_64__)
#include <xmmintrin.h>
#endif

namespace backpass {
namespace BACKPASS_ISA {

static BACKPASS_INLINE void pause() {
#if defined(__x86_64__)
    _mm_pause();
#elif defined(__aarch64__)
    __asm__ __volatile__("yield");
#endif
}

static BACKPASS_INLINE void yield() {
#if defined(_WIN32)
    SwitchToThread();
#else
    sched_yield();
#endif
}

// All n threads meet: spin for some tens of microseconds, then leave the core to others.
static inline void wait(Barrier& barrier) {
    if (barrier.n == 1) return;
    constexpr int SPINS = 1000;
    const unsigned generation = __atomic_load_n(&barrier.generation, __ATOMIC_RELAXED);
    if (__atomic_fetch_add(&barrier.waiting, 1, __ATOMIC_ACQ_REL) == barrier.n - 1) {
        __atomic_store_n(&barrier.waiting, 0, __ATOMIC_RELAXED);
        __atomic_store_n(&barrier.generation, generation + 1, __ATOMIC_RELEASE);
        return;
    }
    for (int spins = 0; __atomic_load_n(&barrier.generation, __ATOMIC_ACQUIRE) == generation;) {
        if (++spins < SPINS) pause();
        else yield();
    }
}

// Adam's moments meet denormals, which are slow; set for this thread, and restored.
struct FlushToZero {
#if defined(__x86_64__)
    const unsigned before = _mm_getcsr();
    FlushToZero() { _mm_setcsr(before | 0x8040); }
    ~FlushToZero() { _mm_setcsr(before); }
#elif defined(__aarch64__)
    uint64_t before;
    FlushToZero() {
        __asm__ __volatile__("mrs %0, fpcr" : "=r"(before));
        const uint64_t on = before | (1u << 24);
        __asm__ __volatile__("msr fpcr, %0" ::"r"(on));
    }
    ~FlushToZero() { __asm__ __volatile__("msr fpcr, %0" ::"r"(before)); }
#else
    FlushToZero() {}
#endif
};

}  // namespace BACKPASS_ISA
}  // namespace backpass
