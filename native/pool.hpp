// The threads of one training run: they spin briefly between tasks, then sleep.
//
// A pool belongs to one run, so two runs never wait for one another; its threads end with it. After
// a fork the child has none of them: it notices by its process id and starts its own. Where the
// system gives fewer threads than were asked for, the pool has those that it got.
#pragma once

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <new>
#include <system_error>
#include <thread>
#include <vector>

#if !defined(_WIN32)
#include <unistd.h>
#endif

namespace backpass {

#if defined(_WIN32)
inline int64_t process_id() { return 1; }  // there is no fork
#else
inline int64_t process_id() { return (int64_t)getpid(); }
#endif

class Pool {
  public:
    using Task = void (*)(void* job, int thread);

    explicit Pool(int n_threads) : n_threads_(n_threads) {}
    Pool(const Pool&) = delete;
    Pool& operator=(const Pool&) = delete;
    ~Pool() { stop(); }

    int size() const { return n_threads_; }

    // How many of `n` threads can take part now, the calling one included; starts them at first.
    int ready(int n) {
        if (n == 1) return 1;
        start();
        return std::min(n, 1 + (int)state_->threads.size());
    }

    // Run task(job, t) for t = 0 ... n - 1, n at most what ready(n) said; the calling thread is 0.
    void run(Task task, void* job, int n) {
        if (n == 1) return task(job, 0);
        State& s = *state_;
        s.task = task, s.job = job;
        s.left.store(n - 1, std::memory_order_relaxed);
        next_round(n);
        s.wake.notify_all();
        task(job, 0);
        if (!spin([&] { return s.left.load(std::memory_order_acquire) == 0; })) {
            std::unique_lock<std::mutex> lock(s.mutex);
            s.done.wait(lock, [&] { return s.left.load(std::memory_order_acquire) == 0; });
        }
    }

  private:
    using Round = std::uint64_t;  // `long` has 32 bits on Windows: it would last an hour

    struct State {
        std::mutex mutex;
        std::condition_variable wake, done;
        std::atomic<Round> round{0};  // counts up in steps of ROUND; below it, how many take part
        std::atomic<int> left{0};
        Task task = nullptr;
        void* job = nullptr;
        std::vector<std::thread> threads;
    };

    static constexpr Round ROUND = 1 << 12;  // more than the threads that a run may have, 1024
    static constexpr int END = 0;            // a round in which none takes part: the last one

    void next_round(int n) {
        const std::lock_guard<std::mutex> lock(state_->mutex);
        const Round round = state_->round.load(std::memory_order_relaxed);
        state_->round.store((round / ROUND + 1) * ROUND + (Round)n, std::memory_order_release);
    }

    template <class Condition> static bool spin(Condition condition) {
        const auto end = std::chrono::steady_clock::now() + std::chrono::microseconds(50);
        while (std::chrono::steady_clock::now() < end)
            for (int i = 0; i < 20; i++)
                if (condition()) return true;
        return condition();
    }

    static void work(State* s, int thread) {
        for (Round seen = 0;;) {
            if (!spin([&] { return s->round.load(std::memory_order_acquire) != seen; })) {
                std::unique_lock<std::mutex> lock(s->mutex);
                s->wake.wait(lock, [&] { return s->round.load() != seen; });
            }
            seen = s->round.load(std::memory_order_acquire);
            const int n = (int)(seen % ROUND);
            if (n == END) return;
            if (thread >= n) continue;  // not in this round
            s->task(s->job, thread);
            if (s->left.fetch_sub(1, std::memory_order_acq_rel) == 1) {
                const std::lock_guard<std::mutex> lock(s->mutex);
                s->done.notify_one();
            }
        }
    }

    void start() {
        const int64_t here = process_id();
        if (state_ && owner_ == here) return;
        auto state = std::make_unique<State>();
        state->threads.reserve((size_t)n_threads_ - 1);
        state_ = state.release();  // after a fork: what was there is abandoned
        owner_ = here;
        try {
            for (int t = 1; t < n_threads_; t++) state_->threads.emplace_back(work, state_, t);
        } catch (const std::system_error&) {  // the system gives no more threads: go on with these
        } catch (const std::bad_alloc&) {
        }
    }

    // In a forked child the threads are gone, and a mutex may be held for ever: all is left be.
    void stop() {
        if (!state_ || owner_ != process_id()) return;
        next_round(END);
        state_->wake.notify_all();
        for (std::thread& thread : state_->threads) thread.join();
        delete state_;
        state_ = nullptr;
    }

    int n_threads_;
    int64_t owner_ = 0;
    State* state_ = nullptr;
};

}  // namespace backpass
