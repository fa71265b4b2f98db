// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers
#pragma once

// Lock. As in asyncio, release() marks the lock free and wakes the first waiter, which takes it
// when it runs, one turn of the loop later: until then locked() is False, a second release() is an
// error, and whoever wants the lock queues.
//
//   is_locked  queue          acquire()  release()                a waiter leaves by exception
//   no         empty          takes it   RuntimeError             -
//   no         first woken    queues     RuntimeError             the next one is woken
//   no         all cancelled  takes it   RuntimeError             the next one is woken
//   yes        any            queues     no; wakes the first one  nobody is woken: two would hold
//                                        if it is not done        the lock

#include "wait.hpp"

namespace corolock::python {

struct lock {
  primitive base;
  bool is_locked;
};

/// Whether it is a Lock whose methods nobody has replaced.
inline bool is_plain_lock(const module_state& state, PyObject* object) noexcept {
  return Py_IS_TYPE(object, state.lock_type) && as<primitive>(object).dict == nullptr;
}
/// Releases a lock of ours. False: an exception is set.
bool release_lock(lock& l) noexcept;

/// Awaitables of a lock of ours: acquire() -> True, __aenter__() and __aexit__() -> None.
extern const operation lock_acquire;
extern const operation lock_enter;
extern const operation lock_exit;
/// And of whatever has acquire() and release(): by calling these.
extern const operation any_enter;
extern const operation any_exit;

extern PyType_Spec lock_spec;
bool add_lock_steps(module_state& state, PyTypeObject* type) noexcept;

}  // namespace corolock::python
