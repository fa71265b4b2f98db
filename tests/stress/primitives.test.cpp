// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers

// The other primitives under threads; see async_mutex.test.cpp.

#include <corolock/async_barrier.hpp>
#include <corolock/async_condition.hpp>
#include <corolock/async_event.hpp>
#include <corolock/async_mutex.hpp>
#include <corolock/async_semaphore.hpp>
#include <corolock/async_shared_mutex.hpp>
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
#include <utility>
#include <vector>

using corolock_test::drain;
using corolock_test::rounds_of;
using corolock_test::side_by_side;
using corolock_test::spin_until;
using corolock_test::started;
using corolock_test::task;
using corolock_test::thread_executor;

namespace {

constexpr std::size_t batch = 100;

}  // namespace

// --------------------------------------------------------------------------------- semaphore

TYPED_TEST(Stress, ASemaphoreIsDestroyedWhileItsReleaseReturns) {
  using semaphore = corolock::basic_async_semaphore<TypeParam>;
  auto acquire_and_destroy = [](std::unique_ptr<semaphore>& s, thread_executor& e) -> task<> {
    {
      const auto p = co_await s->async_acquire(2).on(e);
    }
    s.reset();
  };
  thread_executor e;
  for (std::size_t round = 0; round < rounds_of<TypeParam>(200'000); round += batch) {
    std::vector<std::unique_ptr<semaphore>> semaphores(batch);
    std::vector<task<>> waiters;
    for (auto& s : semaphores) {
      s = std::make_unique<semaphore>(0);
      waiters.push_back(started(acquire_and_destroy(s, e)));
    }
    for (auto& s : semaphores) {
      s->release(2);
    }
    drain(e);
    for (const auto& s : semaphores) {
      ASSERT_EQ(s, nullptr);
    }
  }
}

TYPED_TEST(Stress, UnitsAreNeitherLostNorMadeByStopsAgainstReleases) {
  using semaphore = corolock::basic_async_semaphore<TypeParam>;
  auto acquire = [](semaphore& s, std::size_t units, thread_executor& e,
                    std::stop_token token) -> task<> {
    const auto p = co_await s.async_acquire(units, std::move(token)).on(e);
  };
  thread_executor e;
  semaphore s(3, 3);
  std::minstd_rand random(1);
  for (std::size_t round = 0; round < rounds_of<TypeParam>(200'000); round += batch) {
    std::vector<std::stop_source> stops(batch);
    std::vector<task<>> waiters;
    std::vector<typename semaphore::guard_type> all;
    all.push_back(s.try_acquire(3));
    ASSERT_TRUE(all.front());
    for (std::stop_source& stop : stops) {
      waiters.push_back(started(acquire(s, random() % 3 + 1, e, stop.get_token())));
    }
    all.clear();
    side_by_side(
        batch,
        [&](std::size_t) {
          if (auto p = s.try_acquire()) {
            p.give_back();
          }
        },
        [&](std::size_t i) { stops[i].request_stop(); });
    spin_until([&] {
      drain(e);
      return s.statistics().waiters == 0 && s.statistics().available == 3;
    });
    drain(e);
    for (const auto& t : waiters) {
      ASSERT_TRUE(t.done());
    }
  }
}

TYPED_TEST(Stress, SemaphoreFramesDestroyedAgainstAForeignReleaser) {
  using semaphore = corolock::basic_async_semaphore<TypeParam>;
  auto acquire = [](semaphore& s, thread_executor& e) -> task<> {
    const auto p = co_await s.async_acquire().on(e);
  };
  thread_executor e;
  for (std::size_t round = 0; round < rounds_of<TypeParam>(100'000); round += batch) {
    semaphore s(0);
    std::vector<task<>> victims;
    for (std::size_t i = 0; i < batch; ++i) {
      victims.push_back(started(acquire(s, e)));
    }
    std::atomic<bool> begun{false};
    e.post([&] {
      begun.store(true);
      for (auto& victim : victims) {
        const void* address = victim.address();
        victim.destroy();
        e.drop(address);
      }
    });
    spin_until([&] { return begun.load(); });
    for (std::size_t i = 0; i < batch; ++i) {
      s.release();
    }
    drain(e);
    ASSERT_EQ(s.statistics().available, batch);
  }
}

TYPED_TEST(Stress, CloseRacesReleaseAndStop) {
  using semaphore = corolock::basic_async_semaphore<TypeParam>;
  auto acquire = [](semaphore& s, thread_executor& e, std::stop_token token) -> task<> {
    const auto p = co_await s.async_acquire(std::move(token)).on(e);
  };
  thread_executor e;
  for (std::size_t round = 0; round < rounds_of<TypeParam>(50'000); round += batch) {
    std::vector<std::unique_ptr<semaphore>> semaphores(batch);
    std::vector<std::stop_source> stops(batch);
    std::vector<task<>> waiters;
    for (std::size_t i = 0; i < batch; ++i) {
      semaphores[i] = std::make_unique<semaphore>(0);
      for (int n = 0; n < 2; ++n) {
        waiters.push_back(started(acquire(*semaphores[i], e, stops[i].get_token())));
      }
    }
    side_by_side(
        batch,
        [&](std::size_t i) {
          semaphores[i]->release();
          semaphores[i]->close();
        },
        [&](std::size_t i) { stops[i].request_stop(); });
    drain(e);
    for (std::size_t i = 0; i < batch; ++i) {
      ASSERT_EQ(semaphores[i]->statistics().available, 1U);
      ASSERT_EQ(semaphores[i]->statistics().waiters, 0U);
    }
  }
}

// ------------------------------------------------------------------------------------- event

TYPED_TEST(Stress, AnEventIsDestroyedByItsWaiterWhileSetReturns) {
  using event = corolock::basic_async_event<TypeParam>;
  auto wait_and_destroy = [](std::unique_ptr<event>& mine, thread_executor& e) -> task<> {
    co_await mine->async_wait().on(e);
    mine.reset();
  };
  thread_executor e;
  for (std::size_t round = 0; round < rounds_of<TypeParam>(200'000); round += batch) {
    std::vector<std::unique_ptr<event>> events(batch);
    std::vector<task<>> waiters;
    for (auto& mine : events) {
      mine = std::make_unique<event>();
      waiters.push_back(started(wait_and_destroy(mine, e)));
    }
    for (auto& mine : events) {
      mine->set();
    }
    drain(e);
    for (const auto& mine : events) {
      ASSERT_EQ(mine, nullptr);
    }
  }
}

TYPED_TEST(Stress, SetAndResetRaceWaitsStopsAndDestruction) {
  using event = corolock::basic_async_event<TypeParam>;
  auto wait = [](event& changed, thread_executor& e, std::stop_token token) -> task<> {
    static_cast<void>(co_await changed.async_wait(std::move(token)).on(e));
  };
  thread_executor e;
  event changed;
  for (std::size_t round = 0; round < rounds_of<TypeParam>(100'000); round += batch) {
    std::vector<std::stop_source> stops(batch);
    std::vector<task<>> waiters(batch);
    // The executor's thread waits, and destroys every third one; this one sets and resets; another
    // one stops every second one.
    e.post([&] {
      for (std::size_t i = 0; i < batch; ++i) {
        waiters[i] = started(wait(changed, e, stops[i].get_token()));
        if (i % 3 == 0) {
          const void* address = waiters[i].address();
          waiters[i].destroy();
          e.drop(address);
        }
      }
    });
    side_by_side(
        batch,
        [&](std::size_t) {
          changed.set();
          changed.reset();
        },
        [&](std::size_t i) {
          if (i % 2 == 0) {
            stops[i].request_stop();
          }
        });
    drain(e);
    changed.set();
    drain(e);
    changed.reset();
    for (std::size_t i = 0; i < batch; ++i) {
      ASSERT_TRUE(i % 3 == 0 || waiters[i].done());
    }
  }
}

TYPED_TEST(Stress, TwoStopsThatSetEachOthersEventsBothReturn) {
  using event = corolock::basic_async_event<TypeParam>;
  // Each stop callback resumes its task inside itself, and that sets the event of the other task.
  auto wait_and_set = [](event& mine, event& theirs, std::stop_token token,
                         std::atomic<int>& ended) -> task<> {
    static_cast<void>(co_await mine.async_wait(std::move(token)));
    theirs.set();
    ++ended;
  };
  for (std::size_t round = 0; round < rounds_of<TypeParam>(200'000); round += batch) {
    std::vector<std::array<event, 2>> events(batch);
    std::vector<std::array<std::stop_source, 2>> stops(batch);
    std::vector<task<>> tasks;
    std::atomic<int> ended{0};
    for (std::size_t i = 0; i < batch; ++i) {
      auto& [a, b] = events[i];
      tasks.push_back(started(wait_and_set(a, b, stops[i][0].get_token(), ended)));
      tasks.push_back(started(wait_and_set(b, a, stops[i][1].get_token(), ended)));
    }
    side_by_side(
        batch, [&](std::size_t i) { stops[i][0].request_stop(); },
        [&](std::size_t i) { stops[i][1].request_stop(); });
    ASSERT_EQ(ended.load(), static_cast<int>(2 * batch));
  }
}

// ------------------------------------------------------------------ shared mutex, condition

TYPED_TEST(Stress, WritersAreAloneAndReadersSeeNoHalfWrittenPair) {
  using shared_mutex = corolock::basic_async_shared_mutex<TypeParam>;
  constexpr std::size_t thread_count = 3;
  struct shared_state {
    shared_mutex guarding;
    std::size_t first = 0;
    std::size_t second = 0;
    std::size_t written = 0;
  } state;
  auto write = [](shared_state& s, std::atomic<std::size_t>& ended) -> task<> {
    {
      auto g = co_await s.guarding.async_lock();
      ++s.first;
      ++s.second;
      ++s.written;
      const auto r = s.guarding.downgrade(std::move(g));
      EXPECT_EQ(s.first, s.second);
    }
    ++ended;
  };
  auto read = [](shared_state& s, std::stop_token token,
                 std::atomic<std::size_t>& ended) -> task<> {
    {
      const auto g = co_await s.guarding.async_lock_shared(std::move(token));
      if (g) {
        EXPECT_EQ(s.first, s.second);
      }
    }
    ++ended;
  };
  const std::size_t count = rounds_of<TypeParam>(50'000);
  std::atomic<std::size_t> ended{0};
  std::array<std::vector<task<>>, thread_count> tasks;
  std::array<std::vector<std::stop_source>, thread_count> stops;
  std::vector<std::thread> threads;
  for (std::size_t id = 0; id < thread_count; ++id) {
    threads.emplace_back([&, id] {
      for (std::size_t i = 0; i < count; ++i) {
        if (i % 4 == 0) {
          tasks[id].push_back(started(write(state, ended)));
        } else {
          std::stop_source stop;
          tasks[id].push_back(started(read(state, stop.get_token(), ended)));
          if (i % 4 == 1) {
            stop.request_stop();
          }
        }
      }
    });
  }
  for (std::thread& t : threads) {
    t.join();
  }
  EXPECT_EQ(ended.load(), thread_count * count);
  EXPECT_EQ(state.written, thread_count * count / 4);
  EXPECT_FALSE(state.guarding.is_locked());
}

TYPED_TEST(Stress, NoNotificationIsLostToAStopOrToADestroyedFrame) {
  using mutex = corolock::basic_async_mutex<TypeParam>;
  using condition = corolock::basic_async_condition<TypeParam>;
  // Each round offers as many items as there are waiters that are neither stopped nor destroyed.
  struct shared_state {
    mutex guarding;
    condition changed;
    std::size_t items = 0;
    std::size_t taken = 0;
  } state;
  auto take = [](shared_state& s, thread_executor& e, std::stop_token token) -> task<bool> {
    auto g = co_await s.guarding.async_lock().on(e);
    const auto o =
        co_await s.changed.async_wait(g, [&s] { return s.items > 0; }, std::move(token)).on(e);
    if (o) {
      --s.items;
      ++s.taken;
    }
    co_return o.has_value();
  };
  auto give = [](shared_state& s, thread_executor& e, std::size_t many) -> task<> {
    for (std::size_t i = 0; i < many; ++i) {
      const auto g = co_await s.guarding.async_lock().on(e);
      ++s.items;
      s.changed.notify_one();
    }
  };
  thread_executor takers;
  thread_executor givers;
  constexpr std::size_t waiters = 12;
  for (std::size_t round = 0; round < rounds_of<TypeParam>(20'000); round += waiters) {
    std::array<std::stop_source, waiters> stops;
    std::array<task<bool>, waiters> tasks;
    task<> giver;
    takers.post([&] {
      for (std::size_t i = 0; i < waiters; ++i) {
        tasks[i] = started(take(state, takers, stops[i].get_token()));
      }
    });
    drain(takers);
    givers.post([&] { giver = started(give(state, givers, waiters)); });
    takers.post([&] {
      for (std::size_t i = 0; i < waiters; i += 3) {
        const void* address = tasks[i].address();
        tasks[i].destroy();
        takers.drop(address);
      }
    });
    for (std::size_t i = 1; i < waiters; i += 3) {
      stops[i].request_stop();
    }
    spin_until([&] {
      std::atomic<bool> all{false};
      drain(givers);
      takers.post([&] {
        bool done = true;
        for (auto& t : tasks) {
          done = done && (!t || t.done());
        }
        all.store(done);
      });
      drain(takers);
      return all.load();
    });
    drain(givers);
    for (std::size_t i = 2; i < waiters; i += 3) {
      ASSERT_TRUE(tasks[i].result());
    }
    state.items = 0;
  }
  EXPECT_FALSE(state.guarding.is_locked());
  EXPECT_EQ(state.changed.statistics().waiters, 0U);
}

// ----------------------------------------------------------------------------------- barrier

TYPED_TEST(Stress, NoThreadBeginsAPhaseBeforeAllHaveEndedTheLastOne) {
  using barrier = corolock::basic_async_barrier<TypeParam>;
  constexpr std::size_t thread_count = 3;
  const std::size_t phases = rounds_of<TypeParam>(20'000);
  barrier meeting(thread_count);
  std::array<std::size_t, thread_count> phase{};
  auto work = [](barrier& b, thread_executor& e, std::size_t id, std::size_t count,
                 std::array<std::size_t, thread_count>& all) -> task<> {
    for (std::size_t i = 0; i < count; ++i) {
      ++all[id];
      static_cast<void>(co_await b.async_arrive_and_wait().on(e));
      for (const std::size_t other : all) {
        EXPECT_EQ(other, i + 1);
      }
      static_cast<void>(co_await b.async_arrive_and_wait().on(e));
    }
  };
  std::array<task<>, thread_count> tasks;
  {
    std::array<thread_executor, thread_count> executors;
    for (std::size_t id = 0; id < thread_count; ++id) {
      executors[id].post(
          [&, id] { tasks[id] = started(work(meeting, executors[id], id, phases, phase)); });
    }
    spin_until([&] {
      std::size_t done = 0;
      for (std::size_t id = 0; id < thread_count; ++id) {
        std::atomic<bool> one{false};
        executors[id].post([&] { one.store(tasks[id].done()); });
        drain(executors[id]);
        done += one.load() ? 1 : 0;
      }
      return done == thread_count;
    });
  }
  EXPECT_EQ(phase[0], phases);
}
