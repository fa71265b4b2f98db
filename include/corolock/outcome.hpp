// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers
#pragma once

// outcome<T>: what a wait that may end without a grant returns: the grant, or the errc that ended
// it. (std::expected is C++23; this is the small part of it that a wait needs.)

#include <corolock/detail/assert.hpp>
#include <corolock/errc.hpp>

#include <optional>
#include <utility>

COROLOCK_BEGIN

/// A grant of type T, or the reason why there is none. It owns the grant: dropped, it unlocks.
template <class T>
class [[nodiscard("a dropped outcome gives its grant back at once")]] outcome {
 public:
  outcome(T grant) noexcept : grant_(std::move(grant)), error_{} {}
  outcome(errc error) noexcept : error_(error) {}

  /// True if there is a grant.
  explicit operator bool() const noexcept { return grant_.has_value(); }
  [[nodiscard]] bool has_value() const noexcept { return grant_.has_value(); }

  /// The grant. Precondition: has_value().
  [[nodiscard]] T& value() & noexcept {
    require_value();
    return *grant_;
  }
  [[nodiscard]] T&& value() && noexcept {
    require_value();
    return std::move(*grant_);
  }
  [[nodiscard]] T& operator*() & noexcept { return value(); }
  [[nodiscard]] T&& operator*() && noexcept { return std::move(*this).value(); }
  [[nodiscard]] T* operator->() noexcept { return &value(); }

  /// Why there is no grant. Precondition: !has_value().
  [[nodiscard]] errc error() const noexcept {
    COROLOCK_ASSERT(!has_value(), "error() of an outcome that holds a grant");
    return error_;
  }

 private:
  void require_value() const noexcept {
    COROLOCK_ASSERT(has_value(), "value() of an outcome that holds no grant: the wait was ended");
  }

  std::optional<T> grant_;
  errc error_;
};

/// The outcome of a wait that grants nothing to hold (an event, a condition).
template <>
class [[nodiscard("it says whether the wait was ended before what it waited for")]] outcome<void> {
 public:
  outcome() noexcept = default;
  outcome(errc error) noexcept : error_(error), has_value_(false) {}

  explicit operator bool() const noexcept { return has_value_; }
  [[nodiscard]] bool has_value() const noexcept { return has_value_; }

  /// Why the wait ended. Precondition: !has_value().
  [[nodiscard]] errc error() const noexcept {
    COROLOCK_ASSERT(!has_value_, "error() of an outcome that was granted");
    return error_;
  }

 private:
  errc error_{};
  bool has_value_ = true;
};

COROLOCK_END
