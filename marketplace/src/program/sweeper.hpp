// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers
#pragma once

// sweeper: does something again and again, in one process of all that share a server.
//
// What it does are transactions, so that two at once would do no harm; but each would do all of the
// work, and write to the same rows. So whoever has the lock does it:
//
//    connect ----> wait for the lock ----> sweep after each interval
//       ^                                             |
//       +---- after a pause <---- the session is lost, or cannot be had
//
// When a process ends, or its connection, the server frees the lock, and another one goes on.

#include <corolock/cluster/session.hpp>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/steady_timer.hpp>

#include <chrono>
#include <functional>
#include <string>

namespace marketplace {

class sweeper {
 public:
  using work = std::function<boost::asio::awaitable<void>()>;

  /// `server`: the URL of the locks, see corolock::session.
  sweeper(const boost::asio::any_io_executor& executor, std::string server,
          std::chrono::seconds interval, work once);

  /// Until stop(). Does not throw.
  boost::asio::awaitable<void> run();
  void stop();

  [[nodiscard]] bool has_lock() const noexcept { return has_lock_; }

 private:
  boost::asio::awaitable<void> sweep_while_locked();
  boost::asio::awaitable<void> pause();

  const std::string server_;
  const std::chrono::seconds interval_;
  const work once_;
  boost::asio::steady_timer timer_;
  corolock::session session_;
  bool has_lock_ = false;
  bool is_stopping_ = false;
};

}  // namespace marketplace
