// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers

// The mutex on Asio: completion tokens, executors, order, and the scheduler.

#include <corolock/asio.hpp>
#include <support/asio.hpp>
#include <support/task.hpp>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/bind_allocator.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/bind_executor.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/spawn.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/use_future.hpp>
#include <boost/system/system_error.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <cstddef>
#include <future>
#include <memory>
#include <stdexcept>
#include <string>
#include <system_error>
#include <thread>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

namespace asio = boost::asio;
using asio::use_awaitable;
using corolock::async_lock;
using corolock::async_mutex;
using corolock::mutex_guard;
using corolock_test::completion;
using corolock_test::error_code;
using corolock_test::launch;
using corolock_test::poll;
using corolock_test::started;
using corolock_test::task;
using corolock_test::yield;
using testing::ElementsAre;

class AsioLock : public testing::Test {
 protected:
  template <class Token>
  auto here(Token&& token) {
    return asio::bind_executor(context_, std::forward<Token>(token));
  }

  static asio::awaitable<void> take(async_mutex& m, mutex_guard& guard) {
    guard = co_await async_lock(m, use_awaitable);
  }
  static asio::awaitable<void> append(async_mutex& m, std::vector<int>& order, int id) {
    const mutex_guard guard = co_await async_lock(m, use_awaitable);
    order.push_back(id);
  }
  static task<> append_plain(async_mutex& m, std::vector<int>& order, int id) {
    const mutex_guard guard = co_await m.async_lock();
    order.push_back(id);
  }

  async_mutex m_;
  mutex_guard held_ = m_.try_lock();
  mutex_guard guard_;
  asio::io_context context_;
  std::vector<int> order_;
};

// --------------------------------------------------------------------------------------- tokens

TEST_F(AsioLock, ATaskWaitsForTheLockAndGetsAGuard) {
  launch(context_, take(m_, guard_));
  poll(context_);
  EXPECT_FALSE(guard_);
  EXPECT_EQ(m_.statistics().waiters, 1U);
  held_.unlock();
  EXPECT_FALSE(guard_);
  poll(context_);
  EXPECT_EQ(guard_.mutex(), &m_);
  EXPECT_TRUE(m_.is_locked());
  guard_.unlock();
  EXPECT_FALSE(m_.is_locked());
}

TEST_F(AsioLock, DeferredDoesNotQueueUntilItIsLaunched) {
  completion<mutex_guard> done;
  auto operation = async_lock(m_, asio::deferred);
  EXPECT_EQ(m_.statistics().waiters, 0U);
  std::move(operation)(here(done.handler()));
  EXPECT_EQ(m_.statistics().waiters, 1U);
  held_.unlock();
  poll(context_);
  EXPECT_TRUE(done.succeeded());
  EXPECT_EQ(done.grant.mutex(), &m_);
}

static asio::awaitable<void> take_deferred(async_mutex& m, mutex_guard& guard) {
  guard = co_await async_lock(m, asio::deferred);
}
TEST_F(AsioLock, ADeferredWaitCanBeAwaited) {
  launch(context_, take_deferred(m_, guard_));
  poll(context_);
  held_.unlock();
  poll(context_);
  EXPECT_TRUE(guard_);
}

static asio::awaitable<void> take_tuple(async_mutex& m, error_code& error, mutex_guard& guard) {
  std::tie(error, guard) = co_await async_lock(m, asio::as_tuple(use_awaitable));
}
TEST_F(AsioLock, AsTupleGivesTheErrorAndTheGuard) {
  error_code error = asio::error::eof;
  launch(context_, take_tuple(m_, error, guard_));
  poll(context_);
  held_.unlock();
  poll(context_);
  EXPECT_FALSE(error);
  EXPECT_TRUE(guard_);
}
TEST_F(AsioLock, AsTupleGivesAGuardAtOnceWhenTheMutexIsFree) {
  held_.unlock();
  error_code error = asio::error::eof;
  launch(context_, take_tuple(m_, error, guard_));
  EXPECT_EQ(context_.poll_one(), 1U);
  EXPECT_FALSE(error);
  EXPECT_TRUE(guard_);
}

static asio::awaitable<void> take_redirected(async_mutex& m, error_code& error,
                                             mutex_guard& guard) {
  guard = co_await async_lock(m, asio::redirect_error(use_awaitable, error));
}
TEST_F(AsioLock, RedirectErrorStoresTheErrorAndGivesTheGuard) {
  error_code error = asio::error::eof;
  launch(context_, take_redirected(m_, error, guard_));
  poll(context_);
  EXPECT_TRUE(error);
  held_.unlock();
  poll(context_);
  EXPECT_FALSE(error);
  EXPECT_TRUE(guard_);
}
TEST_F(AsioLock, RedirectErrorStoresSuccessAtOnceWhenTheMutexIsFree) {
  held_.unlock();
  error_code error = asio::error::eof;
  launch(context_, take_redirected(m_, error, guard_));
  poll(context_);
  EXPECT_FALSE(error);
  EXPECT_TRUE(guard_);
}

TEST_F(AsioLock, UseFutureGivesAFutureGuard) {
  std::future<mutex_guard> future = async_lock(m_, here(asio::use_future));
  poll(context_);
  held_.unlock();
  poll(context_);
  guard_ = future.get();
  EXPECT_TRUE(guard_);
}

TEST_F(AsioLock, AFutureOfTheSystemExecutorIsFulfilledByAnotherThread) {
  std::future<mutex_guard> future = async_lock(m_, asio::use_future);
  held_.unlock();
  guard_ = future.get();
  EXPECT_TRUE(guard_);
}

TEST_F(AsioLock, AStackfulCoroutineWaitsByItsYieldContext) {
  asio::spawn(
      context_, [&](asio::yield_context yield) { guard_ = async_lock(m_, yield); },
      corolock_test::rethrow());
  poll(context_);
  EXPECT_FALSE(guard_);
  held_.unlock();
  poll(context_);
  EXPECT_TRUE(guard_);
}

TEST_F(AsioLock, ACallbackGetsTheGuard) {
  completion<mutex_guard> done;
  async_lock(m_, here(done.handler()));
  poll(context_);
  EXPECT_EQ(done.calls, 0U);
  held_.unlock();
  EXPECT_EQ(done.calls, 0U);
  poll(context_);
  EXPECT_TRUE(done.succeeded());
  EXPECT_TRUE(done.grant);
}

TEST_F(AsioLock, ACallbackWithoutAnExecutorRunsOnTheSystemExecutor) {
  std::promise<std::thread::id> ran_on;
  async_lock(m_, [&](error_code, mutex_guard guard) {
    guard.unlock();
    ran_on.set_value(std::this_thread::get_id());
  });
  held_.unlock();
  EXPECT_NE(ran_on.get_future().get(), std::this_thread::get_id());
  EXPECT_FALSE(m_.is_locked());
}

TEST_F(AsioLock, ACallbackMayBeMoveOnly) {
  auto calls = std::make_unique<int>(0);
  int& count = *calls;
  async_lock(m_, here([calls = std::move(calls), &count](error_code, mutex_guard) {
               EXPECT_EQ(calls.get(), &count);
               ++count;
               EXPECT_EQ(count, 1);
             }));
  held_.unlock();
  poll(context_);
  EXPECT_FALSE(m_.is_locked());
}

TEST_F(AsioLock, ATokenMayBeAnLvalue) {
  completion<mutex_guard> done;
  auto token = here(done.handler());
  async_lock(m_, token);
  async_lock(m_, token);
  held_.unlock();
  poll(context_);
  done.grant.unlock();
  poll(context_);
  EXPECT_EQ(done.calls, 2U);
}

static asio::awaitable<void> take_with_slot(async_mutex& m, asio::cancellation_slot slot,
                                            error_code& error, mutex_guard& guard) {
  auto token = asio::bind_cancellation_slot(slot, asio::as_tuple(use_awaitable));
  auto [e, g] = co_await async_lock(m, token);
  error = e;
  guard = std::move(g);
}
TEST_F(AsioLock, BindersStackUponAwaitables) {
  asio::cancellation_signal signal;
  error_code error;
  launch(context_, take_with_slot(m_, signal.slot(), error, guard_));
  poll(context_);
  held_.unlock();
  poll(context_);
  EXPECT_TRUE(guard_);
  error_code aborted;
  mutex_guard none;
  launch(context_, take_with_slot(m_, signal.slot(), aborted, none));
  poll(context_);
  signal.emit(asio::cancellation_type::total);
  poll(context_);
  EXPECT_EQ(aborted, asio::error::operation_aborted);
  EXPECT_FALSE(none);
}

TEST_F(AsioLock, TheResultTypesAreTheGuardAndTheTuple) {
  static_assert(std::is_same_v<decltype(async_lock(m_, use_awaitable)),
                               asio::awaitable<mutex_guard, asio::any_io_executor>>);
  static_assert(std::is_same_v<decltype(async_lock(m_, asio::as_tuple(use_awaitable))),
                               asio::awaitable<std::tuple<error_code, mutex_guard>>>);
  static_assert(std::is_void_v<decltype(async_lock(m_, [](error_code, mutex_guard) {}))>);
}

// ------------------------------------------------------------------------------------ executors

TEST_F(AsioLock, AHandlerRunsOnItsOwnStrandWhoeverUnlocks) {
  asio::thread_pool pool(2);
  const auto strand = asio::make_strand(pool);
  std::promise<bool> in_strand;
  async_lock(m_, asio::bind_executor(strand, [&](error_code, const mutex_guard&) {
               in_strand.set_value(strand.running_in_this_thread());
             }));
  held_.unlock();
  EXPECT_TRUE(in_strand.get_future().get());
  pool.join();
}

TEST_F(AsioLock, ACoroutineOfAThreadPoolIsResumedOnThePool) {
  asio::thread_pool pool(1);
  std::promise<std::thread::id> pool_thread;
  asio::post(pool, [&] { pool_thread.set_value(std::this_thread::get_id()); });
  std::promise<std::thread::id> resumed_on;
  asio::co_spawn(
      pool,
      [](async_mutex& m, std::promise<std::thread::id>& on) -> asio::awaitable<void> {
        const mutex_guard guard = co_await async_lock(m, use_awaitable);
        on.set_value(std::this_thread::get_id());
      }(m_, resumed_on),
      corolock_test::rethrow());
  while (m_.statistics().waiters == 0) {
    std::this_thread::yield();
  }
  held_.unlock();
  EXPECT_EQ(resumed_on.get_future().get(), pool_thread.get_future().get());
  pool.join();
}

TEST_F(AsioLock, TasksOfTwoContextsShareOneMutex) {
  asio::io_context other;
  launch(context_, append(m_, order_, 1));
  launch(other, append(m_, order_, 2));
  poll(context_);
  poll(other);
  launch(context_, append(m_, order_, 3));
  poll(context_);
  held_.unlock();
  poll(other);
  EXPECT_THAT(order_, ElementsAre());
  poll(context_);
  EXPECT_THAT(order_, ElementsAre(1));
  poll(other);
  poll(context_);
  EXPECT_THAT(order_, ElementsAre(1, 2, 3));
}

TEST_F(AsioLock, ACoroutineMayHaveAnExecutorOfAnyType) {
  using executor = asio::strand<asio::io_context::executor_type>;
  using token = asio::use_awaitable_t<executor>;
  constexpr auto take_both = [](async_mutex& m, int& count) -> asio::awaitable<void, executor> {
    for (int i = 0; i < 2; ++i) {
      const mutex_guard guard = co_await async_lock(m, token());
      ++count;
    }
  };
  int count = 0;
  launch(executor(context_.get_executor()), take_both(m_, count));
  poll(context_);
  EXPECT_EQ(count, 0);
  held_.unlock();
  poll(context_);
  EXPECT_EQ(count, 2);
}

TEST_F(AsioLock, AWaitingCallbackKeepsItsContextRunning) {
  completion<mutex_guard> done;
  async_lock(m_, here(done.handler()));
  poll(context_);
  EXPECT_FALSE(context_.stopped());
  held_.unlock();
  poll(context_);
  EXPECT_TRUE(context_.stopped());
  EXPECT_TRUE(done.succeeded());
}

// ------------------------------------------------------------------------------- order and turns

TEST_F(AsioLock, AHandlerNeverRunsInsideTheInitiatingFunction) {
  held_.unlock();
  completion<mutex_guard> done;
  asio::post(context_, [&] {
    async_lock(m_, here(done.handler()));
    EXPECT_EQ(done.calls, 0U);
    EXPECT_TRUE(m_.is_locked());
  });
  poll(context_);
  EXPECT_TRUE(done.succeeded());
}

TEST_F(AsioLock, UnlockNeverRunsTheWaiterBeforeItReturns) {
  launch(context_, append(m_, order_, 1));
  poll(context_);
  asio::post(context_, [&] {
    held_.unlock();
    EXPECT_THAT(order_, ElementsAre());
    order_.push_back(0);
  });
  poll(context_);
  EXPECT_THAT(order_, ElementsAre(0, 1));
}

static asio::awaitable<void> lock_often(async_mutex& m, asio::io_context& context, bool& other_ran,
                                        int& count) {
  asio::post(context, [&other_ran] { other_ran = true; });
  for (; count < 1000; ++count) {
    const mutex_guard guard = co_await async_lock(m, use_awaitable);
    EXPECT_FALSE(other_ran);
  }
  for (; count < 2000; ++count) {
    auto [error, guard] = co_await async_lock(m, asio::as_tuple(use_awaitable));
    EXPECT_FALSE(other_ran);
  }
  error_code error;
  for (; count < 3000; ++count) {
    const mutex_guard guard = co_await async_lock(m, asio::redirect_error(use_awaitable, error));
    EXPECT_FALSE(other_ran);
  }
}
TEST_F(AsioLock, AnUncontendedAcquireDoesNotGoThroughTheScheduler) {
  held_.unlock();
  bool other_ran = false;
  int count = 0;
  launch(context_, lock_often(m_, context_, other_ran, count));
  poll(context_);
  EXPECT_EQ(count, 3000);
  EXPECT_TRUE(other_ran);
}

TEST_F(AsioLock, PlainCoroutinesAndAsioTasksWaitInOneQueue) {
  launch(context_, append(m_, order_, 1));
  poll(context_);
  const task<> second = started(append_plain(m_, order_, 2));
  launch(context_, append(m_, order_, 3));
  poll(context_);
  const task<> fourth = started(append_plain(m_, order_, 4));
  const task<> fifth = started(append_plain(m_, order_, 5));
  EXPECT_EQ(m_.statistics().waiters, 5U);
  held_.unlock();
  EXPECT_THAT(order_, ElementsAre());
  poll(context_);
  EXPECT_THAT(order_, ElementsAre(1, 2, 3, 4, 5));
  EXPECT_TRUE(fifth.done());
}

TEST_F(AsioLock, ANewcomerDoesNotOvertakeAWaiterWhoseGuardIsOnItsWay) {
  launch(context_, append(m_, order_, 1));
  poll(context_);
  held_.unlock();
  EXPECT_FALSE(m_.try_lock());
  completion<mutex_guard> second;
  async_lock(m_, here(second.handler()));
  EXPECT_EQ(m_.statistics().waiters, 1U);
  launch(context_, append(m_, order_, 2));
  poll(context_);
  EXPECT_THAT(order_, ElementsAre(1));
  EXPECT_TRUE(second.succeeded());
  second.grant.unlock();
  poll(context_);
  EXPECT_THAT(order_, ElementsAre(1, 2));
}

static asio::awaitable<void> increment(async_mutex& m, int& count) {
  const mutex_guard guard = co_await async_lock(m, use_awaitable);
  const int before = count;
  co_await yield(3);
  count = before + 1;
}
TEST_F(AsioLock, ASectionWithASuspensionInsideIsNotInterleaved) {
  held_.unlock();
  asio::thread_pool pool(2);
  int count = 0;
  for (int i = 0; i < 100; ++i) {
    launch(pool, increment(m_, count));
  }
  pool.join();
  EXPECT_EQ(count, 100);
}

TEST_F(AsioLock, AStrandAloneDoesNotExcludeAcrossASuspension) {
  constexpr auto increment_unlocked = [](int& count) -> asio::awaitable<void> {
    const int before = count;
    co_await yield();
    count = before + 1;
  };
  const auto strand = asio::make_strand(context_);
  int count = 0;
  launch(strand, increment_unlocked(count));
  launch(strand, increment_unlocked(count));
  poll(context_);
  EXPECT_EQ(count, 1);
}

TEST_F(AsioLock, TheGuardUnlocksWhenAnExceptionLeavesTheSection) {
  constexpr auto fail = [](async_mutex& m) -> asio::awaitable<void> {
    const mutex_guard guard = co_await async_lock(m, use_awaitable);
    throw std::runtime_error("failed");
  };
  launch(context_, fail(m_));
  poll(context_);
  held_.unlock();
  EXPECT_THROW(poll(context_), std::runtime_error);
  EXPECT_FALSE(m_.is_locked());
}

TEST_F(AsioLock, ADroppedResultUnlocks) {
  constexpr auto drop = [](async_mutex& m) -> asio::awaitable<void> {
    static_cast<void>(co_await async_lock(m, use_awaitable));
    EXPECT_FALSE(m.is_locked());
  };
  launch(context_, drop(m_));
  poll(context_);
  held_.unlock();
  poll(context_);
  EXPECT_FALSE(m_.is_locked());
}

TEST_F(AsioLock, AnAwaitableThatIsNeverAwaitedAcquiresNothing) {
  held_.unlock();
  {
    const auto never = async_lock(m_, use_awaitable);
  }
  EXPECT_FALSE(m_.is_locked());
}

static asio::awaitable<void> chain(async_mutex& m, std::size_t& turns) {
  for (int i = 0; i < 100; ++i) {
    const mutex_guard guard = co_await async_lock(m, use_awaitable);
    ++turns;
    co_await yield();
  }
}
TEST_F(AsioLock, AThousandTasksTakeTurns) {
  held_.unlock();
  std::size_t turns = 0;
  for (int i = 0; i < 1000; ++i) {
    launch(context_, chain(m_, turns));
  }
  context_.run();
  EXPECT_EQ(turns, 100'000U);
}

// ------------------------------------------------------------------------------------- the local

TEST(AsioLocalLock, ALocalMutexWorksOnOneContext) {
  constexpr auto locked = [](corolock::local_async_mutex& m, std::vector<int>& order,
                             int id) -> asio::awaitable<void> {
    const corolock::local_mutex_guard guard = co_await async_lock(m, use_awaitable);
    order.push_back(id);
    co_await yield();
    order.push_back(id);
  };
  asio::io_context context(1);
  corolock::local_async_mutex m;
  completion<corolock::local_mutex_guard> callback;
  std::vector<int> order;
  for (int id = 1; id <= 3; ++id) {
    launch(context, locked(m, order, id));
  }
  async_lock(m, asio::bind_executor(context, callback.handler()));
  callback.grant.unlock();
  context.poll();
  callback.grant.unlock();
  poll(context);
  EXPECT_THAT(order, ElementsAre(1, 1, 2, 2, 3, 3));
  EXPECT_TRUE(callback.succeeded());
}

// ---------------------------------------------------------------------------------------- errors

TEST(AsioErrors, ACodeOfBoostComparesWithErrc) {
  const error_code timed_out = corolock::errc::timed_out;
  EXPECT_EQ(timed_out, corolock::errc::timed_out);
  EXPECT_NE(timed_out, corolock::errc::closed);
  EXPECT_EQ(timed_out.message(), "the wait timed out");
  EXPECT_EQ(std::error_code(timed_out), corolock::make_error_code(corolock::errc::timed_out));
}

static asio::awaitable<void> expect_abort(async_mutex& m, bool& thrown) {
  co_await asio::this_coro::reset_cancellation_state(asio::enable_total_cancellation());
  try {
    static_cast<void>(co_await async_lock(m, use_awaitable));
  } catch (const boost::system::system_error& e) {
    thrown = e.code() == asio::error::operation_aborted;
  }
}
TEST_F(AsioLock, ACancelledAwaitThrowsOperationAborted) {
  asio::cancellation_signal signal;
  bool thrown = false;
  asio::co_spawn(context_, expect_abort(m_, thrown),
                 asio::bind_cancellation_slot(signal.slot(), corolock_test::rethrow()));
  poll(context_);
  signal.emit(asio::cancellation_type::total);
  poll(context_);
  EXPECT_TRUE(thrown);
}
