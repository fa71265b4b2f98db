// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers
#include "lock.hpp"

namespace corolock::python {

bool release_lock(lock& l) noexcept {
  if (!l.is_locked) {
    PyErr_SetString(PyExc_RuntimeError, "Lock is not acquired.");
    return false;
  }
  l.is_locked = false;
  return l.base.queue.wake_first(*l.base.state);
}

namespace {

PySendResult begin(wait& w, PyObject** result, PyObject* granted) noexcept {
  auto& l = as<lock>(w.owner);
  if (!l.is_locked) {
    const int nobody = l.base.queue.empty() ? 1 : l.base.queue.all_cancelled(*w.state);
    if (nobody < 0) {
      return fail(w);
    }
    if (nobody > 0 && !l.is_locked) {
      l.is_locked = true;
      return finish(w, Py_NewRef(granted), result);
    }
  }
  return await_turn(w, l.base, future_of(l.base), result);
}

PySendResult returned(wait& w, PyObject** result, PyObject* granted) noexcept {
  auto& l = as<lock>(w.owner);
  l.base.queue.remove(w.place);
  l.is_locked = true;
  return finish(w, Py_NewRef(granted), result);
}

PySendResult raised(wait& w, PyObject**) noexcept {
  auto& l = as<lock>(w.owner);
  with_exception_kept([&]() noexcept {
    l.base.queue.remove(w.place);
    return l.is_locked || l.base.queue.empty() || is_dead(l.base) ||
           l.base.queue.wake_first(*w.state);
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
PySendResult exit_begin(wait& w, PyObject** result) noexcept {
  if (!release_lock(as<lock>(w.owner))) {
    return fail(w);
  }
  return finish(w, Py_NewRef(Py_None), result);
}

PySendResult any_enter_begin(wait& w, PyObject** result) noexcept {
  const ref acquired = ref::steal(PyObject_CallMethodNoArgs(w.owner, w.state->str_acquire));
  return await(w, acquired ? awaitable_of(*w.state, acquired.get()) : ref(), result);
}
PySendResult any_exit_begin(wait& w, PyObject** result) noexcept {
  const ref released = ref::steal(PyObject_CallMethodNoArgs(w.owner, w.state->str_release));
  return released ? finish(w, Py_NewRef(Py_None), result) : fail(w);
}
PySendResult return_none(wait& w, ref, PyObject** result) noexcept {
  return finish(w, Py_NewRef(Py_None), result);
}

int lock_init(PyObject* self, PyObject* args, PyObject* kwargs) noexcept {
  return parse_init(self, args, kwargs, nullptr, nullptr) ? 0 : -1;
}

PyObject* lock_repr(PyObject* self) noexcept {
  auto& l = as<lock>(self);
  return describe(l.base, PyUnicode_FromString(l.is_locked ? "locked" : "unlocked"));
}

PyObject* method_locked(PyObject* self, PyObject*) noexcept {
  return PyBool_FromLong(as<lock>(self).is_locked ? 1 : 0);
}
PyObject* method_acquire(PyObject* self, PyObject*) noexcept {
  return new_wait(*as<lock>(self).base.state, lock_acquire, self);
}
PyObject* method_release(PyObject* self, PyObject*) noexcept {
  if (!release_lock(as<lock>(self))) {
    return nullptr;
  }
  Py_RETURN_NONE;
}
PyObject* enter(PyObject* self) noexcept {
  module_state& state = *as<lock>(self).base.state;
  return new_step(state, is_plain_lock(state, self) ? lock_enter : any_enter, self);
}
PyObject* exit(PyObject* self) noexcept {
  module_state& state = *as<lock>(self).base.state;
  return new_step(state, is_plain_lock(state, self) ? lock_exit : any_exit, self);
}

PyMethodDef lock_methods[] = {
    {"acquire", method_acquire, METH_NOARGS,
     "acquire($self, /)\n--\n\nWait until the lock is free, take it, and return True. "
     "First come, first served."},
    {"release", method_release, METH_NOARGS,
     "release($self, /)\n--\n\nFree the lock and wake the first of those that wait for it. "
     "Any task may do this.\nRaises RuntimeError if the lock is not held."},
    {"locked", method_locked, METH_NOARGS,
     "locked($self, /)\n--\n\nReturn True if the lock is held."},
    {},
};

PyGetSetDef lock_getset[] = {COROLOCK_PRIMITIVE_GETSET, {}};
PyMemberDef lock_members[] = {COROLOCK_PRIMITIVE_MEMBERS(lock), {}};

PyType_Slot lock_slots[] = {
    {Py_tp_doc,
     const_cast<char*>(
         "Lock()\n--\n\nMutual exclusion between the tasks of one event loop; asyncio.Lock, "
         "natively.\n\n    async with lock:\n        ...\n\nIt has no owner and is not "
         "re-entrant.")},
    {Py_tp_new, slot(primitive_new)},
    {Py_tp_init, slot(lock_init)},
    {Py_tp_dealloc, slot(primitive_dealloc)},
    {Py_tp_traverse, slot(primitive_traverse)},
    {Py_tp_clear, slot(primitive_clear)},
    {Py_tp_repr, slot(lock_repr)},
    {Py_tp_methods, lock_methods},
    {Py_tp_getset, lock_getset},
    {Py_tp_members, lock_members},
    {},
};

}  // namespace

constinit const operation lock_acquire = {"Lock.acquire", acquire_begin, acquire_returned, raised};
constinit const operation lock_enter = {"Lock.__aenter__", enter_begin, enter_returned, raised};
constinit const operation lock_exit = {"Lock.__aexit__", exit_begin, return_none, just_raise};
constinit const operation any_enter = {"__aenter__", any_enter_begin, return_none, just_raise};
constinit const operation any_exit = {"__aexit__", any_exit_begin, return_none, just_raise};

bool add_lock_steps(module_state& state, PyTypeObject* type) noexcept {
  return add_steps(state, type, enter, exit);
}

PyType_Spec lock_spec = {"corolock.Lock", sizeof(lock), 0,
                         Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_BASETYPE, lock_slots};

}  // namespace corolock::python
