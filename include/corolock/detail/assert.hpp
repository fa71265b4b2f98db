// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers
#pragma once

// COROLOCK_ASSERT(condition, message): the check of a contract. A violation is a programming error
// and never an error code: the message says in plain words what was done wrong, and the program
// aborts. The checks are on unless NDEBUG is defined; COROLOCK_ASSERTIONS set to 1 or 0 overrides.

#include <corolock/detail/config.hpp>

#include <cstdio>
#include <cstdlib>
#include <source_location>

#if !defined(COROLOCK_ASSERTIONS)
#if defined(NDEBUG)
#define COROLOCK_ASSERTIONS 0
#else
#define COROLOCK_ASSERTIONS 1
#endif
#endif

COROLOCK_BEGIN
namespace detail {

#if defined(COROLOCK_EXPLORE)
// The explorer's: the run that is explored ends here and is reported.
[[noreturn]] void contract_violation(
    const char* message, std::source_location where = std::source_location::current()) noexcept;
#else
[[noreturn]] COROLOCK_COLD inline void contract_violation(
    const char* message, std::source_location where = std::source_location::current()) noexcept {
  std::fprintf(stderr, "corolock: %s (%s:%u)\n", message, where.file_name(),
               static_cast<unsigned>(where.line()));
  std::abort();
}
#endif

}  // namespace detail
COROLOCK_END

#if COROLOCK_ASSERTIONS
#define COROLOCK_ASSERT(condition, message) \
  ((condition) ? static_cast<void>(0) : ::corolock::detail::contract_violation(message))
#else
#define COROLOCK_ASSERT(condition, message) static_cast<void>(0)
#endif
