// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers
#pragma once

// attempt: one waiting call on a session, and the one way to end it early.

#include <corolock/cluster/time_source.hpp>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/strand.hpp>
#include <boost/system/error_code.hpp>

#include <functional>
#include <memory>
#include <utility>

COROLOCK_BEGIN
namespace cluster::detail {

using strand = boost::asio::strand<boost::asio::any_io_executor>;
using error_code = boost::system::error_code;

/// A call that waits. Its caller's cancellation, its time limit and the loss of the session all end
/// it through end(), on the session's strand; what waits looks at ended() whenever it wakes. Only
/// cancel() may be called elsewhere.
class attempt : public std::enable_shared_from_this<attempt> {
 public:
  /// `on`: the session's strand.
  explicit attempt(const boost::asio::any_io_executor& on) : strand_(on) {}

  void cancel() {
    boost::asio::post(
        strand_, [self = shared_from_this()] { self->end(boost::asio::error::operation_aborted); });
  }

  /// The first reason counts.
  void end(const error_code& why) {
    if (why_) {
      return;
    }
    why_ = why;
    wake();
    signal_.emit(boost::asio::cancellation_type::all);
    if (on_end_) {
      on_end_();
    }
  }
  [[nodiscard]] bool ended() const noexcept { return why_.failed(); }
  [[nodiscard]] error_code why() const noexcept { return why_; }

  void wake() {
    if (timer_) {
      timer_->cancel();
    }
  }
  boost::asio::awaitable<void> sleep(time_source& time, time_source::time_point limit) {
    if (!timer_) {
      timer_ = std::make_shared<boost::asio::steady_timer>(strand_);
    }
    return time.sleep(timer_, limit);
  }

  /// For operations that know slots.
  boost::asio::cancellation_slot slot() { return signal_.slot(); }
  /// For those that do not: called once, when the attempt ends.
  void on_end(std::function<void()> call) { on_end_ = std::move(call); }

 private:
  boost::asio::any_io_executor strand_;
  time_source::timer timer_;  // null until something sleeps: most calls need not
  boost::asio::cancellation_signal signal_;
  std::function<void()> on_end_;
  error_code why_;
};

}  // namespace cluster::detail
COROLOCK_END
