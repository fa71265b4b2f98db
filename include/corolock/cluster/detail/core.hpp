// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers
#pragma once

// session_core: what a session is, whatever its engine.
//
// Everything here happens on the session's strand, but for what is marked "any thread".
//
// A session is open until it is lost (its lease could not be kept) or closed (by its owner, or when
// the last session, mutex and guard of it is gone). It does not come back: connect again.
//
//            renewed in time
//            +-----------+
//            v           |
//   connect -> open -----+--- the deadline passes, or the server ends the lease ---> lost
//               |
//               +------------ async_close(), or the last handle goes -----------> closed
//
// The deadline is the time at which the last renewal that was answered had been *sent*, plus the
// lease, minus a margin: the server counts from a later moment, so no other process is granted a
// lock before. Two coroutines live with the session: run() renews, watch() ends it at the deadline.
//
// A name within a session (named_lock) is entered through one local_async_mutex, the gate, so that
// at most one task of the process waits on the server. What can happen to it:
//
//   free        no task has the gate, nothing is held on the server
//   acquiring   a task has the gate and waits on the server; it may be ended at any moment
//   held        a guard has the gate; `current` is what the server granted
//   kept        no guard has the gate, but `current` stays for the next in the gate's queue, under
//               the same token and the next sequence (a hand-over: at most 16, at most for half a
//               lease, and only while no other process has waited longer than that next task)
//   releasing   the task that released has the gate and waits on the server
//
// The races: who waits in the gate may be cancelled while the lock is kept for it. So whoever
// keeps it also sends a sweeper into the gate's queue, which gives the lock back if it finds it
// kept and nobody waiting. `waiting` counts also those that have left the gate's queue and only not
// gone on yet, so the sweeper lets the strand run before it looks again. A grant may arrive when
// the attempt has ended: then it is released, and the attempt still fails. A reply may be lost: the
// engine asks again, in a way that repeats nothing.

#include <corolock/async_mutex.hpp>
#include <corolock/cluster/capabilities.hpp>
#include <corolock/cluster/detail/attempt.hpp>
#include <corolock/cluster/error.hpp>
#include <corolock/cluster/time_source.hpp>
#include <corolock/cluster/token_gate.hpp>
#include <corolock/detail/sync.hpp>

#include <boost/asio/awaitable.hpp>

#include <chrono>
#include <cstdint>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <tuple>

COROLOCK_BEGIN

/// How a session keeps its lease.
struct session_options {
  /// After a crash of the holder the lock is free again after this time.
  std::chrono::milliseconds ttl{10'000};
  /// A guard's deadline is this much before the lease may end; at least the clocks' drift over a
  /// ttl. Zero: a tenth of the ttl.
  std::chrono::milliseconds margin{0};
  /// How long connecting may take.
  std::chrono::milliseconds time_to_connect{5'000};
  /// The clock; null: steady_time().
  std::shared_ptr<time_source> time{};
};

class distributed_guard;

/// What has become of a lock when it was given back.
enum class release_result {
  released,      ///< it was held until now, and is free
  already_lost,  ///< it was lost before: somebody else may have had it
  unknown,       ///< the server did not answer; the lock is given back as soon as it does
};

namespace cluster::detail {

class engine;
class session_core;

// How long a lock is waited for.
enum class patience { none, limited, endless };

// What a server has granted.
struct remote_grant {
  fencing_token token;      // of the newest guard under it
  std::uint64_t place = 0;  // the engine's own
  time_source::time_point since{};
  bool is_lost = false;                         // any thread reads it
  std::set<std::shared_ptr<attempt>> watchers;  // the async_lost() of the one guard under it

  void lose() {
    multi_threaded::store(is_lost, true, std::memory_order_release);
    for (const auto& each : watchers) {
      each->wake();
    }
  }
  [[nodiscard]] bool lost() const noexcept {
    return multi_threaded::load(is_lost, std::memory_order_acquire);
  }
};

// A name that somebody in this process locks.
struct named_lock {
  named_lock(std::shared_ptr<session_core> of, std::string_view called)
      : session(std::move(of)), name(called) {}
  named_lock(const named_lock&) = delete;
  named_lock& operator=(const named_lock&) = delete;
  ~named_lock();

  std::shared_ptr<session_core> session;
  std::string name;
  local_async_mutex gate;
  std::list<time_source::time_point> waiting;  // since when, in the gate's order
  std::shared_ptr<remote_grant> current;
  bool has_sweeper = false;
};

// The session is closed when the last of these is gone.
struct session_handle {
  explicit session_handle(std::shared_ptr<session_core> of) : core(std::move(of)) {}
  session_handle(const session_handle&) = delete;
  session_handle& operator=(const session_handle&) = delete;
  ~session_handle();

  std::shared_ptr<session_core> core;
};

// What a guard holds.
struct guard_state {
  std::shared_ptr<session_handle> session;
  std::shared_ptr<named_lock> lock;
  std::shared_ptr<remote_grant> grant;
  fencing_token token;
  local_mutex_guard gate;
  bool is_released = false;
};

class session_core : public std::enable_shared_from_this<session_core> {
 public:
  session_core(const strand& on, session_options options, std::unique_ptr<engine> by);
  session_core(const session_core&) = delete;
  session_core& operator=(const session_core&) = delete;
  ~session_core();

  // Throws cluster_error.
  boost::asio::awaitable<void> open();
  boost::asio::awaitable<void> close();

  // Any thread.
  [[nodiscard]] const boost::asio::any_io_executor& where() const noexcept { return strand_; }
  [[nodiscard]] capabilities what() const;
  [[nodiscard]] std::string id() const;
  [[nodiscard]] std::string problem() const;
  [[nodiscard]] bool is_lost() const noexcept;
  [[nodiscard]] time_source::time_point deadline() const noexcept;
  [[nodiscard]] bool holds(const remote_grant& grant) const;
  [[nodiscard]] std::shared_ptr<named_lock> find(std::string_view name);
  void forget(const std::string& name);
  void close_soon();
  void release_soon(std::shared_ptr<guard_state> guard);

  // The guard is empty without an error: not obtained by patience::none.
  boost::asio::awaitable<std::tuple<error_code, distributed_guard>> lock(
      std::shared_ptr<session_handle> handle, std::shared_ptr<named_lock> lock,
      std::shared_ptr<attempt> a, patience how, time_source::duration limit);
  boost::asio::awaitable<std::tuple<error_code, release_result>> release(
      std::shared_ptr<guard_state> guard);
  boost::asio::awaitable<std::tuple<error_code, bool>> verify(std::shared_ptr<guard_state> guard);
  boost::asio::awaitable<std::tuple<error_code>> lost(std::shared_ptr<guard_state> guard,
                                                      std::shared_ptr<attempt> a);

 private:
  boost::asio::awaitable<void> run();
  boost::asio::awaitable<void> watch();
  boost::asio::awaitable<void> end_at(std::shared_ptr<attempt> a, time_source::timer on,
                                      time_source::time_point limit);
  boost::asio::awaitable<void> sweep(std::shared_ptr<named_lock> lock);
  boost::asio::awaitable<local_mutex_guard> enter(named_lock& lock, attempt& a);
  boost::asio::awaitable<bool> may_hand_over(named_lock& lock);
  boost::asio::awaitable<release_result> give_back(named_lock& lock);
  std::shared_ptr<guard_state> guard_of(std::shared_ptr<session_handle> handle,
                                        std::shared_ptr<named_lock> lock, local_mutex_guard gate);
  void end(cluster_errc why, const std::string& text);
  void set_problem(const std::string& text);
  void set_deadline(time_source::time_point sent);
  boost::asio::awaitable<void> shut();

  const boost::asio::any_io_executor strand_;  // in the form that is copied without an allocation
  session_options options_;
  const std::unique_ptr<engine> engine_;
  time_source::timer run_timer_;
  time_source::timer watch_timer_;
  std::set<std::shared_ptr<attempt>> attempts_;
  error_code ended_;
  bool is_shut_ = false;
  // Any thread:
  time_source::duration::rep deadline_ = 0;
  bool is_lost_ = false;
  mutable std::mutex mutex_;
  std::string problem_;
  std::map<std::string, std::weak_ptr<named_lock>, std::less<>> names_;
};

/// The longest name of a lock, in bytes.
inline constexpr std::size_t longest_name = 255;
/// How often a lock is handed on within a process under the same token.
inline constexpr std::uint32_t most_hand_overs = 16;

/// Throws cluster_error unless it is a lock's name.
void require_name(std::string_view name);

}  // namespace cluster::detail
COROLOCK_END
