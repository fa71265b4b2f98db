// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers
#pragma once

// Code of Boost.Asio inside the explorer: awaitables, strands, operator|| and &&, cancellation,
// corolock's own operations and corolock::asio::timer run as they are.
//
//   spawn(w, name, f)          a task: f() returns boost::asio::awaitable<void>
//   spawn_n(w, name, n, f)     n copies of it
//   cancellable                an option of both: a cancellation may come at any time
//   only_shared                an option of both: the promise that makes it fast
//   mark(text)                 a line in the trace
//
// A task's executor is the explorer's: a step is one handler of it, so others run wherever the task
// suspends. It may be destroyed there (options::destructions), as by the end of its execution
// context, but no exception comes out of its co_await (options::exceptions is refused). Time is
// virtual: corolock::asio::timer::clock_type. A steady_timer of Asio's own, a
// socket, or anything else that waits for the outside world fails the run, and says so.
//
// Without only_shared, every step counts as depending on every other one, since Asio code may
// share any variable: all interleavings are explored, and nothing is left out.

#include <corolock/asio.hpp>
#include <corolock/explore.hpp>
#include <corolock/explore/asio/context.hpp>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_type.hpp>
#include <boost/asio/co_spawn.hpp>

#include <exception>
#include <source_location>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

COROLOCK_BEGIN
namespace explore {

/// Options of spawn(), joined by |.
class spawn_options {
 public:
  constexpr spawn_options() noexcept = default;
  /// A cancellation of this type may come to the task at any time, and to no more tasks of a run
  /// than options::cancellations says. A task that ends with operation_aborted then has not failed.
  [[nodiscard]] static constexpr spawn_options cancellable_by(
      boost::asio::cancellation_type type) noexcept {
    spawn_options o;
    o.cancellation_ = type;
    return o;
  }
  /// What the task shares with others is shared<T>, locks of corolock, and nothing else; no strand
  /// either. Steps that touch none of it together are then not told apart.
  [[nodiscard]] static constexpr spawn_options sharing_only_shared() noexcept {
    spawn_options o;
    o.only_shared_ = true;
    return o;
  }

  friend constexpr spawn_options operator|(spawn_options a, spawn_options b) noexcept {
    a.cancellation_ = a.cancellation_ | b.cancellation_;
    a.only_shared_ = a.only_shared_ || b.only_shared_;
    return a;
  }

  // For the explorer.
  [[nodiscard]] constexpr boost::asio::cancellation_type cancellation() const noexcept {
    return cancellation_;
  }
  [[nodiscard]] constexpr bool only_shared() const noexcept { return only_shared_; }

 private:
  boost::asio::cancellation_type cancellation_ = boost::asio::cancellation_type::none;
  bool only_shared_ = false;
};

/// By cancellation_type::terminal, which every awaitable lets through.
inline constexpr spawn_options cancellable =
    spawn_options::cancellable_by(boost::asio::cancellation_type::terminal);
inline constexpr spawn_options only_shared = spawn_options::sharing_only_shared();

namespace detail {

template <class Function>
void start_asio(world& w, actor& a, Function&& f, spawn_options o) {
  using function = std::remove_cvref_t<Function>;
  static_assert(std::is_same_v<std::invoke_result_t<const function&>, boost::asio::awaitable<void>>,
                "spawn takes a function that returns a boost::asio::awaitable<void>");
  run& r = w.here();
  const run_options& settings = r.settings();
  asio_task& task = asio_tasks::of(r).add(a, o.only_shared(), settings.destructions != 0);
  if (settings.exceptions != 0) {
    r.fail(failure_kind::contract,
           "options::exceptions is set, and " + r.actor_name(a.id_) +
               " is a task of Asio, into whose co_await the explorer can throw nothing: leave it "
               "0, and let a cancellation come instead (explore::cancellable)");
  }
  // A coroutine lambda's captures live in the lambda: it is kept as long as the run.
  const function& kept = w.construct<function>(std::forward<Function>(f));
  const auto ended = [&task](const std::exception_ptr& e) { task.ended(e); };
  r.add_interference(a);
  if (o.cancellation() == boost::asio::cancellation_type::none) {
    boost::asio::co_spawn(asio_executor(task), kept(), ended);
  } else {
    boost::asio::co_spawn(asio_executor(task), kept(),
                          boost::asio::bind_cancellation_slot(
                              task.cancellable(r.add_stop(a), o.cancellation()), ended));
  }
}

}  // namespace detail

/// A task of Asio: a function that returns an awaitable<void>, called once. It is fine to spawn
/// tasks of Asio and others in the same body.
template <class Function>
void spawn(world& w, std::string_view name, Function&& f, spawn_options o = {}) {
  detail::actor& a = w.here().add_task(w.here().keep(name));
  detail::start_asio(w, a, std::forward<Function>(f), o);
}

/// `count` tasks of the same function, "name[1]" and so on. A function without an argument makes
/// them copies of each other: which of them is first to start is not told apart. Called with
/// their number, from 0, they are different tasks.
template <class Function>
void spawn_n(world& w, std::string_view name, unsigned count, const Function& f,
             spawn_options o = {}) {
  detail::run& r = w.here();
  name = r.keep(name);
  detail::actor* previous = nullptr;
  for (unsigned i = 0; i != count; ++i) {
    detail::actor& a = r.add_task(name);
    a.index_ = i + 1;
    if constexpr (std::is_invocable_v<const Function&, unsigned>) {
      detail::start_asio(w, a, [f, i] { return f(i); }, o);
    } else {
      r.make_copy(a, previous);
      detail::start_asio(w, a, f, o);
      previous = &a;
    }
  }
}

/// A line in the trace, of the step that runs.
inline void mark(std::string_view text,
                 std::source_location where = std::source_location::current()) {
  if (detail::run* const r = detail::current_run; r != nullptr && r->tracing()) {
    r->note(std::string(text), where);
  }
}

}  // namespace explore
COROLOCK_END
