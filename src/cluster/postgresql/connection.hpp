// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers
#pragma once

// A connection to PostgreSQL, by libpq's functions that do not block.

#include "../engine.hpp"
#include <corolock/async_mutex.hpp>

#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>

#include <chrono>
#include <functional>
#include <libpq-fe.h>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>

COROLOCK_BEGIN
namespace cluster::detail::postgresql {

// The connection is of no more use.
class gone : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// For the session's strand. While it is connected a read is always under way, so that the end of
// the server is noticed at once.
class connection : public std::enable_shared_from_this<connection> {
 public:
  using time_point = std::chrono::steady_clock::time_point;

  connection(strand on, std::string url) : strand_(std::move(on)), url_(std::move(url)) {}

  // Throws cluster_error.
  boost::asio::awaitable<void> connect(time_point limit);
  // Called once, when the server has ended the connection.
  void on_end(std::function<void(const std::string&)> call) { on_end_ = std::move(call); }
  void close(const std::string& why);

  // The last value of the first row; none if it is null or there is no row. Throws gone, also when
  // the limit has passed, and cluster_error when the server refuses the statement. The second form
  // is for a statement that was prepared, by its name, and has one parameter.
  boost::asio::awaitable<std::optional<std::string>> ask(std::string statement, time_point limit);
  boost::asio::awaitable<std::optional<std::string>> ask(const char* prepared,
                                                         std::string parameter, time_point limit);
  // The same in two steps: wait() is over when there is an answer, or the attempt has ended.
  void send(const std::string& statement);
  void send(const char* prepared, const std::string& parameter);
  boost::asio::awaitable<bool> wait(attempt& a);
  boost::asio::awaitable<std::optional<std::string>> answer(time_point limit);

  [[nodiscard]] bool is_open() const noexcept { return socket_.has_value(); }
  // The backend's; a pooler tells one of its own.
  [[nodiscard]] int process() const noexcept { return process_; }
  void set_process(int process) noexcept { process_ = process; }
  [[nodiscard]] int version() const noexcept { return PQserverVersion(server_.get()); }

  // One statement at a time.
  local_async_mutex turn;

 private:
  using descriptor = boost::asio::posix::stream_descriptor;
  struct closer {
    void operator()(PGconn* server) const noexcept { PQfinish(server); }
    void operator()(PGresult* result) const noexcept { PQclear(result); }
  };
  using result = std::unique_ptr<PGresult, closer>;

  boost::asio::awaitable<void> negotiate(time_point limit);
  boost::asio::awaitable<void> read();
  boost::asio::awaitable<void> sleep(time_point limit);
  void watch();
  void flush(int is_sent);
  [[nodiscard]] std::string said() const;
  [[nodiscard]] cluster_error refusal(const std::string& text) const;
  static std::optional<std::string> value_of(const PGresult& answer);

  const strand strand_;
  const std::string url_;
  std::function<void(const std::string&)> on_end_;
  // The descriptor is a duplicate of the server's socket, so that each closes its own.
  std::unique_ptr<PGconn, closer> server_;
  std::optional<descriptor> socket_;
  boost::asio::steady_timer news_{strand_};  // cancelled when there is something to look at
  std::string why_gone_ = "there is no connection";
  std::string last_words_;
  bool is_connecting_ = false;
  int process_ = 0;
};

}  // namespace cluster::detail::postgresql
COROLOCK_END
