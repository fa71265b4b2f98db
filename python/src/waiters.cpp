// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers
#include "waiters.hpp"

#include <new>

namespace corolock::python {

// ------------------------------------------------------------------------------------- the queue

void waiters::push_back(waiter& w, ref future) noexcept {
  w.future = future.release();
  w.is_woken = false;
  w.previous = last_;
  w.next = nullptr;
  (last_ != nullptr ? last_->next : first_) = &w;
  last_ = &w;
  if (next_ == nullptr) {
    next_ = &w;
  }
  ++size_;
}

void waiters::remove(waiter& w) noexcept {
  if (w.future == nullptr) {
    return;
  }
  (w.previous != nullptr ? w.previous->next : first_) = w.next;
  (w.next != nullptr ? w.next->previous : last_) = w.previous;
  if (next_ == &w) {
    next_ = w.next;
  }
  --size_;
  Py_CLEAR(w.future);
}

namespace {

// Calls a method without arguments for its truth: 1, 0, or -1 with an exception.
int ask(PyObject* object, PyObject* name) noexcept {
  const ref answer = ref::steal(PyObject_CallMethodNoArgs(object, name));
  return answer ? PyObject_IsTrue(answer.get()) : -1;
}

// Sets the future's result: 1; 0: it was done; -1: an exception is set. The event loop may run code
// of its own in this, so nothing may be assumed about the queue afterwards.
int wake(module_state& state, waiter& w, PyObject* value) noexcept {
  if (w.is_woken) {
    return 0;
  }
  const ref pin = ref::borrow(w.wait);
  const ref future = ref::borrow(w.future);
  if (w.wait == nullptr) {
    if (const int done = ask(future.get(), state.str_done); done != 0) {
      return done > 0 ? 0 : -1;
    }
  }
  w.is_woken = true;
  const ref result =
      ref::steal(PyObject_CallMethodOneArg(future.get(), state.str_set_result, value));
  if (result) {
    return 1;
  }
  // A future that was cancelled refuses, which is the cheapest way to ask it.
  if (PyErr_ExceptionMatches(state.invalid_state_error) != 0) {
    PyErr_Clear();
    w.is_woken = false;
    return 0;
  }
  return -1;
}

}  // namespace

bool waiters::wake_first(module_state& state) noexcept {
  return first_ == nullptr || wake(state, *first_, Py_True) >= 0;
}

int waiters::wake_next(module_state& state, PyObject* value) noexcept {
  while (next_ != nullptr) {
    waiter& w = *next_;
    next_ = w.next;
    if (const int woken = wake(state, w, value); woken != 0) {
      return woken;
    }
  }
  return 0;
}

int waiters::all_cancelled(module_state& state) const noexcept {
  for (const waiter* w = first_; w != nullptr;) {
    if (w->is_woken) {
      return 0;
    }
    const ref pin = ref::borrow(w->wait);
    const ref future = ref::borrow(w->future);
    const int cancelled = ask(future.get(), state.str_cancelled);
    if (cancelled <= 0) {
      return cancelled;
    }
    w = w->future != nullptr ? w->next : first_;  // a future written in Python may run anything
  }
  return 1;
}

int waiters::traverse(visitproc visit, void* arg) const noexcept {
  for (const waiter* w = first_; w != nullptr; w = w->next) {
    Py_VISIT(w->future);
  }
  return 0;
}

void waiters::clear() noexcept {
  while (first_ != nullptr) {
    waiter& w = *first_;
    const bool is_foreign = w.wait == nullptr;
    remove(w);
    if (is_foreign) {
      delete &w;
    }
  }
}

// ---------------------------------------------------------------------------------- the drop-ins

ref loop_of(primitive& p) noexcept {
  ref loop = ref::steal(PyObject_CallNoArgs(p.state->get_running_loop));
  if (!loop) {
    return {};
  }
  if (p.loop == nullptr || p.loop == Py_None) {
    Py_XSETREF(p.loop, Py_NewRef(loop.get()));
  }
  if (p.loop != loop.get()) {
    PyErr_Format(PyExc_RuntimeError, "%R is bound to a different event loop", object_of(p));
    return {};
  }
  return loop;
}

ref future_of(primitive& p) noexcept {
  const ref loop = loop_of(p);
  return loop ? ref::steal(PyObject_CallMethodNoArgs(loop.get(), p.state->str_create_future))
              : ref();
}

bool is_dead(primitive& p) noexcept {
  if (p.loop == nullptr || p.loop == Py_None) {
    return false;
  }
  const ref closed = ref::steal(PyObject_CallMethodNoArgs(p.loop, p.state->str_is_closed));
  if (!closed) {
    PyErr_Clear();
  }
  return closed.get() == Py_True;
}

PyObject* primitive_new(PyTypeObject* type, PyObject*, PyObject*) noexcept {
  module_state* state = state_of(type);
  if (state == nullptr) {
    return nullptr;
  }
  PyObject* self = type->tp_alloc(type, 0);
  if (self != nullptr) {
    as<primitive>(self).state = use(state);
  }
  return self;
}

int primitive_traverse(PyObject* self, visitproc visit, void* arg) noexcept {
  auto& p = as<primitive>(self);
  Py_VISIT(Py_TYPE(self));
  Py_VISIT(p.dict);
  Py_VISIT(p.loop);
  return p.queue.traverse(visit, arg);
}

int primitive_clear(PyObject* self) noexcept {
  auto& p = as<primitive>(self);
  Py_CLEAR(p.dict);
  Py_CLEAR(p.loop);
  p.queue.clear();
  return 0;
}

void primitive_dealloc(PyObject* self) noexcept {
  PyTypeObject* type = Py_TYPE(self);
  PyObject_GC_UnTrack(self);
  if (as<primitive>(self).weak_references != nullptr) {
    PyObject_ClearWeakRefs(self);
  }
  type->tp_clear(self);
  unuse(as<primitive>(self).state);
  type->tp_free(self);
  Py_DECREF(type);
}

PyObject* get_loop(PyObject* self, void*) noexcept {
  PyObject* loop = as<primitive>(self).loop;
  return Py_NewRef(loop != nullptr ? loop : Py_None);
}

int set_loop(PyObject* self, PyObject* value, void*) noexcept {
  Py_XINCREF(value);
  Py_XSETREF(as<primitive>(self).loop, value);
  return 0;
}

PyObject* describe(primitive& p, PyObject* extra) noexcept {
  const ref state = ref::steal(extra);
  const ref base = ref::steal(state ? PyBaseObject_Type.tp_repr(object_of(p)) : nullptr);
  const ref name = ref::steal(
      base ? PyUnicode_Substring(base.get(), 1, PyUnicode_GET_LENGTH(base.get()) - 1) : nullptr);
  if (!name) {
    return nullptr;
  }
  if (p.queue.empty()) {
    return PyUnicode_FromFormat("<%U [%U]>", name.get(), state.get());
  }
  return PyUnicode_FromFormat("<%U [%U, waiters:%zd]>", name.get(), state.get(), p.queue.size());
}

bool parse_init(PyObject* self, PyObject* args, PyObject* kwargs, const char* name,
                PyObject** value) noexcept {
  const char* type = Py_TYPE(self)->tp_name;
  const Py_ssize_t given = PyTuple_GET_SIZE(args);
  const Py_ssize_t most = name != nullptr ? 1 : 0;
  if (given > most) {
    PyErr_Format(PyExc_TypeError,
                 "%s.__init__() takes %s%zd positional argument%s but %zd were given", type,
                 name != nullptr ? "from 1 to " : "", most + 1, most != 0 ? "s" : "", given + 1);
    return false;
  }
  if (given == 1) {
    *value = PyTuple_GET_ITEM(args, 0);
  }
  Py_ssize_t position = 0;
  PyObject* keyword = nullptr;
  PyObject* argument = nullptr;
  while (kwargs != nullptr && PyDict_Next(kwargs, &position, &keyword, &argument) != 0) {
    if (name == nullptr || PyUnicode_CompareWithASCIIString(keyword, name) != 0) {
      PyErr_Format(PyExc_TypeError, "%s.__init__() got an unexpected keyword argument '%U'", type,
                   keyword);
      return false;
    }
    if (given == 1) {
      PyErr_Format(PyExc_TypeError, "%s.__init__() got multiple values for argument '%s'", type,
                   name);
      return false;
    }
    *value = argument;
  }
  return true;
}

// -------------------------------------------------------------------------------------- the view

namespace {

struct view {
  PyObject ob_base;
  PyObject* owner;
};

waiters& queue_of(PyObject* self) noexcept {
  return as<primitive>(as<view>(self).owner).queue;
}

Py_ssize_t view_length(PyObject* self) noexcept {
  return queue_of(self).size();
}

PyObject* view_item(PyObject* self, Py_ssize_t index) noexcept {
  const waiter* w = queue_of(self).first();
  for (; w != nullptr && index > 0; --index) {
    w = w->next;
  }
  if (w == nullptr || index < 0) {
    PyErr_SetString(PyExc_IndexError, "there is no such waiter");
    return nullptr;
  }
  return Py_NewRef(w->future);
}

PyObject* view_iter(PyObject* self) noexcept {
  const ref list = ref::steal(PyList_New(0));
  for (const waiter* w = queue_of(self).first(); list && w != nullptr; w = w->next) {
    if (PyList_Append(list.get(), w->future) < 0) {
      return nullptr;
    }
  }
  return list ? PyObject_GetIter(list.get()) : nullptr;
}

PyObject* view_append(PyObject* self, PyObject* future) noexcept {
  auto* w = new (std::nothrow) waiter();
  if (w == nullptr) {
    return PyErr_NoMemory();
  }
  queue_of(self).push_back(*w, ref::borrow(future));
  Py_RETURN_NONE;
}

int view_traverse(PyObject* self, visitproc visit, void* arg) noexcept {
  Py_VISIT(Py_TYPE(self));
  Py_VISIT(as<view>(self).owner);
  return 0;
}

void view_dealloc(PyObject* self) noexcept {
  PyTypeObject* type = Py_TYPE(self);
  PyObject_GC_UnTrack(self);
  Py_CLEAR(as<view>(self).owner);
  type->tp_free(self);
  Py_DECREF(type);
}

PyMethodDef view_methods[] = {
    {"append", view_append, METH_O, "Queue a future that nobody waits for."},
    {},
};

PyType_Slot view_slots[] = {
    {Py_tp_doc, const_cast<char*>("The futures of those that wait, the first one first.")},
    {Py_tp_dealloc, slot(view_dealloc)},
    {Py_tp_traverse, slot(view_traverse)},
    {Py_tp_iter, slot(view_iter)},
    {Py_tp_methods, view_methods},
    {Py_sq_length, slot(view_length)},
    {Py_sq_item, slot(view_item)},
    {},
};

}  // namespace

PyType_Spec waiters_spec = {"corolock._Waiters", sizeof(view), 0,
                            Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC |
                                Py_TPFLAGS_DISALLOW_INSTANTIATION | Py_TPFLAGS_IMMUTABLETYPE,
                            view_slots};

PyObject* get_waiters(PyObject* self, void*) noexcept {
  PyTypeObject* type = as<primitive>(self).state->waiters_type;
  PyObject* result = type->tp_alloc(type, 0);
  if (result != nullptr) {
    as<view>(result).owner = Py_NewRef(self);
  }
  return result;
}

}  // namespace corolock::python
