// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers

// async_condition under every schedule: however a wait ends the lock is held, no notification is
// lost with a waiter that goes away, and the predicate holds when the task goes on.

#include "explore/support/primitives.hpp"

#include <gtest/gtest.h>

#include <stop_token>
#include <utility>

namespace {

using namespace corolock;
using namespace corolock_test;

// A queue of items: so many consumers of one item each, as many of them by a stop token, and a
// producer of one item for each.
struct market {
  unsigned consumers;
  unsigned stoppable;
  bool predicate;
  bool notify_all;
};

auto trade(market k) {
  return [k](explore::world& w) {
    auto& m = w.make<async_mutex>("m");
    auto& changed = w.make<async_condition>("changed");
    auto& items = w.shared<int>("items", 0);
    auto& inside = w.construct<occupancy>(w, "inside");
    const auto take = [&](mutex_guard& guard) {
      const auto stay = inside.enter();
      w.require(guard.mutex() == &m, "the lock is held after the wait");
      w.require(items.get() > 0, "there is an item");
      --items.use();
    };
    for (unsigned i = 0; i != k.consumers; ++i) {
      w.spawn("consumer", [&, take, k]() -> explore::task<> {
        mutex_guard guard = co_await m.async_lock();
        if (k.predicate) {
          co_await changed.async_wait(guard, [&] { return items.get() > 0; });
        } else {
          while (items.get() == 0) {
            co_await changed.async_wait(guard);
          }
        }
        take(guard);
      });
    }
    for (unsigned i = 0; i != k.stoppable; ++i) {
      w.spawn("impatient", [&, take, k](std::stop_token stop) -> explore::task<> {
        mutex_guard guard = co_await m.async_lock();
        bool stopped = false;
        if (k.predicate) {
          const auto ended =
              co_await changed.async_wait(guard, [&] { return items.get() > 0; }, stop);
          stopped = !ended;
          w.require(ended || items.get() == 0, "it is not stopped if there is an item");
        } else {
          while (items.get() == 0 && !stopped) {
            const auto ended = co_await changed.async_wait(guard, stop);
            stopped = !ended;
            w.require(guard.mutex() == &m, "the lock is held after the wait");
          }
        }
        w.require(guard.mutex() == &m, "the lock is held after the wait");
        if (!stopped) {
          take(guard);
        }
      });
    }
    w.spawn("producer", [&, k]() -> explore::task<> {
      for (unsigned i = 0; i != k.consumers + k.stoppable; ++i) {
        const mutex_guard guard = co_await m.async_lock();
        const auto stay = inside.enter();
        ++items.use();
        if (k.notify_all) {
          changed.notify_all();
        } else {
          changed.notify_one();
        }
      }
    });
    w.finally([&] {
      w.require(!m.is_locked() && m.statistics().waiters == 0, "the lock is free at the end");
      w.require(changed.statistics().waiters == 0, "nobody waits at the end");
    });
  };
}

TEST(AsyncConditionExplored, EveryConsumerGetsItsItem) {
  for (const bool predicate : {false, true}) {
    for (const bool all : {false, true}) {
      expect_verified(explore::check(trade({1, 0, predicate, all})));
      expect_verified(explore::check(trade({2, 0, predicate, all})));
    }
  }
}

TEST(AsyncConditionExplored, AStopAtAnySuspensionLosesNoNotification) {
  for (const bool predicate : {false, true}) {
    expect_verified(explore::check(trade({0, 1, predicate, false})));
    expect_verified(explore::check(trade({1, 1, predicate, false})));
  }
}

TEST(SlowAsyncConditionExplored, ThreeConsumers) {
  for (const bool predicate : {false, true}) {
    expect_verified(explore::check(trade({3, 0, predicate, false})));
    expect_verified(explore::check(trade({1, 1, predicate, true})));
  }
}

// One notification for two that wait, each of which passes it on. Whoever goes away, it reaches the
// other; of those that notify, as many as may go away and one more, the first one does so.
auto one_notification(unsigned notifiers) {
  return [notifiers](explore::world& w) {
    auto& m = w.make<async_mutex>("m");
    auto& changed = w.make<async_condition>("changed");
    auto& ready = w.shared<bool>("ready", false);
    for (int i = 0; i != 2; ++i) {
      w.spawn("waiter", [&]() -> explore::task<> {
        mutex_guard guard = co_await m.async_lock();
        while (!ready.get()) {
          co_await changed.async_wait(guard);
        }
        changed.notify_one();
      });
    }
    for (unsigned i = 0; i != notifiers; ++i) {
      w.spawn("notifier", [&]() -> explore::task<> {
        const mutex_guard guard = co_await m.async_lock();
        if (!ready.get()) {
          ready.set(true);
          changed.notify_one();
        }
      });
    }
    w.finally([&] { w.require(!m.is_locked(), "the lock is free at the end"); });
  };
}

TEST(AsyncConditionExplored, ANotificationGoesOnWhenItsWaiterIsDestroyed) {
  expect_verified(explore::check(one_notification(1)));
  expect_verified(explore::check(one_notification(2), faults(0, 1)));
}

TEST(AsyncConditionExplored, ANotificationGoesOnWhenAnExceptionTakesItsWaiterAway) {
  expect_verified(explore::check(one_notification(2), faults(0, 0, 1)));
}

TEST(SlowAsyncConditionExplored, ANotificationGoesOnWhenTwoAreDestroyed) {
  expect_verified(explore::check(one_notification(3), faults(0, 2)));
}

TEST(AsyncConditionExplored, AWaiterThatWasStoppedHoldsTheLock) {
  expect_verified(explore::check([](explore::world& w) {
    auto& m = w.make<async_mutex>("m");
    auto& never = w.make<async_condition>("never");
    auto& inside = w.construct<occupancy>(w, "inside");
    w.spawn("impatient", [&](std::stop_token stop) -> explore::task<> {
      mutex_guard guard = co_await m.async_lock();
      bool again = true;
      while (again && !stop.stop_requested()) {
        const auto ended = co_await never.async_wait(guard, stop);
        again = ended.has_value();
        w.require(guard.mutex() == &m, "it holds the lock");
        const auto stay = inside.enter();
        co_await explore::yield();
      }
    });
    w.spawn("locker", [&]() -> explore::task<> {
      mutex_guard guard = co_await m.async_lock();
      {
        const auto stay = inside.enter();
        co_await explore::yield();
      }
      never.notify_one();
      guard.unlock();
    });
    w.finally([&] { w.require(!m.is_locked(), "the lock is free at the end"); });
  }));
}

TEST(AsyncConditionExplored, NotifiedWaitersTakeTheLockInTheirOrder) {
  expect_verified(explore::check([](explore::world& w) {
    auto& m = w.make<async_mutex>("m");
    auto& changed = w.make<async_condition>("changed");
    auto& order = w.construct<arrivals>();
    auto& ready = w.shared<bool>("ready", false);
    for (unsigned i = 0; i != 3; ++i) {
      w.spawn("waiter", [&, i]() -> explore::task<> {
        arrivals::party me(order, i);
        mutex_guard guard = co_await m.async_lock();
        if (!ready.get()) {
          co_await me.ask(changed.async_wait(guard).on(me));
        }
        co_await explore::yield();
      });
    }
    w.spawn("notifier", [&]() -> explore::task<> {
      const mutex_guard guard = co_await m.async_lock();
      ready.set(true);
      changed.notify_all();
    });
    w.finally([&] { w.require(order.in_order(), "they go on in the order of their arrival"); });
  }));
}

TEST(AsyncConditionExplored, WhatThePredicateThrowsComesOutWithTheLockHeld) {
  expect_verified(explore::check([](explore::world& w) {
    auto& m = w.make<async_mutex>("m");
    auto& changed = w.make<async_condition>("changed");
    auto& broken = w.shared<bool>("broken", false);
    w.spawn("waiter", [&]() -> explore::task<> {
      mutex_guard guard = co_await m.async_lock();
      bool caught = false;
      try {
        co_await changed.async_wait(guard, [&]() -> bool {
          if (broken.get()) {
            throw 1;
          }
          return false;
        });
      } catch (int) {
        caught = true;
      }
      w.require(caught && guard.mutex() == &m, "it was caught, and the lock is held");
    });
    w.spawn("breaker", [&]() -> explore::task<> {
      const mutex_guard guard = co_await m.async_lock();
      broken.set(true);
      changed.notify_one();
    });
    w.finally([&] { w.require(!m.is_locked(), "the lock is free at the end"); });
  }));
}

TEST(AsyncConditionExplored, AnIfInsteadOfAWhileFindsTheItemGone) {
  const explore::result r = explore::check([](explore::world& w) {
    auto& m = w.make<async_mutex>("m");
    auto& changed = w.make<async_condition>("changed");
    auto& items = w.shared<int>("items", 0);
    w.spawn("sleeper", [&]() -> explore::task<> {
      mutex_guard guard = co_await m.async_lock();
      if (items.get() == 0) {
        co_await changed.async_wait(guard);
      }
      w.require(items.get() > 0, "there is an item");
      --items.use();
    });
    w.spawn("passer-by", [&]() -> explore::task<> {
      const mutex_guard guard = co_await m.async_lock();
      if (items.get() > 0) {
        --items.use();
      }
    });
    w.spawn("producer", [&]() -> explore::task<> {
      for (int i = 0; i != 2; ++i) {
        const mutex_guard guard = co_await m.async_lock();
        ++items.use();
        changed.notify_one();
      }
    });
  });
  expect_failure(r, explore::failure_kind::invariant,
                 {"there is an item", "sleeper", "passer-by", "wait for changed (waits)",
                  "goes on after changed"});
}

TEST(AsyncConditionExplored, ANotificationBeforeTheWaitIsLost) {
  const explore::result r = explore::check([](explore::world& w) {
    auto& m = w.make<async_mutex>("m");
    auto& changed = w.make<async_condition>("changed");
    w.spawn("consumer", [&]() -> explore::task<> {
      mutex_guard guard = co_await m.async_lock();
      co_await changed.async_wait(guard);
    });
    w.spawn("producer", [&]() -> explore::task<> {
      co_await explore::yield();
      changed.notify_one();
    });
  });
  expect_failure(r, explore::failure_kind::lost_wakeup,
                 {"consumer waits for changed", "wait for changed (waits)"});
}

TEST(AsyncConditionExplored, OneNotificationForTwoIsOneTooFew) {
  const explore::result r = explore::check([](explore::world& w) {
    auto& m = w.make<async_mutex>("m");
    auto& changed = w.make<async_condition>("changed");
    auto& ready = w.shared<bool>("ready", false);
    w.spawn_n("waiter", 2, [&]() -> explore::task<> {
      mutex_guard guard = co_await m.async_lock();
      co_await changed.async_wait(guard, [&] { return ready.get(); });
    });
    w.spawn("notifier", [&]() -> explore::task<> {
      const mutex_guard guard = co_await m.async_lock();
      ready.set(true);
      changed.notify_one();
    });
  });
  expect_failure(r, explore::failure_kind::lost_wakeup, {"waits for changed"});
}

}  // namespace
