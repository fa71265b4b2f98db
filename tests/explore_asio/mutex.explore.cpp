// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers

// Tasks of Boost.Asio in the explorer: what is found, and what is verified.

#include <corolock/explore/asio.hpp>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <stdexcept>
#include <string>
#include <tuple>
#include <variant>

namespace {

using namespace corolock;
using namespace std::chrono_literals;
using boost::asio::awaitable;
using boost::asio::use_awaitable;
using ::testing::HasSubstr;

// `count` tasks count one user each. With the lock, or without.
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

TEST(AsioMutex, WithoutItAnUpdateIsLost) {
  const explore::result r = explore::check(adders(2, false));
  ASSERT_TRUE(r.failure);
  EXPECT_EQ(r.failure->message, "every user is counted");
  EXPECT_EQ(r.failure->preemptions, 1U);
  EXPECT_THAT(r.text(), HasSubstr("users: several tasks, written, read and written in different"));
  std::cout << r;
}

TEST(AsioMutex, WithItNoUpdateIsLost) {
  for (const unsigned count : {2U, 3U}) {
    const explore::result r = explore::check(adders(count, true));
    EXPECT_TRUE(r);
    EXPECT_EQ(r.verdict, explore::verdict::verified);
    EXPECT_EQ(r.blocked, 0U);
    std::cout << r;
  }
}

}  // namespace
