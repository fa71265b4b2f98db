// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers

// A consumer that waits for a notification instead of for a state. If the producer is first, the
// notification finds nobody, and the consumer waits for ever. With a predicate it cannot.

#include <corolock/explore.hpp>

#include <iostream>

using namespace corolock;

auto hand_over(bool with_predicate) {
  return [with_predicate](explore::world& w) {
    auto& m = w.make<async_mutex>("m");
    auto& changed = w.make<async_condition>("changed");
    auto& jobs = w.shared<int>("jobs", 0);
    w.spawn("consumer", [&, with_predicate]() -> explore::task<> {
      mutex_guard guard = co_await m.async_lock();
      if (with_predicate) {
        co_await changed.async_wait(guard, [&] { return jobs.get() > 0; });
      } else {
        co_await changed.async_wait(guard);
      }
      jobs.set(jobs.get() - 1);
    });
    w.spawn("producer", [&]() -> explore::task<> {
      const mutex_guard guard = co_await m.async_lock();
      jobs.set(jobs.get() + 1);
      changed.notify_one();
    });
    w.finally([&] { w.require(jobs.value() == 0, "the job is done"); });
  };
}

int main() {
  std::cout << explore::check(hand_over(false)) << '\n' << explore::check(hand_over(true));
}
