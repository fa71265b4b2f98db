// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers
#pragma once

// What stress tests with several threads share.

#include <support/manual_executor.hpp>

#include <atomic>
#include <cstddef>
#include <thread>

namespace corolock_test {

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
