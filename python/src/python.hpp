// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers
#pragma once

// What this module needs of CPython's C API, with owning references.

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <structmember.h>

#include <utility>

namespace corolock::python {

/// A reference that is owned, or none.
class ref {
 public:
  ref() noexcept = default;
  ref(ref&& other) noexcept : object_(std::exchange(other.object_, nullptr)) {}
  ref& operator=(ref&& other) noexcept {
    std::swap(object_, other.object_);
    return *this;
  }
  ~ref() { Py_XDECREF(object_); }

  static ref steal(PyObject* object) noexcept {
    ref result;
    result.object_ = object;
    return result;
  }
  static ref borrow(PyObject* object) noexcept {
    Py_XINCREF(object);
    return steal(object);
  }

  [[nodiscard]] PyObject* get() const noexcept { return object_; }
  [[nodiscard]] PyObject* release() noexcept { return std::exchange(object_, nullptr); }
  explicit operator bool() const noexcept { return object_ != nullptr; }

 private:
  PyObject* object_ = nullptr;
};

/// Takes the exception that is set; none if there is none.
inline ref take_exception() noexcept {
#if PY_VERSION_HEX >= 0x030c0000
  return ref::steal(PyErr_GetRaisedException());
#else
  PyObject* type = nullptr;
  PyObject* value = nullptr;
  PyObject* traceback = nullptr;
  PyErr_Fetch(&type, &value, &traceback);
  if (type == nullptr) {
    return {};
  }
  PyErr_NormalizeException(&type, &value, &traceback);
  if (traceback != nullptr) {
    PyException_SetTraceback(value, traceback);
    Py_DECREF(traceback);
  }
  Py_DECREF(type);
  return ref::steal(value);
#endif
}

/// Sets this very exception; none: leaves all as it is.
inline void raise_exception(ref exception) noexcept {
  if (!exception) {
    return;
  }
#if PY_VERSION_HEX >= 0x030c0000
  PyErr_SetRaisedException(exception.release());
#else
  PyObject* const value = exception.release();
  PyErr_Restore(Py_NewRef(reinterpret_cast<PyObject*>(Py_TYPE(value))), value,
                PyException_GetTraceback(value));
#endif
}

/// Runs `cleanup() -> bool` while an exception is set, or none. If the cleanup raises, its
/// exception is the one that stays, and the earlier one is its context.
template <class Cleanup>
bool with_exception_kept(Cleanup cleanup) noexcept {
  ref earlier = take_exception();
  if (cleanup()) {
    raise_exception(std::move(earlier));
    return true;
  }
  ref later = take_exception();
  if (earlier && earlier.get() != later.get()) {
    PyException_SetContext(later.get(), earlier.release());
  }
  raise_exception(std::move(later));
  return false;
}

/// The address of an object's C++ part.
template <class T>
T& as(PyObject* object) noexcept {
  return *reinterpret_cast<T*>(object);
}
template <class T>
PyObject* object_of(T& part) noexcept {
  return reinterpret_cast<PyObject*>(&part);
}

/// A function as the C API wants it in a table of slots, methods or members.
template <class Function>
void* slot(Function* function) noexcept {
  return reinterpret_cast<void*>(function);
}
template <class Function>
PyCFunction method(Function* function) noexcept {
  return reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(function));
}

}  // namespace corolock::python
