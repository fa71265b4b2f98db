// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers
#include "shared.hpp"
#include <corolock/rate_limiter.hpp>

#include <chrono>
#include <cmath>
#include <new>

namespace corolock::python {
namespace {

// The core's rate_limiter without its queue: who waits, and in which order, is corolock/_rate.py's.
struct rate {
  primitive base;
  PyObject* burst;  // null until __init__ has made the limiter
  alignas(rate_limiter<>) unsigned char memory[sizeof(rate_limiter<>)];
};

rate_limiter<>& limiter(rate& r) noexcept {
  return *std::launder(reinterpret_cast<rate_limiter<>*>(r.memory));
}

int rate_init(PyObject* self, PyObject* args, PyObject* kwargs) noexcept {
  static const char* const names[] = {"permits", "per", "burst", nullptr};
  auto& r = as<rate>(self);
  Py_ssize_t permits = 0;
  double per = 0;
  Py_ssize_t burst = 0;
  if (PyArg_ParseTupleAndKeywords(args, kwargs, "ndn:RateLimiter", const_cast<char**>(names),
                                  &permits, &per, &burst) == 0) {
    return -1;
  }
  if (r.burst != nullptr) {
    PyErr_SetString(PyExc_RuntimeError, "RateLimiter.__init__() was called before");
    return -1;
  }
  // What the core's clock can count: see cell_rate.
  const double nanoseconds = std::round(per * 1e9);
  constexpr double most = 9.2e18 / 2;
  if (permits <= 0 || burst <= 0) {
    PyErr_SetString(PyExc_ValueError, "permits and burst must be > 0");
    return -1;
  }
  if (!(nanoseconds >= 1) || !(nanoseconds * static_cast<double>(burst) <= most)) {
    PyErr_SetString(PyExc_ValueError,
                    "per must be at least a nanosecond, and burst * per at most "
                    "146 years");
    return -1;
  }
  r.burst = PyLong_FromSsize_t(burst);
  if (r.burst == nullptr) {
    return -1;
  }
  new (r.memory) rate_limiter<>(static_cast<std::size_t>(permits),
                                std::chrono::nanoseconds(static_cast<std::int64_t>(nanoseconds)),
                                static_cast<std::size_t>(burst));
  return 0;
}

void rate_dealloc(PyObject* self) noexcept {
  auto& r = as<rate>(self);
  if (r.burst != nullptr) {
    limiter(r).~basic_rate_limiter();
    Py_CLEAR(r.burst);
  }
  primitive_dealloc(self);
}

// The units that a call asks for; 0: an exception is set.
std::size_t units_of(rate& r, PyObject* argument) noexcept {
  const Py_ssize_t units = PyNumber_AsSsize_t(argument, PyExc_OverflowError);
  if (units == -1 && PyErr_Occurred() != nullptr) {
    return 0;
  }
  if (r.burst == nullptr) {
    PyErr_SetString(PyExc_RuntimeError, "RateLimiter.__init__() was not called");
    return 0;
  }
  if (units < 1 || units > PyLong_AsSsize_t(r.burst)) {
    PyErr_Format(PyExc_ValueError, "units must be from 1 to the burst, %S, not %zd", r.burst,
                 units);
    return 0;
  }
  return static_cast<std::size_t>(units);
}

PyObject* method_try_acquire(PyObject* self, PyObject* argument) noexcept {
  auto& r = as<rate>(self);
  const std::size_t units = units_of(r, argument);
  return units == 0 ? nullptr : PyBool_FromLong(limiter(r).try_acquire(units) ? 1 : 0);
}
PyObject* method_delay(PyObject* self, PyObject* argument) noexcept {
  auto& r = as<rate>(self);
  const std::size_t units = units_of(r, argument);
  if (units == 0) {
    return nullptr;
  }
  const std::chrono::duration<double> delay =
      limiter(r).due(units) - std::chrono::steady_clock::now();
  return PyFloat_FromDouble(std::fmax(delay.count(), 0));
}

PyMethodDef methods[] = {
    {"try_acquire", method_try_acquire, METH_O, "Use so many units if they may be used now."},
    {"delay", method_delay, METH_O, "The seconds until so many units may be used."},
    {},
};
PyType_Slot slots[] = {
    {Py_tp_new, slot(primitive_new)},
    {Py_tp_init, slot(rate_init)},
    {Py_tp_dealloc, slot(rate_dealloc)},
    {Py_tp_traverse, slot(primitive_traverse)},
    {Py_tp_clear, slot(primitive_clear)},
    {Py_tp_methods, methods},
    {},
};

}  // namespace

PyType_Spec rate_spec = {"corolock._Rate", sizeof(rate), 0, Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
                         slots};

}  // namespace corolock::python
