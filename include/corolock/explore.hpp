// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers
#pragma once

// The schedule explorer: runs a body of coroutines under every interleaving of its steps that can
// matter, and shows the shortest one that fails.
//
//   explore::check(body)      the search, and what it proved
//   explore::world            what a body builds: shared state, locks, tasks, what must be true
//   explore::task             the coroutine of a body
//   explore::shared<T>        a value whose every access is seen
//
// A program that includes this is built with COROLOCK_EXPLORE (link corolock::explore, which says
// so): corolock's own code is then the explorer's, in a namespace of its own.
//
// docs/tutorial/find-a-lost-update.md begins at the beginning;
// docs/explanation/what-verified-means.md says what it cannot see.

#if !defined(COROLOCK_EXPLORE)
#error "corolock/explore.hpp needs COROLOCK_EXPLORE: link corolock::explore"
#endif

#include <corolock/corolock.hpp>
#include <corolock/explore/check.hpp>
#include <corolock/explore/shared.hpp>
#include <corolock/explore/task.hpp>
#include <corolock/explore/world.hpp>
