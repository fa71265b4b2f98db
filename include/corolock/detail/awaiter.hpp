// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers
#pragma once

// The protocol of a wait, and the awaiters that all primitives share. A primitive P is a thin front
// on it. For each kind of wait W (an extended_waiter with what the task asks for) it gives its
// friend core_access:
//
//   P::threading                   its threading policy
//   P::wait_may_end                whether a wait without a stop token may end with an errc
//   queue_                         its wait_queue
//   enter(w, n) -> wait_status     queue open: what n asks for, at once (granted), never (an ended
//                                  status), or not yet (queued)
//   left(w, list)                  queue open: a waiter has left; adds whom that lets in to `list`
//   give_up(n)                     n was granted and nobody will take the grant: pass it on
//   take(n) -> grant               the grant, for the waiter's own task: a guard, an index, or void
//   arrived(w, list)               optional; queue open: a waiter has been queued (async_barrier)
//   try_enter() -> bool            optional: enter without opening the queue, if that is cheaper
//
// async_condition, whose waiters move to another queue, replaces begin_wait, end_wait, leave_queue
// and settle by members of the same names.
//
// The life of a wait, and who acts in each state:
//
//   begin_wait     enter; queued: publish the node as the last act
//   granted/ended  by the opener of the queue, which then wakes the task
//   end_wait       a stop callback, a timer, a cancellation. queued: unlink, end, wake. granted but
//                  not resumed: pass the grant on, end. idle (it fired while it was being
//                  registered): begin_wait sees it.
//   await_resume   deregisters the stop callback first, which waits for one that runs; then reads
//                  the status, which nobody changes any more
//   abandon_wait   the frame is destroyed. queued: unlink. granted: leave the trampoline's list,
//                  pass the grant on. ended: the primitive may be gone, do not touch it.

#include <corolock/detail/wait_queue.hpp>
#include <corolock/outcome.hpp>

#include <coroutine>
#include <optional>
#include <stop_token>
#include <utility>

COROLOCK_BEGIN
namespace detail {

// A wait and its diagnostics record. Enough for primitives of which a task asks nothing else.
template <class Diagnostics>
struct recorded_waiter : extended_waiter {
  explicit recorded_waiter(typename Diagnostics::wait_record record) noexcept : record_(record) {}
  recorded_waiter(uninitialized_t tag, typename Diagnostics::call_site where) noexcept
      : extended_waiter(tag), record_(where) {}

  [[no_unique_address]] typename Diagnostics::wait_record record_;
};

// The key to a primitive's private members that the core's awaiters and the front ends share.
struct core_access {
  template <class P>
  static auto& queue(P& p) noexcept {
    if constexpr (requires { p.queue_; }) {
      return p.queue_;
    } else {
      return queue(p.mutex_);  // of a guarded object
    }
  }
  template <class P, class W>
  static wait_status enter(P& p, queue_word& w, W& n) noexcept {
    return p.enter(w, n);
  }
  template <class P, class W>
  static wait_status enter_now(P& p, W& n) noexcept {
    if constexpr (requires { p.try_enter(); }) {
      return p.try_enter() ? wait_status::granted : wait_status::queued;
    } else {
      queue_word w = queue(p).open();
      const wait_status s = p.enter(w, n);
      queue(p).close(w);
      return s;
    }
  }
  template <class P, class W>
  static void arrived(P& p, queue_word& w, W&, wake_list<typename P::threading>& list) noexcept {
    if constexpr (requires { p.arrived(w, list); }) {
      p.arrived(w, list);
    }
  }
  template <class P>
  static void left(P& p, queue_word& w, wake_list<typename P::threading>& list) noexcept {
    p.left(w, list);
  }
  template <class P, class W>
  static void give_up(P& p, W& n) noexcept {
    p.give_up(n);
  }
  template <class P>
  static void pass_on(P& p) noexcept {
    p.pass_on();
  }
  template <class P, class W>
  static auto take(P& p, W& n) noexcept {
    return p.take(n);
  }
};

// Whether P's waits of kind W follow a protocol of their own.
template <class P, class W>
concept own_protocol = requires(P& p, W& n) { p.begin_wait(n); };

// What a grant of P is: a guard, a permit, an index, or void.
template <class P, class W>
using grant_of = decltype(core_access::take(std::declval<P&>(), std::declval<W&>()));

// Enters the primitive, or queues. Returns whether the task has to suspend; if it has, the node,
// and the frame around it, are not ours alone any more.
template <class P, class W>
bool begin_wait(P& p, W& n) noexcept {
  if constexpr (own_protocol<P, W>) {
    return p.begin_wait(n);
  } else {
    using threading = typename P::threading;
    wake_list<threading> woken;
    n.link_ = 0;  // on no list: a task that need not wait may still be destroyed before it goes on
    auto& queue = core_access::queue(p);
    queue_word w = queue.open();
    wait_status s = n.status_;
    if (s == wait_status::idle) {  // else a stop callback was faster
      s = core_access::enter(p, w, n);
      threading::store(n.status_, s, std::memory_order_relaxed);
      if (s == wait_status::queued) {
        tell_queued(n, &queue);
        queue.push_back(w, n);
        core_access::arrived(p, w, n, woken);
      }
    }
    queue.close(w);
    woken.wake();
    return s == wait_status::queued;
  }
}

// Enters the primitive if that needs no waiting, and says how it went; else returns `queued`, and
// nothing is queued.
template <class P, class W>
wait_status enter_now(P& p, W& n) noexcept {
  if constexpr (own_protocol<P, W>) {
    return wait_status::queued;
  } else {
    return core_access::enter_now(p, n);
  }
}

// Ends a wait from outside its task (a stop callback, a timer, a cancellation). A waiter that was
// queued leaves the queue and is woken with `why`. If it was granted but has not been resumed, the
// grant is passed on, and its task, on its way already, finds `why`.
template <class P, class W>
void end_wait(P& p, W& n, wait_status why) noexcept {
  if constexpr (own_protocol<P, W>) {
    p.end_wait(n, why);
  } else {
    using threading = typename P::threading;
    auto& queue = core_access::queue(p);
    for (;;) {
      const wait_status before = wait_until_posted<threading>(n);
      if (before != wait_status::idle && before != wait_status::queued &&
          before != wait_status::granted) {
        return;  // ended: the primitive may be gone
      }
      queue_word w = queue.open();
      const wait_status s = threading::load(n.status_, std::memory_order_relaxed);
      switch (s) {
        case wait_status::queued: {
          wake_list<threading> woken;
          queue.remove(w, n);
          woken.add(n, why);
          core_access::left(p, w, woken);
          queue.close(w);
          woken.wake();
          return;
        }
        case wait_status::idle:
          n.status_ = why;
          queue.close(w);
          return;
        case wait_status::granted:
          threading::store(n.status_, why, std::memory_order_relaxed);
          queue.close(w);
          core_access::give_up(p, n);
          return;
        default:  // taken out just now by a thread that has not woken it yet
          queue.close(w);
          if (!is_pending(s)) {
            return;
          }
      }
    }
  }
}

// Takes the waiter out of the queue for good, if it is still in it: true. Nobody will wake it then.
template <class P, class W>
bool leave_queue(P& p, W& n) noexcept {
  if constexpr (own_protocol<P, W>) {
    return p.leave_queue(n);
  } else {
    using threading = typename P::threading;
    if (wait_until_posted<threading>(n) != wait_status::queued) {
      return false;
    }
    auto& queue = core_access::queue(p);
    queue_word w = queue.open();
    if (threading::load(n.status_, std::memory_order_relaxed) != wait_status::queued) {
      queue.close(w);
      wait_until_posted<threading>(n);
      return false;
    }
    wake_list<threading> let_in;
    queue.remove(w, n);
    core_access::left(p, w, let_in);
    queue.close(w);
    let_in.wake();
    return true;
  }
}

// The waiter's task is destroyed before it was resumed.
template <class P, class W>
COROLOCK_COLD void abandon_wait(P& p, W& n) noexcept {
  if (leave_queue(p, n)) {
    return;
  }
  if ((n.link_ & link_is_listed) != 0) {
    this_thread_trampoline.remove(n);
  }
  if (n.status_ == wait_status::granted) {
    core_access::give_up(p, n);
  }
}

// The task is back: how its wait went. Nobody changes that any more.
template <class P, class W>
wait_status settle(P& p, W& n) noexcept {
  if constexpr (own_protocol<P, W>) {
    return p.settle(n);
  } else {
    return n.status_;
  }
}

template <class Executor>
struct on_executor {
  Executor& executor;
};

// What `.on(executor)` returns: the awaiter again, by reference. (Returning the awaiter itself as a
// reference will not do: g++ 12 copies what an expression of reference type yields to co_await.)
template <class Awaiter>
class [[nodiscard("nothing is acquired until it is co_awaited")]] awaiter_on {
 public:
  explicit awaiter_on(Awaiter& awaiter) noexcept : awaiter_(awaiter) {}

  bool await_ready() const noexcept { return false; }
  template <class Promise>
  bool await_suspend(std::coroutine_handle<Promise> h) noexcept {
    return awaiter_.await_suspend(h);
  }
  typename Awaiter::result_type await_resume() noexcept { return awaiter_.await_resume(); }

 private:
  Awaiter& awaiter_;
};

// co_await p.async_...(): cannot be stopped.
template <class P, class W>
class [[nodiscard("nothing is acquired until it is co_awaited")]] wait_awaiter : protected W {
 public:
  using threading = typename P::threading;
  using result_type = std::conditional_t<P::wait_may_end, outcome<grant_of<P, W>>, grant_of<P, W>>;

  template <class... Request>
  explicit wait_awaiter(P& p, Request&&... request) noexcept
      : W(std::forward<Request>(request)...), primitive_(&p) {}
  template <class Executor, class... Request>
  wait_awaiter(P& p, on_executor<Executor> e, Request&&... request) noexcept
      : wait_awaiter(p, std::forward<Request>(request)...) {
    set_executor<threading>(*this, e.executor);
  }
  wait_awaiter(const wait_awaiter&) = delete;
  wait_awaiter& operator=(const wait_awaiter&) = delete;
  ~wait_awaiter() {
    if (this->frame_ != 0) {
      abandon_wait(*primitive_, waiter());
    }
  }

  /// Resumes the task by `e.post()`, whatever executor its promise may offer.
  template <executor Executor>
  awaiter_on<wait_awaiter> on(Executor& e) && noexcept {
    set_executor<threading>(*this, e);
    return awaiter_on<wait_awaiter>(*this);
  }

  bool await_ready() const noexcept { return false; }
  template <class Promise>
  bool await_suspend(std::coroutine_handle<Promise> h) noexcept {
    prepare(h);
    return begin_wait(*primitive_, waiter());
  }
  result_type await_resume() noexcept { return result_as<result_type>(); }

 protected:
  template <class Promise>
  void prepare(std::coroutine_handle<Promise> h) noexcept {
    COROLOCK_ASSERT(this->status_ == wait_status::idle, "a wait was awaited a second time");
    this->frame_ = address_of(h.address()) | frame_is_extended;
    if constexpr (promise_with_executor<Promise>) {
      if (this->post_ == nullptr) {
        set_executor<threading>(*this, h.promise().get_executor());
      }
    }
  }

  template <class Result>
  Result result_as() noexcept {
    [[maybe_unused]] const wait_status s = settle(*primitive_, waiter());
    this->frame_ = 0;
    if constexpr (std::is_same_v<Result, grant_of<P, W>>) {
      return core_access::take(*primitive_, waiter());
    } else {
      if (s != wait_status::granted) {
        return why_ended(s);
      }
      if constexpr (std::is_void_v<grant_of<P, W>>) {
        core_access::take(*primitive_, waiter());
        return {};
      } else {
        return core_access::take(*primitive_, waiter());
      }
    }
  }

  W& waiter() noexcept { return *this; }

  P* primitive_;
};

// co_await p.async_...(stop_token): ends with errc::stopped when the token is stopped.
template <class P, class W>
class [[nodiscard("nothing is acquired until it is co_awaited")]] stoppable_awaiter
    : protected wait_awaiter<P, W> {
 public:
  using threading = typename P::threading;
  using result_type = outcome<grant_of<P, W>>;

  template <class... Request>
  explicit stoppable_awaiter(P& p, std::stop_token token, Request&&... request) noexcept
      : wait_awaiter<P, W>(p, std::forward<Request>(request)...), token_(std::move(token)) {}
  ~stoppable_awaiter() {
    callback_.reset();  // before the base decides: from here on nobody else ends the wait
  }

  /// Resumes the task by `e.post()`, whatever executor its promise may offer.
  template <executor Executor>
  awaiter_on<stoppable_awaiter> on(Executor& e) && noexcept {
    set_executor<threading>(*this, e);
    return awaiter_on<stoppable_awaiter>(*this);
  }

  using wait_awaiter<P, W>::await_ready;
  template <class Promise>
  bool await_suspend(std::coroutine_handle<Promise> h) noexcept {
    this->prepare(h);
    if (token_.stop_requested()) {
      end_wait(*this->primitive_, this->waiter(), wait_status::stopped);
      return begin_wait(*this->primitive_, this->waiter());
    }
    if (const wait_status s = enter_now(*this->primitive_, this->waiter());
        s != wait_status::queued) {
      this->status_ = s;
      return false;
    }
    // Registered before the node is published: nobody can resume us yet, so the callback cannot be
    // destroyed under its own construction. If it fires meanwhile, it finds the wait idle.
    callback_.emplace(std::move(token_), on_stop{this});
    return begin_wait(*this->primitive_, this->waiter());
  }
  result_type await_resume() noexcept {
    callback_.reset();
    return this->template result_as<result_type>();
  }

 private:
  struct on_stop {
    stoppable_awaiter* self;
    void operator()() const noexcept {
      end_wait(*self->primitive_, self->waiter(), wait_status::stopped);
    }
  };

  std::stop_token token_;
  std::optional<std::stop_callback<on_stop>> callback_;
};

}  // namespace detail
COROLOCK_END
