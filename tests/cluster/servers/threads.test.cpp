// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers

// Sessions whose executor has several threads, and guards that move between them. What goes wrong
// shows as a sanitizer's report, a wrong count, or a wait that does not end.

#include "engines.hpp"
#include <corolock/cluster.hpp>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/use_future.hpp>
#include <boost/system/error_code.hpp>
#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <future>
#include <memory>
#include <utility>
#include <vector>

namespace asio = boost::asio;
using namespace std::chrono_literals;
using asio::awaitable;
using asio::use_awaitable;
using corolock::distributed_guard;
using corolock::distributed_mutex;
using corolock::session;
using error_code = boost::system::error_code;

namespace {

session connected_to(corolock_test::memory_engine& engine, const asio::any_io_executor& on) {
  return engine.connect(on, asio::use_future).get();
}
template <class Engine>
session connected_to(Engine& engine, const asio::any_io_executor& on) {
  return corolock::async_connect(on, engine.url(), {}, asio::use_future).get();
}

// A process: a session, and a count that only its tasks touch, while they have the lock.
struct process {
  session mine;
  int count = 0;
};

// What all processes count, read and written apart: exact only if one at a time does so.
class shared_count {
 public:
  [[nodiscard]] int read() const { return value_.load(std::memory_order_relaxed); }
  void write(int value) { value_.store(value, std::memory_order_relaxed); }

 private:
  std::atomic<int> value_{0};
};

struct scene {
  asio::thread_pool& pool;
  shared_count all;
  std::atomic<int> expected{0};
};

awaitable<void> count(scene& s, process& p, const distributed_guard& guard) {
  EXPECT_TRUE(guard.held());
  const int seen = s.all.read();
  const int seen_here = p.count;
  co_await asio::post(use_awaitable);
  s.all.write(seen + 1);
  p.count = seen_here + 1;
  ++s.expected;
}

// A lock that may be cancelled, a moment after it was asked for.
awaitable<distributed_guard> lock_or_cancel(distributed_mutex m, std::chrono::microseconds moment) {
  const auto executor = co_await asio::this_coro::executor;
  // A timer that has expired cannot be cancelled any more: its handler may come last.
  const auto signal = std::make_shared<asio::cancellation_signal>();
  asio::steady_timer timer(executor, moment);
  timer.async_wait([signal](const error_code& failed) {
    if (!failed) {
      signal->emit(asio::cancellation_type::total);
    }
  });
  auto token = asio::bind_cancellation_slot(signal->slot(), asio::as_tuple(use_awaitable));
  auto [error, guard] = co_await async_lock(m, token);
  timer.cancel();
  EXPECT_TRUE(!error || error == asio::error::operation_aborted) << error.message();
  co_return std::move(guard);
}

awaitable<void> work(scene& s, process& p, int number, int rounds) {
  const distributed_mutex m(p.mine, "name");
  for (int round = 0; round < rounds; ++round) {
    const int kind = (number + round) % 4;
    distributed_guard guard;
    if (kind == 0) {
      guard = co_await async_lock(m, use_awaitable);
    } else if (kind == 1) {
      guard = co_await lock_or_cancel(m, std::chrono::microseconds(25 * (round % 80)));
    } else if (kind == 2) {
      guard = co_await async_try_lock(m, use_awaitable);
    } else {
      auto got = co_await async_lock_for(m, std::chrono::microseconds(50 * (round % 80)),
                                         asio::as_tuple(use_awaitable));
      EXPECT_TRUE(!std::get<0>(got) || std::get<0>(got) == corolock::errc::timed_out)
          << std::get<0>(got).message();
      guard = std::move(std::get<1>(got));
    }
    if (!guard) {
      continue;
    }
    co_await count(s, p, guard);
    if (round % 2 == 0) {
      co_await guard.async_release(use_awaitable);
    } else {  // some other thread drops it
      asio::post(s.pool, [gone = std::move(guard)] {});
    }
  }
}

}  // namespace

template <class Engine>
class ClusterThreads : public testing::Test {
 protected:
  Engine engine_;
};
using engines = testing::Types<corolock_test::memory_engine, corolock_test::postgresql_engine,
                               corolock_test::etcd_engine>;
struct engine_names {
  template <class Engine>
  static std::string GetName(int) {  // NOLINT(readability-identifier-naming)
    return Engine::title;
  }
};
TYPED_TEST_SUITE(ClusterThreads, engines, engine_names);

TYPED_TEST(ClusterThreads, TasksOnManyThreadsAreAloneAndLeaveTheLockFree) {
  constexpr int tasks = 8;
  constexpr int rounds = 200;
  asio::thread_pool pool(4);
  scene s{pool, {}, {}};
  std::array<process, 2> processes;
  for (process& each : processes) {
    each.mine = connected_to(this->engine_, pool.get_executor());
  }
  std::vector<std::future<void>> all;
  for (int i = 0; i < tasks; ++i) {
    process& p = processes.at(static_cast<std::size_t>(i) % processes.size());
    all.push_back(asio::co_spawn(asio::make_strand(pool), work(s, p, i, rounds), asio::use_future));
  }
  for (std::future<void>& each : all) {
    each.get();
  }
  EXPECT_EQ(s.all.read(), s.expected);
  EXPECT_EQ(processes[0].count + processes[1].count, s.expected);
  EXPECT_GE(s.expected, tasks * rounds / 4) << "those that waited without a limit";
  const distributed_mutex m(processes[0].mine, "name");
  distributed_guard last = async_lock_for(m, 20s, asio::use_future).get();
  EXPECT_TRUE(last.held());
  EXPECT_EQ(last.async_release(asio::use_future).get(), corolock::release_result::released);
  for (process& each : processes) {
    each.mine.async_close(asio::use_future).get();
  }
  EXPECT_EQ(this->engine_.queue("name"), 0U);
  pool.join();
}
