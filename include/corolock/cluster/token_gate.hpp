// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers
#pragma once

// token_gate: the check that a resource makes, so that a holder that has lost its lock without
// knowing it writes nothing.

#include <corolock/detail/config.hpp>

#include <compare>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <string_view>

COROLOCK_BEGIN

/// What identifies a grant of a distributed_mutex: later grants are greater. The engine gives the
/// token; guards that follow each other within one process under the same token differ in sequence.
struct fencing_token {
  std::uint64_t token = 0;  ///< 0 is none
  std::uint32_t sequence = 0;

  friend auto operator<=>(const fencing_token&, const fencing_token&) = default;
};

/// Accepts, per name, only tokens that are not older than the newest seen. For any thread.
class token_gate {
 public:
  /// Whether the bearer may write. False: a later holder has been here.
  [[nodiscard]] bool accept(std::string_view name, fencing_token token) {
    if (token.token == 0) {
      return false;
    }
    const std::lock_guard hold(mutex_);
    const auto found = newest_.find(name);
    if (found == newest_.end()) {
      newest_.emplace(name, token);
      return true;
    }
    if (token < found->second) {
      return false;
    }
    found->second = token;
    return true;
  }

  /// The newest token seen; {0, 0} if none.
  [[nodiscard]] fencing_token newest(std::string_view name) const {
    const std::lock_guard hold(mutex_);
    const auto found = newest_.find(name);
    return found == newest_.end() ? fencing_token() : found->second;
  }

 private:
  mutable std::mutex mutex_;
  std::map<std::string, fencing_token, std::less<>> newest_;
};

COROLOCK_END
