// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers
#pragma once

// What belongs to one imported module, and so to one interpreter. There is no other state that
// outlives an object: two interpreters share nothing.
//
// Every object of ours points to it and counts as a user of it. It is not enough that an object
// keeps its type alive and the type the module: when the garbage collector takes all of them at
// once, it may take the module first.

#include "python.hpp"

#include <array>

namespace corolock::python {

struct wait;

struct module_state {
  std::size_t users = 1;
  PyObject* module = nullptr;  // not owned: it owns this

  // All of these are owned.
  PyTypeObject* wait_type = nullptr;
  PyTypeObject* step_method_type = nullptr;
  PyTypeObject* waiters_type = nullptr;
  PyTypeObject* lock_type = nullptr;
  PyTypeObject* event_type = nullptr;
  PyTypeObject* condition_type = nullptr;
  PyTypeObject* semaphore_type = nullptr;
  PyTypeObject* bounded_semaphore_type = nullptr;
  PyTypeObject* thread_safe_lock_type = nullptr;
  PyTypeObject* rw_lock_type = nullptr;
  PyTypeObject* rate_type = nullptr;

  PyObject* wake_future = nullptr;  // the function of shared.hpp
  PyObject* get_running_loop = nullptr;
  PyObject* cancelled_error = nullptr;
  PyObject* invalid_state_error = nullptr;
  PyObject* stop_true = nullptr;  // StopIteration(True), see wait.cpp

  PyObject* str_acquire = nullptr;
  PyObject* str_call_soon_threadsafe = nullptr;
  PyObject* str_cancelled = nullptr;
  PyObject* str_create_future = nullptr;
  PyObject* str_done = nullptr;
  PyObject* str_get_loop = nullptr;
  PyObject* str_is_closed = nullptr;
  PyObject* str_locked = nullptr;
  PyObject* str_release = nullptr;
  PyObject* str_set_result = nullptr;
  PyObject* str_throw = nullptr;
  PyObject* str_wait = nullptr;

  // Waits that ended, to be used again.
  static constexpr int spare_max = 32;
  std::array<wait*, spare_max> spare{};
  int spares = 0;
  bool keeps_spares = true;

  template <class Function>
  void for_each_object(Function function) {
    for (PyTypeObject** type :
         {&wait_type, &step_method_type, &waiters_type, &lock_type, &event_type, &condition_type,
          &semaphore_type, &bounded_semaphore_type, &thread_safe_lock_type, &rw_lock_type,
          &rate_type}) {
      function(reinterpret_cast<PyObject**>(type));
    }
    for (PyObject** object :
         {&wake_future, &get_running_loop, &cancelled_error, &invalid_state_error, &stop_true,
          &str_acquire, &str_call_soon_threadsafe, &str_cancelled, &str_create_future, &str_done,
          &str_get_loop, &str_is_closed, &str_locked, &str_release, &str_set_result, &str_throw,
          &str_wait}) {
      function(object);
    }
  }
};

/// The state of a module.
module_state* module_state_of(PyObject* module) noexcept;
/// The state that a type of ours, or a subclass of it, belongs to. Null: an error is set.
module_state* state_of(PyTypeObject* type) noexcept;

inline module_state* use(module_state* state) noexcept {
  ++state->users;
  return state;
}
inline void unuse(module_state* state) noexcept {
  if (--state->users == 0) {
    delete state;
  }
}

}  // namespace corolock::python
