// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers

// The mutex under threads. What goes wrong shows as a sanitizer's report, as a crash, as a wrong
// count, or as a test that does not end because a wake-up was lost.

#include <corolock/async_mutex.hpp>
#include <support/manual_executor.hpp>
#include <support/rounds.hpp>
#include <support/stress.hpp>
#include <support/task.hpp>
#include <support/threads.hpp>

#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <cstddef>
#include <memory>
#include <random>
#include <stop_token>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

using corolock_test::drain;
using corolock_test::hesitate_until;
using corolock_test::hesitating;
using corolock_test::rounds_of;
using corolock_test::side_by_side;
using corolock_test::spin_until;
using corolock_test::started;
using corolock_test::task;
using corolock_test::thread_executor;

// -------------------------------------------------------------------------- destroy after unlock

// In each round one thread unlocks a mutex, and who owns it next destroys it while that unlock is
// returning. AddressSanitizer runs all rounds: it is what sees the mistake. The policy that
// hesitates makes it certain that it is there to be seen, so it needs few.

namespace {

template <class Threading>
constexpr std::size_t destroy_rounds = std::is_same_v<Threading, hesitating> ? 500
                                       : COROLOCK_TEST_TSAN                  ? 20'000
                                                                             : 200'000;

// Mutexes are made in batches, so that the threads need not wait for each other in each round.
constexpr std::size_t batch = 100;

template <class Mutex>
struct held_mutex {
  std::unique_ptr<Mutex> mutex = std::make_unique<Mutex>();
  typename Mutex::guard_type guard = mutex->try_lock();
  std::atomic<bool> destroyed{false};

  void unlock() {
    const hesitate_until gone(destroyed);
    guard.unlock();
  }
  void destroy() {
    mutex.reset();
    destroyed.store(true, std::memory_order_relaxed);
  }
};

template <class Mutex>
task<> lock_and_destroy(held_mutex<Mutex>& held, thread_executor& e) {
  {
    const auto g = co_await held.mutex->async_lock().on(e);
  }
  held.destroy();
}

// Stopped or not, it destroys the mutex when it has had the lock.
template <class Mutex>
task<> lock_or_stop_and_destroy(held_mutex<Mutex>& held, thread_executor& e,
                                std::stop_token token) {
  {
    auto g = co_await held.mutex->async_lock(std::move(token)).on(e);
    if (!g) {
      g = co_await held.mutex->async_lock().on(e);
    }
  }
  held.destroy();
}

}  // namespace

TYPED_TEST(Stress, DestroyAfterUnlockByTryLock) {
  using mutex = corolock::basic_async_mutex<TypeParam>;
  for (std::size_t round = 0; round < destroy_rounds<TypeParam>; round += batch) {
    std::vector<held_mutex<mutex>> held(batch);
    side_by_side(
        batch, [&](std::size_t i) { held[i].unlock(); },
        [&](std::size_t i) {
          for (unsigned tried = 1; !held[i].mutex->try_lock(); ++tried) {
            corolock::multi_threaded::pause(tried);  // close behind, where spin_until() yields
          }
          held[i].destroy();
        });
  }
}

TYPED_TEST(Stress, DestroyAfterUnlockByAQueuedWaiter) {
  using mutex = corolock::basic_async_mutex<TypeParam>;
  thread_executor e;
  for (std::size_t round = 0; round < destroy_rounds<TypeParam>; round += batch) {
    std::vector<held_mutex<mutex>> held(batch);
    std::vector<task<>> waiters;
    for (auto& h : held) {
      waiters.push_back(started(lock_and_destroy(h, e)));
    }
    for (auto& h : held) {
      h.unlock();
    }
    drain(e);
    for (const auto& h : held) {
      ASSERT_EQ(h.mutex, nullptr);
    }
  }
}

TYPED_TEST(Stress, DestroyAfterUnlockByAQueuedWaiterWithACanceller) {
  using mutex = corolock::basic_async_mutex<TypeParam>;
  thread_executor e;
  for (std::size_t round = 0; round < destroy_rounds<TypeParam>; round += batch) {
    std::vector<held_mutex<mutex>> held(batch);
    std::vector<std::stop_source> stops(batch);
    std::vector<task<>> waiters;
    for (std::size_t i = 0; i < batch; ++i) {
      waiters.push_back(started(lock_or_stop_and_destroy(held[i], e, stops[i].get_token())));
    }
    side_by_side(
        batch, [&](std::size_t i) { held[i].unlock(); },
        [&](std::size_t i) {
          const hesitate_until gone(held[i].destroyed);
          stops[i].request_stop();
        });
    drain(e);
    drain(e);  // what the first resumptions posted
    for (const auto& h : held) {
      ASSERT_EQ(h.mutex, nullptr);
    }
  }
}

// ------------------------------------------------------------------------- cancellation, frames

TYPED_TEST(Stress, CancelRacesUnlock) {
  using mutex = corolock::basic_async_mutex<TypeParam>;
  using guard = typename corolock::basic_async_mutex<TypeParam>::guard_type;
  thread_executor e;
  auto lock = [](mutex& m, thread_executor& on, std::stop_token token, int& inside,
                 int& granted) -> task<> {
    const auto g = co_await m.async_lock(std::move(token)).on(on);
    if (g) {
      EXPECT_EQ(++inside, 1);
      ++granted;
      --inside;
    }
  };
  const std::size_t count = rounds_of<TypeParam>(200'000);
  int granted = 0;
  for (std::size_t round = 0; round < count; round += batch) {
    std::vector<mutex> mutexes(batch);
    std::vector<guard> guards;
    std::vector<std::stop_source> stops(batch);
    std::vector<task<>> waiters;
    int inside = 0;
    for (std::size_t i = 0; i < batch; ++i) {
      guards.push_back(mutexes[i].try_lock());
      waiters.push_back(started(lock(mutexes[i], e, stops[i].get_token(), inside, granted)));
      waiters.push_back(started(lock(mutexes[i], e, std::stop_token(), inside, granted)));
    }
    side_by_side(
        batch, [&](std::size_t i) { guards[i].unlock(); },
        [&](std::size_t i) { stops[i].request_stop(); });
    drain(e);
    drain(e);  // the second waiter of each, which the first one let in
    for (std::size_t i = 0; i < waiters.size(); ++i) {
      ASSERT_TRUE(waiters[i].done()) << i;
    }
    for (const mutex& m : mutexes) {
      ASSERT_FALSE(m.is_locked());
    }
  }
  EXPECT_GE(granted, static_cast<int>(count));
  EXPECT_LE(granted, static_cast<int>(2 * count));
}

TYPED_TEST(Stress, CancelRacesUnlockWithoutAnExecutor) {
  using mutex = corolock::basic_async_mutex<TypeParam>;
  using guard = typename corolock::basic_async_mutex<TypeParam>::guard_type;
  // The one thread resumes what it grants, the other what it stops, both at once.
  auto lock = [](mutex& m, std::stop_token token, std::atomic<int>& ended) -> task<> {
    {
      const auto g = co_await m.async_lock(std::move(token));
    }
    ++ended;
  };
  for (std::size_t round = 0; round < rounds_of<TypeParam>(200'000); round += batch) {
    std::vector<mutex> mutexes(batch);
    std::vector<guard> guards;
    std::vector<std::stop_source> stops(batch);
    std::vector<task<>> waiters;
    std::atomic<int> ended{0};
    for (std::size_t i = 0; i < batch; ++i) {
      guards.push_back(mutexes[i].try_lock());
      waiters.push_back(started(lock(mutexes[i], stops[i].get_token(), ended)));
      waiters.push_back(started(lock(mutexes[i], std::stop_token(), ended)));
    }
    side_by_side(
        batch, [&](std::size_t i) { guards[i].unlock(); },
        [&](std::size_t i) { stops[i].request_stop(); });
    ASSERT_EQ(ended.load(), static_cast<int>(2 * batch));
  }
}

TYPED_TEST(Stress, AStopThatFiresWhileItIsRegisteredEndsTheWait) {
  using mutex = corolock::basic_async_mutex<TypeParam>;
  using guard = typename corolock::basic_async_mutex<TypeParam>::guard_type;
  auto lock = [](mutex& m, thread_executor& e, std::stop_token token) -> task<bool> {
    const auto g = co_await m.async_lock(std::move(token)).on(e);
    co_return g.has_value();
  };
  thread_executor e;
  mutex m;
  const guard held = m.try_lock();
  for (std::size_t round = 0; round < rounds_of<TypeParam>(200'000); round += batch) {
    std::vector<std::stop_source> stops(batch);
    std::vector<task<bool>> waiters(batch);
    side_by_side(
        batch, [&](std::size_t i) { waiters[i] = started(lock(m, e, stops[i].get_token())); },
        [&](std::size_t i) { stops[i].request_stop(); });
    drain(e);
    for (auto& t : waiters) {
      ASSERT_FALSE(t.result());
    }
  }
  EXPECT_EQ(m.statistics().waiters, 0U);
}

TYPED_TEST(Stress, FramesDestroyedAgainstAForeignUnlocker) {
  using mutex = corolock::basic_async_mutex<TypeParam>;
  using guard = typename corolock::basic_async_mutex<TypeParam>::guard_type;
  // The executor's thread destroys waiters that the main thread grants at the same time.
  auto lock = [](mutex& m, thread_executor& on) -> task<> {
    const auto g = co_await m.async_lock().on(on);
  };
  auto stoppable = [](mutex& m, thread_executor& on, std::stop_token token) -> task<> {
    const auto g = co_await m.async_lock(std::move(token)).on(on);
  };
  thread_executor e;
  for (std::size_t round = 0; round < rounds_of<TypeParam>(100'000); round += batch) {
    std::vector<mutex> mutexes(batch);
    std::vector<guard> guards;
    std::vector<task<>> victims;
    std::vector<task<>> others;
    std::stop_source never;
    for (std::size_t i = 0; i < batch; ++i) {
      guards.push_back(mutexes[i].try_lock());
      victims.push_back(i % 2 == 0 ? started(lock(mutexes[i], e))
                                   : started(stoppable(mutexes[i], e, never.get_token())));
      others.push_back(started(lock(mutexes[i], e)));
    }
    std::atomic<std::size_t> begun{0};
    e.post([&] {
      for (std::size_t i = 0; i < batch; ++i) {
        begun.store(i + 1);
        const void* address = victims[i].address();
        victims[i].destroy();
        e.drop(address);
      }
    });
    for (std::size_t i = 0; i < batch; ++i) {
      spin_until([&] { return begun.load() > i; });
      guards[i].unlock();
    }
    drain(e);
    drain(e);  // the second waiter of each
    for (std::size_t i = 0; i < batch; ++i) {
      ASSERT_TRUE(others[i].done());
      ASSERT_FALSE(mutexes[i].is_locked());
    }
  }
}

TYPED_TEST(Stress, FramesDestroyedWhileAnotherThreadQueues) {
  using mutex = corolock::basic_async_mutex<TypeParam>;
  // Without an executor: the thread that holds the lock, and so will resume all, destroys a waiter
  // behind which another thread has queued its own. That it has is said without any ordering, so
  // that ThreadSanitizer sees it if the frame alone is looked at.
  auto lock = [](mutex& m, std::size_t& served) -> task<> {
    const auto g = co_await m.async_lock();
    ++served;
  };
  for (std::size_t round = 0; round < rounds_of<TypeParam>(20'000); round += batch) {
    std::vector<held_mutex<mutex>> held(batch);
    std::vector<std::atomic<bool>> queued(batch);
    std::vector<task<>> mine;
    std::vector<task<>> theirs(batch);
    std::size_t served = 0;
    for (auto& h : held) {
      mine.push_back(started(lock(*h.mutex, served)));
    }
    side_by_side(
        batch,
        [&](std::size_t i) {
          spin_until([&] { return queued[i].load(std::memory_order_relaxed); });
          mine[i].destroy();
        },
        [&](std::size_t i) {
          theirs[i] = started(lock(*held[i].mutex, served));
          queued[i].store(true, std::memory_order_relaxed);
        });
    for (auto& h : held) {
      h.guard.unlock();
    }
    ASSERT_EQ(served, batch);
  }
}

// ------------------------------------------------------------------------------- all together

TYPED_TEST(Stress, MixedOperations) {
  using mutex = corolock::basic_async_mutex<TypeParam>;
  using guard = typename corolock::basic_async_mutex<TypeParam>::guard_type;
  // Every thread locks, tries and stops; a plain counter proves that one is inside at a time.
  constexpr std::size_t thread_count = 3;
  const std::size_t count = rounds_of<TypeParam>(100'000);
  mutex m;
  std::size_t inside = 0;
  std::size_t entered = 0;
  std::array<std::size_t, thread_count> counted{};

  auto lock = [](mutex& lockable, thread_executor& on, std::stop_token token, std::size_t& in,
                 std::size_t& total, std::size_t& mine) -> task<> {
    const auto g = co_await lockable.async_lock(std::move(token)).on(on);
    if (g) {
      EXPECT_EQ(++in, 1U);
      ++total;
      ++mine;
      --in;
    }
  };
  {
    std::vector<std::unique_ptr<thread_executor>> executors;
    std::vector<std::thread> threads;
    std::array<std::size_t, thread_count> tried{};
    for (std::size_t id = 0; id < thread_count; ++id) {
      executors.push_back(std::make_unique<thread_executor>());
    }
    for (std::size_t id = 0; id < thread_count; ++id) {
      threads.emplace_back([&, id] {
        thread_executor& e = *executors[id];
        std::minstd_rand random(static_cast<unsigned>(id + 1));
        for (std::size_t i = 0; i < count; i += 10) {
          std::vector<task<>> tasks;
          std::vector<std::stop_source> stops(10);
          for (std::stop_source& stop : stops) {
            tasks.push_back(started(lock(m, e, stop.get_token(), inside, entered, counted[id])));
            if (guard g = m.try_lock()) {
              EXPECT_EQ(++inside, 1U);
              ++entered;
              ++tried[id];
              --inside;
            }
            if (random() % 2 == 0) {
              stop.request_stop();
            }
          }
          spin_until([&] {
            std::atomic<bool> all{false};
            std::atomic<bool> ran{false};
            e.post([&] {
              bool done = true;
              for (const auto& t : tasks) {
                done = done && t.done();
              }
              all.store(done);
              ran.store(true);
            });
            spin_until([&] { return ran.load(); });
            return all.load();
          });
        }
      });
    }
    for (std::thread& t : threads) {
      t.join();
    }
    for (std::size_t id = 0; id < thread_count; ++id) {
      counted[id] += tried[id];
    }
  }
  EXPECT_EQ(entered, counted[0] + counted[1] + counted[2]);
  EXPECT_GT(entered, 0U);
  EXPECT_FALSE(m.is_locked());
}

TYPED_TEST(Stress, MixedOperationsWithoutAnExecutor) {
  using mutex = corolock::basic_async_mutex<TypeParam>;
  // Whoever unlocks runs the next: tasks wander between the threads.
  constexpr std::size_t thread_count = 3;
  const std::size_t count = rounds_of<TypeParam>(300'000);
  mutex m;
  std::size_t counter = 0;
  std::atomic<std::size_t> ended{0};
  auto lock = [](mutex& lockable, std::size_t& in, std::atomic<std::size_t>& end) -> task<> {
    {
      const auto g = co_await lockable.async_lock();
      ++in;
    }
    ++end;
  };
  std::vector<std::vector<task<>>> tasks(thread_count);
  std::vector<std::thread> threads;
  for (auto& mine : tasks) {
    threads.emplace_back([&] {
      for (std::size_t i = 0; i < count; ++i) {
        mine.push_back(started(lock(m, counter, ended)));
      }
    });
  }
  for (std::thread& t : threads) {
    t.join();
  }
  EXPECT_EQ(ended.load(), thread_count * count);
  EXPECT_EQ(counter, thread_count * count);
  EXPECT_FALSE(m.is_locked());
}
