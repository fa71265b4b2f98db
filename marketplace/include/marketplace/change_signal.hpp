// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers
#pragma once

// change_signal: "something changed since I looked".

#include <corolock/asio/wait.hpp>
#include <corolock/async_event.hpp>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/system/error_code.hpp>

#include <chrono>
#include <cstdint>

namespace marketplace {

/// Wakes those that wait for a change of something that is looked at with suspensions in between.
///
/// A look-up takes time, and a change that comes between the look-up and the wait must not be lost:
/// take seen() before looking, and hand it to async_wait_for(), which returns at once if there was
/// a change since. On one executor: not thread-safe.
class change_signal {
 public:
  [[nodiscard]] std::uint64_t seen() const noexcept { return changes_; }

  void notify() {
    ++changes_;
    changed_.set();
    changed_.reset();
  }

  /// Whether there was a change after `seen`, at the latest when `duration` has passed.
  /// Cancellation: total.
  template <class Rep, class Period>
  boost::asio::awaitable<bool> async_wait_for(std::uint64_t seen,
                                              std::chrono::duration<Rep, Period> duration) {
    if (changes_ == seen) {
      boost::system::error_code error;
      co_await corolock::async_wait_for(
          changed_, duration, boost::asio::redirect_error(boost::asio::use_awaitable, error));
      if (error == boost::asio::error::operation_aborted) {
        throw boost::system::system_error(error);
      }
    }
    co_return changes_ != seen;
  }

 private:
  std::uint64_t changes_ = 0;
  corolock::async_event changed_;
};

}  // namespace marketplace
