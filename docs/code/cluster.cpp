// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers

// The code of the pages on locks across processes and machines. It uses the server in memory; the
// URL is all that changes for another.

// [sweeper]
#include <corolock/cluster.hpp>

#include <boost/asio.hpp>

#include <cstdio>

namespace asio = boost::asio;
using asio::use_awaitable;

// One process at a time sweeps; the others wait.
asio::awaitable<void> sweep(corolock::session session, corolock::token_gate& storage) {
  const corolock::distributed_mutex lock(session, "sweeper");
  corolock::distributed_guard guard = co_await corolock::async_lock(lock, use_awaitable);
  const bool is_accepted = storage.accept("sweeper", guard.token());
  std::printf("sweep: %s\n", is_accepted ? "written" : "refused");
  co_await guard.async_release(use_awaitable);
}

asio::awaitable<void> start(corolock::token_gate& storage) {
  const auto executor = co_await asio::this_coro::executor;
  corolock::session session =
      co_await corolock::async_connect(executor, "memory:", {}, use_awaitable);
  co_await sweep(session, storage);
}

int main() {
  asio::io_context context;
  corolock::token_gate storage;  // at the resource
  asio::co_spawn(context, start(storage), asio::detached);
  asio::co_spawn(context, start(storage), asio::detached);
  context.run();
  // [/sweeper]

  // [held]
  const auto work = [](const corolock::distributed_guard& guard) -> asio::awaitable<void> {
    std::printf("held: %s\n", guard.held() ? "yes" : "no");
    co_return;  // cancelled at the deadline, if it is still running then
  };
  const auto run = [&]() -> asio::awaitable<void> {
    const auto executor = co_await asio::this_coro::executor;
    corolock::session session =
        co_await corolock::async_connect(executor, "memory:", {}, use_awaitable);
    const auto result = co_await corolock::run_while_held({session, "sweeper"}, work);
    std::printf("lost: %s\n", result == corolock::release_result::already_lost ? "yes" : "no");
  };
  // [/held]
  asio::co_spawn(context, run(), asio::detached);
  context.restart();
  context.run();

  // [lease]
  // A program's own test of what it does when it loses its lock: nothing here takes time.
  const auto time = std::make_shared<corolock::manual_time>();
  corolock::memory_cluster server(time);
  const auto test = [&]() -> asio::awaitable<void> {
    const auto executor = co_await asio::this_coro::executor;
    corolock::session session = co_await server.async_connect(executor, {}, use_awaitable);
    const corolock::distributed_mutex lock(session, "sweeper");
    const corolock::distributed_guard guard = co_await lock.async_lock(use_awaitable);
    server.set_reachable(session, false);
    time->advance(std::chrono::seconds(9));  // of a lease of 10 s, less its margin of 1 s
    std::printf("cut off: %s\n", guard.held() ? "held" : "lost");
  };
  asio::co_spawn(context, test(), asio::detached);
  context.restart();
  context.run();
  // [/lease]
}
