// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers

#include "look_up.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/bind_executor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <memory>
#include <utility>

COROLOCK_BEGIN
namespace cluster::detail {

namespace net = boost::asio;
using net::ip::tcp;

namespace {

// Lives until the resolver has answered, whoever waits for that.
struct question {
  explicit question(const strand& on, std::chrono::steady_clock::time_point limit)
      : resolver(on), answered(on, limit) {}

  tcp::resolver resolver;
  net::steady_timer answered;
  error_code error = net::error::timed_out;
  tcp::resolver::results_type found;
};

}  // namespace

net::awaitable<std::tuple<error_code, tcp::resolver::results_type>> look_up(
    strand on, std::string host, std::string port, std::chrono::steady_clock::time_point limit) {
  const auto asked = std::make_shared<question>(on, limit);
  asked->resolver.async_resolve(
      host, port,
      net::bind_executor(on, [asked](error_code error, tcp::resolver::results_type found) {
        asked->error = error;
        asked->found = std::move(found);
        asked->answered.cancel();
      }));
  co_await asked->answered.async_wait(net::as_tuple(net::use_awaitable));
  std::tuple<error_code, tcp::resolver::results_type> result(asked->error, std::move(asked->found));
  co_return result;
}

}  // namespace cluster::detail
COROLOCK_END
