// A large table of zeros for random access: in huge pages where the system has them, since most of what a look-up in many
// megabytes costs is finding the page.
#pragma once

#include <cstddef>
#include <cstdlib>
#include <memory>
#include <new>
#include <type_traits>
#if defined(__linux__)
#include <sys/mman.h>
#endif

namespace laconic::logs {

template <class T>
class ZeroedTable {
    static_assert(std::is_trivially_copyable_v<T> && std::is_trivially_destructible_v<T>);

public:
    explicit ZeroedTable(size_t size) : bytes_((size * sizeof(T) + kPage - 1) / kPage * kPage) {
#if defined(__linux__)
        void *const memory = mmap(nullptr, bytes_ + kPage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (memory == MAP_FAILED) throw std::bad_alloc();
        mapped_ = memory;
        data_ = reinterpret_cast<T *>((reinterpret_cast<size_t>(memory) + kPage - 1) / kPage * kPage);
        if (bytes_ > kPage) madvise(data_, bytes_, MADV_HUGEPAGE);
#else
        const size_t alignment = alignof(T) < 64 ? 64 : alignof(T);
        mapped_ = std::calloc(bytes_ + alignment, 1);
        if (!mapped_) throw std::bad_alloc();
        data_ = reinterpret_cast<T *>((reinterpret_cast<size_t>(mapped_) + alignment - 1) / alignment * alignment);
#endif
    }
    ~ZeroedTable() {
#if defined(__linux__)
        munmap(mapped_, bytes_ + kPage);
#else
        std::free(mapped_);
#endif
    }
    ZeroedTable(const ZeroedTable &) = delete;
    ZeroedTable &operator=(const ZeroedTable &) = delete;

    T &operator[](size_t k) { return data_[k]; }

private:
    static constexpr size_t kPage = size_t{1} << 21;
    size_t bytes_;
    void *mapped_;
    T *data_;
};

}  // namespace laconic::logs
