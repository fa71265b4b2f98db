// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers
#pragma once

// The one place that names atomics, pauses and blocking locks; everything else in corolock goes
// through the threading policy declared here. Under COROLOCK_EXPLORE it is the schedule explorer's,
// explore/detail/sync.hpp, in a namespace of its own.
//
//   multi_threaded    the object may be used from any thread
//   single_threaded   the object and all its waiters stay on one thread, or on one strand
//
// A policy offers the same operations on plain words (std::atomic_ref, because in C++20 a member
// std::atomic is zeroed when it is constructed, a store that no waiter needs):
//
//   load(x, order) store(x, value, order) exchange(x, value, order)
//   compare_exchange(x, expected, desired, order) fetch_add(x, value, order)
//   blocking_mutex    guards a short section that runs no foreign code (a map look-up)
//   pause(round)      one round of waiting for another thread that is about to be done

#include <corolock/detail/config.hpp>

#if defined(COROLOCK_EXPLORE)
#include <corolock/explore/detail/sync.hpp>
#else
#include <atomic>
#include <cstdint>
#include <mutex>
#include <thread>
#endif

COROLOCK_BEGIN

#if !defined(COROLOCK_EXPLORE)

/// Threading policy of objects that any thread may use.
struct multi_threaded {
  static constexpr bool is_thread_safe = true;

  using blocking_mutex = std::mutex;

  template <class T>
  static T load(const T& object, std::memory_order order) noexcept {
    return std::atomic_ref<T>(const_cast<T&>(object)).load(order);
  }
  template <class T>
  static void store(T& object, T value, std::memory_order order) noexcept {
    std::atomic_ref<T>(object).store(value, order);
  }
  template <class T>
  static T exchange(T& object, T value, std::memory_order order) noexcept {
    return std::atomic_ref<T>(object).exchange(value, order);
  }
  template <class T>
  static bool compare_exchange(T& object, T& expected, T desired,
                               std::memory_order order) noexcept {
    return std::atomic_ref<T>(object).compare_exchange_strong(expected, desired, order,
                                                              std::memory_order_relaxed);
  }
  template <class T>
  static T fetch_add(T& object, T value, std::memory_order order) noexcept {
    return std::atomic_ref<T>(object).fetch_add(value, order);
  }

  /// Called with 1, 2, 3, ... while another thread has the queue open. That thread runs no foreign
  /// code meanwhile, so the wait is short unless it was preempted: then it needs our time slice.
  static void pause(unsigned round) noexcept {
    if (round % 64 == 0) {
      std::this_thread::yield();
      return;
    }
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    asm volatile("yield");
#endif
  }
};

/// Threading policy of objects that one thread, or one strand, uses: asyncio's own model.
struct single_threaded {
  static constexpr bool is_thread_safe = false;

  struct blocking_mutex {
    void lock() noexcept {}
    void unlock() noexcept {}
  };

  template <class T>
  static T load(const T& object, std::memory_order) noexcept {
    return object;
  }
  template <class T>
  static void store(T& object, T value, std::memory_order) noexcept {
    object = value;
  }
  template <class T>
  static T exchange(T& object, T value, std::memory_order) noexcept {
    T old = object;
    object = value;
    return old;
  }
  template <class T>
  static bool compare_exchange(T& object, T& expected, T desired, std::memory_order) noexcept {
    if (object != expected) {
      expected = object;
      return false;
    }
    object = desired;
    return true;
  }
  template <class T>
  static T fetch_add(T& object, T value, std::memory_order) noexcept {
    T old = object;
    object = static_cast<T>(old + value);
    return old;
  }
  static void pause(unsigned) noexcept {}
};

namespace detail {

// Tells the explorer what the operations inside mean as one; in production, nothing.
enum class lock_operation : std::uint8_t { request, release };
struct operation_scope {
  constexpr operation_scope(lock_operation, const void*) noexcept {}
};

// Tells the explorer that whoever runs has a queue open, or is about to close it; in production,
// nothing. And the link of a waiter, which only who has the queue open may read while it is queued.
constexpr void queue_opened() noexcept {}
constexpr void queue_closes() noexcept {}
using link_word = std::uintptr_t;

// Which task of the explorer made a waiter; in production, nothing: what has no executor is resumed
// by the trampoline.
struct waiter;
struct waiting_task {
  static constexpr bool exists = false;
  static constexpr bool resumes(waiter&, std::uintptr_t) noexcept { return false; }
  static constexpr bool forgets(waiter&) noexcept { return false; }
};

// Tell the explorer who queues for what, and who has it, so that a deadlock can be explained; in
// production, nothing. A lock is known by the address of its queue.
struct call_site {
  static constexpr call_site current() noexcept { return {}; }
};
constexpr void tell_queued(auto& /*waiter*/, const void* /*lock*/) noexcept {}
constexpr void tell_queued(auto& /*waiter*/, const void* /*lock*/, const void* /*primitive*/,
                           const auto& /*key*/) noexcept {}
constexpr void tell_taken(const void* /*lock*/, const auto& /*record*/) noexcept {}
constexpr void tell_granted(const auto& /*waiter*/, const void* /*lock*/,
                            const void* /*primitive*/) noexcept {}
constexpr void tell_released(const void* /*lock*/) noexcept {}

}  // namespace detail

#endif  // !COROLOCK_EXPLORE

/// A lock for a few instructions that run no foreign code, where a std::mutex would cost more than
/// what it guards.
class spin_lock {
 public:
  void lock() noexcept {
    for (unsigned round = 1;
         multi_threaded::exchange(held_, std::uint32_t{1}, std::memory_order_acquire) != 0;
         ++round) {
      multi_threaded::pause(round);
    }
  }
  void unlock() noexcept {
    multi_threaded::store(held_, std::uint32_t{0}, std::memory_order_release);
  }

 private:
  std::uint32_t held_ = 0;
};

COROLOCK_END
