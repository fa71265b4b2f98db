// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers
#pragma once

// What the tests of the Asio front end share.
//
//   launch(context, f(...))      an exception that leaves the coroutine leaves context.run()
//   poll(context)               runs what is ready
//   completion<Grant> c;        a callback's results, by c.handler()
//   tracker, alive              tells whether a handler or a frame has been destroyed

#include <boost/asio/awaitable.hpp>
#include <boost/asio/bind_executor.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/system/error_code.hpp>

#include <cstddef>
#include <exception>
#include <memory>
#include <utility>

namespace corolock_test {

namespace asio = boost::asio;
using boost::system::error_code;

struct rethrow {
  void operator()(const std::exception_ptr& e) const {
    if (e) {
      std::rethrow_exception(e);
    }
  }
};

template <class ExecutorOrContext, class Executor>
void launch(ExecutorOrContext&& where, asio::awaitable<void, Executor> task) {
  asio::co_spawn(std::forward<ExecutorOrContext>(where), std::move(task), rethrow());
}

inline void poll(asio::io_context& context) {
  context.restart();
  context.poll();
}

/// Runs until nothing is left to do.
inline void run(asio::io_context& context) {
  context.restart();
  context.run();
}

/// Lets the others of the context run, so many times.
inline asio::awaitable<void> yield(std::size_t times = 1) {
  for (std::size_t i = 0; i < times; ++i) {
    co_await asio::post(asio::use_awaitable);
  }
}

/// What a callback was called with. It outlives the callback.
template <class Grant>
struct completion {
  std::size_t calls = 0;
  error_code error;
  Grant grant;

  auto handler() {
    return [this](error_code e, Grant g) {
      ++calls;
      error = e;
      grant = std::move(g);
    };
  }
  [[nodiscard]] bool succeeded() const { return calls == 1 && !error; }
  [[nodiscard]] bool failed_with(const error_code& e) const { return calls == 1 && error == e; }
  [[nodiscard]] bool was_aborted() const { return failed_with(asio::error::operation_aborted); }
};
template <>
struct completion<void> {
  std::size_t calls = 0;
  error_code error;

  auto handler() {
    return [this](error_code e) {
      ++calls;
      error = e;
    };
  }
  [[nodiscard]] bool succeeded() const { return calls == 1 && !error; }
  [[nodiscard]] bool failed_with(const error_code& e) const { return calls == 1 && error == e; }
  [[nodiscard]] bool was_aborted() const { return failed_with(asio::error::operation_aborted); }
};

/// Copies of it are handed to handlers and coroutines; alive() says whether one of them is left.
class tracker {
 public:
  [[nodiscard]] std::shared_ptr<int> copy() const { return mark_; }
  [[nodiscard]] bool alive() const { return mark_.use_count() > 1; }

 private:
  std::shared_ptr<int> mark_ = std::make_shared<int>();
};

}  // namespace corolock_test
