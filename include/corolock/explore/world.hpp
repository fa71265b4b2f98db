// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers
#pragma once

// world: what a body builds. The body is called once for every schedule, so it makes everything
// anew: the state that is shared, the locks, the tasks, and what has to be true.

#include <corolock/explore/shared.hpp>
#include <corolock/explore/task.hpp>

#include <concepts>
#include <stop_token>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

COROLOCK_BEGIN
namespace explore {

namespace detail {
template <class T>
struct is_task : std::false_type {};
template <class T>
struct is_task<task<T>> : std::true_type {};
}  // namespace detail

/// What a body builds, before any of its tasks runs. Whatever it makes lives until the run is over.
class world {
 public:
  explicit world(detail::run& r) noexcept : run_(r) {}
  world(const world&) = delete;
  world& operator=(const world&) = delete;

  /// A value that tasks share, under the name that traces show.
  template <class T, class... Args>
  explore::shared<T>& shared(std::string_view name, Args&&... args) {
    name = run_.keep(name);
    auto& s = construct<explore::shared<T>>(run_, name, std::forward<Args>(args)...);
    s.set_object(run_.add_object(name, &s, sizeof(s), "shared", true));
    return s;
  }

  /// A lock, another primitive, or any object of the library's user, under the name that traces
  /// show.
  template <class T, class... Args>
  T& make(std::string_view name, Args&&... args) {
    T& object = construct<T>(std::forward<Args>(args)...);
    run_.add_object(run_.keep(name), &object, sizeof(object), "object", false);
    return object;
  }

  /// A task: a function that returns a task, called once. If it takes a std::stop_token, a request
  /// to stop may come at any of its suspensions (options::cancellations).
  template <class Function>
  void spawn(std::string_view name, Function&& f) {
    detail::actor& a = run_.add_task(run_.keep(name));
    start(a, std::forward<Function>(f));
  }

  /// `count` tasks of the same function, "name[1]" and so on. A function without an argument makes
  /// them copies of each other: which of them is first to start is not told apart. Called with
  /// their number, from 0, they are different tasks.
  template <class Function>
  void spawn_n(std::string_view name, unsigned count, const Function& f) {
    name = run_.keep(name);
    detail::actor* previous = nullptr;
    for (unsigned i = 0; i != count; ++i) {
      detail::actor& a = run_.add_task(name);
      a.index_ = i + 1;
      if constexpr (std::is_invocable_v<const Function&, unsigned>) {
        start(a, [f, i] { return f(i); });
      } else {
        run_.make_copy(a, previous);
        start(a, f);
        previous = &a;
      }
    }
  }

  /// Fails the run, with this message, unless the condition holds.
  void require(bool condition, std::string_view message) {
    if (!condition) {
      run_.fail(failure_kind::invariant, std::string(message));
    }
  }

  /// Called when all tasks have ended.
  template <class Function>
  void finally(Function f) {
    run_.add_final(erased(construct<Function>(std::move(f))));
  }
  /// Called after every step.
  template <class Function>
  void invariant(Function f) {
    run_.add_invariant(erased(construct<Function>(std::move(f))));
  }

  /// The virtual clock.
  [[nodiscard]] virtual_clock::time_point now() noexcept { return run_.now(); }

  // For the front ends.
  [[nodiscard]] detail::run& here() noexcept { return run_; }

  /// An object in the run's memory, without a name.
  template <class T, class... Args>
  T& construct(Args&&... args) {
    void* place = run_.allocate(sizeof(T));
    T* object = ::new (place) T(std::forward<Args>(args)...);
    if constexpr (!std::is_trivially_destructible_v<T>) {
      run_.destroy_later(object, [](void* p) { static_cast<T*>(p)->~T(); });
    }
    return *object;
  }

 private:
  template <class Function>
  static detail::callable erased(Function& f) noexcept {
    return {const_cast<void*>(static_cast<const void*>(&f)),
            [](void* p) { (*static_cast<Function*>(p))(); }};
  }

  template <class Function>
  void start(detail::actor& a, Function&& f) {
    using function = std::remove_cvref_t<Function>;
    // A coroutine lambda's captures live in the lambda: it is kept as long as the run.
    const function& kept = construct<function>(std::forward<Function>(f));
    run_.prepare(a);
    if constexpr (std::is_invocable_v<const function&, std::stop_token>) {
      static_assert(detail::is_task<std::invoke_result_t<const function&, std::stop_token>>::value);
      const std::stop_token token = run_.add_stop(a);
      run_.add_interference(a);
      run_.start(a, kept(token).release());
    } else {
      static_assert(detail::is_task<std::invoke_result_t<const function&>>::value,
                    "spawn takes a function that returns an explore::task");
      run_.add_interference(a);
      run_.start(a, kept().release());
    }
  }

  detail::run& run_;
};

}  // namespace explore
COROLOCK_END
