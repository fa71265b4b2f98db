// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers

#include "engine.hpp"
#include <corolock/asio/lock.hpp>
#include <corolock/cluster/distributed_mutex.hpp>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <algorithm>
#include <utility>
#include <vector>

COROLOCK_BEGIN
namespace cluster::detail {

namespace net = boost::asio;
using namespace std::chrono_literals;
using net::awaitable;
using duration = time_source::duration;
using time_point = time_source::time_point;

struct access {
  static session make(std::shared_ptr<session_handle> handle) { return session(std::move(handle)); }
  static const std::shared_ptr<session_handle>& handle_of(const session& s) { return s.handle_; }
  static distributed_guard make(std::shared_ptr<guard_state> state) {
    return distributed_guard(std::move(state));
  }
};

// While it lives, the end of the session ends the attempt; and so does its time limit, if any.
struct membership {
  membership(std::set<std::shared_ptr<attempt>>& in, std::shared_ptr<attempt> who)
      : all(in), one(std::move(who)) {
    all.insert(one);
  }
  membership(const membership&) = delete;
  membership& operator=(const membership&) = delete;
  ~membership() {
    if (alarm) {
      alarm->cancel();
    }
    all.erase(one);
  }

  std::set<std::shared_ptr<attempt>>& all;
  std::shared_ptr<attempt> one;
  time_source::timer alarm;
};

void require_name(std::string_view name) {
  if (name.empty()) {
    throw cluster_error(cluster_errc::invalid_name, "the name of a lock is empty");
  }
  if (name.size() > longest_name) {
    throw cluster_error(cluster_errc::invalid_name,
                        "the name of a lock has " + std::to_string(name.size()) +
                            " bytes; at most " + std::to_string(longest_name) + " are allowed");
  }
  const auto* control = std::ranges::find_if(
      name, [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; });
  if (control != name.end()) {
    throw cluster_error(cluster_errc::invalid_name,
                        "the name of a lock has a control character at byte " +
                            std::to_string(control - name.begin()));
  }
}

void require_options(const session_options& options, const capabilities& what) {
  const std::string engine(what.engine);
  if (options.ttl < what.least_ttl) {
    throw cluster_error(cluster_errc::invalid_options, "the ttl is " + text_of(options.ttl) +
                                                           ", the least for " + engine + " is " +
                                                           text_of(what.least_ttl));
  }
  if (options.ttl > 24h) {
    throw cluster_error(cluster_errc::invalid_options,
                        "the ttl is " + text_of(options.ttl) + ", the most is a day");
  }
  if (options.margin < 0ms || options.margin > options.ttl / 2) {
    throw cluster_error(cluster_errc::invalid_options, "the margin is " + text_of(options.margin) +
                                                           ", not between 0 and half of " +
                                                           "the ttl, " + text_of(options.ttl / 2));
  }
  if (options.time_to_connect <= 0ms) {
    throw cluster_error(cluster_errc::invalid_options,
                        "the time to connect is " + text_of(options.time_to_connect));
  }
}

named_lock::~named_lock() {
  net::post(session->where(), [core = session, gone = name] { core->forget(gone); });
}

session_handle::~session_handle() {
  core->close_soon();
}

session_core::session_core(const strand& on, session_options options, std::unique_ptr<engine> by)
    : strand_(on),
      options_(std::move(options)),
      engine_(std::move(by)),
      run_timer_(std::make_shared<net::steady_timer>(strand_)),
      watch_timer_(std::make_shared<net::steady_timer>(strand_)) {
  if (options_.margin == 0ms) {
    options_.margin = options_.ttl / 10;
  }
}

session_core::~session_core() = default;

capabilities session_core::what() const {
  return engine_->what();
}
std::string session_core::id() const {
  return engine_->id();
}

std::string session_core::problem() const {
  const std::lock_guard hold(mutex_);
  return problem_;
}

void session_core::set_problem(const std::string& text) {
  const std::lock_guard hold(mutex_);
  problem_ = text;
}

bool session_core::is_lost() const noexcept {
  return multi_threaded::load(is_lost_, std::memory_order_acquire);
}

time_point session_core::deadline() const noexcept {
  return time_point(duration(multi_threaded::load(deadline_, std::memory_order_acquire)));
}

void session_core::set_deadline(time_point sent) {
  const time_point limit = sent + options_.ttl - options_.margin;
  multi_threaded::store(deadline_, limit.time_since_epoch().count(), std::memory_order_release);
}

bool session_core::holds(const remote_grant& grant) const {
  return !grant.lost() && !is_lost() && options_.time->now() < deadline();
}

std::shared_ptr<named_lock> session_core::find(std::string_view name) {
  const std::lock_guard hold(mutex_);
  const auto found = names_.find(name);
  if (found != names_.end()) {
    if (auto lock = found->second.lock()) {
      return lock;
    }
    names_.erase(found);
  }
  auto lock = std::make_shared<named_lock>(shared_from_this(), name);
  names_.emplace(name, lock);
  return lock;
}

void session_core::forget(const std::string& name) {
  {
    const std::lock_guard hold(mutex_);
    const auto found = names_.find(name);
    if (found != names_.end()) {
      if (!found->second.expired()) {
        return;  // it was asked for again
      }
      names_.erase(found);
    }
  }
  engine_->forget(name);
}

awaitable<void> session_core::open() {
  require_options(options_, engine_->what());
  const time_point sent = options_.time->now();
  co_await engine_->open([weak = weak_from_this()](const std::string& why) {
    if (const auto self = weak.lock()) {
      self->end(cluster_errc::session_lost, why);
    }
  });
  set_deadline(sent);
  net::co_spawn(strand_, run(), net::detached);
  net::co_spawn(strand_, watch(), net::detached);
}

// Renews after each third of a ttl; without an answer sooner.
awaitable<void> session_core::run() {
  const auto self = shared_from_this();
  const auto often = options_.ttl / 3;
  time_point next = options_.time->now() + often;
  while (!ended_) {
    co_await options_.time->sleep(run_timer_, next);
    if (ended_) {
      break;
    }
    const time_point sent = options_.time->now();
    if (sent < next) {
      continue;
    }
    const verdict alive = co_await engine_->renew();
    if (alive == verdict::yes && !ended_) {
      set_deadline(sent);
    } else if (alive == verdict::no) {
      end(cluster_errc::session_lost, "the server has ended the session's lease");
    }
    next = alive == verdict::yes ? sent + often : options_.time->now() + often / 4;
  }
  co_await shut();
}

awaitable<void> session_core::shut() {
  if (!is_shut_) {
    is_shut_ = true;
    co_await engine_->close();
  }
}

// The deadline holds also while a renewal is under way.
awaitable<void> session_core::watch() {
  const auto self = shared_from_this();
  while (!ended_) {
    if (options_.time->now() >= deadline()) {
      end(cluster_errc::session_lost,
          "the lease was not renewed in time; it was for " + text_of(options_.ttl));
      break;
    }
    co_await options_.time->sleep(watch_timer_, deadline());
  }
}

void session_core::end(cluster_errc why, const std::string& text) {
  if (ended_) {
    return;
  }
  ended_ = why;
  set_problem(text);
  multi_threaded::store(is_lost_, true, std::memory_order_release);
  run_timer_->cancel();
  watch_timer_->cancel();
  const auto all = std::exchange(attempts_, {});
  for (const auto& each : all) {
    each->end(ended_);
  }
}

awaitable<void> session_core::close() {
  end(cluster_errc::session_closed, "the session was closed");
  co_await shut();
}

void session_core::close_soon() {
  net::dispatch(strand_, [self = shared_from_this()] {
    self->end(cluster_errc::session_closed, "the session was closed");
  });
}

void session_core::release_soon(std::shared_ptr<guard_state> guard) {
  net::co_spawn(strand_, release(std::move(guard)), net::detached);
}

awaitable<void> session_core::end_at(std::shared_ptr<attempt> a, time_source::timer on,
                                     time_point limit) {
  const auto self = shared_from_this();  // it may end after what it limits
  co_await options_.time->sleep(on, limit);
  if (options_.time->now() >= limit) {
    a->end(errc::timed_out);
  }
}

awaitable<std::tuple<error_code, distributed_guard>> session_core::lock(
    std::shared_ptr<session_handle> handle, std::shared_ptr<named_lock> lock,
    std::shared_ptr<attempt> a, patience how, duration limit) {
  using result = std::tuple<error_code, distributed_guard>;
  const auto self = shared_from_this();
  if (ended_) {
    result none(ended_, distributed_guard());
    co_return none;
  }
  membership mine(attempts_, a);
  if (how == patience::limited) {
    mine.alarm = std::make_shared<net::steady_timer>(strand_);
    net::co_spawn(strand_, end_at(a, mine.alarm, options_.time->now() + limit), net::detached);
  }
  local_mutex_guard gate = lock->gate.try_lock();
  if (!gate && how != patience::none) {
    gate = co_await enter(*lock, *a);
  }
  if (a->ended()) {
    result none(a->why(), distributed_guard());
    co_return none;
  }
  if (!gate) {
    co_return result();
  }
  if (lock->current && holds(*lock->current)) {
    ++lock->current->token.sequence;  // kept for us
  } else {
    lock->current.reset();
    acquired got = co_await engine_->acquire(lock->name, how != patience::none, *a);
    if (!got.grant) {
      if (!got.text.empty()) {
        set_problem(got.text);
      }
      result none(a->ended() ? a->why() : got.why, distributed_guard());
      co_return none;
    }
    got.grant->since = options_.time->now();
    lock->current = std::move(got.grant);
  }
  std::shared_ptr<guard_state> guard =
      guard_of(std::move(handle), std::move(lock), std::move(gate));
  if (a->ended()) {  // granted, then cancelled before anybody was told
    co_await release(std::move(guard));
    result none(a->why(), distributed_guard());
    co_return none;
  }
  result done(error_code(), access::make(std::move(guard)));
  co_return done;
}

std::shared_ptr<guard_state> session_core::guard_of(std::shared_ptr<session_handle> handle,
                                                    std::shared_ptr<named_lock> lock,
                                                    local_mutex_guard gate) {
  auto guard = std::make_shared<guard_state>();
  guard->grant = lock->current;
  guard->token = lock->current->token;
  guard->session = std::move(handle);
  guard->lock = std::move(lock);
  guard->gate = std::move(gate);
  return guard;
}

// The gate; none if the attempt has ended.
awaitable<local_mutex_guard> session_core::enter(named_lock& lock, attempt& a) {
  const auto place = lock.waiting.insert(lock.waiting.end(), options_.time->now());
  auto token = net::bind_cancellation_slot(a.slot(), net::as_tuple(net::use_awaitable));
  std::tuple<error_code, local_mutex_guard> got = co_await async_lock(lock.gate, token);
  lock.waiting.erase(place);
  co_return std::move(std::get<1>(got));
}

awaitable<bool> session_core::may_hand_over(named_lock& lock) {
  const remote_grant& grant = *lock.current;
  if (grant.token.sequence >= most_hand_overs ||
      options_.time->now() - grant.since >= options_.ttl / 2) {
    co_return false;
  }
  const duration theirs = co_await engine_->longest_wait(lock.name, grant);
  co_return !lock.waiting.empty() && holds(grant) &&
      options_.time->now() - lock.waiting.front() >= theirs;
}

// Called by who has the gate.
awaitable<release_result> session_core::give_back(named_lock& lock) {
  const auto grant = std::exchange(lock.current, nullptr);
  if (grant->lost() || ended_) {
    co_return release_result::already_lost;
  }
  const release_result result = co_await engine_->release(lock.name, *grant);
  co_return result == release_result::released && !holds(*grant) ? release_result::unknown : result;
}

awaitable<std::tuple<error_code, release_result>> session_core::release(
    std::shared_ptr<guard_state> guard) {
  using result = std::tuple<error_code, release_result>;
  guard->is_released = true;
  for (const auto& each : guard->grant->watchers) {
    each->end(net::error::operation_aborted);
  }
  named_lock& lock = *guard->lock;
  release_result what = release_result::released;
  bool keeps = false;
  if (!lock.waiting.empty() && holds(*guard->grant)) {
    keeps = co_await may_hand_over(lock);
  }
  if (!keeps) {
    what = co_await give_back(lock);
  } else if (!lock.has_sweeper) {
    lock.has_sweeper = true;
    net::co_spawn(strand_, sweep(guard->lock), net::detached);
  }
  guard->gate.unlock();
  result done(error_code(), what);
  co_return done;
}

awaitable<void> session_core::sweep(std::shared_ptr<named_lock> lock) {
  const auto self = shared_from_this();
  bool is_needed = true;
  while (is_needed) {
    {
      const local_mutex_guard gate = co_await async_lock(lock->gate, net::use_awaitable);
      is_needed = lock->current && !lock->waiting.empty();
      if (lock->current && !is_needed) {
        co_await give_back(*lock);
      }
    }
    if (is_needed) {
      // Those that wait may all have been cancelled: the gate is free then, and only this lets them
      // go on and be gone.
      co_await net::post(net::use_awaitable);
    }
  }
  lock->has_sweeper = false;
}

awaitable<std::tuple<error_code, bool>> session_core::verify(std::shared_ptr<guard_state> guard) {
  using result = std::tuple<error_code, bool>;
  if (!holds(*guard->grant)) {
    co_return result();
  }
  const verdict said = co_await engine_->verify(guard->lock->name, *guard->grant);
  if (said == verdict::no) {
    guard->grant->lose();
  }
  if (said == verdict::unknown) {
    result failed(cluster_errc::unreachable, false);
    co_return failed;
  }
  result done(error_code(), said == verdict::yes && holds(*guard->grant));
  co_return done;
}

awaitable<std::tuple<error_code>> session_core::lost(std::shared_ptr<guard_state> guard,
                                                     std::shared_ptr<attempt> a) {
  const membership mine(attempts_, a);
  guard->grant->watchers.insert(a);
  while (holds(*guard->grant) && !a->ended() && !guard->is_released) {
    co_await a->sleep(*options_.time, deadline());
  }
  guard->grant->watchers.erase(a);
  // Ended by the loss of the session, it has seen what it waits for.
  const bool is_aborted = guard->is_released || a->why() == net::error::operation_aborted;
  std::tuple<error_code> done(is_aborted ? error_code(net::error::operation_aborted)
                                         : error_code());
  co_return done;
}

awaitable<std::tuple<error_code>> close(std::shared_ptr<session_handle> handle) {
  co_await handle->core->close();
  co_return std::tuple<error_code>();
}

awaitable<std::tuple<std::exception_ptr, session>> open_session(strand on, session_options options,
                                                                std::unique_ptr<engine> by) {
  using result = std::tuple<std::exception_ptr, session>;
  result done;
  try {
    const auto core = std::make_shared<session_core>(on, std::move(options), std::move(by));
    co_await core->open();
    std::get<1>(done) = access::make(std::make_shared<session_handle>(core));
  } catch (const std::exception&) {
    std::get<0>(done) = std::current_exception();
  }
  co_return done;
}

}  // namespace cluster::detail

distributed_mutex::distributed_mutex(const session& s, std::string_view name) {
  COROLOCK_ASSERT(static_cast<bool>(s), "a distributed_mutex of an empty session");
  cluster::detail::require_name(name);
  handle_ = cluster::detail::access::handle_of(s);
  name_ = handle_->core->find(name);
}

COROLOCK_END
