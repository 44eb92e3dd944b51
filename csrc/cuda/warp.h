// A warp of 32 lanes, once as CUDA runs it and once on the host, all lanes in step in one thread. Kernels are written against
// either, so that the host can step through exactly what the device does.
//
//   each(f)    f(lane) for every lane; no lane may read what another wrote in the same call
//   ballot(f)  the lanes where f(lane) holds, as bits
//   rank(m, l) how many lanes below lane l are in the mask m
//   once(f)    f() by one lane; what it wrote is seen by all afterwards
//   sync()     what lanes wrote before is seen by all afterwards
#pragma once

#include <cstdint>

#include "entropy/lane.h"

// Code of a warp: for the device under nvcc, for the host otherwise.
#if defined(__CUDACC__)
#define LACONIC_WARP_CODE __device__ __forceinline__
#define LACONIC_UNROLL _Pragma("unroll")
// A pointer into the device's memory, in a register instead of computed again in each round of a loop.
#define LACONIC_KEEP(pointer)         \
    asm volatile("" : "+l"(pointer)); \
    __builtin_assume(__isGlobal(pointer))
#else
#define LACONIC_WARP_CODE inline
#define LACONIC_UNROLL
#define LACONIC_KEEP(pointer) static_cast<void>(pointer)
#endif

namespace laconic::cuda {

constexpr unsigned kWarp = 32;

LACONIC_WARP_CODE unsigned count_bits(uint32_t mask) {
#if defined(__CUDACC__)
    return static_cast<unsigned>(__popc(mask));
#else
    return static_cast<unsigned>(__builtin_popcount(mask));
#endif
}

#if defined(__CUDACC__)
struct DeviceWarp {
    unsigned lane;
    uint32_t below;  // the lanes below

    __device__ explicit DeviceWarp(unsigned thread) : lane(thread), below((1u << thread) - 1) {
        asm volatile("" : "+r"(lane), "+r"(below));
    }

    template <typename T>
    struct PerLane {
        T value;
        __device__ T &operator[](unsigned) { return value; }
    };

    template <typename F>
    __device__ void each(F &&f) const {
        f(lane);
    }
    template <typename F>
    __device__ uint32_t ballot(F &&f) const {
        return __ballot_sync(0xffffffffu, f(lane));
    }
    __device__ unsigned rank(uint32_t mask, unsigned) const { return count_bits(mask & below); }
    template <typename F>
    __device__ void once(F &&f) const {
        __syncwarp();
        if (lane == 0) f();
        __syncwarp();
    }
    __device__ void sync() const { __syncwarp(); }
};
#else
struct HostWarp {
    template <typename T>
    struct PerLane {
        T values[kWarp];
        T &operator[](unsigned lane) { return values[lane]; }
    };

    template <typename F>
    void each(F &&f) const {
        for (unsigned lane = 0; lane < kWarp; ++lane) f(lane);
    }
    template <typename F>
    uint32_t ballot(F &&f) const {
        uint32_t mask = 0;
        for (unsigned lane = 0; lane < kWarp; ++lane) mask |= static_cast<uint32_t>(f(lane)) << lane;
        return mask;
    }
    unsigned rank(uint32_t mask, unsigned lane) const { return count_bits(mask & ((1u << lane) - 1)); }
    template <typename F>
    void once(F &&f) const {
        f();
    }
    void sync() const {}
};
#endif

}  // namespace laconic::cuda
