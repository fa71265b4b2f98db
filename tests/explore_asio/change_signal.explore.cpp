// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers

// The marketplace's change_signal, unmodified: whoever looks for changes, which takes a suspension,
// and then waits for more, loses none if it takes seen() before it looks.

#include <corolock/explore/asio.hpp>
#include <marketplace/change_signal.hpp>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <gtest/gtest.h>

#include <chrono>
#include <cstdint>
#include <utility>

namespace {

using namespace corolock;
using namespace std::chrono_literals;
using boost::asio::awaitable;
using boost::asio::use_awaitable;
using marketplace::change_signal;

enum class order { seen_then_look, look_then_seen };

// A feed as a database keeps it: reading it and writing to it take a while.
struct feed {
  int changes = 0;
  change_signal signal;
};

awaitable<int> look(const feed& of) {
  const int found = of.changes;
  co_await boost::asio::post(use_awaitable);
  co_return found;
}

awaitable<void> change(feed& of) {
  co_await boost::asio::post(use_awaitable);
  ++of.changes;
  of.signal.notify();
}

// Waits until it has found all; whether a wait ended although there was something to find.
awaitable<void> follow(feed& of, int all, order how, bool& overslept) {
  for (;;) {
    std::uint64_t seen = of.signal.seen();
    const int found = co_await look(of);
    if (found == all) {
      co_return;
    }
    if (how == order::look_then_seen) {
      seen = of.signal.seen();
    }
    const bool is_woken = co_await of.signal.async_wait_for(seen, 1s);
    overslept = overslept || (!is_woken && of.changes > found);
  }
}

auto followers(unsigned readers, int writers, order how) {
  return [readers, writers, how](explore::world& w) {
    auto& one = w.make<feed>("feed");
    auto& overslept = w.make<bool>("overslept", false);
    explore::spawn_n(w, "reader", readers, [&one, &overslept, writers, how](unsigned) {
      return follow(one, writers, how, overslept);
    });
    explore::spawn_n(w, "writer", static_cast<unsigned>(writers),
                     [&one](unsigned) { return change(one); });
    w.finally([&w, &overslept] { w.require(!overslept, "nobody sleeps through a change"); });
  };
}

TEST(ExploreAsioChangeSignal, WhoTakesSeenBeforeLookingLosesNoChange) {
  for (const auto& [readers, writers] : {std::pair(1U, 1), std::pair(1U, 2), std::pair(2U, 1)}) {
    const explore::result r = explore::check(followers(readers, writers, order::seen_then_look));
    EXPECT_TRUE(r);
    EXPECT_EQ(r.verdict, explore::verdict::verified);
  }
}

TEST(ExploreAsioChangeSignal, WhoTakesSeenAfterLookingSleepsThroughAChange) {
  const explore::result r = explore::check(followers(1, 1, order::look_then_seen));
  ASSERT_TRUE(r.failure);
  EXPECT_EQ(r.failure->message, "nobody sleeps through a change");
}

TEST(ExploreAsioChangeSignal, AWaitThatTimeEndsHasMissedNothing) {
  explore::options o;
  o.adversarial_time = true;
  o.early_timers = 1;
  const explore::result r = explore::check(followers(1, 1, order::seen_then_look), o);
  EXPECT_TRUE(r);
  EXPECT_EQ(r.verdict, explore::verdict::bounded);  // by the one early timer
}

}  // namespace
