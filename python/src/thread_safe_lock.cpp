// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers
#include "shared.hpp"
#include <corolock/async_mutex.hpp>

#include <new>

namespace corolock::python {
namespace {

struct thread_safe_lock {
  shared base;
  async_mutex mutex;
  bool is_held;  // by a task that has run since it was let in
};

struct mode {
  using object = thread_safe_lock;
  static constexpr const char* names[] = {"ThreadSafeLock.acquire", "ThreadSafeLock.__aenter__"};

  static bool try_acquire(object& l) noexcept { return l.mutex.try_lock().release() != nullptr; }
  static shared_wait* new_wait_of(object& l, wait& w) noexcept {
    return new (std::nothrow) shared_wait_of<async_mutex, async_mutex::waiter_type>(w, l.mutex);
  }
  static void taken(object& l) noexcept { l.is_held = true; }
};
using operations = shared_operations<mode>;

bool release(thread_safe_lock& l) noexcept {
  if (!l.is_held) {
    PyErr_SetString(PyExc_RuntimeError, "Lock is not acquired.");
    return false;
  }
  l.is_held = false;
  l.mutex.unlock();
  return wake_granted(l.base);
}

PySendResult exit_begin(wait& w, PyObject** result) noexcept {
  return release(as<thread_safe_lock>(w.owner)) ? finish(w, Py_NewRef(Py_None), result) : fail(w);
}
PySendResult exit_returned(wait& w, ref, PyObject** result) noexcept {
  return finish(w, Py_NewRef(Py_None), result);
}
constinit const operation exit_operation = {"ThreadSafeLock.__aexit__", exit_begin, exit_returned,
                                            just_raise};

PyObject* lock_new(PyTypeObject* type, PyObject* args, PyObject* kwargs) noexcept {
  PyObject* self = primitive_new(type, args, kwargs);
  if (self != nullptr) {
    new (&as<thread_safe_lock>(self).mutex) async_mutex();
  }
  return self;
}
int lock_init(PyObject* self, PyObject* args, PyObject* kwargs) noexcept {
  return parse_init(self, args, kwargs, nullptr, nullptr) ? 0 : -1;
}
void lock_dealloc(PyObject* self) noexcept {
  auto& l = as<thread_safe_lock>(self);
  if (l.mutex.is_locked()) {
    l.mutex.unlock();  // nobody waits: a wait keeps its lock alive
  }
  l.mutex.~async_mutex();
  primitive_dealloc(self);
}

PyObject* lock_repr(PyObject* self) noexcept {
  auto& l = as<thread_safe_lock>(self);
  return describe(l.base.base, PyUnicode_FromString(l.mutex.is_locked() ? "locked" : "unlocked"));
}
PyObject* method_acquire(PyObject* self, PyObject*) noexcept {
  return new_wait(*as<primitive>(self).state, operations::acquire, self);
}
PyObject* method_try_acquire(PyObject* self, PyObject*) noexcept {
  auto& l = as<thread_safe_lock>(self);
  const bool taken = mode::try_acquire(l);
  if (taken) {
    mode::taken(l);
  }
  return PyBool_FromLong(taken ? 1 : 0);
}
PyObject* method_release(PyObject* self, PyObject*) noexcept {
  if (!release(as<thread_safe_lock>(self))) {
    return nullptr;
  }
  Py_RETURN_NONE;
}
PyObject* method_locked(PyObject* self, PyObject*) noexcept {
  return PyBool_FromLong(as<thread_safe_lock>(self).mutex.is_locked() ? 1 : 0);
}
PyObject* enter(PyObject* self) noexcept {
  return new_step(*as<primitive>(self).state, operations::enter, self);
}
PyObject* exit(PyObject* self) noexcept {
  return new_step(*as<primitive>(self).state, exit_operation, self);
}

PyMethodDef methods[] = {
    {"acquire", method_acquire, METH_NOARGS,
     "acquire($self, /)\n--\n\nWait until the lock is free, take it, and return True. First come, "
     "first served,\nwhatever the event loop and the thread."},
    {"try_acquire", method_try_acquire, METH_NOARGS,
     "try_acquire($self, /)\n--\n\nTake the lock if it is free, and return whether it was."},
    {"release", method_release, METH_NOARGS,
     "release($self, /)\n--\n\nHand the lock to the first of those that wait, or free it. Any "
     "thread "
     "may do this.\nRaises RuntimeError if nobody holds the lock."},
    {"locked", method_locked, METH_NOARGS,
     "locked($self, /)\n--\n\nReturn True if the lock is held, or on its way to the next."},
    {},
};
PyGetSetDef getset[] = {
    {"__dict__", PyObject_GenericGetDict, PyObject_GenericSetDict, nullptr, nullptr}, {}};
PyMemberDef members[] = {
    {"__dictoffset__", T_PYSSIZET, offsetof(primitive, dict), READONLY, nullptr},
    {"__weaklistoffset__", T_PYSSIZET, offsetof(primitive, weak_references), READONLY, nullptr},
    {},
};
PyType_Slot slots[] = {
    {Py_tp_doc, const_cast<char*>(
                    "ThreadSafeLock()\n--\n\nMutual exclusion between tasks, whatever their event "
                    "loops and threads.\n\n    async with lock:\n        ...\n\nIt belongs to no "
                    "event loop, has no owner and is not re-entrant.")},
    {Py_tp_new, slot(lock_new)},
    {Py_tp_init, slot(lock_init)},
    {Py_tp_dealloc, slot(lock_dealloc)},
    {Py_tp_traverse, slot(primitive_traverse)},
    {Py_tp_clear, slot(primitive_clear)},
    {Py_tp_repr, slot(lock_repr)},
    {Py_tp_methods, methods},
    {Py_tp_getset, getset},
    {Py_tp_members, members},
    {},
};

}  // namespace

bool add_thread_safe_lock_steps(module_state& state, PyTypeObject* type) noexcept {
  return add_steps(state, type, enter, exit);
}

PyType_Spec thread_safe_lock_spec = {"corolock.ThreadSafeLock", sizeof(thread_safe_lock), 0,
                                     Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_BASETYPE,
                                     slots};

}  // namespace corolock::python
