// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers

// corolock without Asio: any coroutine type will do. A stop_token ends a wait, an executor that the
// wait names runs what comes after it.

#include <corolock/async_mutex.hpp>

#include <coroutine>
#include <cstdio>
#include <deque>
#include <exception>
#include <stop_token>

struct task {  // the smallest coroutine type; yours will do
  struct promise_type {
    task get_return_object() noexcept { return {}; }
    std::suspend_never initial_suspend() noexcept { return {}; }
    std::suspend_never final_suspend() noexcept { return {}; }
    void return_void() noexcept {}
    void unhandled_exception() noexcept { std::terminate(); }
  };
};

struct run_loop {  // the smallest executor
  std::deque<corolock::resumption> ready;

  void post(corolock::resumption r) { ready.push_back(r); }
  void run() {
    while (!ready.empty()) {
      const corolock::resumption next = ready.front();
      ready.pop_front();
      next();
    }
  }
};

task wait_for_it(corolock::async_mutex& mutex, run_loop& loop, int id) {
  auto guard = co_await mutex.async_lock().on(loop);
  std::printf("%d has the lock\n", id);
}

task wait_until_stopped(corolock::async_mutex& mutex, run_loop& loop, std::stop_token token) {
  auto guard = co_await mutex.async_lock(token).on(loop);
  std::printf("%s\n", guard ? "it has the lock" : "stopped");
}

int main() {
  corolock::async_mutex mutex;
  run_loop loop;
  std::stop_source source;

  auto guard = mutex.try_lock();
  wait_for_it(mutex, loop, 1);
  wait_until_stopped(mutex, loop, source.get_token());
  wait_for_it(mutex, loop, 2);

  source.request_stop();
  guard.unlock();
  std::printf("unlocked; nobody has run yet\n");
  loop.run();
}
