// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers
#pragma once

// task<T>: a coroutine that a test drives by hand. It starts when the test says so, it may be
// destroyed at any of its suspension points, and its result, or its exception, stays observable
// until then.
//
//   task<int> lazy = f(mutex);            nothing has run yet
//   task<int> t = started(f(mutex));      runs up to its first suspension
//   t.done(); t.result(); t.destroy();
//
// task<T, Executor>: its promise offers get_executor(), which is the one parameter of the coroutine
// that is an Executor&.
//
// detached: a coroutine that belongs to nobody.
//
// One thread at a time may use a task: a test with several threads looks at a task when the thread
// that ran it is known to be done with it.

#include <coroutine>
#include <cstdlib>
#include <exception>
#include <optional>
#include <type_traits>
#include <utility>

namespace corolock_test {

namespace detail {

template <class Executor>
class executor_slot {
 public:
  template <class... Parameters>
  explicit executor_slot(Parameters&... parameters) noexcept : executor_(find(parameters...)) {}

  Executor& get_executor() const noexcept { return executor_; }

 private:
  template <class First, class... Rest>
  static Executor& find(First& first, Rest&... rest) noexcept {
    if constexpr (std::is_same_v<First, Executor>) {
      return first;
    } else {
      return find(rest...);
    }
  }

  Executor& executor_;
};
template <>
class executor_slot<void> {};

template <class T>
class result_slot {
 public:
  template <class U>
  void return_value(U&& value) {
    value_.emplace(std::forward<U>(value));
  }
  T take() { return std::move(value_).value(); }

 private:
  std::optional<T> value_;
};
template <>
class result_slot<void> {
 public:
  void return_void() noexcept {}
  void take() noexcept {}
};

}  // namespace detail

template <class T = void, class Executor = void>
class [[nodiscard]] task {
 public:
  class promise_type : public detail::executor_slot<Executor>, public detail::result_slot<T> {
   public:
    using detail::executor_slot<Executor>::executor_slot;

    task get_return_object() noexcept {
      return task(std::coroutine_handle<promise_type>::from_promise(*this));
    }
    std::suspend_always initial_suspend() noexcept { return {}; }
    std::suspend_always final_suspend() noexcept { return {}; }
    void unhandled_exception() noexcept { exception_ = std::current_exception(); }

   private:
    friend task;
    std::exception_ptr exception_;
  };

  task() noexcept = default;
  task(task&& other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}
  task& operator=(task&& other) noexcept {
    if (this != &other) {
      destroy();
      handle_ = std::exchange(other.handle_, nullptr);
    }
    return *this;
  }
  ~task() { destroy(); }

  void start() { handle_.resume(); }

  /// Destroys the coroutine where it is suspended. Nothing happens if there is none.
  void destroy() noexcept {
    if (auto handle = std::exchange(handle_, nullptr)) {
      handle.destroy();
    }
  }

  [[nodiscard]] bool done() const noexcept { return handle_ && handle_.done(); }
  /// The address of the frame, as corolock::resumption::address() tells it.
  [[nodiscard]] void* address() const noexcept { return handle_.address(); }
  explicit operator bool() const noexcept { return static_cast<bool>(handle_); }

  /// What the coroutine returned, or the exception that left it. Once. Precondition: done().
  T result() {
    if (!done()) {
      std::abort();
    }
    if (auto exception = std::exchange(handle_.promise().exception_, nullptr)) {
      std::rethrow_exception(exception);
    }
    return handle_.promise().take();
  }

 private:
  explicit task(std::coroutine_handle<promise_type> handle) noexcept : handle_(handle) {}

  std::coroutine_handle<promise_type> handle_;
};

/// A coroutine that runs by itself and frees its frame when it ends.
struct detached {
  struct promise_type {
    detached get_return_object() noexcept { return {}; }
    std::suspend_never initial_suspend() noexcept { return {}; }
    std::suspend_never final_suspend() noexcept { return {}; }
    void return_void() noexcept {}
    void unhandled_exception() noexcept { std::terminate(); }
  };
};

/// Starts a task and returns it.
template <class T, class Executor>
[[nodiscard]] task<T, Executor> started(task<T, Executor> t) {
  t.start();
  return t;
}

}  // namespace corolock_test
