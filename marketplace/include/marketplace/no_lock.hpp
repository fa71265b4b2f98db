// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace marketplace {

/// In the place of a lock: lets everybody in, at once. It shows what the lock is for.
class no_lock {
 public:
  struct guard {
    void unlock() noexcept {}
  };

  friend boost::asio::awaitable<guard> async_lock(no_lock&, boost::asio::use_awaitable_t<>) {
    co_return guard();
  }
  template <class Keys>
  friend boost::asio::awaitable<guard> async_lock_all(no_lock&, const Keys&,
                                                      boost::asio::use_awaitable_t<>) {
    co_return guard();
  }
};

}  // namespace marketplace
