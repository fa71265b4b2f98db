// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers
#pragma once

// wait: what lock.acquire() and its like return, in place of a coroutine.
//
// It has a coroutine's methods (send, throw, close, __await__) and its life. What it is to do is an
// `operation`, and what it waits for meanwhile is `inner`: the iterator of a future, another wait,
// or a coroutine of somebody else's.
//
//   phase      means                                              leads to
//   created    nothing has happened yet; dropped so, it warns,    running, by the first send(None);
//              as a coroutine does                                done, by throw() or close()
//   running    one of its own functions is on the stack           suspended or done
//   suspended  it has yielded what inner yielded                  running, by send or throw
//   done       it has returned or raised, and refers to nothing   -
//
// Who may touch it: whoever has the GIL. But any call of a Python function (a method of the event
// loop or of a future, the predicate, a lock of the user's) may run other code, even of another
// thread, before it returns. So an operation puts its primitive right before such a call or after
// it, and never relies on what it read before:
//
//   re-entrancy     send, throw and close of a running wait are ValueErrors, as of a coroutine
//   exceptions      any exception out of inner, of whatever kind, goes through operation::raised,
//                   which undoes what was done; what inner returns goes through returned
//   cancellation    arrives as throw(). While its future is pending, the future is cancelled too,
//                   and the wait stays queued until throw() runs; one that wakes the queue meets a
//                   future that is done, and what it does then is asyncio's, to the letter (L7, L9
//                   and S4 in tests/test_drop_in.py). After the future has its result, throw()
//                   passes on what was given.
//   close, dropped  the same by GeneratorExit. That is where asyncio loses the wake-up or the
//                   permit, because it passes on only for CancelledError.
//   garbage         tp_finalize closes a suspended wait before anything of the cycle is cleared

#include "waiters.hpp"

namespace corolock::python {

struct shared_wait;

struct operation {
  const char* name;  // as a coroutine's __qualname__
  // Each ends with finish(), fail(), or await(); raised() is called with an exception set.
  PySendResult (*begin)(wait& w, PyObject** result) noexcept;
  PySendResult (*returned)(wait& w, ref value, PyObject** result) noexcept;
  PySendResult (*raised)(wait& w, PyObject** result) noexcept;
};

enum class phase : unsigned char { created, running, suspended, done };

struct wait {
  PyObject ob_base;
  module_state* state;
  const operation* op;
  PyObject* owner;  // the primitive
  PyObject* inner;
  PyObject* extra;      // the operation's own
  shared_wait* shared;  // of a wait in a primitive of the core (shared.hpp), owned
  waiter place;         // in the owner's queue
  phase now;
  bool is_finalized;
  bool is_called;   // false: nobody has asked for it to be awaited yet
  PyObject* bound;  // the object that it is a bound method of, or null
  vectorcallfunc call;
};

/// A wait that does `op` with `owner` once it is awaited.
PyObject* new_wait(module_state& state, const operation& op, PyObject* owner,
                   PyObject* extra = nullptr) noexcept;

/// A method that makes waits of an object, for a type's __aenter__ and __aexit__.
///
/// `async with` looks up both, calls each once and awaits what it gets. An ordinary method costs an
/// object for the bound method and one for the wait, a third of all that an uncontended section
/// costs. So here they are one: what the lookup gives is a wait that can be called; its first call
/// returns itself, another one a new wait. The garbage collector knows of it only from when it is
/// suspended.
///
/// `make` calls new_step(). False: an exception is set.
using step_maker = PyObject* (*)(PyObject* owner) noexcept;
bool add_steps(module_state& state, PyTypeObject* type, step_maker enter, step_maker exit) noexcept;
PyObject* new_step(module_state& state, const operation& op, PyObject* owner) noexcept;

void delete_shared(wait& w) noexcept;

/// It is done, and lets go of what it refers to.
inline void end(wait& w) noexcept {
  w.now = phase::done;
  if (w.shared != nullptr) {
    delete_shared(w);
  }
  Py_CLEAR(w.owner);
  Py_CLEAR(w.extra);
}
/// The end: takes over `value`, a new reference.
inline PySendResult finish(wait& w, PyObject* value, PyObject** result) noexcept {
  end(w);
  *result = value;
  return PYGEN_RETURN;
}
/// The end by the exception that is set.
PySendResult fail(wait& w) noexcept;
/// Goes on when `inner` has returned or raised. None: fails by the exception that is set.
PySendResult await(wait& w, ref inner, PyObject** result) noexcept;
/// Queues in the primitive and goes on when `future` is done.
PySendResult await_turn(wait& w, primitive& p, ref future, PyObject** result) noexcept;

/// What to send to of an object that is awaited. None: an exception is set.
ref awaitable_of(module_state& state, PyObject* object) noexcept;

/// An operation's raised() that has nothing to undo.
PySendResult just_raise(wait& w, PyObject** result) noexcept;

extern PyType_Spec wait_spec;
extern PyType_Spec step_method_spec;

}  // namespace corolock::python
