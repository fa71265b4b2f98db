// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers

// The code of docs/how-to/from-asyncio.md.

// [setup]
#include <corolock/asio.hpp>

#include <boost/asio.hpp>

namespace asio = boost::asio;
using asio::as_tuple;
using asio::awaitable;
using asio::use_awaitable;
using namespace std::chrono_literals;
// [/setup]

#include <cstdio>
#include <deque>
#include <stdexcept>
#include <string>
#include <thread>

namespace {

awaitable<void> save(int) {
  co_await asio::post(use_awaitable);
}

// [lock]
struct counter {
  corolock::async_mutex lock;
  int value = 0;
};

awaitable<void> increment(counter& c) {
  auto guard = co_await corolock::async_lock(c.lock, use_awaitable);
  const int seen = c.value;
  co_await save(seen + 1);
  c.value = seen + 1;
}  // the guard unlocks: on return, on co_return, on an exception, on cancellation
// [/lock]

// [locked]
bool is_busy(const counter& c) {
  return c.lock.is_locked();
}

bool try_increment(counter& c) {
  auto guard = c.lock.try_lock();
  if (!guard) {
    return false;
  }
  ++c.value;
  return true;
}
// [/locked]

// [release]
awaitable<void> release_early(counter& c) {
  auto guard = co_await corolock::async_lock(c.lock, use_awaitable);
  const int seen = c.value;
  guard.unlock();  // asyncio: lock.release()
  co_await save(seen);
}
// [/release]

// [timeout]
awaitable<bool> increment_within(counter& c) {
  auto [error, guard] = co_await corolock::async_lock_for(c.lock, 100ms, as_tuple(use_awaitable));
  if (error == corolock::errc::timed_out) {
    co_return false;  // the guard is empty
  }
  ++c.value;
  co_return true;
}
// [/timeout]

// [cancel]
awaitable<void> patient(counter& c) {
  auto [error, guard] = co_await corolock::async_lock(c.lock, as_tuple(use_awaitable));
  if (error == asio::error::operation_aborted) {
    std::printf("cancelled while waiting\n");
    co_return;
  }
  ++c.value;
}

void start_and_cancel(asio::io_context& loop, counter& c) {
  asio::cancellation_signal signal;
  asio::co_spawn(loop, patient(c), asio::bind_cancellation_slot(signal.slot(), asio::detached));
  loop.poll();                                     // it waits
  signal.emit(asio::cancellation_type::terminal);  // task.cancel()
  loop.restart();
  loop.run();
}
// [/cancel]

// [event]
awaitable<void> worker(corolock::async_event& ready) {
  co_await corolock::async_wait(ready, use_awaitable);
  std::printf("ready\n");
}

void finish_setup(corolock::async_event& ready) {
  ready.set();  // is_set(), reset()
}
// [/event]

// [condition]
struct buffer {
  corolock::async_mutex lock;
  corolock::async_condition not_empty;  // belongs to no lock: each wait names its guard
  std::deque<int> items;
};

awaitable<int> get(buffer& b) {
  auto guard = co_await corolock::async_lock(b.lock, use_awaitable);
  const auto has_items = [&b] { return !b.items.empty(); };
  co_await corolock::async_wait(b.not_empty, guard, has_items, use_awaitable);
  const int item = b.items.front();
  b.items.pop_front();
  co_return item;
}

awaitable<void> put(buffer& b, int item) {
  auto guard = co_await corolock::async_lock(b.lock, use_awaitable);
  b.items.push_back(item);
  b.not_empty.notify_one();  // notify_all()
}
// [/condition]

// [semaphore]
awaitable<void> download(corolock::async_semaphore& slots) {
  auto permit = co_await corolock::async_acquire(slots, 1, use_awaitable);
  co_await asio::post(use_awaitable);
}

void bounded() {
  corolock::async_semaphore slots(2);      // Semaphore(2)
  corolock::async_semaphore strict(2, 2);  // BoundedSemaphore(2): the second is the bound
}
// [/semaphore]

// [barrier]
awaitable<void> member(corolock::async_barrier& all) {
  const std::size_t index = co_await corolock::async_arrive_and_wait(all, use_awaitable);
  if (index == 0) {
    std::printf("all are here\n");
  }
}
// [/barrier]

// [threads]
void run_on_two_threads(asio::io_context& loop) {
  std::thread second([&loop] { loop.run(); });
  loop.run();
  second.join();
}
// [/threads]

void spawn(asio::io_context& loop, awaitable<void> task) {
  asio::co_spawn(loop, std::move(task), [](const std::exception_ptr& e) {
    if (e) {
      std::rethrow_exception(e);
    }
  });
}

}  // namespace

int main() {
  asio::io_context loop;
  const auto run = [&loop] {
    loop.run();
    loop.restart();
  };

  counter c;
  for (int i = 0; i < 10; ++i) {
    spawn(loop, increment(c));
  }
  run_on_two_threads(loop);
  loop.restart();
  const bool tried = try_increment(c);
  std::printf("counter: %d, try: %d, busy: %d\n", c.value, tried, is_busy(c));

  const auto refused = [](counter& counted) -> awaitable<void> {
    auto held = counted.lock.try_lock();
    const bool done = co_await increment_within(counted);
    std::printf("within 100 ms: %d\n", done);
  };
  spawn(loop, refused(c));
  run();
  spawn(loop, release_early(c));
  run();

  {
    auto held = c.lock.try_lock();
    start_and_cancel(loop, c);
    loop.restart();
  }

  corolock::async_event ready;
  spawn(loop, worker(ready));
  loop.poll();
  finish_setup(ready);
  loop.restart();
  run();

  buffer b;
  const auto taking = [](buffer& from) -> awaitable<void> {
    const int item = co_await get(from);
    std::printf("got %d\n", item);
  };
  spawn(loop, taking(b));
  spawn(loop, put(b, 42));
  run();

  corolock::async_semaphore slots(1);
  spawn(loop, download(slots));
  spawn(loop, download(slots));
  run();
  bounded();

  corolock::async_barrier all(3);
  for (int i = 0; i < 3; ++i) {
    spawn(loop, member(all));
  }
  run();
}
