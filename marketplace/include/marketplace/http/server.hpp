// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers
#pragma once

// server: HTTP/1.1 over TCP, on Boost.Beast.

#include <marketplace/http/message.hpp>
#include <marketplace/http/router.hpp>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/ip/tcp.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace marketplace::http {

/// Which header the trusted proxies write.
enum class forwarded_header : std::uint8_t { x_forwarded_for, standard };

/// The limits hold to within an eighth of the shortest of them, or a second.
struct server_options {
  std::chrono::milliseconds header_limit{
      10'000};  ///< for a request's first byte to its last header
  std::chrono::milliseconds body_limit{30'000};
  std::chrono::milliseconds idle_limit{60'000};  ///< between two requests
  std::chrono::milliseconds write_limit{30'000};
  std::size_t connections = 10'000;          ///< beyond, new ones are closed at once
  std::vector<std::string> trusted_proxies;  ///< addresses that are believed whom they serve
  forwarded_header forwarded = forwarded_header::x_forwarded_for;
};

/// What is told of each request after its response was written, or nobody was there to read it.
struct served {
  std::string_view method;
  std::string_view pattern;  ///< of the route, or "-"
  std::string_view target;
  std::string_view peer;
  std::string_view id;
  unsigned status = 0;  ///< 499: the client went away first
  std::size_t bytes = 0;
  std::chrono::nanoseconds took{};
};

/// Serves connections until stop(). Everything runs on `executor`, which has one thread at a time.
///
/// A connection is one coroutine: read a request, serve it, write the response, again. While a
/// handler that may wait runs, the socket is watched: if the client goes away the handler is
/// cancelled, and its locks are free for the next. A handler that stores something shuts
/// cancellation off before it begins to (catalog).
class server {
 public:
  server(const boost::asio::any_io_executor& executor, router routes, server_options options,
         std::function<void(const served&)> told);
  server(const server&) = delete;
  server& operator=(const server&) = delete;
  ~server();

  /// Binds. Throws boost::system::system_error.
  boost::asio::ip::tcp::endpoint listen(const boost::asio::ip::tcp::endpoint& endpoint);

  /// Accepts until stop().
  boost::asio::awaitable<void> run();

  /// Takes no more connections, closes the idle ones, lets requests that are being served end, and
  /// cuts off what is left after `grace`. Completes when no connection is left.
  boost::asio::awaitable<void> stop(std::chrono::milliseconds grace);

  [[nodiscard]] bool is_stopping() const noexcept;
  [[nodiscard]] std::size_t connections() const noexcept;

 private:
  class state;
  std::shared_ptr<state> state_;
};

}  // namespace marketplace::http
