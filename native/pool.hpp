// The threads of one training run: they spin briefly between tasks, then sleep.
//
// A pool belongs to one run, so two runs never wait for one another; its threads end with it. After
// a fork the child has none of them: it notices by its process id and starts its own.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#if !defined(_WIN32)
#include <unistd.h>
#endif

namespace backpass {

#if defined(_WIN32)
inline long process_id() { return 1; }  // there is no fork
#else
inline long process_id() { return (long)getpid(); }
#endif

class Pool {
  public:
    using Task = void (*)(void* job, int thread);

    explicit Pool(int n_threads) : n_threads_(n_threads) {}
    Pool(const Pool&) = delete;
    Pool& operator=(const Pool&) = delete;
    ~Pool() { stop(); }

    int size() const { return n_threads_; }

    // Run task(job, t) for t = 0 ... n - 1, n at most size(); the calling thread is 0.
    void run(Task task, void* job, int n) {
        if (n == 1) return task(job, 0);
        start();
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
    struct State {
        std::mutex mutex;
        std::condition_variable wake, done;
        std::atomic<long> round{0};  // counts up in steps of ROUND; below it, how many take part
        std::atomic<int> left{0};
        Task task = nullptr;
        void* job = nullptr;
        bool quit = false;
    };

    static constexpr long ROUND = 1 << 12;

    void next_round(int n) {
        const std::lock_guard<std::mutex> lock(state_->mutex);
        const long round = state_->round.load(std::memory_order_relaxed);
        state_->round.store((round / ROUND + 1) * ROUND + n, std::memory_order_release);
    }

    template <class Condition> static bool spin(Condition condition) {
        const auto end = std::chrono::steady_clock::now() + std::chrono::microseconds(50);
        while (std::chrono::steady_clock::now() < end)
            for (int i = 0; i < 20; i++)
                if (condition()) return true;
        return condition();
    }

    static void work(State* s, int thread) {
        for (long seen = 0;;) {
            if (!spin([&] { return s->round.load(std::memory_order_acquire) != seen; })) {
                std::unique_lock<std::mutex> lock(s->mutex);
                s->wake.wait(lock, [&] { return s->round.load() != seen; });
            }
            seen = s->round.load(std::memory_order_acquire);
            if (s->quit) return;
            if (thread >= seen % ROUND) continue;  // not in this round
            s->task(s->job, thread);
            if (s->left.fetch_sub(1, std::memory_order_acq_rel) == 1) {
                const std::lock_guard<std::mutex> lock(s->mutex);
                s->done.notify_one();
            }
        }
    }

    void start() {
        const long here = process_id();
        if (state_ && owner_ == here) return;
        abandon();
        state_ = new State;
        threads_ = new std::vector<std::thread>;
        owner_ = here;
        try {
            for (int t = 1; t < n_threads_; t++) threads_->emplace_back(work, state_, t);
        } catch (...) {  // the system gives no more threads
            stop();
            throw;
        }
    }

    void stop() {
        if (!state_) return;
        if (owner_ != process_id()) return abandon();
        state_->quit = true;
        next_round(0);
        state_->wake.notify_all();
        for (std::thread& thread : *threads_) thread.join();
        delete threads_;
        delete state_;
        state_ = nullptr, threads_ = nullptr;
    }

    // In a forked child the threads are gone, and a mutex may be held for ever: leave them be.
    void abandon() { state_ = nullptr, threads_ = nullptr; }

    int n_threads_;
    long owner_ = 0;
    State* state_ = nullptr;
    std::vector<std::thread>* threads_ = nullptr;
};

}  // namespace backpass
