// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers
#pragma once

// The coroutines of a body, and what they can wait for besides corolock's own primitives.
//
//   task<T>        the coroutine of world::spawn; also a part of one: `co_await part()`
//   yield()        a suspension and nothing else: others may run here
//   sleep_for(d)   a suspension until the virtual clock has gone on by d
//   choose(n)      one of 0 .. n-1: the explorer tries them all

#include <corolock/async_condition.hpp>
#include <corolock/explore/detail/run.hpp>
#include <corolock/guarded.hpp>

#include <concepts>
#include <coroutine>
#include <cstddef>
#include <exception>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

COROLOCK_BEGIN
namespace explore {

template <class T = void>
class [[nodiscard("a task does nothing until it is spawned or awaited")]] task;

namespace detail {

// How a trace tells of a wait, and whether it is for a lock of which one task is the owner.
//
//   verb   when it begins: "lock users lock"
//   back   when the task goes on after having waited: "has users lock"
template <class Awaiter>
struct wait_traits {
  static constexpr const char* verb = "wait for";
  static constexpr const char* back = "goes on after";
  static constexpr bool is_lock = false;
};
template <class Mutex>
struct wait_traits<corolock::detail::lock_awaiter<Mutex>> {
  static constexpr const char* verb = "lock";
  static constexpr const char* back = "has";
  static constexpr bool is_lock = true;
};
template <class P, class W>
struct wait_traits<corolock::detail::wait_awaiter<P, W>> {
  static constexpr bool has_units = requires(P& p) { p.async_acquire(); };
  static constexpr bool has_parties = requires(P& p) { p.async_arrive_and_wait(); };
  static constexpr bool has_readers = requires { typename P::shared_waiter_type; };
  static constexpr bool has_owner =
      requires { typename P::guard_type; } && !has_units && !requires { typename P::mutex_type; };

  static constexpr const char* verb_of_lock() noexcept {
    if constexpr (has_readers) {
      return std::is_same_v<W, typename P::shared_waiter_type> ? "lock shared" : "lock";
    } else {
      return "lock";
    }
  }

  static constexpr const char* verb = has_owner     ? verb_of_lock()
                                      : has_units   ? "acquire"
                                      : has_parties ? "arrive at"
                                                    : "wait for";
  static constexpr const char* back = has_owner || has_units ? "has" : "goes on after";
  static constexpr bool is_lock = false;
};
template <class P, class W>
struct wait_traits<corolock::detail::stoppable_awaiter<P, W>>
    : wait_traits<corolock::detail::wait_awaiter<P, W>> {};
template <class Awaiter>
struct wait_traits<corolock::detail::awaiter_on<Awaiter>> : wait_traits<Awaiter> {
  static constexpr bool is_lock = false;
};
template <class Awaiter>
struct wait_traits<corolock::detail::predicate_awaiter<Awaiter>> : wait_traits<Awaiter> {};
template <class Guarded, class Awaiter>
struct wait_traits<corolock::detail::guarded_awaiter<Guarded, Awaiter>> : wait_traits<Awaiter> {
  static constexpr bool is_lock = false;
};

/// The executor of every task: a grant makes it ready, and the search decides when it goes on.
class task_executor {
 public:
  explicit task_executor(actor& a) noexcept : actor_(&a) {}
  void post(resumption r) noexcept { current_run->post(*actor_, r); }

 private:
  actor* actor_;
};

template <class Awaitable>
decltype(auto) awaiter_of(Awaitable&& awaitable) {
  if constexpr (requires { std::forward<Awaitable>(awaitable).operator co_await(); }) {
    return std::forward<Awaitable>(awaitable).operator co_await();
  } else if constexpr (requires { operator co_await(std::forward<Awaitable>(awaitable)); }) {
    return operator co_await(std::forward<Awaitable>(awaitable));
  } else {
    return static_cast<Awaitable&&>(awaitable);
  }
}

// The task goes on behind its wait.
inline void go_on_as(actor& a) {
  if (&a != &current_run->current()) [[unlikely]] {
    current_run->resumed_by_another(a);
  }
  if (a.raise_) {
    a.raise_ = false;
    throw injected_exception();
  }
}

// co_await of a primitive's awaiter: announce; begin the wait; go on when it is granted.
template <class Awaitable>
class announced_wait {
  using awaiter = decltype(awaiter_of(std::declval<Awaitable>()));
  using traits = wait_traits<std::remove_cvref_t<awaiter>>;

 public:
  announced_wait(Awaitable&& awaitable, std::source_location where)
      : awaiter_(awaiter_of(std::forward<Awaitable>(awaitable))), where_(where) {}

  bool await_ready() const noexcept { return false; }

  template <class Promise>
  void await_suspend(std::coroutine_handle<Promise> h) noexcept {
    actor& a = current_run->current();
    actor_ = &a;
    std::uint16_t object = objects::elsewhere;
    if constexpr (traits::is_lock) {
      object = current_run->object_of(awaiter_.mutex());
    }
    a.announce(traits::verb, object, where_);
    if constexpr (traits::is_lock) {
      a.announced_.add(object, access_kind::request);
    }
    current_run->announce_common(a);
    a.resume_ = h;
    a.act_ = &begin<Promise>;
    a.act_context_ = this;
  }

  ~announced_wait() {
    if (gone_ != nullptr) {
      *gone_ = true;
    }
  }

  decltype(auto) await_resume() {
    go_on_as(*actor_);
    using result = decltype(awaiter_.await_resume());
    if constexpr (is_outcome<result>) {
      result ended = awaiter_.await_resume();
      if (!ended.has_value()) {
        note(traits::verb, ": " + make_error_code(ended.error()).message());
      } else if (waited_) {
        note(traits::back, "");
      }
      return ended;
    } else {
      if (waited_) {
        note(traits::back, "");
      }
      return awaiter_.await_resume();
    }
  }

 private:
  template <class Result>
  static constexpr bool is_outcome = requires(Result& r) {
    { r.error() } -> std::same_as<errc>;
    r.has_value();
  };

  template <class Promise>
  static bool begin(actor& a) {
    auto& self = *static_cast<announced_wait*>(a.act_context_);
    run& r = *current_run;
    r.own_words(&self.awaiter_, sizeof(self.awaiter_),
                static_cast<std::uint16_t>(objects::wait + a.id_));
    a.state_ = actor_state::waiting;
    const std::size_t notes = r.events().size();
    bool gone = false;  // if it is no wait of corolock's, the task may run on inside of it
    self.gone_ = &gone;
    if (!self.suspend(std::coroutine_handle<Promise>::from_address(a.resume_.address()))) {
      r.grant(a);
    }
    if (gone) {
      return false;
    }
    self.gone_ = nullptr;
    self.waited_ = a.state_ == actor_state::waiting;
    if constexpr (!traits::is_lock) {
      a.object_ = first_object(r);
    }
    if (r.tracing() && r.find_object(a.object_) != nullptr) {
      // In front of what the wait has brought about.
      r.events().insert(r.events().begin() + static_cast<std::ptrdiff_t>(notes),
                        {r.step_count(), a.id_,
                         std::string(traits::verb) + " " + r.object_name(a.object_) +
                             (self.waited_ ? " (waits)" : ""),
                         self.where_});
    }
    return false;
  }

  void note(const char* what, std::string_view more) const {
    run& r = *current_run;
    if (r.tracing() && r.find_object(actor_->object_) != nullptr) {
      r.note(std::string(what) + " " + r.object_name(actor_->object_) + std::string(more), where_);
    }
  }

  // What it waits for is what it has touched first, of the things that have a name.
  static std::uint16_t first_object(run& r) noexcept {
    for (const access& known : r.accesses()) {
      if (const named_object* o = r.find_object(known.object); o != nullptr && !o->is_shared) {
        return known.object;
      }
    }
    return objects::elsewhere;
  }

  template <class Promise>
  bool suspend(std::coroutine_handle<Promise> h) {
    if constexpr (traits::is_lock) {
      const corolock::detail::operation_scope scope(corolock::detail::lock_operation::request,
                                                    awaiter_.mutex());
      return suspended(h);
    } else {
      return suspended(h);
    }
  }
  template <class Promise>
  bool suspended(std::coroutine_handle<Promise> h) {
    if (awaiter_.await_ready()) {
      return false;
    }
    using result = decltype(awaiter_.await_suspend(h));
    if constexpr (std::is_void_v<result>) {
      awaiter_.await_suspend(h);
      return true;
    } else if constexpr (std::is_same_v<result, bool>) {
      return awaiter_.await_suspend(h);
    } else {
      const std::coroutine_handle<> next = awaiter_.await_suspend(h);
      if (next.address() == h.address()) {
        return false;
      }
      next.resume();
      return true;
    }
  }

  awaiter awaiter_;
  std::source_location where_;
  actor* actor_ = nullptr;
  bool* gone_ = nullptr;
  bool waited_ = false;
};

// co_await of an operation of the explorer's own: announce; do it and run on in one step.
//
//   Operation::announce(run&, actor&, where)    what it will do
//   Operation::result(run&, actor&)             does it
template <class Operation>
class announced_operation {
 public:
  announced_operation(Operation operation, std::source_location where)
      : operation_(std::move(operation)), where_(where) {}

  bool await_ready() const noexcept { return false; }
  template <class Promise>
  void await_suspend(std::coroutine_handle<Promise> h) noexcept {
    run& r = *current_run;
    actor_ = &r.current();
    operation_.announce(r, *actor_, where_);
    r.announce_common(*actor_);
    actor_->resume_ = h;
    actor_->act_ = nullptr;
    if constexpr (requires { operation_.begin(*actor_); }) {
      actor_->act_ = [](actor& a) { return static_cast<Operation*>(a.act_context_)->begin(a); };
      actor_->act_context_ = &operation_;
    }
  }
  decltype(auto) await_resume() {
    go_on_as(*actor_);
    return operation_.result(*current_run, *actor_, where_);
  }

 private:
  Operation operation_;
  std::source_location where_;
  actor* actor_ = nullptr;
};

template <class Operation>
concept explorer_operation = requires { typename Operation::explorer_operation_tag; };

class task_promise_base {
 public:
  static void* operator new(std::size_t size) { return current_run->allocate(size); }
  static void operator delete(void* p) noexcept {
    if (current_run != nullptr) {
      current_run->deallocate(p);
    }
  }

  task_promise_base() noexcept : executor_(current_run->current()) {}

  std::suspend_always initial_suspend() const noexcept { return {}; }

  struct final_awaiter {
    bool await_ready() const noexcept { return false; }
    template <class Promise>
    std::coroutine_handle<> await_suspend(std::coroutine_handle<Promise> h) const noexcept {
      task_promise_base& promise = h.promise();
      if (promise.continuation_) {
        return promise.continuation_;
      }
      current_run->finished(current_run->current());
      return std::noop_coroutine();
    }
    void await_resume() const noexcept {}
  };
  final_awaiter final_suspend() const noexcept { return {}; }

  void unhandled_exception();

  template <class Awaitable>
  auto await_transform(Awaitable&& awaitable,
                       std::source_location where = std::source_location::current()) {
    using plain = std::remove_cvref_t<Awaitable>;
    if constexpr (requires { typename plain::explorer_task_tag; }) {
      return std::forward<Awaitable>(awaitable).as_part();
    } else if constexpr (explorer_operation<plain>) {
      return announced_operation<plain>(std::forward<Awaitable>(awaitable), where);
    } else {
      return announced_wait<Awaitable&&>(std::forward<Awaitable>(awaitable), where);
    }
  }

  task_executor& get_executor() noexcept { return executor_; }

  std::coroutine_handle<> continuation_;
  std::exception_ptr exception_;

 private:
  task_executor executor_;
};

template <class T>
class task_promise : public task_promise_base {
 public:
  task<T> get_return_object() noexcept;
  template <class U>
  void return_value(U&& value) {
    value_.emplace(std::forward<U>(value));
  }
  T take() { return std::move(*value_); }

 private:
  std::optional<T> value_;
};
template <>
class task_promise<void> : public task_promise_base {
 public:
  task<void> get_return_object() noexcept;
  void return_void() const noexcept {}
  void take() const noexcept {}
};

}  // namespace detail

/// A coroutine of a body. world::spawn() makes a task of the world of it; awaited by another one it
/// is a part of that task, and suspends nothing by itself.
template <class T>
class task {
 public:
  using promise_type = detail::task_promise<T>;
  using explorer_task_tag = void;

  task(task&& other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}
  task& operator=(task&& other) noexcept {
    task old(std::exchange(handle_, std::exchange(other.handle_, nullptr)));
    return *this;
  }
  ~task() {
    if (handle_) {
      handle_.destroy();
    }
  }

  // For the explorer.
  class part {
   public:
    explicit part(std::coroutine_handle<promise_type> h) noexcept : handle_(h) {}
    bool await_ready() const noexcept { return false; }
    std::coroutine_handle<> await_suspend(std::coroutine_handle<> awaiting) noexcept {
      handle_.promise().continuation_ = awaiting;
      return handle_;
    }
    T await_resume() {
      if (handle_.promise().exception_) {
        std::rethrow_exception(handle_.promise().exception_);
      }
      return handle_.promise().take();
    }

   private:
    std::coroutine_handle<promise_type> handle_;
  };
  part as_part() const noexcept { return part(handle_); }
  std::coroutine_handle<> release() noexcept { return std::exchange(handle_, nullptr); }

 private:
  friend promise_type;
  explicit task(std::coroutine_handle<promise_type> h) noexcept : handle_(h) {}

  std::coroutine_handle<promise_type> handle_;
};

namespace detail {

template <class T>
task<T> task_promise<T>::get_return_object() noexcept {
  return task<T>(std::coroutine_handle<task_promise>::from_promise(*this));
}
inline task<void> task_promise<void>::get_return_object() noexcept {
  return task<void>(std::coroutine_handle<task_promise>::from_promise(*this));
}

struct yield_operation {
  using explorer_operation_tag = void;
  void announce(run&, actor& a, std::source_location where) const noexcept {
    a.announce("yield", objects::elsewhere, where);
  }
  void result(run& r, actor&, std::source_location where) const {
    if (r.tracing()) {
      r.note("goes on after yield()", where);
    }
  }
};

struct choose_operation {
  using explorer_operation_tag = void;
  unsigned count_;

  explicit choose_operation(unsigned count) noexcept : count_(count) {}
  void announce(run& r, actor& a, std::source_location where) const noexcept {
    if (count_ == 0 || count_ > 255) {
      r.abandon(failure_kind::contract, "choose(" + std::to_string(count_) + "): from 1 to 255");
    }
    a.announce("choose", objects::elsewhere, where);
    a.alternatives_ = static_cast<std::uint8_t>(count_);
  }
  unsigned result(run& r, actor& a, std::source_location where) const {
    if (r.tracing()) {
      r.note("choose: " + std::to_string(a.choice_), where);
    }
    return a.choice_;
  }
};

struct sleep_operation {
  using explorer_operation_tag = void;
  virtual_clock::duration duration_;
  std::source_location where_;
  actor* timer_ = nullptr;

  explicit sleep_operation(virtual_clock::duration d) noexcept : duration_(d) {}
  sleep_operation(sleep_operation&& other) noexcept
      : duration_(other.duration_), where_(other.where_), timer_(nullptr) {}
  ~sleep_operation() {
    if (timer_ != nullptr) {
      current_run->disarm(*timer_);
    }
  }

  void announce(run&, actor& a, std::source_location where) noexcept {
    where_ = where;
    a.announce("sleep", objects::elsewhere, where);
    a.announced_.add(objects::time, access_kind::write);
  }
  bool begin(actor& a) {
    run& r = *current_run;
    a.state_ = actor_state::waiting;
    timer_ = &r.arm(
        r.now() + duration_,
        [](actor& timer) {
          auto& self = *static_cast<sleep_operation*>(timer.act_context_);
          self.timer_ = nullptr;
          actor& sleeper = current_run->at(timer.target_);
          current_run->wake(sleeper);
          current_run->grant(sleeper);
          return false;
        },
        this, where_);
    return false;
  }
  void result(run&, actor&, std::source_location) const noexcept {}
};

}  // namespace detail

/// A suspension and nothing else: the other tasks may run here, as at any real `co_await`.
inline detail::yield_operation yield() noexcept {
  return {};
}

/// One of 0 .. count-1; every one of them is tried. At most 255.
inline detail::choose_operation choose(unsigned count) noexcept {
  return detail::choose_operation(count);
}

/// Suspends until the virtual clock has gone on by `d`. Time goes on when nothing else can happen
/// (or, with options::adversarial_time, at any moment).
template <class Rep, class Period>
detail::sleep_operation sleep_for(std::chrono::duration<Rep, Period> d) noexcept {
  return detail::sleep_operation(std::chrono::duration_cast<virtual_clock::duration>(d));
}

}  // namespace explore
COROLOCK_END
