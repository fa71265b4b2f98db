// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers

// A guard unlocks however its scope is left: at its end, by an early return, by an exception.
// Python: async with lock.

#include <corolock/asio.hpp>

#include <boost/asio.hpp>

#include <cstdio>
#include <stdexcept>

namespace asio = boost::asio;

asio::awaitable<bool> withdraw(corolock::async_mutex& mutex, int& balance, int amount) {
  auto guard = co_await corolock::async_lock(mutex, asio::use_awaitable);
  if (amount < 0) {
    throw std::invalid_argument("a negative amount");  // unlocks
  }
  if (amount > balance) {
    co_return false;  // unlocks
  }
  co_await asio::post(asio::use_awaitable);  // writes the books
  balance -= amount;
  co_return true;
}  // unlocks

asio::awaitable<void> customer(corolock::async_mutex& mutex, int& balance) {
  for (const int amount : {30, 500, -1, 20}) {
    try {
      const bool paid = co_await withdraw(mutex, balance, amount);
      std::printf("%d: %s\n", amount, paid ? "paid" : "refused");
    } catch (const std::exception& e) {
      std::printf("%d: %s\n", amount, e.what());
    }
    std::printf("  locked: %s, balance: %d\n", mutex.is_locked() ? "yes" : "no", balance);
  }
}

int main() {
  corolock::async_mutex mutex;
  int balance = 100;
  asio::io_context context;
  asio::co_spawn(context, customer(mutex, balance), asio::detached);
  context.run();
}
