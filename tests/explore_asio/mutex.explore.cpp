// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers

// Tasks of Boost.Asio that share one count, with a mutex and without.

#include <corolock/explore/asio.hpp>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <source_location>
#include <string>

namespace {

using namespace corolock;
using boost::asio::as_tuple;
using boost::asio::awaitable;
using boost::asio::use_awaitable;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

// `count` tasks count one user each.
auto adders(unsigned count, bool locked, explore::spawn_options o = {}) {
  return [=](explore::world& w) {
    auto& users = w.shared<int>("users", 10);
    auto& lock = w.make<async_mutex>("users lock");
    explore::spawn_n(
        w, "adder", count,
        [&users, &lock, locked]() -> awaitable<void> {
          mutex_guard guard;
          if (locked) {
            guard = co_await async_lock(lock, use_awaitable);
          }
          const int n = users.get();
          co_await boost::asio::post(use_awaitable);
          users.set(n + 1);
        },
        o);
    w.finally([&w, &users, count] {
      w.require(users.value() == 10 + static_cast<int>(count), "every user is counted");
    });
  };
}

// [asio]
awaitable<void> log_in(async_mutex& lock, explore::shared<int>& users) {
  auto guard = co_await async_lock(lock, use_awaitable);
  const int n = users.get();
  co_await boost::asio::post(use_awaitable);  // in the place of the database
  users.set(n + 1);
}

void two_log_in(explore::world& w) {
  auto& users = w.shared<int>("users", 10);
  auto& lock = w.make<async_mutex>("users lock");
  explore::spawn(w, "Ann", [&] { return log_in(lock, users); });
  explore::spawn(w, "Bob", [&] { return log_in(lock, users); });
  w.finally([&] { w.require(users.value() == 12, "users is 12"); });
}
// [/asio]

TEST(ExploreAsioMutex, TwoUsersThatLogInAreCounted) {
  EXPECT_EQ(explore::check(two_log_in).verdict, explore::verdict::verified);
}

TEST(ExploreAsioMutex, WithoutItAnUpdateIsLost) {
  const explore::result r = explore::check(adders(2, false));
  ASSERT_TRUE(r.failure);
  EXPECT_EQ(r.failure->kind, explore::failure_kind::invariant);
  EXPECT_EQ(r.failure->preemptions, 1U);
  EXPECT_EQ(r.failure->steps, 4U);
  EXPECT_THAT(r.text(), HasSubstr("users: several tasks, written, read and written in different"));
  EXPECT_THAT(r.text(), HasSubstr("write users → 11  mutex.explore.cpp:"));
}

TEST(ExploreAsioMutex, WithItNoUpdateIsLost) {
  for (const unsigned count : {2U, 3U}) {
    const explore::result r = explore::check(adders(count, true));
    EXPECT_TRUE(r);
    EXPECT_EQ(r.verdict, explore::verdict::verified);
    EXPECT_EQ(r.blocked, 0U);
    EXPECT_GT(r.traces, 1U);
  }
}

// All steps depend on each other, so every interleaving is a trace.
TEST(ExploreAsioMutex, OptimalFindsAsManyTracesAsThereAreInterleavings) {
  for (const bool locked : {false, true}) {
    explore::options o;
    o.count_failures = true;
    o.method = explore::search_method::naive;
    const explore::result all = explore::check(adders(3, locked), o);
    o.method = explore::search_method::optimal;
    const explore::result optimal = explore::check(adders(3, locked), o);
    EXPECT_EQ(optimal.traces, all.traces);
    EXPECT_EQ(optimal.failing, all.failing);
    EXPECT_EQ(optimal.blocked, 0U);
    EXPECT_EQ(locked, optimal.failing == 0);
  }
}

// The known counts of the lost update: 90 interleavings, (3!)^2 traces.
TEST(ExploreAsioMutex, OnlySharedLeavesOutWhatCannotMatter) {
  const auto update = [](explore::spawn_options how) {
    return [how](explore::world& w) {
      auto& users = w.shared<int>("users", 10);
      explore::spawn_n(
          w, "adder", 3,
          [&users](unsigned) -> awaitable<void> {
            const int n = users.get();
            co_await boost::asio::post(use_awaitable);
            users.set(n + 1);
          },
          how);
    };
  };
  EXPECT_EQ(explore::check(update({})).traces, 90U);
  EXPECT_EQ(explore::check(update(explore::only_shared)).traces, 36U);
  EXPECT_TRUE(explore::check(adders(3, true, explore::only_shared)));
}

TEST(ExploreAsioMutex, OnlySharedTasksWithNothingInCommonHaveOneTrace) {
  const explore::result r = explore::check([](explore::world& w) {
    explore::spawn_n(
        w, "loner", 3,
        [&w](unsigned) -> awaitable<void> {
          (void)w;
          co_await boost::asio::post(use_awaitable);
        },
        explore::only_shared);
  });
  EXPECT_EQ(r.verdict, explore::verdict::verified);
  EXPECT_EQ(r.traces, 1U);
}

// What no shared<T> shows, the explorer cannot see; it explores every order all the same.
TEST(ExploreAsioMutex, ALostUpdateOfAPlainVariableIsFound) {
  const explore::result r = explore::check([](explore::world& w) {
    auto& users = w.make<int>("users", 10);
    explore::spawn_n(w, "adder", 2, [&users]() -> awaitable<void> {
      const int n = users;
      co_await boost::asio::post(use_awaitable);
      users = n + 1;
    });
    w.finally([&] { w.require(users == 12, "users is 12"); });
  });
  ASSERT_TRUE(r.failure);
  EXPECT_EQ(r.failure->message, "users is 12");
}

TEST(ExploreAsioMutex, TasksOfBothKindsShareIt) {
  const explore::result r = explore::check([](explore::world& w) {
    auto& users = w.shared<int>("users", 10);
    auto& lock = w.make<async_mutex>("users lock");
    w.spawn("plain", [&]() -> explore::task<> {
      const mutex_guard guard = co_await lock.async_lock();
      const int n = co_await users.read();
      co_await users.write(n + 1);
    });
    explore::spawn(w, "on Asio", [&]() -> awaitable<void> {
      const mutex_guard guard = co_await async_lock(lock, use_awaitable);
      const int n = users.get();
      co_await boost::asio::post(use_awaitable);
      users.set(n + 1);
    });
    w.finally([&] { w.require(users.value() == 12, "users is 12"); });
  });
  EXPECT_TRUE(r);
  EXPECT_EQ(r.verdict, explore::verdict::verified);
}

std::string at(unsigned line) {
  return "mutex.explore.cpp:" + std::to_string(line);
}
unsigned here(std::source_location where = std::source_location::current()) {
  return where.line();
}

// Two tasks that take two locks in opposite orders: what is said of it.
template <class Lock, class Take, class... Args>
void expect_deadlock(Take take, const unsigned& first, const unsigned& second,
                     const Args&... args) {
  const explore::result r = explore::check([&](explore::world& w) {
    auto& a = w.make<Lock>("a", args...);
    auto& b = w.make<Lock>("b", args...);
    const auto both = [take](Lock& x, Lock& y) -> awaitable<void> {
      const auto has = co_await take(x, true);
      co_await boost::asio::post(use_awaitable);
      const auto wants = co_await take(y, false);
    };
    explore::spawn(w, "one", [&a, &b, both] { return both(a, b); });
    explore::spawn(w, "two", [&a, &b, both] { return both(b, a); });
  });
  ASSERT_TRUE(r.failure);
  EXPECT_EQ(r.failure->kind, explore::failure_kind::deadlock);
  EXPECT_THAT(r.failure->waits,
              ElementsAre("one waits for b at " + at(second) + ", held by two since " + at(first),
                          "two waits for a at " + at(second) + ", held by one since " + at(first)));
}

TEST(ExploreAsioMutex, ADeadlockNamesBothLocksAndWhereTheyWereTaken) {
  unsigned first = 0;
  unsigned second = 0;
  expect_deadlock<async_mutex>(
      [&](async_mutex& m, bool is_first) {
        if (is_first) {
          first = here() + 1;
          return async_lock(m, use_awaitable);
        }
        second = here() + 1;
        return async_lock(m, use_awaitable);
      },
      first, second);
  expect_deadlock<async_semaphore>(
      [&](async_semaphore& s, bool) {
        first = second = here() + 1;
        return async_acquire(s, 1, use_awaitable);
      },
      first, second, 1U);
  expect_deadlock<guarded<int>>(
      [&](guarded<int>& g, bool) {
        first = second = here() + 1;
        return async_lock(g, use_awaitable);
      },
      first, second);
}

TEST(ExploreAsioMutex, ADeadlockOfReadersThatWantToWrite) {
  const explore::result r = explore::check([&](explore::world& w) {
    auto& lock = w.make<async_shared_mutex>("lock");
    explore::spawn_n(w, "upgrader", 2, [&lock]() -> awaitable<void> {
      const shared_guard reads = co_await async_lock_shared(lock, use_awaitable);
      const auto writes = co_await async_lock(lock, use_awaitable);
    });
  });
  ASSERT_TRUE(r.failure);
  EXPECT_EQ(r.failure->kind, explore::failure_kind::deadlock);
  EXPECT_THAT(r.text(), HasSubstr("has lock  mutex.explore.cpp:"));
  EXPECT_THAT(r.text(), HasSubstr("waits for lock  mutex.explore.cpp:"));
  EXPECT_THAT(r.text(), HasSubstr("upgrader[1] waits for lock at mutex.explore.cpp:"));
  EXPECT_THAT(r.text(), HasSubstr(", held by upgrader[1] since mutex.explore.cpp:"));
}

// Both limits are far away, and no task is left: a timer that is armed is no deadlock.
TEST(ExploreAsioMutex, KeysInOppositeOrdersAreADeadlockUnlessThereIsALimit) {
  for (const bool limited : {false, true}) {
    const explore::result r = explore::check([limited](explore::world& w) {
      auto& accounts = w.make<async_keyed_mutex<int>>("accounts");
      const auto both = [&accounts, limited](int a, int b) -> awaitable<void> {
        const auto has = co_await async_lock(accounts, a, use_awaitable);
        co_await boost::asio::post(use_awaitable);
        if (limited) {
          auto [error, wants] =
              co_await async_lock_for(accounts, b, std::chrono::hours(1), as_tuple(use_awaitable));
        } else {
          const auto wants = co_await async_lock(accounts, b, use_awaitable);
        }
      };
      explore::spawn(w, "one", [both] { return both(7, 8); });
      explore::spawn(w, "two", [both] { return both(8, 7); });
    });
    EXPECT_EQ(static_cast<bool>(r), limited);
    if (!limited) {
      ASSERT_TRUE(r.failure);
      EXPECT_EQ(r.failure->kind, explore::failure_kind::deadlock);
      EXPECT_THAT(r.text(), HasSubstr("one waits for accounts[8] at mutex.explore.cpp:"));
      EXPECT_THAT(r.text(), HasSubstr("two waits for accounts[7] at mutex.explore.cpp:"));
    }
  }
}

TEST(ExploreAsioMutex, ATokenBringsTheFailureBack) {
  const explore::result first = explore::check(adders(2, false));
  ASSERT_TRUE(first.failure);
  const explore::result again = explore::replay(first.failure->token, adders(2, false));
  ASSERT_TRUE(again.failure);
  EXPECT_EQ(again.failure->message, first.failure->message);
}

}  // namespace
