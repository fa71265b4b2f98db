// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers

// [program]
#include <corolock/asio.hpp>

#include <boost/asio.hpp>

#include <cstdio>

namespace asio = boost::asio;

asio::awaitable<void> add_user(corolock::async_mutex& mutex, int& users) {
  auto guard = co_await corolock::async_lock(mutex, asio::use_awaitable);
  const int seen = users;
  co_await asio::post(asio::use_awaitable);  // a database call, say: the other task runs here
  users = seen + 1;
}  // the guard unlocks

int main() {
  asio::io_context context;
  corolock::async_mutex mutex;
  int users = 10;
  asio::co_spawn(context, add_user(mutex, users), asio::detached);
  asio::co_spawn(context, add_user(mutex, users), asio::detached);
  context.run();
  std::printf("users: %d\n", users);
}
// [/program]
