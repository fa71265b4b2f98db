// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers
#include "wait.hpp"

namespace corolock::python {
namespace {

// Goes on with what inner gave.
PySendResult step(wait& w, PySendResult given, PyObject* value, PyObject** result) noexcept {
  if (given == PYGEN_NEXT) {
    w.now = phase::suspended;
    if (PyObject_GC_IsTracked(object_of(w)) == 0) {
      PyObject_GC_Track(object_of(w));
    }
    *result = value;
    return PYGEN_NEXT;
  }
  Py_CLEAR(w.inner);
  if (given == PYGEN_RETURN) {
    return w.op->returned(w, ref::steal(value), result);
  }
  return w.op->raised(w, result);
}

PySendResult wait_send(PyObject* self, PyObject* value, PyObject** result) noexcept {
  auto& w = as<wait>(self);
  *result = nullptr;
  switch (w.now) {
    case phase::created:
      if (value != Py_None) {
        PyErr_SetString(PyExc_TypeError, "can't send non-None value to a just-started coroutine");
        return PYGEN_ERROR;
      }
      w.now = phase::running;
      return w.op->begin(w, result);
    case phase::suspended: {
      w.now = phase::running;
      PyObject* given = nullptr;
      const PySendResult how = PyIter_Send(w.inner, value, &given);
      return step(w, how, given, result);
    }
    case phase::running: PyErr_SetString(PyExc_ValueError, "coroutine already executing"); break;
    case phase::done:
      PyErr_SetString(PyExc_RuntimeError, "cannot reuse already awaited coroutine");
      break;
  }
  return PYGEN_ERROR;
}

// Throws the exception that is set into the wait.
PySendResult throw_into(wait& w, PyObject** result) noexcept {
  *result = nullptr;
  switch (w.now) {
    case phase::created: return fail(w);
    case phase::suspended: break;
    case phase::running:
      PyErr_Clear();
      PyErr_SetString(PyExc_ValueError, "coroutine already executing");
      return PYGEN_ERROR;
    case phase::done:
      PyErr_Clear();
      PyErr_SetString(PyExc_RuntimeError, "cannot reuse already awaited coroutine");
      return PYGEN_ERROR;
  }
  w.now = phase::running;
  if (w.place.future != nullptr) {
    // inner is the iterator of a future, which has nothing to say to an exception.
    return step(w, PYGEN_ERROR, nullptr, result);
  }
  PyObject* given = nullptr;
  PySendResult how = PYGEN_ERROR;
  if (Py_IS_TYPE(w.inner, w.state->wait_type)) {
    how = throw_into(as<wait>(w.inner), &given);
  } else {
    const ref exception = take_exception();
    given = PyObject_CallMethodOneArg(w.inner, w.state->str_throw, exception.get());
    if (given != nullptr) {
      how = PYGEN_NEXT;
    } else if (PyErr_ExceptionMatches(PyExc_StopIteration) != 0) {
      const ref stop = take_exception();
      given = Py_NewRef(reinterpret_cast<PyStopIterationObject*>(stop.get())->value);
      how = PYGEN_RETURN;
    }
  }
  return step(w, how, given, result);
}

// True: closed. False: an exception is set.
bool close(wait& w) noexcept {
  if (w.now == phase::created || w.now == phase::done) {
    end(w);
    return true;
  }
  PyErr_SetNone(PyExc_GeneratorExit);
  PyObject* given = nullptr;
  switch (throw_into(w, &given)) {
    case PYGEN_NEXT:
      Py_DECREF(given);
      PyErr_SetString(PyExc_RuntimeError, "coroutine ignored GeneratorExit");
      return false;
    case PYGEN_RETURN: Py_DECREF(given); return true;
    case PYGEN_ERROR: break;
  }
  if (PyErr_ExceptionMatches(PyExc_GeneratorExit) != 0) {
    PyErr_Clear();
    return true;
  }
  return false;
}

// StopIteration(value), as the end of an iteration. CPython 3.12 and later await by __next__(), and
// would spend more on this exception than all else costs, so the one for True is made but once. If
// somebody caught it, it has a traceback, whose frames it must not keep, or is still in use.
PyObject* stop_with(module_state& state, ref value) noexcept {
  if (value.get() == Py_None) {
    return nullptr;  // without an exception: None
  }
  ref stop;
  if (value.get() == Py_True && state.stop_true != nullptr && Py_REFCNT(state.stop_true) == 1) {
    stop = ref::borrow(state.stop_true);
    PyException_SetTraceback(stop.get(), Py_None);
    PyException_SetContext(stop.get(), nullptr);
  } else {
    stop = ref::steal(PyObject_CallOneArg(PyExc_StopIteration, value.get()));
  }
  raise_exception(std::move(stop));
  return nullptr;
}

PyObject* wait_next(PyObject* self) noexcept {
  PyObject* result = nullptr;
  if (wait_send(self, Py_None, &result) == PYGEN_RETURN) {
    return stop_with(*as<wait>(self).state, ref::steal(result));
  }
  return result;
}

// What a method of Python gives: what was yielded, or StopIteration.
PyObject* as_method(PySendResult how, PyObject* given) noexcept {
  if (how != PYGEN_RETURN) {
    return given;
  }
  const ref value = ref::steal(given);
  raise_exception(ref::steal(PyObject_CallOneArg(PyExc_StopIteration, value.get())));
  return nullptr;
}

PyObject* method_send(PyObject* self, PyObject* value) noexcept {
  PyObject* given = nullptr;
  const PySendResult how = wait_send(self, value, &given);
  return as_method(how, given);
}

PyObject* method_throw(PyObject* self, PyObject* const* args, Py_ssize_t count) noexcept {
  if (count < 1 || count > 3) {
    PyErr_Format(PyExc_TypeError, "throw expected from 1 to 3 arguments, got %zd", count);
    return nullptr;
  }
  PyObject* type = args[0];
  PyObject* value = count > 1 && args[1] != Py_None ? args[1] : nullptr;
  PyObject* traceback = count > 2 && args[2] != Py_None ? args[2] : nullptr;
  if (traceback != nullptr && PyTraceBack_Check(traceback) == 0) {
    PyErr_SetString(PyExc_TypeError, "throw() third argument must be a traceback object");
    return nullptr;
  }
  ref exception;
  if (PyExceptionInstance_Check(type)) {
    if (value != nullptr) {
      PyErr_SetString(PyExc_TypeError, "instance exception may not have a separate value");
      return nullptr;
    }
    exception = ref::borrow(type);
  } else if (PyExceptionClass_Check(type)) {
    if (value != nullptr && PyObject_TypeCheck(value, reinterpret_cast<PyTypeObject*>(type))) {
      exception = ref::borrow(value);
    } else if (value != nullptr && PyTuple_Check(value)) {
      exception = ref::steal(PyObject_Call(type, value, nullptr));
    } else {
      exception = ref::steal(value != nullptr ? PyObject_CallOneArg(type, value)
                                              : PyObject_CallNoArgs(type));
    }
    if (exception && !PyExceptionInstance_Check(exception.get())) {
      PyErr_Format(PyExc_TypeError, "calling %R gave no exception", type);
      return nullptr;
    }
  } else {
    PyErr_Format(PyExc_TypeError,
                 "exceptions must be classes or instances deriving from BaseException, not %s",
                 Py_TYPE(type)->tp_name);
  }
  if (!exception ||
      (traceback != nullptr && PyException_SetTraceback(exception.get(), traceback) < 0)) {
    return nullptr;
  }
  raise_exception(std::move(exception));
  PyObject* given = nullptr;
  const PySendResult how = throw_into(as<wait>(self), &given);
  return as_method(how, given);
}

PyObject* method_close(PyObject* self, PyObject*) noexcept {
  if (!close(as<wait>(self))) {
    return nullptr;
  }
  Py_RETURN_NONE;
}

PyObject* get_name(PyObject* self, void*) noexcept {
  return PyUnicode_FromString(as<wait>(self).op->name);
}
PyObject* get_running(PyObject* self, void*) noexcept {
  return PyBool_FromLong(as<wait>(self).now == phase::running ? 1 : 0);
}
PyObject* get_await(PyObject* self, void*) noexcept {
  PyObject* inner = as<wait>(self).inner;
  return Py_NewRef(inner != nullptr ? inner : Py_None);
}

PyObject* wait_repr(PyObject* self) noexcept {
  return PyUnicode_FromFormat("<coroutine %s at %p>", as<wait>(self).op->name, self);
}

PyObject* wait_self(PyObject* self) noexcept {
  return Py_NewRef(self);
}

void wait_finalize(PyObject* self) noexcept {
  auto& w = as<wait>(self);
  w.is_finalized = true;
  if (w.now == phase::done || w.op == nullptr) {
    return;
  }
  with_exception_kept([&]() noexcept {
    if (w.now == phase::created && w.is_called) {
      if (PyErr_WarnFormat(PyExc_RuntimeWarning, 1, "coroutine '%s' was never awaited",
                           w.op->name) < 0) {
        PyErr_WriteUnraisable(self);
      }
    }
    if (!close(w)) {
      PyErr_WriteUnraisable(self);
    }
    return true;
  });
}

int wait_traverse(PyObject* self, visitproc visit, void* arg) noexcept {
  auto& w = as<wait>(self);
  Py_VISIT(Py_TYPE(self));
  Py_VISIT(w.owner);
  Py_VISIT(w.inner);
  Py_VISIT(w.extra);
  Py_VISIT(w.bound);
  return 0;
}

// The queue that it stands in, if any, belongs to the owner: take it out before the owner goes.
void leave(wait& w) noexcept {
  if (w.place.future != nullptr) {
    as<primitive>(w.owner).queue.remove(w.place);
  }
}

int wait_clear(PyObject* self) noexcept {
  auto& w = as<wait>(self);
  leave(w);
  end(w);
  Py_CLEAR(w.inner);
  Py_CLEAR(w.bound);
  return 0;
}

void wait_dealloc(PyObject* self) noexcept {
  auto& w = as<wait>(self);
  if (w.now != phase::done && PyObject_CallFinalizerFromDealloc(self) < 0) {
    return;
  }
  PyObject_GC_UnTrack(self);
  Py_CLEAR(w.bound);
  if (w.now != phase::done) {
    wait_clear(self);
  }
  PyTypeObject* type = Py_TYPE(self);
  module_state* state = w.state;
  // What was finalized once is not finalized again, so it cannot be used again.
  if (state->keeps_spares && state->spares < module_state::spare_max && !w.is_finalized) {
    state->spare[static_cast<std::size_t>(state->spares++)] = &w;
  } else {
    PyObject_GC_Del(self);
  }
  unuse(state);
  Py_DECREF(type);
}

PyMethodDef wait_methods[] = {
    {"send", method_send, METH_O, "Go on, as a coroutine's send()."},
    {"throw", method(method_throw), METH_FASTCALL, "Raise inside, as a coroutine's throw()."},
    {"close", method_close, METH_NOARGS,
     "Give up the wait, as a coroutine's close(). What was granted already passes to the next."},
    {},
};

PyGetSetDef wait_getset[] = {
    {"__name__", get_name, nullptr, nullptr, nullptr},
    {"__qualname__", get_name, nullptr, nullptr, nullptr},
    {"cr_running", get_running, nullptr, nullptr, nullptr},
    {"cr_await", get_await, nullptr, nullptr, nullptr},
    {},
};

PyMemberDef wait_members[] = {
    {"__vectorcalloffset__", T_PYSSIZET, offsetof(wait, call), READONLY, nullptr},
    {},
};

PyType_Slot wait_slots[] = {
    {Py_tp_doc, const_cast<char*>("What there is to await of a lock. It behaves as a coroutine.")},
    {Py_tp_dealloc, slot(wait_dealloc)},
    {Py_tp_finalize, slot(wait_finalize)},
    {Py_tp_traverse, slot(wait_traverse)},
    {Py_tp_clear, slot(wait_clear)},
    {Py_tp_repr, slot(wait_repr)},
    {Py_tp_iter, slot(wait_self)},
    {Py_tp_iternext, slot(wait_next)},
    {Py_tp_methods, wait_methods},
    {Py_tp_getset, wait_getset},
    {Py_am_await, slot(wait_self)},
    {Py_am_send, slot(wait_send)},
    {Py_tp_call, slot(PyVectorcall_Call)},
    {Py_tp_members, wait_members},
    {},
};

}  // namespace

PyType_Spec wait_spec = {"corolock._Wait", sizeof(wait), 0,
                         Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC |
                             Py_TPFLAGS_DISALLOW_INSTANTIATION | Py_TPFLAGS_IMMUTABLETYPE |
                             Py_TPFLAGS_HAVE_VECTORCALL,
                         wait_slots};

namespace {

wait* allocate(module_state& state) noexcept {
  if (state.spares == 0) {
    return PyObject_GC_New(wait, state.wait_type);
  }
  wait* w = state.spare[static_cast<std::size_t>(--state.spares)];
  PyObject_Init(object_of(*w), state.wait_type);
  return w;
}

PyObject* call_step(PyObject* self, PyObject* const*, std::size_t, PyObject*) noexcept {
  auto& w = as<wait>(self);
  if (w.bound == nullptr) {
    PyErr_SetString(PyExc_TypeError, "'coroutine' object is not callable");
    return nullptr;
  }
  if (!w.is_called) {
    w.is_called = true;
    return Py_NewRef(self);
  }
  PyObject* another = new_step(*w.state, *w.op, w.bound);
  if (another != nullptr) {
    as<wait>(another).is_called = true;
  }
  return another;
}

struct step_method {
  PyObject ob_base;
  step_maker make;
  PyTypeObject* of;
};

PyObject* make_step(const step_method& method, PyObject* owner) noexcept {
  if (owner != nullptr && PyObject_TypeCheck(owner, method.of) != 0) {
    return method.make(owner);
  }
  PyErr_Format(PyExc_TypeError, "this method needs a '%s' object", method.of->tp_name);
  return nullptr;
}

PyObject* step_get(PyObject* self, PyObject* owner, PyObject*) noexcept {
  return owner == nullptr || owner == Py_None ? Py_NewRef(self)
                                              : make_step(as<step_method>(self), owner);
}

// By way of the type, as contextlib.AsyncExitStack does: the object is the first argument.
PyObject* step_call(PyObject* self, PyObject* args, PyObject*) noexcept {
  PyObject* owner = PyTuple_GET_SIZE(args) > 0 ? PyTuple_GET_ITEM(args, 0) : nullptr;
  PyObject* step = make_step(as<step_method>(self), owner);
  if (step != nullptr) {
    as<wait>(step).is_called = true;
  }
  return step;
}

int step_traverse(PyObject* self, visitproc visit, void* arg) noexcept {
  Py_VISIT(Py_TYPE(self));
  Py_VISIT(as<step_method>(self).of);
  return 0;
}
int step_clear(PyObject* self) noexcept {
  Py_CLEAR(as<step_method>(self).of);
  return 0;
}
void step_dealloc(PyObject* self) noexcept {
  PyTypeObject* type = Py_TYPE(self);
  PyObject_GC_UnTrack(self);
  step_clear(self);
  type->tp_free(self);
  Py_DECREF(type);
}

bool add_step(module_state& state, PyTypeObject* type, const char* name, step_maker make) noexcept {
  const ref method = ref::steal(state.step_method_type->tp_alloc(state.step_method_type, 0));
  if (!method) {
    return false;
  }
  as<step_method>(method.get()).make = make;
  Py_INCREF(type);
  as<step_method>(method.get()).of = type;
  return PyObject_SetAttrString(reinterpret_cast<PyObject*>(type), name, method.get()) == 0;
}

PyType_Slot step_method_slots[] = {
    {Py_tp_dealloc, slot(step_dealloc)}, {Py_tp_traverse, slot(step_traverse)},
    {Py_tp_clear, slot(step_clear)},     {Py_tp_descr_get, slot(step_get)},
    {Py_tp_call, slot(step_call)},       {},
};

}  // namespace

PyType_Spec step_method_spec = {"corolock._StepMethod", sizeof(step_method), 0,
                                Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC |
                                    Py_TPFLAGS_DISALLOW_INSTANTIATION | Py_TPFLAGS_IMMUTABLETYPE,
                                step_method_slots};

bool add_steps(module_state& state, PyTypeObject* type, step_maker enter,
               step_maker exit) noexcept {
  return add_step(state, type, "__aenter__", enter) && add_step(state, type, "__aexit__", exit);
}

PyObject* new_step(module_state& state, const operation& op, PyObject* owner) noexcept {
  wait* w = allocate(state);
  if (w == nullptr) {
    return nullptr;
  }
  w->state = use(&state);
  w->op = &op;
  w->owner = Py_NewRef(owner);
  w->inner = nullptr;
  w->extra = nullptr;
  w->shared = nullptr;
  w->place.future = nullptr;
  w->place.wait = object_of(*w);
  w->now = phase::created;
  w->is_finalized = false;
  w->is_called = false;
  w->bound = Py_NewRef(owner);
  w->call = call_step;
  return object_of(*w);
}

PyObject* new_wait(module_state& state, const operation& op, PyObject* owner,
                   PyObject* extra) noexcept {
  PyObject* self = new_step(state, op, owner);
  if (self != nullptr) {
    auto& w = as<wait>(self);
    w.extra = Py_XNewRef(extra);
    w.is_called = true;
    Py_CLEAR(w.bound);
    PyObject_GC_Track(self);
  }
  return self;
}

PySendResult fail(wait& w) noexcept {
  end(w);
  return PYGEN_ERROR;
}

PySendResult await(wait& w, ref inner, PyObject** result) noexcept {
  if (!inner) {
    return fail(w);
  }
  w.inner = inner.release();
  PyObject* given = nullptr;
  const PySendResult how = PyIter_Send(w.inner, Py_None, &given);
  return step(w, how, given, result);
}

PySendResult await_turn(wait& w, primitive& p, ref future, PyObject** result) noexcept {
  ref inner = future ? awaitable_of(*w.state, future.get()) : ref();
  if (inner) {
    p.queue.push_back(w.place, std::move(future));
  }
  return await(w, std::move(inner), result);
}

ref awaitable_of(module_state& state, PyObject* object) noexcept {
  if (Py_IS_TYPE(object, state.wait_type) || PyCoro_CheckExact(object)) {
    return ref::borrow(object);
  }
  const PyAsyncMethods* methods = Py_TYPE(object)->tp_as_async;
  if (methods == nullptr || methods->am_await == nullptr) {
    PyErr_Format(PyExc_TypeError, "object %.100s can't be used in 'await' expression",
                 Py_TYPE(object)->tp_name);
    return {};
  }
  return ref::steal(methods->am_await(object));
}

PySendResult just_raise(wait& w, PyObject**) noexcept {
  return fail(w);
}

}  // namespace corolock::python
