// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers
#pragma once

// A meeting point of n tasks.
//
//   async_barrier, local_async_barrier    the barrier; the local one is for one thread

#include <corolock/detail/awaiter.hpp>
#include <corolock/diagnostics.hpp>

#include <cstddef>
#include <optional>
#include <type_traits>
#include <utility>

COROLOCK_BEGIN

namespace detail {

template <class Diagnostics>
struct barrier_waiter : recorded_waiter<Diagnostics> {
  explicit barrier_waiter(typename Diagnostics::call_site where) noexcept
      : recorded_waiter<Diagnostics>(typename Diagnostics::wait_record(where)) {}

  std::size_t index_ = 0;
};

}  // namespace detail

/// What statistics() of a barrier tells: a picture of one moment, for people.
struct barrier_statistics {
  std::size_t parties = 0;
  std::size_t waiters = 0;
  bool broken = false;
};

/// Lets tasks go on when n of them have arrived, again and again. Python: asyncio.Barrier.
///
/// **When.** Tasks work in phases, and none may begin a phase before all have ended the last one.
/// **When not.** To wait for tasks to finish, await them; to wait for one fact, use async_event.
///
/// | state | async_arrive_and_wait | reset | abort |
/// |---|---|---|---|
/// | fewer than n - 1 wait | waits | waiters: broken | waiters: broken; is broken |
/// | n - 1 wait | all n go on; nobody waits | waiters: broken | waiters: broken; is broken |
/// | broken | errc::broken, no suspension | works again | nothing |
///
/// **Order.** The n tasks are resumed in the order of their arrival, and that is their index:
/// 0 to n - 1, each once, whoever was stopped meanwhile. The next n may arrive at once.
/// **Resumption.** As async_mutex; the last to arrive is resumed like the others.
/// **Cancellation.** Total: a stopped waiter has not arrived, and the barrier is not broken.
/// **Memory order.** What any of the n did before it arrived is seen by all of them after it.
/// **Thread safety.** Distinct objects: safe. Shared objects: safe; of the local one: unsafe.
/// **Lifetime.** It outlives its waiters; one that was let go may destroy it when no other uses it.
/// **Cost.** No allocation; O(1), the last arrival O(n).
/// **See also.** async_event.
template <class Threading, class Diagnostics = no_diagnostics>
class basic_async_barrier {
 public:
  using call_site = typename Diagnostics::call_site;

  // For the front ends (see detail/awaiter.hpp).
  using threading = Threading;
  using waiter_type = detail::barrier_waiter<Diagnostics>;
  static constexpr bool wait_may_end = true;

  /// For `parties` tasks. Precondition: at least one.
  template <class... Args>
    requires(std::is_constructible_v<Diagnostics, Args...>)
  explicit basic_async_barrier(std::size_t parties, Args&&... args)
      : parties_(parties), diagnostics_(std::forward<Args>(args)...) {
    COROLOCK_ASSERT(parties > 0, "an async_barrier of no parties");
  }
  ~basic_async_barrier() {
    COROLOCK_ASSERT(detail::wait_queue<Threading>::front(queue_.peek()) == nullptr,
                    "an async_barrier was destroyed while tasks waited at it");
  }

  basic_async_barrier(const basic_async_barrier&) = delete;
  basic_async_barrier& operator=(const basic_async_barrier&) = delete;

  /// co_await it: the task's index when n have arrived, or errc::broken.
  detail::wait_awaiter<basic_async_barrier, waiter_type> async_arrive_and_wait(
      call_site where = call_site::current()) noexcept {
    return detail::wait_awaiter<basic_async_barrier, waiter_type>(*this, where);
  }
  /// co_await it: the task's index when n have arrived, or errc::broken or errc::stopped.
  detail::stoppable_awaiter<basic_async_barrier, waiter_type> async_arrive_and_wait(
      std::stop_token token, call_site where = call_site::current()) noexcept {
    return detail::stoppable_awaiter<basic_async_barrier, waiter_type>(*this, std::move(token),
                                                                       where);
  }
  /// Arrives if this is the last arrival, which need not wait: the index n - 1. Else does nothing.
  std::optional<std::size_t> try_arrive() noexcept {
    detail::wake_list<Threading> woken;
    detail::queue_word w = queue_.open();
    std::optional<std::size_t> index;
    if (!broken_ && waiters_ + 1 == parties_) {
      index = waiters_;
      let_go(w, woken);
    }
    queue_.close(w);
    woken.wake();  // *this may be gone
    return index;
  }

  /// Ends the waits of those that have arrived, with errc::broken; the barrier works (again).
  void reset() noexcept { break_waits(false); }
  /// Ends the waits of those that have arrived, and later ones, with errc::broken, until reset().
  void abort() noexcept { break_waits(true); }

  [[nodiscard]] std::size_t parties() const noexcept { return parties_; }
  [[nodiscard]] bool is_broken() const noexcept { return statistics().broken; }

  [[nodiscard]] barrier_statistics statistics() const noexcept {
    auto& queue = const_cast<detail::wait_queue<Threading>&>(queue_);
    const detail::queue_word w = queue.open();
    const barrier_statistics result{parties_, waiters_, broken_};
    queue.close(w);
    return result;
  }

  /// The diagnostics policy's own object.
  [[nodiscard]] const Diagnostics& diagnostics() const noexcept { return diagnostics_; }

 private:
  friend struct detail::core_access;

  detail::wait_status enter(detail::queue_word&, waiter_type&) noexcept {
    return broken_ ? detail::wait_status::broken : detail::wait_status::queued;
  }
  void arrived(detail::queue_word& w, detail::wake_list<Threading>& woken) noexcept {
    if (++waiters_ == parties_) {
      let_go(w, woken);
    }
  }
  void left(detail::queue_word&, detail::wake_list<Threading>&) noexcept { --waiters_; }
  void give_up(waiter_type&) noexcept {}
  std::size_t take(waiter_type& n) noexcept {
    diagnostics_.granted(n.record_);
    return n.index_;
  }

  // Queue open. The index is given here, not at arrival, so that it is unique whoever has left.
  void let_go(detail::queue_word& w, detail::wake_list<Threading>& woken) noexcept {
    for (std::size_t index = 0; detail::wait_queue<Threading>::front(w) != nullptr; ++index) {
      auto& n = static_cast<waiter_type&>(queue_.pop_front(w));
      n.index_ = index;
      woken.add(n, detail::wait_status::granted);
    }
    waiters_ = 0;
  }
  void break_waits(bool broken) noexcept {
    detail::wake_list<Threading> woken;
    detail::queue_word w = queue_.open();
    broken_ = broken;
    while (detail::wait_queue<Threading>::front(w) != nullptr) {
      woken.add(queue_.pop_front(w), detail::wait_status::broken);
    }
    waiters_ = 0;
    queue_.close(w);
    woken.wake();  // *this may be gone
  }

  // These belong to whoever has the queue open.
  detail::wait_queue<Threading> queue_;
  std::size_t waiters_ = 0;
  bool broken_ = false;
  const std::size_t parties_;
  [[no_unique_address]] Diagnostics diagnostics_;
};

using async_barrier = basic_async_barrier<multi_threaded>;
using local_async_barrier = basic_async_barrier<single_threaded>;

COROLOCK_END
