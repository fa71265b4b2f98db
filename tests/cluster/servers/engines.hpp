// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers
#pragma once

// The engines that the conformance suite runs on. Each has
//
//   client             a process: mutex(name) is a lock; several clients are several processes
//   connect(context)   a client on that context, which it runs meanwhile
//   queue(name)        how many hold the lock or wait for it, asked of the server
//
// until(context, what) runs a context until something is so, and fails the test after 20 s.

#include <corolock/cluster.hpp>

#include <boost/asio/buffer.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/address.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/write.hpp>
#include <boost/system/error_code.hpp>
#include <gtest/gtest.h>

#include <chrono>
#include <cstddef>
#include <cstdlib>
#include <exception>
#include <libpq-fe.h>
#include <map>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>

namespace corolock_test {

namespace asio = boost::asio;

/// Where a server is, or empty: the tests are run by a script that starts the servers.
inline std::string url_in(const char* variable) {
  const char* value = std::getenv(variable);  // NOLINT(concurrency-mt-unsafe)
  return value == nullptr ? "" : value;
}

template <class What>
void until(asio::io_context& context, What what) {
  using clock = std::chrono::steady_clock;
  const auto limit = clock::now() + std::chrono::seconds(20);
  context.restart();
  while (!what()) {
    if (clock::now() > limit) {
      throw std::runtime_error("what the test waits for has not come");
    }
    context.run_one_for(std::chrono::milliseconds(5));
    context.restart();
  }
}

/// A session, or the exception that there is none.
template <class Start>
corolock::session connected(asio::io_context& context, Start start) {
  bool is_done = false;
  std::exception_ptr failed;
  corolock::session made;
  start([&](const std::exception_ptr& error, corolock::session s) {
    is_done = true;
    failed = error;
    made = std::move(s);
  });
  until(context, [&] { return is_done; });
  if (failed) {
    std::rethrow_exception(failed);
  }
  return made;
}
inline corolock::session connected(asio::io_context& context, const std::string& url,
                                   const corolock::session_options& options = {}) {
  return connected(context, [&](auto handler) {
    corolock::async_connect(context.get_executor(), url, options, std::move(handler));
  });
}

/// A process that uses a server.
struct remote_client {
  corolock::session session;

  [[nodiscard]] corolock::distributed_mutex mutex(const std::string& name) const {
    return {session, name};
  }
};

/// The lock within one process, for comparison: all clients are this process.
class local_engine {
 public:
  static constexpr const char* title = "Local";
  static constexpr bool is_remote = false;
  struct client {
    local_engine* engine;

    [[nodiscard]] corolock::async_mutex& mutex(const std::string& name) const {
      return engine->locks_[name];
    }
  };

  client connect(asio::io_context&) { return {this}; }
  std::size_t queue(const std::string& name) {
    const auto now = locks_[name].statistics();
    return now.waiters + (now.locked ? 1 : 0);
  }

 private:
  std::map<std::string, corolock::async_mutex> locks_;
};

class memory_engine {
 public:
  static constexpr const char* title = "Memory";
  static constexpr bool is_remote = true;
  using client = remote_client;

  client connect(asio::io_context& context) {
    return {connected(context, [&](auto handler) {
      cluster_.async_connect(context.get_executor(), {}, std::move(handler));
    })};
  }
  template <class Token>
  auto connect(const asio::any_io_executor& executor, Token&& token) {
    return cluster_.async_connect(executor, {}, std::forward<Token>(token));
  }
  std::size_t queue(const std::string& name) { return cluster_.queue_length(name); }

 private:
  corolock::memory_cluster cluster_;
};

/// A connection of the tests' own, which blocks.
class sql {
 public:
  explicit sql(const std::string& url) : server_(PQconnectdb(url.c_str())) {
    if (PQstatus(server_.get()) != CONNECTION_OK) {
      throw std::runtime_error(PQerrorMessage(server_.get()));
    }
  }
  /// The first value of the answer.
  std::string operator()(const std::string& statement) {
    const std::unique_ptr<PGresult, closer> got(PQexec(server_.get(), statement.c_str()));
    const auto status = PQresultStatus(got.get());
    if (status != PGRES_TUPLES_OK && status != PGRES_COMMAND_OK) {
      throw std::runtime_error(PQresultErrorMessage(got.get()));
    }
    return PQntuples(got.get()) == 0 ? "" : PQgetvalue(got.get(), 0, 0);
  }

 private:
  struct closer {
    void operator()(PGconn* server) const noexcept { PQfinish(server); }
    void operator()(PGresult* result) const noexcept { PQclear(result); }
  };
  std::unique_ptr<PGconn, closer> server_;
};

class postgresql_engine {
 public:
  static constexpr const char* title = "Postgresql";
  static constexpr bool is_remote = true;
  using client = remote_client;

  postgresql_engine() : ask_(url()) {}

  static std::string url() { return url_in("COROLOCK_POSTGRESQL"); }

  static client connect(asio::io_context& context) { return {connected(context, url())}; }
  // The tests lock one name at a time when they ask.
  std::size_t queue(const std::string&) {
    return std::stoul(ask_("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'"));
  }

 private:
  sql ask_;
};

/// What an etcd server answers, by its JSON gateway, to whom the token is of; with a connection of
/// its own, which blocks.
inline std::string etcd_says(const std::string& url, const std::string& path,
                             const std::string& question, const std::string& token = "") {
  const auto host = url.find("//") + 2;
  const auto colon = url.rfind(':');
  asio::io_context context;
  asio::ip::tcp::socket server(context);
  server.connect({asio::ip::make_address(url.substr(host, colon - host)),
                  static_cast<asio::ip::port_type>(std::stoul(url.substr(colon + 1)))});
  asio::write(server, asio::buffer("POST " + path + " HTTP/1.0\r\n" +
                                   (token.empty() ? "" : "Authorization: " + token + "\r\n") +
                                   "Content-Length: " + std::to_string(question.size()) +
                                   "\r\n\r\n" + question));
  std::string answer;
  boost::system::error_code end;
  asio::read(server, asio::dynamic_buffer(answer), end);
  return answer;
}

/// How many keys begin with "corolock/": the tests lock one name at a time when they ask.
inline std::size_t etcd_queue(const std::string& url) {
  const std::string answer =
      etcd_says(url, "/v3/kv/range",
                R"({"key":"Y29yb2xvY2sv","range_end":"Y29yb2xvY2sw","count_only":true})");
  const auto count = answer.find("\"count\":\"");
  return count == std::string::npos ? 0 : std::stoul(answer.substr(count + 9));
}

class etcd_engine {
 public:
  static constexpr bool is_remote = true;
  static constexpr const char* title = "Etcd";
  using client = remote_client;

  static std::string url() { return url_in("COROLOCK_ETCD"); }
  static client connect(asio::io_context& context) { return {connected(context, url())}; }
  static std::size_t queue(const std::string&) { return etcd_queue(url()); }
};

}  // namespace corolock_test
