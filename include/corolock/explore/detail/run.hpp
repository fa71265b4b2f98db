// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers
#pragma once

// run: one execution of the body. The search (src/explore/search.cpp) begins it, asks who can go
// on, and lets one actor do one step after the other; the tasks, the shared objects and the world
// call it from inside their steps.
//
// Actors are the tasks and what may interfere with them at any time: a request to stop, a
// destruction, an exception, a timer. An actor is
//
//   ready      its next operation is announced, and can be done
//   waiting    it waits for a grant, for another task, or until a condition holds (`enabled_`)
//   finished
//
// An operation is announced before it is done: the task suspends in front of it, so a step is "do
// what you announced, and run on to the next announcement". Whatever a step touches beyond what was
// announced is recorded as it happens.

#include <corolock/detail/waiter.hpp>
#include <corolock/explore/detail/access.hpp>
#include <corolock/explore/detail/memory.hpp>

#include <array>
#include <bit>
#include <chrono>
#include <coroutine>
#include <cstdint>
#include <exception>
#include <memory>
#include <new>
#include <optional>
#include <source_location>
#include <stop_token>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

COROLOCK_BEGIN
namespace explore {

class world;

/// The virtual clock of a run: it begins at 0 in each, and jumps to the deadline of the timer that
/// fires.
struct virtual_clock {
  using duration = std::chrono::nanoseconds;
  using rep = duration::rep;
  using period = duration::period;
  using time_point = std::chrono::time_point<virtual_clock>;
  static constexpr bool is_steady = true;
  static time_point now() noexcept;
};

/// What is thrown into a task whose wait is made to fail (options::exceptions). It need not be
/// caught: a task may end by it.
struct injected_exception : std::exception {
  [[nodiscard]] const char* what() const noexcept override {
    return "an exception put in by the explorer";
  }
};

/// What may go wrong in a run.
enum class failure_kind : std::uint8_t {
  invariant,      ///< world::require() or an invariant said no
  exception,      ///< an exception left a task
  contract,       ///< corolock was misused, or something is held at the end
  deadlock,       ///< tasks wait for each other
  lost_wakeup,    ///< a task waits for what nobody is left to do
  starvation,     ///< a task was passed over more often than allowed
  livelock,       ///< a run went on longer than max_steps
  nondeterminism  ///< the body does not do the same again
};

namespace detail {

enum class actor_kind : std::uint8_t { task, stop, destruction, exception, timer };
enum class actor_state : std::uint8_t { absent, ready, waiting, finished };

class run;
struct actor;

inline constinit thread_local run* current_run = nullptr;

struct small_footprint {
  std::array<access, 8> accesses;
  std::uint8_t size = 0;

  void add(std::uint16_t object, access_kind kind) noexcept { accesses[size++] = {object, kind}; }
};

struct actor {
  actor_kind kind_;
  actor_state state_ = actor_state::absent;
  std::uint8_t id_;
  std::uint16_t identity_;         // the same in every search, which the id of a timer is not
  std::uint8_t target_;            // of an interference: the task
  std::uint8_t alternatives_ = 1;  // of the announced operation: its outcomes
  std::uint8_t choice_ = 0;        // the one that was taken
  bool can_stop_ = false;          // a task that has a stop token
  bool raise_ = false;             // its next wait throws
  bool granted_ = false;           // what is announced is to go on after a wait
  std::int16_t copies_ = -1;     // the first of the copies that it is one of, until its first step
  std::int16_t next_copy_ = -1;  // starts after this one
  bool held_ = false;            // it is such a copy, and may not start yet
  std::uint32_t open_queues_ = 0;
  std::uint32_t passed_over_ = 0;  // grants to others of the lock that it waits for
  std::string_view name_;
  std::uint32_t index_ = 0;  // of several with the same name; counts from 1, 0: the only one
  std::uint32_t steps_ = 0;

  // What is announced.
  small_footprint announced_;
  std::uint64_t site_ = 0;  // where it goes on, and with what: a key, the same in every run
  const char* verb_ = "";
  std::uint16_t object_ = objects::elsewhere;
  std::source_location where_;
  bool (*act_)(actor&) = nullptr;  // does it; true: the task runs on in this step
  void* act_context_ = nullptr;
  void (*count_outcomes_)(actor&) = nullptr;  // where alternatives_ depends on what others did
  bool (*enabled_)(void*) = nullptr;          // of a waiting one: whether it can go on
  void* enabled_context_ = nullptr;

  std::coroutine_handle<> resume_;
  std::coroutine_handle<> root_;
  void (*destroy_)(actor&) = nullptr;  // of a task that has no root: destroys what it has
  resumption posted_;
  const corolock::detail::waiter* posted_waiter_ = nullptr;  // of a coroutine without an executor,
  std::uintptr_t posted_frame_ = 0;                          // and where it goes on
  virtual_clock::time_point deadline_;                       // of a timer

  void announce(const char* verb, std::uint16_t object, std::source_location where) noexcept {
    state_ = actor_state::ready;
    verb_ = verb;
    object_ = object;
    where_ = where;
    site_ = (reinterpret_cast<std::uintptr_t>(where.file_name()) << 24) ^
            (std::uint64_t{where.line()} << 9) ^ (std::uint64_t{where.column()} << 1) ^
            (std::uint64_t{object} << 48);
    announced_.size = 0;
    alternatives_ = 1;
    count_outcomes_ = nullptr;
    granted_ = false;
    enabled_ = nullptr;
  }
};

// An operation that could have been done, and was taken back by a step of somebody else: the next
// one of a task that was destroyed, a timer that was disarmed.
struct withdrawn_operation {
  std::uint32_t step;  // that took it back; counts from 1
  std::uint8_t actor;
  std::uint64_t site;
  small_footprint announced;
};

// What the body has made.
struct named_object {
  std::string_view name;
  const void* address;
  const char* what;  // "shared", "mutex", ...
  bool is_shared;    // a shared<T>
};

// A lock, or units of one, that a task has.
struct holding {
  const void* lock;       // its queue
  const void* primitive;  // what has the name: the same, but for a key
  std::uint8_t actor;
  std::source_location where;  // it was asked for
};

// One line of a trace.
struct trace_event {
  std::uint32_t step;
  std::uint8_t actor;
  std::string text;
  std::source_location where;
};

struct failure_record {
  failure_kind kind;
  std::string message;
  std::uint32_t step;  // it showed after so many steps
};

// A function object in the run's memory.
struct callable {
  void* object;
  void (*call)(void*);
};

// Options that change what a run is.
struct run_options {
  unsigned cancellations = 1;
  unsigned destructions = 0;
  unsigned exceptions = 0;
  bool adversarial_time = false;
  bool symmetry = true;
  bool strict = false;
  bool stale_loads = false;
  unsigned starvation_bound = 0;
};

// What a front end adds to a run: destroyed before what the body made.
class attachment {
 public:
  virtual ~attachment() = default;
};

class run {
 public:
  using body_function = void (*)(void* body, world& w);

  run(body_function body, void* context, const run_options& options);
  ~run();
  run(const run&) = delete;
  run& operator=(const run&) = delete;

  // ---- for the search ---------------------------------------------------------------------

  /// Builds the world anew and starts its tasks, up to their first announcement.
  void begin();
  /// Destroys what is left.
  void end();
  /// Who can do a step.
  [[nodiscard]] std::uint64_t enabled();
  /// One step. The accesses are then in accesses(), and who became ready by it in woken().
  void step(unsigned id, unsigned choice);
  /// Nobody can do a step: deadlocks, final checks and leaks. failure() has the result.
  void conclude();

  [[nodiscard]] unsigned actor_count() const noexcept { return actor_count_; }
  [[nodiscard]] actor& at(unsigned id) noexcept { return actors_[id]; }
  [[nodiscard]] const actor& at(unsigned id) const noexcept { return actors_[id]; }
  [[nodiscard]] const std::vector<access>& accesses() const noexcept { return accesses_; }
  [[nodiscard]] std::uint64_t woken() const noexcept { return woken_; }
  [[nodiscard]] const std::vector<withdrawn_operation>& withdrawn() const noexcept {
    return withdrawn_;
  }
  [[nodiscard]] const std::optional<failure_record>& failure() const noexcept { return failure_; }
  [[nodiscard]] std::uint32_t step_count() const noexcept { return step_count_; }
  /// Time and interference disable and enable each other in ways that races do not tell: such a
  /// body is not for the optimal search. Known once a timer was armed.
  [[nodiscard]] bool needs_sleep_sets() const noexcept {
    return saw_spinning_ || options_.stale_loads ||
           (saw_timers_ && (options_.adversarial_time || has_interference_));
  }
  /// A virtual thread waits for a word to change: the same, as it is a write that lets it go on.
  void spins() noexcept { saw_spinning_ = true; }
  void set_tracing(bool on) noexcept { tracing_ = on; }
  [[nodiscard]] std::vector<trace_event>& events() noexcept { return events_; }
  [[nodiscard]] std::string actor_name(unsigned id) const;
  [[nodiscard]] std::string object_name(std::uint16_t object) const;
  [[nodiscard]] const std::vector<named_object>& objects_made() const noexcept { return objects_; }
  [[nodiscard]] std::vector<std::string>& wait_graph() noexcept { return wait_graph_; }
  [[nodiscard]] const run_options& settings() const noexcept { return options_; }
  void fail(failure_kind kind, std::string message);
  /// What identifies the body: the names of its tasks and objects.
  [[nodiscard]] std::uint32_t body_hash() const noexcept;
  /// The search measures starvation; 0 steps since it became ready.
  [[nodiscard]] bool budget_left(actor_kind kind) const noexcept {
    return budget_[static_cast<unsigned>(kind)] > 0;
  }

  // ---- for the body -----------------------------------------------------------------------

  [[nodiscard]] actor& current() noexcept { return *current_; }
  [[nodiscard]] bool in_step() const noexcept { return current_ != nullptr; }
  [[nodiscard]] bool tracing() const noexcept { return tracing_; }

  /// The step that runs does this.
  void record(std::uint16_t object, access_kind kind) noexcept {
    if (current_ == nullptr || !recording_) {
      return;
    }
    const access a{object, kind};
    for (const access& known : accesses_) {
      if (known == a) {
        return;
      }
    }
    accesses_.push_back(a);
  }
  void touched(const void* word, bool written) noexcept;
  /// A line of the trace, of the actor whose step runs.
  void note(std::string text, std::source_location where);

  void* allocate(std::size_t size);
  void deallocate(void* p) noexcept;
  void destroy_later(void* object, void (*destroy)(void*)) {
    destroyed_at_end_.push_back({object, destroy});
  }
  [[nodiscard]] std::string_view keep(std::string_view text);

  std::uint16_t add_object(std::string_view name, const void* address, std::size_t size,
                           const char* what, bool is_shared);
  [[nodiscard]] std::uint16_t object_of(const void* address) noexcept;
  [[nodiscard]] named_object* find_object(std::uint16_t object) noexcept {
    const std::size_t i = static_cast<std::size_t>(object) - objects::named;
    return object >= objects::named && i < objects_.size() ? &objects_[i] : nullptr;
  }

  /// A new task, whose coroutine may then be made. start() runs it up to its first announcement.
  actor& add_task(std::string_view name);
  void prepare(actor& a) noexcept { current_ = &a; }
  void start(actor& a, std::coroutine_handle<> root);
  /// Lets a request to stop come from outside at any time.
  std::stop_token add_stop(actor& task);
  /// The same for a destruction and an exception, as far as the options allow it.
  void add_interference(actor& task);
  /// `a` is a copy of `previous`: it does not start before that one has.
  void make_copy(actor& a, actor* previous) noexcept;

  /// A timer: fires once, after its deadline has come.
  actor& arm(virtual_clock::time_point deadline, bool (*fire)(actor&), void* context,
             std::source_location where);
  void disarm(actor& timer) noexcept;
  [[nodiscard]] virtual_clock::time_point now() noexcept {
    record(objects::time, access_kind::read);
    return now_;
  }

  /// The announced wait needs no waiting, or is over: the task can go on.
  void grant(actor& a) noexcept;
  void post(actor& a, resumption r) noexcept;
  void post(actor& a, const corolock::detail::waiter& n, std::uintptr_t frame) noexcept;
  void wake(actor& a) noexcept {
    woken_ |= std::uint64_t{1} << a.id_;
    if (!in_scope_) {
      record(static_cast<std::uint16_t>(objects::wait + a.id_), access_kind::write);
    }
  }
  void finished(actor& a) noexcept { a.state_ = actor_state::finished; }
  void own_words(const void* begin, std::size_t size, std::uint16_t object) noexcept {
    if (memory_.contains(begin) && memory_.object_at(begin) != object) {
      memory_.belongs(begin, size, object);
    }
  }
  /// What every announcement of a task includes.
  void announce_common(actor& a) noexcept {
    if (a.can_stop_) {
      a.announced_.add(static_cast<std::uint16_t>(objects::stop + a.id_), access_kind::read);
    }
    if (options_.destructions != 0) {
      a.announced_.add(static_cast<std::uint16_t>(objects::life + a.id_), access_kind::read);
    }
    if (options_.exceptions != 0) {
      a.announced_.add(static_cast<std::uint16_t>(objects::failure + a.id_), access_kind::read);
    }
    if (a.copies_ >= 0) {
      a.announced_.add(static_cast<std::uint16_t>(objects::copies + a.copies_), access_kind::order);
    }
  }

  void enter_scope(corolock::detail::lock_operation what, const void* lock) noexcept;
  void leave_scope() noexcept { in_scope_ = false; }

  /// Who has what, and who queues for what.
  void taken(const actor& a, const void* lock, const void* primitive, std::source_location where);
  void queued(const actor& a, const corolock::detail::queued_wait& wait);
  void released(const void* lock) noexcept;
  [[nodiscard]] corolock::detail::waiting_task*& waits() noexcept { return waits_; }

  [[nodiscard]] attachment* attached() const noexcept { return attached_; }
  void attach(attachment& a) noexcept { attached_ = &a; }

  void add_final(callable c) { finals_.push_back(c); }
  void add_invariant(callable c) { invariants_.push_back(c); }

  /// A step of the current task runs the code of this one: in front of what that task has left to
  /// do, which no executor would allow.
  [[noreturn]] void resumed_by_another(const actor& a);
  /// The run ends here: back to the search, wherever this is called from.
  [[noreturn]] void abandon(failure_kind kind, std::string message);

 private:
  struct destroyed_at_end {
    void* object;
    void (*destroy)(void*);
  };

  actor& add_actor(actor_kind kind, std::string_view name);
  actor& reset_actor(unsigned id, actor_kind kind, std::string_view name) noexcept;
  void build();
  template <class Function>
  void attempt(const char* who, const Function& function);
  void limit_interference();
  void go_on(actor& a);
  void interfere(actor& a);
  void withdraw(const actor& a);
  [[nodiscard]] bool has_unfinished_thread() const noexcept;
  void pass_over(const actor& owner, std::uint16_t lock);
  void report_deadlock();
  void note_of_asio(const actor& a, const char* what, const void* primitive,
                    std::source_location where);
  [[nodiscard]] std::string how_resumed(const actor& a) const;
  [[nodiscard]] std::string held_by(const void* lock, std::uint64_t& by) const;
  [[nodiscard]] std::uint64_t timers_due() noexcept;

  body_function body_;
  void* body_context_;
  run_options options_;
  std::unique_ptr<world> world_;
  run_memory memory_;
  std::array<actor, 64> actors_;
  unsigned actor_count_ = 0;
  std::array<std::array<std::int16_t, 16>, 65> timer_ids_;  // of each task's timers: never changes
  unsigned setup_count_ = 0;                                // actors without the timers
  std::uint64_t tasks_ = 0;
  std::uint64_t timers_ = 0;
  actor* current_ = nullptr;
  bool recording_ = false;
  bool in_scope_ = false;
  bool tracing_ = false;
  bool saw_timers_ = false;
  bool saw_spinning_ = false;
  bool has_interference_ = false;
  bool ending_ = false;
  bool abandoned_ = false;
  std::uint32_t step_count_ = 0;
  std::uint64_t woken_ = 0;
  std::uint16_t next_word_ = objects::words;
  std::uint64_t visible_starts_ = 0;  // tasks whose start touches something: a step of its own
  bool rebuild_ = false;
  std::array<unsigned, 5> budget_{};
  virtual_clock::time_point now_{};
  attachment* attached_ = nullptr;
  std::vector<access> accesses_;
  std::vector<withdrawn_operation> withdrawn_;
  std::vector<holding> holdings_;
  corolock::detail::waiting_task* waits_ = nullptr;  // those that have queued
  std::vector<named_object> objects_;
  std::vector<callable> finals_;
  std::vector<callable> invariants_;
  std::vector<destroyed_at_end> destroyed_at_end_;
  std::vector<std::optional<std::stop_source>> stop_sources_;
  std::vector<trace_event> events_;
  std::vector<std::string> wait_graph_;
  std::optional<failure_record> failure_;
};

/// file:line, without the folders.
std::string location(std::source_location where);

}  // namespace detail

inline virtual_clock::time_point virtual_clock::now() noexcept {
  return detail::current_run == nullptr ? time_point() : detail::current_run->now();
}

}  // namespace explore
COROLOCK_END
