// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers

// The keyed mutex under threads. What goes wrong shows as a sanitizer's report, as a crash, as a
// wrong count, or as a test that does not end because a wake-up was lost.

#include <corolock/async_keyed_mutex.hpp>
#include <support/manual_executor.hpp>
#include <support/rounds.hpp>
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
#include <utility>
#include <vector>

using corolock_test::drain;
using corolock_test::rounds;
using corolock_test::side_by_side;
using corolock_test::spin_until;
using corolock_test::started;
using corolock_test::task;
using corolock_test::thread_executor;

namespace {

using keyed_mutex = corolock::async_keyed_mutex<int>;
using keyed_guard = corolock::keyed_guard<int>;
using keys_guard = corolock::keys_guard<int>;
using keys = std::vector<int>;

// Mutexes are made in batches, so that the threads need not wait for each other in each round.
constexpr std::size_t batch = 100;

}  // namespace

TEST(Stress, AKeyedMutexIsDestroyedByTheNextOwner) {
  // The one thread unlocks; the other one locks next, and destroys the mutex while that unlock is
  // returning.
  for (std::size_t round = 0; round < rounds(100'000); round += batch) {
    std::vector<std::unique_ptr<keyed_mutex>> mutexes;
    std::vector<keyed_guard> guards;
    for (std::size_t i = 0; i < batch; ++i) {
      mutexes.push_back(std::make_unique<keyed_mutex>());
      guards.push_back(mutexes.back()->try_lock(1));
    }
    side_by_side(
        batch, [&](std::size_t i) { guards[i].unlock(); },
        [&](std::size_t i) {
          spin_until([&] { return static_cast<bool>(mutexes[i]->try_lock(1)); });
          mutexes[i].reset();
        });
  }
}

TEST(Stress, AKeyedMutexIsDestroyedByTheWaiterThatItWakes) {
  auto lock_and_destroy = [](std::unique_ptr<keyed_mutex>& m, thread_executor& e,
                             const keys& wanted) -> task<> {
    {
      const keys_guard g = co_await m->async_lock_all(wanted).on(e);
    }
    m.reset();
  };
  const keys wanted = {1, 2};
  thread_executor e;
  for (std::size_t round = 0; round < rounds(100'000); round += batch) {
    std::vector<std::unique_ptr<keyed_mutex>> mutexes;
    std::vector<keyed_guard> guards;
    std::vector<task<>> waiters;
    for (std::size_t i = 0; i < batch; ++i) {
      mutexes.push_back(std::make_unique<keyed_mutex>());
      guards.push_back(mutexes.back()->try_lock(2));
    }
    for (auto& m : mutexes) {
      waiters.push_back(started(lock_and_destroy(m, e, wanted)));
    }
    for (keyed_guard& g : guards) {
      g.unlock();
    }
    drain(e);
    for (const auto& m : mutexes) {
      ASSERT_EQ(m, nullptr);
    }
  }
}

TEST(Stress, AStopOfSeveralKeysRacesTheirUnlocks) {
  // A waiter for keys 1, 2 and 3 is stopped while key 2, and then key 3, is handed over to it.
  auto lock = [](keyed_mutex& m, thread_executor& e, const keys& wanted,
                 std::stop_token token) -> task<bool> {
    const auto g = co_await m.async_lock_all(wanted, std::move(token)).on(e);
    co_return g.has_value();
  };
  auto lock_one = [](keyed_mutex& m, thread_executor& e, int key) -> task<> {
    const keyed_guard g = co_await m.async_lock(key).on(e);
  };
  const keys wanted = {1, 2, 3};
  thread_executor e;
  for (std::size_t round = 0; round < rounds(50'000); round += batch) {
    std::vector<keyed_mutex> mutexes(batch);
    std::vector<keyed_guard> second;
    std::vector<keyed_guard> third;
    std::vector<std::stop_source> stops(batch);
    std::vector<task<bool>> waiters;
    std::vector<task<>> behind;
    for (std::size_t i = 0; i < batch; ++i) {
      second.push_back(mutexes[i].try_lock(2));
      third.push_back(mutexes[i].try_lock(3));
      waiters.push_back(started(lock(mutexes[i], e, wanted, stops[i].get_token())));
      behind.push_back(started(lock_one(mutexes[i], e, 1)));
    }
    side_by_side(
        batch,
        [&](std::size_t i) {
          second[i].unlock();
          third[i].unlock();
        },
        [&](std::size_t i) { stops[i].request_stop(); });
    drain(e);
    drain(e);  // the one behind, which the first one let in
    for (std::size_t i = 0; i < batch; ++i) {
      ASSERT_TRUE(waiters[i].done());
      ASSERT_TRUE(behind[i].done());
      ASSERT_EQ(mutexes[i].size(), 0U);
    }
  }
}

TEST(Stress, FramesThatWaitForKeysAreDestroyedAgainstAForeignUnlocker) {
  // The executor's thread destroys waiters that the main thread grants at the same time.
  auto lock = [](keyed_mutex& m, thread_executor& e, const keys& wanted) -> task<> {
    const keys_guard g = co_await m.async_lock_all(wanted).on(e);
  };
  const keys wanted = {1, 2};
  thread_executor e;
  for (std::size_t round = 0; round < rounds(50'000); round += batch) {
    std::vector<keyed_mutex> mutexes(batch);
    std::vector<keyed_guard> guards;
    std::vector<task<>> victims;
    std::vector<task<>> others;
    for (keyed_mutex& m : mutexes) {
      guards.push_back(m.try_lock(2));
      victims.push_back(started(lock(m, e, wanted)));
      others.push_back(started(lock(m, e, wanted)));
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
      ASSERT_EQ(mutexes[i].size(), 0U);
    }
  }
}

TEST(Stress, MixedOperationsOnKeys) {
  // Every thread locks one key, tries one, locks some in any order, and stops half of its waits.
  // Plain counters prove that one task at a time is inside each key.
  constexpr std::size_t thread_count = 3;
  constexpr std::size_t key_count = 4;
  constexpr std::size_t in_a_row = 12;
  const std::size_t count = rounds(30'000);
  keyed_mutex m;
  std::array<std::size_t, key_count> inside{};
  std::array<std::size_t, key_count> entered{};
  std::atomic<std::size_t> expected{0};

  auto visit = [](auto& in, auto& total, int key) {
    const auto i = static_cast<std::size_t>(key);
    EXPECT_EQ(++in[i], 1U);
    ++total[i];
    --in[i];
  };
  using visitor = decltype(visit);
  using counts = std::array<std::size_t, key_count>;
  auto lock = [](keyed_mutex& mutex, thread_executor& on, int key, std::stop_token token,
                 visitor& v, counts& in, counts& total, std::atomic<std::size_t>& sum) -> task<> {
    const auto g = co_await mutex.async_lock(key, std::move(token)).on(on);
    if (g) {
      v(in, total, key);
      ++sum;
    }
  };
  auto lock_all = [](keyed_mutex& mutex, thread_executor& on, keys wanted, std::stop_token token,
                     visitor& v, counts& in, counts& total,
                     std::atomic<std::size_t>& sum) -> task<> {
    auto g = co_await mutex.async_lock_all(wanted, std::move(token)).on(on);
    if (g) {
      for (const int key : g->keys()) {
        v(in, total, key);
        ++sum;
      }
    }
  };
  std::vector<std::unique_ptr<thread_executor>> executors;
  for (std::size_t id = 0; id < thread_count; ++id) {
    executors.push_back(std::make_unique<thread_executor>());
  }
  std::vector<std::thread> threads;
  for (std::size_t id = 0; id < thread_count; ++id) {
    threads.emplace_back([&, id] {
      thread_executor& e = *executors[id];
      std::minstd_rand random(static_cast<unsigned>(id + 1));
      auto any_key = [&random] { return static_cast<int>(random() % key_count); };
      for (std::size_t i = 0; i < count; i += in_a_row) {
        std::vector<task<>> tasks;
        std::vector<std::stop_source> stops(in_a_row);
        for (std::size_t j = 0; j < in_a_row; ++j) {
          if (j % 3 == 0) {
            tasks.push_back(started(
                lock(m, e, any_key(), stops[j].get_token(), visit, inside, entered, expected)));
          } else {
            const keys wanted = {any_key(), any_key(), any_key()};
            tasks.push_back(started(
                lock_all(m, e, wanted, stops[j].get_token(), visit, inside, entered, expected)));
          }
          const int key = any_key();
          if (const keyed_guard g = m.try_lock(key)) {
            visit(inside, entered, key);
            ++expected;
          }
          if (random() % 2 == 0) {
            stops[random() % (j + 1)].request_stop();
          }
        }
        // Looked at on the thread that runs them.
        std::atomic<bool> all{false};
        spin_until([&] {
          std::atomic<bool> ran{false};
          e.post([&] {
            bool done = true;
            for (const task<>& t : tasks) {
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
  std::size_t sum = 0;
  for (const std::size_t n : entered) {
    sum += n;
  }
  EXPECT_EQ(sum, expected.load());
  EXPECT_EQ(m.statistics().entries, 0U);
  EXPECT_EQ(m.statistics().waiters, 0U);
}
