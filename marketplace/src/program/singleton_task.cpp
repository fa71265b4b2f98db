// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers

#include "singleton_task.hpp"

#include "log.hpp"
#include <corolock/cluster/run_while_held.hpp>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <exception>
#include <utility>

namespace marketplace {

namespace asio = boost::asio;

singleton_task::singleton_task(const asio::any_io_executor& executor,
                               singleton_task_options options, work once)
    : options_(std::move(options)), once_(std::move(once)), timer_(executor) {}

void singleton_task::start() {
  asio::co_spawn(timer_.get_executor(), run(),
                 asio::bind_cancellation_slot(stopped_.slot(), asio::detached));
}

asio::awaitable<void> singleton_task::run() {
  while (!is_stopping_) {
    try {
      session_ = co_await corolock::async_connect(timer_.get_executor(), options_.server, {},
                                                  asio::use_awaitable);
      co_await work_while_locked();
    } catch (const std::exception& error) {
      if (!is_stopping_) {
        log::write(log::level::warning, "no lock for the " + options_.name,
                   {{"why", error.what()}});
      }
    }
    session_ = corolock::session();
    if (!is_stopping_) {
      co_await pause();
    }
  }
}

asio::awaitable<void> singleton_task::work_while_locked() {
  const corolock::distributed_mutex mutex(session_, "marketplace/" + options_.name);
  const auto again_and_again = [this](const corolock::distributed_guard&) -> asio::awaitable<void> {
    has_lock_ = true;
    for (;;) {
      co_await pause();
      co_await once_();
    }
  };
  try {
    co_await corolock::run_while_held(mutex, again_and_again);
  } catch (...) {
    has_lock_ = false;
    throw;
  }
  has_lock_ = false;
}

asio::awaitable<void> singleton_task::pause() {
  timer_.expires_after(options_.interval);
  co_await timer_.async_wait(asio::as_tuple(asio::use_awaitable));
}

void singleton_task::stop() {
  is_stopping_ = true;
  stopped_.emit(asio::cancellation_type::terminal);
}

}  // namespace marketplace
