// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers

// async_event under every schedule: nobody waits past set(), reset() takes back nothing, and a wait
// may be stopped or destroyed at any moment.

#include "explore/support/primitives.hpp"

#include <gtest/gtest.h>

#include <stop_token>

namespace {

using namespace corolock;
using namespace corolock_test;

// Two that wait, of which one may be stopped, and one that sets the event.
void starters(explore::world& w) {
  auto& started = w.make<async_event>("started");
  auto& is_set = w.shared<bool>("is set", false);
  w.spawn("waiter", [&]() -> explore::task<> {
    co_await started.async_wait();
    w.require(is_set.get(), "it has been set");
  });
  w.spawn("impatient", [&](std::stop_token stop) -> explore::task<> {
    const auto ended = co_await started.async_wait(stop);
    w.require(!ended || is_set.get(), "it has been set, or the wait was stopped");
  });
  w.spawn("starter", [&]() -> explore::task<> {
    co_await explore::yield();
    is_set.set(true);
    started.set();
    co_await explore::yield();
  });
  w.finally([&] { w.require(started.statistics().waiters == 0, "nobody waits at the end"); });
}

TEST(AsyncEventExplored, AllThatWaitGoOn) {
  expect_verified(explore::check(starters, faults(0)));
  expect_verified(explore::check(starters));
}

// One that waits and may go away, and one that sets it whatever happens to the others.
void waiters_that_go_away(explore::world& w) {
  auto& started = w.make<async_event>("started");
  for (int i = 0; i != 2; ++i) {
    w.spawn("waiter", [&](std::stop_token stop) -> explore::task<> {
      const auto ended = co_await started.async_wait(stop);
      if (!ended) {
        w.require(ended.error() == errc::stopped, "only a stop ends the wait");
      }
    });
  }
  started.reset();
  w.spawn("starter", [&]() -> explore::task<> {
    struct at_end {
      async_event& event;
      ~at_end() { event.set(); }
    } const sets{started};
    co_await explore::yield();
  });
  w.finally([&] {
    w.require(started.is_set(), "it is set at the end");
    w.require(started.statistics().waiters == 0, "nobody waits at the end");
  });
}

TEST(AsyncEventExplored, ADestructionAtAnySuspensionLosesNothing) {
  expect_verified(explore::check(waiters_that_go_away, faults(0, 2)));
  expect_verified(explore::check(waiters_that_go_away, faults(1, 1)));
}

TEST(AsyncEventExplored, AnExceptionAtAnyResumptionLosesNothing) {
  expect_verified(explore::check(waiters_that_go_away, faults(0, 0, 2)));
  expect_verified(explore::check(waiters_that_go_away, faults(1, 0, 1)));
}

TEST(AsyncEventExplored, WaitersAreWokenInTheOrderOfTheirArrival) {
  expect_verified(explore::check([](explore::world& w) {
    auto& started = w.make<async_event>("started");
    auto& order = w.construct<arrivals>();
    for (unsigned i = 0; i != 3; ++i) {
      w.spawn("waiter", [&, i]() -> explore::task<> {
        arrivals::party me(order, i);
        co_await me.ask(started.async_wait().on(me));
      });
    }
    w.spawn("starter", [&]() -> explore::task<> {
      co_await explore::yield();
      started.set();
    });
    w.finally([&] { w.require(order.in_order(), "they are woken in the order of arrival"); });
  }));
}

TEST(AsyncEventExplored, ThoseThatSetHasWokenGoOnThoughItIsReset) {
  expect_verified(explore::check([](explore::world& w) {
    auto& pulse = w.make<async_event>("pulse");
    auto& waiting = w.shared<int>("waiting", 0);
    auto& woken = w.shared<int>("woken", 0);
    w.spawn_n("waiter", 2, [&]() -> explore::task<> {
      co_await pulse.async_wait();
      ++woken.use();
    });
    w.spawn("pulser", [&]() -> explore::task<> {
      co_await explore::yield();
      waiting.set(static_cast<int>(pulse.statistics().waiters));
      pulse.set();
      pulse.reset();
      co_await explore::yield();
      w.require(!pulse.is_set(), "nobody has set it again");
      w.require(woken.get() <= waiting.get(), "those that came later wait");
      pulse.set();
    });
    w.finally([&] {
      w.require(woken.value() == 2, "all were woken");
      w.require(pulse.is_set() && pulse.statistics().waiters == 0, "it is set at the end");
    });
  }));
}

TEST(AsyncEventExplored, AnEventThatLosesItsLastWaiterIsNotSet) {
  explore::options o = faults(1, 1);
  expect_verified(explore::check(
      [](explore::world& w) {
        auto& never = w.make<async_event>("never");
        w.spawn("impatient", [&](std::stop_token stop) -> explore::task<> {
          const std::stop_source own;
          (void)stop;
          const auto ended = co_await never.async_wait(own.get_token());
          w.require(ended.has_value(), "only a destruction or set() ends it");
        });
        w.spawn("observer", [&]() -> explore::task<> {
          struct at_end {
            async_event& event;
            ~at_end() { event.set(); }
          } const sets{never};
          co_await explore::yield();
          w.require(!never.is_set(), "nobody has set it");
          co_await explore::yield();
          w.require(!never.is_set(), "nobody has set it");
        });
      },
      o));
}

TEST(AsyncEventExplored, AnEventThatNobodySetsIsALostWakeup) {
  const explore::result r = explore::check([](explore::world& w) {
    auto& started = w.make<async_event>("started");
    w.spawn("waiter", [&]() -> explore::task<> { co_await started.async_wait(); });
    w.spawn("other", [&]() -> explore::task<> { co_await explore::yield(); });
  });
  expect_failure(r, explore::failure_kind::lost_wakeup,
                 {"waiter waits for started", "wait for started (waits)"});
}

// "There is work" as an event that the worker resets after it has looked: what is announced between
// the look and the reset is lost. A condition, or a semaphore, counts.
TEST(AsyncEventExplored, AnEventInsteadOfAConditionLosesAWakeup) {
  const explore::result r = explore::check([](explore::world& w) {
    auto& work = w.make<async_event>("work");
    auto& queue = w.shared<int>("queue", 0);
    w.spawn("worker", [&]() -> explore::task<> {
      for (int done = 0; done != 2;) {
        co_await work.async_wait();
        const int found = co_await queue.read();
        co_await explore::yield();
        co_await queue.update([found](int& n) { n -= found; });
        done += found;
        work.reset();
      }
    });
    w.spawn("producer", [&]() -> explore::task<> {
      for (int i = 0; i != 2; ++i) {
        co_await queue.update([](int& n) { ++n; });
        work.set();
      }
    });
  });
  expect_failure(r, explore::failure_kind::lost_wakeup,
                 {"worker waits for work", "wait for work (waits)", "producer"});
}

TEST(AsyncEventExplored, AnEventSaysNothingAboutTheStateWhenTheWaiterRuns) {
  const explore::result r = explore::check([](explore::world& w) {
    auto& not_empty = w.make<async_event>("not empty");
    auto& items = w.shared<int>("items", 0);
    w.spawn_n("consumer", 2, [&]() -> explore::task<> {
      co_await not_empty.async_wait();
      const int left = co_await items.update([](int& n) { return --n; });
      w.require(left >= 0, "there was an item");
    });
    w.spawn("producer", [&]() -> explore::task<> {
      co_await items.update([](int& n) { ++n; });
      not_empty.set();
    });
  });
  expect_failure(r, explore::failure_kind::invariant, {"there was an item", "not empty"});
}

}  // namespace
