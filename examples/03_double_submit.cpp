// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers

// A user clicks twice. Both requests look whether the order exists, and both would create it. A
// lock per order makes one of them wait and then find it; other orders are not held up.

#include <corolock/asio.hpp>

#include <boost/asio.hpp>

#include <cstdio>
#include <map>
#include <string>

namespace asio = boost::asio;

struct shop {
  std::map<std::string, int> orders;  // token of the form -> number
  corolock::async_keyed_mutex<std::string> locks;

  asio::awaitable<void> charge_the_card() { co_await asio::post(asio::use_awaitable); }

  asio::awaitable<void> submit(std::string token) {
    auto guard = co_await corolock::async_lock(locks, token, asio::use_awaitable);
    if (const auto found = orders.find(token); found != orders.end()) {
      std::printf("%s: order %d exists already\n", token.c_str(), found->second);
      co_return;
    }
    co_await charge_the_card();
    const int number = static_cast<int>(orders.size()) + 1;
    orders.emplace(token, number);
    std::printf("%s: order %d created\n", token.c_str(), number);
  }
};

int main() {
  shop s;
  asio::io_context context;
  for (const char* token : {"blue", "blue", "red", "blue"}) {
    asio::co_spawn(context, s.submit(token), asio::detached);
  }
  context.run();
  std::printf("orders: %zu, locks left: %zu\n", s.orders.size(), s.locks.size());
}
