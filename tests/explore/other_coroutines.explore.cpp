// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers

// A coroutine type of the user's own, without an executor, awaited by a task of the explorer: where
// it waits for a primitive it is the task that waits, and it goes on in a step of that task.

#include "explore/support/primitives.hpp"

#include <gtest/gtest.h>

#include <coroutine>
#include <exception>
#include <optional>
#include <stop_token>
#include <utility>

namespace {

using namespace corolock;
using namespace corolock_test;

// As anybody would write it: lazy, with symmetric transfer.
template <class T>
class plain_task {
 public:
  struct promise_type {
    plain_task get_return_object() noexcept {
      return plain_task(std::coroutine_handle<promise_type>::from_promise(*this));
    }
    std::suspend_always initial_suspend() const noexcept { return {}; }
    struct final_awaiter {
      bool await_ready() const noexcept { return false; }
      std::coroutine_handle<> await_suspend(std::coroutine_handle<promise_type> h) const noexcept {
        return h.promise().continuation;
      }
      void await_resume() const noexcept {}
    };
    final_awaiter final_suspend() const noexcept { return {}; }
    void return_value(T v) { value.emplace(std::move(v)); }
    void unhandled_exception() { thrown = std::current_exception(); }

    std::coroutine_handle<> continuation;
    std::optional<T> value;
    std::exception_ptr thrown;
  };

  plain_task(plain_task&& other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}
  plain_task& operator=(plain_task&&) = delete;
  ~plain_task() {
    if (handle_) {
      handle_.destroy();
    }
  }

  bool await_ready() const noexcept { return false; }
  std::coroutine_handle<> await_suspend(std::coroutine_handle<> awaiting) noexcept {
    handle_.promise().continuation = awaiting;
    return handle_;
  }
  T await_resume() {
    if (handle_.promise().thrown) {
      std::rethrow_exception(handle_.promise().thrown);
    }
    return std::move(*handle_.promise().value);
  }

 private:
  explicit plain_task(std::coroutine_handle<promise_type> h) noexcept : handle_(h) {}

  std::coroutine_handle<promise_type> handle_;
};

plain_task<mutex_guard> locked(async_mutex& m) {
  co_return co_await m.async_lock();
}
plain_task<mutex_guard> locked(async_mutex& m, std::stop_token stop) {
  auto guard = co_await m.async_lock(std::move(stop));
  if (!guard) {
    co_return mutex_guard();
  }
  co_return *std::move(guard);
}
plain_task<std::size_t> through(async_semaphore& s, async_event& e) {
  auto granted = co_await s.async_acquire();
  co_await e.async_wait();
  co_return granted->units();
}

auto lockers(unsigned count, unsigned stoppable) {
  return [count, stoppable](explore::world& w) {
    auto& m = w.make<async_mutex>("m");
    auto& inside = w.construct<occupancy>(w, "inside");
    for (unsigned i = 0; i != count; ++i) {
      if (i + stoppable >= count) {
        w.spawn("impatient", [&](std::stop_token stop) -> explore::task<> {
          const mutex_guard guard = co_await locked(m, stop);
          if (guard) {
            const auto stay = inside.enter();
            co_await explore::yield();
          }
        });
      } else {
        w.spawn("locker", [&]() -> explore::task<> {
          const mutex_guard guard = co_await locked(m);
          const auto stay = inside.enter();
          co_await explore::yield();
        });
      }
    }
    w.finally([&] {
      w.require(!m.is_locked() && m.statistics().waiters == 0, "it is free at the end");
      w.require(inside.now() == 0, "all have left");
    });
  };
}

TEST(OtherCoroutinesExplored, AreResumedInAStepOfTheirTask) {
  expect_verified(explore::check(lockers(2, 0)));
  expect_verified(explore::check(lockers(3, 0)));
}

TEST(OtherCoroutinesExplored, AStopAtAnySuspensionLosesNothing) {
  expect_verified(explore::check(lockers(2, 1)));
  expect_verified(explore::check(lockers(3, 2), faults(2)));
}

TEST(OtherCoroutinesExplored, ADestructionAtAnySuspensionLosesNothing) {
  expect_verified(explore::check(lockers(2, 0), faults(0, 2)));
  expect_verified(explore::check(lockers(3, 1), faults(1, 1)));
}

TEST(OtherCoroutinesExplored, AnExceptionAtAnyResumptionLosesNothing) {
  expect_verified(explore::check(lockers(3, 0), faults(0, 0, 1)));
}

TEST(OtherCoroutinesExplored, WaitOfOnePrimitiveAfterTheOther) {
  expect_verified(explore::check([](explore::world& w) {
    auto& s = w.make<async_semaphore>("permits", 1U);
    auto& e = w.make<async_event>("started");
    auto& done = w.shared<std::size_t>("done", 0U);
    for (int i = 0; i != 2; ++i) {
      w.spawn("t", [&]() -> explore::task<> {
        const std::size_t units = co_await through(s, e);
        done.use() += units;
      });
    }
    w.spawn("starter", [&]() -> explore::task<> {
      co_await explore::yield();
      e.set();
    });
    w.finally([&] {
      w.require(done.value() == 2 && s.statistics().available == 1, "both went through");
    });
  }));
}

// What runs on in the step of whoever unlocked would find the counter as that one left it.
TEST(OtherCoroutinesExplored, OthersMayRunBetweenTheUnlockAndTheNextOwner) {
  const explore::result r = explore::check([](explore::world& w) {
    auto& m = w.make<async_mutex>("m");
    auto& last = w.shared<int>("last", 0);
    w.spawn("one", [&]() -> explore::task<> {
      mutex_guard guard = co_await locked(m);
      co_await explore::yield();
      last.set(1);
      const bool somebody_waits = m.statistics().waiters != 0;
      guard.unlock();
      last.set(somebody_waits ? 2 : 3);
    });
    w.spawn("two", [&]() -> explore::task<> {
      const mutex_guard guard = co_await locked(m);
      w.require(last.get() != 1, "it is not resumed inside of unlock()");
      w.require(last.get() != 2, "it waited");
    });
  });
  expect_failure(r, explore::failure_kind::invariant, {"it waited", "two", "unlock m"});
}

// An event as many write it: who sets it resumes who waits, on its own stack.
class resuming_event {
 public:
  bool await_ready() const noexcept { return is_set_; }
  void await_suspend(std::coroutine_handle<> h) noexcept { waiting_ = h; }
  void await_resume() const noexcept {}
  void set() {
    is_set_ = true;
    if (waiting_) {
      waiting_.resume();
    }
  }

 private:
  bool is_set_ = false;
  std::coroutine_handle<> waiting_;
};

TEST(OtherCoroutinesExplored, WhoWakesATaskMustNotRunIt) {
  const explore::result r = explore::check([](explore::world& w) {
    auto& e = w.make<resuming_event>("e");
    w.spawn("waiter", [&]() -> explore::task<> { co_await e; });
    w.spawn("setter", [&]() -> explore::task<> {
      co_await explore::yield();
      e.set();
    });
  });
  expect_failure(r, explore::failure_kind::contract,
                 {"a step of setter ran the code of waiter behind its 'wait for' at",
                  "other_coroutines.explore.cpp:"});
}

TEST(OtherCoroutinesExplored, ADeadlockNamesTheTasks) {
  const explore::result r = explore::check([](explore::world& w) {
    auto& m = w.make<async_mutex>("m");
    w.spawn("t", [&]() -> explore::task<> {
      const mutex_guard guard = co_await locked(m);
      const mutex_guard again = co_await locked(m);
    });
  });
  ASSERT_TRUE(r.failure.has_value());
  expect_failure(r, r.failure->kind, {"t waits for m"});
}

}  // namespace
