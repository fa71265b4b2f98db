// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers
#pragma once

// What stress tests with several threads share.

#include <corolock/detail/sync.hpp>
#include <support/manual_executor.hpp>
#include <support/rounds.hpp>

#include <gtest/gtest.h>

#include <atomic>
#include <cstddef>
#include <string>
#include <thread>
#include <type_traits>

namespace corolock_test {

/// The thread-safe policy, slowed down where a race would be: right after a thread has published
/// something, it waits for what hesitate_until names, or now and then just for a moment.
struct hesitating : corolock::multi_threaded {
  template <class T>
  static void store(T& object, T value, std::memory_order order) noexcept {
    multi_threaded::store(object, value, order);
    if (order == std::memory_order_release) {
      hesitate();
    }
  }

 private:
  friend class hesitate_until;

  static void hesitate() noexcept {
    static thread_local unsigned stores = 0;
    if (until != nullptr) {
      // relaxed: what is proved must not rest on this wait
      for (int i = 0; i < 500 && !until->load(std::memory_order_relaxed); ++i) {
        std::this_thread::yield();
      }
    } else if (++stores % 4 == 0) {
      for (int i = 0; i < 50; ++i) {
        multi_threaded::pause(1);
      }
    }
  }

  static inline thread_local const std::atomic<bool>* until = nullptr;
};

/// While it lives, its thread waits after each publication for that to have happened, if it can
/// happen at all: what the thread must not touch any more is gone then.
class hesitate_until {
 public:
  explicit hesitate_until(const std::atomic<bool>& happened) noexcept {
    hesitating::until = &happened;
  }
  hesitate_until(const hesitate_until&) = delete;
  hesitate_until& operator=(const hesitate_until&) = delete;
  ~hesitate_until() { hesitating::until = nullptr; }
};

/// How often a stress test repeats: hesitating takes time, and makes up for it in races met.
template <class Threading>
constexpr std::size_t rounds_of(std::size_t normally) noexcept {
  return rounds(std::is_same_v<Threading, hesitating> ? normally / 5 : normally);
}

/// What stress tests are typed by.
using threading_policies = testing::Types<corolock::multi_threaded, hesitating>;

struct threading_policy_names {
  template <class Threading>
  // NOLINTNEXTLINE(readability-identifier-naming): the name is GoogleTest's
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

/// Runs both functions at the same time, each with 0, 1, ..., count - 1. `here` waits a moment for
/// `there` to begin with i, so that they stay close to each other, but no longer: on a busy machine
/// the other thread may not run just now.
template <class Here, class There>
void side_by_side(std::size_t count, Here here, There there) {
  std::atomic<std::size_t> begun{0};
  std::thread other([&] {
    for (std::size_t i = 0; i < count; ++i) {
      begun.store(i + 1);
      there(i);
    }
  });
  spin_until([&] { return begun.load() > 0; });
  for (std::size_t i = 0; i < count; ++i) {
    for (unsigned round = 0; round < 200 && begun.load() <= i; ++round) {
      corolock::multi_threaded::pause(1);
    }
    here(i);
  }
  other.join();
}

}  // namespace corolock_test
