// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers
#pragma once

// The same lock across processes and machines.
//
//   auto s = co_await corolock::async_connect(executor, url, {}, use_awaitable);
//   corolock::distributed_mutex m(s, "sweeper");
//   auto guard = co_await corolock::async_lock(m, use_awaitable);
//   resource.write(data, guard.token());   // which refuses a token older than one it has seen
//
// No engine gives mutual exclusion by itself: a holder may be paused for longer than its lease and
// go on as if nothing had happened. What holds is: at most one accepted writer at a resource that
// checks tokens (token_gate.hpp). docs/explanation/locks-across-machines.md says why.

#include <corolock/cluster/capabilities.hpp>
#include <corolock/cluster/distributed_mutex.hpp>
#include <corolock/cluster/error.hpp>
#include <corolock/cluster/memory.hpp>
#include <corolock/cluster/run_while_held.hpp>
#include <corolock/cluster/session.hpp>
#include <corolock/cluster/time_source.hpp>
#include <corolock/cluster/token_gate.hpp>
