// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers

// What check() says, and how it says it.

#include <corolock/explore.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <string>

namespace {

using namespace corolock;
using ::testing::HasSubstr;

// Two tasks count one user each. With the lock, or without.
auto adders(bool locked) {
  return [locked](explore::world& w) {
    auto& users = w.shared<int>("users", 10);
    auto& lock = w.make<async_mutex>("users lock");
    w.spawn_n("adder", 2, [&users, &lock, locked]() -> explore::task<> {
      mutex_guard guard;
      if (locked) {
        guard = co_await lock.async_lock();
      }
      const int n = co_await users.read();
      co_await explore::yield();
      co_await users.write(n + 1);
    });
    w.finally([&] { w.require(users.value() == 12, "users is 12"); });
  };
}

TEST(Check, FindsTheLostUpdate) {
  const explore::result r = explore::check(adders(false));
  EXPECT_EQ(r.verdict, explore::verdict::failed);
  ASSERT_TRUE(r.failure);
  EXPECT_EQ(r.failure->kind, explore::failure_kind::invariant);
  EXPECT_EQ(r.failure->message, "users is 12");
  EXPECT_EQ(r.failure->preemptions, 1U);
  EXPECT_EQ(r.failure->columns, (std::vector<std::string>{"adder[1]", "adder[2]"}));
}

TEST(Check, VerifiesThatTheLockRemovesIt) {
  const explore::result r = explore::check(adders(true));
  EXPECT_TRUE(r);
  EXPECT_EQ(r.verdict, explore::verdict::verified);
  EXPECT_EQ(r.blocked, 0U);
}

TEST(Check, NamesTheTwoStepsWhoseOrderMakesTheDifference) {
  const explore::result r = explore::check(adders(false));
  ASSERT_TRUE(r.failure);
  EXPECT_THAT(r.failure->reason, HasSubstr("adder[2]: read users → 10"));
  EXPECT_THAT(r.failure->reason, HasSubstr("before adder[1]: write users → 11"));
}

TEST(Check, SaysThatTheSharedValueNeedsALock) {
  const explore::result r = explore::check(adders(false));
  ASSERT_EQ(r.advice.size(), 1U);
  EXPECT_EQ(r.advice[0].name, "users");
  EXPECT_TRUE(r.advice[0].by_several_tasks);
  EXPECT_TRUE(r.advice[0].is_written);
  EXPECT_TRUE(r.advice[0].split);
  EXPECT_TRUE(r.advice[0].needs_lock());
}

TEST(Check, ReadAndWriteInOneStepAreAtomicWithoutALock) {
  const explore::result r = explore::check([](explore::world& w) {
    auto& users = w.shared<int>("users", 10);
    w.spawn_n("adder", 3, [&users]() -> explore::task<> {
      co_await explore::yield();
      users.set(users.get() + 1);
      co_await explore::yield();
    });
    w.finally([&] { w.require(users.value() == 13, "users is 13"); });
  });
  EXPECT_TRUE(r);
  ASSERT_EQ(r.advice.size(), 1U);
  EXPECT_FALSE(r.advice[0].split);
  EXPECT_FALSE(r.advice[0].needs_lock());
  EXPECT_THAT(r.text(), HasSubstr("users: several tasks, written: atomic without one"));
}

TEST(Check, ATokenBringsTheFailureBack) {
  const explore::result first = explore::check(adders(false));
  ASSERT_TRUE(first.failure);
  const explore::result again = explore::replay(first.failure->token, adders(false));
  ASSERT_TRUE(again.failure);
  EXPECT_EQ(again.failure->message, first.failure->message);
  EXPECT_EQ(again.failure->token, first.failure->token);
}

TEST(Check, ATokenOfAnotherBodyIsRefused) {
  const explore::result r = explore::replay("v1.00000000.aaaq", adders(false));
  EXPECT_FALSE(r);
  ASSERT_TRUE(r.failure);
  EXPECT_THAT(r.failure->message, HasSubstr("is of another body"));
}

TEST(Check, WhatIsNotATokenIsRefused) {
  for (const char* token : {"", "v1", "v2.00000000.aa", "v1.00000000", "v1.00000000.a!"}) {
    const explore::result r = explore::replay(token, adders(false));
    EXPECT_FALSE(r) << token;
    ASSERT_TRUE(r.failure) << token;
    EXPECT_FALSE(r.failure->message.empty()) << token;
  }
}

TEST(Check, ADeadlockNamesWhoHoldsWhatAndWhere) {
  const explore::result r = explore::check([](explore::world& w) {
    auto& a = w.make<async_mutex>("a");
    auto& b = w.make<async_mutex>("b");
    w.spawn("one", [&]() -> explore::task<> {
      const mutex_guard first = co_await a.async_lock();
      const mutex_guard second = co_await b.async_lock();
    });
    w.spawn("two", [&]() -> explore::task<> {
      const mutex_guard first = co_await b.async_lock();
      const mutex_guard second = co_await a.async_lock();
    });
  });
  ASSERT_TRUE(r.failure);
  EXPECT_EQ(r.failure->kind, explore::failure_kind::deadlock);
  ASSERT_EQ(r.failure->waits.size(), 2U);
  EXPECT_THAT(r.failure->waits[0], HasSubstr("one waits for b at check.test.cpp:"));
  EXPECT_THAT(r.failure->waits[0], HasSubstr("held by two since check.test.cpp:"));
}

TEST(Check, AGuardThatIsHeldAtTheEndFails) {
  const explore::result r = explore::check([](explore::world& w) {
    auto& m = w.make<async_mutex>("m");
    w.spawn("t", [&]() -> explore::task<> {
      mutex_guard guard = co_await m.async_lock();
      (void)guard.release();
    });
  });
  ASSERT_TRUE(r.failure);
  EXPECT_EQ(r.failure->kind, explore::failure_kind::contract);
  EXPECT_THAT(r.failure->message, HasSubstr("destroyed while it was held"));
}

}  // namespace
