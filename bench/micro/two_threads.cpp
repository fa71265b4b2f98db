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
#include <vector>

namespace {

namespace asio = boost::asio;
using asio::awaitable;
using asio::use_awaitable;
using bench::role;
using boost::system::error_code;

constexpr std::size_t threads = 2;
constexpr std::size_t tasks_per_thread = 4;

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
  // Long enough to outlast the scheduler's time slices; an io_context sleeps in every round.
  const auto add = [&](const char* case_name, const char* who, double (*run)(long),
                       role r = role::subject, long rounds = 300'000) {
    list.push_back({case_name, who, r, rounds, 0, nullptr, run});
  };
  const auto add_asio = [&](const char* case_name, const char* who, double (*run)(long)) {
    add(case_name, who, run, role::subject, 40'000);
  };

  const char* yielding = "mutex.two_threads";
  add(yielding, "yield, no lock", &yields_without_lock, role::floor);
  add(yielding, "corolock", &corolock_tasks<true, on_executor>);
  add(yielding, "std::mutex, two threads", &blocking<true, std::mutex>);
  add_asio(yielding, "asio: bare post, no lock", &posts_without_lock);
  add_asio(yielding, "asio: corolock", &corolock_on_asio<true>);
  add_asio(yielding, "asio: concurrent_channel, async_send", &channel_on_asio<true>);

  const char* tight = "mutex.two_threads.tight";
  add(tight, "CAS + release store, two threads", &blocking<false, spin_lock>, role::floor);
  add(tight, "corolock", &corolock_tasks<false, on_executor>);
  add(tight, "corolock, no executor", &corolock_tasks<false, bench::task>);
  add(tight, "std::mutex, two threads", &blocking<false, std::mutex>);
  add_asio(tight, "asio: corolock", &corolock_on_asio<false>);
  add_asio(tight, "asio: concurrent_channel, async_send", &channel_on_asio<false>);
  return bench::run_program(argc, argv, list);
}
