// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers

// The code of docs/explanation.

#include <corolock/asio.hpp>

#include <boost/asio.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/experimental/channel.hpp>

#include <cstdio>
#include <map>
#include <string>
#include <variant>

namespace asio = boost::asio;
using asio::awaitable;
using asio::use_awaitable;

namespace {

// [without]
struct repository {
  std::multimap<std::string, int> agents;

  awaitable<bool> create(std::string url, int id) {
    if (agents.contains(url)) {  // the check
      co_return false;
    }
    co_await asio::post(use_awaitable);  // a slow lookup: here the other tasks run
    agents.emplace(url, id);             // the act, on the strength of a check that is stale
    co_return true;
  }
};
// [/without]

// [with]
struct locked_repository {
  corolock::async_mutex mutex;
  std::multimap<std::string, int> agents;

  awaitable<bool> create(std::string url, int id) {
    auto guard = co_await corolock::async_lock(mutex, use_awaitable);
    if (agents.contains(url)) {
      co_return false;
    }
    co_await asio::post(use_awaitable);  // the other tasks run, and queue for the lock
    agents.emplace(url, id);
    co_return true;
  }
};
// [/with]

// [atomic]
struct in_memory_repository {
  std::map<std::string, int> agents;

  awaitable<bool> create(std::string url, int id) {
    co_return agents.emplace(url, id).second;  // nothing is awaited: nobody comes in between
  }
};
// [/atomic]

template <class Repository>
std::size_t storm(int tasks) {
  asio::io_context context;
  Repository repository;
  for (int id = 0; id < tasks; ++id) {
    asio::co_spawn(context, repository.create("https://agent.example", id), asio::detached);
  }
  context.run();
  return repository.agents.size();
}

// [channel]
using channel = asio::experimental::channel<void(boost::system::error_code)>;

awaitable<void> lock_channel_or(channel& lock, corolock::async_event& limit) {
  using namespace asio::experimental::awaitable_operators;
  co_await (lock.async_send(boost::system::error_code(), use_awaitable) ||  // "lock"
            corolock::async_wait(limit, use_awaitable));
}

awaitable<void> lock_mutex_or(corolock::async_mutex& lock, corolock::async_event& limit) {
  using namespace asio::experimental::awaitable_operators;
  auto first = co_await (corolock::async_lock(lock, use_awaitable) ||
                         corolock::async_wait(limit, use_awaitable));
}
// [/channel]

void race_channel() {
  asio::io_context context;
  channel lock(context, 1);
  corolock::async_event limit;
  lock.try_send(boost::system::error_code());  // held
  asio::co_spawn(context, lock_channel_or(lock, limit), asio::detached);
  context.poll();
  limit.set();                                         // the time is up, and
  lock.try_receive([](boost::system::error_code) {});  // in the same turn: "unlock"
  context.restart();
  context.run();
  const bool is_free = lock.try_send(boost::system::error_code());
  std::printf("channel of capacity 1: %s\n", is_free ? "free" : "locked, by nobody");
}

void race_mutex() {
  asio::io_context context;
  corolock::async_mutex lock;
  corolock::async_event limit;
  {
    auto held = lock.try_lock();
    asio::co_spawn(context, lock_mutex_or(lock, limit), asio::detached);
    context.poll();
    limit.set();
  }
  context.restart();
  context.run();
  std::printf("async_mutex: %s\n", lock.is_locked() ? "locked" : "free");
}

}  // namespace

int main() {
  std::printf("without the lock: %zu agents with one URL\n", storm<repository>(1000));
  std::printf("with the lock: %zu\n", storm<locked_repository>(1000));
  std::printf("without the lock, and without a suspension: %zu\n",
              storm<in_memory_repository>(1000));
  race_channel();
  race_mutex();
}
