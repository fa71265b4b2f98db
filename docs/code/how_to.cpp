// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers

// The code of docs/how-to: timeouts-and-cancellation.md and limit-concurrency-and-rate.md.

#include <corolock/asio.hpp>

#include <boost/asio.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>

#include <algorithm>
#include <chrono>
#include <coroutine>
#include <cstdio>
#include <exception>
#include <stop_token>
#include <string>
#include <variant>

namespace asio = boost::asio;
using asio::as_tuple;
using asio::awaitable;
using asio::use_awaitable;
using namespace std::chrono_literals;

namespace {

// [timeout]
awaitable<void> give_up_after(corolock::async_mutex& mutex, std::chrono::milliseconds limit) {
  auto [error, guard] = co_await corolock::async_lock_for(mutex, limit, as_tuple(use_awaitable));
  if (error) {
    std::printf("%s\n", error.message().c_str());
    co_return;
  }
  std::printf("locked\n");
}
// [/timeout]

// [deadline]
awaitable<void> both_before(corolock::async_mutex& a, corolock::async_mutex& b,
                            std::chrono::steady_clock::time_point deadline) {
  auto first = co_await corolock::async_lock_until(a, deadline, use_awaitable);
  auto second = co_await corolock::async_lock_until(b, deadline, use_awaitable);
  std::printf("both\n");
}
// [/deadline]

// [race]
awaitable<void> lock_or(corolock::async_mutex& mutex, corolock::async_event& shutdown) {
  using namespace asio::experimental::awaitable_operators;
  auto first = co_await (corolock::async_lock(mutex, use_awaitable) ||
                         corolock::async_wait(shutdown, use_awaitable));
  if (first.index() == 1) {
    std::printf("shutting down\n");
    co_return;
  }
  auto guard = std::get<0>(std::move(first));
  std::printf("locked\n");
}
// [/race]

// [section]
awaitable<void> write_parts(corolock::async_mutex& mutex, std::string& file) {
  auto guard = co_await corolock::async_lock(mutex, use_awaitable);
  co_await asio::this_coro::reset_cancellation_state(asio::disable_cancellation());
  for (const char* part : {"begin;", "name;", "body;", "end;"}) {
    file += part;
    co_await asio::post(use_awaitable);  // a cancellation does not interrupt the record here
  }
}
// [/section]

struct task {
  struct promise_type {
    task get_return_object() noexcept { return {}; }
    std::suspend_never initial_suspend() noexcept { return {}; }
    std::suspend_never final_suspend() noexcept { return {}; }
    void return_void() noexcept {}
    void unhandled_exception() noexcept { std::terminate(); }
  };
};

// [stop]
task lock_unless_stopped(corolock::async_mutex& mutex, std::stop_token token) {
  auto locked = co_await mutex.async_lock(token);
  if (!locked) {  // errc::stopped
    std::printf("stopped\n");
    co_return;
  }
  std::printf("locked\n");
}
// [/stop]

// [concurrency]
awaitable<void> call(corolock::async_semaphore& at_once, int& running, int& most) {
  auto permit = co_await corolock::async_acquire(at_once, 1, use_awaitable);
  most = std::max(most, ++running);
  co_await asio::post(use_awaitable);  // the request
  --running;
}
// [/concurrency]

// [weights]
awaitable<void> transcode(corolock::async_semaphore& megabytes, std::size_t size) {
  auto permit = co_await corolock::async_acquire(megabytes, size, use_awaitable);
  co_await asio::post(use_awaitable);
}
// [/weights]

// [rate]
awaitable<void> call_at_rate(corolock::rate_limiter<>& rate) {
  co_await corolock::async_acquire(rate, 1, use_awaitable);
  std::printf("call\n");
}

void call_three_times(asio::io_context& context) {
  corolock::rate_limiter<> rate(1000, 1s, 2);  // 1,000 per second, 2 at once after a pause
  for (int i = 0; i < 3; ++i) {
    asio::co_spawn(context, call_at_rate(rate), asio::detached);
  }
  context.run();
}
// [/rate]

// [both]
struct endpoint {
  corolock::rate_limiter<> rate{1000, 1s, 5};
  corolock::async_semaphore at_once{2};
};

awaitable<void> call_endpoint(endpoint& e) {
  auto permit = co_await corolock::async_acquire(e.at_once, 1, use_awaitable);
  co_await corolock::async_acquire(e.rate, 1, use_awaitable);  // last, right before the request
  std::printf("call\n");
}
// [/both]

// [refuse]
bool try_call(corolock::rate_limiter<>& rate) {
  if (rate.try_acquire()) {
    return true;
  }
  const auto wait = rate.due() - std::chrono::steady_clock::now();  // for a Retry-After
  return wait <= 0ns;
}
// [/refuse]

void spawn(asio::io_context& context, awaitable<void> work) {
  asio::co_spawn(context, std::move(work), [](const std::exception_ptr& e) {
    if (e) {
      std::rethrow_exception(e);
    }
  });
}

}  // namespace

int main() {
  asio::io_context context;
  const auto run = [&context](awaitable<void> work) {
    spawn(context, std::move(work));
    context.run();
    context.restart();
  };
  corolock::async_mutex mutex;
  corolock::async_mutex other;
  corolock::async_event shutdown;
  run(give_up_after(mutex, 1ms));
  {
    auto held = mutex.try_lock();
    run(give_up_after(mutex, 1ms));

    spawn(context, lock_or(mutex, shutdown));
    context.poll();
    shutdown.set();
    context.restart();
    context.run();
    context.restart();

    std::stop_source source;
    lock_unless_stopped(mutex, source.get_token());
    source.request_stop();
  }
  run(both_before(mutex, other, std::chrono::steady_clock::now() + 1h));

  std::string file;
  asio::cancellation_signal signal;
  asio::co_spawn(context, write_parts(mutex, file),
                 asio::bind_cancellation_slot(signal.slot(), asio::detached));
  context.run_one();
  signal.emit(asio::cancellation_type::terminal);
  context.run();
  context.restart();
  std::printf("%s\n", file.c_str());

  corolock::async_semaphore at_once(3);
  int running = 0;
  int most = 0;
  for (int i = 0; i < 10; ++i) {
    spawn(context, call(at_once, running, most));
  }
  spawn(context, transcode(at_once, 3));
  context.run();
  context.restart();
  std::printf("at most %d at once\n", most);

  call_three_times(context);
  context.restart();
  endpoint e;
  run(call_endpoint(e));
  std::printf("%d\n", try_call(e.rate));
}
