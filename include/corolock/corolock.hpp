// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers
#pragma once

// All of corolock's core: the lock family on plain C++20 coroutines. Standard library only.

#include <corolock/async_barrier.hpp>
#include <corolock/async_condition.hpp>
#include <corolock/async_event.hpp>
#include <corolock/async_keyed_mutex.hpp>
#include <corolock/async_mutex.hpp>
#include <corolock/async_semaphore.hpp>
#include <corolock/async_shared_mutex.hpp>
#include <corolock/diagnostics.hpp>
#include <corolock/errc.hpp>
#include <corolock/guarded.hpp>
#include <corolock/outcome.hpp>
#include <corolock/rate_limiter.hpp>
#include <corolock/version.hpp>
