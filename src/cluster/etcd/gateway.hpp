// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers
#pragma once

// gateway: etcd v3's JSON gateway, over HTTP/1.1. For one strand.
//
// A request goes to one server, within a short time limit: one that is sent during an election may
// be dropped, and fails seconds later only. When there is no answer the next request goes to the
// next server. Whether the one without an answer was carried out, nobody knows: requests have to
// be such that asking again repeats nothing.

#include <corolock/cluster/detail/attempt.hpp>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/json/object.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

COROLOCK_BEGIN
namespace cluster::detail::etcd {

struct address {
  std::string host;
  std::string port;
};

// etcd://[user:password@]host:port[,host:port...], or etcds:// with TLS, and then ?ca=FILE for
// certificates that the system does not know.
struct url {
  std::vector<address> servers;
  std::string user;
  std::string password;
  bool is_tls = false;
  std::string ca_file;
};

// Throws cluster_error.
url parse_url(const std::string& text);

struct reply {
  enum class kind {
    answered,  // `body`
    error,     // what etcd said is in `message`
    none,      // why is in `message`; the request may have been carried out
    foreign,   // this is no etcd: why is in `message`
  };
  kind is = kind::none;
  boost::json::object body;
  std::string message;

  [[nodiscard]] bool says(std::string_view part) const {
    return is == kind::error && message.find(part) != std::string::npos;
  }
};

class connection;

// The events of all keys that begin so, from now on.
class watch {
 public:
  explicit watch(std::unique_ptr<connection> on);
  watch(const watch&) = delete;
  watch& operator=(const watch&) = delete;
  ~watch();

  // A message, or nothing: it has ended.
  boost::asio::awaitable<std::optional<boost::json::object>> next();
  void close();

 private:
  friend class gateway;

  const std::unique_ptr<connection> connection_;
  struct reading;
  std::unique_ptr<reading> reading_;
};

class gateway {
 public:
  // Throws cluster_error if the file of certificates cannot be read.
  gateway(strand on, url where, std::chrono::milliseconds request_limit);
  gateway(const gateway&) = delete;
  gateway& operator=(const gateway&) = delete;
  ~gateway();

  boost::asio::awaitable<reply> ask(std::string path, boost::json::object question);
  // Null if the server did not confirm it in time, or has refused it: then it has said why.
  boost::asio::awaitable<std::shared_ptr<watch>> open_watch(std::string prefix,
                                                            std::string& refused);
  // How often another server had to be tried.
  [[nodiscard]] std::uint64_t switches() const noexcept { return switches_; }
  // The server that is asked next.
  [[nodiscard]] std::string server() const;

 private:
  boost::asio::awaitable<std::unique_ptr<connection>> connect(std::string& why, bool& is_foreign);
  boost::asio::awaitable<reply> ask_once(std::string path, std::string question);
  boost::asio::awaitable<reply> authenticate();
  void forget_token(const std::string& token);
  void give_up_server();

  const strand strand_;
  const url url_;
  const std::chrono::milliseconds limit_;
  boost::asio::ssl::context tls_;
  std::vector<std::unique_ptr<connection>> idle_;
  std::size_t server_ = 0;
  std::uint64_t switches_ = 0;
  std::string token_;
};

// What the message of a reply ends with if the server closed the connection: so do those of other
// kinds, and one that is being stopped.
inline constexpr std::string_view closed_without_answer =
    "it closed the connection without an answer";

// The texts of keys and values in etcd's JSON.
std::string base64(std::string_view bytes);
std::string from_base64(std::string_view text);

// The least key that is greater than all that begin so.
std::string end_of(std::string prefix);

}  // namespace cluster::detail::etcd
COROLOCK_END
