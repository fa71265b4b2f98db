// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers

// The semaphore and the shared mutex on Asio.

#include <corolock/asio.hpp>
#include <support/asio.hpp>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/bind_executor.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/use_future.hpp>
#include <boost/system/system_error.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstddef>
#include <future>
#include <utility>
#include <vector>

namespace asio = boost::asio;
using asio::cancellation_type;
using asio::use_awaitable;
using corolock::async_acquire;
using corolock::async_lock;
using corolock::async_lock_shared;
using corolock::async_semaphore;
using corolock::async_shared_mutex;
using corolock::errc;
using corolock::permit;
using corolock::shared_guard;
using corolock_test::completion;
using corolock_test::error_code;
using corolock_test::launch;
using corolock_test::poll;
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

// -------------------------------------------------------------------------------------- semaphore

class AsioSemaphore : public on_context {
 protected:
  static asio::awaitable<void> append(async_semaphore& s, std::size_t units,
                                      std::vector<int>& order, int id) {
    const permit held = co_await async_acquire(s, units, use_awaitable);
    EXPECT_EQ(held.units(), units);
    order.push_back(id);
  }

  async_semaphore semaphore_{3, 3};
  permit held_ = semaphore_.try_acquire(3);
  completion<permit> first_;
  completion<permit> second_;
  std::vector<int> order_;
};

TEST_F(AsioSemaphore, ATaskWaitsForItsUnitsAndGetsAPermit) {
  launch(context_, append(semaphore_, 2, order_, 1));
  poll(context_);
  EXPECT_THAT(order_, ElementsAre());
  held_ = permit();
  EXPECT_THAT(order_, ElementsAre());
  poll(context_);
  EXPECT_THAT(order_, ElementsAre(1));
  EXPECT_EQ(semaphore_.statistics().available, 3U);
}

TEST_F(AsioSemaphore, ACallbackGetsAPermit) {
  async_acquire(semaphore_, 2, here(first_.handler()));
  held_ = permit();
  poll(context_);
  EXPECT_TRUE(first_.succeeded());
  EXPECT_EQ(first_.grant.units(), 2U);
  EXPECT_EQ(semaphore_.statistics().available, 1U);
}

TEST_F(AsioSemaphore, AFreeUnitIsTakenWithoutGoingThroughTheScheduler) {
  held_ = permit();
  launch(context_, append(semaphore_, 3, order_, 1));
  EXPECT_EQ(context_.poll_one(), 1U);
  EXPECT_THAT(order_, ElementsAre(1));
}

TEST_F(AsioSemaphore, ASmallRequestDoesNotOvertakeALargeOne) {
  launch(context_, append(semaphore_, 3, order_, 1));
  launch(context_, append(semaphore_, 1, order_, 2));
  poll(context_);
  held_ = permit();
  permit one = semaphore_.try_acquire(1);
  EXPECT_FALSE(one);
  poll(context_);
  EXPECT_THAT(order_, ElementsAre(1, 2));
}

TEST_F(AsioSemaphore, ACancelledHeadLetsThoseBehindItIn) {
  held_ = permit();
  held_ = semaphore_.try_acquire(2);
  async_acquire(semaphore_, 3, here(first_.handler(), signal_));
  async_acquire(semaphore_, 1, here(second_.handler()));
  poll(context_);
  EXPECT_EQ(second_.calls, 0U);
  signal_.emit(cancellation_type::total);
  poll(context_);
  EXPECT_TRUE(first_.was_aborted());
  EXPECT_TRUE(second_.succeeded());
}

TEST_F(AsioSemaphore, UnitsGrantedToACancelledWaiterAreGivenBack) {
  async_acquire(semaphore_, 2, here(first_.handler(), signal_));
  held_ = permit();
  EXPECT_EQ(semaphore_.statistics().available, 1U);
  signal_.emit(cancellation_type::total);
  EXPECT_EQ(semaphore_.statistics().available, 3U);
  poll(context_);
  EXPECT_TRUE(first_.was_aborted());
  EXPECT_FALSE(first_.grant);
}

TEST_F(AsioSemaphore, TryAcquireWorksAfterACancelledWait) {
  async_acquire(semaphore_, 3, here(first_.handler(), signal_));
  signal_.emit(cancellation_type::total);
  poll(context_);
  held_ = permit();
  EXPECT_TRUE(semaphore_.try_acquire(3));
}

static asio::awaitable<void> acquire_closed(async_semaphore& s, std::vector<error_code>& errors) {
  auto [error, none] = co_await async_acquire(s, 1, asio::as_tuple(use_awaitable));
  errors.push_back(error);
  EXPECT_FALSE(none);
  try {
    static_cast<void>(co_await async_acquire(s, 1, use_awaitable));
  } catch (const boost::system::system_error& e) {
    errors.push_back(e.code());
  }
}
TEST_F(AsioSemaphore, ClosingEndsAllWaits) {
  std::vector<error_code> errors;
  launch(context_, acquire_closed(semaphore_, errors));
  poll(context_);
  async_acquire(semaphore_, 1, here(first_.handler()));
  std::future<permit> future = async_acquire(semaphore_, 1, here(asio::use_future));
  poll(context_);
  semaphore_.close();
  EXPECT_TRUE(errors.empty());
  EXPECT_EQ(first_.calls, 0U);
  poll(context_);
  EXPECT_THAT(errors, ElementsAre(errc::closed, errc::closed));
  EXPECT_TRUE(first_.failed_with(errc::closed));
  EXPECT_THROW(static_cast<void>(future.get()), boost::system::system_error);
  async_acquire(semaphore_, 1, here(second_.handler()));
  poll(context_);
  EXPECT_TRUE(second_.failed_with(errc::closed));
}

TEST_F(AsioSemaphore, TheLocalOneWorksOnOneContext) {
  corolock::local_async_semaphore s(1);
  corolock::local_permit held = s.try_acquire();
  completion<corolock::local_permit> done;
  async_acquire(s, 1, here(done.handler()));
  held = corolock::local_permit();
  poll(context_);
  EXPECT_TRUE(done.succeeded());
}

// ----------------------------------------------------------------------------------- shared mutex

class AsioSharedMutex : public on_context {
 protected:
  using write_guard = async_shared_mutex::guard_type;

  static asio::awaitable<void> read(async_shared_mutex& m, std::vector<int>& order, int id) {
    const shared_guard guard = co_await async_lock_shared(m, use_awaitable);
    order.push_back(id);
    co_await corolock_test::yield();
    order.push_back(id);
  }
  static asio::awaitable<void> write(async_shared_mutex& m, std::vector<int>& order, int id) {
    const write_guard guard = co_await async_lock(m, use_awaitable);
    order.push_back(id);
    co_await corolock_test::yield();
    order.push_back(id);
  }

  async_shared_mutex m_;
  std::vector<int> order_;
};

TEST_F(AsioSharedMutex, ReadersShareAndWritersExcludeInOrderOfArrival) {
  write_guard held = m_.try_lock();
  launch(context_, read(m_, order_, 1));
  launch(context_, read(m_, order_, 2));
  launch(context_, write(m_, order_, 3));
  launch(context_, read(m_, order_, 4));
  poll(context_);
  EXPECT_THAT(order_, ElementsAre());
  held.unlock();
  EXPECT_THAT(order_, ElementsAre());
  poll(context_);
  EXPECT_THAT(order_, ElementsAre(1, 2, 1, 2, 3, 3, 4, 4));
}

TEST_F(AsioSharedMutex, CallbacksGetGuardsOfBothKinds) {
  completion<shared_guard> reader;
  completion<write_guard> writer;
  async_lock_shared(m_, here(reader.handler()));
  async_lock(m_, here(writer.handler()));
  poll(context_);
  EXPECT_TRUE(reader.succeeded());
  EXPECT_EQ(writer.calls, 0U);
  reader.grant.unlock();
  poll(context_);
  EXPECT_TRUE(writer.succeeded());
}

TEST_F(AsioSharedMutex, AFreeMutexIsLockedWithoutGoingThroughTheScheduler) {
  launch(context_, read(m_, order_, 1));
  EXPECT_EQ(context_.poll_one(), 1U);
  EXPECT_THAT(order_, ElementsAre(1));
  poll(context_);
  context_.restart();
  launch(context_, write(m_, order_, 2));
  EXPECT_EQ(context_.poll_one(), 1U);
  EXPECT_THAT(order_, ElementsAre(1, 1, 2));
  poll(context_);
}

TEST_F(AsioSharedMutex, ACancelledWriterLetsTheReadersBehindItIn) {
  const shared_guard held = m_.try_lock_shared();
  completion<write_guard> writer;
  completion<shared_guard> reader;
  async_lock(m_, here(writer.handler(), signal_));
  async_lock_shared(m_, here(reader.handler()));
  poll(context_);
  EXPECT_EQ(reader.calls, 0U);
  signal_.emit(cancellation_type::total);
  poll(context_);
  EXPECT_TRUE(writer.was_aborted());
  EXPECT_TRUE(reader.succeeded());
}

TEST_F(AsioSharedMutex, AReaderCancelledAfterItsGrantGivesItBack) {
  write_guard held = m_.try_lock();
  completion<shared_guard> reader;
  completion<write_guard> writer;
  async_lock_shared(m_, here(reader.handler(), signal_));
  async_lock(m_, here(writer.handler()));
  held.unlock();
  signal_.emit(cancellation_type::total);
  poll(context_);
  EXPECT_TRUE(reader.was_aborted());
  EXPECT_TRUE(writer.succeeded());
}
