// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers

// An endpoint that allows two requests at once and 100 a second, three of them in a burst. The
// semaphore keeps the first limit, the rate limiter the second.

#include <corolock/asio.hpp>

#include <boost/asio.hpp>

#include <algorithm>
#include <chrono>
#include <cstdio>

namespace asio = boost::asio;
using namespace std::chrono_literals;
using std::chrono::steady_clock;

struct endpoint {
  corolock::async_semaphore at_once{2};
  corolock::rate_limiter<> per_second{100, 1s, 3};
  int running = 0;
  int running_max = 0;
  int done = 0;

  asio::awaitable<void> request() {
    co_await corolock::async_acquire(per_second, 1, asio::use_awaitable);
    auto permit = co_await corolock::async_acquire(at_once, 1, asio::use_awaitable);
    running_max = std::max(running_max, ++running);
    for (int i = 0; i < 5; ++i) {
      co_await asio::post(asio::use_awaitable);  // the answer takes a while
    }
    --running;
    ++done;
  }
};

int main() {
  endpoint e;
  asio::io_context context;
  const auto begin = steady_clock::now();
  for (int i = 0; i < 9; ++i) {
    asio::co_spawn(context, e.request(), asio::detached);
  }
  context.run();
  const auto took = steady_clock::now() - begin;
  // Three go at once; the other six come 10 ms apart, so the last not before 60 ms.
  std::printf("requests done: %d\n", e.done);
  std::printf("never more than two at once: %s\n", e.running_max <= 2 ? "yes" : "no");
  std::printf("never more than the rate: %s\n", took >= 59ms ? "yes" : "no");
}
