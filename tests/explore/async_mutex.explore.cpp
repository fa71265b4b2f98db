// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers

// async_mutex under every schedule: one owner at a time, first come, first served, and nothing is
// lost whatever is stopped, destroyed or thrown into.

#include "explore/support/primitives.hpp"

#include <gtest/gtest.h>

#include <stop_token>
#include <utility>

namespace {

using namespace corolock;
using namespace corolock_test;

// `count` tasks lock, suspend inside, and unlock; the last `stoppable` of them by a stop token.
auto lockers(unsigned count, unsigned stoppable) {
  return [count, stoppable](explore::world& w) {
    auto& m = w.make<async_mutex>("m");
    auto& inside = w.construct<occupancy>(w, "inside");
    if (count != stoppable) {
      w.spawn_n("locker", count - stoppable, [&]() -> explore::task<> {
        const mutex_guard guard = co_await m.async_lock();
        const auto stay = inside.enter();
        co_await explore::yield();
      });
    }
    for (unsigned i = 0; i != stoppable; ++i) {
      w.spawn("impatient", [&](std::stop_token stop) -> explore::task<> {
        auto guard = co_await m.async_lock(stop);
        if (guard) {
          const auto stay = inside.enter();
          co_await explore::yield();
        }
      });
    }
    w.finally([&] {
      w.require(!m.is_locked() && m.statistics().waiters == 0, "it is free at the end");
      w.require(inside.now() == 0, "all have left");
    });
  };
}

TEST(AsyncMutexExplored, OneIsInsideAtATime) {
  for (unsigned n = 2; n != 5; ++n) {
    explore::options o;
    o.symmetry = false;
    const explore::result r = explore::check(lockers(n, 0), o);
    expect_verified(r);
    EXPECT_EQ(r.traces, n == 2 ? 2U : n == 3 ? 6U : 24U);  // the orders in which they can ask
    EXPECT_EQ(explore::check(lockers(n, 0)).traces, 1U);   // copies of each other
  }
}

TEST(AsyncMutexExplored, AStopAtAnySuspensionLosesNothing) {
  expect_verified(explore::check(lockers(2, 1)));
  expect_verified(explore::check(lockers(2, 2), faults(2)));
  expect_verified(explore::check(lockers(3, 1)));
  expect_verified(explore::check(lockers(4, 1)));
}

TEST(AsyncMutexExplored, ADestructionAtAnySuspensionLosesNothing) {
  expect_verified(explore::check(lockers(2, 0), faults(0, 2)));
  expect_verified(explore::check(lockers(3, 0), faults(0, 1)));
  expect_verified(explore::check(lockers(2, 1), faults(1, 1)));
}

TEST(AsyncMutexExplored, AnExceptionAtAnyResumptionLosesNothing) {
  expect_verified(explore::check(lockers(2, 0), faults(0, 0, 2)));
  expect_verified(explore::check(lockers(3, 0), faults(0, 0, 1)));
  expect_verified(explore::check(lockers(2, 1), faults(1, 0, 1)));
}

TEST(SlowAsyncMutexExplored, EverythingAtOnceLosesNothing) {
  expect_verified(explore::check(lockers(3, 1), faults(1, 1, 0)));
  expect_verified(explore::check(lockers(3, 1), faults(1, 0, 1)));
  expect_verified(explore::check(lockers(3, 3), faults(2)));
}

// Each task asks by an executor that notes when it is granted.
auto in_order(bool stoppable) {
  return [stoppable](explore::world& w) {
    auto& m = w.make<async_mutex>("m");
    auto& order = w.construct<arrivals>();
    for (unsigned i = 0; i != 3; ++i) {
      if (stoppable && i == 1) {
        w.spawn("impatient", [&, i](std::stop_token stop) -> explore::task<> {
          arrivals::party me(order, i);
          auto guard = co_await me.ask(m.async_lock(stop).on(me));
          if (!guard) {
            me.withdraw();
            co_return;
          }
          co_await explore::yield();
        });
      } else {
        w.spawn("locker", [&, i]() -> explore::task<> {
          arrivals::party me(order, i);
          const mutex_guard guard = co_await me.ask(m.async_lock().on(me));
          co_await explore::yield();
        });
      }
    }
    w.finally([&] { w.require(order.in_order(), "grants come in the order of the requests"); });
  };
}

TEST(AsyncMutexExplored, GrantsComeInTheOrderOfTheRequests) {
  expect_verified(explore::check(in_order(false)));
  expect_verified(explore::check(in_order(true)));
}

TEST(AsyncMutexExplored, TryLockNeverOvertakesAndNeverWaits) {
  expect_verified(explore::check([](explore::world& w) {
    auto& m = w.make<async_mutex>("m");
    auto& inside = w.construct<occupancy>(w, "inside");
    w.spawn_n("locker", 2, [&]() -> explore::task<> {
      const mutex_guard guard = co_await m.async_lock();
      const auto stay = inside.enter();
      co_await explore::yield();
    });
    w.spawn("polite", [&]() -> explore::task<> {
      co_await explore::yield();
      const bool waited_for = m.statistics().waiters != 0;
      const mutex_guard guard = m.try_lock();
      w.require(!(waited_for && guard), "nobody is overtaken");
      if (guard) {
        const auto stay = inside.enter();
        co_await explore::yield();
      }
    });
    w.finally([&] { w.require(!m.is_locked(), "it is free at the end"); });
  }));
}

TEST(AsyncMutexExplored, AGuardThatIsAssignedUnlocksWhatItHeld) {
  expect_verified(explore::check([](explore::world& w) {
    auto& a = w.make<async_mutex>("a");
    auto& b = w.make<async_mutex>("b");
    w.spawn_n("t", 2, [&]() -> explore::task<> {
      mutex_guard guard = co_await a.async_lock();
      guard = co_await b.async_lock();
      w.require(b.is_locked(), "it has the second one");
    });
    w.finally([&] { w.require(!a.is_locked() && !b.is_locked(), "both are free at the end"); });
  }));
}

TEST(AsyncMutexExplored, AsyncUnlockHandsOver) {
  expect_verified(explore::check([](explore::world& w) {
    auto& m = w.make<async_mutex>("m");
    auto& inside = w.construct<occupancy>(w, "inside");
    w.spawn_n("t", 3, [&]() -> explore::task<> {
      mutex_guard guard = co_await m.async_lock();
      {
        const auto stay = inside.enter();
        co_await explore::yield();
      }
      co_await async_unlock(std::move(guard));
    });
    w.finally([&] { w.require(!m.is_locked(), "it is free at the end"); });
  }));
}

TEST(AsyncMutexExplored, TheLocalOneIsTheSame) {
  expect_verified(explore::check([](explore::world& w) {
    auto& m = w.make<local_async_mutex>("m");
    auto& inside = w.construct<occupancy>(w, "inside");
    w.spawn_n("t", 3, [&](unsigned) -> explore::task<> {
      const local_mutex_guard guard = co_await m.async_lock();
      const auto stay = inside.enter();
      co_await explore::yield();
    });
  }));
}

TEST(AsyncMutexExplored, ThreeLocksInACircleAreADeadlock) {
  const explore::result r = explore::check([](explore::world& w) {
    auto& a = w.make<async_mutex>("a");
    auto& b = w.make<async_mutex>("b");
    auto& c = w.make<async_mutex>("c");
    const auto both = [&](async_mutex& first, async_mutex& second) {
      return [&first, &second]() -> explore::task<> {
        const mutex_guard one = co_await first.async_lock();
        const mutex_guard two = co_await second.async_lock();
      };
    };
    w.spawn("ab", both(a, b));
    w.spawn("bc", both(b, c));
    w.spawn("ca", both(c, a));
  });
  expect_failure(r, explore::failure_kind::deadlock,
                 {"ab waits for b", "bc waits for c", "ca waits for a", "held by"});
}

TEST(AsyncMutexExplored, NoLockIsALostUpdate) {
  const explore::result r = explore::check([](explore::world& w) {
    auto& inside = w.construct<occupancy>(w, "inside");
    w.spawn_n("t", 2, [&]() -> explore::task<> {
      const auto stay = inside.enter();
      co_await explore::yield();
    });
  });
  expect_failure(r, explore::failure_kind::invariant, {"no more are inside than may be"});
}

TEST(AsyncMutexExplored, AGuardThatIsKeptIsALeak) {
  const explore::result r = explore::check([](explore::world& w) {
    auto& m = w.make<async_mutex>("m");
    w.spawn("keeper", [&]() -> explore::task<> {
      mutex_guard guard = co_await m.async_lock();
      (void)guard.release();
    });
  });
  expect_failure(r, explore::failure_kind::contract, {"destroyed while it was held", "lock m"});
}

TEST(AsyncMutexExplored, ATraceTellsWhoWaitsAndWhoHasIt) {
  for (const bool stoppable : {false, true}) {
    const explore::result r = explore::check([stoppable](explore::world& w) {
      auto& m = w.make<async_mutex>("users lock");
      auto& waited_for = w.shared<bool>("waited for", false);
      w.spawn("one", [&]() -> explore::task<> {
        const mutex_guard guard = co_await m.async_lock();
        co_await explore::yield();
        waited_for.set(m.statistics().waiters != 0);
      });
      w.spawn("two", [&, stoppable](std::stop_token stop) -> explore::task<> {
        mutex_guard guard;
        if (stoppable) {
          auto granted = co_await m.async_lock(stop);
          if (!granted) {
            co_return;
          }
          guard = *std::move(granted);
        } else {
          guard = co_await m.async_lock();
        }
        w.require(!waited_for.get(), "two did not wait");
      });
    });
    expect_failure(r, explore::failure_kind::invariant,
                   {"lock users lock (waits)", "has users lock", "unlock users lock"});
  }
}

TEST(AsyncMutexExplored, ATraceTellsThatAWaitWasStopped) {
  const explore::result r = explore::check([](explore::world& w) {
    auto& m = w.make<async_mutex>("users lock");
    w.spawn("impatient", [&](std::stop_token stop) -> explore::task<> {
      auto guard = co_await m.async_lock(stop);
      w.require(static_cast<bool>(guard), "nobody stops it");
    });
  });
  expect_failure(r, explore::failure_kind::invariant,
                 {"stop impatient", "lock users lock: the wait was stopped"});
}

}  // namespace
