#include "entropy/cpu.h"

#include <atomic>
#include <cstdlib>
#include <stdexcept>

namespace laconic {

Isa best_isa() {
#if defined(LACONIC_X86)
    static const Isa best = [] {
        __builtin_cpu_init();
        const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi") && __builtin_cpu_supports("bmi2") &&
                          __builtin_cpu_supports("popcnt");
        if (!avx2) return Isa::scalar;
        const bool avx512 = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                            __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
                            __builtin_cpu_supports("avx512vbmi") && __builtin_cpu_supports("avx512vbmi2");
        return avx512 ? Isa::avx512 : Isa::avx2;
    }();
    return best;
#else
    return Isa::scalar;
#endif
}

bool has_fma() {
#if defined(LACONIC_X86)
    static const bool fma = [] {
        __builtin_cpu_init();
        return __builtin_cpu_supports("fma") != 0;
    }();
    return fma;
#else
    return false;
#endif
}

bool has_slow_gathers() {
#if defined(LACONIC_X86)
    static const bool slow = [] {
        __builtin_cpu_init();
        return __builtin_cpu_is("amd") != 0;
    }();
    return slow;
#else
    return false;
#endif
}

namespace {

// LACONIC_ISA asks for less than the machine has; a name that is unknown or too much is ignored here and
// reported by laconic.cpu() (an environment variable must not make `import laconic` fail).
Isa initial_isa() {
    const char *asked = std::getenv("LACONIC_ISA");
    if (asked == nullptr || *asked == '\0') return best_isa();
    try {
        const Isa isa = parse_isa(asked);
        return isa <= best_isa() ? isa : best_isa();
    } catch (const std::invalid_argument &) {
        return best_isa();
    }
}

std::atomic<Isa> &current() {
    static std::atomic<Isa> isa{initial_isa()};
    return isa;
}

}  // namespace

Isa active_isa() { return current().load(std::memory_order_relaxed); }

void set_isa(Isa isa) {
    if (isa > best_isa()) throw std::invalid_argument(std::string("this machine has no ") + isa_name(isa));
    current().store(isa, std::memory_order_relaxed);
}

Isa parse_isa(const std::string &name) {
    for (const Isa isa : {Isa::scalar, Isa::avx2, Isa::avx512})
        if (name == isa_name(isa)) return isa;
    throw std::invalid_argument("unknown instruction set '" + name + "' (scalar, avx2 or avx512)");
}

const char *isa_name(Isa isa) {
    switch (isa) {
        case Isa::scalar:
            return "scalar";
        case Isa::avx2:
            return "avx2";
        case Isa::avx512:
            return "avx512";
    }
    return "?";
}

}  // namespace laconic
