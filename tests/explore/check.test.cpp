// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers

// What check() says, and how it says it.

#include <corolock/explore.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <stdexcept>
#include <string>
#include <vector>

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

TEST(ExploreCheck, WhatTheBodysFunctionsThrowIsAFailureAndNamesThem) {
  const auto boom = [] { throw std::runtime_error("boom"); };
  const explore::result body = explore::check([&](explore::world&) { boom(); });
  const explore::result final_check = explore::check([&](explore::world& w) { w.finally(boom); });
  const explore::result invariant = explore::check([&](explore::world& w) {
    w.spawn("task", []() -> explore::task<> { co_await explore::yield(); });
    w.invariant(boom);
  });
  EXPECT_EQ(body.summary(), "FAILED: an exception left the body: boom");
  EXPECT_EQ(final_check.summary(), "FAILED: an exception left a final check: boom");
  EXPECT_EQ(invariant.summary(), "FAILED: an exception left an invariant: boom");
}

// A task's first step belongs to the setup where it touches nothing, but not to the body.
TEST(ExploreCheck, WhatBelongsIntoTheBodyIsRefusedInATask) {
  const explore::result spawns = explore::check([](explore::world& w) {
    w.spawn("task", [&w]() -> explore::task<> {
      w.spawn("inner", []() -> explore::task<> { co_return; });
      co_return;
    });
  });
  EXPECT_THAT(spawns.summary(), HasSubstr("'inner' was spawned after the setup"));
  const explore::result makes = explore::check([](explore::world& w) {
    w.spawn("task", [&w]() -> explore::task<> {
      w.shared<int>("late", 0);
      co_return;
    });
  });
  EXPECT_THAT(makes.summary(), HasSubstr("'late' was made after the setup"));
  const explore::result checks = explore::check([](explore::world& w) {
    w.spawn("task", []() -> explore::task<> {
      explore::check([](explore::world&) {});
      co_return;
    });
  });
  EXPECT_THAT(checks.summary(), HasSubstr("explore::check() was called inside a body"));
}

TEST(ExploreCheck, AnEnvironmentWithoutATokenIsSaid) {
  // NOLINTBEGIN(concurrency-mt-unsafe): no other threads
  ASSERT_EQ(::setenv("COROLOCK_REPLAY", "v1.nonsense", 1), 0);
  const explore::result nonsense = explore::check(adders(true));
  ASSERT_EQ(::setenv("COROLOCK_REPLAY", "v1.00000000.aaaq", 1), 0);
  const explore::result other = explore::check(adders(true));
  ASSERT_EQ(::unsetenv("COROLOCK_REPLAY"), 0);
  // NOLINTEND(concurrency-mt-unsafe)
  EXPECT_THAT(nonsense.summary(), HasSubstr("the token 'v1.nonsense' is not one"));
  EXPECT_EQ(other.verdict, explore::verdict::verified);
}

TEST(ExploreCheck, TheTableOfARunWithoutAnEndIsCutInTheMiddle) {
  const explore::result r = explore::check([](explore::world& w) {
    w.spawn("task", []() -> explore::task<> {
      for (;;) {
        co_await explore::yield();
      }
    });
  });
  ASSERT_TRUE(r.failure);
  EXPECT_EQ(r.failure->kind, explore::failure_kind::livelock);
  const std::string text = r.text();
  EXPECT_LT(std::count(text.begin(), text.end(), '\n'), 80);
  EXPECT_THAT(text, HasSubstr("lines left out"));
  EXPECT_EQ(r.failure->lines.size(), 10'000U);
}

// A check and an act that reads again: the first read may have decided something.
TEST(ExploreAdvice, OfADecisionThatIsStaleIsNotThatNothingIsRead) {
  const explore::result r = explore::check([](explore::world& w) {
    auto& loads = w.shared<int>("loads", 0);
    w.spawn_n("reader", 2, [&loads]() -> explore::task<> {
      if (loads.get() == 0) {
        co_await explore::yield();
        loads.set(loads.get() + 1);
      }
    });
    w.finally([&] { w.require(loads.value() == 1, "loaded once"); });
  });
  ASSERT_TRUE(r.failure);
  ASSERT_EQ(r.advice.size(), 1U);
  EXPECT_TRUE(r.advice[0].read_again);
  EXPECT_FALSE(r.advice[0].split);
  EXPECT_THAT(r.text(), HasSubstr("loads: several tasks, written: read again in the step"));
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

TEST(Check, SaysWhoseUpdateWasLost) {
  const explore::result r = explore::check(adders(false));
  ASSERT_TRUE(r.failure);
  ASSERT_EQ(r.failure->hints.size(), 1U);
  EXPECT_EQ(r.failure->hints[0],
            "lost update: adder[1] read users in step 1 and wrote it in step 6; adder[2] wrote it "
            "in between, in step 5");
}

TEST(Check, ABodyThatIsTooLargeOrAsksForTheImpossibleFails) {
  const explore::result many = explore::check([](explore::world& w) {
    w.spawn_n("t", 65, [](unsigned) -> explore::task<> { co_await explore::yield(); });
  });
  ASSERT_TRUE(many.failure);
  EXPECT_EQ(many.failure->message, "more than 64 tasks and interferences");
  const explore::result none = explore::check([](explore::world& w) {
    w.spawn("t", []() -> explore::task<> {
      const unsigned c = co_await explore::choose(0);
      (void)c;
    });
  });
  ASSERT_TRUE(none.failure);
  EXPECT_EQ(none.failure->message, "choose(0): from 1 to 255");
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

TEST(Check, ABodyThatDoesSomethingElseTheSecondTimeIsNamedWithTheStep) {
  unsigned calls = 0;
  const explore::result r = explore::check([&calls](explore::world& w) {
    auto& x = w.shared<int>("x", 0);
    auto& y = w.shared<int>("y", 0);
    const bool odd = ++calls % 2 != 0;
    w.spawn("fickle", [&x, &y, odd]() -> explore::task<> {
      co_await explore::yield();
      auto& one = odd ? x : y;
      co_await one.write(1);
    });
  });
  ASSERT_TRUE(r.failure);
  EXPECT_EQ(r.failure->kind, explore::failure_kind::nondeterminism);
  EXPECT_THAT(r.failure->message, HasSubstr("at step 2 fickle first did 'write x at check.test"));
  EXPECT_THAT(r.failure->message, HasSubstr("then 'write y"));
}

TEST(Check, ABodyThatNeverEndsIsALivelock) {
  explore::options o;
  o.max_steps = 100;
  const explore::result r = explore::check(
      [](explore::world& w) {
        auto& ready = w.shared<bool>("ready", false);
        w.spawn("spinner", [&]() -> explore::task<> {
          for (;;) {
            const bool now = co_await ready.read();
            if (now) {
              break;
            }
          }
        });
      },
      o);
  ASSERT_TRUE(r.failure);
  EXPECT_EQ(r.failure->kind, explore::failure_kind::livelock);
}

TEST(Check, ANotificationBeforeTheWaitIsALostWakeup) {
  const explore::result r = explore::check([](explore::world& w) {
    auto& m = w.make<async_mutex>("m");
    auto& changed = w.make<async_condition>("changed");
    w.spawn("consumer", [&]() -> explore::task<> {
      mutex_guard guard = co_await m.async_lock();
      co_await changed.async_wait(guard);
    });
    w.spawn("producer", [&]() -> explore::task<> {
      const mutex_guard guard = co_await m.async_lock();
      changed.notify_one();
    });
  });
  ASSERT_TRUE(r.failure);
  EXPECT_EQ(r.failure->kind, explore::failure_kind::lost_wakeup) << r;
}

TEST(Check, AWaiterOfTheMutexIsPassedOverByThoseBeforeItOnly) {
  const auto body = [](explore::world& w) {
    auto& m = w.make<async_mutex>("m");
    w.spawn_n("t", 4, [&m]() -> explore::task<> {
      const mutex_guard guard = co_await m.async_lock();
      co_await explore::yield();
    });
  };
  explore::options o;
  o.starvation_bound = 2;
  EXPECT_EQ(explore::check(body, o).verdict, explore::verdict::verified);
  o.starvation_bound = 1;
  const explore::result r = explore::check(body, o);
  ASSERT_TRUE(r.failure);
  EXPECT_EQ(r.failure->kind, explore::failure_kind::starvation);
}

TEST(Check, ABoundIsNeverCalledVerified) {
  explore::options o;
  o.preemptions = 1;
  const explore::result few = explore::check(adders(true), o);
  EXPECT_EQ(few.verdict, explore::verdict::bounded);
  EXPECT_THAT(few.summary(), HasSubstr("BOUNDED by at most 1 preemptions"));
  explore::options short_one;
  short_one.max_runs = 50;
  short_one.symmetry = false;
  const auto many = [](explore::world& w) {
    auto& x = w.shared<int>("x", 0);
    w.spawn_n("t", 5, [&x]() -> explore::task<> { co_await x.write(1); });
  };
  const explore::result part = explore::check(many, short_one);
  EXPECT_EQ(part.verdict, explore::verdict::bounded);
  EXPECT_EQ(part.summary(), "BOUNDED by a budget of 50 runs, 50 traces");
}

TEST(Check, RandomAndPctOnlySample) {
  explore::options o;
  o.max_runs = 100;
  for (const auto method : {explore::search_method::random, explore::search_method::pct}) {
    o.method = method;
    EXPECT_EQ(explore::check(adders(true), o).summary(), "SAMPLED 100 schedules");
    EXPECT_FALSE(explore::check(adders(false), o));
  }
}

TEST(Check, AnExceptionThatLeavesATaskFails) {
  const explore::result r = explore::check([](explore::world& w) {
    w.spawn("t", []() -> explore::task<> {
      co_await explore::yield();
      throw std::runtime_error("out of luck");
    });
  });
  ASSERT_TRUE(r.failure);
  EXPECT_EQ(r.failure->kind, explore::failure_kind::exception);
  EXPECT_EQ(r.failure->message, "an exception left t: out of luck");
}

TEST(Check, AnInvariantIsLookedAtAfterEveryStep) {
  const explore::result r = explore::check([](explore::world& w) {
    auto& a = w.shared<int>("a", 0);
    auto& b = w.shared<int>("b", 0);
    w.invariant([&] { w.require(a.value() == b.value(), "a and b are the same"); });
    w.spawn("t", [&]() -> explore::task<> {
      co_await a.write(1);
      co_await b.write(1);
    });
  });
  ASSERT_TRUE(r.failure);
  EXPECT_EQ(r.failure->message, "a and b are the same");
  EXPECT_EQ(r.failure->steps, 1U);
}

TEST(Check, ATaskMayBeMadeOfParts) {
  const explore::result r = explore::check([](explore::world& w) {
    auto& x = w.shared<int>("x", 0);
    w.spawn("t", [&]() -> explore::task<> {
      auto part = [&](int by) -> explore::task<int> {
        const int now = co_await x.read();
        co_await x.write(now + by);
        co_return now;
      };
      const int first = co_await part(2);
      const int second = co_await part(3);
      w.require(first == 0 && second == 2, "parts return what they read");
    });
    w.finally([&] { w.require(x.value() == 5, "x is 5"); });
  });
  EXPECT_TRUE(r);
}

TEST(Check, EveryOutcomeOfAChoiceIsTried) {
  unsigned seen = 0;
  const explore::result r = explore::check([&seen](explore::world& w) {
    w.spawn("t", [&seen]() -> explore::task<> {
      const unsigned c = co_await explore::choose(3);
      const unsigned d = co_await explore::choose(2);
      seen |= 1U << (c * 2 + d);
    });
  });
  EXPECT_EQ(r.traces, 6U);
  EXPECT_EQ(seen, 0x3FU);
}

TEST(Check, TimePassesOnlyWhenNothingElseCanHappen) {
  const explore::result r = explore::check([](explore::world& w) {
    auto& x = w.shared<int>("x", 0);
    w.spawn("late", [&]() -> explore::task<> {
      co_await explore::sleep_for(std::chrono::hours(1));
      w.require(w.now().time_since_epoch() == std::chrono::hours(1), "an hour has passed");
      co_await x.write(2);
    });
    w.spawn("early", [&]() -> explore::task<> {
      co_await explore::yield();
      co_await x.write(1);
    });
    w.finally([&] { w.require(x.value() == 2, "the sleeper is last"); });
  });
  EXPECT_TRUE(r);
  EXPECT_EQ(r.verdict, explore::verdict::verified);
}

TEST(Check, AdversarialTimePassesAtAnyMoment) {
  const auto body = [](explore::world& w) {
    auto& x = w.shared<int>("x", 0);
    w.spawn("late", [&]() -> explore::task<> {
      co_await explore::sleep_for(std::chrono::hours(1));
      co_await x.write(2);
    });
    w.spawn("early", [&]() -> explore::task<> {
      co_await explore::yield();
      co_await x.write(1);
    });
    w.finally([&] { w.require(x.value() == 2, "the sleeper is last"); });
  };
  explore::options o;
  o.adversarial_time = true;
  EXPECT_FALSE(explore::check(body, o));
  o.early_timers = 0;
  EXPECT_TRUE(explore::check(body, o));
}

TEST(Check, SleepersWakeInTheOrderOfTheirDeadlines) {
  const explore::result r = explore::check([](explore::world& w) {
    auto& order = w.shared<int>("order", 0);
    for (int i = 1; i != 4; ++i) {
      w.spawn("sleeper", [&order, i]() -> explore::task<> {
        co_await explore::sleep_for(std::chrono::seconds(i));
        co_await order.update([i](int& n) { n = n * 10 + i; });
      });
    }
    w.finally([&] { w.require(order.value() == 123, "1, 2, 3"); });
  });
  EXPECT_TRUE(r);
}

TEST(Check, StrictModeRefusesAnAccessInsideAStep) {
  explore::options o;
  o.strict = true;
  const explore::result r = explore::check(
      [](explore::world& w) {
        auto& x = w.shared<int>("x", 0);
        w.spawn("t", [&]() -> explore::task<> {
          co_await explore::yield();
          x.set(1);
        });
      },
      o);
  ASSERT_TRUE(r.failure);
  EXPECT_THAT(r.failure->message, HasSubstr("strict mode: 'x' is accessed inside a step"));
}

TEST(Check, JsonAndHtmlHoldTheSameTable) {
  const explore::result r = explore::check(adders(false));
  EXPECT_THAT(r.json(), HasSubstr(R"("verdict":"failed")"));
  EXPECT_THAT(r.json(), HasSubstr(R"("columns":["adder[1]","adder[2]"])"));
  EXPECT_THAT(r.html(), HasSubstr("write users → 11"));
  EXPECT_THAT(r.html(), ::testing::EndsWith("</html>\n"));
}

}  // namespace
