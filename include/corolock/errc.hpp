// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers
#pragma once

// errc: the one vocabulary of what may end a wait other than a grant, as a std::error_code enum.
// Misuse is never an error code (see detail/assert.hpp).

#include <corolock/detail/config.hpp>

#include <string>
#include <system_error>

COROLOCK_BEGIN

/// Why a wait ended without a grant.
enum class errc {
  stopped = 1,  ///< the wait's std::stop_token was stopped
  timed_out,    ///< the time given to an `_for` or `_until` form has passed
  closed,       ///< async_semaphore::close() was called
  broken,       ///< async_barrier::reset() or abort() was called
};

/// The category of corolock::errc.
inline const std::error_category& error_category() noexcept {
  struct category final : std::error_category {
    const char* name() const noexcept override { return "corolock"; }
    std::string message(int value) const override {
      switch (static_cast<errc>(value)) {
        case errc::stopped: return "the wait was stopped";
        case errc::timed_out: return "the wait timed out";
        case errc::closed: return "the semaphore is closed";
        case errc::broken: return "the barrier is broken";
      }
      return "unknown corolock error";
    }
  };
  static const category instance;
  return instance;
}

inline std::error_code make_error_code(errc e) noexcept {
  return {static_cast<int>(e), error_category()};
}

COROLOCK_END

template <>
struct std::is_error_code_enum<corolock::errc> : std::true_type {};
