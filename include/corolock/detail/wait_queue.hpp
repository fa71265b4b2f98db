// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers
#pragma once

// wait_queue: the one queue that carries every primitive.
//
// It is two words. `word_` is the state, and whoever swaps it for `busy` has the queue open: until
// it puts a word back, it alone may touch the word, the tail, the links of the queued waiters and
// whatever else the primitive keeps. Opening is one exchange, closing is one store:
//
//   word_   0             empty
//           1             empty, with the primitive's flag set (async_mutex: held)
//           address | 1   the first waiter
//           2             busy: some thread has it open
//
// Links are tagged like the word, so that taking the first waiter out is `word = first.link_`.
//
// Why each race is safe
//   destroy after unlock   A thread that hands over does so by closing. Until then nobody else can
//                          own the primitive, because owning needs the word; after it the thread
//                          touches neither the primitive nor a queued waiter again.
//                          (Stress.DestroyAfterUnlock*)
//   grant, cancel, destroy are serialised by the open queue. A stop callback may open it because
//                          its waiter cannot leave await_resume before the callback has returned.
//                          (Stress.CancelRacesUnlock,
//                          Stress.FramesDestroyedAgainstAForeignUnlocker)
//   enqueue, unlock        Both open the queue: an unlocker sees the waiter, or the waiter sees the
//                          free lock. There is no window between them. (Stress.MixedOperations)
//   memory order           Opening acquires what closing released, so all that was done before an
//                          unlock happens before what the next owner does.
// Nobody waits for anything while it has the queue open, so the wait for `busy` is short; it
// yields to a thread that was preempted there.

#include <corolock/detail/trampoline.hpp>

#include <cstddef>

COROLOCK_BEGIN
namespace detail {

using queue_word = std::uintptr_t;

inline constexpr queue_word queue_empty = 0;
inline constexpr queue_word queue_flag = 1;
inline constexpr queue_word queue_busy = 2;

template <class Threading>
class wait_queue {
 public:
  constexpr wait_queue() noexcept = default;
  explicit constexpr wait_queue(queue_word initial) noexcept : word_(initial) {}
  wait_queue(const wait_queue&) = delete;
  wait_queue& operator=(const wait_queue&) = delete;

  [[nodiscard]] COROLOCK_ALWAYS_INLINE queue_word open() noexcept { return opened(open_or_busy()); }

  // open() in two steps, for callers that expect a certain word: open_or_busy() may return `busy`,
  // and then the queue is open only after opened().
  [[nodiscard]] COROLOCK_ALWAYS_INLINE queue_word open_or_busy() noexcept {
    if constexpr (Threading::is_thread_safe) {
      const queue_word w = Threading::exchange(word_, queue_busy, std::memory_order_acquire);
      if (w != queue_busy) {
        queue_opened();
      }
      return w;
    } else {
      queue_opened();
      return word_;
    }
  }
  [[nodiscard]] COROLOCK_ALWAYS_INLINE queue_word opened(queue_word w) noexcept {
    if constexpr (Threading::is_thread_safe) {
      if (w == queue_busy) [[unlikely]] {
        w = open_contended();
      }
    }
    return w;
  }

  // Last touch: another thread may own, and destroy, the primitive from here on.
  COROLOCK_ALWAYS_INLINE void close(queue_word w) noexcept {
    queue_closes();
    Threading::store(word_, w, std::memory_order_release);
  }

  // Without opening: expected -> desired, or false. `busy` is waited for only by opening.
  [[nodiscard]] COROLOCK_ALWAYS_INLINE bool swap_word(queue_word& expected,
                                                      queue_word desired) noexcept {
    return Threading::compare_exchange(word_, expected, desired, std::memory_order_acquire);
  }

  // The word as it is now; waits for an open queue to be closed.
  [[nodiscard]] queue_word peek() const noexcept {
    queue_word w = Threading::load(word_, std::memory_order_acquire);
    for (unsigned round = 1; w == queue_busy; ++round) {
      Threading::pause(round);
      w = Threading::load(word_, std::memory_order_acquire);
    }
    return w;
  }

  // From here on: the queue is open, and `w` is its word.

  [[nodiscard]] static waiter* front(queue_word w) noexcept { return waiter_at(w); }

  COROLOCK_ALWAYS_INLINE void push_back(queue_word& w, waiter& n) noexcept {
    n.link_ = link_is_queued;
    if (front(w) == nullptr) {
      w = address_of(&n) | link_is_queued;
    } else {
      waiter* last = tail_;
      n.prev_ = last;
      last->link_ = address_of(&n) | link_is_queued;
    }
    tail_ = &n;
  }

  static waiter& pop_front(queue_word& w) noexcept {
    waiter& n = *front(w);
    w = n.link_;
    return n;
  }

  void remove(queue_word& w, waiter& n) noexcept {
    if (front(w) == &n) {
      w = n.link_;
    } else {
      n.prev_->link_ = n.link_;
    }
    if (waiter* next = waiter_at(n.link_)) {
      next->prev_ = n.prev_;
    } else {
      tail_ = n.prev_;
    }
  }

  [[nodiscard]] static std::size_t count(queue_word w) noexcept {
    std::size_t waiters = 0;
    for (waiter* n = front(w); n != nullptr; n = waiter_at(n->link_)) {
      ++waiters;
    }
    return waiters;
  }

 private:
  COROLOCK_COLD queue_word open_contended() noexcept {
    queue_word w = queue_busy;
    for (unsigned round = 1; w == queue_busy; ++round) {
      Threading::pause(round);
      if (Threading::load(word_, std::memory_order_relaxed) != queue_busy) {
        w = Threading::exchange(word_, queue_busy, std::memory_order_acquire);
      }
    }
    queue_opened();
    return w;
  }

  queue_word word_ = queue_empty;
  waiter* tail_ = nullptr;  // the last waiter; valid while there is one
};

// The waiters that one operation takes out of its queue, to be woken once it has closed it.
// All of them have their outcome from the moment they are added, so that what happens next to the
// primitive cannot take it away from them. `pending` keeps a waiter that is destroyed on another
// thread from freeing the node before wake() has read it; wake() runs no foreign code while a
// waiter is pending, because executors post and never run.
template <class Threading>
class wake_list {
 public:
  wake_list() noexcept = default;
  wake_list(const wake_list&) = delete;
  wake_list& operator=(const wake_list&) = delete;

  // Queue open; n has been taken out.
  void add(waiter& taken, wait_status outcome) noexcept {
    auto& n = static_cast<extended_waiter&>(taken);
    n.link_ = 0;
    Threading::store(n.status_, outcome | wait_status::pending, std::memory_order_relaxed);
    if (first_ == nullptr) {
      first_ = &n;
    } else {
      last_->link_ = address_of(&n);
    }
    last_ = &n;
  }

  // Queue closed. The primitive may be gone.
  void wake() noexcept {
    if (first_ == nullptr) {
      return;
    }
    trampoline& here = this_thread_trampoline;
    const bool held = here.hold();
    for (waiter* next = first_; next != nullptr;) {
      auto& n = static_cast<extended_waiter&>(*next);
      next = waiter_at(n.link_);
      const wait_status outcome =
          without_pending(Threading::load(n.status_, std::memory_order_relaxed));
      if (n.post_ != nullptr) {
        n.post_(n, outcome);  // n may be gone
      } else {
        Threading::store(n.status_, outcome, std::memory_order_relaxed);
        here.list(n);
      }
    }
    first_ = nullptr;
    here.release(held);
  }

 private:
  waiter* first_ = nullptr;
  waiter* last_ = nullptr;
};

}  // namespace detail
COROLOCK_END
