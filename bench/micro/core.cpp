// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers

// The core on plain coroutines, on one thread: locking and unlocking what nobody else wants, and
// handing over.

#include "micro/handoff.hpp"
#include "micro/harness.hpp"
#include "micro/tasks.hpp"
#include <corolock/async_mutex.hpp>
#include <corolock/async_semaphore.hpp>
#include <corolock/async_shared_mutex.hpp>

#include <boost/fiber/fiber.hpp>
#include <boost/fiber/mutex.hpp>
#include <boost/fiber/operations.hpp>

#include <algorithm>
#include <atomic>
#include <memory>
#include <mutex>
#include <shared_mutex>
#include <string>
#include <vector>

namespace {

using bench::check;
using bench::keep_loop;
using bench::role;
using bench::task;

// ------------------------------------------------------------------------------------ uncontended

// The least that excludes anybody: what every lock below has to do, too.
[[gnu::noinline]] void lock_word(std::atomic<int>& word, long n) {
  for (long i = 0; i < n; ++i) {
    int expected = 0;
    while (!word.compare_exchange_strong(expected, 1, std::memory_order_acquire,
                                         std::memory_order_relaxed)) {
      expected = 0;
    }
    keep_loop();
    word.store(0, std::memory_order_release);
  }
}
void cas_and_store(long n) {
  std::atomic<int> word = 0;
  lock_word(word, n);
}

template <class Guard, class Mutex>
[[gnu::noinline]] void lock_blocking(Mutex& m, long n) {
  for (long i = 0; i < n; ++i) {
    const Guard guard(m);
    keep_loop();
  }
}
template <class Guard, class Mutex>
void blocking(long n) {
  Mutex m;
  lock_blocking<Guard>(m, n);
}

void run_to_end(const task& t) {
  t.resume();
  check(t.done(), "an uncontended lock suspended");
}

template <class Mutex>
void uncontended(long n) {
  Mutex m;
  run_to_end(bench::lock_and_unlock(m, n));
}

template <class Mutex>
void uncontended_stoppable(long n) {
  Mutex m;
  const std::stop_source source;
  const std::stop_token token = source.get_token();
  run_to_end(bench::lock_and_unlock_stoppable(m, token, n));
}

template <class Mutex>
void uncontended_on_executor(long n) {
  Mutex m;
  bench::ring_executor executor(1);
  const auto t = bench::lock_and_unlock_on(executor, m, n);
  t.resume();
  check(t.done(), "an uncontended lock suspended");
}

template <class Mutex>
[[gnu::noinline]] void try_lock_loop(Mutex& m, long n) {
  for (long i = 0; i < n; ++i) {
    auto guard = m.try_lock();
    check(static_cast<bool>(guard), "an uncontended try_lock failed");
    keep_loop();
  }
}
template <class Mutex>
void uncontended_try(long n) {
  Mutex m;
  try_lock_loop(m, n);
}

template <class Semaphore>
task acquire_and_release(Semaphore& s, long n) {
  for (long i = 0; i < n; ++i) {
    auto permit = co_await s.async_acquire();
    keep_loop();
  }
}
template <class Semaphore>
void uncontended_semaphore(long n) {
  Semaphore s(1);
  run_to_end(acquire_and_release(s, n));
}

template <class Mutex>
task lock_shared_and_unlock(Mutex& m, long n) {
  for (long i = 0; i < n; ++i) {
    auto guard = co_await m.async_lock_shared();
    keep_loop();
  }
}
template <class Mutex>
void uncontended_shared(long n) {
  Mutex m;
  run_to_end(lock_shared_and_unlock(m, n));
}

// ---------------------------------------------------------------------------------------- hand-off

task suspend_often(long n) {
  for (long i = 0; i < n; ++i) {
    co_await std::suspend_always();
    keep_loop();
  }
}

// The least that runs `tasks` coroutines in turn: resume each, over and over.
template <long Tasks>
void bare_resume(long n) {
  std::vector<task> all;
  for (long i = 0; i < Tasks; ++i) {
    all.push_back(suspend_often(n / Tasks));
  }
  for (long round = 0; round <= n / Tasks; ++round) {
    for (const task& t : all) {
      t.resume();
    }
  }
  check(all.back().done(), "a task was not resumed");
}

template <class Mutex, long Tasks>
void handoff(long n) {
  bench::hand_off<Mutex>(Tasks, n);
}
template <class Mutex, long Tasks>
void handoff_by_transfer(long n) {
  bench::hand_off_by_transfer<Mutex>(Tasks, n);
}
template <class Mutex, long Tasks>
void handoff_stoppable(long n) {
  bench::hand_off_stoppable<Mutex>(Tasks, n);
}
template <class Mutex, long Tasks>
void handoff_on_executor(long n) {
  bench::hand_off_on_executor<Mutex>(Tasks, n);
}

// Boost.Fiber's unlock does not hand over: without a yield inside the section nobody would ever
// queue, and without one outside the same fiber would take the lock again and again.
template <long Tasks>
void fibers(long n) {
  boost::fibers::mutex m;
  std::vector<boost::fibers::fiber> all;
  for (long i = 0; i < Tasks; ++i) {
    all.emplace_back([&m, each = n / Tasks] {
      for (long k = 0; k < each; ++k) {
        {
          const std::lock_guard guard(m);
          boost::this_fiber::yield();
        }
        boost::this_fiber::yield();
      }
    });
  }
  for (boost::fibers::fiber& f : all) {
    f.join();
  }
}

// ------------------------------------------------------------------------------------------ lists

constexpr long uncontended_batch = 100'000;
constexpr long counted = 20'000;

using subjects = std::vector<bench::subject>;

template <class Mutex>
void add_uncontended(subjects& list, const std::string& name) {
  const auto add = [&](const char* who, void (*run)(long), role r = role::subject) {
    list.push_back({name, who, r, uncontended_batch, counted, run});
  };
  add("CAS + release store", &cas_and_store, role::floor);
  add("corolock", &uncontended<Mutex>);
  add("corolock, promise with executor", &uncontended_on_executor<Mutex>);
  add("corolock, stop token", &uncontended_stoppable<Mutex>);
  add("corolock, try_lock", &uncontended_try<Mutex>);
  add("std::mutex", &blocking<std::lock_guard<std::mutex>, std::mutex>);
  add("boost.fiber mutex", &blocking<std::lock_guard<boost::fibers::mutex>, boost::fibers::mutex>);
}

template <class Semaphore, class SharedMutex>
void add_uncontended_others(subjects& list, const std::string& prefix) {
  const auto add = [&](const char* what, const char* who, void (*run)(long),
                       role r = role::subject) {
    list.push_back({prefix + what + ".uncontended", who, r, uncontended_batch, counted, run});
  };
  add("semaphore", "CAS + release store", &cas_and_store, role::floor);
  add("semaphore", "corolock", &uncontended_semaphore<Semaphore>);
  add("shared_mutex", "CAS + release store", &cas_and_store, role::floor);
  add("shared_mutex", "corolock", &uncontended<SharedMutex>);
  add("shared_mutex", "corolock, shared", &uncontended_shared<SharedMutex>);
  add("shared_mutex", "std::shared_mutex",
      &blocking<std::lock_guard<std::shared_mutex>, std::shared_mutex>);
  add("shared_mutex", "std::shared_mutex, shared",
      &blocking<std::shared_lock<std::shared_mutex>, std::shared_mutex>);
}

template <class Mutex, long Tasks>
void add_handoff(subjects& list, const std::string& prefix) {
  const auto add = [&](const char* who, void (*run)(long), role r = role::subject) {
    list.push_back({prefix + std::to_string(Tasks), who, r,
                    std::max(uncontended_batch, 1'000 * Tasks), std::max(counted, 20 * Tasks),
                    run});
  };
  add("bare resume", &bare_resume<Tasks>, role::floor);
  add("corolock", &handoff<Mutex, Tasks>);
  add("corolock, co_await async_unlock", &handoff_by_transfer<Mutex, Tasks>);
  add("corolock, promise with executor", &handoff_on_executor<Mutex, Tasks>);
  add("corolock, stop token", &handoff_stoppable<Mutex, Tasks>);
  add("boost.fiber mutex", &fibers<Tasks>);
}

template <class Mutex>
void add_handoffs(subjects& list, const std::string& prefix) {
  add_handoff<Mutex, 2>(list, prefix);
  add_handoff<Mutex, 8>(list, prefix);
  add_handoff<Mutex, 64>(list, prefix);
  add_handoff<Mutex, 1000>(list, prefix);
}

}  // namespace

int main(int argc, char** argv) {
  subjects list;
  add_uncontended<corolock::async_mutex>(list, "mutex.uncontended");
  add_uncontended<corolock::local_async_mutex>(list, "local_mutex.uncontended");
  add_handoffs<corolock::async_mutex>(list, "mutex.handoff.");
  add_handoffs<corolock::local_async_mutex>(list, "local_mutex.handoff.");
  add_uncontended_others<corolock::async_semaphore, corolock::async_shared_mutex>(list, "");
  add_uncontended_others<corolock::local_async_semaphore, corolock::local_async_shared_mutex>(
      list, "local_");
  return bench::run_program(argc, argv, list);
}
