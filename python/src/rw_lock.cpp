// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers
#include "shared.hpp"
#include <corolock/async_shared_mutex.hpp>

#include <new>

namespace corolock::python {
namespace {

struct rw_lock {
  shared base;
  async_shared_mutex mutex;
  // By tasks that have run since they were let in.
  bool is_written;
  Py_ssize_t readers;
};

struct write_mode {
  using object = rw_lock;
  static constexpr const char* names[] = {"RWLock.acquire_write", "RWLock.writer"};

  static bool try_acquire(object& l) noexcept { return l.mutex.try_lock().release() != nullptr; }
  static shared_wait* new_wait_of(object& l, wait& w) noexcept {
    return new (std::nothrow)
        shared_wait_of<async_shared_mutex, async_shared_mutex::waiter_type>(w, l.mutex);
  }
  static void taken(object& l) noexcept { l.is_written = true; }
};

struct read_mode {
  using object = rw_lock;
  static constexpr const char* names[] = {"RWLock.acquire_read", "RWLock.reader"};

  static bool try_acquire(object& l) noexcept {
    return l.mutex.try_lock_shared().release() != nullptr;
  }
  static shared_wait* new_wait_of(object& l, wait& w) noexcept {
    return new (std::nothrow)
        shared_wait_of<async_shared_mutex, async_shared_mutex::shared_waiter_type>(w, l.mutex);
  }
  static void taken(object& l) noexcept { ++l.readers; }
};

using writing = shared_operations<write_mode>;
using reading = shared_operations<read_mode>;

rw_lock& self_of(PyObject* self) noexcept {
  return as<rw_lock>(self);
}

PyObject* rw_new(PyTypeObject* type, PyObject* args, PyObject* kwargs) noexcept {
  PyObject* self = primitive_new(type, args, kwargs);
  if (self != nullptr) {
    new (&self_of(self).mutex) async_shared_mutex();
  }
  return self;
}
int rw_init(PyObject* self, PyObject* args, PyObject* kwargs) noexcept {
  return parse_init(self, args, kwargs, nullptr, nullptr) ? 0 : -1;
}
void rw_dealloc(PyObject* self) noexcept {
  async_shared_mutex& mutex = self_of(self).mutex;
  // Nobody waits: a wait keeps its lock alive.
  if (mutex.statistics().locked) {
    mutex.unlock();
  }
  for (std::size_t n = mutex.statistics().readers; n > 0; --n) {
    mutex.unlock_shared();
  }
  mutex.~async_shared_mutex();
  primitive_dealloc(self);
}

PyObject* rw_repr(PyObject* self) noexcept {
  rw_lock& l = self_of(self);
  const shared_mutex_statistics now = l.mutex.statistics();
  return describe(l.base.base, now.locked         ? PyUnicode_FromString("written")
                               : now.readers != 0 ? PyUnicode_FromFormat("readers:%zu", now.readers)
                                                  : PyUnicode_FromString("unlocked"));
}

PyObject* acquire_write(PyObject* self, PyObject*) noexcept {
  return new_wait(*as<primitive>(self).state, writing::acquire, self);
}
PyObject* acquire_read(PyObject* self, PyObject*) noexcept {
  return new_wait(*as<primitive>(self).state, reading::acquire, self);
}
PyObject* enter_write(PyObject* self, PyObject*) noexcept {
  return new_wait(*as<primitive>(self).state, writing::enter, self);
}
PyObject* enter_read(PyObject* self, PyObject*) noexcept {
  return new_wait(*as<primitive>(self).state, reading::enter, self);
}
PyObject* woken(rw_lock& l) noexcept {
  if (!wake_granted(l.base)) {
    return nullptr;
  }
  Py_RETURN_NONE;
}
PyObject* not_held(const char* how) noexcept {
  PyErr_Format(PyExc_RuntimeError, "RWLock is not held for %s.", how);
  return nullptr;
}
PyObject* release_write(PyObject* self, PyObject*) noexcept {
  rw_lock& l = self_of(self);
  if (!l.is_written) {
    return not_held("writing");
  }
  l.is_written = false;
  l.mutex.unlock();
  return woken(l);
}
PyObject* release_read(PyObject* self, PyObject*) noexcept {
  rw_lock& l = self_of(self);
  if (l.readers == 0) {
    return not_held("reading");
  }
  --l.readers;
  l.mutex.unlock_shared();
  return woken(l);
}
PyObject* downgrade(PyObject* self, PyObject*) noexcept {
  rw_lock& l = self_of(self);
  if (!l.is_written) {
    return not_held("writing");
  }
  l.is_written = false;
  ++l.readers;
  l.mutex.downgrade(async_shared_mutex::guard_type(l.mutex)).release();
  return woken(l);
}
PyObject* locked(PyObject* self, PyObject*) noexcept {
  return PyBool_FromLong(self_of(self).mutex.is_locked() ? 1 : 0);
}

PyMethodDef methods[] = {
    {"acquire_read", acquire_read, METH_NOARGS,
     "acquire_read($self, /)\n--\n\nWait until no writer has the lock, or came before, take it for "
     "reading, and return True."},
    {"acquire_write", acquire_write, METH_NOARGS,
     "acquire_write($self, /)\n--\n\nWait until nobody has the lock, take it for writing, and "
     "return "
     "True."},
    {"release_read", release_read, METH_NOARGS,
     "release_read($self, /)\n--\n\nEnd a reading. Raises RuntimeError if nobody reads."},
    {"release_write", release_write, METH_NOARGS,
     "release_write($self, /)\n--\n\nEnd the writing. Raises RuntimeError if nobody writes."},
    {"downgrade", downgrade, METH_NOARGS,
     "downgrade($self, /)\n--\n\nTurn the writer into a reader, without another writer in "
     "between."},
    {"locked", locked, METH_NOARGS,
     "locked($self, /)\n--\n\nReturn True if somebody writes or reads."},
    {"_enter_read", enter_read, METH_NOARGS, nullptr},
    {"_enter_write", enter_write, METH_NOARGS, nullptr},
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
    {Py_tp_new, slot(rw_new)},
    {Py_tp_init, slot(rw_init)},
    {Py_tp_dealloc, slot(rw_dealloc)},
    {Py_tp_traverse, slot(primitive_traverse)},
    {Py_tp_clear, slot(primitive_clear)},
    {Py_tp_repr, slot(rw_repr)},
    {Py_tp_methods, methods},
    {Py_tp_getset, getset},
    {Py_tp_members, members},
    {},
};

}  // namespace

PyType_Spec rw_lock_spec = {"corolock._RWLock", sizeof(rw_lock), 0,
                            Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_BASETYPE, slots};

}  // namespace corolock::python
