// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers
#include "drop_ins.hpp"

namespace corolock::python {
namespace {

// wait() releases the lock, waits for notify(), and has the lock again before it returns or raises.
//
//   step         what arrives                       what happens
//   notified     the result                         acquires the lock
//   notified     an exception                       kept in `extra`; acquires the lock
//   acquiring    the lock                           raises what is kept and passes the notification
//                                                   on to another waiter, or returns True
//   acquiring    CancelledError                     kept instead; acquires the lock once more
//   acquiring    another exception                  raised, without the lock: as asyncio
//   acquiring    close(), the lock is not free      RuntimeError, as asyncio: it cannot wait any
//                                                   more. The notification is passed on.
//
// The first future is made before the lock is released, so that one that is bound to another loop
// raises with the lock held.
struct condition {
  primitive base;
  PyObject* lock;
};

condition& of(const wait& w) noexcept {
  return as<condition>(w.owner);
}

// Its lock, if that is one of ours whose methods nobody has replaced; else null.
lock* plain_lock(condition& c) noexcept {
  return c.lock != nullptr && is_plain_lock(*c.base.state, c.lock) ? &as<lock>(c.lock) : nullptr;
}

bool has_lock(condition& c) noexcept {
  if (c.lock == nullptr) {
    PyErr_SetString(PyExc_RuntimeError, "Condition.__init__() was not called");
  }
  return c.lock != nullptr;
}

// 1 or 0; -1: an exception is set.
int is_locked(condition& c) noexcept {
  if (const lock* l = plain_lock(c)) {
    return l->is_locked ? 1 : 0;
  }
  if (!has_lock(c)) {
    return -1;
  }
  const ref answer = ref::steal(PyObject_CallMethodNoArgs(c.lock, c.base.state->str_locked));
  return answer ? PyObject_IsTrue(answer.get()) : -1;
}

bool release(condition& c) noexcept {
  if (lock* l = plain_lock(c)) {
    return release_lock(*l);
  }
  return has_lock(c) && ref::steal(PyObject_CallMethodNoArgs(c.lock, c.base.state->str_release));
}

ref acquire(condition& c) noexcept {
  if (plain_lock(c) != nullptr) {
    return ref::steal(new_wait(*c.base.state, lock_acquire, c.lock));
  }
  return has_lock(c) ? ref::steal(PyObject_CallMethodNoArgs(c.lock, c.base.state->str_acquire))
                     : ref();
}

PySendResult reacquire(wait& w, PyObject** result) noexcept {
  const ref acquired = acquire(of(w));
  return await(w, acquired ? awaitable_of(*w.state, acquired.get()) : ref(), result);
}

// Wakes up to n waiters. False: an exception is set.
bool wake(condition& c, Py_ssize_t n) noexcept {
  int woken = 1;
  for (; n > 0 && woken > 0; --n) {
    woken = c.base.queue.wake_next(*c.base.state, Py_False);
  }
  return woken >= 0;
}

PySendResult fail_and_notify_another(wait& w) noexcept {
  with_exception_kept([&]() noexcept {
    condition& c = of(w);
    return c.base.queue.empty() || is_dead(c.base) || wake(c, 1);
  });
  return fail(w);
}

PySendResult wait_begin(wait& w, PyObject** result) noexcept {
  condition& c = of(w);
  const int locked = is_locked(c);
  if (locked < 0) {
    return fail(w);
  }
  if (locked == 0) {
    PyErr_SetString(PyExc_RuntimeError, "cannot wait on un-acquired lock");
    return fail(w);
  }
  ref future = future_of(c.base);
  if (!future) {
    return fail_and_notify_another(w);
  }
  if (!release(c)) {
    return fail_and_notify_another(w);
  }
  return await_turn(w, c.base, std::move(future), result);
}

PySendResult wait_returned(wait& w, ref, PyObject** result) noexcept {
  condition& c = of(w);
  if (w.place.future != nullptr) {
    c.base.queue.remove(w.place);
    return reacquire(w, result);
  }
  if (w.extra == nullptr) {
    return finish(w, Py_NewRef(Py_True), result);
  }
  raise_exception(ref::steal(std::exchange(w.extra, nullptr)));
  return fail_and_notify_another(w);
}

PySendResult wait_raised(wait& w, PyObject** result) noexcept {
  condition& c = of(w);
  const bool is_notified = w.place.future == nullptr;
  c.base.queue.remove(w.place);
  if (is_notified && PyErr_ExceptionMatches(w.state->cancelled_error) == 0) {
    return fail_and_notify_another(w);
  }
  Py_XSETREF(w.extra, take_exception().release());
  if (!PyErr_GivenExceptionMatches(w.extra, PyExc_GeneratorExit)) {
    return reacquire(w, result);
  }
  // It is being closed: it may take the lock, but not wait for it.
  const PySendResult how = reacquire(w, result);
  if (how != PYGEN_NEXT) {
    return how;
  }
  Py_CLEAR(*result);
  Py_CLEAR(w.inner);  // leaves the lock's queue
  PyErr_SetString(PyExc_RuntimeError, "coroutine ignored GeneratorExit");
  return fail_and_notify_another(w);
}

constinit const operation condition_wait = {"Condition.wait", wait_begin, wait_returned,
                                            wait_raised};

// wait_for(): `extra` is the predicate.
PySendResult wait_for_next(wait& w, PyObject** result) noexcept {
  ref answer = ref::steal(PyObject_CallNoArgs(w.extra));
  const int truth = answer ? PyObject_IsTrue(answer.get()) : -1;
  if (truth < 0) {
    return fail(w);
  }
  if (truth > 0) {
    return finish(w, answer.release(), result);
  }
  const ref waiting = ref::steal(PyObject_CallMethodNoArgs(w.owner, w.state->str_wait));
  return await(w, waiting ? awaitable_of(*w.state, waiting.get()) : ref(), result);
}
PySendResult wait_for_returned(wait& w, ref, PyObject** result) noexcept {
  return wait_for_next(w, result);
}

constinit const operation condition_wait_for = {"Condition.wait_for", wait_for_next,
                                                wait_for_returned, just_raise};

int condition_init(PyObject* self, PyObject* args, PyObject* kwargs) noexcept {
  PyObject* given = nullptr;
  if (!parse_init(self, args, kwargs, "lock", &given)) {
    return -1;
  }
  auto& c = as<condition>(self);
  ref lock =
      given != nullptr && given != Py_None
          ? ref::borrow(given)
          : ref::steal(PyObject_CallNoArgs(reinterpret_cast<PyObject*>(c.base.state->lock_type)));
  if (!lock) {
    return -1;
  }
  Py_XSETREF(c.lock, lock.release());
  return 0;
}

PyObject* condition_repr(PyObject* self) noexcept {
  auto& c = as<condition>(self);
  const int locked = is_locked(c);
  return locked < 0 ? nullptr
                    : describe(c.base, PyUnicode_FromString(locked != 0 ? "locked" : "unlocked"));
}

PyObject* method_locked(PyObject* self, PyObject*) noexcept {
  auto& c = as<condition>(self);
  if (plain_lock(c) == nullptr && has_lock(c)) {
    return PyObject_CallMethodNoArgs(c.lock, c.base.state->str_locked);
  }
  const int locked = is_locked(c);
  return locked < 0 ? nullptr : PyBool_FromLong(locked);
}
PyObject* method_acquire(PyObject* self, PyObject*) noexcept {
  return acquire(as<condition>(self)).release();
}
PyObject* method_release(PyObject* self, PyObject*) noexcept {
  if (!release(as<condition>(self))) {
    return nullptr;
  }
  Py_RETURN_NONE;
}
PyObject* method_wait(PyObject* self, PyObject*) noexcept {
  return new_wait(*as<condition>(self).base.state, condition_wait, self);
}
PyObject* method_wait_for(PyObject* self, PyObject* predicate) noexcept {
  return new_wait(*as<condition>(self).base.state, condition_wait_for, self, predicate);
}

// notify(n) and notify_all().
PyObject* notify(condition& c, Py_ssize_t n) noexcept {
  const int locked = is_locked(c);
  if (locked == 0) {
    PyErr_SetString(PyExc_RuntimeError, "cannot notify on un-acquired lock");
  }
  if (locked <= 0 || !wake(c, n)) {
    return nullptr;
  }
  Py_RETURN_NONE;
}
PyObject* method_notify(PyObject* self, PyObject* args, PyObject* kwargs) noexcept {
  static const char* const names[] = {"n", nullptr};
  Py_ssize_t n = 1;
  if (PyArg_ParseTupleAndKeywords(args, kwargs, "|n:notify", const_cast<char**>(names), &n) == 0) {
    return nullptr;
  }
  return notify(as<condition>(self), n);
}
PyObject* method_notify_all(PyObject* self, PyObject*) noexcept {
  auto& c = as<condition>(self);
  return notify(c, c.base.queue.size());
}

bool is_plain(condition& c) noexcept {
  return Py_IS_TYPE(object_of(c), c.base.state->condition_type) && c.base.dict == nullptr &&
         plain_lock(c) != nullptr;
}
PyObject* enter(PyObject* self) noexcept {
  auto& c = as<condition>(self);
  return is_plain(c) ? new_step(*c.base.state, lock_enter, c.lock)
                     : new_step(*c.base.state, any_enter, self);
}
PyObject* exit(PyObject* self) noexcept {
  auto& c = as<condition>(self);
  return is_plain(c) ? new_step(*c.base.state, lock_exit, c.lock)
                     : new_step(*c.base.state, any_exit, self);
}

int condition_traverse(PyObject* self, visitproc visit, void* arg) noexcept {
  Py_VISIT(as<condition>(self).lock);
  return primitive_traverse(self, visit, arg);
}
int condition_clear(PyObject* self) noexcept {
  Py_CLEAR(as<condition>(self).lock);
  return primitive_clear(self);
}

PyMethodDef condition_methods[] = {
    {"acquire", method_acquire, METH_NOARGS,
     "acquire($self, /)\n--\n\nAcquire the lock, as its own acquire()."},
    {"release", method_release, METH_NOARGS,
     "release($self, /)\n--\n\nRelease the lock, as its own release()."},
    {"locked", method_locked, METH_NOARGS,
     "locked($self, /)\n--\n\nReturn True if the lock is held."},
    {"wait", method_wait, METH_NOARGS,
     "wait($self, /)\n--\n\nRelease the lock, wait for a notification, acquire the lock again, and "
     "return True.\n\nIt may return without a cause: look again at what you wait for. The lock is "
     "held again also\nwhen it raises. Raises RuntimeError if the lock is not held."},
    {"wait_for", method_wait_for, METH_O,
     "wait_for($self, predicate, /)\n--\n\nwait() until the predicate is true, and return its "
     "value."},
    {"notify", method(method_notify), METH_VARARGS | METH_KEYWORDS,
     "notify($self, n=1)\n--\n\nWake the first n of those that wait. They go on when they have the "
     "lock.\nRaises RuntimeError if the lock is not held."},
    {"notify_all", method_notify_all, METH_NOARGS,
     "notify_all($self, /)\n--\n\nWake all that wait. Raises RuntimeError if the lock is not "
     "held."},
    {},
};

PyGetSetDef condition_getset[] = {COROLOCK_PRIMITIVE_GETSET, {}};
PyMemberDef condition_members[] = {
    COROLOCK_PRIMITIVE_MEMBERS(condition),
    {"_lock", T_OBJECT, offsetof(condition, lock), READONLY, nullptr},
    {},
};

PyType_Slot condition_slots[] = {
    {Py_tp_doc,
     const_cast<char*>("Condition(lock=None)\n--\n\nA lock, and a queue of tasks that wait until "
                       "what it guards has changed;\nasyncio.Condition, natively.")},
    {Py_tp_new, slot(primitive_new)},
    {Py_tp_init, slot(condition_init)},
    {Py_tp_dealloc, slot(primitive_dealloc)},
    {Py_tp_traverse, slot(condition_traverse)},
    {Py_tp_clear, slot(condition_clear)},
    {Py_tp_repr, slot(condition_repr)},
    {Py_tp_methods, condition_methods},
    {Py_tp_getset, condition_getset},
    {Py_tp_members, condition_members},
    {},
};

}  // namespace

bool add_condition_steps(module_state& state, PyTypeObject* type) noexcept {
  return add_steps(state, type, enter, exit);
}

PyType_Spec condition_spec = {"corolock.Condition", sizeof(condition), 0,
                              Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_BASETYPE,
                              condition_slots};

}  // namespace corolock::python
