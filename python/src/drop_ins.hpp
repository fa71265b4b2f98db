// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers
#pragma once

// The native types that take the places of asyncio's. (The sixth, Barrier, is Python on top of
// Condition: corolock/_barrier.py.)

#include "lock.hpp"

namespace corolock::python {

extern PyType_Spec event_spec;
extern PyType_Spec condition_spec;
extern PyType_Spec semaphore_spec;
extern PyType_Spec bounded_semaphore_spec;
bool add_condition_steps(module_state& state, PyTypeObject* type) noexcept;
bool add_semaphore_steps(module_state& state, PyTypeObject* type) noexcept;

}  // namespace corolock::python
