// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers
#pragma once

// The queue of a drop-in: first in, first out, and a waiter leaves it in O(1) wherever it stands.
//
// A waiter is the place of a wait (wait.hpp) in the queue, and stands inside of it. It does not own
// the wait: a coroutine that nobody refers to any more is destroyed, and leaves the queue so. But
// the queue owns the waiter's future, as asyncio's does, because by it the event loop's own weakly
// referenced tasks stay alive for as long as the lock does.
//
// A waiter's future is done when it was woken here, or when it was cancelled from outside; nobody
// tells the queue of the latter. Everything before `next_` is known to be done. What is done stays
// so, so waking n waiters costs O(n) however they are woken. (asyncio's semaphore scans those that
// are done with each release, which is O(n^2) for n releases in one turn.)
//
// `_waiters` is a view of the queue, for those who look at asyncio's private attribute. What is
// appended by it is a foreign waiter: a future without a wait, which stays until the queue ends.

#include "state.hpp"

namespace corolock::python {

struct waiter {
  waiter* previous;
  waiter* next;
  PyObject* future;  // owned by the queue; null: not queued
  PyObject* wait;    // what it stands in, not owned; null: it is foreign
  bool is_woken;
};

class waiters {
 public:
  [[nodiscard]] bool empty() const noexcept { return first_ == nullptr; }
  [[nodiscard]] Py_ssize_t size() const noexcept { return size_; }
  [[nodiscard]] waiter* first() const noexcept { return first_; }

  void push_back(waiter& w, ref future) noexcept;
  /// Does nothing if the waiter is not queued.
  void remove(waiter& w) noexcept;

  /// Wakes the first waiter, if it is not done. False: an exception is set.
  [[nodiscard]] bool wake_first(module_state& state) noexcept;
  /// Wakes the first waiter that is not done: 1; 0: there is none; -1: an exception is set.
  [[nodiscard]] int wake_next(module_state& state, PyObject* value) noexcept;
  /// Whether all waiters were cancelled: 1 or 0; -1: an exception is set.
  [[nodiscard]] int all_cancelled(module_state& state) const noexcept;

  int traverse(visitproc visit, void* arg) const noexcept;
  /// Lets go of everything. Only the garbage collector and a destructor do this.
  void clear() noexcept;

 private:
  waiter* first_;
  waiter* last_;
  waiter* next_;  // the first that is not known to be done
  Py_ssize_t size_;
};

/// What all drop-ins have in common; the first member of each. Zeroed memory is its initial state.
struct primitive {
  PyObject ob_base;
  module_state* state;
  PyObject* dict;
  PyObject* weak_references;
  PyObject* loop;  // null until the first wait
  waiters queue;
};

/// The running loop. The first one becomes the primitive's; another one later is an error.
ref loop_of(primitive& p) noexcept;
/// A future of the running loop.
ref future_of(primitive& p) noexcept;
/// Whether its loop is closed, so that those that wait cannot be woken any more.
bool is_dead(primitive& p) noexcept;

// The slots and attributes that the drop-ins share.
PyObject* primitive_new(PyTypeObject* type, PyObject* args, PyObject* kwargs) noexcept;
int primitive_traverse(PyObject* self, visitproc visit, void* arg) noexcept;
int primitive_clear(PyObject* self) noexcept;
void primitive_dealloc(PyObject* self) noexcept;
PyObject* get_waiters(PyObject* self, void*) noexcept;
PyObject* get_loop(PyObject* self, void*) noexcept;
int set_loop(PyObject* self, PyObject* value, void*) noexcept;

/// "<... object at 0x... [EXTRA, waiters:N]>"; takes the reference to `extra`, which may be null
/// with an exception set.
PyObject* describe(primitive& p, PyObject* extra) noexcept;

/// Parses the arguments of an __init__ with one optional parameter, or with none at all (name is
/// null). Its messages are those of a function in Python.
bool parse_init(PyObject* self, PyObject* args, PyObject* kwargs, const char* name,
                PyObject** value) noexcept;

extern PyType_Spec waiters_spec;

}  // namespace corolock::python

#define COROLOCK_PRIMITIVE_MEMBERS(Type)                                                      \
  {"__dictoffset__", T_PYSSIZET, offsetof(Type, base.dict), READONLY, nullptr}, {             \
    "__weaklistoffset__", T_PYSSIZET, offsetof(Type, base.weak_references), READONLY, nullptr \
  }

#define COROLOCK_PRIMITIVE_GETSET                                                  \
  {"_waiters", get_waiters, nullptr, nullptr, nullptr},                            \
      {"_loop", get_loop, set_loop, nullptr, nullptr}, {                           \
    "__dict__", PyObject_GenericGetDict, PyObject_GenericSetDict, nullptr, nullptr \
  }
