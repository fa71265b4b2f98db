// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers
#pragma once

// Mutual exclusion between tasks of several processes.
//
//   distributed_mutex    the lock: a name in a session
//   distributed_guard    a grant; its destructor gives it back
//
//   async_lock           void(error_code, distributed_guard)
//   async_try_lock       the same; the guard is empty if the lock is not free
//   async_lock_for       the same, with a time limit: errc::timed_out
//
// The verbs are members and free functions, and take any completion token. What holds for the local
// locks on Asio (corolock/asio/lock.hpp) holds here: completion exactly once, on the handler's
// executor, never inside the initiating function; cancellation is total. Beyond their errors there
// is cluster_errc. A wait lasts through an outage of the server, until its session is lost.
//
// Not re-entrant: a task that locks a name it holds waits for itself.

#include <corolock/cluster/session.hpp>

#include <chrono>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

COROLOCK_BEGIN

/// The grant of a distributed_mutex. Movable; an empty guard holds nothing. Destroyed or assigned
/// to, it gives the lock back in the background.
class [[nodiscard("a dropped guard gives the lock back")]] distributed_guard {
 public:
  distributed_guard() noexcept = default;
  distributed_guard(distributed_guard&& other) noexcept = default;
  distributed_guard& operator=(distributed_guard&& other) noexcept {
    distributed_guard old(std::move(*this));
    state_ = std::move(other.state_);
    return *this;
  }
  ~distributed_guard() { drop(); }

  explicit operator bool() const noexcept { return state_ != nullptr; }

  /// What a resource checks (token_gate): greater than that of every grant before it.
  [[nodiscard]] fencing_token token() const noexcept {
    return state_ ? state_->token : fencing_token();
  }
  /// Whether the lock is held for certain, as far as this process's clock can tell: no I/O. It may
  /// be false a moment later; only a resource that checks the token is safe from that.
  [[nodiscard]] bool held() const { return state_ && core().holds(*state_->grant); }
  /// Until when held() stays true if the server is not reached again. It moves on with each
  /// renewal.
  [[nodiscard]] time_source::time_point deadline() const noexcept { return core().deadline(); }

  /// Waits until the lock is lost: void(error_code). operation_aborted if the guard is given back
  /// first. The guard may go while this waits.
  template <class Token>
  auto async_lost(Token&& token) const {
    return cluster::detail::initiate<void(boost::system::error_code)>(
        core().where(),
        [state = state_](std::shared_ptr<cluster::detail::attempt> a) {
          return state->session->core->lost(state, std::move(a));
        },
        std::forward<Token>(token));
  }
  /// Asks the server whether the lock is held: void(error_code, bool).
  template <class Token>
  auto async_verify(Token&& token) const {
    return cluster::detail::initiate<void(boost::system::error_code, bool)>(
        core().where(),
        [state = state_](const std::shared_ptr<cluster::detail::attempt>&) {
          return state->session->core->verify(state);
        },
        std::forward<Token>(token));
  }
  /// Gives the lock back and says what has become of it: void(error_code, release_result); there is
  /// never an error. The guard is empty from now on.
  template <class Token>
  auto async_release(Token&& token) {
    auto state = std::exchange(state_, nullptr);
    const auto on = state->session->core->where();
    return cluster::detail::initiate<void(boost::system::error_code, release_result)>(
        on,
        [state = std::move(state)](const std::shared_ptr<cluster::detail::attempt>&) {
          return state->session->core->release(state);
        },
        std::forward<Token>(token));
  }

 private:
  friend struct cluster::detail::access;

  explicit distributed_guard(std::shared_ptr<cluster::detail::guard_state> state) noexcept
      : state_(std::move(state)) {}

  [[nodiscard]] const cluster::detail::session_core& core() const noexcept {
    COROLOCK_ASSERT(state_ != nullptr, "an empty distributed_guard has no lock");
    return *state_->session->core;
  }
  void drop() noexcept {
    if (state_) {
      auto& owner = *state_->session->core;
      owner.release_soon(std::exchange(state_, nullptr));
    }
  }

  std::shared_ptr<cluster::detail::guard_state> state_;
};

/// Mutual exclusion between tasks of this and other processes that lock the same name on the same
/// server. For any thread.
class distributed_mutex {
 public:
  /// Throws cluster_error if the name is empty, longer than 255 bytes, or has control characters
  /// in it.
  distributed_mutex(const session& s, std::string_view name);

  [[nodiscard]] const std::string& name() const noexcept { return name_->name; }
  [[nodiscard]] capabilities what() const { return handle_->core->what(); }

  /// Locks: completes with a guard.
  template <class Token>
  auto async_lock(Token&& token) const {
    return start(cluster::detail::patience::endless, {}, std::forward<Token>(token));
  }
  /// Locks if that needs no waiting: else the guard is empty. One round trip at most.
  template <class Token>
  auto async_try_lock(Token&& token) const {
    return start(cluster::detail::patience::none, {}, std::forward<Token>(token));
  }
  /// async_lock with a time limit: errc::timed_out when it has passed.
  template <class Rep, class Period, class Token>
  auto async_lock_for(std::chrono::duration<Rep, Period> limit, Token&& token) const {
    return start(cluster::detail::patience::limited,
                 std::chrono::ceil<time_source::duration>(limit), std::forward<Token>(token));
  }

 private:
  template <class Token>
  auto start(cluster::detail::patience how, time_source::duration limit, Token&& token) const {
    return cluster::detail::initiate<void(boost::system::error_code, distributed_guard)>(
        handle_->core->where(),
        [handle = handle_, name = name_, how, limit](std::shared_ptr<cluster::detail::attempt> a) {
          return handle->core->lock(handle, name, std::move(a), how, limit);
        },
        std::forward<Token>(token));
  }

  std::shared_ptr<cluster::detail::session_handle> handle_;
  std::shared_ptr<cluster::detail::named_lock> name_;
};

/// distributed_mutex::async_lock().
template <class Token>
auto async_lock(const distributed_mutex& m, Token&& token) {
  return m.async_lock(std::forward<Token>(token));
}
/// distributed_mutex::async_try_lock().
template <class Token>
auto async_try_lock(const distributed_mutex& m, Token&& token) {
  return m.async_try_lock(std::forward<Token>(token));
}
/// distributed_mutex::async_lock_for().
template <class Rep, class Period, class Token>
auto async_lock_for(const distributed_mutex& m, std::chrono::duration<Rep, Period> limit,
                    Token&& token) {
  return m.async_lock_for(limit, std::forward<Token>(token));
}

COROLOCK_END
