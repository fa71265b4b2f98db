// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers

// Where the Asio front end's memory comes from. Inside context.run() Asio recycles what was freed:
// after the first rounds nothing is allocated any more. A handler with an allocator gets all of its
// operation's memory from that one.

#include <corolock/asio.hpp>
#include <support/allocation_counter.hpp>
#include <support/asio.hpp>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/bind_allocator.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/bind_executor.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <gtest/gtest.h>

#include <chrono>
#include <cstddef>
#include <cstdlib>
#include <new>
#include <optional>
#include <utility>
#include <vector>

namespace asio = boost::asio;
using asio::use_awaitable;
using corolock::async_lock;
using corolock::async_lock_for;
using corolock::async_mutex;
using corolock::mutex_guard;
using corolock_test::allocation_counter;
using corolock_test::completion;
using corolock_test::error_code;
using corolock_test::launch;
using corolock_test::poll;
using std::chrono::hours;

// -------------------------------------------------------------------------------- after warm-up

namespace {

constexpr int warm_up = 20;
constexpr int all_rounds = 200;

// Counts from the end of the warm-up on, until the last of the tasks is through.
struct steady_state {
  std::optional<allocation_counter> counter;
  std::size_t allocations = 0;
  std::size_t contended = 0;

  void begin_round(int round, const async_mutex& m) {
    if (round == warm_up && !counter) {
      counter.emplace();
    }
    contended += m.is_locked() ? 1 : 0;
    if (counter) {
      allocations = counter->by_this_thread();
    }
  }
};

asio::awaitable<void> lock_and_yield(async_mutex& m, steady_state& state) {
  for (int round = 0; round < all_rounds; ++round) {
    state.begin_round(round, m);
    const mutex_guard guard = co_await async_lock(m, use_awaitable);
    co_await asio::post(use_awaitable);
  }
}
asio::awaitable<void> lock_by_tuple_and_yield(async_mutex& m, steady_state& state) {
  for (int round = 0; round < all_rounds; ++round) {
    state.begin_round(round, m);
    auto [error, guard] = co_await async_lock(m, asio::as_tuple(use_awaitable));
    co_await asio::post(use_awaitable);
  }
}
asio::awaitable<void> lock_in_time_and_yield(async_mutex& m, steady_state& state) {
  for (int round = 0; round < all_rounds; ++round) {
    state.begin_round(round, m);
    const mutex_guard guard = co_await async_lock_for(m, hours(1), use_awaitable);
    co_await asio::post(use_awaitable);
  }
}

}  // namespace

TEST(AsioAllocations, ContendedTasksAllocateNothingAfterWarmUp) {
  asio::io_context context;
  async_mutex m;
  steady_state state;
  for (int i = 0; i < 8; ++i) {
    launch(context, lock_and_yield(m, state));
  }
  context.run();
  EXPECT_GT(state.contended, 7U * all_rounds);
  EXPECT_EQ(state.allocations, 0U);
}

TEST(AsioAllocations, TasksThatTakeTuplesAllocateNothingAfterWarmUp) {
  asio::io_context context;
  async_mutex m;
  steady_state state;
  for (int i = 0; i < 8; ++i) {
    launch(context, lock_by_tuple_and_yield(m, state));
  }
  context.run();
  EXPECT_GT(state.contended, 7U * all_rounds);
  EXPECT_EQ(state.allocations, 0U);
}

TEST(AsioAllocations, UncontendedTasksAllocateNothingAfterWarmUp) {
  asio::io_context context;
  async_mutex m;
  steady_state state;
  launch(context, lock_and_yield(m, state));
  context.run();
  EXPECT_EQ(state.contended, 0U);
  EXPECT_EQ(state.allocations, 0U);
}

TEST(AsioAllocations, TwoTasksWithTimeLimitsAllocateNothingAfterWarmUp) {
  asio::io_context context;
  async_mutex m;
  steady_state state;
  for (int i = 0; i < 2; ++i) {
    launch(context, lock_in_time_and_yield(m, state));
  }
  context.run();
  EXPECT_GT(state.contended, 1U * all_rounds);
  EXPECT_EQ(state.allocations, 0U);
}

TEST(AsioAllocations, TwoTasksOfAStrandAllocateNothingAfterWarmUp) {
  asio::io_context context;
  async_mutex m;
  steady_state state;
  const auto strand = asio::make_strand(context);
  for (int i = 0; i < 2; ++i) {
    launch(strand, lock_and_yield(m, state));
  }
  context.run();
  EXPECT_GT(state.contended, 1U * all_rounds);
  EXPECT_EQ(state.allocations, 0U);
}

namespace {

// Callbacks that lock again and again.
class locker {
 public:
  locker(asio::io_context& context, async_mutex& m, steady_state& state)
      : context_(context), m_(m), state_(state) {}

  void lock() {
    if (round_ == all_rounds) {
      return;
    }
    state_.begin_round(round_++, m_);
    async_lock(m_, asio::bind_executor(context_, [this](error_code, mutex_guard guard) {
                 asio::post(context_, [this, guard = std::move(guard)]() mutable {
                   guard.unlock();
                   lock();
                 });
               }));
  }

 private:
  asio::io_context& context_;
  async_mutex& m_;
  steady_state& state_;
  int round_ = 0;
};

}  // namespace

TEST(AsioAllocations, CallbacksAllocateNothingAfterWarmUp) {
  asio::io_context context;
  async_mutex m;
  steady_state state;
  locker one(context, m, state);
  locker other(context, m, state);
  asio::post(context, [&] {
    one.lock();
    other.lock();
  });
  context.run();
  EXPECT_GE(state.contended, 1U * all_rounds);
  EXPECT_EQ(state.allocations, 0U);
}

// ------------------------------------------------------------------------------- with an allocator

namespace {

struct ledger {
  std::size_t allocations = 0;
  std::size_t bytes = 0;  // not yet given back
  std::size_t fail_at = static_cast<std::size_t>(-1);
};

template <class T>
class ledger_allocator {
 public:
  using value_type = T;

  explicit ledger_allocator(ledger& l) noexcept : ledger_(&l) {}
  template <class U>
  ledger_allocator(const ledger_allocator<U>& other) noexcept : ledger_(other.ledger_) {}

  T* allocate(std::size_t n) {
    if (ledger_->allocations++ == ledger_->fail_at) {
      throw std::bad_alloc();
    }
    ledger_->bytes += n * sizeof(T);
    // Not by operator new, which is counted.
    return static_cast<T*>(
        std::aligned_alloc(alignof(std::max_align_t), (n * sizeof(T) + 31) / 32 * 32));
  }
  void deallocate(T* memory, std::size_t n) noexcept {
    ledger_->bytes -= n * sizeof(T);
    std::free(memory);
  }

  template <class U>
  bool operator==(const ledger_allocator<U>& other) const noexcept {
    return ledger_ == other.ledger_;
  }

 private:
  template <class>
  friend class ledger_allocator;

  ledger* ledger_;
};

}  // namespace

class AsioAllocator : public testing::Test {
 protected:
  auto here(completion<mutex_guard>& done) {
    return asio::bind_allocator(ledger_allocator<int>(ledger_),
                                asio::bind_executor(context_, done.handler()));
  }
  // Asio's own tables are allocated once.
  void SetUp() override {
    completion<mutex_guard> done;
    async_lock_for(m_, std::chrono::milliseconds(0), asio::bind_executor(context_, done.handler()));
    corolock_test::run(context_);
  }

  async_mutex m_;
  mutex_guard held_ = m_.try_lock();
  asio::io_context context_;
  ledger ledger_;
  completion<mutex_guard> done_;
};

TEST_F(AsioAllocator, GivesAllTheMemoryOfAWaitAndGetsItBackBeforeTheHandlerRuns) {
  auto token =
      asio::bind_allocator(ledger_allocator<int>(ledger_),
                           asio::bind_executor(context_, [&](error_code, const mutex_guard&) {
                             EXPECT_EQ(ledger_.bytes, 0U);
                             ++done_.calls;
                           }));
#if !COROLOCK_TEST_SANITIZED  // there malloc counts too
  const allocation_counter others;
#endif
  async_lock(m_, token);
  EXPECT_GT(ledger_.bytes, 0U);
  held_.unlock();
  poll(context_);
#if !COROLOCK_TEST_SANITIZED
  EXPECT_EQ(others.by_this_thread(), 0U);
#endif
  EXPECT_EQ(done_.calls, 1U);
  EXPECT_EQ(ledger_.bytes, 0U);
}

TEST_F(AsioAllocator, GivesTheMemoryOfATimedWaitToo) {
#if !COROLOCK_TEST_SANITIZED
  const allocation_counter others;
#endif
  async_lock_for(m_, hours(1), here(done_));
  held_.unlock();
  corolock_test::run(context_);
#if !COROLOCK_TEST_SANITIZED
  EXPECT_EQ(others.by_this_thread(), 0U);
#endif
  EXPECT_TRUE(done_.succeeded());
  EXPECT_EQ(ledger_.bytes, 0U);
  EXPECT_GE(ledger_.allocations, 3U);
}

TEST_F(AsioAllocator, GetsItsMemoryBackWhenTheContextIsDestroyed) {
  asio::cancellation_signal signal;
  {
    asio::io_context context;
    const ledger_allocator<int> allocator(ledger_);
    const auto on = [&] {
      return asio::bind_allocator(
          allocator, asio::bind_executor(context, [](error_code, const mutex_guard&) { FAIL(); }));
    };
    async_lock(m_, on());
    async_lock(m_, asio::bind_cancellation_slot(signal.slot(), on()));
    async_lock_for(m_, hours(1), on());
    held_.unlock();
    EXPECT_GT(ledger_.bytes, 0U);
  }
  EXPECT_EQ(ledger_.bytes, 0U);
  EXPECT_FALSE(m_.is_locked());
}

// The first allocation is the operation's, the second one the timer's.
TEST_F(AsioAllocator, ThatFailsLeavesNoTraceOfTheWait) {
  for (std::size_t fail_at = 0; fail_at < 2; ++fail_at) {
    asio::cancellation_signal signal;
    ledger_ = ledger();
    ledger_.fail_at = fail_at;
    EXPECT_THROW(
        async_lock_for(m_, hours(1), asio::bind_cancellation_slot(signal.slot(), here(done_))),
        std::bad_alloc);
    EXPECT_FALSE(signal.slot().has_handler());
    EXPECT_EQ(ledger_.bytes, 0U);
    EXPECT_EQ(m_.statistics().waiters, 0U);
    signal.emit(asio::cancellation_type::all);
  }
  corolock_test::run(context_);
  EXPECT_EQ(done_.calls, 0U);
}
