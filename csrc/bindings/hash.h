// A frame's hash, and those of what it belongs to.
#pragma once

#include <algorithm>
#include <array>
#include <span>
#include <stdexcept>
#include <vector>

#include "hash/xxh3.h"

namespace laconic::bindings {

class FrameHashes {
public:
    explicit FrameHashes(const std::vector<hash::Xxh3 *> &others) : count_(others.size() + 1) {
        if (count_ > hashes_.size()) throw std::invalid_argument("at most three hashes beside the frame's");
        std::copy(others.begin(), others.end(), hashes_.begin() + 1);
    }
    FrameHashes(const FrameHashes &) = delete;
    FrameHashes &operator=(const FrameHashes &) = delete;

    std::span<hash::Xxh3 *const> all() const { return {hashes_.data(), count_}; }
    uint64_t check() const { return frame_.digest64(); }

private:
    hash::Xxh3 frame_;
    std::array<hash::Xxh3 *, hash::kMostTogether> hashes_ = {&frame_};
    size_t count_;
};

}  // namespace laconic::bindings
