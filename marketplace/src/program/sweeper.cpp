// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers

#include "sweeper.hpp"

#include "log.hpp"
#include <corolock/cluster/run_while_held.hpp>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <exception>
#include <utility>

namespace marketplace {

namespace asio = boost::asio;

sweeper::sweeper(const asio::any_io_executor& executor, std::string server,
                 std::chrono::seconds interval, work once)
    : server_(std::move(server)), interval_(interval), once_(std::move(once)), timer_(executor) {}

asio::awaitable<void> sweeper::run() {
  while (!is_stopping_) {
    try {
      session_ =
          co_await corolock::async_connect(timer_.get_executor(), server_, {}, asio::use_awaitable);
      if (!is_stopping_) {
        co_await sweep_while_locked();
      }
    } catch (const std::exception& error) {
      if (!is_stopping_) {
        log::write(log::level::warning, "no lock for the sweeper", {{"why", error.what()}});
      }
    }
    session_ = corolock::session();
    if (!is_stopping_) {
      co_await pause();
    }
  }
}

asio::awaitable<void> sweeper::sweep_while_locked() {
  const corolock::distributed_mutex mutex(session_, "marketplace/sweeper");
  const auto work = [this](const corolock::distributed_guard&) -> asio::awaitable<void> {
    has_lock_ = true;
    for (;;) {
      co_await pause();
      if (is_stopping_) {
        break;
      }
      co_await once_();
    }
  };
  try {
    co_await corolock::run_while_held(mutex, work);
  } catch (...) {
    has_lock_ = false;
    throw;
  }
  has_lock_ = false;
}

// Ends early when it stops.
asio::awaitable<void> sweeper::pause() {
  timer_.expires_after(interval_);
  co_await timer_.async_wait(asio::as_tuple(asio::use_awaitable));
}

void sweeper::stop() {
  is_stopping_ = true;
  timer_.cancel();
  if (session_ && !has_lock_) {  // it waits; else it gives the lock back
    session_.async_close(asio::detached);
  }
}

}  // namespace marketplace
