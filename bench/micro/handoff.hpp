// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers
#pragma once

// Hand-off on one thread: `tasks` coroutines that do nothing but lock and unlock the same mutex.
// All of them queue before the first is let in, so every acquisition is a hand-over from one
// coroutine to the next: unlock, resume, lock, suspend.

#include "micro/harness.hpp"
#include "micro/tasks.hpp"
#include <corolock/async_mutex.hpp>

#include <cstddef>
#include <stop_token>
#include <utility>
#include <vector>

namespace bench {

template <class Mutex>
task lock_and_unlock(Mutex& m, long n) {
  for (long i = 0; i < n; ++i) {
    auto guard = co_await m.async_lock();
    keep_loop();
  }
}

template <class Mutex>
task lock_and_transfer(Mutex& m, long n) {
  for (long i = 0; i < n; ++i) {
    auto guard = co_await m.async_lock();
    keep_loop();
    co_await corolock::async_unlock(std::move(guard));
  }
}

template <class Mutex>
task lock_and_unlock_stoppable(Mutex& m, const std::stop_token& token, long n) {
  for (long i = 0; i < n; ++i) {
    auto guard = co_await m.async_lock(token);
    keep_loop();
  }
}

template <class Executor, class Mutex>
task_on<Executor> lock_and_unlock_on(Executor&, Mutex& m, long n) {
  for (long i = 0; i < n; ++i) {
    auto guard = co_await m.async_lock();
    keep_loop();
  }
}

// `make` gives a task that does so many acquisitions; `run` runs what the unlock has posted.
template <class Mutex, class Make, class Run>
void hand_off(Mutex& m, long tasks, long n, Make make, Run run) {
  using task_type = decltype(make(1L));
  std::vector<task_type> all;
  all.reserve(static_cast<std::size_t>(tasks));
  for (long i = 0; i < tasks; ++i) {
    all.push_back(make(n / tasks));
  }
  {
    auto guard = m.try_lock();
    for (const task_type& t : all) {
      t.resume();
    }
  }
  run();
  for (const task_type& t : all) {
    check(t.done(), "a task was not resumed");
  }
}

template <class Mutex>
void hand_off(long tasks, long n) {
  Mutex m;
  hand_off(m, tasks, n, [&](long each) { return lock_and_unlock(m, each); }, [] {});
}

template <class Mutex>
void hand_off_by_transfer(long tasks, long n) {
  Mutex m;
  hand_off(m, tasks, n, [&](long each) { return lock_and_transfer(m, each); }, [] {});
}

template <class Mutex>
void hand_off_stoppable(long tasks, long n) {
  Mutex m;
  const std::stop_source source;
  const std::stop_token token = source.get_token();
  hand_off(
      m, tasks, n, [&](long each) { return lock_and_unlock_stoppable(m, token, each); }, [] {});
}

template <class Mutex>
void hand_off_on_executor(long tasks, long n) {
  Mutex m;
  ring_executor executor(static_cast<std::size_t>(tasks));
  hand_off(
      m, tasks, n, [&](long each) { return lock_and_unlock_on(executor, m, each); },
      [&] { executor.run(); });
}

}  // namespace bench
