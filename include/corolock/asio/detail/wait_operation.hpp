// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers
#pragma once

// wait_operation: one wait whose completion goes to an Asio handler.
//
// It is a waiter (detail/awaiter.hpp) that lives with its handler in memory from the handler's
// associated allocator, or in the frame of the coroutine that waits. Who touches what:
//
//   the initiating thread   builds it, assigns the cancellation slot, arms the timer, and begins
//                           the wait as its last act
//   whoever grants          posts the completion to the handler's executor, then takes `pending`
//                           off the status, and no more
//   the handler's executor  everything else: the slot, the timer, the status, the handler
//
// The wait and the timer are its two parts; each ends exactly once, by being run or by being
// dropped (an executor that is destroyed drops what it holds), and the last one to end delivers the
// completion, or destroys the operation if a part was dropped. On a context with several threads
// and without a strand the parts may end concurrently, so they are counted atomically.
//
// While the status is `pending`, neither does the completion go on, nor does the shutdown of the
// handler's execution context: a thread that grants may still be in the call that posts to it.
//
// A cancellation or time-out that comes after the grant but before the completion has run passes
// the grant on. A grant that nobody takes, because the completion is dropped, is given back.

#include <corolock/asio/detail/wait_memory.hpp>
#include <corolock/asio/detail/wait_service.hpp>
#include <corolock/asio/error.hpp>
#include <corolock/asio/timer.hpp>
#include <corolock/detail/awaiter.hpp>
#include <corolock/detail/clock.hpp>

#include <boost/asio/associated_allocator.hpp>
#include <boost/asio/associated_cancellation_slot.hpp>
#include <boost/asio/associated_executor.hpp>
#include <boost/asio/cancellation_type.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/execution.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/prefer.hpp>
#include <boost/asio/query.hpp>
#include <boost/asio/recycling_allocator.hpp>
#include <boost/asio/require.hpp>
#include <boost/asio/system_executor.hpp>

#include <exception>
#include <memory>
#include <tuple>
#include <type_traits>
#include <utility>

COROLOCK_BEGIN
namespace asio::detail {

using boost::system::error_code;
using corolock::detail::wait_status;

// Limits such as hours::max() and time_point::max() are meant as "no limit", and must not overflow.
// None is rounded down: nobody times out early.

// now + limit; a limit below zero has passed now.
template <class Clock, class Duration>
typename Clock::time_point saturated_add(typename Clock::time_point now, Duration limit) {
  using seconds = std::chrono::duration<double>;
  if (limit <= Duration::zero()) {
    return now;
  }
  if (seconds(limit) >= seconds(Clock::time_point::max() - now)) {
    return Clock::time_point::max();
  }
  return now + std::chrono::ceil<typename Clock::duration>(limit);
}
template <class Clock, class Duration>
typename Clock::time_point saturated_cast(std::chrono::time_point<Clock, Duration> limit) {
  using seconds = std::chrono::duration<double>;
  using time_point = typename Clock::time_point;
  const seconds since_epoch = limit.time_since_epoch();
  if (since_epoch >= seconds(time_point::max().time_since_epoch())) {
    return time_point::max();
  }
  if (since_epoch <= seconds(time_point::min().time_since_epoch())) {
    return time_point::min();
  }
  return std::chrono::ceil<typename Clock::duration>(limit);
}

// The time given to a wait: none, a duration from its beginning, or a time point.
struct no_deadline {};
template <class Duration>
struct deadline_after {
  using clock = corolock::detail::steady_clock;
  Duration limit;
  clock::time_point time_point() const { return saturated_add<clock>(clock::now(), limit); }
};
template <class Clock, class Duration>
struct deadline_at {
  using clock = Clock;
  std::chrono::time_point<Clock, Duration> when;
  typename Clock::time_point time_point() const { return saturated_cast(when); }
};

inline error_code error_of(wait_status s) {
  switch (s) {
    case wait_status::granted: return {};
    case wait_status::stopped: return boost::asio::error::operation_aborted;
    default: return corolock::detail::why_ended(s);
  }
}

// The signature of a wait's completion: void(error_code, grant), or void(error_code). A coroutine
// that has the operation in its frame takes the bare status instead, see wait_in_awaitable.
template <class Grant>
struct completion {
  using signature = void(error_code, Grant);
  using in_frame = void(wait_status, Grant);
  using tuple = std::tuple<error_code, Grant>;
};
template <>
struct completion<void> {
  using signature = void(error_code);
  using in_frame = void(wait_status);
  using tuple = std::tuple<error_code>;
};

// std::allocator means that the handler has no wish: then Asio's own recycled memory is used.
template <class Allocator>
auto recycled(const Allocator& allocator) noexcept {
  return allocator;
}
template <class T>
auto recycled(const std::allocator<T>&) noexcept {
  return boost::asio::recycling_allocator<T>();
}

// One of the two parts of an operation, as the function object that an executor runs or drops.
template <class Operation, class Part>
class part_handler {
 public:
  explicit part_handler(Operation& op) noexcept : op_(&op) {}
  part_handler(part_handler&& other) noexcept : op_(std::exchange(other.op_, nullptr)) {}
  part_handler& operator=(part_handler&&) = delete;
  ~part_handler() {
    if (op_ != nullptr) {
      op_->drop(Part());
    }
  }

  using allocator_type = typename Operation::part_allocator_type;
  allocator_type get_allocator() const noexcept { return op_->part_allocator(); }

  void operator()() { std::exchange(op_, nullptr)->run(Part()); }
  void operator()(error_code error) { std::exchange(op_, nullptr)->run(Part(), error); }

 private:
  Operation* op_;
};

struct wait_part {};
struct timer_part {};

// What a timed wait needs besides, and an untimed one does not.
struct no_timer {
  explicit no_timer(const auto& /*executor*/) noexcept {}
};
template <class Deadline>
struct timer_for {
  using type = basic_timer<typename Deadline::clock>;
};
template <>
struct timer_for<no_deadline> {
  using type = no_timer;
};

template <class Allocator>
inline constexpr bool is_in_frame = false;
template <class T>
inline constexpr bool is_in_frame<wait_allocator<T>> = true;

// The wait that this thread is posting the completion of just now.
inline constinit thread_local const corolock::detail::extended_waiter* this_thread_completes =
    nullptr;

// What this thread's trampoline runs when that call has dropped the completion.
struct dropped_step : corolock::detail::step {};

// Keeps the execution context from running out of work while the wait lasts. A coroutine does that
// itself, for as long as it lives (co_spawn).
template <class Allocator, class Executor>
struct work_for {
  explicit work_for(const Executor& executor)
      : executor_(boost::asio::prefer(executor, boost::asio::execution::outstanding_work.tracked)) {
  }

  std::decay_t<decltype(boost::asio::prefer(std::declval<const Executor&>(),
                                            boost::asio::execution::outstanding_work.tracked))>
      executor_;
};
template <class T, class Executor>
struct work_for<wait_allocator<T>, Executor> {
  explicit work_for(const Executor&) noexcept {}
};

// `Executor` is the handler's associated executor, or what that one wraps, and `Allocator` where
// the operation lives: see start_wait.
template <class P, class W, class Deadline, class Handler, class Executor, class Allocator>
class wait_operation final : W, wait_service::entry, dropped_step {
  using threading = typename P::threading;
  using grant_type = corolock::detail::grant_of<P, W>;
  using work_type = work_for<Allocator, Executor>;

  static constexpr bool is_timed = !std::is_same_v<Deadline, no_deadline>;

 public:
  // Where an executor may keep a part. In the frame only if it keeps nothing else there, which
  // might outlive the part, and so the frame: a strand does.
  static auto part_allocator(const Allocator& allocator) noexcept {
    if constexpr (is_in_frame<Allocator> &&
                  !std::is_same_v<Executor, boost::asio::io_context::executor_type>) {
      return boost::asio::recycling_allocator<void>();
    } else {
      return allocator;
    }
  }
  using part_allocator_type = decltype(part_allocator(std::declval<const Allocator&>()));

  // Begins the wait. All that follows happens through the handler.
  template <class... Request>
  static void start(P& p, Deadline deadline, Handler handler, const Executor& executor,
                    const Allocator& allocator, Request&&... request) {
    auto rebound = rebind(allocator);
    wait_operation* op = std::allocator_traits<decltype(rebound)>::allocate(rebound, 1);
    try {
      ::new (static_cast<void*>(op)) wait_operation(p, std::move(handler), executor, allocator,
                                                    std::forward<Request>(request)...);
    } catch (...) {
      std::allocator_traits<decltype(rebound)>::deallocate(rebound, op, 1);
      throw;
    }
    bool has_to_wait = true;
    try {
      has_to_wait = op->prepare(deadline);
    } catch (...) {
      op->clear_slot();
      op->delete_this();
      throw;
    }
    if (!has_to_wait || !corolock::detail::begin_wait(op->primitive_, op->waiter())) {
      op->post_completion();
    }
  }

  part_allocator_type part_allocator() const noexcept { return part_allocator(allocator_); }

 private:
  template <class, class>
  friend class part_handler;

  template <class... Request>
  wait_operation(P& p, Handler&& handler, const Executor& executor, const Allocator& allocator,
                 Request&&... request)
      : W(std::forward<Request>(request)...),
        primitive_(p),
        handler_(std::move(handler)),
        executor_(executor),
        allocator_(allocator),
        work_(executor),
        timer_(executor) {
    this->link_ = 0;  // a wait that never queues may be dropped too
    this->frame_ = corolock::detail::frame_is_extended;
    this->post_ = &wait_operation::woken;
  }

  // False if it has entered at once.
  bool prepare(const Deadline& deadline) {
    if constexpr (boost::asio::can_query_v<const Executor&, boost::asio::execution::context_t>) {
      enlist(boost::asio::query(executor_, boost::asio::execution::context));
    }
    auto cancellation = boost::asio::get_associated_cancellation_slot(handler_);
    if (cancellation.is_connected()) {
      cancellation.template emplace<canceller>(*this);
    }
    if constexpr (is_timed) {
      // Before the timer is armed: only what has to wait can time out.
      const wait_status s = corolock::detail::enter_now(primitive_, waiter());
      if (s != wait_status::queued) {
        this->status_ = s;
        return false;
      }
      timer_.expires_at(deadline.time_point());
      parts_ = 2;
      timer_.async_wait(part_handler<wait_operation, timer_part>(*this));
    }
    return true;
  }

  // In the handler's cancellation slot. The wait leaves no trace, so every type of cancellation is
  // honoured. It and the operation know of each other, because either may be destroyed first: the
  // signal by its owner, the operation with its execution context.
  class canceller {
   public:
    explicit canceller(wait_operation& self) noexcept : self_(&self) { self.canceller_ = this; }
    canceller(const canceller&) = delete;
    canceller& operator=(const canceller&) = delete;
    ~canceller() {
      if (self_ != nullptr) {
        self_->canceller_ = nullptr;
      }
    }

    void operator()(boost::asio::cancellation_type_t type) {
      if (self_ != nullptr && type != boost::asio::cancellation_type::none) {
        corolock::detail::end_wait(self_->primitive_, self_->waiter(), wait_status::stopped);
      }
    }
    void forget() noexcept { self_ = nullptr; }

   private:
    wait_operation* self_;
  };
  void clear_slot() {
    if (canceller_ != nullptr) {
      boost::asio::get_associated_cancellation_slot(handler_).clear();
    }
  }

  // By whoever granted or ended the wait.
  static void woken(corolock::detail::extended_waiter& n, wait_status outcome) noexcept {
    auto& self = static_cast<wait_operation&>(static_cast<W&>(n));
    const auto* const outer = std::exchange(this_thread_completes, &n);
    self.post_completion();
    if (std::exchange(this_thread_completes, outer) == &n) {
      threading::store(n.status_, outcome, std::memory_order_release);  // n may be gone
      return;
    }
    // A strand drops what is posted to it when its execution context has been shut down. The grant
    // passes on, perhaps to the next one of that strand, and so on: not inside each other.
    n.status_ = outcome;
    auto& end = static_cast<dropped_step&>(self);
    end.run_ = [](corolock::detail::step& s) noexcept {
      auto& dropped = static_cast<wait_operation&>(static_cast<dropped_step&>(s));
      dropped.link_ = 0;
      dropped.wait_dropped();
    };
    n.frame_ = corolock::detail::address_of(static_cast<corolock::detail::step*>(&end)) |
               corolock::detail::frame_is_step | corolock::detail::frame_is_extended;
    corolock::detail::this_thread_trampoline.run(n, n.frame_);
  }
  void post_completion() noexcept {
    const Executor executor = executor_;  // *this may be gone before the call returns
    boost::asio::prefer(boost::asio::require(executor, boost::asio::execution::blocking.never),
                        boost::asio::execution::relationship.fork,
                        boost::asio::execution::allocator(part_allocator()))
        .execute(part_handler<wait_operation, wait_part>(*this));
  }

  // The parts, on the handler's executor.
  void run(wait_part) {
    corolock::detail::wait_until_posted<threading>(waiter());
    if constexpr (requires { primitive_.recheck(waiter()); }) {
      if (!primitive_.recheck(waiter())) {
        return;  // a condition whose predicate is false: the wait goes on
      }
    }
    if constexpr (is_timed) {
      timer_.cancel();
    }
    part_ended();
  }
  void run(timer_part, error_code error) {
    // A timer that has fired before it could be cancelled takes no grant away.
    const bool waits = multi_threaded::load(parts_, std::memory_order_acquire) == 2;
    if (!error && waits) {
      corolock::detail::end_wait(primitive_, waiter(), wait_status::timed_out);
    }
    part_ended();
  }
  void drop(wait_part) noexcept {
    if (this_thread_completes == &waiter()) {
      this_thread_completes = nullptr;  // and woken() goes on
    } else {
      wait_dropped();
    }
  }
  void drop(timer_part) noexcept {
    if (multi_threaded::fetch_add(parts_, -1, std::memory_order_acq_rel) == 1) {
      if (!was_dropped_) {  // the wait has ended, but its completion waited for the timer's
        corolock::detail::abandon_wait(primitive_, waiter());
      }
      destroy();
    }
  }
  void shut_down() noexcept override {
    if (corolock::detail::leave_queue(primitive_, waiter())) {
      wait_is_over();
    }
  }
  void wait_dropped() noexcept {
    corolock::detail::abandon_wait(primitive_, waiter());
    wait_is_over();
  }
  // Without a completion. The timer may keep the operation for a while, and a handler that is
  // destroyed meanwhile may cancel it: there is nothing left to end.
  void wait_is_over() noexcept {
    if constexpr (requires { waiter().place_; }) {
      waiter().place_ = {};  // own_task
    }
    this->status_ = wait_status::stopped;
    was_dropped_ = true;
    part_ended();
  }

  void part_ended() {
    if (multi_threaded::fetch_add(parts_, -1, std::memory_order_acq_rel) != 1) {
      return;
    }
    if (was_dropped_) {
      destroy();
    } else {
      deliver();
    }
  }

  void deliver() {
    clear_slot();  // here and not before: until now a cancellation passes the grant on
    if constexpr (requires { waiter().thrown_; }) {
      if (waiter().thrown_) {
        std::terminate();  // the predicate threw, and there is nobody to catch it
      }
    }
    const wait_status s = corolock::detail::settle(primitive_, waiter());
    [[maybe_unused]] const work_type work = std::move(work_);  // until the handler has returned
    if constexpr (std::is_void_v<grant_type>) {
      if (s == wait_status::granted) {
        corolock::detail::core_access::take(primitive_, waiter());
      }
      Handler handler = release_handler();
      std::move(handler)(reported(s));
    } else {
      grant_type grant = s == wait_status::granted
                             ? corolock::detail::core_access::take(primitive_, waiter())
                             : grant_type();
      Handler handler = release_handler();
      std::move(handler)(reported(s), std::move(grant));
    }
  }

  static auto reported(wait_status s) {
    if constexpr (is_in_frame<Allocator>) {
      return s;
    } else {
      return error_of(s);
    }
  }

  // The memory goes back before the handler runs, so that the next wait of the same task has it.
  Handler release_handler() {
    Handler handler(std::move(handler_));
    delete_this();
    return handler;
  }
  void destroy() noexcept {
    [[maybe_unused]] const work_type work = std::move(work_);
    // Outlives the memory that its allocator frees.
    [[maybe_unused]] const Handler handler(std::move(handler_));
    delete_this();
  }
  void delete_this() noexcept {
    delist();
    if (canceller_ != nullptr) {
      canceller_->forget();
    }
    auto rebound = rebind(allocator_);
    this->~wait_operation();
    std::allocator_traits<decltype(rebound)>::deallocate(rebound, this, 1);
  }

  static auto rebind(const Allocator& allocator) noexcept {
    return
        typename std::allocator_traits<Allocator>::template rebind_alloc<wait_operation>(allocator);
  }

  W& waiter() noexcept { return *this; }

  P& primitive_;
  Handler handler_;
  const Executor executor_;
  [[no_unique_address]] const Allocator allocator_;
  [[no_unique_address]] work_type work_;
  [[no_unique_address]] typename timer_for<Deadline>::type timer_;
  canceller* canceller_ = nullptr;  // while it is in the handler's slot
  int parts_ = 1;
  bool was_dropped_ = false;
};

}  // namespace asio::detail
COROLOCK_END
