// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers
#pragma once

// How a call on a session is started, by any completion token.
//
// The work is a coroutine on the session's strand. The handler runs on its own executor, never
// inside the initiating function; its cancellation slot ends the attempt.

#include <corolock/cluster/detail/attempt.hpp>

#include <boost/asio/associated_allocator.hpp>
#include <boost/asio/associated_cancellation_slot.hpp>
#include <boost/asio/associated_executor.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/co_spawn.hpp>

#include <exception>
#include <memory>
#include <tuple>
#include <type_traits>
#include <utility>

COROLOCK_BEGIN
namespace cluster::detail {

// What the coroutine completes: the caller's handler, without its cancellation slot, which is ours
// until then.
template <class Handler>
class completion {
 public:
  using executor_type = boost::asio::associated_executor_t<Handler, boost::asio::any_io_executor>;
  using allocator_type = boost::asio::associated_allocator_t<Handler>;

  completion(Handler handler, const boost::asio::any_io_executor& on)
      : handler_(std::move(handler)),
        executor_(boost::asio::get_associated_executor(handler_, on)) {}

  [[nodiscard]] executor_type get_executor() const noexcept { return executor_; }
  [[nodiscard]] allocator_type get_allocator() const noexcept {
    return boost::asio::get_associated_allocator(handler_);
  }

  template <class Tuple>
  void operator()(const std::exception_ptr& failed, Tuple result) {
    if (failed) {
      std::rethrow_exception(failed);  // out of memory: nothing else gets here
    }
    const auto slot = boost::asio::get_associated_cancellation_slot(handler_);
    if (slot.is_connected()) {
      boost::asio::cancellation_slot(slot).clear();
    }
    std::apply(std::move(handler_), std::move(result));
  }

 private:
  Handler handler_;
  executor_type executor_;
};

// The initiation function object.
class start {
 public:
  using executor_type = boost::asio::any_io_executor;

  explicit start(const executor_type& on) : on_(on) {}

  [[nodiscard]] executor_type get_executor() const noexcept { return on_; }

  template <class Handler, class Work>
  void operator()(Handler&& handler, const Work& work) const {
    auto a = std::make_shared<attempt>(on_);
    auto slot = boost::asio::get_associated_cancellation_slot(handler);
    if (slot.is_connected()) {
      // The signal may outlive the context, and what belongs to that must not.
      slot.assign([weak = std::weak_ptr(a)](boost::asio::cancellation_type type) {
        const auto here = weak.lock();
        if (here && type != boost::asio::cancellation_type::none) {
          here->cancel();
        }
      });
    }
    boost::asio::co_spawn(on_, work(std::move(a)),
                          completion<std::decay_t<Handler>>(std::forward<Handler>(handler), on_));
  }

 private:
  executor_type on_;
};

/// Runs `work(attempt)`, an awaitable of a tuple, on the strand `on`; Signature is void of the
/// tuple's types.
template <class Signature, class Work, class Token>
auto initiate(const boost::asio::any_io_executor& on, Work work, Token&& token) {
  return boost::asio::async_initiate<Token, Signature>(start(on), token, std::move(work));
}

}  // namespace cluster::detail
COROLOCK_END
