// CUDA's words for a C++ compiler: kernels run on a CPU, one thread of a block after another.
//
// Each thread of a block is a coroutine with a stack of its own. It runs until it meets __syncthreads() or ends; when
// all have, they go on. Blocks run one after another, so what is shared between them needs no care. Every second launch
// goes through blocks and threads from the last to the first: what hangs on their order shows.

#pragma once

#include <csetjmp>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <ucontext.h>
#include <utility>

#define __global__
#define __device__
#define __shared__ static
#define __launch_bounds__(threads)

struct Dimension {
    unsigned x;
};
static Dimension threadIdx, blockIdx, gridDim;

static inline void __threadfence() {}
static inline unsigned atomicAdd(unsigned *at, unsigned value) {
    const unsigned before = *at;
    *at += value;
    return before;
}
static inline int __clzll(long long x) { return x == 0 ? 64 : __builtin_clzll(static_cast<unsigned long long>(x)); }

namespace emulation {

constexpr unsigned kThreadsOfBlock = 256;
constexpr std::size_t kStackBytes = 256 << 10;

struct Fiber {
    jmp_buf at;
    ucontext_t start;
    bool is_started = false, is_done = false;
};

static Fiber fibers[kThreadsOfBlock];
static jmp_buf scheduler;
static unsigned current;
static void (*body)();

static __attribute__((noinline)) void yield() {
    const unsigned thread = current;
    if (_setjmp(fibers[thread].at) == 0) _longjmp(scheduler, 1);
}

static void run_fiber() {
    for (;;) {
        body();
        fibers[current].is_done = true;
        yield();
    }
}

static __attribute__((noinline)) void resume(unsigned thread) {
    Fiber &fiber = fibers[thread];
    current = threadIdx.x = thread;
    if (_setjmp(scheduler) != 0) return;
    if (fiber.is_started) _longjmp(fiber.at, 1);
    fiber.is_started = true;
    getcontext(&fiber.start);
    fiber.start.uc_stack.ss_sp = std::malloc(kStackBytes);
    fiber.start.uc_stack.ss_size = kStackBytes;
    fiber.start.uc_link = nullptr;
    makecontext(&fiber.start, run_fiber, 0);
    setcontext(&fiber.start);
}

static void run_grid(unsigned blocks) {
    static bool backwards = false;
    backwards = !backwards;
    gridDim.x = blocks;
    for (unsigned block = 0; block < blocks; ++block) {
        blockIdx.x = backwards ? blocks - 1 - block : block;
        for (Fiber &fiber : fibers) fiber.is_done = false;
        for (bool any = true; any;) {
            any = false;
            for (unsigned i = 0; i < kThreadsOfBlock; ++i) {
                const unsigned thread = backwards ? kThreadsOfBlock - 1 - i : i;
                if (fibers[thread].is_done) continue;
                resume(thread);
                any = true;
            }
        }
    }
}

template <class... Arguments, std::size_t... kPlace>
void launch(void (*kernel)(Arguments...), unsigned blocks, const std::uint64_t *words,
            std::index_sequence<kPlace...>) {
    static_assert(((sizeof(Arguments) == sizeof(std::uint64_t)) && ...));
    static void (*launched)(Arguments...);
    static const std::uint64_t *given;
    launched = kernel;
    given = words;
    body = [] { launched(((Arguments)given[kPlace])...); };
    run_grid(blocks);
}

template <class... Arguments>
void launch(void (*kernel)(Arguments...), unsigned blocks, const std::uint64_t *words) {
    launch(kernel, blocks, words, std::index_sequence_for<Arguments...>{});
}

}  // namespace emulation

static inline void __syncthreads() { emulation::yield(); }
