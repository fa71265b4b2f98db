// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers

#include "connection.hpp"

#include "places.hpp"
#include <corolock/asio/lock.hpp>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <unistd.h>

#include <algorithm>
#include <regex>
#include <utility>
#include <vector>

COROLOCK_BEGIN
namespace cluster::detail::postgresql {

namespace net = boost::asio;
using net::awaitable;

namespace {

// libpq's texts have several lines and end with one.
std::string in_one_line(std::string text) {
  std::ranges::replace_if(text, [](char c) { return c == '\n' || c == '\t'; }, ' ');
  text.erase(text.find_last_not_of(' ') + 1);
  return text;
}

}  // namespace

std::string connection::said() const {
  return in_one_line(PQerrorMessage(server_.get()));
}

// Why a connection was not made. With verbose errors the server's own begin with their SQLSTATE.
cluster_error connection::refusal(const std::string& text) const {
  static const std::regex state("FATAL: +([0-9A-Z]{5}):");
  std::smatch found;
  if (std::regex_search(text, found, state)) {
    const std::string code = found[1];
    // It starts, stops, or has no connection left: that passes.
    const bool may_pass = code.starts_with("57P") || code.starts_with("53");
    return {may_pass ? cluster_errc::unreachable : cluster_errc::refused, "PostgreSQL: " + text};
  }
  const bool is_other = text.find("expected authentication request") != std::string::npos ||
                        text.find("invalid response") != std::string::npos;
  return {is_other ? cluster_errc::wrong_server : cluster_errc::unreachable, "PostgreSQL: " + text};
}

awaitable<void> connection::connect(time_point limit) {
  const std::optional<places> at = co_await look_up_hosts(strand_, url_, limit);
  std::vector<const char*> names{"application_name", "client_encoding", "dbname"};
  std::vector<const char*> settings{"corolock", "UTF8", url_.c_str()};
  if (at) {  // what comes later counts
    names.insert(names.end(), {"host", "hostaddr", "port"});
    settings.insert(settings.end(), {at->hosts.c_str(), at->addresses.c_str(), at->ports.c_str()});
  }
  names.push_back(nullptr);
  settings.push_back(nullptr);
  server_.reset(PQconnectStartParams(names.data(), settings.data(), 1));
  if (!server_) {
    throw std::bad_alloc();
  }
  PQsetErrorVerbosity(server_.get(), PQERRORS_VERBOSE);
  // What is worth knowing comes as an error, but for why an idle connection is ended.
  const auto note = [](void* self, const char* text) {
    if (std::string_view(text).starts_with("FATAL")) {
      static_cast<connection*>(self)->last_words_ = in_one_line(text);
    }
  };
  PQsetNoticeProcessor(server_.get(), note, this);
  if (PQstatus(server_.get()) == CONNECTION_BAD) {
    const std::string why = said();
    if (why.find("invalid ") != std::string::npos) {  // such as a port that is no number
      throw cluster_error(cluster_errc::invalid_url, "PostgreSQL: " + why);
    }
    throw refusal(why);
  }
  co_await negotiate(limit);
  PQsetnonblocking(server_.get(), 1);
  process_ = PQbackendPID(server_.get());
  net::co_spawn(strand_, read(), net::detached);
}

awaitable<void> connection::negotiate(time_point limit) {
  auto wanted = PGRES_POLLING_WRITING;
  is_connecting_ = true;
  net::steady_timer alarm(strand_, limit);
  alarm.async_wait([self = weak_from_this()](const error_code& error) {
    if (const auto here = self.lock(); here && !error && here->is_connecting_ && here->socket_) {
      here->socket_->cancel();
    }
  });
  while (wanted == PGRES_POLLING_READING || wanted == PGRES_POLLING_WRITING) {
    watch();  // each time, because it may try several addresses
    const auto what =
        wanted == PGRES_POLLING_READING ? descriptor::wait_read : descriptor::wait_write;
    auto [error] = co_await socket_->async_wait(what, net::as_tuple(net::use_awaitable));
    if (error) {
      socket_.reset();
      throw cluster_error(cluster_errc::unreachable, "PostgreSQL: it does not answer in time");
    }
    wanted = PQconnectPoll(server_.get());
  }
  is_connecting_ = false;
  if (wanted != PGRES_POLLING_OK) {
    socket_.reset();
    throw refusal(said());
  }
  watch();
}

void connection::watch() {
  const int socket = dup(PQsocket(server_.get()));
  if (socket < 0) {
    throw cluster_error(cluster_errc::unreachable, "PostgreSQL: no file descriptor is left");
  }
  socket_.emplace(strand_, socket);
}

awaitable<void> connection::read() {
  const auto self = shared_from_this();
  while (socket_) {
    auto [error] =
        co_await socket_->async_wait(descriptor::wait_read, net::as_tuple(net::use_awaitable));
    if (!socket_) {
      break;
    }
    const bool is_ended = error || PQconsumeInput(server_.get()) == 0;
    static_cast<void>(PQisBusy(server_.get()));  // looks at what has come: it may say why
    if (is_ended || PQstatus(server_.get()) != CONNECTION_OK) {
      const auto tell = std::exchange(on_end_, nullptr);
      const std::string why = error ? error.message() : said();
      close(last_words_.empty() ? why : last_words_);
      if (tell) {
        tell(why_gone_);
      }
      break;
    }
    news_.cancel();
  }
}

void connection::close(const std::string& why) {
  if (socket_) {
    why_gone_ = "PostgreSQL: " + why;
    on_end_ = nullptr;
    socket_.reset();
    server_.reset();
    news_.cancel();
  }
}

void connection::send(const std::string& statement) {
  flush(socket_ ? PQsendQuery(server_.get(), statement.c_str()) : 0);
}

void connection::send(const char* prepared, const std::string& parameter) {
  const char* text = parameter.c_str();
  flush(socket_ ? PQsendQueryPrepared(server_.get(), prepared, 1, &text, nullptr, nullptr, 0) : 0);
}

// Our statements are shorter than any socket's buffer.
void connection::flush(int is_sent) {
  if (is_sent == 0 || PQflush(server_.get()) != 0) {
    close("the connection does not take a statement");
    throw gone(why_gone_);
  }
}

awaitable<void> connection::sleep(time_point limit) {
  news_.expires_at(limit);
  co_await news_.async_wait(net::as_tuple(net::use_awaitable));
}

awaitable<bool> connection::wait(attempt& a) {
  a.on_end([this] { news_.cancel(); });
  while (!a.ended() && socket_ && PQisBusy(server_.get()) != 0) {
    co_await sleep(time_point::max());
  }
  a.on_end(nullptr);
  co_return !a.ended();
}

awaitable<std::optional<std::string>> connection::answer(time_point limit) {
  result last;
  for (;;) {
    while (socket_ && PQisBusy(server_.get()) != 0) {
      if (std::chrono::steady_clock::now() >= limit) {
        close("it does not answer in time");
        break;
      }
      co_await sleep(limit);
    }
    if (!socket_) {
      throw gone(why_gone_);
    }
    result next(PQgetResult(server_.get()));
    if (!next) {
      break;
    }
    last = std::move(next);
  }
  const auto status = PQresultStatus(last.get());
  if (status != PGRES_TUPLES_OK && status != PGRES_COMMAND_OK) {
    throw cluster_error(cluster_errc::refused,
                        "PostgreSQL: " + in_one_line(PQresultErrorMessage(last.get())));
  }
  co_return value_of(*last);
}

std::optional<std::string> connection::value_of(const PGresult& answer) {
  const int last = PQnfields(&answer) - 1;
  if (PQntuples(&answer) == 0 || PQgetisnull(&answer, 0, last) != 0) {
    return std::nullopt;
  }
  return std::string(PQgetvalue(&answer, 0, last));
}

awaitable<std::optional<std::string>> connection::ask(std::string statement, time_point limit) {
  const local_mutex_guard mine = co_await async_lock(turn, net::use_awaitable);
  send(statement);
  co_return co_await answer(limit);
}

awaitable<std::optional<std::string>> connection::ask(const char* prepared, std::string parameter,
                                                      time_point limit) {
  const local_mutex_guard mine = co_await async_lock(turn, net::use_awaitable);
  send(prepared, parameter);
  co_return co_await answer(limit);
}

}  // namespace cluster::detail::postgresql
COROLOCK_END
