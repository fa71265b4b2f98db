// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers
#pragma once

// The bodies of Boost.Asio that the explorer's benchmarks run, in a translation unit of their own,
// because Asio takes long to compile.

#include <corolock/explore.hpp>

#include <functional>

namespace corolock_bench {

enum class sharing : bool { anything, only_shared };

/// `count` tasks of Asio that each lock, read a count, suspend, and write it.
std::function<void(corolock::explore::world&)> asio_increments(unsigned count, sharing what);

}  // namespace corolock_bench
