// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers

#include <corolock/async_barrier.hpp>
#include <corolock/async_condition.hpp>
#include <corolock/async_event.hpp>
#include <corolock/async_mutex.hpp>
#include <corolock/async_semaphore.hpp>
#include <corolock/async_shared_mutex.hpp>
#include <support/manual_executor.hpp>
#include <support/policies.hpp>
#include <support/task.hpp>

#include <gtest/gtest.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <source_location>
#include <stop_token>
#include <string>
#include <utility>

using corolock::diagnostics;
using corolock::no_diagnostics;
using corolock_test::manual_executor;
using corolock_test::started;
using corolock_test::task;
using namespace std::chrono_literals;

template <class Threading>
class Diagnostics : public testing::Test {
 protected:
  using mutex = corolock::basic_async_mutex<Threading, diagnostics>;
  using guard = typename mutex::guard_type;

  static task<guard> lock(mutex& m, unsigned& line) {
    line = std::source_location::current().line() + 1;
    guard g = co_await m.async_lock();
    co_return g;
  }
  static task<corolock::outcome<guard>> lock_on(mutex& m, manual_executor& e,
                                                std::stop_token token) {
    auto g = co_await m.async_lock(token).on(e);
    co_return g;
  }

  manual_executor executor_;
};
TYPED_TEST_SUITE(Diagnostics, corolock_test::policies, corolock_test::policy_names);

TYPED_TEST(Diagnostics, AMutexHasAName) {
  const typename TestFixture::mutex m("users");
  EXPECT_EQ(m.diagnostics().name(), "users");
  const typename TestFixture::mutex anonymous;
  EXPECT_EQ(anonymous.diagnostics().name(), "");
}

TYPED_TEST(Diagnostics, AMutexTellsTheLineOfItsOwner) {
  typename TestFixture::mutex m("users");
  EXPECT_EQ(m.diagnostics().owner().line(), 0U);
  const unsigned here = std::source_location::current().line() + 1;
  auto g = m.try_lock();
  EXPECT_EQ(m.diagnostics().owner().line(), here);
  EXPECT_STREQ(m.diagnostics().owner().file_name(), std::source_location::current().file_name());
  unsigned line = 0;
  auto t = started(this->lock(m, line));
  EXPECT_EQ(m.diagnostics().owner().line(), here);
  g.unlock();
  EXPECT_EQ(m.diagnostics().owner().line(), line);
  t.destroy();
  EXPECT_EQ(m.diagnostics().owner().line(), 0U);
}

TYPED_TEST(Diagnostics, EveryGrantCountsOneWaitAndOneHold) {
  typename TestFixture::mutex m("users");
  unsigned line = 0;
  m.try_lock().unlock();
  started(this->lock(m, line)).destroy();
  EXPECT_EQ(m.diagnostics().waits().total(), 2U);
  EXPECT_EQ(m.diagnostics().holds().total(), 2U);
  auto g = m.try_lock();
  auto t = started(this->lock_on(m, this->executor_, std::stop_token()));
  EXPECT_EQ(m.diagnostics().waits().total(), 3U);
  g.unlock();
  this->executor_.run_all();
  EXPECT_EQ(m.diagnostics().waits().total(), 4U);
  EXPECT_EQ(m.diagnostics().holds().total(), 3U);
  t.destroy();
  EXPECT_EQ(m.diagnostics().holds().total(), 4U);
}

TYPED_TEST(Diagnostics, AGrantThatNobodyTookDoesNotCount) {
  typename TestFixture::mutex m("users");
  std::stop_source stop;
  auto g = m.try_lock();
  const auto a = started(this->lock_on(m, this->executor_, stop.get_token()));
  auto b = started(this->lock_on(m, this->executor_, std::stop_token()));
  g.unlock();
  stop.request_stop();
  EXPECT_TRUE(this->executor_.drop(b.address()));
  b.destroy();
  this->executor_.run_all();
  EXPECT_EQ(m.diagnostics().waits().total(), 1U);
  EXPECT_EQ(m.diagnostics().holds().total(), 1U);
  EXPECT_EQ(m.diagnostics().owner().line(), 0U);
}

TYPED_TEST(Diagnostics, ADowngradedWriterHasNoOwnersLine) {
  corolock::basic_async_shared_mutex<TypeParam, diagnostics> m("table");
  auto w = m.try_lock();
  EXPECT_NE(m.diagnostics().owner().line(), 0U);
  auto r = m.downgrade(std::move(w));
  EXPECT_EQ(m.diagnostics().owner().line(), 0U);
  EXPECT_EQ(m.diagnostics().holds().total(), 0U);
  r.unlock();
  EXPECT_EQ(m.diagnostics().holds().total(), 1U);
}

TYPED_TEST(Diagnostics, ASemaphoreCountsEachPermit) {
  corolock::basic_async_semaphore<TypeParam, diagnostics> s(
      2, corolock::basic_async_semaphore<TypeParam, diagnostics>::unbounded, "slots");
  {
    const auto a = s.try_acquire();
    auto b = s.try_acquire();
    const auto c = std::move(b);
  }
  EXPECT_EQ(s.diagnostics().name(), "slots");
  EXPECT_EQ(s.diagnostics().waits().total(), 2U);
  EXPECT_EQ(s.diagnostics().holds().total(), 2U);
}

TYPED_TEST(Diagnostics, EventConditionAndBarrierCountTheirWaits) {
  corolock::basic_async_event<TypeParam, diagnostics> e(false, "ready");
  auto wait = [](auto& event) -> task<> { co_await event.async_wait(); };
  auto a = started(wait(e));
  e.set();
  EXPECT_EQ(e.diagnostics().name(), "ready");
  EXPECT_EQ(e.diagnostics().waits().total(), 1U);

  corolock::basic_async_barrier<TypeParam, diagnostics> b(1, "phase");
  auto arrive = [](auto& barrier) -> task<> {
    static_cast<void>(co_await barrier.async_arrive_and_wait());
  };
  auto t = started(arrive(b));
  EXPECT_TRUE(t.done());
  EXPECT_EQ(b.diagnostics().waits().total(), 1U);

  typename TestFixture::mutex m("users");
  corolock::basic_async_condition<TypeParam, diagnostics> c("changed");
  auto wait_for = [](auto& lock, auto& condition) -> task<> {
    auto g = co_await lock.async_lock();
    co_await condition.async_wait(g);
  };
  auto w = started(wait_for(m, c));
  c.notify_one();
  EXPECT_TRUE(w.done());
  EXPECT_EQ(c.diagnostics().waits().total(), 1U);
  EXPECT_EQ(m.diagnostics().waits().total(), 2U);
  EXPECT_EQ(m.diagnostics().holds().total(), 2U);
}

TEST(DurationHistogram, CountsByPowersOfTwoOfANanosecond) {
  corolock::duration_histogram h;
  h.add(-5ns);
  h.add(0ns);
  h.add(1ns);
  h.add(2ns);
  h.add(3ns);
  h.add(1024ns);
  h.add(24h);
  const auto counts = h.snapshot();
  EXPECT_EQ(counts[0], 3U);
  EXPECT_EQ(counts[1], 2U);
  EXPECT_EQ(counts[10], 1U);
  EXPECT_EQ(counts[corolock::duration_histogram::bucket_count - 1], 1U);
  EXPECT_EQ(h.total(), 7U);
}

namespace {

template <class Primitive>
constexpr std::size_t words = sizeof(Primitive) / sizeof(void*);

}  // namespace

TEST(NoDiagnostics, CostNotAByte) {
  using corolock::multi_threaded;
  using corolock::single_threaded;
  EXPECT_EQ((words<corolock::basic_async_mutex<multi_threaded, no_diagnostics>>), 2U);
  EXPECT_EQ((words<corolock::basic_async_mutex<single_threaded, no_diagnostics>>), 2U);
  EXPECT_EQ(words<corolock::async_event>, 2U);
  EXPECT_EQ(words<corolock::async_condition>, 2U);
  EXPECT_EQ(words<corolock::async_shared_mutex>, 3U);
  EXPECT_EQ(words<corolock::mutex_guard>, 1U);
  EXPECT_EQ(words<corolock::shared_guard>, 1U);
  EXPECT_EQ(words<corolock::permit>, 2U);
  EXPECT_GT((sizeof(corolock::basic_async_mutex<multi_threaded, diagnostics>)),
            sizeof(corolock::async_mutex));
}

TEST(NoDiagnostics, RecordNothing) {
  EXPECT_TRUE(std::is_empty_v<no_diagnostics>);
  EXPECT_TRUE(std::is_empty_v<no_diagnostics::call_site>);
  EXPECT_TRUE(std::is_empty_v<no_diagnostics::wait_record>);
  EXPECT_TRUE(std::is_empty_v<no_diagnostics::hold_record>);
  EXPECT_FALSE(no_diagnostics::is_enabled);
}
