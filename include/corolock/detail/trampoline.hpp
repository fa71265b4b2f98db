// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers
#pragma once

// The trampoline: where a thread runs the waiters that have no executor of their own.
//
// The outermost unlock of a thread resumes the waiter that it granted. That task may unlock in its
// turn, and so on: each of these inner grants is only listed, and the outermost unlock resumes them
// one after the other when the stack has unwound to it. So the stack stays flat however many
// waiters there are (a million on 64 KiB: BoundedStack.AMillionWaitersDrainOnA64KiBStack), and
// their order is the order of the grants.
//
//   count_ = -1      nothing runs on this thread's trampoline
//   count_ = n >= 0  a waiter runs, and n more are listed
//
// Everything here belongs to one thread; nothing is atomic. A waiter that is listed may be
// destroyed by its own thread and leaves the list then.

#include <corolock/detail/waiter.hpp>

#include <cstddef>

COROLOCK_BEGIN
namespace detail {

class trampoline {
 public:
  // Resumes the frame now if this is the outermost call, else when the outermost one gets to it.
  COROLOCK_ALWAYS_INLINE void run(waiter& n, std::uintptr_t frame) noexcept {
    if constexpr (waiting_task::exists) {
      if (n.task_.resumes(n, frame)) {
        return;
      }
    }
    if (++count_ != 0) {
      append(n);
      return;
    }
    resume_frame(frame);
    if (--count_ >= 0) {
      drain();
    }
  }

  // Several waiters at once: hold() keeps list() from being overtaken by what it listed before, and
  // release() runs them. Returns what release() takes.
  [[nodiscard]] bool hold() noexcept {
    if (count_ >= 0) {
      return false;
    }
    count_ = 0;
    return true;
  }
  void list(waiter& n) noexcept {
    if constexpr (waiting_task::exists) {
      if (n.task_.resumes(n, n.frame_)) {
        return;
      }
    }
    ++count_;
    append(n);
  }
  void release(bool held) noexcept {
    if (held && --count_ >= 0) {
      drain();
    }
  }

  // Whether a running waiter may go over to another one by symmetric transfer, to be listed itself.
  // A transfer is not a tail call in every build, so only so many may follow each other.
  [[nodiscard]] bool may_transfer() noexcept {
    if (count_ < 0 || transfers_ == transfers_in_a_row_max) {
      return false;
    }
    ++transfers_;
    return true;
  }

  // The waiter is listed here and its frame is about to be destroyed.
  COROLOCK_COLD void remove(waiter& n) noexcept {
    if constexpr (waiting_task::exists) {
      if (n.task_.forgets(n)) {
        return;
      }
    }
    waiter* next = waiter_at(n.link_);
    if (head_ == &n) {
      head_ = next;
    } else {
      n.prev_->link_ = n.link_;
    }
    if (tail_ == &n) {
      tail_ = n.prev_;
    } else {
      next->prev_ = n.prev_;
    }
    n.link_ = 0;
    --count_;
  }

 private:
  // count_ counts n already.
  void append(waiter& n) noexcept {
    n.link_ = link_is_listed;
    n.prev_ = tail_;
    if (count_ == 1) {
      head_ = &n;
    } else {
      tail_->link_ = address_of(&n) | link_is_listed;
    }
    tail_ = &n;
  }

  void drain() noexcept {
    do {
      waiter& n = *head_;
      head_ = waiter_at(n.link_);
      transfers_ = 0;
      resume_frame(n.frame_);
    } while (--count_ >= 0);
  }

  static constexpr unsigned transfers_in_a_row_max = 32;

  std::ptrdiff_t count_ = -1;
  waiter* head_ = nullptr;  // valid while count_ > 0
  waiter* tail_ = nullptr;  // valid while count_ > 0
  unsigned transfers_ = 0;  // since the trampoline resumed a waiter
};

inline constinit thread_local trampoline this_thread_trampoline;

}  // namespace detail
COROLOCK_END
