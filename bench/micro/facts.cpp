// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers

// What is neither time nor instructions: prints `name<TAB>value` for the sizes, and for the
// allocations of a wait, counted by an operator new of its own.

#include "micro/handoff.hpp"
#include <corolock/asio.hpp>
#include <corolock/corolock.hpp>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/experimental/channel.hpp>
#include <boost/asio/experimental/concurrent_channel.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/fiber/mutex.hpp>
#include <boost/system/error_code.hpp>

#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <new>

namespace {

std::size_t allocations = 0;

}  // namespace

// Not inlined: g++ would see free() meet new, and warn.
[[gnu::noinline]] void* operator new(std::size_t size) {
  ++allocations;
  if (void* p = std::malloc(size)) {
    return p;
  }
  throw std::bad_alloc();
}
[[gnu::noinline]] void operator delete(void* p) noexcept {
  std::free(p);
}
[[gnu::noinline]] void operator delete(void* p, std::size_t) noexcept {
  std::free(p);
}

namespace {

namespace asio = boost::asio;
using boost::system::error_code;
using channel = asio::experimental::channel<void(error_code)>;
using concurrent_channel = asio::experimental::concurrent_channel<void(error_code)>;

template <class T>
void print_size(const char* name) {
  std::printf("size: %s\t%zu\n", name, sizeof(T));
}

// Allocations per wait: those of 2n waits less those of n, so that what is set up cancels out.
template <class Run>
void print_allocations(const char* name, Run run) {
  constexpr long n = 8'000;
  const auto count = [&](long waits) {
    const std::size_t before = allocations;
    run(waits);
    return static_cast<double>(allocations - before);
  };
  const double once = count(n);
  std::printf("allocations: %s\t%.3f\n", name, (count(2 * n) - once) / static_cast<double>(n));
}

asio::awaitable<void> lock_and_post(corolock::async_mutex& m, long n) {
  for (long i = 0; i < n; ++i) {
    auto guard = co_await corolock::async_lock(m, asio::use_awaitable);
    co_await asio::post(asio::use_awaitable);
  }
}
asio::awaitable<void> send_and_post(channel& c, long n) {
  for (long i = 0; i < n; ++i) {
    co_await c.async_send(error_code(), asio::use_awaitable);
    co_await asio::post(asio::use_awaitable);
    c.try_receive([](error_code) {});
  }
}

constexpr long tasks = 8;

void on_asio(long n) {
  asio::io_context context;
  corolock::async_mutex m;
  for (long i = 0; i < tasks; ++i) {
    asio::co_spawn(context, lock_and_post(m, n / tasks), asio::detached);
  }
  context.run();
}
void through_channel(long n) {
  asio::io_context context;
  channel c(context, 1);
  for (long i = 0; i < tasks; ++i) {
    asio::co_spawn(context, send_and_post(c, n / tasks), asio::detached);
  }
  context.run();
}

}  // namespace

int main() {
  print_size<corolock::async_mutex>("async_mutex");
  print_size<corolock::local_async_mutex>("local_async_mutex");
  print_size<corolock::async_shared_mutex>("async_shared_mutex");
  print_size<corolock::async_semaphore>("async_semaphore");
  print_size<corolock::async_event>("async_event");
  print_size<corolock::mutex_guard>("mutex_guard");
  print_size<std::mutex>("std::mutex");
  print_size<boost::fibers::mutex>("boost.fiber mutex");
  print_size<channel>("channel");
  print_size<concurrent_channel>("concurrent_channel");

  using corolock::async_mutex;
  using corolock::local_async_mutex;
  print_allocations("async_mutex", [](long n) { bench::hand_off<async_mutex>(tasks, n); });
  print_allocations("local_async_mutex",
                    [](long n) { bench::hand_off<local_async_mutex>(tasks, n); });
  print_allocations("async_mutex, promise with executor",
                    [](long n) { bench::hand_off_on_executor<async_mutex>(tasks, n); });
  print_allocations("async_mutex, stop token",
                    [](long n) { bench::hand_off_stoppable<async_mutex>(tasks, n); });
  print_allocations("async_mutex, asio", &on_asio);
  print_allocations("channel, asio", &through_channel);
}
