// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers

#include <corolock/errc.hpp>
#include <corolock/outcome.hpp>

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <system_error>
#include <utility>

using corolock::errc;
using corolock::outcome;

TEST(Outcome, OwnsItsGrant) {
  auto grant = std::make_shared<int>(7);
  const std::weak_ptr<int> watch = grant;
  {
    outcome<std::shared_ptr<int>> o(std::move(grant));
    EXPECT_TRUE(o);
    EXPECT_TRUE(o.has_value());
    EXPECT_EQ(**o, 7);
    EXPECT_EQ(*o.value(), 7);
    EXPECT_EQ(o->use_count(), 1);
    EXPECT_FALSE(watch.expired());
  }
  EXPECT_TRUE(watch.expired());
}

TEST(Outcome, GivesItsGrantAway) {
  outcome<std::unique_ptr<int>> o(std::make_unique<int>(7));
  const std::unique_ptr<int> grant = *std::move(o);
  EXPECT_EQ(*grant, 7);
  outcome<std::unique_ptr<int>> p(std::make_unique<int>(8));
  EXPECT_EQ(*std::move(p).value(), 8);
}

TEST(Outcome, TellsWhyThereIsNoGrant) {
  const outcome<int> o(errc::closed);
  EXPECT_FALSE(o);
  EXPECT_FALSE(o.has_value());
  EXPECT_EQ(o.error(), errc::closed);
}

TEST(Outcome, OfNothingToHoldTellsHowTheWaitEnded) {
  const outcome<void> granted;
  EXPECT_TRUE(granted);
  EXPECT_TRUE(granted.has_value());
  const outcome<void> stopped(errc::stopped);
  EXPECT_FALSE(stopped);
  EXPECT_FALSE(stopped.has_value());
  EXPECT_EQ(stopped.error(), errc::stopped);
}

TEST(OutcomeDeathTest, TakingAGrantThatIsNotThereIsMisuse) {
  outcome<int> o(errc::stopped);
  EXPECT_DEATH(static_cast<void>(o.value()), "value\\(\\) of an outcome that holds no grant");
  EXPECT_DEATH(static_cast<void>(*o), "value\\(\\) of an outcome that holds no grant");
}

TEST(OutcomeDeathTest, AskingForAnErrorThatIsNotThereIsMisuse) {
  EXPECT_DEATH(static_cast<void>(outcome<int>(1).error()),
               "error\\(\\) of an outcome that holds a grant");
  EXPECT_DEATH(static_cast<void>(outcome<void>().error()),
               "error\\(\\) of an outcome that was granted");
}

TEST(Errc, IsAnErrorCodeOfItsOwnCategory) {
  const std::error_code code = errc::timed_out;
  EXPECT_EQ(code, errc::timed_out);
  EXPECT_NE(code, errc::stopped);
  EXPECT_STREQ(code.category().name(), "corolock");
  EXPECT_EQ(&code.category(), &corolock::error_category());
  EXPECT_TRUE(code);  // 0 would read as success
  EXPECT_NE(code, std::make_error_code(std::errc::timed_out));
}

TEST(Errc, SaysInWordsWhatEndedTheWait) {
  EXPECT_EQ(make_error_code(errc::stopped).message(), "the wait was stopped");
  EXPECT_EQ(make_error_code(errc::timed_out).message(), "the wait timed out");
  EXPECT_EQ(make_error_code(errc::closed).message(), "the semaphore is closed");
  EXPECT_EQ(make_error_code(errc::broken).message(), "the barrier is broken");
  EXPECT_EQ(corolock::error_category().message(99), "unknown corolock error");
}
