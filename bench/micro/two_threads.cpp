// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers

// Two threads that want the same lock all the time: what an acquisition takes, and how evenly they
// are served. Each thread runs four tasks, which resume on their own thread; they share a number of
// rounds and stop when it is used up.

#include "micro/harness.hpp"
#include "micro/tasks.hpp"
#include <corolock/asio.hpp>
#include <corolock/async_mutex.hpp>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/experimental/concurrent_channel.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/system/error_code.hpp>

#include <algorithm>
#include <array>
#include <atomic>
#include <coroutine>
#include <cstddef>
#include <mutex>
#include <optional>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

namespace {

namespace asio = boost::asio;
using asio::awaitable;
using asio::use_awaitable;
using bench::role;
using boost::system::error_code;

constexpr std::size_t threads = 2;
constexpr std::size_t tasks_per_thread = 4;
constexpr std::size_t all_tasks = threads * tasks_per_thread;

// A run queue that any thread may post to; its own thread looks for work without sleeping.
class thread_executor {
 public:
  void post(corolock::resumption r) noexcept { push({r, nullptr}); }

  // co_await it: to the back of the queue.
  auto yield() noexcept {
    struct awaiter {
      explicit awaiter(thread_executor& e) noexcept : executor(e) {}
      bool await_ready() const noexcept { return false; }
      void await_suspend(std::coroutine_handle<> h) const noexcept { executor.push({{}, h}); }
      void await_resume() const noexcept {}
      thread_executor& executor;
    };
    return awaiter(*this);
  }

  // Until so many tasks have called ended().
  void run(std::size_t tasks) {
    std::vector<entry> batch;
    for (unsigned idle = 0; ended_.load(std::memory_order_acquire) != tasks;) {
      {
        const std::lock_guard guard(mutex_);
        batch.swap(queue_);
      }
      if (batch.empty()) {
        corolock::multi_threaded::pause(++idle);
        continue;
      }
      for (const entry& e : batch) {
        if (e.yielded) {
          e.yielded.resume();
        } else {
          e.granted();
        }
      }
      batch.clear();
    }
  }
  void ended() noexcept { ended_.fetch_add(1, std::memory_order_release); }

 private:
  struct entry {
    corolock::resumption granted;
    std::coroutine_handle<> yielded;
  };

  void push(entry e) noexcept {
    const std::lock_guard guard(mutex_);
    queue_.push_back(e);
  }

  std::mutex mutex_;
  std::vector<entry> queue_;
  std::atomic<std::size_t> ended_ = 0;
};

struct alignas(64) tally {
  long rounds = 0;
  bool has_begun = false;
};

// What all tasks share; the lock guards `left`.
template <class Mutex>
struct alignas(64) contest {
  contest(std::size_t contestants, long n) : beginners(contestants), left(n) {}
  template <class Executor>
  contest(std::size_t contestants, long n, const Executor& e)
      : mutex(e), beginners(contestants), left(n) {}

  // One round; false when there are none left. Nothing counts before each has had its first: the
  // system may start one thread long after the other.
  bool take(tally& mine) noexcept {
    if (beginners != 0) {
      beginners -= std::exchange(mine.has_begun, true) ? 0 : 1;
      return true;
    }
    if (left == 0) {
      return false;
    }
    --left;
    ++mine.rounds;
    return true;
  }

  Mutex mutex;
  std::size_t beginners;
  long left;
};

double least_share(const std::vector<tally>& all) {
  long sum = 0;
  long least = all.front().rounds;
  for (const tally& t : all) {
    sum += t.rounds;
    least = std::min(least, t.rounds);
  }
  return static_cast<double>(least) * static_cast<double>(all.size()) / static_cast<double>(sum);
}

// Calls f(0) and f(1) on two threads, both at once.
template <class F>
void on_two_threads(F f) {
  std::atomic<std::size_t> ready = 0;
  const auto body = [&](std::size_t index) {
    ready.fetch_add(1);
    while (ready.load() != threads) {
    }
    f(index);
  };
  std::thread other(body, 1);
  body(0);
  other.join();
}

// -------------------------------------------------------------------------- plain coroutines

template <bool Yields, class Task>
Task hammer(thread_executor& e, contest<corolock::async_mutex>& c, tally& mine) {
  for (;;) {
    {
      auto guard = co_await c.mutex.async_lock();
      if (!c.take(mine)) {
        break;
      }
    }
    if constexpr (Yields) {
      co_await e.yield();
    }
  }
  e.ended();
}

// Each task has its own rounds: nothing is shared.
bench::task_on<thread_executor> yield_only(thread_executor& e, long n, tally& mine) {
  for (; mine.rounds != n; ++mine.rounds) {
    co_await e.yield();
  }
  e.ended();
}

// make(executor, tally) gives a task.
template <class Make>
double run_tasks(Make make) {
  using task_type = decltype(make(std::declval<thread_executor&>(), std::declval<tally&>()));
  std::array<thread_executor, threads> executors;
  std::vector<tally> tallies(all_tasks);
  std::vector<task_type> tasks;
  for (std::size_t i = 0; i < tallies.size(); ++i) {
    tasks.push_back(make(executors[i % threads], tallies[i]));
  }
  on_two_threads([&](std::size_t index) {
    for (std::size_t i = index; i < tasks.size(); i += threads) {
      tasks[i].resume();
    }
    executors[index].run(tasks_per_thread);
  });
  return least_share(tallies);
}

template <bool Yields, class Task>
double corolock_tasks(long n) {
  // Without an executor one thread runs whatever is granted, and may never begin its other tasks.
  constexpr bool each_begins = std::is_same_v<Task, bench::task_on<thread_executor>>;
  contest<corolock::async_mutex> c(each_begins ? all_tasks : 0, n);
  return run_tasks(
      [&](thread_executor& e, tally& mine) { return hammer<Yields, Task>(e, c, mine); });
}

double yields_without_lock(long n) {
  const long each = n / static_cast<long>(all_tasks);
  return run_tasks([=](thread_executor& e, tally& mine) { return yield_only(e, each, mine); });
}

// --------------------------------------------------------------------------------------- threads

class spin_lock {
 public:
  void lock() noexcept {
    int expected = 0;
    for (unsigned round = 1; !word_.compare_exchange_weak(expected, 1, std::memory_order_acquire,
                                                          std::memory_order_relaxed);
         ++round) {
      expected = 0;
      corolock::multi_threaded::pause(round);
    }
  }
  void unlock() noexcept { word_.store(0, std::memory_order_release); }

 private:
  std::atomic<int> word_ = 0;
};

template <bool Yields, class Mutex>
double blocking(long n) {
  contest<Mutex> c(threads, n);
  std::vector<tally> tallies(threads);
  on_two_threads([&](std::size_t index) {
    for (bool more = true; more;) {
      {
        const std::lock_guard guard(c.mutex);
        more = c.take(tallies[index]);
      }
      if constexpr (Yields) {
        std::this_thread::yield();
      }
    }
  });
  return least_share(tallies);
}

// ------------------------------------------------------------------------------------------ Asio

// A thread's io_context, kept running until its tasks have ended.
class asio_thread {
 public:
  [[nodiscard]] asio::any_io_executor executor() { return context_.get_executor(); }
  void run() { context_.run(); }
  void ended() noexcept {
    if (--running_ == 0) {
      work_.reset();
    }
  }

 private:
  asio::io_context context_;
  asio::executor_work_guard<asio::io_context::executor_type> work_{context_.get_executor()};
  std::size_t running_ = tasks_per_thread;
};

template <bool Yields>
awaitable<void> hammer_asio(asio_thread& t, contest<corolock::async_mutex>& c, tally& mine) {
  for (;;) {
    {
      auto guard = co_await corolock::async_lock(c.mutex, use_awaitable);
      if (!c.take(mine)) {
        break;
      }
    }
    if constexpr (Yields) {
      co_await asio::post(use_awaitable);
    }
  }
  t.ended();
}

using concurrent_channel = asio::experimental::concurrent_channel<void(error_code)>;
struct channel : concurrent_channel {
  explicit channel(const asio::any_io_executor& e) : concurrent_channel(e, 1) {}
};

template <bool Yields>
awaitable<void> hammer_channel(asio_thread& t, contest<channel>& c, tally& mine) {
  for (bool more = true; more;) {
    co_await c.mutex.async_send(error_code(), use_awaitable);
    more = c.take(mine);
    c.mutex.try_receive([](error_code) {});
    if constexpr (Yields) {
      co_await asio::post(use_awaitable);
    }
  }
  t.ended();
}

awaitable<void> post_only(asio_thread& t, long n, tally& mine) {
  for (; mine.rounds != n; ++mine.rounds) {
    co_await asio::post(use_awaitable);
  }
  t.ended();
}

template <class Make>
double run_awaitables(std::array<asio_thread, threads>& all, Make make) {
  std::vector<tally> tallies(all_tasks);
  for (std::size_t i = 0; i < tallies.size(); ++i) {
    asio_thread& t = all[i % threads];
    asio::co_spawn(t.executor(), make(t, tallies[i]), asio::detached);
  }
  on_two_threads([&](std::size_t index) { all[index].run(); });
  return least_share(tallies);
}

template <bool Yields>
double corolock_on_asio(long n) {
  contest<corolock::async_mutex> c(all_tasks, n);
  std::array<asio_thread, threads> all;
  return run_awaitables(
      all, [&](asio_thread& t, tally& mine) { return hammer_asio<Yields>(t, c, mine); });
}

template <bool Yields>
double channel_on_asio(long n) {
  std::array<asio_thread, threads> all;
  contest<channel> c(all_tasks, n, all[0].executor());
  return run_awaitables(
      all, [&](asio_thread& t, tally& mine) { return hammer_channel<Yields>(t, c, mine); });
}

double posts_without_lock(long n) {
  const long each = n / static_cast<long>(all_tasks);
  std::array<asio_thread, threads> all;
  return run_awaitables(all, [=](asio_thread& t, tally& mine) { return post_only(t, each, mine); });
}

}  // namespace

int main(int argc, char** argv) {
  using on_executor = bench::task_on<thread_executor>;

  std::vector<bench::subject> list;
  // Long enough to outlast the scheduler's time slices.
  const auto add = [&](const char* case_name, const char* who, long rounds, double (*run)(long),
                       role r = role::subject) {
    list.push_back({case_name, who, r, rounds, 0, nullptr, run});
  };
  constexpr long fast = 2'000'000;
  constexpr long medium = 400'000;
  constexpr long slow = 60'000;

  const char* yielding = "mutex.two_threads";
  add(yielding, "yield, no lock", fast, &yields_without_lock, role::floor);
  add(yielding, "corolock", 2 * fast, &corolock_tasks<true, on_executor>);
  add(yielding, "std::mutex, two threads", medium, &blocking<true, std::mutex>);
  add(yielding, "asio: bare post, no lock", medium, &posts_without_lock);
  add(yielding, "asio: corolock", slow, &corolock_on_asio<true>);
  add(yielding, "asio: concurrent_channel, async_send", slow, &channel_on_asio<true>);

  const char* tight = "mutex.two_threads.tight";
  add(tight, "CAS + release store, two threads", fast, &blocking<false, spin_lock>, role::floor);
  add(tight, "corolock", medium, &corolock_tasks<false, on_executor>);
  add(tight, "corolock, no executor", fast, &corolock_tasks<false, bench::task>);
  add(tight, "std::mutex, two threads", fast, &blocking<false, std::mutex>);
  add(tight, "asio: corolock", slow, &corolock_on_asio<false>);
  add(tight, "asio: concurrent_channel, async_send", slow, &channel_on_asio<false>);
  return bench::run_program(argc, argv, list);
}
