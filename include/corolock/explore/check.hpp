// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers
#pragma once

// check(): runs a body under every schedule that can matter, and says what that proved.
//
//   check(body, options)     search; a result
//   replay(token, body)      one schedule again, from the token of a failure

#include <corolock/explore/detail/run.hpp>

#include <chrono>
#include <cstdint>
#include <functional>
#include <iosfwd>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

COROLOCK_BEGIN
namespace explore {

/// How schedules are chosen.
enum class search_method : std::uint8_t {
  automatic,   ///< a short random warm-up, then optimal
  optimal,     ///< optimal dynamic partial-order reduction: each trace once, none twice
  sleep_sets,  ///< depth first with sleep sets only: each trace once, and abandoned runs besides
  naive,       ///< depth first, every interleaving
  random,      ///< a random task at each step
  pct          ///< random priorities with a few random changes (PCT, Burckhardt et al. 2010)
};

/// One complete run, for options::on_run.
struct run_summary {
  std::uint64_t trace;        ///< the same for two runs that differ only in the order of
                              ///< independent steps
  std::uint32_t steps;        ///< how many steps it had
  std::uint32_t preemptions;  ///< how often a task that could have gone on was passed over
  bool failed;
};

struct options {
  search_method method = search_method::automatic;

  /// Stop after so many runs of the search; the result is then bounded (or sampled).
  std::uint64_t max_runs = 10'000'000;
  /// Stop after so long.
  std::chrono::milliseconds time_limit = std::chrono::minutes(5);
  /// A run that is longer fails as a livelock.
  std::uint32_t max_steps = 10'000;
  /// Random runs before the search of `automatic`. They find most bugs, and teach it what depends
  /// on what.
  unsigned warm_up = 200;
  std::uint64_t seed = 1;
  /// Of pct: how many priority changes make the bug (its depth), at least 1.
  unsigned depth = 3;

  /// Explore only schedules with at most so many preemptions (a task is passed over although it
  /// could go on). The search is then naive, and its result bounded.
  std::optional<unsigned> preemptions;
  /// How often, in one run, a request to stop may come to a task that takes a stop_token.
  unsigned cancellations = 1;
  /// How often a task may be destroyed while it is suspended.
  unsigned destructions = 0;
  /// How often an exception may come out of a task's co_await instead of its result.
  unsigned exceptions = 0;
  /// Timers may fire whenever their deadline is the next one, as if time passed between any two
  /// steps; else only when nothing else can happen.
  bool adversarial_time = false;
  /// With adversarial_time: at most so many timers that fire while a task could go on. The search
  /// is then naive, and its result bounded.
  std::optional<unsigned> early_timers;
  /// Do not tell the copies of spawn_n apart.
  bool symmetry = true;
  /// Only co_await read(), write(), update(): an access inside a step is an error. The footprint of
  /// a step is then known before it is done.
  bool strict = false;
  /// Of virtual threads (explore/threads.hpp): a load may see an older store, as far as coherence
  /// and what the thread has acquired allow it.
  bool stale_loads = false;
  /// Fails a run in which a task waits for a lock while others are granted it more often than this
  /// after it has asked. 0: do not look.
  unsigned starvation_bound = 0;
  /// Go on after a failure, to count them all.
  bool count_failures = false;
  /// Where progress is shown, if the search takes longer than a second or two.
  std::ostream* progress = nullptr;
  /// Called after each run of the search (not of the warm-up).
  std::function<void(const run_summary&)> on_run;
};

enum class verdict : std::uint8_t {
  verified,  ///< every trace was explored
  bounded,   ///< every trace within a bound, or a part of them
  sampled,   ///< so many random schedules
  failed
};

/// A line of a failing schedule.
struct trace_line {
  std::uint32_t step;     ///< counts from 1
  unsigned column;        ///< into failure::columns
  std::string text;       ///< what was done, to what, and the value
  std::string where;      ///< file:line
  bool preempts = false;  ///< the task before could have gone on
};

/// A failing schedule: the shortest that was found, and why it fails.
struct failure {
  failure_kind kind;
  std::string message;
  std::vector<std::string> columns;  ///< the tasks, and what interferes with them
  std::vector<trace_line> lines;
  std::vector<std::string> waits;  ///< of a deadlock: who waits for what
  std::vector<std::string> hints;  ///< updates that were lost
  std::string reason;              ///< the two steps whose order makes the difference; may be empty
  std::string token;               ///< for replay()
  std::uint32_t steps = 0;
  std::uint32_t preemptions = 0;
};

/// What was seen of a shared<T>, and what follows.
struct advice {
  std::string name;
  bool by_several_tasks = false;
  bool is_written = false;
  bool split = false;       ///< some task reads it in one step and writes it in a later one
  bool read_again = false;  ///< the same, but that later step reads it again before it writes
  [[nodiscard]] bool needs_lock() const noexcept { return by_several_tasks && is_written && split; }
};

/// What a check has come to. Printing it gives the verdict, the advice and, on failure, the table.
class result {
 public:
  explore::verdict verdict = explore::verdict::sampled;
  /// What bounds it: "2 preemptions", "a budget of 1000 runs". Empty if nothing does.
  std::string bound;
  std::uint64_t traces = 0;    ///< runs of the search that were complete, each a different trace
                               ///< (schedules, where the method does not reduce)
  std::uint64_t failing = 0;   ///< of these
  std::uint64_t blocked = 0;   ///< runs that were cut off as repetitions; optimal has none
  std::uint64_t runs = 0;      ///< all runs, with those of the warm-up
  std::uint64_t restarts = 0;  ///< of the search, because it learned what a step may touch
  std::vector<explore::advice> advice;
  std::optional<explore::failure> failure;

  /// True unless it failed.
  explicit operator bool() const noexcept { return verdict != explore::verdict::failed; }

  /// For GoogleTest: EXPECT_TRUE(result) prints the table.
  template <class Assertion>
    requires(!std::is_arithmetic_v<Assertion> &&
             requires(Assertion a) {
               a.failure_message();
               a << "";
             })
  operator Assertion() const {  // NOLINT(google-explicit-constructor): that is how EXPECT_TRUE asks
    return Assertion(static_cast<bool>(*this)) << text();
  }

  /// The verdict in a line.
  [[nodiscard]] std::string summary() const;
  /// Everything, as plain text.
  [[nodiscard]] std::string text() const;
  /// The same as JSON.
  [[nodiscard]] std::string json() const;
  /// The same as a page of HTML that needs nothing else.
  [[nodiscard]] std::string html() const;
};

std::ostream& operator<<(std::ostream& out, const result& r);

namespace detail {
result check(run::body_function body, void* context, const options& o);
result replay(std::string_view token, run::body_function body, void* context, const options& o);

// A body may be a function, to which no object pointer leads: what is passed is a reference to it.
template <class Body>
struct body_reference {
  Body& body;
  static void call(void* self, world& w) { static_cast<body_reference*>(self)->body(w); }
};
}  // namespace detail

/// Explores the schedules of `body`, a function of a world&, which is called once for each of them.
///
/// If the environment variable COROLOCK_REPLAY holds a token, that one schedule is run instead.
/// Cost: a run costs the body plus some 50 ns for each step; memory grows with the depth of the
/// search, not with the number of traces.
template <class Body>
result check(Body&& body, const options& o = {}) {
  detail::body_reference<std::remove_reference_t<Body>> reference{body};
  return detail::check(&reference.call, &reference, o);
}

/// Runs the one schedule that a token stands for. A token that does not fit the body fails with the
/// step at which it does not.
template <class Body>
result replay(std::string_view token, Body&& body, const options& o = {}) {
  detail::body_reference<std::remove_reference_t<Body>> reference{body};
  return detail::replay(token, &reference.call, &reference, o);
}

}  // namespace explore
COROLOCK_END
