// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers

#include "asio.hpp"

#include <corolock/explore/asio.hpp>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace corolock_bench {

using namespace corolock;
using boost::asio::awaitable;
using boost::asio::use_awaitable;

std::function<void(explore::world&)> asio_increments(unsigned count, sharing what) {
  const explore::spawn_options how =
      what == sharing::only_shared ? explore::only_shared : explore::spawn_options();
  return [=](explore::world& w) {
    auto& users = w.shared<int>("users", 10);
    auto& lock = w.make<async_mutex>("users lock");
    explore::spawn_n(
        w, "adder", count,
        [&users, &lock]() -> awaitable<void> {
          const mutex_guard guard = co_await async_lock(lock, use_awaitable);
          const int n = users.get();
          co_await boost::asio::post(use_awaitable);
          users.set(n + 1);
        },
        how);
    w.finally([&w, &users, count] {
      w.require(users.value() == 10 + static_cast<int>(count), "every user is counted");
    });
  };
}

}  // namespace corolock_bench
