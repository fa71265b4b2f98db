// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers
#pragma once

// Virtual threads: plain functions that run on stacks of their own, and in which every operation on
// a shared word (detail/sync.hpp) is a step. So corolock's own lock-free code is explored by the
// same search as the tasks that use it.
//
// What is modelled
//   memory        sequentially consistent: a load sees the newest store. With
//                 options::stale_loads it may see an older one, as long as the thread has neither
//                 seen a newer one nor acquired what came after it: relaxed, acquire and release
//                 as in C++, without load buffering (a load sees no store of the future). Stores
//                 take effect in the order of the steps, read-modify-write operations and
//                 seq_cst loads see the newest store, and seq_cst is no more than acq_rel besides.
//   words         load, store, exchange, compare_exchange and fetch_add through a threading policy,
//                 and its blocking_mutex. Plain variables are part of the step
//                 that touches them.
//   spinning      a thread that spins goes on when the word that it read has another value. A spin
//                 that nobody ends is reported as a wait.
//   coroutines    run on the thread that resumes them.

#include <corolock/explore/world.hpp>

#include <cstddef>
#include <memory>
#include <string_view>
#include <type_traits>
#include <utility>

COROLOCK_BEGIN
namespace explore {

namespace detail {
void start_thread(run& r, std::string_view name, callable function);
void mark_dead(const void* begin, std::size_t size);
}  // namespace detail

/// A virtual thread that calls f().
template <class Function>
void spawn_thread(world& w, std::string_view name, Function f) {
  Function& kept = w.construct<Function>(std::move(f));
  detail::start_thread(w.here(), name,
                       {std::addressof(kept), [](void* p) { (*static_cast<Function*>(p))(); }});
}

/// Destroys the object, whose place nobody uses again: from now on an operation of any virtual
/// thread on one of its words fails the run.
template <class T>
void destroy_here(T& object) {
  std::destroy_at(std::addressof(object));
  detail::mark_dead(std::addressof(object), sizeof(T));
}

}  // namespace explore
COROLOCK_END
