// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers

// The code of docs/tutorial/find-a-lost-update.md.

// [without]
#include <corolock/explore.hpp>

#include <iostream>

using namespace corolock;

void count_users(explore::world& w) {
  auto& users = w.shared<int>("users", 10);  // what the tasks share
  w.spawn_n("adder", 2, [&users]() -> explore::task<> {
    int n = co_await users.read();
    co_await explore::yield();  // a database call, say: any suspension
    co_await users.write(n + 1);
  });
  w.finally([&] { w.require(users.value() == 12, "users is 12"); });
}
// [/without]

// [with]
void count_users_locked(explore::world& w) {
  auto& users = w.shared<int>("users", 10);
  auto& lock = w.make<async_mutex>("users lock");  // the library's own mutex
  w.spawn_n("adder", 2, [&]() -> explore::task<> {
    auto guard = co_await lock.async_lock();
    int n = co_await users.read();
    co_await explore::yield();
    co_await users.write(n + 1);
  });
  w.finally([&] { w.require(users.value() == 12, "users is 12"); });
}
// [/with]

// [late]
void count_users_locked_late(explore::world& w) {
  auto& users = w.shared<int>("users", 10);
  auto& lock = w.make<async_mutex>("users lock");
  w.spawn_n("adder", 2, [&]() -> explore::task<> {
    int n = co_await users.read();
    auto guard = co_await lock.async_lock();  // after the read: too late
    co_await users.write(n + 1);
  });
  w.finally([&] { w.require(users.value() == 12, "users is 12"); });
}
// [/late]

// [atomic]
void count_users_at_once(explore::world& w) {
  auto& users = w.shared<int>("users", 10);
  w.spawn_n("adder", 2, [&users]() -> explore::task<> {
    co_await explore::yield();
    users.set(users.get() + 1);  // nothing is awaited in between
    co_await explore::yield();
  });
  w.finally([&] { w.require(users.value() == 12, "users is 12"); });
}
// [/atomic]

// [main]
int main() {
  std::cout << explore::check(count_users) << '\n';
  std::cout << explore::check(count_users_locked) << '\n';
  std::cout << explore::check(count_users_at_once) << '\n';
  std::cout << explore::check(count_users_locked_late) << '\n';
}
// [/main]
