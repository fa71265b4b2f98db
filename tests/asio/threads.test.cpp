// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers

// The Asio front end under threads. What goes wrong shows as a sanitizer's report, as a crash, as a
// wrong count, or as a test that does not end because a wake-up was lost.

#include <corolock/asio.hpp>
#include <support/asio.hpp>
#include <support/rounds.hpp>
#include <support/threads.hpp>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/bind_executor.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <memory>
#include <optional>
#include <thread>
#include <utility>
#include <variant>
#include <vector>

namespace asio = boost::asio;
using namespace asio::experimental::awaitable_operators;
using asio::use_awaitable;
using corolock::async_lock;
using corolock::async_lock_for;
using corolock::async_mutex;
using corolock::errc;
using corolock::mutex_guard;
using corolock_test::error_code;
using corolock_test::launch;
using corolock_test::rounds;
using corolock_test::side_by_side;
using corolock_test::spin_until;
using std::chrono::nanoseconds;

namespace {

// A context and the thread that runs it.
class running_context {
 public:
  running_context() : thread_([this] { context_.run(); }) {}
  running_context(const running_context&) = delete;
  running_context& operator=(const running_context&) = delete;
  ~running_context() { join(); }

  asio::io_context& operator*() noexcept { return context_; }
  void join() {
    work_.reset();
    if (thread_.joinable()) {
      thread_.join();
    }
  }

 private:
  asio::io_context context_;
  asio::executor_work_guard<asio::io_context::executor_type> work_ = make_work_guard(context_);
  std::thread thread_;
};

}  // namespace

// One thread unlocks while the waiter's own thread cancels. The slot is plain memory: any touch of
// it from the unlocking thread is a data race.
TEST(AsioThreads, SlotsAreTouchedOnTheWaitersOwnExecutorOnly) {
  const std::size_t count = rounds(20'000);
  running_context context;
  async_mutex m;
  std::size_t granted = 0;
  std::size_t aborted = 0;
  for (std::size_t round = 0; round < count; ++round) {
    mutex_guard held = m.try_lock();
    ASSERT_TRUE(held);
    asio::cancellation_signal signal;
    std::atomic<int> step{0};
    asio::post(*context, [&] {
      async_lock(m, asio::bind_cancellation_slot(
                        signal.slot(),
                        asio::bind_executor(*context, [&](error_code error, mutex_guard guard) {
                          EXPECT_EQ(static_cast<bool>(guard), !error);
                          ++(error ? aborted : granted);
                          guard.unlock();
                          asio::post(*context, [&] { step = 2; });  // after the cancellation
                        })));
      step = 1;
      if (round % 2 == 0) {
        asio::post(*context, [&] { signal.emit(asio::cancellation_type::total); });
      } else {
        signal.emit(asio::cancellation_type::total);
      }
    });
    spin_until([&] { return step != 0; });
    held.unlock();
    spin_until([&] { return step == 2; });
    // The waiter has cancelled, or passed its grant on, before this.
    EXPECT_FALSE(m.is_locked());
  }
  context.join();
  EXPECT_EQ(granted + aborted, count);
}

// The same from a strand of a pool, where successive handlers run on different threads.
TEST(AsioThreads, StrandsMayCancelWhileAnotherThreadUnlocks) {
  const std::size_t count = rounds(20'000);
  asio::thread_pool pool(2);
  const auto strand = asio::make_strand(pool);
  async_mutex m;
  for (std::size_t round = 0; round < count; ++round) {
    mutex_guard held = m.try_lock();
    ASSERT_TRUE(held);
    asio::cancellation_signal signal;
    std::atomic<bool> begun{false};
    std::atomic<int> left{2};
    asio::post(strand, [&] {
      async_lock(m, asio::bind_cancellation_slot(
                        signal.slot(),
                        asio::bind_executor(strand, [&](error_code error, mutex_guard guard) {
                          EXPECT_EQ(static_cast<bool>(guard), !error);
                          guard.unlock();
                          --left;
                        })));
      begun = true;
    });
    spin_until([&] { return begun.load(); });
    asio::post(strand, [&] {
      signal.emit(asio::cancellation_type::terminal);
      --left;
    });
    held.unlock();
    spin_until([&] { return left == 0; });
    EXPECT_FALSE(m.is_locked());
  }
  pool.join();
}

namespace {

struct shared_count {
  async_mutex m;
  std::size_t count = 0;  // guarded by m
  std::atomic<std::size_t> granted{0};
  std::atomic<std::size_t> given_up{0};
};

asio::awaitable<void> increment(shared_count& shared, std::size_t times) {
  for (std::size_t i = 0; i < times; ++i) {
    auto [error, guard] = co_await async_lock(shared.m, asio::as_tuple(use_awaitable));
    EXPECT_FALSE(error);
    ++shared.count;
    ++shared.granted;
    if (i % 3 == 0) {
      co_await corolock_test::yield();
    }
  }
}
asio::awaitable<void> increment_in_time(shared_count& shared, std::size_t times) {
  for (std::size_t i = 0; i < times; ++i) {
    auto [error, guard] =
        co_await async_lock_for(shared.m, nanoseconds(i % 7 * 500), asio::as_tuple(use_awaitable));
    if (error) {
      EXPECT_EQ(error, errc::timed_out);
      ++shared.given_up;
      co_await corolock_test::yield();
    } else {
      ++shared.count;
      ++shared.granted;
      co_await corolock_test::yield();
    }
  }
}
asio::awaitable<void> increment_or_time_out(shared_count& shared, std::size_t times) {
  asio::steady_timer timer(co_await asio::this_coro::executor);
  for (std::size_t i = 0; i < times; ++i) {
    timer.expires_after(nanoseconds(i % 5 * 1000));
    std::variant<mutex_guard, std::monostate> won =
        co_await (async_lock(shared.m, use_awaitable) || timer.async_wait(use_awaitable));
    if (won.index() == 0) {
      ++shared.count;
      ++shared.granted;
      co_await corolock_test::yield();
    } else {
      ++shared.given_up;
    }
  }
}

}  // namespace

TEST(AsioThreads, TasksOfAPoolThatTimeOutAndCancelLoseNoGrant) {
  const std::size_t times = rounds(3'000);
  shared_count shared;
  asio::thread_pool pool(2);
  running_context context;
  for (int i = 0; i < 3; ++i) {
    launch(asio::make_strand(pool), increment(shared, times));
    launch(asio::make_strand(pool), increment_in_time(shared, times));
    launch(asio::make_strand(pool), increment_or_time_out(shared, times));
    launch(*context, increment(shared, times));
    launch(*context, increment_in_time(shared, times));
  }
  pool.join();
  context.join();
  EXPECT_FALSE(shared.m.is_locked());
  EXPECT_EQ(shared.count, shared.granted);
  EXPECT_EQ(shared.granted + shared.given_up, 15 * times);
}

// Without strands the two parts of a timed wait, the completion and the timer, end on any threads.
TEST(AsioThreads, TimedWaitsOfAPoolWithoutStrandsEndOnce) {
  const std::size_t times = rounds(3'000);
  shared_count shared;
  asio::thread_pool pool(3);
  for (int i = 0; i < 6; ++i) {
    launch(pool, increment_in_time(shared, times));
  }
  pool.join();
  EXPECT_FALSE(shared.m.is_locked());
  EXPECT_EQ(shared.granted + shared.given_up, 6 * times);
}
TEST(AsioThreads, TimedWaitsOfAContextWithTwoThreadsEndOnce) {
  const std::size_t times = rounds(3'000);
  shared_count shared;
  asio::io_context context;
  for (int i = 0; i < 6; ++i) {
    launch(context, increment_in_time(shared, times));
  }
  std::thread other([&] { context.run(); });
  context.run();
  other.join();
  EXPECT_FALSE(shared.m.is_locked());
  EXPECT_EQ(shared.granted + shared.given_up, 6 * times);
}

namespace {

using typed_strand = asio::strand<asio::io_context::executor_type>;

asio::awaitable<void, typed_strand> increment_on_strand(shared_count& shared, std::size_t times) {
  constexpr asio::use_awaitable_t<typed_strand> token;
  for (std::size_t i = 0; i < times; ++i) {
    auto [error, guard] =
        co_await async_lock_for(shared.m, nanoseconds(i % 7 * 500), asio::as_tuple(token));
    if (error) {
      ++shared.given_up;
    } else {
      ++shared.count;
      ++shared.granted;
      co_await asio::post(token);
    }
  }
}

}  // namespace

TEST(AsioThreads, TimedWaitsOfTypedStrandsEndOnce) {
  const std::size_t times = rounds(3'000);
  shared_count shared;
  asio::io_context context;
  for (int i = 0; i < 6; ++i) {
    launch(typed_strand(context.get_executor()), increment_on_strand(shared, times));
  }
  std::thread other([&] { context.run(); });
  context.run();
  other.join();
  EXPECT_FALSE(shared.m.is_locked());
  EXPECT_EQ(shared.granted + shared.given_up, 6 * times);
}

// One thread destroys a context, and with it a wait, while another one unlocks.
TEST(AsioThreads, AContextIsDestroyedWhileAnotherThreadGrantsToIt) {
  const std::size_t count = rounds(20'000);
  std::vector<std::unique_ptr<async_mutex>> mutexes(count);
  std::vector<mutex_guard> held(count);
  for (std::size_t i = 0; i < count; ++i) {
    mutexes[i] = std::make_unique<async_mutex>();
    held[i] = mutexes[i]->try_lock();
  }
  std::vector<std::atomic<bool>> queued(count);
  side_by_side(
      count,
      [&](std::size_t i) {
        spin_until([&] { return queued[i].load(); });
        held[i].unlock();
      },
      [&](std::size_t i) {
        asio::io_context context(1);
        async_lock(*mutexes[i], asio::bind_executor(context, [](error_code, const mutex_guard&) {
          FAIL() << "nobody runs the context";
        }));
        queued[i] = true;
      });
  for (const auto& m : mutexes) {
    EXPECT_FALSE(m->is_locked());
  }
}
static asio::awaitable<void> lock_once(async_mutex& m) {
  const mutex_guard guard = co_await async_lock(m, use_awaitable);
}
TEST(AsioThreads, AContextIsDestroyedWhileAnotherThreadGrantsToACoroutineOfIt) {
  const std::size_t count = rounds(20'000);
  std::vector<std::unique_ptr<async_mutex>> mutexes(count);
  std::vector<mutex_guard> held(count);
  for (std::size_t i = 0; i < count; ++i) {
    mutexes[i] = std::make_unique<async_mutex>();
    held[i] = mutexes[i]->try_lock();
  }
  std::vector<std::atomic<bool>> queued(count);
  side_by_side(
      count,
      [&](std::size_t i) {
        spin_until([&] { return queued[i].load(); });
        held[i].unlock();
      },
      [&](std::size_t i) {
        asio::io_context context(1);
        if (i % 2 == 0) {
          launch(context, lock_once(*mutexes[i]));
        } else {
          launch(asio::make_strand(context), lock_once(*mutexes[i]));
        }
        context.poll();
        queued[i] = true;
        if (i % 3 == 0) {
          context.poll();
        }
      });
  for (const auto& m : mutexes) {
    EXPECT_FALSE(m->is_locked());
  }
}

namespace {

// An executor whose post() is slow: it begins when the context is about to be destroyed.
struct slow_executor {
  asio::io_context* context;
  std::atomic<bool>* destroying;

  asio::execution_context& query(asio::execution::context_t) const noexcept { return *context; }
  static constexpr asio::execution::blocking_t query(asio::execution::blocking_t) noexcept {
    return asio::execution::blocking.never;
  }
  template <class Function>
  void execute(Function function) const {
    spin_until([this] { return destroying->load(); });
    for (int i = 0; i < 100; ++i) {
      std::this_thread::yield();  // gives the other thread the time to go wrong
    }
    asio::require(context->get_executor(), asio::execution::blocking.never)
        .execute(std::move(function));
  }
  bool operator==(const slow_executor&) const noexcept = default;
};

}  // namespace

TEST(AsioThreads, TheDestructionOfAContextWaitsForAThreadThatPostsToIt) {
  for (int round = 0; round < 20; ++round) {
    auto context = std::make_unique<asio::io_context>();
    async_mutex m;
    mutex_guard held = m.try_lock();
    std::atomic<bool> destroying{false};
    async_lock(m, asio::bind_executor(
                      slow_executor{context.get(), &destroying},
                      [](error_code, const mutex_guard&) { FAIL() << "nobody runs the context"; }));
    std::thread unlocker([&] { held.unlock(); });
    spin_until([&] { return m.statistics().waiters == 0; });
    destroying = true;
    context.reset();
    unlocker.join();
    EXPECT_FALSE(m.is_locked());
  }
}

// The owner destroys the mutex as soon as it has unlocked, while the unlock before is returning.
static asio::awaitable<void> lock_and_destroy(std::unique_ptr<async_mutex>& m,
                                              std::atomic<std::size_t>& destroyed) {
  {
    const mutex_guard guard = co_await async_lock(*m, use_awaitable);
  }
  m.reset();
  ++destroyed;
}
TEST(AsioThreads, TheNextOwnerMayDestroyTheMutex) {
  const std::size_t count = rounds(20'000);
  running_context context;
  std::atomic<std::size_t> destroyed{0};
  for (std::size_t i = 0; i < count; ++i) {
    auto m = std::make_unique<async_mutex>();
    mutex_guard held = m->try_lock();
    async_mutex* const address = m.get();
    launch(*context, lock_and_destroy(m, destroyed));
    spin_until([&] { return address->statistics().waiters == 1; });
    held.unlock();
    spin_until([&] { return destroyed == i + 1; });
  }
}

// ------------------------------------------------------------------------------------- conditions

namespace {

struct mailbox {
  async_mutex m;
  corolock::async_condition filled;
  std::size_t items = 0;  // guarded by m
  std::atomic<std::size_t> taken{0};
};

asio::awaitable<void> consume(mailbox& box, std::size_t times) {
  for (std::size_t i = 0; i < times; ++i) {
    mutex_guard guard = co_await async_lock(box.m, use_awaitable);
    const auto some = [&box] { return box.items != 0; };
    for (;;) {
      auto [error] = co_await corolock::async_wait_for(
          box.filled, guard, some, nanoseconds(i % 5 * 1000), asio::as_tuple(use_awaitable));
      EXPECT_TRUE(guard);
      if (!error) {
        break;
      }
      EXPECT_EQ(error, errc::timed_out);
    }
    --box.items;
    ++box.taken;
  }
}
asio::awaitable<void> produce(mailbox& box, std::size_t times) {
  for (std::size_t i = 0; i < times; ++i) {
    const mutex_guard guard = co_await async_lock(box.m, use_awaitable);
    ++box.items;
    box.filled.notify_one();
  }
}

}  // namespace

TEST(AsioThreads, NotificationsAndTimeoutsOfAConditionLoseNoItem) {
  const std::size_t times = rounds(2'000);
  mailbox box;
  asio::thread_pool pool(2);
  for (int i = 0; i < 3; ++i) {
    launch(asio::make_strand(pool), consume(box, times));
    launch(asio::make_strand(pool), produce(box, times));
  }
  pool.join();
  EXPECT_EQ(box.taken, 3 * times);
  EXPECT_EQ(box.items, 0U);
  EXPECT_FALSE(box.m.is_locked());
}
