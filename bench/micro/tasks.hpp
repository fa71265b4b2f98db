// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers
#pragma once

// The plainest coroutines that can wait: what a benchmark adds to what it measures stays small.

#include <corolock/async_mutex.hpp>

#include <coroutine>
#include <cstddef>
#include <exception>
#include <utility>
#include <vector>

namespace bench {

// Starts when it is resumed; its owner destroys it.
template <class Promise>
class basic_task {
 public:
  using promise_type = Promise;

  explicit basic_task(std::coroutine_handle<Promise> h) noexcept : handle_(h) {}
  basic_task(basic_task&& other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}
  basic_task& operator=(basic_task&&) = delete;
  ~basic_task() {
    if (handle_) {
      handle_.destroy();
    }
  }

  void resume() const { handle_.resume(); }
  [[nodiscard]] bool done() const noexcept { return handle_.done(); }

 private:
  std::coroutine_handle<Promise> handle_;
};

struct promise_base {
  std::suspend_always initial_suspend() const noexcept { return {}; }
  std::suspend_always final_suspend() const noexcept { return {}; }
  void return_void() const noexcept {}
  [[noreturn]] void unhandled_exception() const noexcept { std::terminate(); }
};

struct plain_promise : promise_base {
  auto get_return_object() noexcept {
    return basic_task<plain_promise>(std::coroutine_handle<plain_promise>::from_promise(*this));
  }
};

// A coroutine whose promise offers the executor that is its function's first argument.
template <class Executor>
struct promise_on : promise_base {
  template <class... Args>
  explicit promise_on(Executor& e, Args&...) noexcept : executor_(e) {}

  auto get_return_object() noexcept {
    return basic_task<promise_on>(std::coroutine_handle<promise_on>::from_promise(*this));
  }
  Executor& get_executor() const noexcept { return executor_; }

 private:
  Executor& executor_;
};

using task = basic_task<plain_promise>;
template <class Executor>
using task_on = basic_task<promise_on<Executor>>;

// A run queue for one thread: a ring that never grows.
class ring_executor {
 public:
  // Room for `tasks`, rounded up to a power of two.
  explicit ring_executor(std::size_t tasks) {
    std::size_t size = 1;
    while (size < tasks) {
      size *= 2;
    }
    ring_.resize(size);
  }

  void post(corolock::resumption r) noexcept { ring_[last_++ & (ring_.size() - 1)] = r; }

  void run() noexcept {
    while (first_ != last_) {
      ring_[first_++ & (ring_.size() - 1)]();
    }
  }

 private:
  std::vector<corolock::resumption> ring_;
  std::size_t first_ = 0;
  std::size_t last_ = 0;
};

}  // namespace bench
