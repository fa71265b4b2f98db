// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers
#pragma once

#include <exception>

namespace corolock_cli {

/// A completion handler for co_spawn: what the coroutine throws leaves io_context::run().
/// (boost::asio::detached would drop it.)
inline void rethrow(const std::exception_ptr& exception) {
  if (exception) {
    std::rethrow_exception(exception);
  }
}

}  // namespace corolock_cli
