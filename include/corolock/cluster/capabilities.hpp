// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers
#pragma once

// What an engine of distributed locks gives, and what it does not.

#include <corolock/detail/config.hpp>

#include <chrono>
#include <string_view>

COROLOCK_BEGIN

/// What the engine behind a session gives. docs/reference/distributed_mutex.md has the table.
struct capabilities {
  std::string_view engine;           ///< "memory", "etcd" or "postgresql"
  bool fenced = false;               ///< later grants have greater tokens
  bool fifo = false;                 ///< processes are served in the order in which they asked
  bool expires_when_paused = false;  ///< a holder that is paused loses the lock to the next
  bool lost_signal = false;          ///< a holder is told of the loss before its deadline
  bool shared_mode = false;          ///< there are readers' locks
  std::chrono::milliseconds least_ttl{0};  ///< the shortest session_options::ttl it takes
};

COROLOCK_END
