// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers
#pragma once

// shared<T>: a value that the tasks of a body share, made by world::shared<T>(). The explorer sees
// every access to it, so it knows which steps depend on each other.
//
//   co_await x.read(), x.write(v), x.update(f)    each a step of its own: others may run before it
//   x.get(), x.set(v)                             inside a step, as an ordinary variable

#include <corolock/explore/task.hpp>

#include <concepts>
#include <sstream>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

COROLOCK_BEGIN
namespace explore {

namespace detail {

template <class T>
std::string shown(const T& value) {
  if constexpr (std::is_same_v<T, bool>) {
    return value ? "true" : "false";
  } else if constexpr (std::is_arithmetic_v<T>) {
    return std::to_string(value);
  } else if constexpr (std::is_convertible_v<const T&, std::string_view>) {
    return '"' + std::string(std::string_view(value)) + '"';
  } else if constexpr (requires(std::ostream& out) { out << value; }) {
    std::ostringstream out;
    out << value;
    return out.str();
  } else if constexpr (requires { value.size(); }) {
    return std::to_string(value.size()) + " elements";
  } else {
    return "...";
  }
}

void inline_access(run& r, std::string_view name);

}  // namespace detail

/// A value whose every access the explorer sees. Made by world::shared<T>(name, initial value).
template <class T>
class shared {
 public:
  template <class... Args>
  explicit shared(detail::run& r, std::string_view name, Args&&... args)
      : run_(&r), name_(name), value_(std::forward<Args>(args)...) {}
  shared(const shared&) = delete;
  shared& operator=(const shared&) = delete;

  class read_operation;
  class write_operation;
  template <class Function>
  class update_operation;

  /// co_await it: the value, read in a step of its own.
  read_operation read() noexcept { return read_operation(*this); }
  /// co_await it: sets the value, in a step of its own.
  write_operation write(T value) { return write_operation(*this, std::move(value)); }
  /// co_await it: calls f(T&) in a step of its own, as one indivisible access; what f returns.
  template <class Function>
  update_operation<Function> update(Function f) {
    return update_operation<Function>(*this, std::move(f));
  }

  /// The value, inside the step that runs.
  [[nodiscard]] const T& get(std::source_location where = std::source_location::current()) const {
    touch("read ", detail::access_kind::read, where);
    return value_;
  }
  /// Sets the value, inside the step that runs.
  void set(T value, std::source_location where = std::source_location::current()) {
    value_ = std::move(value);
    touch("write ", detail::access_kind::write, where);
  }
  /// The value itself, to be read and changed inside the step that runs.
  [[nodiscard]] T& use(std::source_location where = std::source_location::current()) {
    touch("use ", detail::access_kind::write, where, false);
    return value_;
  }

  /// For final checks and invariants: the value, and nothing recorded.
  [[nodiscard]] const T& value() const noexcept { return value_; }

  // For the explorer.
  void set_object(std::uint16_t object) noexcept { object_ = object; }

 private:
  void touch(const char* verb, detail::access_kind kind, std::source_location where,
             bool with_value = true) const {
    detail::run& r = *run_;
    if (r.in_step()) {
      detail::inline_access(r, name_);
      r.record(object_, kind);
      if (r.tracing()) {
        r.note(with_value ? line(verb) : verb + std::string(name_), where);
      }
    }
  }
  [[nodiscard]] std::string line(const char* verb) const {
    return verb + std::string(name_) + " → " + detail::shown(value_);
  }

  detail::run* run_;
  std::string_view name_;
  std::uint16_t object_ = 0;
  T value_;
};

template <class T>
class shared<T>::read_operation {
 public:
  using explorer_operation_tag = void;
  explicit read_operation(shared& s) noexcept : shared_(&s) {}

  void announce(detail::run&, detail::actor& a, std::source_location where) const noexcept {
    a.announce("read", shared_->object_, where);
    a.announced_.add(shared_->object_, detail::access_kind::read);
  }
  T result(detail::run& r, detail::actor&, std::source_location where) const {
    if (r.tracing()) {
      r.note(shared_->line("read "), where);
    }
    return shared_->value_;
  }

 private:
  shared* shared_;
};

template <class T>
class shared<T>::write_operation {
 public:
  using explorer_operation_tag = void;
  explicit write_operation(shared& s, T value) noexcept(std::is_nothrow_move_constructible_v<T>)
      : shared_(&s), value_(std::move(value)) {}

  void announce(detail::run&, detail::actor& a, std::source_location where) const noexcept {
    a.announce("write", shared_->object_, where);
    a.announced_.add(shared_->object_, detail::access_kind::write);
  }
  void result(detail::run& r, detail::actor&, std::source_location where) {
    shared_->value_ = std::move(value_);
    if (r.tracing()) {
      r.note(shared_->line("write "), where);
    }
  }

 private:
  shared* shared_;
  T value_;
};

template <class T>
template <class Function>
class shared<T>::update_operation {
 public:
  using explorer_operation_tag = void;
  explicit update_operation(shared& s, Function f) : shared_(&s), function_(std::move(f)) {}

  void announce(detail::run&, detail::actor& a, std::source_location where) const noexcept {
    a.announce("update", shared_->object_, where);
    a.announced_.add(shared_->object_, detail::access_kind::write);
  }
  decltype(auto) result(detail::run& r, detail::actor&, std::source_location where) {
    struct at_end {
      detail::run& r;
      shared& s;
      std::source_location where;
      ~at_end() {
        if (r.tracing()) {
          r.note(s.line("update "), where);
        }
      }
    } note{r, *shared_, where};
    return function_(shared_->value_);
  }

 private:
  shared* shared_;
  Function function_;
};

}  // namespace explore
COROLOCK_END
