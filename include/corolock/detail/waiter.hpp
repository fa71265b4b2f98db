// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers
#pragma once

// waiter: the node that represents one waiting task. It lives inside the awaiter, so inside the
// waiting coroutine's own frame, or inside an operation of the Asio front end: waiting allocates
// nothing.
//
// A waiter is in exactly one of these states:
//
//   idle      not in any queue                       touched by its own task only
//   queued    in the queue of a primitive            touched by whoever has that queue open
//   granted   it has been given what it waited for   touched by its own task, and by the one thread
//             and will be resumed                    that wakes it until it has handed it on
//   ended     it was taken out of the queue with     as granted
//             an errc and will be resumed
//
// A plain waiter (a coroutine that waits for a mutex without a stop token and without an executor)
// needs no more than its link to tell these apart: nobody but the thread that grants can end its
// wait, and that same thread resumes it. An extended waiter carries the state in `status_`.

#include <corolock/detail/assert.hpp>
#include <corolock/detail/sync.hpp>
#include <corolock/errc.hpp>

#include <concepts>
#include <coroutine>
#include <cstdint>
#include <memory>
#include <type_traits>

COROLOCK_BEGIN

namespace detail {
struct extended_waiter;
}

/// What an executor runs: calling it resumes one waiting task, once.
///
/// An executor that is told to destroy a coroutine whose resumption it holds must drop that
/// resumption; `address()` says whose it is.
class resumption {
 public:
  resumption() noexcept = default;
  explicit resumption(detail::extended_waiter& n) noexcept;

  void operator()() const noexcept;

  /// The address of the coroutine frame (std::coroutine_handle<>::address()) that is resumed.
  [[nodiscard]] void* address() const noexcept { return address_; }

 private:
  void* address_ = nullptr;
  detail::extended_waiter* waiter_ = nullptr;
};

/// An executor for plain coroutines: `post` takes a resumption and calls it later, never before it
/// has returned. It is held by reference: it outlives the coroutines that it runs.
template <class E>
concept executor = requires(E& e, resumption r) { e.post(r); };

namespace detail {

struct step;

// The tags in the low bits of waiter::frame_.
inline constexpr std::uintptr_t frame_is_extended = 1;
inline constexpr std::uintptr_t frame_is_step = 2;
inline constexpr std::uintptr_t frame_tags = 3;

// What has to happen where the task would be resumed before its coroutine may go on:
// async_condition evaluates the predicate there.
struct alignas(8) step {
  void (*run_)(step&) noexcept;
  void* coroutine_;
};

COROLOCK_COLD inline void resume_tagged(std::uintptr_t frame) noexcept {
  void* address = reinterpret_cast<void*>(frame & ~frame_tags);
  if ((frame & frame_is_step) != 0) {
    auto& continuation = *static_cast<step*>(address);
    continuation.run_(continuation);
  } else {
    std::coroutine_handle<>::from_address(address).resume();
  }
}

// noexcept: an exception that leaves a resumed coroutine has nobody to go to, and terminates.
inline void resume_frame(std::uintptr_t frame) noexcept {
  if ((frame & frame_tags) == 0) {
    std::coroutine_handle<>::from_address(reinterpret_cast<void*>(frame)).resume();
  } else {
    resume_tagged(frame);
  }
}

// The executor of a coroutine is what its promise offers, if it offers one.
template <class Promise>
concept promise_with_executor = requires(Promise& p) {
  { p.get_executor() } -> std::convertible_to<std::remove_reference_t<decltype(p.get_executor())>&>;
  requires std::is_lvalue_reference_v<decltype(p.get_executor())>;
  requires executor<std::remove_reference_t<decltype(p.get_executor())>>;
};

enum class wait_status : std::uint32_t {
  idle,
  queued,
  granted,
  // ended, by each errc:
  stopped,
  timed_out,
  closed,
  broken,
  // added while the thread that took the waiter out of its queue still has to wake it
  pending = 0x100,
};

constexpr wait_status ended_by(errc e) noexcept {
  switch (e) {
    case errc::stopped: return wait_status::stopped;
    case errc::timed_out: return wait_status::timed_out;
    case errc::closed: return wait_status::closed;
    case errc::broken: return wait_status::broken;
  }
  return wait_status::broken;
}

constexpr errc why_ended(wait_status s) noexcept {
  switch (s) {
    case wait_status::stopped: return errc::stopped;
    case wait_status::timed_out: return errc::timed_out;
    case wait_status::closed: return errc::closed;
    default: return errc::broken;
  }
}

constexpr wait_status operator|(wait_status a, wait_status b) noexcept {
  return static_cast<wait_status>(static_cast<std::uint32_t>(a) | static_cast<std::uint32_t>(b));
}
constexpr bool is_pending(wait_status s) noexcept {
  return (static_cast<std::uint32_t>(s) & static_cast<std::uint32_t>(wait_status::pending)) != 0;
}
constexpr wait_status without_pending(wait_status s) noexcept {
  return static_cast<wait_status>(static_cast<std::uint32_t>(s) &
                                  ~static_cast<std::uint32_t>(wait_status::pending));
}

// The tags in the low bits of waiter::link_.
inline constexpr std::uintptr_t link_is_queued =
    1;  // set while queued; the address is the next one
inline constexpr std::uintptr_t link_is_listed = 2;  // set while listed on a thread's trampoline
inline constexpr std::uintptr_t link_tags = 3;

struct waiter {
  link_word link_;  // next waiter, tagged; the last one has a null address
  waiter* prev_;    // valid unless this is the first of its list
  std::uintptr_t
      frame_;  // coroutine to resume, tagged; 0: not suspended, the destructor's question
  [[no_unique_address]] waiting_task task_;

  explicit waiter(std::uintptr_t frame = 0) noexcept : frame_(frame) {}
  waiter(const waiter&) = delete;
  waiter& operator=(const waiter&) = delete;
};

// Hands a waiter whose status is `outcome | pending` to its executor and takes `pending` off.
using post_function = void (*)(extended_waiter& n, wait_status outcome) noexcept;

struct uninitialized_t {};

struct extended_waiter : waiter {
  post_function post_;  // null: it has no executor, the thread that wakes it resumes it
  void* context_;       // the executor, for post_
  wait_status status_;

  // Left for later by the hot path, which seldom needs them.
  explicit extended_waiter(uninitialized_t) noexcept {}
  extended_waiter() noexcept : post_(nullptr), context_(nullptr), status_(wait_status::idle) {}

  // Of the coroutine frame.
  [[nodiscard]] void* address() const noexcept {
    void* address = reinterpret_cast<void*>(frame_ & ~frame_tags);
    return (frame_ & frame_is_step) != 0 ? static_cast<step*>(address)->coroutine_ : address;
  }
};

#if COROLOCK_ASSERTIONS
// The waiter that this thread is handing to an executor just now.
inline constinit thread_local const extended_waiter* this_thread_posts = nullptr;
#endif

// `pending` goes after the executor has the resumption: a task that is destroyed on its executor
// waits for that, so that the executor can find and drop the resumption; a resumption that is
// called waits for it too, so that the node is still there.
template <class Threading, class Executor>
void post_to_executor(extended_waiter& n, wait_status outcome) noexcept {
#if COROLOCK_ASSERTIONS
  this_thread_posts = &n;
#endif
  static_cast<Executor*>(n.context_)->post(resumption(n));
#if COROLOCK_ASSERTIONS
  this_thread_posts = nullptr;
#endif
  Threading::store(n.status_, outcome, std::memory_order_release);
}

template <class Threading, executor Executor>
void set_executor(extended_waiter& n, Executor& e) noexcept {
  n.post_ = &post_to_executor<Threading, Executor>;
  n.context_ = const_cast<void*>(static_cast<const void*>(std::addressof(e)));
}

// The status, once no other thread needs the node any more to wake it.
template <class Threading>
wait_status wait_until_posted(const extended_waiter& n) noexcept {
  wait_status s = Threading::load(n.status_, std::memory_order_acquire);
  for (unsigned round = 1; is_pending(s); ++round) {
    COROLOCK_ASSERT(this_thread_posts != &n,
                    "an executor ran a resumption inside post(): post() must return first");
    Threading::pause(round);
    s = Threading::load(n.status_, std::memory_order_acquire);
  }
  return s;
}

inline waiter* waiter_at(std::uintptr_t tagged) noexcept {
  return reinterpret_cast<waiter*>(tagged & ~link_tags);
}
inline std::uintptr_t address_of(const void* object) noexcept {
  return reinterpret_cast<std::uintptr_t>(object);
}

}  // namespace detail

inline resumption::resumption(detail::extended_waiter& n) noexcept
    : address_(n.address()), waiter_(&n) {}

inline void resumption::operator()() const noexcept {
  detail::wait_until_posted<multi_threaded>(*waiter_);
  detail::resume_frame(waiter_->frame_);
}

COROLOCK_END
