// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers

// Check, then act: an agent registers under a name that is free, and while the name is being looked
// up elsewhere, another one registers under it. The explorer finds the schedule, and verifies that
// the lock removes it.

#include <corolock/explore.hpp>

#include <iostream>
#include <map>
#include <string>

using namespace corolock;

// The registry as it would be written, with its map shared and its lock optional.
struct registry {
  explore::shared<std::map<std::string, int>>& agents;
  async_mutex& lock;
  bool locks;

  explore::task<bool> register_agent(std::string name, int id) {
    mutex_guard guard;
    if (locks) {
      guard = co_await lock.async_lock();
    }
    if (agents.get().contains(name)) {
      co_return false;
    }
    co_await explore::yield();  // a look-up in DNS, say
    agents.use()[name] = id;
    co_return true;
  }
};

auto two_agents(bool locked) {
  return [locked](explore::world& w) {
    auto& agents = w.shared<std::map<std::string, int>>("agents");
    auto& lock = w.make<async_mutex>("registry lock");
    auto& r = w.construct<registry>(agents, lock, locked);
    auto& registered = w.shared<int>("registered", 0);
    w.spawn_n("agent", 2, [&](unsigned id) -> explore::task<> {
      const bool done = co_await r.register_agent("translator", static_cast<int>(id));
      registered.set(registered.get() + (done ? 1 : 0));
    });
    w.finally([&] { w.require(registered.value() == 1, "one of them got the name"); });
  };
}

int main() {
  std::cout << explore::check(two_agents(false)) << '\n' << explore::check(two_agents(true));
}
