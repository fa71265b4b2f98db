// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers

// Two transfers between the same two accounts, in opposite directions. Each locks the account that
// it takes from first: now and then they wait for each other. One order for all, and they cannot.

#include <corolock/explore.hpp>

#include <iostream>
#include <utility>

using namespace corolock;

struct account {
  async_mutex& lock;
  explore::shared<int>& balance;
};

explore::task<> transfer(account from, account to, int amount, bool in_order) {
  async_mutex* first = &from.lock;
  async_mutex* second = &to.lock;
  if (in_order && second < first) {
    std::swap(first, second);
  }
  const mutex_guard one = co_await first->async_lock();
  const mutex_guard two = co_await second->async_lock();
  from.balance.set(from.balance.get() - amount);
  co_await explore::yield();  // a line in the journal
  to.balance.set(to.balance.get() + amount);
}

auto two_transfers(bool in_order) {
  return [in_order](explore::world& w) {
    auto& lock_of_a = w.make<async_mutex>("lock of A");
    auto& lock_of_b = w.make<async_mutex>("lock of B");
    auto& a = w.construct<account>(lock_of_a, w.shared<int>("A", 100));
    auto& b = w.construct<account>(lock_of_b, w.shared<int>("B", 100));
    w.spawn("A to B", [&a, &b, in_order] { return transfer(a, b, 30, in_order); });
    w.spawn("B to A", [&a, &b, in_order] { return transfer(b, a, 10, in_order); });
    w.finally([&] { w.require(a.balance.value() == 80, "A has 80"); });
  };
}

int main() {
  std::cout << explore::check(two_transfers(false)) << '\n' << explore::check(two_transfers(true));
}
