// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers
#pragma once

// The primitives that are built on corolock's core, and may be shared by the event loops of several
// threads. The core's primitive decides who is let in; what is here tells the waiter's loop.
//
//   a wait is   its place in the core's queue           and its future
//   queued      queued                                  pending, or cancelled and not yet resumed
//   granted     granted: it owns the lock already       has its result, or is about to get it from
//                                                       its own loop (call_soon_threadsafe)
//   over        taken, or given up
//
// Unlike the drop-ins it is the core's own hand-over: a release() with waiters makes the first of
// them the owner at once, locked() stays True, and nobody comes in between.
//
// Who may touch what: whoever has the GIL. The core's own atomics only matter where it is used
// without one. No Python code runs while the core has a queue open, nor while it posts: a thread
// that lost the GIL there would leave others spinning. So the core's executor (`post`) only lists
// whom it lets in, and wake_granted() does the rest when the core has returned.
//
//   a wait ends by cancellation, by close()  queued: it leaves the queue; granted: the grant passes
//   or with its last reference               on. Either way before the exception goes on
//   its loop is closed                       the grant passes on at once; if it was closed after it
//                                            was told, when the next one comes
//   release() by one who does not hold it    RuntimeError; a granted lock counts as held when its
//                                            waiter has run

#include "wait.hpp"
#include <corolock/detail/awaiter.hpp>
#include <corolock/diagnostics.hpp>

#include <new>
#include <type_traits>

namespace corolock::python {

struct shared_wait;

/// The first member of each object here.
struct shared {
  primitive base;
  shared_wait* granted_first;  // granted, and not told yet
  shared_wait* granted_last;
};

/// A wait's part that the core knows of.
struct shared_wait {
  explicit shared_wait(wait& its) noexcept : w(&its) {}
  shared_wait(const shared_wait&) = delete;
  shared_wait& operator=(const shared_wait&) = delete;
  virtual ~shared_wait() = default;

  /// Enters or queues; whether it has to wait.
  virtual bool begin() noexcept = 0;
  /// Takes the grant for the task. False: it was given up before.
  virtual bool take() noexcept = 0;
  /// Leaves the queue, or passes the grant on.
  virtual void give_up() noexcept = 0;

  wait* w;
  shared_wait* next_granted = nullptr;
  bool is_listed = false;
  bool is_granted = false;
};

void list_granted(shared_wait& granted) noexcept;

template <class P, class W>
struct shared_wait_of final : shared_wait {
  shared_wait_of(wait& its, P& p) noexcept : shared_wait(its), primitive_(p) {}

  bool begin() noexcept override {
    waiter_.frame_ = detail::frame_is_extended;
    waiter_.post_ = &shared_wait_of::post;
    waiter_.context_ = static_cast<shared_wait*>(this);
    return detail::begin_wait(primitive_, waiter_);
  }
  bool take() noexcept override {
    if (waiter_.status_ != detail::wait_status::granted) {
      return false;
    }
    detail::core_access::take(primitive_, waiter_).release();
    return true;
  }
  void give_up() noexcept override {
    if (waiter_.status_ == detail::wait_status::queued ||
        waiter_.status_ == detail::wait_status::granted) {
      detail::abandon_wait(primitive_, waiter_);
      waiter_.status_ = detail::wait_status::stopped;
    }
  }

 private:
  static void post(detail::extended_waiter& n, detail::wait_status outcome) noexcept {
    n.status_ = outcome;
    list_granted(*static_cast<shared_wait*>(n.context_));
  }

  // async_mutex's waiters are made of a record, the others' of the place of the call.
  using made_of = std::conditional_t<std::is_constructible_v<W, typename P::call_site>,
                                     typename P::call_site, no_diagnostics::wait_record>;

  P& primitive_;
  W waiter_{made_of(typename P::call_site())};
};

/// Tells the loops of those that were let in. False: an exception is set; all were told even so.
[[nodiscard]] bool wake_granted(shared& s) noexcept;

/// Enters by `node`, which may be null (no memory), or waits.
PySendResult shared_begin(wait& w, shared_wait* node, PyObject** result) noexcept;
/// After its future is done. True: the lock is taken. False: fail().
bool shared_returned(wait& w) noexcept;
PySendResult shared_raised(wait& w, PyObject** result) noexcept;

/// The operations of a way to take a primitive. A Mode has
///   object               the object, which begins with a `shared`
///   names                of acquire and __aenter__
///   try_acquire(object)  whether it was taken without waiting
///   new_wait_of(object, wait)
///   taken(object)        the task has it
template <class Mode>
struct shared_operations {
  template <bool Enter>
  static PySendResult begin(wait& w, PyObject** result) noexcept {
    auto& object = as<typename Mode::object>(w.owner);
    if (Mode::try_acquire(object)) {
      return taken<Enter>(w, result);
    }
    return shared_begin(w, Mode::new_wait_of(object, w), result) == PYGEN_RETURN
               ? taken<Enter>(w, result)
               : (w.now == phase::suspended ? PYGEN_NEXT : PYGEN_ERROR);
  }
  template <bool Enter>
  static PySendResult returned(wait& w, ref, PyObject** result) noexcept {
    return shared_returned(w) ? taken<Enter>(w, result) : fail(w);
  }
  template <bool Enter>
  static PySendResult taken(wait& w, PyObject** result) noexcept {
    Mode::taken(as<typename Mode::object>(w.owner));
    return finish(w, Py_NewRef(Enter ? Py_None : Py_True), result);
  }

  static constexpr operation acquire = {Mode::names[0], begin<false>, returned<false>,
                                        shared_raised};
  static constexpr operation enter = {Mode::names[1], begin<true>, returned<true>, shared_raised};
};

extern PyType_Spec thread_safe_lock_spec;
bool add_thread_safe_lock_steps(module_state& state, PyTypeObject* type) noexcept;
extern PyType_Spec rw_lock_spec;
extern PyType_Spec rate_spec;

/// set_result(True) on a future that is not done: what a loop runs for another thread.
PyObject* wake_future(PyObject* module, PyObject* future) noexcept;

}  // namespace corolock::python
