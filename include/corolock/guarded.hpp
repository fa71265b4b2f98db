// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers
#pragma once

// The data inside the lock.
//
//   guarded<T>, local_guarded<T>    an object that is reached only by locking; the local one is for
//                                   one thread or one strand
//   basic_guarded_ptr               the grant, which is the way to the object

#include <corolock/async_mutex.hpp>
#include <corolock/outcome.hpp>

#include <stop_token>
#include <tuple>
#include <type_traits>
#include <utility>

COROLOCK_BEGIN

namespace detail {

template <class Guarded, class Awaiter>
class guarded_awaiter;

}  // namespace detail

/// The grant of a guarded object: a pointer to it that holds its lock. It unlocks when it is
/// destroyed, and when another one is assigned to it. Movable, not copyable; an empty one owns
/// nothing.
template <class Guarded>
class [[nodiscard("a dropped guarded_ptr unlocks at once")]] basic_guarded_ptr {
 public:
  using element_type = typename Guarded::value_type;

  basic_guarded_ptr() noexcept = default;
  /// Adopts the lock of `object`, which `guard` holds; an empty guard makes an empty pointer.
  basic_guarded_ptr(Guarded& object, typename Guarded::mutex_guard_type&& guard) noexcept
      : value_(&object.value_), guard_(std::move(guard)) {
    COROLOCK_ASSERT(!guard_ || guard_.mutex() == &object.mutex_,
                    "a guarded_ptr was made with the guard of another lock");
  }

  /// Precondition of both: it is not empty.
  [[nodiscard]] element_type& operator*() const noexcept {
    require_held();
    return *value_;
  }
  [[nodiscard]] element_type* operator->() const noexcept {
    require_held();
    return value_;
  }

  /// Unlocks now, if this pointer owns the lock. It is empty then.
  void unlock() noexcept { guard_.unlock(); }
  explicit operator bool() const noexcept { return static_cast<bool>(guard_); }

 private:
  void require_held() const noexcept {
    COROLOCK_ASSERT(guard_, "a guarded object was used through an empty guarded_ptr");
  }

  element_type* value_ = nullptr;
  typename Guarded::mutex_guard_type guard_;
};

/// An object and the lock that protects it. The object cannot be reached without the lock:
///
///     corolock::guarded<std::map<int, std::string>> users;
///     auto locked = co_await users.async_lock();
///     locked->emplace(1, "Ada");
///
/// **When.** One object, or a struct of what belongs together, is shared: nobody can forget the
/// lock, and the type says what it protects.
/// **When not.** As async_mutex. And it cannot keep you from storing a reference to the object, or
/// into it, which is as unprotected as ever once the guarded_ptr is gone.
///
/// The states and their transitions are async_mutex's.
///
/// **Order, Resumption, Cancellation, Memory order, Thread safety, Lifetime.** As the Mutex.
/// **Cost.** The object and a Mutex (16 bytes), nothing more.
/// **See also.** async_mutex; async_keyed_mutex, if the data are many independent things.
template <class T, class Mutex>
class basic_guarded {
 public:
  using value_type = T;
  using mutex_type = Mutex;
  using mutex_guard_type = typename Mutex::guard_type;
  using guard_type = basic_guarded_ptr<basic_guarded>;
  using call_site = typename Mutex::call_site;

  // For the front ends (see detail/awaiter.hpp): its waits are the mutex's.
  using threading = typename Mutex::threading;
  using waiter_type = typename Mutex::waiter_type;
  static constexpr bool wait_may_end = false;

  /// Constructs the object in place from the arguments.
  template <class... Args>
    requires std::is_constructible_v<T, Args...>
  explicit basic_guarded(Args&&... args) : value_(std::forward<Args>(args)...) {}
  /// The same, and constructs the mutex from arguments too, such as the name that a diagnostics
  /// policy takes.
  template <class... Args, class... MutexArgs>
  basic_guarded(std::piecewise_construct_t, std::tuple<Args...> args,
                std::tuple<MutexArgs...> mutex_args)
      : value_(std::make_from_tuple<T>(std::move(args))),
        mutex_(std::make_from_tuple<Mutex>(std::move(mutex_args))) {}

  basic_guarded(const basic_guarded&) = delete;
  basic_guarded& operator=(const basic_guarded&) = delete;

  /// co_await it: a guarded_ptr, in order of arrival. Does not suspend if the object is free.
  auto async_lock(call_site where = call_site::current()) noexcept {
    return make_awaiter([this, where] { return mutex_.async_lock(where); });
  }
  /// co_await it: an outcome, a guarded_ptr or errc::stopped. A stopped token never acquires.
  auto async_lock(std::stop_token token, call_site where = call_site::current()) noexcept {
    return make_awaiter(
        [this, &token, where] { return mutex_.async_lock(std::move(token), where); });
  }

  /// A guarded_ptr if the object is free, else an empty one. Never waits.
  guard_type try_lock(call_site where = call_site::current()) noexcept {
    return guard_type(*this, mutex_.try_lock(where));
  }

  /// True if some task holds the lock.
  [[nodiscard]] bool is_locked() const noexcept { return mutex_.is_locked(); }
  [[nodiscard]] auto statistics() const noexcept { return mutex_.statistics(); }
  /// The mutex's diagnostics policy's own object.
  [[nodiscard]] const auto& diagnostics() const noexcept { return mutex_.diagnostics(); }

 private:
  friend guard_type;
  friend struct detail::core_access;

  detail::wait_status enter(detail::queue_word& w, waiter_type& n) noexcept {
    return detail::core_access::enter(mutex_, w, n);
  }
  void left(detail::queue_word& w, detail::wake_list<threading>& woken) noexcept {
    detail::core_access::left(mutex_, w, woken);
  }
  void give_up(waiter_type& n) noexcept { detail::core_access::give_up(mutex_, n); }
  guard_type take(waiter_type& n) noexcept {
    return guard_type(*this, detail::core_access::take(mutex_, n));
  }

  template <class Make>
  auto make_awaiter(const Make& make) noexcept {
    return detail::guarded_awaiter<basic_guarded, decltype(make())>(*this, make);
  }

  T value_;
  Mutex mutex_;  // last, so that its check comes before the object's destruction
};

template <class T>
using guarded = basic_guarded<T, async_mutex>;
template <class T>
using local_guarded = basic_guarded<T, local_async_mutex>;

namespace detail {

// The mutex's awaiter; what it yields is made into a guarded_ptr, or an outcome of one.
template <class Guarded, class Awaiter>
class [[nodiscard("nothing is acquired until it is co_awaited")]] guarded_awaiter {
  using pointer = basic_guarded_ptr<Guarded>;
  using mutex_result = decltype(std::declval<Awaiter&>().await_resume());
  static constexpr bool may_end = !std::is_same_v<mutex_result, typename Guarded::mutex_guard_type>;

 public:
  using result_type = std::conditional_t<may_end, outcome<pointer>, pointer>;

  // The awaiter is made in place: none of them can be moved.
  template <class Make>
  guarded_awaiter(Guarded& object, const Make& make) noexcept
      : object_(&object), awaiter_(make()) {}

  /// Resumes the task by `e.post()`, whatever executor its promise may offer.
  template <executor Executor>
  auto on(Executor& e) && noexcept {
    auto make = [this, &e] { return std::move(awaiter_).on(e); };
    return guarded_awaiter<Guarded, decltype(make())>(*object_, make);
  }

  bool await_ready() const noexcept { return awaiter_.await_ready(); }
  template <class Promise>
  bool await_suspend(std::coroutine_handle<Promise> h) noexcept {
    return awaiter_.await_suspend(h);
  }
  result_type await_resume() noexcept {
    if constexpr (may_end) {
      mutex_result result = awaiter_.await_resume();
      if (!result) {
        return result.error();
      }
      return pointer(*object_, *std::move(result));
    } else {
      return pointer(*object_, awaiter_.await_resume());
    }
  }

 private:
  Guarded* object_;
  Awaiter awaiter_;
};

}  // namespace detail

COROLOCK_END
