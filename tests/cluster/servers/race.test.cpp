// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers

// A cancellation, or the end of the session, that meets the grant on its way from the server.

#include "fixture.hpp"
#include <corolock/cluster.hpp>
#include <support/asio.hpp>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/bind_executor.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/steady_timer.hpp>
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <optional>
#include <string>
#include <utility>

namespace asio = boost::asio;
using namespace std::chrono_literals;
using corolock::release_result;
using corolock_test::completion;

template <class Engine>
class Race : public corolock_test::servers_test {
 protected:
  Engine engine_;
};
using engines = testing::Types<corolock_test::postgresql_engine, corolock_test::etcd_engine>;
struct race_names {
  template <class Engine>
  static std::string GetName(int) {  // NOLINT(readability-identifier-naming)
    return Engine::title;
  }
};
TYPED_TEST_SUITE(Race, engines, race_names);

// The cancellation comes so long after the release has begun; it is later after a round in which it
// came first, and sooner after one in which the grant did. So most rounds are close to the race,
// however fast the server is.
TYPED_TEST(Race, ACancellationAsTheHolderReleasesLeavesTheLockFree) {
  constexpr int rounds = 150;
  const auto first = this->connect(this->engine_.url());
  const auto second = this->connect(this->engine_.url());
  const auto third = this->connect(this->engine_.url());
  std::chrono::microseconds delay{0};
  std::chrono::microseconds step{400};
  int granted = 0;
  int aborted = 0;
  for (int round = 0; round < rounds; ++round) {
    corolock::distributed_guard held = this->lock(first, "name");
    asio::cancellation_signal stop;
    completion<corolock::distributed_guard> got;
    async_lock(corolock::distributed_mutex(second, "name"),
               asio::bind_cancellation_slot(stop.slot(),
                                            asio::bind_executor(this->context_, got.handler())));
    this->until([&] { return this->engine_.queue("name") == 2; });
    asio::steady_timer moment(this->context_, delay);
    bool is_cancelled = false;
    moment.async_wait([&](const corolock_test::error_code&) {
      is_cancelled = true;
      stop.emit(asio::cancellation_type::total);
    });
    completion<std::optional<release_result>> released;
    held.async_release(asio::bind_executor(this->context_, released.handler()));
    this->until([&] { return got.calls != 0 && released.calls != 0 && is_cancelled; });
    ASSERT_EQ(released.grant, release_result::released);
    ASSERT_TRUE(got.was_aborted() || got.succeeded()) << got.error.message();
    if (got.was_aborted()) {
      ++aborted;
      ASSERT_FALSE(got.grant);
      delay += step;
    } else {
      ++granted;
      ASSERT_EQ(this->release(std::move(got.grant)), release_result::released);
      delay -= std::min(step, delay);
      step = std::max<std::chrono::microseconds>(step / 2, 25us);
    }
    ASSERT_EQ(this->engine_.queue("name"), 0U);
    corolock::distributed_guard next = this->try_lock(third, "name");
    ASSERT_TRUE(next);
    ASSERT_EQ(this->release(std::move(next)), release_result::released);
    ASSERT_EQ(got.calls, 1U);
  }
  EXPECT_GT(granted, 0);
  EXPECT_GT(aborted, 0);
}

TYPED_TEST(Race, ASessionThatIsClosedAsTheHolderReleasesLeavesTheLockFree) {
  constexpr int rounds = 100;
  const auto first = this->connect(this->engine_.url());
  const auto third = this->connect(this->engine_.url());
  std::chrono::microseconds delay{0};
  std::chrono::microseconds step{400};
  int granted = 0;
  int closed = 0;
  for (int round = 0; round < rounds; ++round) {
    const auto second = this->connect(this->engine_.url());
    corolock::distributed_guard held = this->lock(first, "name");
    completion<corolock::distributed_guard> got;
    this->start(second, "name", got);
    this->until([&] { return this->engine_.queue("name") == 2; });
    asio::steady_timer moment(this->context_, delay);
    completion<void> ended;
    moment.async_wait([&](const corolock_test::error_code&) {
      second.async_close(asio::bind_executor(this->context_, ended.handler()));
    });
    completion<std::optional<release_result>> released;
    held.async_release(asio::bind_executor(this->context_, released.handler()));
    this->until([&] { return got.calls != 0 && released.calls != 0 && ended.calls != 0; });
    if (got.succeeded()) {
      ++granted;
      delay -= std::min(step, delay);
      step = std::max<std::chrono::microseconds>(step / 2, 25us);
    } else {
      ++closed;
      delay += step;
    }
    this->until([&] { return this->engine_.queue("name") == 0; });
    corolock::distributed_guard next = this->try_lock(third, "name");
    ASSERT_TRUE(next);
    ASSERT_EQ(this->release(std::move(next)), release_result::released);
  }
  EXPECT_GT(granted, 0);
  EXPECT_GT(closed, 0);
}
