// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers

// The front end for Boost.Asio beside what its users take instead: a channel of capacity 1 (sending
// locks, receiving unlocks) and a strand. All of it as they write it: asio::awaitable,
// any_io_executor, a default io_context run by one thread.

#include "micro/harness.hpp"
#include <corolock/asio.hpp>
#include <corolock/async_mutex.hpp>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/bind_executor.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/dispatch.hpp>
#include <boost/asio/experimental/channel.hpp>
#include <boost/asio/experimental/concurrent_channel.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/system/error_code.hpp>

#include <atomic>
#include <vector>

namespace {

namespace asio = boost::asio;
using asio::awaitable;
using asio::use_awaitable;
using bench::keep_loop;
using bench::role;
using boost::system::error_code;

using channel = asio::experimental::channel<void(error_code)>;
using concurrent_channel = asio::experimental::concurrent_channel<void(error_code)>;
using strand = asio::strand<asio::any_io_executor>;

// ------------------------------------------------------------------------------------ uncontended

struct nothing {
  explicit nothing(const asio::any_io_executor&) {}
};

struct word {
  explicit word(const asio::any_io_executor&) {}
  std::atomic<int> value = 0;
};
awaitable<void> cas_and_store(word& w, long n) {
  for (long i = 0; i < n; ++i) {
    int expected = 0;
    while (!w.value.compare_exchange_strong(expected, 1, std::memory_order_acquire,
                                            std::memory_order_relaxed)) {
      expected = 0;
    }
    keep_loop();
    w.value.store(0, std::memory_order_release);
  }
  co_return;
}

awaitable<void> just_return() {
  co_return;
}
awaitable<void> call_nothing(nothing&, long n) {
  for (long i = 0; i < n; ++i) {
    co_await just_return();
  }
}

struct mutex : corolock::async_mutex {
  explicit mutex(const asio::any_io_executor&) {}
};
struct local_mutex : corolock::local_async_mutex {
  explicit local_mutex(const asio::any_io_executor&) {}
};

template <class Mutex>
awaitable<void> corolock_alone(Mutex& m, long n) {
  for (long i = 0; i < n; ++i) {
    auto guard = co_await corolock::async_lock(m, use_awaitable);
    keep_loop();
  }
}
awaitable<void> corolock_as_tuple(mutex& m, long n) {
  for (long i = 0; i < n; ++i) {
    auto [error, guard] = co_await corolock::async_lock(m, asio::as_tuple(use_awaitable));
    keep_loop();
  }
}
awaitable<void> corolock_deferred(mutex& m, long n) {
  for (long i = 0; i < n; ++i) {
    auto guard = co_await corolock::async_lock(m, asio::deferred);
    keep_loop();
  }
}

template <class Channel>
struct slot : Channel {
  explicit slot(const asio::any_io_executor& e) : Channel(e, 1) {}

  void unlock() {
    this->try_receive([](error_code) {});
  }
};

template <class Slot>
awaitable<void> send_alone(Slot& s, long n) {
  for (long i = 0; i < n; ++i) {
    co_await s.async_send(error_code(), use_awaitable);
    keep_loop();
    s.unlock();
  }
}
template <class Slot>
awaitable<void> try_send_alone(Slot& s, long n) {
  for (long i = 0; i < n; ++i) {
    const bool sent = s.try_send(error_code());
    if (!sent) {
      co_await s.async_send(error_code(), use_awaitable);
    }
    keep_loop();
    s.unlock();
  }
}

struct own_strand : strand {
  explicit own_strand(const asio::any_io_executor& e) : strand(e) {}
};
awaitable<void> strand_alone(own_strand& s, long n) {
  strand& inside = s;
  for (long i = 0; i < n; ++i) {
    co_await asio::dispatch(asio::bind_executor(inside, use_awaitable));
    keep_loop();
    co_await asio::post(use_awaitable);  // a dispatch would stay inside
  }
}

awaitable<void> post_only(nothing&, long n) {
  for (long i = 0; i < n; ++i) {
    co_await asio::post(use_awaitable);
    keep_loop();
  }
}

// ---------------------------------------------------------------------------------------- hand-off

template <class Mutex>
awaitable<void> corolock_posting(Mutex& m, long n) {
  for (long i = 0; i < n; ++i) {
    auto guard = co_await corolock::async_lock(m, use_awaitable);
    co_await asio::post(use_awaitable);
  }
}
awaitable<void> corolock_posting_deferred(mutex& m, long n) {
  for (long i = 0; i < n; ++i) {
    auto guard = co_await corolock::async_lock(m, asio::deferred);
    co_await asio::post(asio::deferred);
  }
}

template <class Slot>
awaitable<void> send_posting(Slot& s, long n) {
  for (long i = 0; i < n; ++i) {
    co_await s.async_send(error_code(), use_awaitable);
    co_await asio::post(use_awaitable);
    s.unlock();
  }
}
template <class Slot>
awaitable<void> try_send_posting(Slot& s, long n) {
  for (long i = 0; i < n; ++i) {
    const bool sent = s.try_send(error_code());
    if (!sent) {
      co_await s.async_send(error_code(), use_awaitable);
    }
    co_await asio::post(use_awaitable);
    s.unlock();
  }
}

// ------------------------------------------------------------------------------------------ lists

// `tasks` tasks share one object of type Lock and do n rounds between them.
template <class Lock, awaitable<void> (*Loop)(Lock&, long), long Tasks>
void run(long n) {
  asio::io_context context;
  const asio::any_io_executor executor = context.get_executor();
  Lock lock(executor);
  for (long i = 0; i < Tasks; ++i) {
    asio::co_spawn(executor, Loop(lock, n / Tasks), asio::detached);
  }
  context.run();
}

}  // namespace

int main(int argc, char** argv) {
  constexpr long counted = 4'000;
  constexpr long batch = 20'000;
  constexpr long tasks = 8;

  std::vector<bench::subject> list;
  const auto add = [&](const char* case_name, const char* who, void (*function)(long),
                       role r = role::subject) {
    list.push_back({case_name, who, r, batch, counted, function});
  };

  const char* alone = "asio.uncontended";
  add(alone, "CAS + release store", &run<word, cas_and_store, 1>, role::floor);
  add(alone, "corolock", &run<mutex, corolock_alone<mutex>, 1>);
  add(alone, "corolock, local", &run<local_mutex, corolock_alone<local_mutex>, 1>);
  add(alone, "corolock, as_tuple", &run<mutex, corolock_as_tuple, 1>);
  add(alone, "corolock, deferred", &run<mutex, corolock_deferred, 1>);
  add(alone, "co_await of an empty awaitable", &run<nothing, call_nothing, 1>);
  add(alone, "bare post", &run<nothing, post_only, 1>);
  add(alone, "channel, async_send", &run<slot<channel>, send_alone<slot<channel>>, 1>);
  add(alone, "channel, try_send first", &run<slot<channel>, try_send_alone<slot<channel>>, 1>);
  add(alone, "concurrent_channel, async_send",
      &run<slot<concurrent_channel>, send_alone<slot<concurrent_channel>>, 1>);
  add(alone, "concurrent_channel, try_send first",
      &run<slot<concurrent_channel>, try_send_alone<slot<concurrent_channel>>, 1>);
  add(alone, "strand", &run<own_strand, strand_alone, 1>);

  const char* among = "asio.handoff";
  add(among, "bare post", &run<nothing, post_only, tasks>, role::floor);
  add(among, "corolock", &run<mutex, corolock_posting<mutex>, tasks>);
  add(among, "corolock, local", &run<local_mutex, corolock_posting<local_mutex>, tasks>);
  add(among, "corolock, deferred", &run<mutex, corolock_posting_deferred, tasks>);
  add(among, "channel, async_send", &run<slot<channel>, send_posting<slot<channel>>, tasks>);
  add(among, "channel, try_send first",
      &run<slot<channel>, try_send_posting<slot<channel>>, tasks>);
  add(among, "concurrent_channel, async_send",
      &run<slot<concurrent_channel>, send_posting<slot<concurrent_channel>>, tasks>);
  add(among, "concurrent_channel, try_send first",
      &run<slot<concurrent_channel>, try_send_posting<slot<concurrent_channel>>, tasks>);
  add(among, "strand", &run<own_strand, strand_alone, tasks>);
  return bench::run_program(argc, argv, list);
}
