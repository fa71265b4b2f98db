// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers
#pragma once

// A clock whose time passes only when a test lets it.

#include <atomic>
#include <chrono>

namespace corolock_test {

class virtual_clock {
 public:
  using duration = std::chrono::nanoseconds;
  using rep = duration::rep;
  using period = duration::period;
  using time_point = std::chrono::time_point<virtual_clock>;
  static constexpr bool is_steady = true;

  static time_point now() noexcept { return time_point(duration(current.load())); }

  static void advance(duration by) noexcept { current.fetch_add(by.count()); }
  /// Back to the epoch: each test begins with it.
  static void reset() noexcept { current.store(0); }

 private:
  static inline std::atomic<rep> current{0};
};

}  // namespace corolock_test
