// Codes bytes bit by bit, from the top bit, with an adaptive model that may have learned a primer before: what a model knows of
// text in general is worth most where the input is short.
//
// `Model<Kernel>(capacity, bits, content)` codes up to `capacity` bytes with tables of about 2^bits lines, kMostBits at most; a
// copy that was told to resume() goes on where the original stood.
#pragma once

#include <algorithm>
#include <bit>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <utility>

#include "entropy/binary_coder.h"
#include "entropy/cpu.h"
#include "entropy/error.h"
#include "mixing/kernels.h"
#include "text/byte_coder.h"

namespace laconic::text {

constexpr unsigned kLeastBits = 12;

// Inputs up to this size start from a copy of a primed model, whose tables have 2^kPrimedBits lines; larger ones, which can
// afford it, have the primer in front of them, in tables of their own size.
constexpr size_t kCopiedFor = size_t{1} << 18;
constexpr unsigned kPrimedBits = 19;

inline unsigned bits_for(size_t size, unsigned most) {
    return std::clamp(static_cast<unsigned>(std::bit_width(2 * size)), kLeastBits, most);
}

// A stream earns 128 to 256 lines for each of its bytes; what it only declares earns nothing.
inline unsigned bits_earned(size_t stream_size, unsigned most) {
    return std::clamp(static_cast<unsigned>(std::bit_width(stream_size)) + 8, kLeastBits, most);
}

template <class Model>
struct Run {
    static void learn(Model &model, std::span<const uint8_t> bytes) {
        for (const uint8_t byte : bytes)
            for (int k = 7; k >= 0; --k) {
                model.predict();
                model.update(byte >> k & 1);
            }
    }

    static void encode(Model &model, std::span<const uint8_t> bytes, BinaryEncoder &coder) {
        for (const uint8_t byte : bytes)
            for (int k = 7; k >= 0; --k) {
                const int bit = byte >> k & 1;
                coder.encode(bit != 0, static_cast<uint32_t>(model.predict()));
                model.update(bit);
            }
    }

    static void decode(Model &model, BinaryDecoder &coder, std::span<uint8_t> bytes) {
        for (uint8_t &byte : bytes) {
            for (int k = 0; k < 8; ++k) model.update(coder.decode(static_cast<uint32_t>(model.predict())) ? 1 : 0);
            byte = model.byte();
        }
    }
};

#if defined(LACONIC_X86)
// `flatten` inlines the whole model, so that all of it is compiled for AVX2 and no AVX2 code has a name that others could link
// to.
template <class Model>
struct Avx2Run {
    [[gnu::target("avx2,bmi,bmi2,lzcnt"), gnu::flatten]] static void learn(Model &model, std::span<const uint8_t> bytes) {
        Run<Model>::learn(model, bytes);
    }
    [[gnu::target("avx2,bmi,bmi2,lzcnt"), gnu::flatten]] static void encode(Model &model, std::span<const uint8_t> bytes,
                                                                            BinaryEncoder &coder) {
        Run<Model>::encode(model, bytes, coder);
    }
    [[gnu::target("avx2,bmi,bmi2,lzcnt"), gnu::flatten]] static void decode(Model &model, BinaryDecoder &coder,
                                                                            std::span<uint8_t> bytes) {
        Run<Model>::decode(model, coder, bytes);
    }
};
#endif

template <template <class> class Model>
class PrimedCoder final : public ByteCoder {
public:
    PrimedCoder(std::span<const uint8_t> primer, Content content) : primer_(primer.begin(), primer.end()), content_(content) {
        if (primer.size() >= kMostMixedBytes) throw std::invalid_argument("a primer has less than 16 MiB");
    }

    // Where no copy is made, the first byte of a stream tells how large the tables are.
    std::vector<uint8_t> encode(std::span<const uint8_t> bytes) const override {
        if (bytes.size() > kMostMixedBytes) throw std::invalid_argument("a block has at most 16 MiB");
        BinaryEncoder coder;
        const auto run = [&](auto model, auto how) {
            using Runner = decltype(how);
            Runner::encode(*model, bytes, coder);
        };
        if (copied(bytes.size())) {
            start(bytes.size(), kPrimedBits, run);
            return coder.finish();
        }
        for (unsigned bits = bits_for(bytes.size(), kMostBits);;) {
            start(bytes.size(), bits, run);
            std::vector<uint8_t> stream = coder.finish();
            stream.insert(stream.begin(), static_cast<uint8_t>(bits));
            if (bits <= bits_earned(stream.size(), kMostBits)) return stream;
            bits = bits_earned(stream.size(), kMostBits);
        }
    }

    void decode(std::span<const uint8_t> stream, std::span<uint8_t> bytes) const override {
        if (bytes.size() > kMostMixedBytes) throw CorruptData("a mixed block of more than 16 MiB");
        unsigned bits = kPrimedBits;
        std::span<const uint8_t> coded = stream;
        if (!copied(bytes.size())) {
            if (stream.empty()) throw CorruptData("an empty mixed block");
            bits = stream[0];
            if (bits < kLeastBits || bits > bits_earned(stream.size(), kMostBits))
                throw CorruptData("a mixed block with tables that it has not earned");
            coded = stream.subspan(1);
        }
        BinaryDecoder coder(coded);
        start(bytes.size(), bits, [&](auto model, auto how) {
            using Runner = decltype(how);
            Runner::decode(*model, coder, bytes);
        });
        coder.finish();
    }

private:
    static constexpr unsigned kMostBits = Model<mixing::ScalarKernel>::kMostBits;

    template <class M>
    struct Primed {
        std::once_flag once;
        std::unique_ptr<const M> model;
    };

    bool copied(size_t size) const { return !primer_.empty() && size <= kCopiedFor; }

    // Calls use(model, Runner) with a model that has learned the primer.
    template <class Use>
    void start(size_t size, unsigned bits, Use &&use) const {
#if defined(LACONIC_X86)
        if (active_isa() != Isa::scalar) return start_with<Avx2Run<Model<mixing::Avx2Kernel>>>(avx2_, size, bits, use);
#endif
        start_with<Run<Model<mixing::ScalarKernel>>>(scalar_, size, bits, use);
    }

    template <class Runner, class M, class Use>
    void start_with(Primed<M> &primed, size_t size, unsigned bits, Use &use) const {
        const auto fresh = [&](size_t capacity) {
            auto model = std::make_unique<M>(primer_.size() + capacity, bits, content_);
            Runner::learn(*model, primer_);
            return model;
        };
        if (!copied(size)) return use(fresh(size), Runner());
        std::call_once(primed.once, [&] { primed.model = fresh(kCopiedFor); });
        auto model = std::make_unique<M>(*primed.model);
        model->resume();
        use(std::move(model), Runner());
    }

    std::vector<uint8_t> primer_;
    Content content_;
    mutable Primed<Model<mixing::ScalarKernel>> scalar_;
#if defined(LACONIC_X86)
    mutable Primed<Model<mixing::Avx2Kernel>> avx2_;
#endif
};

}  // namespace laconic::text
