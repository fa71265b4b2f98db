// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers
#pragma once

// How a waiting operation is started, by any completion token.
//
// For use_awaitable, and as_tuple or redirect_error around it, the result is an awaitable that
// first tries to enter: an uncontended acquire returns its grant without a handler, an allocation of
// an operation, or a turn of the scheduler. Any other token gets the general operation, whose
// handler, by Asio's rule, never runs inside the initiating function.

#include <corolock/asio/detail/wait_operation.hpp>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/system/system_error.hpp>

#include <optional>
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
  std::tuple<Request...> arguments_;
};

template <class W, class P, class... Request>
request<P, W, std::decay_t<Request>...> make_request(P& p, Request&&... arguments) {
  return {&p, {std::forward<Request>(arguments)...}};
}

// The initiation function object: starts the general operation.
struct start_wait {
  template <class Handler, class P, class W, class... Request, class Deadline>
  void operator()(Handler&& handler, request<P, W, Request...> what, Deadline deadline) const {
    std::apply(
        [&](Request&... arguments) {
          wait_operation<P, W, Deadline, std::decay_t<Handler>>::start(
              *what.primitive_, std::move(deadline), std::forward<Handler>(handler),
              std::move(arguments)...);
        },
        what.arguments_);
  }
};

// How a wait went: an error code and, unless the grant is void, the grant.
template <class Grant>
using result_tuple = std::conditional_t<
    std::is_void_v<Grant>, std::tuple<error_code>,
    std::tuple<error_code, std::conditional_t<std::is_void_v<Grant>, int, Grant>>>;

// The result if it needs no waiting.
template <class P, class W, class... Request>
std::optional<result_tuple<corolock::detail::grant_of<P, W>>> try_enter(
    const request<P, W, Request...>& what) {
  using grant = corolock::detail::grant_of<P, W>;
  using result = result_tuple<grant>;
  if constexpr (corolock::detail::own_protocol<P, W>) {
    return std::nullopt;
  } else {
    return std::apply(
        [&](const Request&... arguments) -> std::optional<result> {
          W n(arguments...);
          if (!corolock::detail::enter_now(*what.primitive_, n)) {
            return std::nullopt;
          }
          if constexpr (std::is_void_v<grant>) {
            if (n.status_ == wait_status::granted) {
              corolock::detail::core_access::take(*what.primitive_, n);
            }
            return result(error_of(n.status_));
          } else {
            if (n.status_ != wait_status::granted) {
              return result(error_of(n.status_), grant());
            }
            return result(error_code(), corolock::detail::core_access::take(*what.primitive_, n));
          }
        },
        what.arguments_);
  }
}

// The tokens that mean "this coroutine waits", and what each makes of the result.
template <class Token>
struct awaitable_token {
  static constexpr bool is_awaitable = false;
};
template <class Executor>
struct awaitable_token<boost::asio::use_awaitable_t<Executor>> {
  static constexpr bool is_awaitable = true;
  using executor = Executor;

  explicit awaitable_token(const boost::asio::use_awaitable_t<Executor>&) {}

  auto operator()(std::tuple<error_code>&& result) const { throw_if(std::get<0>(result)); }
  template <class Grant>
  Grant operator()(std::tuple<error_code, Grant>&& result) const {
    throw_if(std::get<0>(result));
    return std::get<1>(std::move(result));
  }
  static void throw_if(const error_code& error) {
    if (error) {
      throw boost::system::system_error(error);
    }
  }
};
template <class Executor>
struct awaitable_token<boost::asio::as_tuple_t<boost::asio::use_awaitable_t<Executor>>> {
  static constexpr bool is_awaitable = true;
  using executor = Executor;

  explicit awaitable_token(const boost::asio::as_tuple_t<boost::asio::use_awaitable_t<Executor>>&) {
  }

  template <class Result>
  Result operator()(Result&& result) const {
    return std::move(result);
  }
};
template <class Executor>
struct awaitable_token<boost::asio::redirect_error_t<boost::asio::use_awaitable_t<Executor>>> {
  static constexpr bool is_awaitable = true;
  using executor = Executor;

  explicit awaitable_token(
      const boost::asio::redirect_error_t<boost::asio::use_awaitable_t<Executor>>& token)
      : error_(token.ec_) {}

  void operator()(std::tuple<error_code>&& result) const { error_ = std::get<0>(result); }
  template <class Grant>
  Grant operator()(std::tuple<error_code, Grant>&& result) const {
    error_ = std::get<0>(result);
    return std::get<1>(std::move(result));
  }

  error_code& error_;
};

template <class Token, class Result>
using awaited_result = decltype(std::declval<awaitable_token<Token>&>()(std::declval<Result>()));

template <class Token, class P, class W, class... Request, class Deadline>
auto wait_in_awaitable(request<P, W, Request...> what, Deadline deadline,
                       awaitable_token<Token> shape)
    -> boost::asio::awaitable<awaited_result<Token, result_tuple<corolock::detail::grant_of<P, W>>>,
                              typename awaitable_token<Token>::executor> {
  using result = result_tuple<corolock::detail::grant_of<P, W>>;
  if (std::optional<result> entered = try_enter(what)) {
    co_return shape(std::move(*entered));
  }
  auto operation =
      boost::asio::async_initiate<const boost::asio::as_tuple_t<boost::asio::deferred_t>,
                                  typename request<P, W, Request...>::signature>(
          start_wait(), boost::asio::as_tuple(boost::asio::deferred), std::move(what),
          std::move(deadline));
  result waited = co_await std::move(operation);
  co_return shape(std::move(waited));
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
