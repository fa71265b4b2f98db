// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers
#pragma once

// What corolock::asio::timer is inside the explorer: Asio's waitable timer on virtual time. It is
// armed while somebody waits for it, and then the search decides when it fires.

#include <corolock/explore/detail/run.hpp>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/associated_cancellation_slot.hpp>
#include <boost/asio/associated_executor.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/cancellation_type.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/execution.hpp>
#include <boost/asio/execution_context.hpp>
#include <boost/asio/query.hpp>
#include <boost/asio/require.hpp>
#include <boost/system/error_code.hpp>

#include <chrono>
#include <cstddef>
#include <memory>
#include <source_location>
#include <stdexcept>
#include <type_traits>
#include <utility>

COROLOCK_BEGIN
namespace explore {

namespace detail {

class timer_state;

/// Destroys the handlers that still wait when their context is destroyed.
class timer_service final : public boost::asio::execution_context::service {
 public:
  using key_type = timer_service;
  static inline boost::asio::execution_context::id id;

  explicit timer_service(boost::asio::execution_context& context) : service(context) {}

  void enlist(timer_state& t) noexcept;
  void delist(timer_state& t) noexcept;

 private:
  void shutdown() noexcept override;

  timer_state* first_ = nullptr;
};

class timer_state {
  struct waiting;

  // In the handler's cancellation slot. It and the wait know of each other, because either may be
  // destroyed first.
  class canceller {
   public:
    canceller(timer_state& timer, waiting& wait) noexcept : timer_(&timer), wait_(&wait) {
      wait.canceller_ = this;
    }
    canceller(const canceller&) = delete;
    canceller& operator=(const canceller&) = delete;
    ~canceller() {
      if (wait_ != nullptr) {
        wait_->canceller_ = nullptr;
      }
    }
    void operator()(boost::asio::cancellation_type_t type) const {
      if (wait_ != nullptr && type != boost::asio::cancellation_type::none) {
        timer_->cancel_wait(*wait_);
      }
    }
    void forget() noexcept { wait_ = nullptr; }

   private:
    timer_state* timer_;
    waiting* wait_;
  };

  struct waiting {
    waiting() = default;
    waiting(const waiting&) = delete;
    waiting& operator=(const waiting&) = delete;
    virtual ~waiting() {
      if (canceller_ != nullptr) {
        canceller_->forget();
      }
    }
    // Posts the completion, and deletes *this.
    virtual void complete(boost::system::error_code error) = 0;

    waiting* next_ = nullptr;
    canceller* canceller_ = nullptr;
  };

  template <class Handler>
  class waiting_for final : public waiting {
    using executor_type = boost::asio::associated_executor_t<Handler, boost::asio::any_io_executor>;

   public:
    template <class H>
    waiting_for(H&& handler, const boost::asio::any_io_executor& executor)
        : handler_(std::forward<H>(handler)),
          executor_(boost::asio::get_associated_executor(handler_, executor)) {}
    void complete(boost::system::error_code error) override {
      const executor_type executor = executor_;
      Handler handler = std::move(handler_);
      delete this;
      boost::asio::require(executor, boost::asio::execution::blocking.never)
          .execute([h = std::move(handler), error]() mutable { std::move(h)(error); });
    }
    Handler& handler() noexcept { return handler_; }

   private:
    Handler handler_;
    executor_type executor_;
  };

 public:
  explicit timer_state(const boost::asio::any_io_executor& executor)
      : executor_(executor),
        service_(boost::asio::use_service<timer_service>(
            boost::asio::query(executor, boost::asio::execution::context))) {}
  timer_state(const timer_state&) = delete;
  timer_state& operator=(const timer_state&) = delete;
  ~timer_state() { cancel(); }

  [[nodiscard]] const boost::asio::any_io_executor& executor() const noexcept { return executor_; }
  [[nodiscard]] virtual_clock::time_point expiry() const noexcept { return expiry_; }
  std::size_t expires_at(virtual_clock::time_point when) {
    const std::size_t cancelled = cancel();
    expiry_ = when;
    return cancelled;
  }

  std::size_t cancel() {
    std::size_t count = 0;
    while (first_ != nullptr) {
      cancel_wait(*first_);
      ++count;
    }
    return count;
  }
  std::size_t cancel_one() {
    if (first_ == nullptr) {
      return 0;
    }
    cancel_wait(*first_);
    return 1;
  }

  template <class Handler>
  void start(Handler&& handler, std::source_location where) {
    if (current_run == nullptr) {
      throw std::logic_error(
          "corolock::asio::timer is the explorer's here: it knows no time outside a run");
    }
    using wait_type = waiting_for<std::decay_t<Handler>>;
    auto* const w = new wait_type(std::forward<Handler>(handler), executor_);
    auto slot = boost::asio::get_associated_cancellation_slot(w->handler());
    if (slot.is_connected()) {
      slot.template emplace<canceller>(*this, *w);
    }
    waiting** last = &first_;
    while (*last != nullptr) {
      last = &(*last)->next_;
    }
    *last = w;
    if (armed_ == nullptr) {
      service_.enlist(*this);
      armed_ = &current_run->arm(expiry_, &fire, this, where);
    }
  }

 private:
  friend timer_service;

  static bool fire(actor& timer) {
    auto& self = *static_cast<timer_state*>(timer.act_context_);
    self.armed_ = nullptr;
    self.service_.delist(self);
    waiting* w = std::exchange(self.first_, nullptr);
    while (w != nullptr) {  // *this may be gone
      std::exchange(w, w->next_)->complete({});
    }
    return false;
  }

  void cancel_wait(waiting& w) {
    waiting** at = &first_;
    while (*at != &w) {
      at = &(*at)->next_;
    }
    *at = w.next_;
    if (first_ == nullptr) {
      disarm();
    }
    w.complete(boost::asio::error::operation_aborted);
  }
  void disarm() {
    if (armed_ != nullptr) {
      current_run->disarm(*std::exchange(armed_, nullptr));
      service_.delist(*this);
    }
  }

  // Without a completion. What is destroyed may own *this.
  void drop() {
    waiting* w = std::exchange(first_, nullptr);
    disarm();
    while (w != nullptr) {
      delete std::exchange(w, w->next_);
    }
  }

  const boost::asio::any_io_executor executor_;
  timer_service& service_;
  virtual_clock::time_point expiry_;
  waiting* first_ = nullptr;
  actor* armed_ = nullptr;  // while anybody waits
  timer_state* next_ = nullptr;
  timer_state* previous_ = nullptr;
};

inline void timer_service::enlist(timer_state& t) noexcept {
  t.previous_ = nullptr;
  t.next_ = first_;
  if (first_ != nullptr) {
    first_->previous_ = &t;
  }
  first_ = &t;
}
inline void timer_service::delist(timer_state& t) noexcept {
  (t.previous_ != nullptr ? t.previous_->next_ : first_) = t.next_;
  if (t.next_ != nullptr) {
    t.next_->previous_ = t.previous_;
  }
}
inline void timer_service::shutdown() noexcept {
  while (first_ != nullptr) {
    first_->drop();
  }
}

}  // namespace detail

/// A waitable timer on virtual time, with what boost::asio::basic_waitable_timer offers.
template <class Clock>
class basic_timer {
  static_assert(std::is_same_v<Clock, virtual_clock>,
                "time is virtual inside the explorer: take it from "
                "corolock::asio::timer::clock_type, not from a clock of std::chrono");

  struct initiate_wait {
    using executor_type = boost::asio::any_io_executor;
    detail::timer_state* state;
    std::source_location where;

    [[nodiscard]] const executor_type& get_executor() const noexcept { return state->executor(); }
    template <class Handler>
    void operator()(Handler&& handler) const {
      state->start(std::forward<Handler>(handler), where);
    }
  };

 public:
  using executor_type = boost::asio::any_io_executor;
  using clock_type = Clock;
  using duration = typename clock_type::duration;
  using time_point = typename clock_type::time_point;

  explicit basic_timer(const executor_type& executor)
      : state_(std::make_unique<detail::timer_state>(executor)) {}
  basic_timer(const executor_type& executor, const time_point& when) : basic_timer(executor) {
    expires_at(when);
  }
  basic_timer(const executor_type& executor, const duration& after) : basic_timer(executor) {
    expires_after(after);
  }
  basic_timer(basic_timer&&) noexcept = default;
  basic_timer& operator=(basic_timer&&) noexcept = default;
  ~basic_timer() = default;

  [[nodiscard]] executor_type get_executor() const noexcept { return state_->executor(); }
  [[nodiscard]] time_point expiry() const noexcept { return state_->expiry(); }
  std::size_t expires_at(const time_point& when) { return state_->expires_at(when); }
  std::size_t expires_after(const duration& after) {
    const time_point now = clock_type::now();
    return expires_at(after > time_point::max() - now ? time_point::max() : now + after);
  }
  std::size_t cancel() { return state_->cancel(); }
  std::size_t cancel_one() { return state_->cancel_one(); }

  /// Completes when the timer fires, or with operation_aborted.
  template <class Token = boost::asio::default_completion_token_t<executor_type>>
  auto async_wait(Token&& token = Token(),
                  std::source_location where = std::source_location::current()) {
    return boost::asio::async_initiate<Token, void(boost::system::error_code)>(
        initiate_wait{state_.get(), where}, token);
  }

 private:
  std::unique_ptr<detail::timer_state> state_;
};

}  // namespace explore
COROLOCK_END
