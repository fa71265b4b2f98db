// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers

// Execution contexts that are destroyed while waits are under way. What goes wrong shows as a
// sanitizer's report, as a leak, or as a lock that nobody holds and nobody gets. (A strand must not
// outlive its context: Asio's rule.)

#include <corolock/asio.hpp>
#include <support/asio.hpp>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/bind_executor.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/spawn.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/use_future.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <cstddef>
#include <future>
#include <memory>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

namespace asio = boost::asio;
using namespace asio::experimental::awaitable_operators;
using asio::use_awaitable;
using corolock::async_acquire;
using corolock::async_lock;
using corolock::async_lock_for;
using corolock::async_mutex;
using corolock::async_wait;
using corolock::mutex_guard;
using corolock_test::completion;
using corolock_test::launch;
using corolock_test::poll;
using corolock_test::tracker;
using std::chrono::hours;

namespace {

using mark = std::shared_ptr<int>;

asio::awaitable<void> hold(async_mutex& m, mark /*alive*/) {
  const mutex_guard guard = co_await async_lock(m, use_awaitable);
  asio::steady_timer never(co_await asio::this_coro::executor,
                           asio::steady_timer::time_point::max());
  co_await never.async_wait(use_awaitable);
}
asio::awaitable<void> hold_timed(async_mutex& m, mark /*alive*/) {
  const mutex_guard guard = co_await async_lock_for(m, hours(1), use_awaitable);
  asio::steady_timer never(co_await asio::this_coro::executor,
                           asio::steady_timer::time_point::max());
  co_await never.async_wait(use_awaitable);
}
// Waits for `inner` in a frame of its own, with `outer` held.
asio::awaitable<void> nested(async_mutex& outer, async_mutex& inner, mark alive) {
  const mutex_guard guard = co_await async_lock(outer, use_awaitable);
  co_await hold(inner, std::move(alive));
}

}  // namespace

class AsioLifetime : public testing::Test {
 protected:
  AsioLifetime() { context_.emplace(); }

  template <class Token>
  auto here(Token&& token) {
    return asio::bind_executor(*context_, std::forward<Token>(token));
  }
  // The lock can be had by the next one, and nobody of the destroyed context is left.
  void expect_sound() {
    EXPECT_FALSE(tracker_.alive());
    EXPECT_EQ(m_.statistics().waiters, 0U);
    held_.unlock();
    EXPECT_FALSE(m_.is_locked());
  }

  tracker tracker_;
  async_mutex m_;
  mutex_guard held_ = m_.try_lock();
  std::optional<asio::io_context> context_;
};

TEST_F(AsioLifetime, AContextDestroyedWhileTasksAreQueuedTakesThemOutOfTheQueue) {
  for (int i = 0; i < 10; ++i) {
    launch(*context_, hold(m_, tracker_.copy()));
  }
  poll(*context_);
  EXPECT_EQ(m_.statistics().waiters, 10U);
  context_.reset();
  expect_sound();
}

TEST_F(AsioLifetime, AContextDestroyedWithQueuedCallbacksDestroysTheHandlers) {
  async_lock(m_, here([mark = tracker_.copy()](auto, auto) { FAIL(); }));
  async_lock_for(m_, hours(1), here([mark = tracker_.copy()](auto, auto) { FAIL(); }));
  context_.reset();
  expect_sound();
}

TEST_F(AsioLifetime, AHandlerThatIsDestroyedUnrunPassesItsGrantOn) {
  asio::io_context other;
  completion<mutex_guard> next;
  async_lock(m_, here([mark = tracker_.copy()](auto, auto) { FAIL(); }));
  async_lock(m_, asio::bind_executor(other, next.handler()));
  held_.unlock();
  poll(other);
  EXPECT_EQ(next.calls, 0U);
  context_.reset();
  poll(other);
  EXPECT_TRUE(next.succeeded());
  next.grant.unlock();
  expect_sound();
}

TEST_F(AsioLifetime, ATaskThatIsDestroyedAfterItsGrantPassesItOn) {
  asio::io_context other;
  completion<mutex_guard> next;
  launch(*context_, hold(m_, tracker_.copy()));
  poll(*context_);
  async_lock(m_, asio::bind_executor(other, next.handler()));
  held_.unlock();
  context_.reset();
  poll(other);
  EXPECT_TRUE(next.succeeded());
  next.grant.unlock();
  expect_sound();
}

TEST_F(AsioLifetime, AContextDestroyedWithFreshGrantsOfAFreeMutexFreesIt) {
  held_.unlock();
  async_lock(m_, here([mark = tracker_.copy()](auto, auto) { FAIL(); }));
  EXPECT_TRUE(m_.is_locked());
  context_.reset();
  expect_sound();
}

TEST_F(AsioLifetime, AContextDestroyedWhileTimersAreArmedEndsTimedWaits) {
  for (int i = 0; i < 10; ++i) {
    launch(*context_, hold_timed(m_, tracker_.copy()));
  }
  poll(*context_);
  context_.reset();
  expect_sound();
}

TEST_F(AsioLifetime, ATimedWaitMayBeDestroyedAtEachOfItsTurns) {
  for (std::size_t turns = 0; turns < 8; ++turns) {
    asio::io_context other;
    completion<mutex_guard> next;
    context_.emplace();
    async_lock_for(m_, hours(1),
                   here([mark = tracker_.copy()](auto, mutex_guard guard) { guard.unlock(); }));
    async_lock(m_, asio::bind_executor(other, next.handler()));
    poll(*context_);
    context_->restart();
    held_.unlock();
    for (std::size_t i = 0; i < turns; ++i) {
      context_->poll_one();
    }
    context_.reset();
    EXPECT_FALSE(tracker_.alive());
    poll(other);
    EXPECT_TRUE(next.succeeded());
    held_ = std::move(next.grant);
  }
  expect_sound();
}

TEST_F(AsioLifetime, AServiceThatIsOlderOrYoungerThanTheTimersMakesNoDifference) {
  for (const bool timer_first : {true, false}) {
    context_.emplace();
    std::optional<asio::steady_timer> timer;
    if (timer_first) {
      timer.emplace(*context_, hours(1));
      timer->async_wait([mark = tracker_.copy()](auto) {});
    }
    launch(*context_, hold(m_, tracker_.copy()));
    poll(*context_);
    launch(*context_, hold_timed(m_, tracker_.copy()));
    poll(*context_);
    timer.reset();
    context_.reset();
    EXPECT_FALSE(tracker_.alive());
    EXPECT_EQ(m_.statistics().waiters, 0U);
  }
  expect_sound();
}

TEST_F(AsioLifetime, AHolderAndItsWaitersMayBeDestroyedTogether) {
  held_.unlock();
  for (int i = 0; i < 100; ++i) {
    launch(*context_, hold(m_, tracker_.copy()));
    launch(*context_, hold_timed(m_, tracker_.copy()));
  }
  poll(*context_);
  EXPECT_EQ(m_.statistics().waiters, 199U);
  context_.reset();
  expect_sound();
}

TEST_F(AsioLifetime, NestedFramesThatHoldLocksOthersWaitForMayBeDestroyed) {
  async_mutex inner;
  mutex_guard inner_held = inner.try_lock();
  held_.unlock();
  for (int i = 0; i < 100; ++i) {
    launch(*context_, nested(m_, inner, tracker_.copy()));
    launch(*context_, hold(inner, tracker_.copy()));
    launch(*context_, hold(m_, tracker_.copy()));
  }
  poll(*context_);
  EXPECT_EQ(m_.statistics().waiters, 199U);
  EXPECT_EQ(inner.statistics().waiters, 101U);
  context_.reset();
  EXPECT_FALSE(inner.statistics().waiters);
  inner_held.unlock();
  EXPECT_FALSE(inner.is_locked());
  expect_sound();
}

TEST_F(AsioLifetime, ManyTasksAreDestroyedWithAFlatStack) {
  async_mutex last;
  mutex_guard last_held = last.try_lock();
  held_.unlock();
  for (int i = 0; i < 100'000; ++i) {
    launch(*context_, nested(m_, last, nullptr));
  }
  poll(*context_);
  context_.reset();
  last_held.unlock();
  expect_sound();
}

TEST_F(AsioLifetime, ManyTasksOfAStrandAreDestroyedWithAFlatStack) {
  async_mutex last;
  mutex_guard last_held = last.try_lock();
  held_.unlock();
  // The first wait comes before the first strand, so that the strands are shut down first.
  async_lock(last, here([mark = tracker_.copy()](auto, auto) { FAIL(); }));
  {
    const auto strand = asio::make_strand(*context_);
    for (int i = 0; i < 100'000; ++i) {
      launch(strand, nested(m_, last, nullptr));
    }
  }
  poll(*context_);
  context_.reset();
  last_held.unlock();
  expect_sound();
}

TEST_F(AsioLifetime, AStoppedContextCanBeDestroyed) {
  launch(*context_, hold(m_, tracker_.copy()));
  launch(*context_, hold_timed(m_, tracker_.copy()));
  poll(*context_);
  context_->stop();
  held_.unlock();
  EXPECT_TRUE(m_.is_locked());
  context_.reset();
  expect_sound();
}

TEST_F(AsioLifetime, AStoppedContextGoesOnAfterARestart) {
  completion<mutex_guard> done;
  async_lock(m_, here(done.handler()));
  poll(*context_);
  context_->stop();
  held_.unlock();
  EXPECT_EQ(context_->poll(), 0U);
  poll(*context_);
  EXPECT_TRUE(done.succeeded());
}

TEST_F(AsioLifetime, TwoContextsThatShareAMutexAreDestroyedOneAfterTheOther) {
  asio::io_context other;
  for (int i = 0; i < 5; ++i) {
    launch(*context_, hold(m_, tracker_.copy()));
    poll(*context_);
    launch(other, hold(m_, nullptr));
    poll(other);
  }
  EXPECT_EQ(m_.statistics().waiters, 10U);
  held_.unlock();  // to the first of context_
  poll(*context_);
  EXPECT_TRUE(m_.is_locked());
  context_.reset();
  EXPECT_FALSE(tracker_.alive());
  EXPECT_EQ(m_.statistics().waiters, 4U);
  poll(other);
  EXPECT_TRUE(m_.is_locked());
}

TEST_F(AsioLifetime, AContextMayBeMadeAnewWhereOneWasDestroyed) {
  for (int i = 0; i < 100; ++i) {
    launch(*context_, hold(m_, tracker_.copy()));
    poll(*context_);
    EXPECT_EQ(m_.statistics().waiters, 1U);
    context_.reset();
    EXPECT_EQ(m_.statistics().waiters, 0U);
    context_.emplace();
  }
  context_.reset();
  expect_sound();
}

TEST_F(AsioLifetime, AThreadPoolDestroyedWhileTasksWaitDestroysThem) {
  auto pool = std::make_unique<asio::thread_pool>(2);
  for (int i = 0; i < 10; ++i) {
    launch(*pool, hold(m_, tracker_.copy()));
    launch(asio::make_strand(*pool), hold_timed(m_, tracker_.copy()));
  }
  while (m_.statistics().waiters < 20U) {
    std::this_thread::yield();
  }
  pool->stop();
  pool->join();
  held_.unlock();  // its completion is posted to a pool without threads
  pool.reset();
  expect_sound();
}

TEST_F(AsioLifetime, AStackfulCoroutineThatWaitsIsUnwound) {
  asio::spawn(
      *context_,
      [mark = tracker_.copy(), &m = m_](asio::yield_context yield) {
        const mutex_guard guard = async_lock(m, yield);
        FAIL();
      },
      [](const std::exception_ptr&) {});
  poll(*context_);
  EXPECT_EQ(m_.statistics().waiters, 1U);
  context_.reset();
  expect_sound();
}

TEST_F(AsioLifetime, AFutureWhoseContextIsDestroyedIsBroken) {
  std::future<mutex_guard> future = async_lock(m_, here(asio::use_future));
  context_.reset();
  EXPECT_THROW(static_cast<void>(future.get()), std::future_error);
  expect_sound();
}

// ------------------------------------------------------------------------------- typed executors

namespace {

using strand = asio::strand<asio::io_context::executor_type>;

asio::awaitable<void, strand> hold_on_strand(async_mutex& m, mark /*alive*/) {
  const mutex_guard guard = co_await async_lock(m, asio::use_awaitable_t<strand>());
  ADD_FAILURE() << "it was to be destroyed before it ran";
}
asio::awaitable<void, strand> time_out_on_strand(async_mutex& m, std::chrono::milliseconds limit,
                                                 mark /*alive*/) {
  constexpr asio::use_awaitable_t<strand> token;
  auto [error, guard] = co_await async_lock_for(m, limit, asio::as_tuple(token));
  EXPECT_EQ(error, corolock::errc::timed_out);
}

}  // namespace

TEST_F(AsioLifetime, ACompletionOnAStrandMayBeDestroyedWithTheStrand) {
  launch(strand(context_->get_executor()), hold_on_strand(m_, tracker_.copy()));
  poll(*context_);
  launch(strand(context_->get_executor()), hold_on_strand(m_, tracker_.copy()));
  poll(*context_);
  held_.unlock();
  context_.reset();
  expect_sound();
}

TEST_F(AsioLifetime, ATimeoutOnAStrandMayBeDestroyedWithTheStrand) {
  for (std::size_t turns = 0; turns < 6; ++turns) {
    context_.emplace();
    launch(strand(context_->get_executor()), time_out_on_strand(m_, hours(1), tracker_.copy()));
    launch(strand(context_->get_executor()),
           time_out_on_strand(m_, std::chrono::milliseconds(0), nullptr));
    for (std::size_t i = 0; i < turns; ++i) {
      context_->poll_one();
    }
    context_.reset();
    EXPECT_FALSE(tracker_.alive());
  }
  expect_sound();
}

// In the next two the first wait comes before the first strand, so that strands are shut down
// before waits. Then a strand takes nothing any more: a grant goes from one of its waiters to the
// next.

TEST_F(AsioLifetime, AGuardDroppedByAContextThatShutsDownReachesNoStrandOfIt) {
  async_mutex last;
  const mutex_guard last_held = last.try_lock();
  launch(*context_, hold(last, nullptr));
  poll(*context_);
  {
    const strand s(context_->get_executor());
    for (int i = 0; i < 10'000; ++i) {
      launch(s, hold(m_, tracker_.copy()));
      launch(s, hold_timed(m_, tracker_.copy()));
      async_lock(m_, asio::bind_executor(s, [mark = tracker_.copy()](auto, auto) { FAIL(); }));
    }
  }
  poll(*context_);
  EXPECT_EQ(m_.statistics().waiters, 30'000U);
  async_lock(last, here([guard = std::move(held_)](auto, auto) { FAIL(); }));
  context_.reset();
  expect_sound();
}
TEST_F(AsioLifetime, AGrantOnItsWayToAStrandThatShutsDownPassesAllItsWaitersWithAFlatStack) {
  async_mutex other;
  const mutex_guard other_held = other.try_lock();
  launch(*context_, hold(other, nullptr));
  poll(*context_);
  {
    const strand s(context_->get_executor());
    for (int i = 0; i < 50'000; ++i) {
      launch(s, hold(m_, nullptr));
    }
    launch(s, hold(m_, tracker_.copy()));
  }
  poll(*context_);
  EXPECT_EQ(m_.statistics().waiters, 50'001U);
  held_.unlock();
  context_.reset();
  expect_sound();
}

// -------------------------------------------------------------------- cancellation by destructors

namespace {

// Cancels when it is destroyed, as the owner of a session does.
class cancels_at_end {
 public:
  explicit cancels_at_end(asio::cancellation_signal& signal) : signal_(&signal) {}
  cancels_at_end(cancels_at_end&& other) noexcept
      : signal_(std::exchange(other.signal_, nullptr)) {}
  cancels_at_end& operator=(cancels_at_end&&) = delete;
  ~cancels_at_end() {
    if (signal_ != nullptr) {
      signal_->emit(asio::cancellation_type::all);
    }
  }

 private:
  asio::cancellation_signal* signal_;
};

}  // namespace

TEST_F(AsioLifetime, HandlersThatAreDestroyedMayCancelEachOther) {
  // Each in its state: granted or queued, with a timer or without; timers end before waits, or
  // after them.
  for (const auto& [granted, timers_first] :
       {std::pair(false, false), {false, true}, {true, false}, {true, true}}) {
    if (timers_first) {
      const asio::steady_timer starts_its_service(*context_);
    }
    std::vector<asio::cancellation_signal> signals(8);
    corolock::async_semaphore semaphore(8, 8);
    corolock::async_condition condition;
    async_mutex guarded;
    mutex_guard guard = guarded.try_lock();
    corolock::permit all = semaphore.try_acquire(8);
    for (std::size_t i = 0; i < 8; ++i) {
      auto handler = [mark = tracker_.copy(), other = cancels_at_end(signals[(i + 1) % 8]),
                      next = cancels_at_end(signals[(i + 3) % 8])](auto&&...) { FAIL(); };
      auto token = here(asio::bind_cancellation_slot(signals[i].slot(), std::move(handler)));
      if (i == 0) {
        async_wait(condition, guard, std::move(token));
      } else if (i % 2 == 0) {
        async_acquire(semaphore, 1, std::move(token));
      } else {
        corolock::async_acquire_for(semaphore, 1, hours(1), std::move(token));
      }
    }
    if (granted) {
      all = corolock::permit();
      condition.notify_one();
    }
    context_.reset();
    context_.emplace();
    EXPECT_FALSE(tracker_.alive());
    all = corolock::permit();
    EXPECT_EQ(semaphore.statistics().available, 8U);
    EXPECT_EQ(semaphore.statistics().waiters, 0U);
    EXPECT_EQ(condition.statistics().waiters, 0U);
    EXPECT_FALSE(guarded.is_locked());
  }
  context_.reset();
  expect_sound();
}

TEST_F(AsioLifetime, ASignalMayEndBeforeOrAfterTheContext) {
  asio::cancellation_signal after;
  {
    asio::cancellation_signal before;
    for (auto* signal : {&before, &after}) {
      async_lock(m_,
                 here(asio::bind_cancellation_slot(signal->slot(), [](auto, auto) { FAIL(); })));
    }
  }
  context_.reset();
  after.emit(asio::cancellation_type::all);
  expect_sound();
}

// --------------------------------------------------------------------------- the other primitives

namespace {

asio::awaitable<void> wait_for_condition(async_mutex& m, corolock::async_condition& c, bool& done,
                                         mark /*alive*/) {
  mutex_guard guard = co_await async_lock(m, use_awaitable);
  co_await async_wait(c, guard, use_awaitable);
  done = true;
}
asio::awaitable<void> wait_for_predicate(async_mutex& m, corolock::async_condition& c,
                                         const bool& ready, mark /*alive*/) {
  mutex_guard guard = co_await async_lock(m, use_awaitable);
  const auto is_ready = [&ready] { return ready; };
  co_await async_wait(c, guard, is_ready, use_awaitable);
}
asio::awaitable<void> wait_for_event_or_lock(async_mutex& m, corolock::async_event& e,
                                             mark /*alive*/) {
  co_await (async_wait(e, use_awaitable) || async_lock(m, use_awaitable));
}

}  // namespace

TEST_F(AsioLifetime, AConditionsWaitersAreDestroyedWhereverTheyAre) {
  corolock::async_condition c;
  const bool ready = false;
  bool done = false;
  held_.unlock();
  for (int i = 0; i < 4; ++i) {
    launch(*context_, wait_for_condition(m_, c, done, tracker_.copy()));
    launch(*context_, wait_for_predicate(m_, c, ready, tracker_.copy()));
  }
  poll(*context_);
  EXPECT_EQ(c.statistics().waiters, 8U);
  c.notify_one();  // has the lock, and does not know it yet
  c.notify_one();  // waits for the lock
  context_.reset();
  EXPECT_FALSE(done);
  EXPECT_EQ(c.statistics().waiters, 0U);
  expect_sound();
}

TEST_F(AsioLifetime, ANotificationOfADestroyedWaiterGoesToTheNextOne) {
  corolock::async_condition c;
  asio::io_context other;
  bool done = false;
  bool never = false;
  held_.unlock();
  launch(*context_, wait_for_condition(m_, c, never, tracker_.copy()));
  poll(*context_);
  launch(other, wait_for_condition(m_, c, done, nullptr));
  poll(other);
  c.notify_one();
  context_.reset();
  poll(other);
  EXPECT_TRUE(done);
  EXPECT_FALSE(never);
  expect_sound();
}

TEST_F(AsioLifetime, WaitersOfEveryKindLeaveTheirQueues) {
  corolock::async_event event;
  corolock::async_semaphore semaphore(1);
  corolock::async_barrier barrier(10);
  corolock::async_shared_mutex shared;
  const auto reader = shared.try_lock_shared();
  const auto on = [&] { return here([mark = tracker_.copy()](auto&&...) { FAIL(); }); };
  asio::io_context other;
  completion<corolock::permit> next;
  completion<corolock::shared_guard> next_reader;
  async_wait(event, on());
  async_acquire(semaphore, 2, on());
  async_acquire(semaphore, 1, asio::bind_executor(other, next.handler()));
  async_arrive_and_wait(barrier, on());
  async_lock(shared, on());
  async_lock_shared(shared, asio::bind_executor(other, next_reader.handler()));
  context_.reset();
  poll(other);
  EXPECT_EQ(event.statistics().waiters, 0U);
  EXPECT_EQ(barrier.statistics().waiters, 0U);
  EXPECT_TRUE(next.succeeded());
  EXPECT_TRUE(next_reader.succeeded());
  expect_sound();
}

TEST_F(AsioLifetime, ARaceOfWaitsIsDestroyedAsAWhole) {
  corolock::async_event e;
  for (int i = 0; i < 10; ++i) {
    launch(*context_, wait_for_event_or_lock(m_, e, tracker_.copy()));
  }
  poll(*context_);
  held_.unlock();
  context_.reset();
  EXPECT_EQ(e.statistics().waiters, 0U);
  expect_sound();
}
