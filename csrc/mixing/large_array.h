// Arrays of zeros for tables far larger than the cache: aligned, in huge pages where the system has them (half of the time of a
// random access is otherwise spent on the page table), and committed only as they are touched.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <new>
#include <type_traits>
#if defined(__linux__)
#include <sys/mman.h>
#endif

namespace laconic::mixing {

template <class T>
class LargeArray {
    static_assert(std::is_trivially_copyable_v<T>);

public:
    explicit LargeArray(size_t count) : size_(count) {
        const size_t bytes = count * sizeof(T), alignment = bytes >= kHuge ? kHuge : size_t{64};
        memory_.reset(std::calloc(bytes + alignment, 1));
        if (memory_ == nullptr) throw std::bad_alloc();
        const auto address = reinterpret_cast<uintptr_t>(memory_.get());
        data_ = reinterpret_cast<T *>((address + alignment - 1) & ~(alignment - 1));
#if defined(__linux__)
        if (bytes >= kHuge) madvise(data_, bytes, MADV_HUGEPAGE);
#endif
    }

    LargeArray(const LargeArray &other) : LargeArray(other.size_) { std::copy_n(other.data_, size_, data_); }

    size_t size() const { return size_; }
    T *data() { return data_; }
    const T *data() const { return data_; }
    T &operator[](size_t i) { return data_[i]; }
    const T &operator[](size_t i) const { return data_[i]; }

private:
    struct Free {
        void operator()(void *p) const { std::free(p); }
    };
    static constexpr size_t kHuge = size_t{1} << 21;
    size_t size_;
    std::unique_ptr<void, Free> memory_;
    T *data_;
};

}  // namespace laconic::mixing
