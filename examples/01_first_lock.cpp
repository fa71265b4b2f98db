// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers

// Two tasks add a user. Each reads the count, asks a database, and writes the count back. Without a
// lock both read 10, and one addition is lost.

#include <corolock/asio.hpp>

#include <boost/asio.hpp>

#include <cstdio>

namespace asio = boost::asio;

asio::awaitable<void> ask_database() {
  co_await asio::post(asio::use_awaitable);
}

asio::awaitable<void> add_user(int& users) {
  const int seen = users;
  co_await ask_database();  // the other task runs here
  users = seen + 1;
}

asio::awaitable<void> add_user_locked(corolock::async_mutex& mutex, int& users) {
  auto guard = co_await corolock::async_lock(mutex, asio::use_awaitable);
  co_await add_user(users);
}  // the guard unlocks

int main() {
  asio::io_context context;

  int users = 10;
  asio::co_spawn(context, add_user(users), asio::detached);
  asio::co_spawn(context, add_user(users), asio::detached);
  context.run();
  std::printf("without the lock: %d\n", users);

  users = 10;
  corolock::async_mutex mutex;
  asio::co_spawn(context, add_user_locked(mutex, users), asio::detached);
  asio::co_spawn(context, add_user_locked(mutex, users), asio::detached);
  context.restart();
  context.run();
  std::printf("with the lock: %d\n", users);
}
