// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers
#pragma once

// singleton_task: does something again and again, in one process of all that share a server.
//
// What it does are transactions, so that two at once would do no harm; but each would do all of the
// work, and write to the same rows, or ask the same hosts. So whoever has the lock does it:
//
//    connect ----> wait for the lock ----> work after each interval
//       ^                                             |
//       +---- after a pause <---- the session is lost, or cannot be had
//
// When a process ends, or its connection, the server frees the lock, and another one goes on.
//
// On one executor. stop() cancels (terminal) whatever it does: the connect, the wait for the lock,
// the pause or the work; the session that goes with it gives the lock back.

#include <corolock/cluster/session.hpp>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/steady_timer.hpp>

#include <chrono>
#include <functional>
#include <string>

namespace marketplace {

struct singleton_task_options {
  std::string name;    ///< of the work, and of its lock: "marketplace/" + name
  std::string server;  ///< the URL of the locks, see corolock::session
  std::chrono::seconds interval;
};

class singleton_task {
 public:
  using work = std::function<boost::asio::awaitable<void>()>;

  singleton_task(const boost::asio::any_io_executor& executor, singleton_task_options options,
                 work once);

  /// Until stop(). To be called once.
  void start();
  void stop();

  [[nodiscard]] bool has_lock() const noexcept { return has_lock_; }

 private:
  boost::asio::awaitable<void> run();
  boost::asio::awaitable<void> work_while_locked();
  boost::asio::awaitable<void> pause();

  const singleton_task_options options_;
  const work once_;
  boost::asio::steady_timer timer_;
  boost::asio::cancellation_signal stopped_;
  corolock::session session_;
  bool has_lock_ = false;
  bool is_stopping_ = false;
};

}  // namespace marketplace
