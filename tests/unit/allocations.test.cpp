// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers

// No wait of the core allocates: neither the one that finds its grant at once, nor the one that
// queues, is woken, is stopped, or is destroyed. (The frames of the tasks exist beforehand.)

#include <corolock/async_barrier.hpp>
#include <corolock/async_condition.hpp>
#include <corolock/async_event.hpp>
#include <corolock/async_mutex.hpp>
#include <corolock/async_semaphore.hpp>
#include <corolock/async_shared_mutex.hpp>
#include <support/allocation_counter.hpp>
#include <support/manual_executor.hpp>
#include <support/policies.hpp>
#include <support/task.hpp>

#include <gtest/gtest.h>

#include <array>
#include <new>
#include <optional>
#include <stop_token>
#include <utility>

using corolock_test::allocation_counter;
using corolock_test::manual_executor;
using corolock_test::task;

template <class Threading>
class Allocations : public testing::Test {
 protected:
  Allocations() { executor_.reserve(16); }

  manual_executor executor_;
  std::stop_source stop_;
};
TYPED_TEST_SUITE(Allocations, corolock_test::policies, corolock_test::policy_names);

TYPED_TEST(Allocations, AreCounted) {
  const allocation_counter allocations;
  ::operator delete(::operator new(1));
  EXPECT_EQ(allocations.by_this_thread(), 1U);
  EXPECT_GE(allocations.by_all_threads(), 1U);
}

TYPED_TEST(Allocations, NoneForAMutex) {
  using mutex = corolock::basic_async_mutex<TypeParam>;
  auto plain = [](mutex& m) -> task<> { const auto g = co_await m.async_lock(); };
  auto named = [](mutex& m, manual_executor& e) -> task<> {
    const auto g = co_await m.async_lock().on(e);
  };
  auto stoppable = [](mutex& m, manual_executor& e, std::stop_token token) -> task<> {
    const auto g = co_await m.async_lock(std::move(token)).on(e);
  };
  mutex m;
  std::array<task<>, 7> tasks = {plain(m),
                                 plain(m),
                                 plain(m),
                                 named(m, this->executor_),
                                 named(m, this->executor_),
                                 stoppable(m, this->executor_, this->stop_.get_token()),
                                 stoppable(m, this->executor_, this->stop_.get_token())};

  const allocation_counter allocations;
  tasks[0].start();  // at once
  auto g = m.try_lock();
  for (std::size_t i = 1; i < tasks.size(); ++i) {
    tasks[i].start();  // queued
  }
  this->stop_.request_stop();
  g.unlock();
  this->executor_.run_all();
  EXPECT_EQ(allocations.by_this_thread(), 0U);
  for (const auto& t : tasks) {
    EXPECT_TRUE(t.done());
  }
}

TYPED_TEST(Allocations, NoneForASharedMutex) {
  using mutex = corolock::basic_async_shared_mutex<TypeParam>;
  auto read = [](mutex& m) -> task<> { const auto g = co_await m.async_lock_shared(); };
  auto write = [](mutex& m, std::stop_token token) -> task<> {
    const auto g = co_await m.async_lock(std::move(token));
  };
  mutex m;
  std::array<task<>, 4> tasks = {read(m), write(m, this->stop_.get_token()), read(m), read(m)};

  const allocation_counter allocations;
  auto g = m.try_lock();
  for (auto& t : tasks) {
    t.start();
  }
  auto shared = m.downgrade(std::move(g));
  this->stop_.request_stop();
  shared.unlock();
  EXPECT_EQ(allocations.by_this_thread(), 0U);
  for (const auto& t : tasks) {
    EXPECT_TRUE(t.done());
  }
}

TYPED_TEST(Allocations, NoneForASemaphore) {
  using semaphore = corolock::basic_async_semaphore<TypeParam>;
  auto acquire = [](semaphore& s, std::size_t units, std::stop_token token) -> task<> {
    const auto p = co_await s.async_acquire(units, std::move(token));
  };
  semaphore s(1);
  std::array<task<>, 4> tasks = {
      acquire(s, 1, std::stop_token()), acquire(s, 2, this->stop_.get_token()),
      acquire(s, 1, std::stop_token()), acquire(s, 2, std::stop_token())};

  const allocation_counter allocations;
  for (auto& t : tasks) {
    t.start();
  }
  this->stop_.request_stop();
  s.close();
  EXPECT_EQ(allocations.by_this_thread(), 0U);
  for (const auto& t : tasks) {
    EXPECT_TRUE(t.done());
  }
}

TYPED_TEST(Allocations, NoneForAnEventAConditionAndABarrier) {
  using mutex = corolock::basic_async_mutex<TypeParam>;
  using condition = corolock::basic_async_condition<TypeParam>;
  using event = corolock::basic_async_event<TypeParam>;
  using barrier = corolock::basic_async_barrier<TypeParam>;
  auto wait = [](event& e, mutex& m, condition& c, barrier& b, std::stop_token token) -> task<> {
    co_await e.async_wait();
    {
      auto g = co_await m.async_lock();
      static_cast<void>(co_await c.async_wait(g, std::move(token)));
    }
    static_cast<void>(co_await b.async_arrive_and_wait());
  };
  event e;
  mutex m;
  condition c;
  barrier b(2);
  std::array<task<>, 2> tasks = {wait(e, m, c, b, std::stop_token()),
                                 wait(e, m, c, b, this->stop_.get_token())};

  const allocation_counter allocations;
  for (auto& t : tasks) {
    t.start();
  }
  e.set();
  this->stop_.request_stop();
  c.notify_all();
  EXPECT_EQ(allocations.by_this_thread(), 0U);
  for (const auto& t : tasks) {
    EXPECT_TRUE(t.done());
  }
}
