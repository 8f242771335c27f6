// The instruction sets that were compiled in and that this processor has, the fastest first.
#pragma once

#include <vector>

#include "kernels.hpp"

namespace backpass {

#if defined(__x86_64__)
namespace avx512 {
extern const Isa isa;
}
namespace avx2 {
extern const Isa isa;
}
namespace baseline {
extern const Isa isa;
}
#elif defined(__aarch64__)
namespace neon {
extern const Isa isa;
}
#else
namespace baseline {
extern const Isa isa;
}
#endif

inline std::vector<const Isa*> available_isas() {
    std::vector<const Isa*> found;
#if defined(__x86_64__)
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
        __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl"))
        found.push_back(&avx512::isa);
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
        found.push_back(&avx2::isa);
    found.push_back(&baseline::isa);
#elif defined(__aarch64__)
    found.push_back(&neon::isa);
#else
    found.push_back(&baseline::isa);
#endif
    return found;
}

}  // namespace backpass
