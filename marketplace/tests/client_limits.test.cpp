// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers

#include <marketplace/client_limits.hpp>
#include <support/virtual_clock.hpp>

#include <gtest/gtest.h>

#include <chrono>
#include <string>

namespace marketplace {
namespace {

using namespace std::chrono_literals;
using corolock_test::virtual_clock;
using limits = basic_client_limits<virtual_clock>;

class ClientLimits : public testing::Test {
 protected:
  ClientLimits() { virtual_clock::reset(); }
};

TEST_F(ClientLimits, AQuotaAtOnceAndThenOneByOne) {
  limits limit({"register", 10, 60s});
  for (std::size_t left = 10; left-- > 0;) {
    const rate_verdict verdict = limit.take("a");
    EXPECT_TRUE(verdict.is_allowed);
    EXPECT_EQ(verdict.remaining, left);
  }
  rate_verdict verdict = limit.take("a");
  EXPECT_FALSE(verdict.is_allowed);
  EXPECT_EQ(verdict.remaining, 0U);
  EXPECT_EQ(verdict.retry_after, 6s);

  virtual_clock::advance(5s);
  EXPECT_FALSE(limit.take("a").is_allowed);
  virtual_clock::advance(1s);
  EXPECT_TRUE(limit.take("a").is_allowed);
  EXPECT_FALSE(limit.take("a").is_allowed);

  // There is no window at whose end the whole quota comes back: twice the quota never fits in.
  virtual_clock::advance(30s);
  std::size_t allowed = 0;
  while (limit.take("a").is_allowed) {
    ++allowed;
  }
  EXPECT_EQ(allowed, 5U);
}

TEST_F(ClientLimits, EachClientHasItsOwn) {
  limits limit({"register", 1, 60s});
  EXPECT_TRUE(limit.take("a").is_allowed);
  EXPECT_FALSE(limit.take("a").is_allowed);
  EXPECT_TRUE(limit.take("b").is_allowed);
  EXPECT_FALSE(limit.take("a").is_allowed);
}

TEST_F(ClientLimits, WithoutAQuotaThereIsNoLimit) {
  limits limit({"register", 0, 60s});
  for (int i = 0; i < 1000; ++i) {
    ASSERT_TRUE(limit.take("a").is_allowed);
  }
  EXPECT_EQ(limit.size(), 0U);
}

TEST_F(ClientLimits, TheTableIsBoundedAndForgetsTheOneSeenLeastRecently) {
  limits limit({"register", 1, 60s}, 3);
  for (const char* each : {"a", "b", "c"}) {
    EXPECT_TRUE(limit.take(each).is_allowed);
  }
  EXPECT_FALSE(limit.take("a").is_allowed);  // so that b is the oldest
  EXPECT_TRUE(limit.take("d").is_allowed);
  EXPECT_EQ(limit.size(), 3U);
  EXPECT_FALSE(limit.take("a").is_allowed);
  EXPECT_FALSE(limit.take("c").is_allowed);
  EXPECT_TRUE(limit.take("b").is_allowed);  // forgotten, and begins anew
  for (int i = 0; i < 1000; ++i) {
    limit.take(std::to_string(i));
  }
  EXPECT_EQ(limit.size(), 3U);
}

}  // namespace
}  // namespace marketplace
