// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers
#include "drop_ins.hpp"

namespace corolock::python {
namespace {

// Other than Lock, release() takes the permit for the waiter that it wakes at once: `value` counts
// those that nobody has, neither a holder nor a woken waiter.
//
//   value  queue                      acquire()              release()
//   n > 0  empty, or all cancelled    n - 1                  n + 1
//   0      any                        queues                 the permit of the next, or 1
//   n > 0  some not cancelled         queues: those before   n, and the permit of the next; the
//                                     it have not run yet    waiters that run wake the rest
//
// A woken waiter that leaves by exception gives its permit back, and every waiter that leaves, by
// whatever way, hands out what permits there are. (asyncio of 3.11 and 3.12 hands out one.)
struct semaphore {
  primitive base;
  Py_ssize_t value;
  Py_ssize_t bound;  // of a BoundedSemaphore
};

// 1 or 0; -1: an exception is set.
int is_locked(semaphore& s) noexcept {
  if (s.value == 0) {
    return 1;
  }
  if (s.base.queue.empty()) {
    return 0;
  }
  const int nobody = s.base.queue.all_cancelled(*s.base.state);
  return nobody < 0 ? -1 : 1 - nobody;
}

// Gives one permit to the next waiter: 1; 0: nobody waits; -1: an exception is set.
int hand_out(semaphore& s) noexcept {
  --s.value;
  const int woken = s.base.queue.wake_next(*s.base.state, Py_True);
  if (woken == 0) {
    ++s.value;
  }
  return woken;
}

bool hand_out_all(semaphore& s) noexcept {
  int woken = 1;
  while (woken > 0 && s.value > 0 && !s.base.queue.empty()) {
    woken = hand_out(s);
  }
  return woken >= 0;
}

bool release(semaphore& s) noexcept {
  ++s.value;
  return s.base.queue.empty() || hand_out(s) >= 0;
}

PySendResult begin(wait& w, PyObject** result, PyObject* granted) noexcept {
  auto& s = as<semaphore>(w.owner);
  const int locked = is_locked(s);
  if (locked < 0) {
    return fail(w);
  }
  if (locked == 0 && s.value > 0) {
    --s.value;
    return finish(w, Py_NewRef(granted), result);
  }
  return await_turn(w, s.base, future_of(s.base), result);
}

PySendResult returned(wait& w, PyObject** result, PyObject* granted) noexcept {
  auto& s = as<semaphore>(w.owner);
  s.base.queue.remove(w.place);
  if (!hand_out_all(s)) {
    return fail(w);
  }
  return finish(w, Py_NewRef(granted), result);
}

PySendResult raised(wait& w, PyObject**) noexcept {
  auto& s = as<semaphore>(w.owner);
  with_exception_kept([&]() noexcept {
    s.base.queue.remove(w.place);
    if (w.place.is_woken) {
      ++s.value;
    }
    return s.base.queue.empty() || is_dead(s.base) || hand_out_all(s);
  });
  return fail(w);
}

PySendResult acquire_begin(wait& w, PyObject** result) noexcept {
  return begin(w, result, Py_True);
}
PySendResult acquire_returned(wait& w, ref, PyObject** result) noexcept {
  return returned(w, result, Py_True);
}
PySendResult enter_begin(wait& w, PyObject** result) noexcept {
  return begin(w, result, Py_None);
}
PySendResult enter_returned(wait& w, ref, PyObject** result) noexcept {
  return returned(w, result, Py_None);
}

// Of a Semaphore or BoundedSemaphore. False: an exception is set.
bool release_either(PyObject* self) noexcept {
  auto& s = as<semaphore>(self);
  if (Py_IS_TYPE(self, s.base.state->bounded_semaphore_type) && s.value >= s.bound) {
    PyErr_SetString(PyExc_ValueError, "BoundedSemaphore released too many times");
    return false;
  }
  return release(s);
}
PySendResult exit_begin(wait& w, PyObject** result) noexcept {
  if (!release_either(w.owner)) {
    return fail(w);
  }
  return finish(w, Py_NewRef(Py_None), result);
}
PySendResult exit_returned(wait& w, ref, PyObject** result) noexcept {
  return finish(w, Py_NewRef(Py_None), result);
}

constinit const operation semaphore_acquire = {"Semaphore.acquire", acquire_begin, acquire_returned,
                                               raised};
constinit const operation semaphore_enter = {"Semaphore.__aenter__", enter_begin, enter_returned,
                                             raised};
constinit const operation semaphore_exit = {"Semaphore.__aexit__", exit_begin, exit_returned,
                                            just_raise};

int semaphore_init(PyObject* self, PyObject* args, PyObject* kwargs) noexcept {
  PyObject* argument = nullptr;
  if (!parse_init(self, args, kwargs, "value", &argument)) {
    return -1;
  }
  Py_ssize_t value = 1;
  if (argument != nullptr) {
    value = PyNumber_AsSsize_t(argument, PyExc_OverflowError);
    if (value == -1 && PyErr_Occurred() != nullptr) {
      return -1;
    }
  }
  if (value < 0) {
    PyErr_SetString(PyExc_ValueError, "Semaphore initial value must be >= 0");
    return -1;
  }
  auto& s = as<semaphore>(self);
  s.value = value;
  s.bound = value;
  return 0;
}

PyObject* semaphore_repr(PyObject* self) noexcept {
  auto& s = as<semaphore>(self);
  const int locked = is_locked(s);
  if (locked < 0) {
    return nullptr;
  }
  return describe(s.base, locked != 0 ? PyUnicode_FromString("locked")
                                      : PyUnicode_FromFormat("unlocked, value:%zd", s.value));
}

PyObject* method_locked(PyObject* self, PyObject*) noexcept {
  const int locked = is_locked(as<semaphore>(self));
  return locked < 0 ? nullptr : PyBool_FromLong(locked);
}
PyObject* method_acquire(PyObject* self, PyObject*) noexcept {
  return new_wait(*as<semaphore>(self).base.state, semaphore_acquire, self);
}
PyObject* method_release(PyObject* self, PyObject*) noexcept {
  if (!release(as<semaphore>(self))) {
    return nullptr;
  }
  Py_RETURN_NONE;
}
PyObject* method_bounded_release(PyObject* self, PyObject*) noexcept {
  auto& s = as<semaphore>(self);
  if (s.value >= s.bound) {
    PyErr_SetString(PyExc_ValueError, "BoundedSemaphore released too many times");
    return nullptr;
  }
  return method_release(self, nullptr);
}
bool is_plain(PyObject* self) noexcept {
  const primitive& p = as<primitive>(self);
  return p.dict == nullptr && (Py_IS_TYPE(self, p.state->semaphore_type) ||
                               Py_IS_TYPE(self, p.state->bounded_semaphore_type));
}
PyObject* enter(PyObject* self) noexcept {
  return new_step(*as<semaphore>(self).base.state, is_plain(self) ? semaphore_enter : any_enter,
                  self);
}
PyObject* exit(PyObject* self) noexcept {
  return new_step(*as<semaphore>(self).base.state, is_plain(self) ? semaphore_exit : any_exit,
                  self);
}

PyMethodDef semaphore_methods[] = {
    {"acquire", method_acquire, METH_NOARGS,
     "acquire($self, /)\n--\n\nWait for a permit, take it, and return True. "
     "First come, first served."},
    {"release", method_release, METH_NOARGS,
     "release($self, /)\n--\n\nGive a permit back, to the first of those that wait for one."},
    {"locked", method_locked, METH_NOARGS,
     "locked($self, /)\n--\n\nReturn True if acquire() would wait."},
    {},
};

PyMethodDef bounded_methods[] = {
    {"release", method_bounded_release, METH_NOARGS,
     "release($self, /)\n--\n\nGive a permit back.\n"
     "Raises ValueError if there are as many as there were in the beginning."},
    {},
};

PyGetSetDef semaphore_getset[] = {COROLOCK_PRIMITIVE_GETSET, {}};
PyMemberDef semaphore_members[] = {
    COROLOCK_PRIMITIVE_MEMBERS(semaphore),
    {"_value", T_PYSSIZET, offsetof(semaphore, value), 0, nullptr},
    {},
};
PyMemberDef bounded_members[] = {
    {"_bound_value", T_PYSSIZET, offsetof(semaphore, bound), 0, nullptr},
    {},
};

PyType_Slot semaphore_slots[] = {
    {Py_tp_doc,
     const_cast<char*>("Semaphore(value=1)\n--\n\nA number of permits that tasks of one event loop "
                       "share; asyncio.Semaphore, natively.")},
    {Py_tp_new, slot(primitive_new)},
    {Py_tp_init, slot(semaphore_init)},
    {Py_tp_dealloc, slot(primitive_dealloc)},
    {Py_tp_traverse, slot(primitive_traverse)},
    {Py_tp_clear, slot(primitive_clear)},
    {Py_tp_repr, slot(semaphore_repr)},
    {Py_tp_methods, semaphore_methods},
    {Py_tp_getset, semaphore_getset},
    {Py_tp_members, semaphore_members},
    {},
};

PyType_Slot bounded_slots[] = {
    {Py_tp_doc,
     const_cast<char*>("BoundedSemaphore(value=1)\n--\n\nA Semaphore that refuses a release() "
                       "beyond its initial value; asyncio.BoundedSemaphore, natively.")},
    {Py_tp_dealloc, slot(primitive_dealloc)},
    {Py_tp_traverse, slot(primitive_traverse)},
    {Py_tp_clear, slot(primitive_clear)},
    {Py_tp_methods, bounded_methods},
    {Py_tp_members, bounded_members},
    {},
};

constexpr unsigned flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_BASETYPE;

}  // namespace

bool add_semaphore_steps(module_state& state, PyTypeObject* type) noexcept {
  return add_steps(state, type, enter, exit);
}

PyType_Spec semaphore_spec = {"corolock.Semaphore", sizeof(semaphore), 0, flags, semaphore_slots};
PyType_Spec bounded_semaphore_spec = {"corolock.BoundedSemaphore", sizeof(semaphore), 0, flags,
                                      bounded_slots};

}  // namespace corolock::python
