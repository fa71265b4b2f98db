// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers

// The event, the condition and the barrier on Asio.

#include <corolock/asio.hpp>
#include <support/asio.hpp>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/bind_executor.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/use_future.hpp>
#include <boost/system/system_error.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdlib>
#include <future>
#include <stdexcept>
#include <thread>
#include <tuple>
#include <utility>
#include <vector>

namespace asio = boost::asio;
using asio::cancellation_type;
using asio::use_awaitable;
using corolock::async_arrive_and_wait;
using corolock::async_lock;
using corolock::async_mutex;
using corolock::async_wait;
using corolock::async_wait_for;
using corolock::errc;
using corolock::mutex_guard;
using corolock_test::completion;
using corolock_test::error_code;
using corolock_test::launch;
using corolock_test::poll;
using corolock_test::run;
using testing::ElementsAre;

namespace {

class on_context : public testing::Test {
 protected:
  template <class Token>
  auto here(Token&& token) {
    return asio::bind_executor(context_, std::forward<Token>(token));
  }
  template <class Token>
  auto here(Token&& token, asio::cancellation_signal& signal) {
    return asio::bind_cancellation_slot(signal.slot(), here(std::forward<Token>(token)));
  }

  asio::io_context context_;
  asio::cancellation_signal signal_;
};

}  // namespace

// ---------------------------------------------------------------------------------------- event

class AsioEvent : public on_context {
 protected:
  static asio::awaitable<void> append(corolock::async_event& e, std::vector<int>& order, int id) {
    co_await async_wait(e, use_awaitable);
    order.push_back(id);
  }

  corolock::async_event event_;
  std::vector<int> order_;
};

TEST_F(AsioEvent, WakesAllThatWaitInOrderOfArrival) {
  launch(context_, append(event_, order_, 1));
  completion<void> callback;
  poll(context_);
  async_wait(event_, here(callback.handler()));
  launch(context_, append(event_, order_, 2));
  poll(context_);
  EXPECT_THAT(order_, ElementsAre());
  event_.set();
  EXPECT_THAT(order_, ElementsAre());
  EXPECT_EQ(callback.calls, 0U);
  poll(context_);
  EXPECT_THAT(order_, ElementsAre(1, 2));
  EXPECT_TRUE(callback.succeeded());
}

TEST_F(AsioEvent, ATaskThatWaitsForASetEventDoesNotGoThroughTheScheduler) {
  event_.set();
  launch(context_, append(event_, order_, 1));
  EXPECT_EQ(context_.poll_one(), 1U);
  EXPECT_THAT(order_, ElementsAre(1));
}

TEST_F(AsioEvent, ACallbackOfASetEventIsNotCalledInsideTheInitiatingFunction) {
  event_.set();
  completion<void> callback;
  async_wait(event_, here(callback.handler()));
  EXPECT_EQ(callback.calls, 0U);
  poll(context_);
  EXPECT_TRUE(callback.succeeded());
}

TEST_F(AsioEvent, ResetBeforeTheWaitersRunDoesNotTakeTheWakeUpBack) {
  launch(context_, append(event_, order_, 1));
  poll(context_);
  event_.set();
  event_.reset();
  poll(context_);
  EXPECT_THAT(order_, ElementsAre(1));
}

TEST_F(AsioEvent, ACancelledWaitIsAbortedAndTheOthersAreNot) {
  completion<void> first;
  completion<void> second;
  async_wait(event_, here(first.handler(), signal_));
  async_wait(event_, here(second.handler()));
  signal_.emit(cancellation_type::total);
  poll(context_);
  EXPECT_TRUE(first.was_aborted());
  EXPECT_EQ(second.calls, 0U);
  EXPECT_FALSE(event_.is_set());
  event_.set();
  poll(context_);
  EXPECT_TRUE(second.succeeded());
}

static asio::awaitable<void> wait_by_every_token(corolock::async_event& e, int& passed) {
  co_await async_wait(e, use_awaitable);
  auto [error] = co_await async_wait(e, asio::as_tuple(use_awaitable));
  EXPECT_FALSE(error);
  error_code redirected = asio::error::eof;
  co_await async_wait(e, asio::redirect_error(use_awaitable, redirected));
  EXPECT_FALSE(redirected);
  ++passed;
  e.reset();
  std::tie(redirected) = co_await async_wait(e, asio::as_tuple(use_awaitable));
  EXPECT_FALSE(redirected);
  ++passed;
  e.reset();
  redirected = asio::error::eof;
  co_await async_wait(e, asio::redirect_error(use_awaitable, redirected));
  EXPECT_FALSE(redirected);
  ++passed;
}
TEST_F(AsioEvent, ATaskWaitsByEveryTokenOfCoroutines) {
  int passed = 0;
  event_.set();
  launch(context_, wait_by_every_token(event_, passed));
  poll(context_);
  EXPECT_EQ(passed, 1);
  event_.set();
  poll(context_);
  EXPECT_EQ(passed, 2);
  event_.set();
  poll(context_);
  EXPECT_EQ(passed, 3);
}

// -------------------------------------------------------------------------------------- condition

class AsioCondition : public on_context {
 protected:
  static asio::awaitable<void> wait(async_mutex& m, corolock::async_condition& c,
                                    std::vector<int>& order, int id) {
    mutex_guard guard = co_await async_lock(m, use_awaitable);
    co_await async_wait(c, guard, use_awaitable);
    EXPECT_EQ(guard.mutex(), &m);
    order.push_back(id);
  }
  template <class Predicate>
  static asio::awaitable<void> wait_until_true(async_mutex& m, corolock::async_condition& c,
                                               Predicate predicate, std::vector<int>& order,
                                               int id) {
    mutex_guard guard = co_await async_lock(m, use_awaitable);
    co_await async_wait(c, guard, predicate, use_awaitable);
    EXPECT_EQ(guard.mutex(), &m);
    EXPECT_TRUE(predicate());
    order.push_back(id);
  }

  async_mutex m_;
  mutex_guard guard_ = m_.try_lock();
  corolock::async_condition condition_;
  completion<void> done_;
  std::vector<int> order_;
};

TEST_F(AsioCondition, AWaitReleasesTheLockAndHoldsItAgainAfterTheNotification) {
  async_wait(condition_, guard_, here(done_.handler()));
  EXPECT_FALSE(guard_);
  EXPECT_FALSE(m_.is_locked());
  condition_.notify_one();
  EXPECT_EQ(done_.calls, 0U);
  poll(context_);
  EXPECT_TRUE(done_.succeeded());
  EXPECT_EQ(guard_.mutex(), &m_);
}

TEST_F(AsioCondition, ANotifiedWaiterIsNotCalledBeforeItHasTheLock) {
  async_wait(condition_, guard_, here(done_.handler()));
  mutex_guard other = m_.try_lock();
  condition_.notify_one();
  poll(context_);
  EXPECT_EQ(done_.calls, 0U);
  EXPECT_FALSE(guard_);
  other.unlock();
  poll(context_);
  EXPECT_TRUE(done_.succeeded());
  EXPECT_TRUE(guard_);
}

TEST_F(AsioCondition, TasksAreNotifiedInOrderOneAtATime) {
  guard_.unlock();
  for (int id = 1; id <= 3; ++id) {
    launch(context_, wait(m_, condition_, order_, id));
  }
  poll(context_);
  condition_.notify_one();
  poll(context_);
  EXPECT_THAT(order_, ElementsAre(1));
  condition_.notify_all();
  poll(context_);
  EXPECT_THAT(order_, ElementsAre(1, 2, 3));
}

TEST_F(AsioCondition, ACancelledWaitIsAbortedAndHoldsTheLockAgain) {
  async_wait(condition_, guard_, here(done_.handler(), signal_));
  signal_.emit(cancellation_type::total);
  poll(context_);
  EXPECT_TRUE(done_.was_aborted());
  EXPECT_EQ(guard_.mutex(), &m_);
  EXPECT_EQ(condition_.statistics().waiters, 0U);
}

TEST_F(AsioCondition, ACancelledWaitIsNotOverBeforeItHasTheLock) {
  async_wait(condition_, guard_, here(done_.handler(), signal_));
  mutex_guard other = m_.try_lock();
  signal_.emit(cancellation_type::terminal);
  signal_.emit(cancellation_type::terminal);
  poll(context_);
  EXPECT_EQ(done_.calls, 0U);
  other.unlock();
  poll(context_);
  EXPECT_TRUE(done_.was_aborted());
  EXPECT_TRUE(guard_);
}

TEST_F(AsioCondition, ACancellationAfterTheNotificationDoesNotUndoIt) {
  async_wait(condition_, guard_, here(done_.handler(), signal_));
  mutex_guard other = m_.try_lock();
  condition_.notify_one();
  signal_.emit(cancellation_type::total);
  other.unlock();
  signal_.emit(cancellation_type::total);
  poll(context_);
  EXPECT_TRUE(done_.succeeded());
  EXPECT_TRUE(guard_);
}

TEST_F(AsioCondition, ACancellationBeforeTheNotificationLeavesItToTheNextWaiter) {
  async_wait(condition_, guard_, here(done_.handler(), signal_));
  launch(context_, wait(m_, condition_, order_, 2));
  poll(context_);
  EXPECT_EQ(condition_.statistics().waiters, 2U);
  signal_.emit(cancellation_type::total);
  condition_.notify_one();
  poll(context_);
  EXPECT_TRUE(done_.was_aborted());
  guard_.unlock();
  poll(context_);
  EXPECT_THAT(order_, ElementsAre(2));
}

TEST_F(AsioCondition, ATimeoutLeavesTheLockHeld) {
  async_wait_for(condition_, guard_, std::chrono::milliseconds(0), here(done_.handler()));
  mutex_guard other = m_.try_lock();
  for (int i = 0; i < 10; ++i) {
    poll(context_);
  }
  EXPECT_EQ(done_.calls, 0U);
  other.unlock();
  run(context_);
  EXPECT_TRUE(done_.failed_with(errc::timed_out));
  EXPECT_EQ(guard_.mutex(), &m_);
}

static asio::awaitable<void> wait_in_vain(async_mutex& m, corolock::async_condition& c,
                                          bool& done) {
  mutex_guard guard = co_await async_lock(m, use_awaitable);
  try {
    co_await async_wait_for(c, guard, std::chrono::milliseconds(0), use_awaitable);
  } catch (const boost::system::system_error& e) {
    EXPECT_EQ(e.code(), errc::timed_out);
    EXPECT_EQ(guard.mutex(), &m);
    done = true;
  }
  const auto never = [] { return false; };
  auto [error] = co_await async_wait_for(c, guard, never, std::chrono::milliseconds(0),
                                         asio::as_tuple(use_awaitable));
  EXPECT_EQ(error, errc::timed_out);
  EXPECT_EQ(guard.mutex(), &m);
}
TEST_F(AsioCondition, ATaskThatTimesOutHoldsTheLockWhenItThrows) {
  guard_.unlock();
  bool done = false;
  launch(context_, wait_in_vain(m_, condition_, done));
  run(context_);
  EXPECT_TRUE(done);
  EXPECT_FALSE(m_.is_locked());
}

TEST_F(AsioCondition, APredicateThatIsTrueAtOnceKeepsTheLock) {
  async_wait(condition_, guard_, [] { return true; }, here(done_.handler()));
  EXPECT_TRUE(m_.is_locked());
  EXPECT_EQ(done_.calls, 0U);
  poll(context_);
  EXPECT_TRUE(done_.succeeded());
  EXPECT_TRUE(guard_);
}

TEST_F(AsioCondition, AWaitForAPredicateGoesOnUntilItIsTrue) {
  int items = 0;
  int calls = 0;
  const auto enough = [&] {
    ++calls;
    EXPECT_TRUE(m_.is_locked());
    return items == 2;
  };
  async_wait(condition_, guard_, enough, here(done_.handler()));
  EXPECT_EQ(calls, 1);
  for (int i = 1; i <= 2; ++i) {
    {
      const mutex_guard guard = m_.try_lock();
      EXPECT_TRUE(guard);
      ++items;
      condition_.notify_one();
    }
    poll(context_);
    EXPECT_EQ(calls, 1 + i);
  }
  EXPECT_TRUE(done_.succeeded());
  EXPECT_TRUE(guard_);
}

TEST_F(AsioCondition, ThePredicateIsEvaluatedOnTheHandlersExecutorOnly) {
  asio::thread_pool pool(2);
  const auto strand = asio::make_strand(pool);
  std::atomic<int> calls{0};
  const auto third_time = [&] {
    EXPECT_TRUE(strand.running_in_this_thread());
    return ++calls == 3;
  };
  std::promise<error_code> done;
  asio::post(strand, [&] {
    async_wait(condition_, guard_, third_time,
               asio::bind_executor(strand, [&](error_code e) { done.set_value(e); }));
  });
  while (calls != 3) {
    condition_.notify_one();
    std::this_thread::yield();
  }
  EXPECT_FALSE(done.get_future().get());
  pool.join();
  EXPECT_TRUE(guard_);
}

TEST_F(AsioCondition, ACancellationEndsAWaitWhosePredicateIsFalseAndSparesOneThatIsTrue) {
  bool ready = false;
  const auto predicate = [&] { return ready; };
  async_wait(condition_, guard_, predicate, here(done_.handler(), signal_));
  signal_.emit(cancellation_type::total);
  poll(context_);
  EXPECT_TRUE(done_.was_aborted());
  EXPECT_TRUE(guard_);

  completion<void> second;
  async_wait(condition_, guard_, predicate, here(second.handler(), signal_));
  ready = true;
  signal_.emit(cancellation_type::total);
  poll(context_);
  EXPECT_TRUE(second.succeeded());
  EXPECT_TRUE(guard_);
}

TEST_F(AsioCondition, TasksWaitForAPredicateAndOthersMakeItTrue) {
  guard_.unlock();
  std::vector<int> items;
  const auto some = [&] { return !items.empty(); };
  launch(context_, wait_until_true(m_, condition_, some, order_, 1));
  launch(context_, wait_until_true(m_, condition_, some, order_, 2));
  poll(context_);
  condition_.notify_all();
  poll(context_);
  EXPECT_THAT(order_, ElementsAre());
  EXPECT_EQ(condition_.statistics().waiters, 2U);
  items.push_back(7);
  condition_.notify_all();
  poll(context_);
  EXPECT_THAT(order_, ElementsAre(1, 2));
}

using AsioConditionDeathTest = AsioCondition;
TEST_F(AsioConditionDeathTest, APredicateThatThrowsTerminates) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_DEATH(
      {
        async_wait(
            condition_, guard_, []() -> bool { throw std::runtime_error("the predicate threw"); },
            here(done_.handler()));
        poll(context_);
        std::_Exit(0);
      },
      "");
}

TEST_F(AsioCondition, TheLocalOneWorksOnOneContext) {
  corolock::local_async_mutex m;
  corolock::local_async_condition c;
  corolock::local_mutex_guard guard = m.try_lock();
  async_wait(c, guard, here(done_.handler(), signal_));
  c.notify_one();
  poll(context_);
  EXPECT_TRUE(done_.succeeded());
  completion<void> second;
  async_wait(c, guard, [] { return false; }, here(second.handler(), signal_));
  c.notify_all();
  poll(context_);
  signal_.emit(cancellation_type::total);
  poll(context_);
  EXPECT_TRUE(second.was_aborted());
  EXPECT_TRUE(guard);
}

// ---------------------------------------------------------------------------------------- barrier

class AsioBarrier : public on_context {
 protected:
  static asio::awaitable<void> arrive(corolock::async_barrier& b, std::vector<std::size_t>& order) {
    order.push_back(co_await async_arrive_and_wait(b, use_awaitable));
  }

  corolock::async_barrier barrier_{3};
  std::vector<std::size_t> order_;
};

TEST_F(AsioBarrier, TasksGoOnWhenAllHaveArrivedEachWithItsIndex) {
  completion<std::size_t> callback;
  launch(context_, arrive(barrier_, order_));
  poll(context_);
  async_arrive_and_wait(barrier_, here(callback.handler()));
  poll(context_);
  EXPECT_EQ(callback.calls, 0U);
  EXPECT_THAT(order_, ElementsAre());
  launch(context_, arrive(barrier_, order_));
  poll(context_);
  EXPECT_THAT(order_, ElementsAre(0U, 2U));
  EXPECT_TRUE(callback.succeeded());
  EXPECT_EQ(callback.grant, 1U);
}

TEST_F(AsioBarrier, TheLastArrivalIsNotCalledInsideTheInitiatingFunction) {
  corolock::async_barrier alone(1);
  completion<std::size_t> done;
  async_arrive_and_wait(alone, here(done.handler()));
  EXPECT_EQ(done.calls, 0U);
  poll(context_);
  EXPECT_TRUE(done.succeeded());
}

TEST_F(AsioBarrier, ACancelledWaiterHasNotArrived) {
  completion<std::size_t> cancelled;
  async_arrive_and_wait(barrier_, here(cancelled.handler(), signal_));
  signal_.emit(cancellation_type::partial);
  poll(context_);
  EXPECT_TRUE(cancelled.was_aborted());
  EXPECT_FALSE(barrier_.is_broken());
  EXPECT_EQ(barrier_.statistics().waiters, 0U);
  for (int i = 0; i < 3; ++i) {
    launch(context_, arrive(barrier_, order_));
  }
  poll(context_);
  EXPECT_THAT(order_, ElementsAre(0U, 1U, 2U));
}

static asio::awaitable<void> arrive_in_vain(corolock::async_barrier& b,
                                            std::vector<error_code>& errors) {
  auto [error, index] = co_await async_arrive_and_wait(b, asio::as_tuple(use_awaitable));
  errors.push_back(error);
  try {
    co_await async_arrive_and_wait(b, use_awaitable);
  } catch (const boost::system::system_error& e) {
    errors.push_back(e.code());
  }
}
TEST_F(AsioBarrier, AbortEndsWaitsNowAndLaterWithBroken) {
  std::vector<error_code> errors;
  completion<std::size_t> callback;
  launch(context_, arrive_in_vain(barrier_, errors));
  async_arrive_and_wait(barrier_, here(callback.handler()));
  poll(context_);
  barrier_.abort();
  EXPECT_TRUE(errors.empty());
  poll(context_);
  EXPECT_THAT(errors, ElementsAre(errc::broken, errc::broken));
  EXPECT_TRUE(callback.failed_with(errc::broken));
  completion<std::size_t> later;
  async_arrive_and_wait(barrier_, here(later.handler()));
  poll(context_);
  EXPECT_TRUE(later.failed_with(errc::broken));
}
