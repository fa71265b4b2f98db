// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers

// async_shared_mutex under every schedule: one writer or many readers, first come, first served,
// fair to both, and nothing is lost whatever is stopped, destroyed or thrown into.

#include "explore/support/primitives.hpp"

#include <gtest/gtest.h>

#include <stop_token>
#include <utility>

namespace {

using namespace corolock;
using namespace corolock_test;

// Who is inside, of both kinds.
class readers_and_writers {
 public:
  explicit readers_and_writers(explore::world& w) : readers_(w, "readers"), writers_(w, "writers") {
    world_ = &w;
  }

  auto read() {
    world_->require(writers_.now() == 0, "no reader is inside with a writer");
    return readers_.enter(64);
  }
  auto write() {
    world_->require(readers_.now() == 0, "no writer is inside with a reader");
    return writers_.enter(1);
  }
  [[nodiscard]] bool is_empty() const { return readers_.now() == 0 && writers_.now() == 0; }

 private:
  explore::world* world_;
  occupancy readers_;
  occupancy writers_;
};

struct kinds {
  unsigned writers;
  unsigned readers;
  unsigned stoppable_writers = 0;
  unsigned stoppable_readers = 0;
};

auto library(kinds k) {
  return [k](explore::world& w) {
    auto& m = w.make<async_shared_mutex>("m");
    auto& inside = w.construct<readers_and_writers>(w);
    for (unsigned i = 0; i != k.writers; ++i) {
      w.spawn("writer", [&]() -> explore::task<> {
        const auto guard = co_await m.async_lock();
        const auto stay = inside.write();
        co_await explore::yield();
      });
    }
    for (unsigned i = 0; i != k.readers; ++i) {
      w.spawn("reader", [&]() -> explore::task<> {
        const shared_guard guard = co_await m.async_lock_shared();
        const auto stay = inside.read();
        co_await explore::yield();
      });
    }
    for (unsigned i = 0; i != k.stoppable_writers; ++i) {
      w.spawn("impatient writer", [&](std::stop_token stop) -> explore::task<> {
        auto guard = co_await m.async_lock(stop);
        if (guard) {
          const auto stay = inside.write();
          co_await explore::yield();
        }
      });
    }
    for (unsigned i = 0; i != k.stoppable_readers; ++i) {
      w.spawn("impatient reader", [&](std::stop_token stop) -> explore::task<> {
        auto guard = co_await m.async_lock_shared(stop);
        if (guard) {
          const auto stay = inside.read();
          co_await explore::yield();
        }
      });
    }
    w.finally([&] {
      const shared_mutex_statistics s = m.statistics();
      w.require(!s.locked && s.readers == 0 && s.waiters == 0, "it is free at the end");
      w.require(inside.is_empty(), "all have left");
    });
  };
}

TEST(AsyncSharedMutexExplored, AWriterIsAloneAndReadersAreTogether) {
  expect_verified(explore::check(library({1, 1})));
  expect_verified(explore::check(library({2, 1})));
  expect_verified(explore::check(library({1, 2})));
}

TEST(SlowAsyncSharedMutexExplored, TwoWritersAndTwoReaders) {
  expect_verified(explore::check(library({2, 2})));
}

TEST(AsyncSharedMutexExplored, AStopAtAnySuspensionLosesNothing) {
  expect_verified(explore::check(library({1, 1, 1, 0})));
  expect_verified(explore::check(library({1, 1, 0, 1})));
  expect_verified(explore::check(library({0, 1, 1, 1}), faults(2)));
}

TEST(AsyncSharedMutexExplored, ADestructionAtAnySuspensionLosesNothing) {
  expect_verified(explore::check(library({1, 1}), faults(0, 2)));
  expect_verified(explore::check(library({1, 2}), faults(0, 1)));
}

TEST(AsyncSharedMutexExplored, AnExceptionAtAnyResumptionLosesNothing) {
  expect_verified(explore::check(library({1, 1}), faults(0, 0, 2)));
  expect_verified(explore::check(library({2, 1}), faults(0, 0, 1)));
}

// A writer at the head goes away: the reader behind it is let in although the one that reads
// waits for it.
auto reader_behind_writer(bool stoppable) {
  return [stoppable](explore::world& w) {
    auto& m = w.make<async_shared_mutex>("m");
    auto& second_was_in = w.make<async_event>("second was in");
    w.spawn("first reader", [&]() -> explore::task<> {
      const shared_guard guard = co_await m.async_lock_shared();
      co_await second_was_in.async_wait();
    });
    if (stoppable) {
      w.spawn("writer", [&](std::stop_token stop) -> explore::task<> {
        const auto guard = co_await m.async_lock(stop);
      });
    } else {
      w.spawn("writer", [&]() -> explore::task<> { const auto guard = co_await m.async_lock(); });
    }
    w.spawn("second reader", [&]() -> explore::task<> {
      struct at_end {
        async_event& event;
        ~at_end() { event.set(); }
      } const sets{second_was_in};
      const shared_guard guard = co_await m.async_lock_shared();
    });
  };
}

TEST(AsyncSharedMutexExplored, ThoseBehindAHeadThatGoesAwayAreLookedAtAgain) {
  expect_verified(explore::check(reader_behind_writer(true), faults(1)));
  expect_verified(explore::check(reader_behind_writer(false), faults(0, 1)));
}

TEST(AsyncSharedMutexExplored, GrantsComeInTheOrderOfTheRequests) {
  expect_verified(explore::check([](explore::world& w) {
    auto& m = w.make<async_shared_mutex>("m");
    auto& order = w.construct<arrivals>();
    w.spawn("writer", [&]() -> explore::task<> {
      arrivals::party me(order, 0);
      const auto guard = co_await me.ask(m.async_lock().on(me));
      co_await explore::yield();
    });
    for (unsigned i = 1; i != 3; ++i) {
      w.spawn("reader", [&, i]() -> explore::task<> {
        arrivals::party me(order, i);
        const shared_guard guard = co_await me.ask(m.async_lock_shared().on(me));
        co_await explore::yield();
      });
    }
    w.spawn("impatient writer", [&](std::stop_token stop) -> explore::task<> {
      arrivals::party me(order, 3);
      auto guard = co_await me.ask(m.async_lock(stop).on(me));
      if (!guard) {
        me.withdraw();
      }
    });
    w.finally([&] { w.require(order.in_order(), "grants come in the order of the requests"); });
  }));
}

TEST(AsyncSharedMutexExplored, ADowngradeLetsNoWriterInBetween) {
  expect_verified(explore::check([](explore::world& w) {
    auto& m = w.make<async_shared_mutex>("m");
    auto& value = w.shared<int>("value", 0);
    auto& inside = w.construct<readers_and_writers>(w);
    w.spawn("downgrader", [&]() -> explore::task<> {
      auto guard = co_await m.async_lock();
      {
        const auto stay = inside.write();
        value.set(1);
        co_await explore::yield();
      }
      const shared_guard reading = m.downgrade(std::move(guard));
      const auto stay = inside.read();
      co_await explore::yield();
      w.require(value.get() == 1, "what was written is still there");
    });
    w.spawn("writer", [&]() -> explore::task<> {
      const auto guard = co_await m.async_lock();
      const auto stay = inside.write();
      value.set(2);
    });
    w.spawn("reader", [&](std::stop_token stop) -> explore::task<> {
      auto guard = co_await m.async_lock_shared(stop);
      if (guard) {
        const auto stay = inside.read();
        co_await explore::yield();
      }
    });
    w.finally([&] { w.require(!m.is_locked(), "it is free at the end"); });
  }));
}

TEST(AsyncSharedMutexExplored, TheCallsThatDoNotWaitOvertakeNobody) {
  expect_verified(explore::check([](explore::world& w) {
    auto& m = w.make<async_shared_mutex>("m");
    auto& inside = w.construct<readers_and_writers>(w);
    w.spawn("reader", [&]() -> explore::task<> {
      const shared_guard guard = co_await m.async_lock_shared();
      const auto stay = inside.read();
      co_await explore::yield();
    });
    w.spawn("writer", [&]() -> explore::task<> {
      const auto guard = co_await m.async_lock();
      const auto stay = inside.write();
      co_await explore::yield();
    });
    w.spawn("polite", [&]() -> explore::task<> {
      co_await explore::yield();
      bool somebody_waits = m.statistics().waiters != 0;
      if (const shared_guard guard = m.try_lock_shared()) {
        w.require(!somebody_waits, "a reader overtakes nobody");
        const auto stay = inside.read();
        co_await explore::yield();
      }
      somebody_waits = m.statistics().waiters != 0;
      if (const auto guard = m.try_lock()) {
        w.require(!somebody_waits, "a writer overtakes nobody");
        const auto stay = inside.write();
        co_await explore::yield();
      }
    });
    w.finally([&] { w.require(!m.is_locked(), "it is free at the end"); });
  }));
}

TEST(AsyncSharedMutexExplored, ReadersAreInsideTogetherInSomeSchedule) {
  const explore::result r = explore::check([](explore::world& w) {
    auto& m = w.make<async_shared_mutex>("m");
    auto& inside = w.construct<occupancy>(w, "inside");
    w.spawn_n("reader", 2, [&]() -> explore::task<> {
      const shared_guard guard = co_await m.async_lock_shared();
      const auto stay = inside.enter(1);
      co_await explore::yield();
    });
  });
  expect_failure(r, explore::failure_kind::invariant,
                 {"no more are inside than may be", "lock shared m"});
}

TEST(AsyncSharedMutexExplored, AReaderThatAsksAgainMayWaitForEver) {
  const explore::result r = explore::check([](explore::world& w) {
    auto& m = w.make<async_shared_mutex>("pages");
    w.spawn("reader", [&]() -> explore::task<> {
      const shared_guard first = co_await m.async_lock_shared();
      const shared_guard again = co_await m.async_lock_shared();
    });
    w.spawn("writer", [&]() -> explore::task<> { const auto guard = co_await m.async_lock(); });
  });
  ASSERT_TRUE(r.failure.has_value());
  EXPECT_EQ(r.failure->waits.size(), 2U);
  expect_failure(r, r.failure->kind,
                 {"reader waits for pages", "writer waits for pages", "lock shared pages (waits)",
                  "lock pages (waits)"});
}

TEST(AsyncSharedMutexExplored, AReadLockDoesNotProtectAWrite) {
  const explore::result r = explore::check([](explore::world& w) {
    auto& m = w.make<async_shared_mutex>("m");
    auto& users = w.shared<int>("users", 0);
    w.spawn_n("adder", 2, [&]() -> explore::task<> {
      const shared_guard guard = co_await m.async_lock_shared();
      const int n = co_await users.read();
      co_await users.write(n + 1);
    });
    w.finally([&] { w.require(users.value() == 2, "users is 2"); });
  });
  expect_failure(r, explore::failure_kind::invariant, {"lock shared m", "lost update", "users"});
}

}  // namespace
