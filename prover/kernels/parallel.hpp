// Loops over index ranges on a pool of threads that lives as long as the process.

#pragma once

#include <cstddef>
#include <type_traits>

namespace verinfer {

// How many threads a loop uses, the calling one included.
unsigned threads();
void set_threads(unsigned count);

// Calls body(context, begin, end) for consecutive ranges that cover 0..count, from several threads at once, and
// returns when all are done. Every range but the last has a multiple of `grain` elements. An exception of the body
// is thrown again here. Within a body, and while another thread has the pool, the loop runs on the calling thread.
void parallel_ranges(std::size_t count, std::size_t grain, void (*body)(void *, std::size_t, std::size_t),
                     void *context);

// The same for a callable body(begin, end). `grain` is how many elements are worth the cost of waking a thread (some
// 10 us); make it a multiple of kLanes, so that only the last range has a tail.
template <class Body>
void parallel_for(std::size_t count, std::size_t grain, Body &&body) {
    parallel_ranges(
        count, grain,
        [](void *context, std::size_t begin, std::size_t end) {
            (*static_cast<std::remove_reference_t<Body> *>(context))(begin, end);
        },
        const_cast<void *>(static_cast<const void *>(&body)));
}

}  // namespace verinfer
