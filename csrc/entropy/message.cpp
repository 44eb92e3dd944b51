#include "entropy/message.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <cstring>
#include <exception>
#include <mutex>
#include <thread>

#include "entropy/binary_coder.h"
#include "entropy/error.h"
#include "entropy/rans_c.h"

namespace laconic::message {

namespace {

std::size_t blocks_of(std::size_t n) { return std::max<std::size_t>(1, (n + kBlockSymbols - 1) / kBlockSymbols); }

// Calls work(0) .. work(count - 1) on up to `jobs` threads. The failure of the first block that failed is thrown, whatever the
// threads did.
template <class Work>
void for_each_block(std::size_t count, int jobs, Work &&work) {
    const std::size_t threads = std::min<std::size_t>(count, static_cast<std::size_t>(std::max(jobs, 1)));
    if (threads == 1) {
        for (std::size_t k = 0; k < count; ++k) work(k);
        return;
    }
    std::atomic<std::size_t> next{0};
    std::mutex mutex;
    std::size_t failed = count;
    std::exception_ptr failure;
    const auto run = [&] {
        for (std::size_t k; (k = next++) < count;) {
            try {
                work(k);
            } catch (...) {
                const std::lock_guard lock(mutex);
                if (k < failed) {
                    failed = k;
                    failure = std::current_exception();
                }
            }
        }
    };
    std::vector<std::jthread> others;
    for (std::size_t t = 1; t < threads; ++t) others.emplace_back(run);
    run();
    others.clear();
    if (failure) std::rethrow_exception(failure);
}

template <class EncodeBlock>
std::vector<std::uint8_t> encode_blocks(SymbolView symbols, int jobs, EncodeBlock &&encode_block) {
    std::vector<std::vector<std::uint8_t>> blocks(blocks_of(symbols.size));
    for_each_block(blocks.size(), jobs, [&](std::size_t k) {
        const std::size_t first = k * kBlockSymbols;
        blocks[k] = encode_block(first, symbols.part(first, std::min(kBlockSymbols, symbols.size - first)));
    });
    if (blocks.size() == 1) return std::move(blocks[0]);
    std::size_t size = 0;
    for (const auto &block : blocks) size += 4 + block.size();
    std::vector<std::uint8_t> payload(size);
    std::uint8_t *out = payload.data();
    for (const auto &block : blocks) {
        const auto length = static_cast<std::uint32_t>(block.size());
        std::memcpy(out, &length, 4);
        std::memcpy(out + 4, block.data(), block.size());
        out += 4 + block.size();
    }
    return payload;
}

template <class DecodeBlock>
void decode_blocks(std::span<const std::uint8_t> payload, MutableSymbolView symbols, int jobs, DecodeBlock &&decode_block) {
    std::vector<std::span<const std::uint8_t>> blocks;
    const std::size_t count = blocks_of(symbols.size);
    if (count == 1) {
        blocks.push_back(payload);
    } else {
        for (std::size_t k = 0; k < count; ++k) {
            std::uint32_t length;
            if (payload.size() < 4) throw CorruptData("the message ends before block " + std::to_string(k));
            std::memcpy(&length, payload.data(), 4);
            if (payload.size() - 4 < length) throw CorruptData("the message ends within block " + std::to_string(k));
            blocks.push_back(payload.subspan(4, length));
            payload = payload.subspan(4 + std::size_t{length});
        }
        if (!payload.empty()) throw CorruptData("the message goes on after its last block");
    }
    for_each_block(count, jobs, [&](std::size_t k) {
        const std::size_t first = k * kBlockSymbols;
        decode_block(first, blocks[k], symbols.part(first, std::min(kBlockSymbols, symbols.size - first)));
    });
}

constexpr std::size_t kPiece = 1024;

}  // namespace

std::vector<std::uint8_t> encode(const Model &model, SymbolView symbols, int jobs) {
    return encode_blocks(symbols, jobs, [&](std::size_t first, SymbolView part) {
        return rans_c::encode_block(model, first, part, lanes_for(part.size));
    });
}

void decode(const Model &model, std::span<const std::uint8_t> payload, MutableSymbolView symbols, int jobs) {
    decode_blocks(payload, symbols, jobs, [&](std::size_t first, std::span<const std::uint8_t> data, MutableSymbolView part) {
        rans_c::decode_block(model, first, data, part, lanes_for(part.size));
    });
}

std::vector<std::uint8_t> encode_binary(const BernoulliModel &model, SymbolView symbols, int jobs) {
    return encode_blocks(symbols, jobs, [&](std::size_t first, SymbolView part) {
        BinaryEncoder coder;
        std::array<std::int64_t, kPiece> values;
        for (std::size_t begin = 0; begin < part.size; begin += kPiece) {
            const std::size_t n = std::min(kPiece, part.size - begin);
            part.widen(begin, n, values.data());
            for (std::size_t j = 0; j < n; ++j) {
                if (static_cast<std::uint64_t>(values[j]) > 1)
                    throw std::invalid_argument("symbol " + std::to_string(values[j]) + " at position " +
                                                std::to_string(first + begin + j) + " is neither 0 nor 1");
                coder.encode(values[j] != 0, model.p1(first + begin + j));
            }
        }
        return coder.finish();
    });
}

void decode_binary(const BernoulliModel &model, std::span<const std::uint8_t> payload, MutableSymbolView symbols, int jobs) {
    decode_blocks(payload, symbols, jobs, [&](std::size_t first, std::span<const std::uint8_t> data, MutableSymbolView part) {
        BinaryDecoder coder(data);
        std::array<std::int64_t, kPiece> values;
        for (std::size_t begin = 0; begin < part.size; begin += kPiece) {
            const std::size_t n = std::min(kPiece, part.size - begin);
            for (std::size_t j = 0; j < n; ++j) values[j] = coder.decode(model.p1(first + begin + j));
            part.narrow(begin, n, values.data());
        }
        coder.finish();
    });
}

}  // namespace laconic::message
