#include "parallel.hpp"

#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

namespace verinfer {

namespace {

std::atomic<unsigned> wanted_threads = std::max(1u, std::thread::hardware_concurrency());

thread_local bool inside_a_loop = false;

// One loop: ranges of `step` elements are handed out in order until none is left.
struct Loop {
    std::size_t count, step;
    void (*body)(void *, std::size_t, std::size_t);
    void *context;
    std::atomic<std::size_t> next = 0;
    std::mutex mutex;
    std::exception_ptr failure;

    void work() {
        inside_a_loop = true;
        for (;;) {
            const std::size_t begin = next.fetch_add(step);
            if (begin >= count) break;
            try {
                body(context, begin, std::min(count, begin + step));
            } catch (...) {
                const std::scoped_lock lock(mutex);
                if (!failure) failure = std::current_exception();
                next.store(count);
            }
        }
        inside_a_loop = false;
    }
};

// Threads that wait for loops. Never destroyed: at exit they may still be waiting.
class Pool {
   public:
    std::mutex owner;  // held by the thread whose loop is running

    void run(Loop &loop, unsigned helpers) {
        while (size_ < helpers) {
            std::thread(&Pool::wait, this, size_).detach();
            ++size_;
        }
        {
            const std::scoped_lock lock(mutex_);
            loop_ = &loop;
            helpers_ = busy_ = helpers;
            ++generation_;
        }
        wake_.notify_all();
        loop.work();
        std::unique_lock lock(mutex_);
        done_.wait(lock, [&] { return busy_ == 0; });
    }

   private:
    void wait(unsigned index) {
        std::uint64_t seen = 0;
        std::unique_lock lock(mutex_);
        for (;;) {
            wake_.wait(lock, [&] { return generation_ != seen; });
            seen = generation_;
            if (index >= helpers_) continue;
            Loop &loop = *loop_;
            lock.unlock();
            loop.work();
            lock.lock();
            if (--busy_ == 0) done_.notify_one();
        }
    }

    std::mutex mutex_;
    std::condition_variable wake_, done_;
    Loop *loop_ = nullptr;
    unsigned size_ = 0, helpers_ = 0, busy_ = 0;
    std::uint64_t generation_ = 0;
};

// A forked child has none of its parent's threads, so it starts a pool of its own.
Pool &pool() {
    static std::mutex mutex;
    static Pool *current = nullptr;
    static pid_t process = 0;
    const std::scoped_lock lock(mutex);
    if (process != getpid()) {
        process = getpid();
        current = new Pool;
    }
    return *current;
}

}  // namespace

unsigned threads() { return wanted_threads.load(std::memory_order_relaxed); }

void set_threads(unsigned count) { wanted_threads.store(std::max(1u, count), std::memory_order_relaxed); }

void parallel_ranges(std::size_t count, std::size_t grain, void (*body)(void *, std::size_t, std::size_t),
                     void *context) {
    if (count == 0) return;
    const std::size_t grains = (count + grain - 1) / grain;
    const std::size_t workers = std::min<std::size_t>(threads(), grains);
    if (workers > 1 && !inside_a_loop) {
        Pool &shared = pool();
        const std::unique_lock lock(shared.owner, std::try_to_lock);
        if (lock) {
            constexpr std::size_t ranges_per_worker = 4;  // evens out threads that the system interrupts
            const std::size_t ranges = std::min(grains, workers * ranges_per_worker);
            Loop loop{.count = count,
                      .step = (grains + ranges - 1) / ranges * grain,
                      .body = body,
                      .context = context,
                      .next = 0,
                      .mutex = {},
                      .failure = {}};
            shared.run(loop, static_cast<unsigned>(workers - 1));
            if (loop.failure) std::rethrow_exception(loop.failure);
            return;
        }
    }
    body(context, 0, count);
}

}  // namespace verinfer
