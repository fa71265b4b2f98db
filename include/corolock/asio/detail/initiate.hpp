// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers
#pragma once

// How a waiting operation is started, by any completion token.
//
// For use_awaitable, and as_tuple or redirect_error around it, the result is an awaitable that
// first tries to enter: an uncontended acquire returns its grant without a handler, an allocation
// of an operation, or a turn of the scheduler. Any other token gets the general operation, whose
// handler, by Asio's rule, never runs inside the initiating function.

#include <corolock/asio/detail/wait_operation.hpp>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/system/system_error.hpp>

#include <cstddef>
#include <tuple>
#include <type_traits>
#include <utility>

COROLOCK_BEGIN
namespace asio::detail {

// What one kind of wait asks of a primitive: arguments of the waiter's constructor.
template <class P, class W, class... Request>
struct request {
  using primitive = P;
  using waiter = W;
  using grant = corolock::detail::grant_of<P, W>;
  using signature = typename completion<grant>::signature;

  P* primitive_;
  [[no_unique_address]] std::tuple<Request...> arguments_;
};

template <class W, class P, class... Request>
request<P, W, std::decay_t<Request>...> make_request(P& p, Request&&... arguments) {
  return {&p, {std::forward<Request>(arguments)...}};
}

// Starts the general operation, in memory from `allocator`.
template <class Handler, class P, class W, class... Request, class Deadline, class Executor,
          class Allocator>
void start_operation(Handler&& handler, request<P, W, Request...>& what, Deadline& deadline,
                     const Executor& executor, const Allocator& allocator) {
  std::apply(
      [&](Request&... arguments) {
        using operation =
            wait_operation<P, W, Deadline, std::decay_t<Handler>, Executor, Allocator>;
        operation::start(*what.primitive_, std::move(deadline), std::forward<Handler>(handler),
                         executor, allocator, std::move(arguments)...);
      },
      what.arguments_);
}

// The initiation function objects: for any handler, and for the coroutine that has room for the
// operation in its frame.
struct start_wait {
  template <class Handler, class Request, class Deadline>
  void operator()(Handler&& handler, Request what, Deadline deadline) const {
    const auto executor = boost::asio::get_associated_executor(handler);
    const auto allocator = recycled(boost::asio::get_associated_allocator(handler));
    start_operation(std::forward<Handler>(handler), what, deadline, executor, allocator);
  }
};
struct start_wait_in_frame {
  wait_memory* memory;

  template <class Handler, class Request, class Deadline>
  void operator()(Handler&& handler, Request what, Deadline deadline) const {
    const wait_allocator<std::byte> allocator(*memory);
    const auto executor = boost::asio::get_associated_executor(handler);
    // The executor of a coroutine is an any_io_executor, almost always around an io_context's.
    // Posting to that one directly is half the work.
    if constexpr (std::is_same_v<decltype(executor), const boost::asio::any_io_executor>) {
      using io_executor = boost::asio::io_context::executor_type;
      if (const auto* inner = executor.template target<io_executor>()) {
        start_operation(std::forward<Handler>(handler), what, deadline, *inner, allocator);
        return;
      }
    }
    start_operation(std::forward<Handler>(handler), what, deadline, executor, allocator);
  }
};

// Enters if that needs no waiting: the grant, and how it went in `s`; `queued` if it needs waiting.
template <class P, class W, class... Request>
auto enter_at_once(const request<P, W, Request...>& what, wait_status& s) {
  using grant = corolock::detail::grant_of<P, W>;
  return std::apply(
      [&](const Request&... arguments) -> grant {
        if constexpr (!corolock::detail::own_protocol<P, W>) {
          W n(arguments...);
          s = corolock::detail::enter_now(*what.primitive_, n);
          if (s == wait_status::granted) {
            return corolock::detail::core_access::take(*what.primitive_, n);
          }
        }
        return grant();
      },
      what.arguments_);
}

[[noreturn]] COROLOCK_COLD inline void throw_ended(wait_status s) {
  throw boost::system::system_error(error_of(s));
}

// The tokens that mean "this coroutine waits", and how each hands out what a wait has come to.
template <class Token>
struct awaitable_token {
  static constexpr bool is_awaitable = false;
};
template <class Executor>
struct awaitable_token<boost::asio::use_awaitable_t<Executor>> {
  static constexpr bool is_awaitable = true;
  using executor = Executor;
  template <class Grant>
  using result = Grant;

  explicit awaitable_token(const boost::asio::use_awaitable_t<Executor>&) noexcept {}

  void operator()(wait_status s) const {
    if (s != wait_status::granted) [[unlikely]] {
      throw_ended(s);
    }
  }
  template <class Grant>
  Grant&& operator()(wait_status s, Grant&& grant) const {
    (*this)(s);
    return std::forward<Grant>(grant);
  }
};
template <class Executor>
struct awaitable_token<boost::asio::as_tuple_t<boost::asio::use_awaitable_t<Executor>>> {
  static constexpr bool is_awaitable = true;
  using executor = Executor;
  template <class Grant>
  using result = typename completion<Grant>::tuple;

  explicit awaitable_token(
      const boost::asio::as_tuple_t<boost::asio::use_awaitable_t<Executor>>&) noexcept {}

  std::tuple<error_code> operator()(wait_status s) const { return {error_of(s)}; }
  template <class Grant>
  std::tuple<error_code, Grant> operator()(wait_status s, Grant&& grant) const {
    return {error_of(s), std::forward<Grant>(grant)};
  }
};
template <class Executor>
struct awaitable_token<boost::asio::redirect_error_t<boost::asio::use_awaitable_t<Executor>>> {
  static constexpr bool is_awaitable = true;
  using executor = Executor;
  template <class Grant>
  using result = Grant;

  explicit awaitable_token(
      const boost::asio::redirect_error_t<boost::asio::use_awaitable_t<Executor>>& token) noexcept
      : error_(token.ec_) {}

  void operator()(wait_status s) const { error_ = error_of(s); }
  template <class Grant>
  Grant&& operator()(wait_status s, Grant&& grant) const {
    error_ = error_of(s);
    return std::forward<Grant>(grant);
  }

  error_code& error_;
};

template <class Token, class P, class W, class... Request, class Deadline>
auto wait_in_awaitable(request<P, W, Request...> what, Deadline deadline,
                       awaitable_token<Token> token)
    -> boost::asio::awaitable<
        typename awaitable_token<Token>::template result<corolock::detail::grant_of<P, W>>,
        typename awaitable_token<Token>::executor> {
  using grant_type = corolock::detail::grant_of<P, W>;
  {
    wait_status s = wait_status::queued;
    if constexpr (std::is_void_v<grant_type>) {
      enter_at_once(what, s);
      if (s != wait_status::queued) {
        co_return token(s);
      }
    } else {
      grant_type grant = enter_at_once(what, s);
      if (s != wait_status::queued) {
        co_return token(s, std::move(grant));
      }
    }
  }
  wait_memory memory;
  auto operation = boost::asio::async_initiate<const boost::asio::deferred_t,
                                               typename completion<grant_type>::in_frame>(
      start_wait_in_frame{&memory}, boost::asio::deferred, std::move(what), std::move(deadline));
  if constexpr (std::is_void_v<grant_type>) {
    co_return token(co_await std::move(operation));
  } else {
    std::tuple<wait_status, grant_type> result = co_await std::move(operation);
    co_return token(std::get<0>(result), std::get<1>(std::move(result)));
  }
}

template <class P, class W, class... Request, class Deadline, class Token>
auto initiate_wait(request<P, W, Request...> what, Deadline deadline, Token&& token) {
  using token_type = std::decay_t<Token>;
  if constexpr (awaitable_token<token_type>::is_awaitable) {
    return wait_in_awaitable<token_type>(std::move(what), std::move(deadline),
                                         awaitable_token<token_type>(token));
  } else {
    return boost::asio::async_initiate<Token, typename request<P, W, Request...>::signature>(
        start_wait(), token, std::move(what), std::move(deadline));
  }
}

}  // namespace asio::detail
COROLOCK_END
