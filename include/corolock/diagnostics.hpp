// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers
#pragma once

// Diagnostics policies of the primitives:
//
//   no_diagnostics   the default: not a byte and not an instruction
//   diagnostics      a name, the owner's source location, histograms of wait and hold times
//
// corolock::basic_async_mutex<corolock::multi_threaded, corolock::diagnostics> users{"users"};

#include <corolock/detail/sync.hpp>

#include <array>
#include <bit>
#include <chrono>
#include <cstdint>
#include <source_location>
#include <string>
#include <string_view>
#include <utility>

COROLOCK_BEGIN

/// The diagnostics policy that costs nothing and tells nothing.
class no_diagnostics {
 public:
  static constexpr bool is_enabled = false;

  using call_site = detail::call_site;
  struct wait_record {
    constexpr explicit wait_record(call_site where) noexcept : where_(where) {}
    [[no_unique_address]] call_site where_;
  };
  struct hold_record {};

  hold_record granted(const wait_record&) noexcept { return {}; }
  void released(const hold_record&) noexcept {}
  void set_owner(const hold_record&) noexcept {}
  void clear_owner() noexcept {}
};

/// Counts durations by powers of two of a nanosecond: bucket i holds those of [2^i, 2^(i+1)) ns,
/// bucket 0 also those of 0 ns, the last one also all longer ones (2^39 ns are 9 minutes).
class duration_histogram {
 public:
  static constexpr std::size_t bucket_count = 40;
  using counts = std::array<std::uint64_t, bucket_count>;

  void add(std::chrono::nanoseconds duration) noexcept {
    const auto ns = duration.count() < 1 ? 1U : static_cast<std::uint64_t>(duration.count());
    const auto bucket = static_cast<std::size_t>(std::bit_width(ns) - 1);
    multi_threaded::fetch_add(counts_[bucket < bucket_count ? bucket : bucket_count - 1],
                              std::uint64_t{1}, std::memory_order_relaxed);  // a counter, no more
  }

  /// The counts as they are now; each is exact, they need not be of the same moment.
  [[nodiscard]] counts snapshot() const noexcept {
    counts result{};
    for (std::size_t i = 0; i < bucket_count; ++i) {
      result[i] = multi_threaded::load(counts_[i], std::memory_order_relaxed);
    }
    return result;
  }

  /// How many durations were added.
  [[nodiscard]] std::uint64_t total() const noexcept {
    std::uint64_t sum = 0;
    for (const std::uint64_t n : snapshot()) {
      sum += n;
    }
    return sum;
  }

 private:
  counts counts_{};
};

/// The diagnostics policy that records. It may be read from any thread at any time.
class diagnostics {
  using clock = std::chrono::steady_clock;

 public:
  static constexpr bool is_enabled = true;

  using call_site = std::source_location;

  struct wait_record {
    explicit wait_record(call_site where) noexcept : where_(where), since_(clock::now()) {}
    call_site where_;
    clock::time_point since_;
  };
  struct hold_record {
    call_site where_;
    clock::time_point since_;
  };

  diagnostics() = default;
  explicit diagnostics(std::string_view name) : name_(name) {}
  diagnostics(const diagnostics&) = delete;
  diagnostics& operator=(const diagnostics&) = delete;

  [[nodiscard]] const std::string& name() const noexcept { return name_; }

  /// Where the exclusive holder asked for the lock; line 0 while there is none.
  [[nodiscard]] std::source_location owner() const noexcept {
    return multi_threaded::load(owner_, std::memory_order_relaxed);
  }
  /// From asking to the moment at which the task had the grant in hand; every grant counts once.
  [[nodiscard]] const duration_histogram& waits() const noexcept { return waits_; }
  /// From that moment to the release.
  [[nodiscard]] const duration_histogram& holds() const noexcept { return holds_; }

  // Called by the primitives.
  hold_record granted(const wait_record& wait) noexcept {
    const auto now = clock::now();
    waits_.add(now - wait.since_);
    return {wait.where_, now};
  }
  void released(const hold_record& hold) noexcept { holds_.add(clock::now() - hold.since_); }
  void set_owner(const hold_record& hold) noexcept {
    multi_threaded::store(owner_, hold.where_, std::memory_order_relaxed);
  }
  void clear_owner() noexcept {
    multi_threaded::store(owner_, std::source_location(), std::memory_order_relaxed);
  }

 private:
  std::string name_;
  std::source_location owner_;
  duration_histogram waits_;
  duration_histogram holds_;
};

COROLOCK_END
