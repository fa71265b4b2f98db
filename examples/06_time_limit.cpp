// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers

// A lock with a time limit. By as_tuple the error code is a value, by use_awaitable it is thrown.

#include <corolock/asio.hpp>

#include <boost/asio.hpp>

#include <chrono>
#include <cstdio>

namespace asio = boost::asio;
using namespace std::chrono_literals;

asio::awaitable<void> impatient(corolock::async_mutex& mutex) {
  auto [error, guard] =
      co_await corolock::async_lock_for(mutex, 10ms, asio::as_tuple(asio::use_awaitable));
  if (error == corolock::errc::timed_out) {
    std::printf("as a value: %s\n", error.message().c_str());
  }

  try {
    auto thrown = co_await corolock::async_lock_for(mutex, 10ms, asio::use_awaitable);
  } catch (const boost::system::system_error& e) {
    std::printf("thrown: %s\n", e.code().message().c_str());
  }
  std::printf("waiters left behind: %zu\n", mutex.statistics().waiters);
}

int main() {
  corolock::async_mutex mutex;
  auto held = mutex.try_lock();
  asio::io_context context;
  asio::co_spawn(context, impatient(mutex), asio::detached);
  context.run();
}
