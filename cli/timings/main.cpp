// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers

// corolock-timings: what `corolock tour` shows as the cost of locks. It is a program of its own
// because it is compiled as production code is. Prints a line per subject, separated by tabs: case,
// subject, median and median absolute deviation in nanoseconds per operation.

#include <corolock/asio/lock.hpp>
#include <corolock/async_mutex.hpp>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/experimental/channel.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/system/error_code.hpp>

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <condition_variable>
#include <coroutine>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <mutex>
#include <thread>

namespace {

namespace asio = boost::asio;
using asio::awaitable;
using asio::use_awaitable;
using boost::system::error_code;
using nanoseconds = std::chrono::duration<double, std::nano>;

constexpr std::size_t rounds = 15;
constexpr nanoseconds time_per_round = std::chrono::milliseconds(2);
constexpr long tasks = 8;

// What the section does: the compiler may not merge or drop rounds.
[[gnu::always_inline]] inline void section() noexcept {
  asm volatile("" ::: "memory");
}

// ------------------------------------------------------------------------ lock and unlock, alone

void std_mutex(long n) {
  std::mutex mutex;
  for (long i = 0; i < n; ++i) {
    const std::lock_guard guard(mutex);
    section();
  }
}

struct plain_task {
  struct promise_type {
    plain_task get_return_object() noexcept { return {}; }
    std::suspend_never initial_suspend() noexcept { return {}; }
    std::suspend_never final_suspend() noexcept { return {}; }
    void return_void() noexcept {}
    void unhandled_exception() noexcept { std::terminate(); }
  };
};
plain_task lock_in_plain_task(corolock::async_mutex& mutex, long n) {
  for (long i = 0; i < n; ++i) {
    auto guard = co_await mutex.async_lock();
    section();
  }
}
void plain_coroutine(long n) {
  corolock::async_mutex mutex;
  lock_in_plain_task(mutex, n);
}

struct mutex : corolock::async_mutex {
  explicit mutex(asio::io_context&) {}
};
awaitable<void> lock_alone(mutex& m, long n) {
  for (long i = 0; i < n; ++i) {
    auto guard = co_await corolock::async_lock(m, use_awaitable);
    section();
  }
}

struct channel : asio::experimental::channel<void(error_code)> {
  explicit channel(asio::io_context& context)
      : asio::experimental::channel<void(error_code)>(context, 1) {}

  void unlock() {
    try_receive([](error_code) {});
  }
};
awaitable<void> send_alone(channel& c, long n) {
  for (long i = 0; i < n; ++i) {
    co_await c.async_send(error_code(), use_awaitable);
    section();
    c.unlock();
  }
}

// ---------------------------------------------------------------------------------------- hand-off
// Each section has a suspension point, at which the others come to wait.

struct nothing {
  explicit nothing(asio::io_context&) {}
};
awaitable<void> post_only(nothing&, long n) {
  for (long i = 0; i < n; ++i) {
    co_await asio::post(use_awaitable);
  }
}
awaitable<void> lock_and_post(mutex& m, long n) {
  for (long i = 0; i < n; ++i) {
    auto guard = co_await corolock::async_lock(m, use_awaitable);
    co_await asio::post(use_awaitable);
  }
}
awaitable<void> send_and_post(channel& c, long n) {
  for (long i = 0; i < n; ++i) {
    co_await c.async_send(error_code(), use_awaitable);
    co_await asio::post(use_awaitable);
    c.unlock();
  }
}

template <class Lock, awaitable<void> (*Loop)(Lock&, long), long Tasks>
void on_asio(long n) {
  asio::io_context context(1);
  Lock lock(context);
  for (long i = 0; i < Tasks; ++i) {
    asio::co_spawn(context, Loop(lock, n / Tasks), asio::detached);
  }
  context.run();
}

// std::mutex alone is never handed over: whoever comes first takes it. Turns make it so.
class turns {
 public:
  void take(int who, long n) {
    for (long i = 0; i < n; ++i) {
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [&] { return turn_ == who; });
      turn_ = 1 - who;
      changed_.notify_one();
    }
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  int turn_ = 0;
};
void two_threads(long n) {
  turns shared;
  std::thread other([&shared, n] { shared.take(1, n / 2); });
  shared.take(0, n / 2);
  other.join();
}

// -------------------------------------------------------------------------------------- measuring

template <std::size_t N>
double median_of(std::array<double, N> values) {
  std::sort(values.begin(), values.end());
  return values[N / 2];
}

nanoseconds time_of(void (*run)(long), long n) {
  const auto begin = std::chrono::steady_clock::now();
  run(n);
  return std::chrono::steady_clock::now() - begin;
}

void measure(const char* what, const char* subject, void (*run)(long)) {
  long n = 8 * tasks;
  while (time_of(run, n) < time_per_round / 2) {
    n *= 2;
  }
  std::array<double, rounds> each{};
  for (double& one : each) {
    one = time_of(run, n).count() / static_cast<double>(n);
  }
  const double median = median_of(each);
  std::array<double, rounds> deviations{};
  std::transform(each.begin(), each.end(), deviations.begin(),
                 [median](double one) { return std::abs(one - median); });
  std::printf("%s\t%s\t%.1f\t%.1f\n", what, subject, median, median_of(deviations));
}

}  // namespace

int main() {
  const char* alone = "alone";
  measure(alone, "std::mutex", &std_mutex);
  measure(alone, "async_mutex, in a plain coroutine", &plain_coroutine);
  measure(alone, "async_mutex, on Asio", &on_asio<mutex, lock_alone, 1>);
  measure(alone, "channel of capacity 1, on Asio", &on_asio<channel, send_alone, 1>);

  const char* handoff = "hand-off";
  measure(handoff, "no lock, just a turn of the loop", &on_asio<nothing, post_only, tasks>);
  measure(handoff, "async_mutex, on Asio", &on_asio<mutex, lock_and_post, tasks>);
  measure(handoff, "channel of capacity 1, on Asio", &on_asio<channel, send_and_post, tasks>);
  measure(handoff, "std::mutex, between two threads", &two_threads);
  return std::fflush(stdout) == 0 && std::ferror(stdout) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
