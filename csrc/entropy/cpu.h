// Which instruction set the SIMD kernels may use on this machine, decided once at start-up.
#pragma once

#include <string>

namespace laconic {

// Ordered: a machine that has one level has all below it.
// avx2 = AVX2 + BMI1/2 + LZCNT + POPCNT; avx512 = F, BW, DQ, VL, VBMI, VBMI2 beside those.
enum class Isa { scalar = 0, avx2 = 1, avx512 = 2 };

Isa best_isa();         // what the processor and the operating system offer
Isa active_isa();       // what the kernels use: best_isa(), or less if LACONIC_ISA or set_isa() says so
void set_isa(Isa isa);  // throws std::invalid_argument when the machine lacks it
// Fused multiply-add: AVX2 without it exists (VIA).
bool has_fma();
// Whether a gather from the first-level cache takes longer than its loads one by one, as it does on AMD's processors.
bool has_slow_gathers();
Isa parse_isa(const std::string &name);
const char *isa_name(Isa isa);

}  // namespace laconic
