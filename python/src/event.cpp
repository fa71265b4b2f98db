// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers
#include "drop_ins.hpp"

namespace corolock::python {
namespace {

// set() wakes all that wait, in order. Who was woken returns True even if clear() comes before it
// runs; so a waiter that leaves by exception has nothing to pass on.
struct event {
  primitive base;
  bool is_set;
};

PySendResult begin(wait& w, PyObject** result) noexcept {
  auto& e = as<event>(w.owner);
  if (e.is_set) {
    return finish(w, Py_NewRef(Py_True), result);
  }
  return await_turn(w, e.base, future_of(e.base), result);
}
PySendResult returned(wait& w, ref, PyObject** result) noexcept {
  as<event>(w.owner).base.queue.remove(w.place);
  return finish(w, Py_NewRef(Py_True), result);
}
PySendResult raised(wait& w, PyObject**) noexcept {
  as<event>(w.owner).base.queue.remove(w.place);
  return fail(w);
}

constinit const operation event_wait = {"Event.wait", begin, returned, raised};

int event_init(PyObject* self, PyObject* args, PyObject* kwargs) noexcept {
  return parse_init(self, args, kwargs, nullptr, nullptr) ? 0 : -1;
}

PyObject* event_repr(PyObject* self) noexcept {
  auto& e = as<event>(self);
  return describe(e.base, PyUnicode_FromString(e.is_set ? "set" : "unset"));
}

PyObject* method_is_set(PyObject* self, PyObject*) noexcept {
  return PyBool_FromLong(as<event>(self).is_set ? 1 : 0);
}
PyObject* method_set(PyObject* self, PyObject*) noexcept {
  auto& e = as<event>(self);
  if (!e.is_set) {
    e.is_set = true;
    for (int woken = 1; woken != 0;) {
      woken = e.base.queue.wake_next(*e.base.state, Py_True);
      if (woken < 0) {
        return nullptr;
      }
    }
  }
  Py_RETURN_NONE;
}
PyObject* method_clear(PyObject* self, PyObject*) noexcept {
  as<event>(self).is_set = false;
  Py_RETURN_NONE;
}
PyObject* method_wait(PyObject* self, PyObject*) noexcept {
  return new_wait(*as<event>(self).base.state, event_wait, self);
}

PyMethodDef event_methods[] = {
    {"is_set", method_is_set, METH_NOARGS,
     "is_set($self, /)\n--\n\nReturn True if the event is set."},
    {"set", method_set, METH_NOARGS,
     "set($self, /)\n--\n\nSet the event and wake all that wait for it."},
    {"clear", method_clear, METH_NOARGS,
     "clear($self, /)\n--\n\nUnset the event: who comes from now on waits for the next set()."},
    {"wait", method_wait, METH_NOARGS,
     "wait($self, /)\n--\n\nWait until the event is set, and return True."},
    {},
};

PyGetSetDef event_getset[] = {COROLOCK_PRIMITIVE_GETSET, {}};
PyMemberDef event_members[] = {COROLOCK_PRIMITIVE_MEMBERS(event), {}};

PyType_Slot event_slots[] = {
    {Py_tp_doc, const_cast<char*>("Event()\n--\n\nA flag that tasks of one event loop wait for; "
                                  "asyncio.Event, natively.")},
    {Py_tp_new, slot(primitive_new)},
    {Py_tp_init, slot(event_init)},
    {Py_tp_dealloc, slot(primitive_dealloc)},
    {Py_tp_traverse, slot(primitive_traverse)},
    {Py_tp_clear, slot(primitive_clear)},
    {Py_tp_repr, slot(event_repr)},
    {Py_tp_methods, event_methods},
    {Py_tp_getset, event_getset},
    {Py_tp_members, event_members},
    {},
};

}  // namespace

PyType_Spec event_spec = {"corolock.Event", sizeof(event), 0,
                          Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_BASETYPE,
                          event_slots};

}  // namespace corolock::python
