// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers
#pragma once

#include "../sql/connection.hpp"
#include "../sql/dialect.hpp"

#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>

#include <chrono>
#include <functional>
#include <libpq-fe.h>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>

namespace marketplace::postgresql {

/// A connection to a server, by libpq's functions that do not block. For one thread.
class connection final : public sql::connection {
 public:
  explicit connection(std::string url) : url_(std::move(url)) {}

  /// Connects if it is not connected, or not any more.
  boost::asio::awaitable<void> connect() override;
  boost::asio::awaitable<sql::rows> execute(std::string_view statement,
                                            sql::values parameters) override;

  /// Waits until a channel that is listened to was notified. Throws error, also after cancel().
  boost::asio::awaitable<void> notification();
  /// Ends the wait for a notification. On the same thread.
  void cancel();

 private:
  using descriptor = boost::asio::posix::stream_descriptor;
  using clock = std::chrono::steady_clock;

  struct closer {
    void operator()(PGconn* server) const noexcept { PQfinish(server); }
    void operator()(PGresult* result) const noexcept { PQclear(result); }
    void operator()(PGnotify* notice) const noexcept { PQfreemem(notice); }
  };
  using result = std::unique_ptr<PGresult, closer>;
  struct hash : std::hash<std::string_view> {
    using is_transparent = void;
  };

  boost::asio::awaitable<void> connect_anew();
  boost::asio::awaitable<void> negotiate(clock::time_point limit);
  boost::asio::awaitable<std::string> prepare(std::string_view statement);
  boost::asio::awaitable<result> answer();
  boost::asio::awaitable<void> ready(descriptor::wait_type what,
                                     std::optional<clock::time_point> limit);
  void watch(const boost::asio::any_io_executor& executor);
  void require(bool done);
  void require_success(const PGresult* answer);
  [[nodiscard]] sql::error lost(std::string why = {});

  const std::string url_;
  // The descriptor is a duplicate of the server's socket, so that each closes its own.
  std::unique_ptr<PGconn, closer> server_;
  std::optional<descriptor> socket_;
  std::unordered_map<std::string, std::string, hash, std::equal_to<>> prepared_;
};

extern const sql::dialect dialect;
inline constexpr std::string_view listen = "LISTEN marketplace_changes";

}  // namespace marketplace::postgresql
