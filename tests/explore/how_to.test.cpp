// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers

// The code of docs/how-to/test-your-own-code.md.

// [googletest]
#include <corolock/explore.hpp>

#include <gtest/gtest.h>

using namespace corolock;

// The code under test: a template, or a header, that does not know where it runs.
class ticket_counter {
 public:
  explicit ticket_counter(explore::shared<int>& left) : left_(left) {}

  explore::task<bool> buy() {
    auto guard = co_await mutex_.async_lock();
    const int left = left_.get();
    if (left == 0) {
      co_return false;
    }
    co_await explore::yield();  // the payment
    left_.set(left - 1);
    co_return true;
  }

 private:
  explore::shared<int>& left_;
  async_mutex mutex_;
};

TEST(TicketCounter, NeverSellsMoreThanThereAre) {
  const explore::result r = explore::check([](explore::world& w) {
    auto& left = w.shared<int>("left", 2);
    auto& sold = w.shared<int>("sold", 0);
    auto& counter = w.make<ticket_counter>("counter", left);
    w.spawn_n("buyer", 3, [&]() -> explore::task<> {
      const bool mine = co_await counter.buy();
      sold.set(sold.get() + (mine ? 1 : 0));
    });
    w.finally([&] { w.require(sold.value() == 2 && left.value() == 0, "two were sold"); });
  });
  EXPECT_TRUE(r);  // prints the failing schedule
  EXPECT_EQ(r.verdict, explore::verdict::verified);
}
// [/googletest]

namespace {

// [cancel]
void a_stop_at_any_moment(explore::world& w) {
  auto& permits = w.make<async_semaphore>("permits", 1U);
  w.spawn("worker", [&]() -> explore::task<> {
    auto permit = co_await permits.async_acquire();
    co_await explore::yield();
  });
  w.spawn("impatient", [&](std::stop_token stop) -> explore::task<> {
    auto permit = co_await permits.async_acquire(1, stop);  // ends when a stop comes
    co_await explore::yield();
  });
  w.finally([&] { w.require(permits.statistics().available == 1, "no permit is lost"); });
}
// [/cancel]

// [faults]
TEST(HowTo, NothingIsLostWhateverIsStoppedDestroyedOrThrownInto) {
  explore::options o;
  o.cancellations = 1;  // the default
  o.destructions = 1;   // a suspended task is destroyed
  o.exceptions = 1;     // a co_await throws
  const explore::result r = explore::check(a_stop_at_any_moment, o);
  EXPECT_EQ(r.verdict, explore::verdict::verified) << r;
}
// [/faults]

// [time]
TEST(HowTo, TheSlowPathIsTakenWhenTheTimerIsFirst) {
  explore::options o;
  o.adversarial_time = true;
  const explore::result r = explore::check(
      [](explore::world& w) {
        auto& answer = w.shared<int>("answer", 0);
        w.spawn("server", [&]() -> explore::task<> { co_await answer.write(42); });
        w.spawn("client", [&]() -> explore::task<> {
          co_await explore::sleep_for(std::chrono::seconds(1));
          const int a = co_await answer.read();
          w.require(a == 42, "the server answers within a second");
        });
      },
      o);
  EXPECT_FALSE(r);  // it need not
}
// [/time]

// [bounds]
TEST(HowTo, ALargeBodyIsBoundedAndSaysSo) {
  explore::options o;
  o.preemptions = 2;
  o.max_runs = 20'000;
  const explore::result r = explore::check(
      [](explore::world& w) {
        auto& total = w.shared<int>("total", 0);
        w.spawn_n("t", 6, [&](unsigned) -> explore::task<> {
          for (int i = 0; i != 3; ++i) {
            co_await total.update([](int& n) { ++n; });
          }
        });
        w.finally([&] { w.require(total.value() == 18, "18"); });
      },
      o);
  EXPECT_TRUE(r);
  EXPECT_EQ(r.verdict, explore::verdict::bounded);
}
// [/bounds]

}  // namespace
