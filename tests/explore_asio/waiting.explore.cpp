// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers

// Waiting on Boost.Asio in the explorer: cancellation, time, groups, strands, and what is refused.

#include <corolock/explore/asio.hpp>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/cancellation_type.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <optional>
#include <set>
#include <stdexcept>
#include <string>
#include <tuple>
#include <variant>
#include <vector>

namespace {

using namespace corolock;
using namespace std::chrono_literals;
using namespace boost::asio::experimental::awaitable_operators;
using boost::asio::as_tuple;
using boost::asio::awaitable;
using boost::asio::use_awaitable;
using boost::system::error_code;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

// A task that holds the lock over a suspension, and one that waits for it and may be cancelled.
template <class Wait>
auto holder_and(async_mutex*& mutex, Wait wait, explore::spawn_options o = {}) {
  return [&mutex, wait, o](explore::world& w) {
    auto& lock = w.make<async_mutex>("lock");
    mutex = &lock;
    explore::spawn(w, "holder", [&lock]() -> awaitable<void> {
      const mutex_guard guard = co_await async_lock(lock, use_awaitable);
      co_await boost::asio::post(use_awaitable);
    });
    explore::spawn(w, "waiter", [&lock, wait]() -> awaitable<void> { co_await wait(lock); }, o);
    w.finally([&w, &lock] { w.require(!lock.is_locked(), "nobody holds the lock"); });
  };
}

TEST(ExploreAsioCancellation, ComesAtEverySuspensionAndLeaksNothing) {
  for (const auto type :
       {boost::asio::cancellation_type::terminal, boost::asio::cancellation_type::partial,
        boost::asio::cancellation_type::total}) {
    async_mutex* mutex = nullptr;
    std::set<std::string> outcomes;
    const auto wait = [&outcomes](async_mutex& lock) -> awaitable<void> {
      co_await boost::asio::this_coro::reset_cancellation_state(
          boost::asio::enable_total_cancellation());
      co_await boost::asio::this_coro::throw_if_cancelled(false);
      auto [error, guard] = co_await async_lock(lock, as_tuple(use_awaitable));
      outcomes.insert(error ? error.message() : "granted");
      EXPECT_EQ(static_cast<bool>(guard), !error);
    };
    const explore::result r =
        explore::check(holder_and(mutex, wait, explore::spawn_options::cancellable_by(type)));
    EXPECT_TRUE(r);
    EXPECT_EQ(r.verdict, explore::verdict::verified);
    EXPECT_THAT(outcomes, ElementsAre("Operation canceled", "granted"));
  }
}

TEST(ExploreAsioCancellation, ATaskMayEndByIt) {
  async_mutex* mutex = nullptr;
  const auto wait = [](async_mutex& lock) -> awaitable<void> {
    const mutex_guard guard = co_await async_lock(lock, use_awaitable);
    co_await boost::asio::post(use_awaitable);
  };
  const explore::result r = explore::check(holder_and(mutex, wait, explore::cancellable));
  EXPECT_TRUE(r);
  EXPECT_EQ(r.verdict, explore::verdict::verified);
}

TEST(ExploreAsioCancellation, IsLeftOutWithoutABudget) {
  async_mutex* mutex = nullptr;
  unsigned cancelled = 0;
  const auto wait = [&cancelled](async_mutex& lock) -> awaitable<void> {
    auto [error, guard] = co_await async_lock(lock, as_tuple(use_awaitable));
    cancelled += error ? 1 : 0;
  };
  explore::options o;
  o.cancellations = 0;
  EXPECT_TRUE(explore::check(holder_and(mutex, wait, explore::cancellable), o));
  EXPECT_EQ(cancelled, 0U);
}

explore::options with_destructions(unsigned count) {
  explore::options o;
  o.destructions = count;
  return o;
}

// The waiter is destroyed while it waits for the lock, just after the grant, and while it has it.
TEST(ExploreAsioDestruction, ComesAtEverySuspensionAndLeaksNothing) {
  for (const explore::spawn_options how : {explore::spawn_options(), explore::cancellable}) {
    async_mutex* mutex = nullptr;
    struct {
      unsigned begun = 0;
      unsigned locked = 0;
      unsigned ended = 0;
    } count;
    const auto wait = [&count](async_mutex& lock) -> awaitable<void> {
      ++count.begun;
      corolock::asio::timer timer(co_await boost::asio::this_coro::executor, 1s);
      const mutex_guard guard = co_await async_lock(lock, use_awaitable);
      ++count.locked;
      co_await (timer.async_wait(use_awaitable) && boost::asio::post(use_awaitable));
      ++count.ended;
    };
    const explore::result r = explore::check(holder_and(mutex, wait, how), with_destructions(1));
    EXPECT_TRUE(r);
    EXPECT_EQ(r.verdict, explore::verdict::verified);
    EXPECT_GT(count.begun, count.locked);
    EXPECT_GT(count.locked, count.ended);
    EXPECT_GT(count.ended, 0U);
  }
}

TEST(ExploreAsioDestruction, FindsWhatNoDestructorGivesBack) {
  async_mutex* mutex = nullptr;
  const auto wait = [](async_mutex& lock) -> awaitable<void> {
    mutex_guard guard = co_await async_lock(lock, use_awaitable);
    (void)guard.release();
    co_await boost::asio::post(use_awaitable);
    lock.unlock();
  };
  EXPECT_TRUE(explore::check(holder_and(mutex, wait)));
  const explore::result r = explore::check(holder_and(mutex, wait), with_destructions(1));
  ASSERT_TRUE(r.failure);
  EXPECT_THAT(r.text(), HasSubstr("destroys waiter"));
}

// What waits in the strand goes with it; the others' posts to it are lost.
TEST(ExploreAsioDestruction, TakesTheStrandAlong) {
  const explore::result r = explore::check(
      [](explore::world& w) {
        auto& lock = w.make<async_mutex>("lock");
        explore::spawn_n(w, "task", 2, [&lock]() -> awaitable<void> {
          const auto strand = boost::asio::make_strand(co_await boost::asio::this_coro::executor);
          const auto part = [&lock]() -> awaitable<void> {
            const mutex_guard guard = co_await async_lock(lock, use_awaitable);
            co_await boost::asio::post(use_awaitable);
          };
          co_await boost::asio::co_spawn(strand, part, use_awaitable);
        });
        w.finally([&] { w.require(!lock.is_locked(), "nobody holds the lock"); });
      },
      with_destructions(2));
  EXPECT_TRUE(r);
  EXPECT_EQ(r.verdict, explore::verdict::verified);
}

TEST(ExploreAsioException, CannotBePutIntoATaskAndSaysSo) {
  async_mutex* mutex = nullptr;
  const auto wait = [](async_mutex& lock) -> awaitable<void> {
    const mutex_guard guard = co_await async_lock(lock, use_awaitable);
  };
  explore::options o;
  o.exceptions = 1;
  const explore::result r = explore::check(holder_and(mutex, wait), o);
  ASSERT_TRUE(r.failure);
  EXPECT_EQ(r.failure->kind, explore::failure_kind::contract);
  EXPECT_THAT(r.failure->message, HasSubstr("options::exceptions is set, and holder is a task"));
}

TEST(ExploreAsioTime, ALimitPassesJustBeforeTheGrantAndJustAfter) {
  async_mutex* mutex = nullptr;
  std::set<std::string> outcomes;
  const auto wait = [&outcomes](async_mutex& lock) -> awaitable<void> {
    auto [error, guard] = co_await async_lock_for(lock, 1s, as_tuple(use_awaitable));
    outcomes.insert(error ? error.message() : "granted");
    EXPECT_EQ(static_cast<bool>(guard), !error);
  };
  explore::options o;
  o.adversarial_time = true;
  const explore::result r = explore::check(holder_and(mutex, wait), o);
  EXPECT_TRUE(r);
  EXPECT_EQ(r.verdict, explore::verdict::verified);
  EXPECT_EQ(outcomes.size(), 2U);
  EXPECT_TRUE(outcomes.contains("granted"));
}

TEST(ExploreAsioTime, ALimitDoesNotPassWhileAnybodyCanGoOn) {
  async_mutex* mutex = nullptr;
  const auto wait = [](async_mutex& lock) -> awaitable<void> {
    auto [error, guard] = co_await async_lock_for(lock, 1ns, as_tuple(use_awaitable));
    EXPECT_FALSE(error);
  };
  EXPECT_TRUE(explore::check(holder_and(mutex, wait)));
}

TEST(ExploreAsioTime, GoesOnFromTimerToTimer) {
  std::set<std::vector<int>> orders;
  const explore::result r = explore::check([&](explore::world& w) {
    auto& order = w.make<std::vector<int>>("order");
    explore::spawn_n(w, "sleeper", 3, [&order](unsigned i) -> awaitable<void> {
      using clock = corolock::asio::timer::clock_type;
      const clock::time_point begin = clock::now();
      corolock::asio::timer timer(co_await boost::asio::this_coro::executor);
      timer.expires_at(begin + (3 - i) * 1h);
      co_await timer.async_wait(use_awaitable);
      EXPECT_EQ(clock::now(), begin + (3 - i) * 1h);
      order.push_back(static_cast<int>(i));
    });
    w.finally([&] { orders.insert(order); });
  });
  EXPECT_TRUE(r);
  EXPECT_THAT(orders, ElementsAre(ElementsAre(2, 1, 0)));
}

TEST(ExploreAsioTime, ATimerIsCancelledByHandByMoreTimeAndByItsEnd) {
  const explore::result r = explore::check([](explore::world& w) {
    auto& seen = w.make<std::vector<error_code>>("seen");
    explore::spawn(w, "task", [&seen]() -> awaitable<void> {
      const auto executor = co_await boost::asio::this_coro::executor;
      const auto note = [&seen](error_code e) { seen.push_back(e); };
      corolock::asio::timer first(executor, 1s);
      first.async_wait(note);
      first.async_wait(note);
      EXPECT_EQ(first.cancel_one(), 1U);
      EXPECT_EQ(first.cancel(), 1U);
      first.async_wait(note);
      EXPECT_EQ(first.expires_after(2s), 1U);
      EXPECT_EQ(first.cancel(), 0U);
      {
        corolock::asio::timer second(executor, 1s);
        second.async_wait(note);
        corolock::asio::timer third(std::move(second));
        EXPECT_EQ(third.expiry(), corolock::asio::timer::clock_type::now() + 1s);
      }
      co_await boost::asio::post(use_awaitable);
      co_return;
    });
    w.finally([&] {
      w.require(seen == std::vector<error_code>(4, boost::asio::error::operation_aborted),
                "four waits were cancelled");
    });
  });
  EXPECT_TRUE(r);
}

TEST(ExploreAsioGroups, ALockThatRacesWithATimerLeaksNoGuard) {
  std::set<std::size_t> winners;
  explore::options o;
  o.adversarial_time = true;
  async_mutex* mutex = nullptr;
  const auto wait = [&winners](async_mutex& lock) -> awaitable<void> {
    corolock::asio::timer timer(co_await boost::asio::this_coro::executor, 1s);
    const auto result =
        co_await (async_lock(lock, use_awaitable) || timer.async_wait(use_awaitable));
    winners.insert(result.index());
  };
  const explore::result r = explore::check(holder_and(mutex, wait), o);
  EXPECT_TRUE(r);
  EXPECT_EQ(r.verdict, explore::verdict::verified);
  EXPECT_THAT(winners, ElementsAre(0U, 1U));
}

TEST(ExploreAsioGroups, BothAreWaitedFor) {
  async_mutex* mutex = nullptr;
  const auto wait = [](async_mutex& lock) -> awaitable<void> {
    corolock::asio::timer timer(co_await boost::asio::this_coro::executor, 1s);
    const mutex_guard guard =
        co_await (async_lock(lock, use_awaitable) && timer.async_wait(use_awaitable));
    EXPECT_TRUE(guard);
  };
  EXPECT_TRUE(explore::check(holder_and(mutex, wait)));
}

// Two tasks post to the strand of one of them.
TEST(ExploreAsioStrand, RunsWhatIsPostedToItOneAfterTheOther) {
  std::set<std::string> orders;
  const explore::result r = explore::check([&orders](explore::world& w) {
    auto& strand =
        w.make<std::optional<boost::asio::strand<boost::asio::any_io_executor>>>("strand");
    auto& order = w.make<std::string>("order");
    explore::spawn(w, "owner", [&]() -> awaitable<void> {
      strand = boost::asio::make_strand(co_await boost::asio::this_coro::executor);
      boost::asio::post(*strand, [&order] { order += 'a'; });
      boost::asio::post(*strand, [&order] { order += 'b'; });
      co_await boost::asio::post(use_awaitable);
    });
    explore::spawn(w, "guest", [&]() -> awaitable<void> {
      if (strand) {
        boost::asio::post(*strand, [&order] { order += 'c'; });
      }
      co_return;
    });
    w.finally([&] { orders.insert(order); });
  });
  EXPECT_TRUE(r);
  EXPECT_EQ(r.verdict, explore::verdict::verified);
  EXPECT_THAT(orders, ElementsAre("ab", "abc"));
}

TEST(ExploreAsioStrand, ALocalMutexOnAStrandIsEnough) {
  const explore::result r = explore::check([](explore::world& w) {
    auto& users = w.shared<int>("users", 10);
    auto& lock = w.make<local_async_mutex>("lock");
    explore::spawn(w, "task", [&users, &lock]() -> awaitable<void> {
      const auto strand = boost::asio::make_strand(co_await boost::asio::this_coro::executor);
      const auto add = [&users, &lock]() -> awaitable<void> {
        const auto guard = co_await async_lock(lock, use_awaitable);
        const int n = users.get();
        co_await boost::asio::post(use_awaitable);
        users.set(n + 1);
      };
      co_await (boost::asio::co_spawn(strand, add, use_awaitable) &&
                boost::asio::co_spawn(strand, add, use_awaitable));
    });
    w.finally([&] { w.require(users.value() == 12, "users is 12"); });
  });
  EXPECT_TRUE(r);
}

TEST(ExploreAsioTask, AnExceptionThatLeavesItFails) {
  const explore::result r = explore::check([](explore::world& w) {
    explore::spawn(w, "thrower", []() -> awaitable<void> {
      co_await boost::asio::post(use_awaitable);
      throw std::runtime_error("out of luck");
    });
  });
  ASSERT_TRUE(r.failure);
  EXPECT_EQ(r.failure->kind, explore::failure_kind::exception);
  EXPECT_EQ(r.failure->message, "an exception left thrower: out of luck");
}

// The run is left behind in the middle of a step, with what it has allocated.
#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define COROLOCK_TEST_LEAKS_ARE_ERRORS
#endif
#elif defined(__SANITIZE_ADDRESS__)
#define COROLOCK_TEST_LEAKS_ARE_ERRORS
#endif
TEST(ExploreAsioTask, MisuseOfALockFails) {
#if defined(COROLOCK_TEST_LEAKS_ARE_ERRORS)
  GTEST_SKIP() << "leaks by design";
#endif
  const explore::result r = explore::check([](explore::world& w) {
    auto& lock = w.make<async_mutex>("lock");
    explore::spawn(w, "task", [&lock]() -> awaitable<void> {
      const auto strand = boost::asio::make_strand(co_await boost::asio::this_coro::executor);
      co_await boost::asio::post(strand, use_awaitable);
      boost::asio::post(strand, [&lock] { lock.unlock(); });
    });
  });
  ASSERT_TRUE(r.failure);
  EXPECT_EQ(r.failure->kind, explore::failure_kind::contract);
}

TEST(ExploreAsioTask, ARawTimerOfAsioFailsAndIsNamed) {
  const explore::result r = explore::check([](explore::world& w) {
    explore::spawn(w, "sleeper", []() -> awaitable<void> {
      boost::asio::steady_timer timer(co_await boost::asio::this_coro::executor, 1s);
      co_await timer.async_wait(use_awaitable);
    });
  });
  ASSERT_TRUE(r.failure);
  EXPECT_EQ(r.failure->kind, explore::failure_kind::contract);
  EXPECT_THAT(r.failure->message, HasSubstr("sleeper uses a steady_timer, a socket"));
}

// An io_context that nobody runs: the explorer knows nothing of it, and says that.
TEST(ExploreAsioTask, WhoWaitsForAnIoContextOfTheBodysOwnIsNamed) {
  const explore::result r = explore::check([](explore::world& w) {
    auto& lock = w.make<async_mutex>("lock");
    auto& context = w.make<boost::asio::io_context>("context");
    explore::spawn(w, "waiter", [&]() -> awaitable<void> {
      {
        const mutex_guard guard = co_await async_lock(lock, use_awaitable);
      }
      co_await boost::asio::post(context, use_awaitable);
    });
  });
  ASSERT_TRUE(r.failure);
  EXPECT_EQ(r.failure->kind, explore::failure_kind::lost_wakeup);
  EXPECT_THAT(r.failure->waits,
              ElementsAre("waiter waits for something outside the explorer, such as an io_context, "
                          "a thread or a callback of the body's own"));
}

TEST(ExploreAsioTask, WhoWaitsForWhatNobodyDoesIsALostWakeUp) {
  const explore::result r = explore::check([](explore::world& w) {
    auto& event = w.make<async_event>("event");
    explore::spawn(w, "waiter",
                   [&event]() -> awaitable<void> { co_await async_wait(event, use_awaitable); });
  });
  ASSERT_TRUE(r.failure);
  EXPECT_EQ(r.failure->kind, explore::failure_kind::lost_wakeup);
  EXPECT_THAT(r.text(), HasSubstr("waiter waits for event"));
}

}  // namespace
