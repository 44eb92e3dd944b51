// An array without initial values for memory that is read at random: in huge pages, where the system has them.
#pragma once

#include <cstddef>
#include <cstdlib>
#include <memory>
#include <new>
#include <span>
#include <type_traits>
#if defined(__linux__)
#include <sys/mman.h>
#endif

namespace laconic::text {

template <class T>
class HugeArray {
    static_assert(std::is_trivially_copyable_v<T> && std::is_trivially_destructible_v<T>);

public:
    explicit HugeArray(size_t size) : size_(size) {
        const size_t bytes = (size * sizeof(T) + kPage - 1) & ~(kPage - 1);
        memory_.reset(bytes < 2 * kPage ? std::malloc(size * sizeof(T) + 1) : std::aligned_alloc(kPage, bytes));
        if (memory_ == nullptr) throw std::bad_alloc();
#if defined(__linux__)
        if (bytes >= 2 * kPage) madvise(memory_.get(), bytes, MADV_HUGEPAGE);
#endif
    }

    T &operator[](size_t i) { return data()[i]; }
    const T &operator[](size_t i) const { return data()[i]; }
    T *data() { return static_cast<T *>(memory_.get()); }
    const T *data() const { return static_cast<const T *>(memory_.get()); }
    size_t size() const { return size_; }
    std::span<T> span() { return {data(), size_}; }

private:
    struct Free {
        void operator()(void *p) const { std::free(p); }
    };
    static constexpr size_t kPage = size_t{1} << 21;
    size_t size_;
    std::unique_ptr<void, Free> memory_;
};

}  // namespace laconic::text
