// Memory for large vectors: from huge pages where the system has them, since touching small pages for the first time
// costs as much as the arithmetic. Not zeroed.

#pragma once

#include <cstddef>
#include <cstdlib>
#include <memory>
#include <new>
#include <type_traits>

#if defined(__linux__)
#include <sys/mman.h>
#endif

namespace verinfer {

struct Free {
    void operator()(void *memory) const noexcept { std::free(memory); }
};

template <class T>
using Buffer = std::unique_ptr<T[], Free>;

template <class T>
Buffer<T> allocate(std::size_t count) {
    static_assert(std::is_trivially_copyable_v<T>);
    constexpr std::size_t huge_page = std::size_t{1} << 21, cache_line = 64;
    const std::size_t bytes = count * sizeof(T);
    const std::size_t alignment = bytes >= huge_page ? huge_page : cache_line;
    const std::size_t rounded = (bytes + alignment) / alignment * alignment;
    if (count > (std::size_t{1} << 62) / sizeof(T)) throw std::bad_alloc();
    void *memory = std::aligned_alloc(alignment, rounded);
    if (memory == nullptr) throw std::bad_alloc();
#if defined(__linux__)
    if (alignment == huge_page) madvise(memory, rounded, MADV_HUGEPAGE);
#endif
    return Buffer<T>(static_cast<T *>(memory));
}

}  // namespace verinfer
