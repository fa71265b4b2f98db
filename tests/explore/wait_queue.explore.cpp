// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers

// The lock-free code of the wait queue and of async_mutex between virtual threads: every operation
// on a word is a step.

#include <corolock/explore.hpp>
#include <corolock/explore/threads.hpp>

#include <gtest/gtest.h>

#include <coroutine>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <string>

namespace {

using namespace corolock;
using words = multi_threaded;

// A coroutine that runs at once, on the thread that calls or resumes it. Its frame is the run's.
struct job {
  struct promise_type {
    static void* operator new(std::size_t size) {
      return explore::detail::current_run->allocate(size);
    }
    static void operator delete(void* p) noexcept { explore::detail::current_run->deallocate(p); }
    job get_return_object() noexcept { return {}; }
    std::suspend_never initial_suspend() noexcept { return {}; }
    std::suspend_never final_suspend() noexcept { return {}; }
    void return_void() noexcept {}
    void unhandled_exception() noexcept { std::terminate(); }
  };
};

// What the lock protects, in two operations.
struct counter {
  std::uint64_t value = 0;

  void add() noexcept {
    const std::uint64_t n = words::load(value, std::memory_order_relaxed);
    words::store(value, n + 1, std::memory_order_relaxed);
  }
};

job add_locked(async_mutex& m, counter& c) {
  const mutex_guard guard = co_await m.async_lock();
  c.add();
}

// Loads that see the newest store, and loads that may see an older one.
explore::options memory(bool stale) {
  explore::options o;
  o.stale_loads = stale;
  return o;
}

explore::result lockers(unsigned count, bool last_one_tries, bool stale = false) {
  const auto body = [=](explore::world& w) {
    auto& m = w.make<async_mutex>("m");
    auto& c = w.make<counter>("c");
    auto& expected = w.construct<std::uint64_t>(std::uint64_t{0});
    constexpr const char* names[] = {"first", "second", "third"};
    for (unsigned i = 0; i != count; ++i) {
      const bool tries = last_one_tries && i + 1 == count;
      explore::spawn_thread(w, names[i], [&m, &c, &expected, tries] {
        if (!tries) {
          ++expected;
          add_locked(m, c);
        } else if (const mutex_guard guard = m.try_lock()) {
          ++expected;
          c.add();
        }
      });
    }
    w.finally([&] {
      w.require(c.value == expected, "no addition is lost, and no waiter forgotten");
      w.require(!m.is_locked(), "the mutex is free");
    });
  };
  return explore::check(body, memory(stale));
}

void expect_verified(const explore::result& r) {
  EXPECT_EQ(r.verdict, explore::verdict::verified) << (r.failure ? r.failure->message : "");
  ::testing::Test::RecordProperty("traces", std::to_string(r.traces));
}

TEST(WaitQueueBetweenThreads, TwoLockersExcludeEachOther) {
  expect_verified(lockers(2, false));
}

TEST(WaitQueueBetweenThreads, ThreeLockersExcludeEachOther) {
  expect_verified(lockers(3, false));
}

TEST(WaitQueueBetweenThreads, ALockerAndATryLockExcludeEachOther) {
  expect_verified(lockers(2, true));
}

TEST(WaitQueueBetweenThreads, TheMutexIsDestroyedByItsLastOwnerWhileUnlockReturns) {
  expect_verified(explore::check([](explore::world& w) {
    auto& m = *::new (w.here().allocate(sizeof(async_mutex))) async_mutex;
    mutex_guard* const held = &w.construct<mutex_guard>(m.try_lock());
    explore::spawn_thread(w, "unlocker", [held] { held->unlock(); });
    explore::spawn_thread(w, "destroyer", [&m] {
      if (mutex_guard guard = m.try_lock()) {
        guard.unlock();
        explore::destroy_here(m);
      }
    });
  }));
}

job destroy_locked(async_mutex& m) {
  mutex_guard guard = co_await m.async_lock();
  guard.unlock();
  explore::destroy_here(m);
}

TEST(WaitQueueBetweenThreads, TheMutexIsDestroyedByItsLastWaiterAfterTheHandOver) {
  expect_verified(explore::check([](explore::world& w) {
    auto& m = *::new (w.here().allocate(sizeof(async_mutex))) async_mutex;
    mutex_guard* const held = &w.construct<mutex_guard>(m.try_lock());
    explore::spawn_thread(w, "unlocker", [held] { held->unlock(); });
    explore::spawn_thread(w, "destroyer", [&m] { destroy_locked(m); });
  }));
}

// Runs its one resumption on the thread that asks for it.
struct inbox {
  resumption posted;
  std::uint64_t full = 0;

  void post(resumption r) noexcept {
    posted = r;
    words::store(full, std::uint64_t{1}, std::memory_order_release);
  }
  void run() noexcept {
    while (words::load(full, std::memory_order_acquire) == 0) {
      words::pause(1);
    }
    posted();
  }
};

job destroy_locked_on(async_mutex& m, inbox& in, bool& done) {
  mutex_guard guard = co_await m.async_lock().on(in);
  guard.unlock();
  explore::destroy_here(m);
  done = true;
}

TEST(WaitQueueBetweenThreads, TheMutexIsDestroyedByAWaiterOnItsOwnThreadWhileUnlockReturns) {
  expect_verified(explore::check([](explore::world& w) {
    auto& m = *::new (w.here().allocate(sizeof(async_mutex))) async_mutex;
    mutex_guard* const held = &w.construct<mutex_guard>(m.try_lock());
    auto& in = w.make<inbox>("inbox");
    auto& done = w.construct<bool>(false);
    explore::spawn_thread(w, "unlocker", [held] { held->unlock(); });
    explore::spawn_thread(w, "destroyer", [&m, &in, &done] {
      destroy_locked_on(m, in, done);
      if (!done) {
        in.run();
      }
    });
  }));
}

// A wait that another thread ends, as a stop callback does. Like the destructor of that callback,
// await_resume() waits for an end_wait() that runs, and lets none run later.
class ended_lock {
 public:
  ended_lock(async_mutex& m, inbox& in) noexcept : mutex_(m), n_(record()) {
    detail::set_executor<multi_threaded>(n_, in);
  }

  void end() noexcept {
    registration_.lock();
    if (registered_) {
      detail::end_wait(mutex_, n_, detail::wait_status::stopped);
    }
    registration_.unlock();
  }

  bool await_ready() const noexcept { return false; }
  bool await_suspend(std::coroutine_handle<> h) noexcept {
    n_.frame_ = detail::address_of(h.address()) | detail::frame_is_extended;
    return detail::begin_wait(mutex_, n_);
  }
  mutex_guard await_resume() noexcept {
    registration_.lock();
    registered_ = false;
    registration_.unlock();
    n_.frame_ = 0;
    return detail::settle(mutex_, n_) == detail::wait_status::granted
               ? detail::core_access::take(mutex_, n_)
               : mutex_guard();
  }

 private:
  using record_type = no_diagnostics::wait_record;
  static record_type record() noexcept { return record_type(async_mutex::call_site::current()); }

  async_mutex& mutex_;
  async_mutex::waiter_type n_;
  multi_threaded::blocking_mutex registration_;
  bool registered_ = true;
};

job add_unless_ended(ended_lock& wait, counter& c, int& granted, bool& done) {
  const mutex_guard guard = co_await wait;
  if (guard) {
    ++granted;
    c.add();
  }
  done = true;
}

// The owner unlocks, a waiter waits on a thread of its own, and a third thread ends the wait; with
// another waiter behind, or without.
explore::result cancel_against_grant(bool another, bool stale = false) {
  const auto body = [=](explore::world& w) {
    auto& m = w.make<async_mutex>("m");
    auto& c = w.make<counter>("c");
    auto& in = w.make<inbox>("inbox");
    auto& wait = w.make<ended_lock>("wait", m, in);
    auto& granted = w.construct<int>(0);
    auto& done = w.construct<bool>(false);
    mutex_guard* const held = &w.construct<mutex_guard>(m.try_lock());
    explore::spawn_thread(w, "owner", [held] { held->unlock(); });
    explore::spawn_thread(w, "waiter", [&] {
      add_unless_ended(wait, c, granted, done);
      if (!done) {
        in.run();
      }
    });
    explore::spawn_thread(w, another ? "canceller and second waiter" : "canceller",
                          [&wait, &m, &c, another] {
                            wait.end();
                            if (another) {
                              add_locked(m, c);
                            }
                          });
    w.finally([&, another] {
      w.require(done, "the waiter has gone on");
      w.require(c.value == static_cast<unsigned>(granted) + (another ? 1U : 0U),
                "who was granted the lock has added, and nobody else");
      w.require(!m.is_locked(), "the mutex is free");
    });
  };
  return explore::check(body, memory(stale));
}

TEST(WaitQueueBetweenThreads, AWaitThatIsEndedWhileItIsGrantedHasOneOutcome) {
  expect_verified(cancel_against_grant(false));
}

TEST(WaitQueueBetweenThreads, AGrantThatIsEndedPassesOn) {
  expect_verified(cancel_against_grant(true));
}

// A coroutine whose frame somebody owns.
struct owned_job {
  struct promise_type : job::promise_type {
    owned_job get_return_object() noexcept {
      return {std::coroutine_handle<promise_type>::from_promise(*this)};
    }
    std::suspend_always final_suspend() noexcept { return {}; }
  };
  std::coroutine_handle<promise_type> handle;
};

owned_job add_locked_on(async_mutex& m, inbox& in, counter& c) {
  const mutex_guard guard = co_await m.async_lock().on(in);
  c.add();
}

TEST(WaitQueueBetweenThreads, AFrameIsDestroyedWhileAnotherThreadUnlocks) {
  expect_verified(explore::check([](explore::world& w) {
    auto& m = w.make<async_mutex>("m");
    auto& c = w.make<counter>("c");
    auto& in = w.make<inbox>("inbox");
    auto& added = w.construct<bool>(false);
    mutex_guard* const held = &w.construct<mutex_guard>(m.try_lock());
    explore::spawn_thread(w, "unlocker", [held] { held->unlock(); });
    explore::spawn_thread(w, "destroyer", [&] {
      const owned_job waiting = add_locked_on(m, in, c);
      added = waiting.handle.done();
      waiting.handle.destroy();  // the inbox is never looked at again
    });
    w.finally([&] {
      w.require(c.value == (added ? 1U : 0U), "only a coroutine that ended has added");
      w.require(!m.is_locked(), "the mutex is free");
    });
  }));
}

TEST(WaitQueueBetweenThreads, StaleLoadsChangeNothingForLockers) {
  expect_verified(lockers(2, false, true));
  expect_verified(lockers(2, true, true));
}

TEST(WaitQueueBetweenThreads, StaleLoadsChangeNothingForAWaitThatIsEnded) {
  expect_verified(cancel_against_grant(false, true));
}

}  // namespace
