// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers
#pragma once

// What stress tests with several threads share.

#include <corolock/detail/sync.hpp>
#include <support/manual_executor.hpp>

#include <gtest/gtest.h>

#include <atomic>
#include <cstddef>
#include <string>
#include <thread>
#include <type_traits>

namespace corolock_test {

/// The thread-safe policy, slowed down where a race would be: right after it has published
/// something, a thread now and then lets the others run. What it must not touch any more is gone
/// then.
struct hesitating : corolock::multi_threaded {
  template <class T>
  static void store(T& object, T value, std::memory_order order) noexcept {
    multi_threaded::store(object, value, order);
    if (order == std::memory_order_release) {
      static thread_local unsigned stores = 0;
      if (++stores % 4 == 0) {
        for (unsigned i = 0; i < 50; ++i) {
          multi_threaded::pause(1);
        }
        std::this_thread::yield();
      }
    }
  }
};

/// What stress tests are typed by.
using threading_policies = testing::Types<corolock::multi_threaded, hesitating>;

struct threading_policy_names {
  template <class Threading>
  static std::string GetName(int) {
    return std::is_same_v<Threading, hesitating> ? "Hesitating" : "ThreadSafe";
  }
};

/// Waits for other threads that are about to be done.
template <class Predicate>
void spin_until(Predicate predicate) {
  while (!predicate()) {
    std::this_thread::yield();
  }
}

/// Waits until a thread_executor has run all that was posted to it.
inline void drain(thread_executor& e) {
  std::atomic<bool> idle{false};
  e.post([&] { idle.store(true); });
  spin_until([&] { return idle.load(); });
}

/// Runs both functions at the same time, each with 0, 1, ..., count - 1. `here` may begin with i
/// when `there` has begun with it, so that they stay close to each other.
template <class Here, class There>
void side_by_side(std::size_t count, Here here, There there) {
  std::atomic<std::size_t> begun{0};
  std::thread other([&] {
    for (std::size_t i = 0; i < count; ++i) {
      begun.store(i + 1);
      there(i);
    }
  });
  for (std::size_t i = 0; i < count; ++i) {
    spin_until([&] { return begun.load() > i; });
    here(i);
  }
  other.join();
}

}  // namespace corolock_test
