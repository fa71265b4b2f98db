// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers

// [program]
#include <corolock/async_mutex.hpp>

#include <coroutine>
#include <cstdio>
#include <exception>

struct task {  // the smallest coroutine type; yours will do
  struct promise_type {
    task get_return_object() noexcept { return {}; }
    std::suspend_never initial_suspend() noexcept { return {}; }
    std::suspend_never final_suspend() noexcept { return {}; }
    void return_void() noexcept {}
    void unhandled_exception() noexcept { std::terminate(); }
  };
};

task enter(corolock::async_mutex& mutex, int id) {
  auto guard = co_await mutex.async_lock();
  std::printf("task %d has the lock\n", id);
}

int main() {
  corolock::async_mutex mutex;
  auto guard = mutex.try_lock();
  enter(mutex, 1);  // queues
  enter(mutex, 2);  // queues behind it
  guard.unlock();   // hands over: 1, then 2
}
// [/program]
