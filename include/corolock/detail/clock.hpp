// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers
#pragma once

// The clock of time limits: the steady one, in the schedule explorer the virtual one of its runs.

#include <corolock/detail/config.hpp>

#if defined(COROLOCK_EXPLORE)
#include <corolock/explore/detail/run.hpp>
#else
#include <chrono>
#endif

COROLOCK_BEGIN
namespace detail {
#if defined(COROLOCK_EXPLORE)
using steady_clock = explore::virtual_clock;
#else
using steady_clock = std::chrono::steady_clock;
#endif
}  // namespace detail
COROLOCK_END
