// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers
#include "drop_ins.hpp"
#include "shared.hpp"

#include <new>

namespace corolock::python {
namespace {

struct module_part {
  module_state* state;
};

module_state*& state_in(PyObject* module) noexcept {
  return static_cast<module_part*>(PyModule_GetState(module))->state;
}

// A type by its plain name: error messages of CPython call it "Lock", as they call asyncio's.
bool add_type(PyObject* module, PyType_Spec& spec, PyTypeObject*& type, PyTypeObject* base,
              const char* plain_name) noexcept {
  type = reinterpret_cast<PyTypeObject*>(
      PyType_FromModuleAndSpec(module, &spec, reinterpret_cast<PyObject*>(base)));
  if (type == nullptr) {
    return false;
  }
  if (plain_name == nullptr) {
    return true;
  }
  type->tp_name = plain_name;
  return PyModule_AddType(module, type) == 0;
}

bool add_names(module_state& s) noexcept {
  const auto intern = [](PyObject*& name, const char* text) noexcept {
    name = PyUnicode_InternFromString(text);
    return name != nullptr;
  };
  return intern(s.str_acquire, "acquire") &&
         intern(s.str_call_soon_threadsafe, "call_soon_threadsafe") &&
         intern(s.str_get_loop, "get_loop") && intern(s.str_cancelled, "cancelled") &&
         intern(s.str_create_future, "create_future") && intern(s.str_done, "done") &&
         intern(s.str_is_closed, "is_closed") && intern(s.str_locked, "locked") &&
         intern(s.str_release, "release") && intern(s.str_set_result, "set_result") &&
         intern(s.str_throw, "throw") && intern(s.str_wait, "wait");
}

bool add_asyncio(module_state& s) noexcept {
  const auto import = [](PyObject*& object, const char* from, const char* name) noexcept {
    const ref module = ref::steal(PyImport_ImportModule(from));
    object = module ? PyObject_GetAttrString(module.get(), name) : nullptr;
    return object != nullptr;
  };
  return import(s.get_running_loop, "asyncio.events", "_get_running_loop") &&
         import(s.cancelled_error, "asyncio.exceptions", "CancelledError") &&
         import(s.invalid_state_error, "asyncio.exceptions", "InvalidStateError");
}

int execute(PyObject* module) noexcept {
  auto* state = new (std::nothrow) module_state;
  if (state == nullptr) {
    PyErr_NoMemory();
    return -1;
  }
  state_in(module) = state;
  state->module = module;
  module_state& s = *state;
  s.stop_true = PyObject_CallOneArg(PyExc_StopIteration, Py_True);
  s.wake_future = PyObject_GetAttrString(module, "_wake_future");
  const bool good =
      s.stop_true != nullptr && s.wake_future != nullptr && add_names(s) && add_asyncio(s) &&
      add_type(module, wait_spec, s.wait_type, nullptr, nullptr) &&
      add_type(module, step_method_spec, s.step_method_type, nullptr, nullptr) &&
      add_type(module, waiters_spec, s.waiters_type, nullptr, nullptr) &&
      add_type(module, lock_spec, s.lock_type, nullptr, "Lock") &&
      add_type(module, event_spec, s.event_type, nullptr, "Event") &&
      add_type(module, condition_spec, s.condition_type, nullptr, "Condition") &&
      add_type(module, semaphore_spec, s.semaphore_type, nullptr, "Semaphore") &&
      add_type(module, bounded_semaphore_spec, s.bounded_semaphore_type, s.semaphore_type,
               "BoundedSemaphore") &&
      add_type(module, thread_safe_lock_spec, s.thread_safe_lock_type, nullptr, "ThreadSafeLock") &&
      add_type(module, rw_lock_spec, s.rw_lock_type, nullptr, "_RWLock") &&
      add_type(module, rate_spec, s.rate_type, nullptr, "_Rate") &&
      add_lock_steps(s, s.lock_type) && add_condition_steps(s, s.condition_type) &&
      add_semaphore_steps(s, s.semaphore_type) &&
      add_thread_safe_lock_steps(s, s.thread_safe_lock_type);
  return good ? 0 : -1;
}

int traverse(PyObject* module, visitproc visit, void* arg) noexcept {
  module_state* state = state_in(module);
  int result = 0;
  if (state != nullptr) {
    state->for_each_object([&](PyObject** object) {
      if (result == 0 && *object != nullptr) {
        result = visit(*object, arg);
      }
    });
  }
  return result;
}

int clear(PyObject* module) noexcept {
  if (module_state* state = state_in(module)) {
    state->keeps_spares = false;
    while (state->spares > 0) {
      PyObject_GC_Del(state->spare[static_cast<std::size_t>(--state->spares)]);
    }
    state->for_each_object([](PyObject** object) { Py_CLEAR(*object); });
  }
  return 0;
}

void free_module(void* module) noexcept {
  clear(static_cast<PyObject*>(module));
  if (module_state* state = std::exchange(state_in(static_cast<PyObject*>(module)), nullptr)) {
    unuse(state);
  }
}

PyMethodDef module_functions[] = {
    {"_wake_future", wake_future, METH_O, "Set the result of a future that is not done."},
    {},
};

PyModuleDef_Slot module_slots[] = {
    {Py_mod_exec, slot(execute)},
#if PY_VERSION_HEX >= 0x030c0000
    {Py_mod_multiple_interpreters, Py_MOD_PER_INTERPRETER_GIL_SUPPORTED},
#endif
    {},
};

PyModuleDef module_definition = {PyModuleDef_HEAD_INIT,
                                 "corolock._corolock",
                                 "The native part of corolock.",
                                 sizeof(module_part),
                                 module_functions,
                                 module_slots,
                                 traverse,
                                 clear,
                                 free_module};

}  // namespace

module_state* module_state_of(PyObject* module) noexcept {
  return state_in(module);
}

module_state* state_of(PyTypeObject* type) noexcept {
  PyObject* module = PyType_GetModuleByDef(type, &module_definition);
  return module != nullptr ? state_in(module) : nullptr;
}

}  // namespace corolock::python

// The name is CPython's.
// NOLINTNEXTLINE(bugprone-reserved-identifier, readability-identifier-naming)
PyMODINIT_FUNC PyInit__corolock() {
  return PyModuleDef_Init(&corolock::python::module_definition);
}
