// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers

// What is said of tasks that wait for ever: who waits for what, since where, and who has it.

#include <corolock/async_event.hpp>
#include <corolock/async_keyed_mutex.hpp>
#include <corolock/async_mutex.hpp>
#include <corolock/async_semaphore.hpp>
#include <corolock/async_shared_mutex.hpp>
#include <corolock/explore.hpp>
#include <corolock/guarded.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <source_location>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

namespace {

using namespace corolock;
using explore::failure_kind;
using explore::task;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::string at(unsigned line) {
  return "deadlock.test.cpp:" + std::to_string(line);
}
unsigned here(std::source_location where = std::source_location::current()) {
  return where.line();
}

struct lines {
  unsigned first = 0;
  unsigned second = 0;
};

// The two tasks of a body of crossed locks each have the one and wait for the other.
void expect_circle(const explore::result& r, const std::string& one_waits_for,
                   const std::string& two_waits_for, lines one, lines two) {
  ASSERT_TRUE(r.failure);
  EXPECT_EQ(r.failure->kind, failure_kind::deadlock) << r.text();
  EXPECT_THAT(r.failure->waits,
              ElementsAre("one waits for " + one_waits_for + " at " + at(one.second) +
                              ", held by two since " + at(two.first),
                          "two waits for " + two_waits_for + " at " + at(two.second) +
                              ", held by one since " + at(one.first)));
}

// Two tasks that take two locks in opposite orders by `take(lock, second)`.
template <class Lock, class Take, class... Args>
explore::result crossed(Take take, const Args&... args) {
  return explore::check([&](explore::world& w) {
    auto& a = w.make<Lock>("a", args...);
    auto& b = w.make<Lock>("b", args...);
    w.spawn("one", [&]() -> task<> { co_await take(a, b); });
    w.spawn("two", [&]() -> task<> { co_await take(b, a); });
  });
}

TEST(ExploreDeadlock, OfMutexes) {
  lines l;
  const explore::result r = crossed<async_mutex>([&](async_mutex& a, async_mutex& b) -> task<> {
    l.first = here() + 1;
    const mutex_guard first = co_await a.async_lock();
    l.second = here() + 1;
    const mutex_guard second = co_await b.async_lock();
  });
  expect_circle(r, "b", "a", l, l);
}

TEST(ExploreDeadlock, OfMutexesWithStopTokens) {
  lines l;
  explore::options o;
  o.cancellations = 0;
  const auto take = [&](async_mutex& a, async_mutex& b, std::stop_token stop) -> task<> {
    l.first = here() + 1;
    const auto first = co_await a.async_lock(stop);
    l.second = here() + 1;
    const auto second = co_await b.async_lock(stop);
  };
  const explore::result r = explore::check(
      [&](explore::world& w) {
        auto& a = w.make<async_mutex>("a");
        auto& b = w.make<async_mutex>("b");
        w.spawn("one", [&](std::stop_token stop) { return take(a, b, std::move(stop)); });
        w.spawn("two", [&](std::stop_token stop) { return take(b, a, std::move(stop)); });
      },
      o);
  expect_circle(r, "b", "a", l, l);
}

TEST(ExploreDeadlock, OfGuardedObjects) {
  lines l;
  const explore::result r = crossed<guarded<int>>([&](guarded<int>& a, guarded<int>& b) -> task<> {
    l.first = here() + 1;
    const auto first = co_await a.async_lock();
    l.second = here() + 1;
    const auto second = co_await b.async_lock();
  });
  expect_circle(r, "b", "a", l, l);
}

TEST(ExploreDeadlock, OfSemaphoresOfOne) {
  lines l;
  const explore::result r = crossed<async_semaphore>(
      [&](async_semaphore& a, async_semaphore& b) -> task<> {
        l.first = here() + 1;
        const auto first = co_await a.async_acquire();
        l.second = here() + 1;
        const auto second = co_await b.async_acquire();
      },
      1U);
  expect_circle(r, "b", "a", l, l);
}

TEST(ExploreDeadlock, OfReadersThatWantToWrite) {
  lines l;
  const explore::result r = explore::check([&](explore::world& w) {
    auto& lock = w.make<async_shared_mutex>("lock");
    const auto body = [&]() -> task<> {
      l.first = here() + 1;
      const shared_guard reads = co_await lock.async_lock_shared();
      l.second = here() + 1;
      const auto writes = co_await lock.async_lock();
    };
    w.spawn("one", body);
    w.spawn("two", body);
  });
  ASSERT_TRUE(r.failure);
  EXPECT_EQ(r.failure->kind, failure_kind::deadlock);
  ASSERT_FALSE(r.failure->waits.empty());
  for (const std::string& line : r.failure->waits) {
    EXPECT_THAT(line, HasSubstr(" waits for lock at "));
    EXPECT_THAT(line, HasSubstr(", held by "));
    EXPECT_THAT(line, HasSubstr(" since " + at(l.first)));
  }
}

TEST(ExploreDeadlock, OfSharedMutexes) {
  lines l;
  const explore::result r =
      crossed<async_shared_mutex>([&](async_shared_mutex& a, async_shared_mutex& b) -> task<> {
        l.first = here() + 1;
        const shared_guard first = co_await a.async_lock_shared();
        l.second = here() + 1;
        const auto second = co_await b.async_lock();
      });
  expect_circle(r, "b", "a", l, l);
}

TEST(ExploreDeadlock, OfKeysInOppositeOrders) {
  lines l;
  const explore::result r = explore::check([&](explore::world& w) {
    auto& accounts = w.make<async_keyed_mutex<std::string>>("accounts");
    const auto body = [&](std::string a, std::string b) -> task<> {
      l.first = here() + 1;
      const auto first = co_await accounts.async_lock(a);
      l.second = here() + 1;
      const auto second = co_await accounts.async_lock(b);
    };
    w.spawn("one", [body] { return body("ann", "bob"); });
    w.spawn("two", [body] { return body("bob", "ann"); });
  });
  expect_circle(r, "accounts[\"bob\"]", "accounts[\"ann\"]", l, l);
}

// A request for several keys has the first ones while it queues for the next one.
TEST(ExploreDeadlock, OfAKeyAndARequestForSeveral) {
  lines all;
  lines single;
  const explore::result r = explore::check([&](explore::world& w) {
    auto& accounts = w.make<async_keyed_mutex<int>>("accounts");
    w.spawn("one", [&]() -> task<> {
      const std::vector<int> keys = {1, 2};
      all.first = all.second = here() + 1;
      const auto both = co_await accounts.async_lock_all(keys);
    });
    w.spawn("two", [&]() -> task<> {
      single.first = here() + 1;
      const auto first = co_await accounts.async_lock(2);
      single.second = here() + 1;
      const auto second = co_await accounts.async_lock(1);
    });
  });
  expect_circle(r, "accounts[2]", "accounts[1]", all, single);
}

TEST(ExploreDeadlock, OfATaskWithItself) {
  const explore::result r = explore::check([&](explore::world& w) {
    auto& lock = w.make<async_semaphore>("lock", 1U);
    w.spawn("task", [&]() -> task<> {
      const auto first = co_await lock.async_acquire();
      const auto second = co_await lock.async_acquire();
    });
  });
  ASSERT_TRUE(r.failure);
  EXPECT_EQ(r.failure->kind, failure_kind::deadlock);
  ASSERT_EQ(r.failure->waits.size(), 1U);
  EXPECT_THAT(r.failure->waits[0], HasSubstr("task waits for lock at "));
  EXPECT_THAT(r.failure->waits[0], HasSubstr(", held by task since "));
}

TEST(ExploreDeadlock, IsNotWhatWaitsForOneWhoWaitsForAnEvent) {
  const explore::result r = explore::check([&](explore::world& w) {
    auto& lock = w.make<async_mutex>("lock");
    auto& event = w.make<async_event>("event");
    w.spawn("holder", [&]() -> task<> {
      const mutex_guard guard = co_await lock.async_lock();
      co_await event.async_wait();
    });
    w.spawn("waiter", [&]() -> task<> { const auto guard = co_await lock.async_lock(); });
  });
  ASSERT_TRUE(r.failure);
  EXPECT_EQ(r.failure->kind, failure_kind::lost_wakeup);
  EXPECT_THAT(r.text(), HasSubstr("holder waits for event at "));
}

TEST(ExploreDeadlock, IsNotWhatWaitsForOneWhoHasEnded) {
  const explore::result r = explore::check([&](explore::world& w) {
    auto& lock = w.make<async_mutex>("lock");
    auto& event = w.make<async_event>("event");
    w.spawn("leaker", [&]() -> task<> {
      mutex_guard guard = co_await lock.async_lock();
      (void)guard.release();
      event.set();
    });
    w.spawn("waiter", [&]() -> task<> {
      co_await event.async_wait();
      const auto guard = co_await lock.async_lock();
    });
  });
  ASSERT_TRUE(r.failure);
  EXPECT_EQ(r.failure->kind, failure_kind::lost_wakeup);
  EXPECT_THAT(r.text(), HasSubstr("waiter waits for lock at "));
  EXPECT_THAT(r.text(), HasSubstr(", held by leaker since "));
  EXPECT_THAT(r.text(), HasSubstr(", which has ended"));
}

TEST(ExploreDeadlock, WhatIsLeftHeldAtTheEndSaysByWhom) {
  unsigned line = 0;
  const explore::result r = explore::check([&](explore::world& w) {
    auto& lock = w.make<async_mutex>("lock");
    w.spawn("leaker", [&]() -> task<> {
      line = here() + 1;
      mutex_guard guard = co_await lock.async_lock();
      (void)guard.release();
    });
  });
  ASSERT_TRUE(r.failure);
  EXPECT_EQ(r.failure->kind, failure_kind::contract);
  EXPECT_THAT(r.failure->waits, ElementsAre("leaker still has lock since " + at(line)));
}

}  // namespace
