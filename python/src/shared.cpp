// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers
#include "shared.hpp"

namespace corolock::python {
namespace {

shared& owner_of(const shared_wait& node) noexcept {
  return as<shared>(node.w->owner);
}

void unlist_granted(shared_wait& node) noexcept {
  if (!node.is_listed) {
    return;
  }
  shared& s = owner_of(node);
  shared_wait* before = nullptr;
  for (shared_wait* n = s.granted_first; n != &node; n = n->next_granted) {
    before = n;
  }
  (before != nullptr ? before->next_granted : s.granted_first) = node.next_granted;
  if (s.granted_last == &node) {
    s.granted_last = before;
  }
  node.is_listed = false;
}

bool is_closed(const module_state& state, PyObject* loop) noexcept {
  const ref closed = ref::steal(PyObject_CallMethodNoArgs(loop, state.str_is_closed));
  if (!closed) {
    PyErr_Clear();
  }
  return closed.get() == Py_True;
}

ref loop_of_future(const module_state& state, PyObject* future) noexcept {
  return ref::steal(PyObject_CallMethodNoArgs(future, state.str_get_loop));
}

// Tells one waiter that it has the lock. True: told, or it was cancelled and will find out itself.
bool tell(module_state& state, PyObject* future) noexcept {
  const ref loop = loop_of_future(state, future);
  const ref running = ref::steal(loop ? PyObject_CallNoArgs(state.get_running_loop) : nullptr);
  if (!running) {
    return false;
  }
  if (loop.get() == running.get()) {
    return static_cast<bool>(ref::steal(wake_future(state.module, future)));
  }
  return static_cast<bool>(ref::steal(PyObject_CallMethodObjArgs(
      loop.get(), state.str_call_soon_threadsafe, state.wake_future, future, nullptr)));
}

// Takes the grants back from the waiters at the head whose loops were closed after they were told.
void pass_over_dead(shared& s) noexcept {
  for (;;) {
    const waiter* first = s.base.queue.first();
    if (first == nullptr || first->wait == nullptr) {
      return;
    }
    const ref pin = ref::borrow(first->wait);
    auto& w = as<wait>(pin.get());
    if (!w.shared->is_granted || w.shared->is_listed) {
      return;
    }
    const ref loop = loop_of_future(*s.base.state, ref::borrow(first->future).get());
    if (!loop) {
      PyErr_Clear();
      return;
    }
    if (!is_closed(*s.base.state, loop.get())) {
      return;
    }
    if (w.shared != nullptr) {
      w.shared->give_up();
      s.base.queue.remove(w.place);
    }
  }
}

}  // namespace

void delete_shared(wait& w) noexcept {
  delete std::exchange(w.shared, nullptr);
}

void list_granted(shared_wait& node) noexcept {
  shared& s = owner_of(node);
  node.is_granted = true;
  node.is_listed = true;
  node.next_granted = nullptr;
  (s.granted_last != nullptr ? s.granted_last->next_granted : s.granted_first) = &node;
  s.granted_last = &node;
}

bool wake_granted(shared& s) noexcept {
  module_state& state = *s.base.state;
  return with_exception_kept([&]() noexcept {
    ref problem;
    while (shared_wait* node = s.granted_first) {
      unlist_granted(*node);
      const ref pin = ref::borrow(object_of(*node->w));
      const ref future = ref::borrow(node->w->place.future);
      if (!future || tell(state, future.get())) {
        continue;
      }
      ref error = take_exception();
      const ref loop = loop_of_future(state, future.get());
      if (!loop) {
        PyErr_Clear();
      }
      auto& w = as<wait>(pin.get());
      if (loop && is_closed(state, loop.get()) && w.shared != nullptr) {
        w.shared->give_up();  // and on with whom that lets in
      } else {
        problem = std::move(error);
      }
    }
    raise_exception(std::move(problem));
    return PyErr_Occurred() == nullptr;
  });
}

PySendResult shared_begin(wait& w, shared_wait* node, PyObject** result) noexcept {
  auto& s = as<shared>(w.owner);
  w.shared = node;
  if (node == nullptr) {
    PyErr_NoMemory();
    return fail(w);
  }
  pass_over_dead(s);
  if (!wake_granted(s)) {
    return fail(w);
  }
  const ref loop = ref::steal(PyObject_CallNoArgs(w.state->get_running_loop));
  ref future = ref::steal(loop ? PyObject_CallMethodNoArgs(loop.get(), w.state->str_create_future)
                               : nullptr);
  ref inner = future ? awaitable_of(*w.state, future.get()) : ref();
  if (!inner) {
    return fail(w);
  }
  if (!node->begin()) {
    node->take();
    return PYGEN_RETURN;
  }
  s.base.queue.push_back(w.place, std::move(future));
  return await(w, std::move(inner), result);
}

bool shared_returned(wait& w) noexcept {
  as<shared>(w.owner).base.queue.remove(w.place);
  if (!w.shared->take()) {
    PyErr_SetString(PyExc_RuntimeError, "the lock was passed on, because the event loop is closed");
    return false;
  }
  return true;
}

PySendResult shared_raised(wait& w, PyObject**) noexcept {
  auto& s = as<shared>(w.owner);
  with_exception_kept([&]() noexcept {
    s.base.queue.remove(w.place);
    unlist_granted(*w.shared);
    w.shared->give_up();
    return wake_granted(s);
  });
  return fail(w);
}

PyObject* wake_future(PyObject* module, PyObject* future) noexcept {
  const module_state& state = *module_state_of(module);
  const ref result = ref::steal(PyObject_CallMethodOneArg(future, state.str_set_result, Py_True));
  if (!result) {
    if (PyErr_ExceptionMatches(state.invalid_state_error) == 0) {
      return nullptr;
    }
    PyErr_Clear();  // it was cancelled, and passes the lock on when it runs
  }
  Py_RETURN_NONE;
}

}  // namespace corolock::python
