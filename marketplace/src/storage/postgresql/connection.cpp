// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers

#include "connection.hpp"

#include <boost/asio/redirect_error.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <unistd.h>

#include <array>
#include <charconv>
#include <utility>

namespace marketplace::postgresql {
namespace {

using namespace std::chrono_literals;
using boost::asio::awaitable;
using boost::asio::use_awaitable;

constexpr auto time_to_connect = 5s;
// Longer than the server's own limit, which is in the options below.
constexpr auto time_to_answer = 40s;

// Statements that differ in their filters are many; those that are used are few.
constexpr std::size_t most_prepared = 200;

constexpr std::array<std::string_view, 2> schema_of_words{
    "CREATE TABLE agent_words (seq BIGINT PRIMARY KEY, words TSVECTOR NOT NULL)",
    "CREATE INDEX agent_words_index ON agent_words USING gin (words)",
};
// The number is the lock's name, known to nobody else.
constexpr std::array<std::string_view, 2> begin{
    "BEGIN ISOLATION LEVEL READ COMMITTED",
    "SELECT pg_advisory_xact_lock(5210698434219734871)",
};

std::string match(const std::vector<std::string>& beginnings) {
  std::string text;
  for (const std::string& word : beginnings) {
    text += (text.empty() ? "'" : " & '") + word + "':*";
  }
  return text;
}

std::string without_line_end(std::string text) {
  while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) {
    text.pop_back();
  }
  return text;
}

bool is_integer(Oid type) {
  return type == 20 || type == 21 || type == 23;  // int8, int2, int4
}

sql::rows rows_of(const PGresult* answer) {
  const int size = PQntuples(answer);
  const int width = PQnfields(answer);
  sql::rows rows;
  rows.reserve(static_cast<std::size_t>(size));
  for (int i = 0; i < size; ++i) {
    std::vector<sql::value> columns;
    columns.reserve(static_cast<std::size_t>(width));
    for (int k = 0; k < width; ++k) {
      const std::string_view text(PQgetvalue(answer, i, k),
                                  static_cast<std::size_t>(PQgetlength(answer, i, k)));
      if (PQgetisnull(answer, i, k) != 0) {
        columns.emplace_back(nullptr);
      } else if (is_integer(PQftype(answer, k))) {
        std::int64_t number = 0;
        std::from_chars(text.data(), text.data() + text.size(), number);
        columns.emplace_back(number);
      } else {
        columns.emplace_back(std::string(text));
      }
    }
    rows.emplace_back(std::move(columns));
  }
  return rows;
}

}  // namespace

// Texts are sorted by their bytes, as everywhere else.
const sql::dialect dialect{
    "BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY",
    "BIGINT",
    "TEXT COLLATE \"C\"",
    "",
    "",
    schema_of_words,
    begin,
    "NOTIFY marketplace_changes",
    "SELECT 1 FROM pg_tables WHERE schemaname = current_schema() AND tablename = 'schema_version'",
    " RETURNING seq",
    "",
    "INSERT INTO agent_words (seq, words) VALUES ($1, array_to_tsvector(string_to_array($2, ' ')))",
    "DELETE FROM agent_words WHERE seq = $1 AND $2::text IS NOT NULL",
    "SELECT seq FROM agent_words WHERE words @@ $?::tsquery",
    &match,
};

awaitable<void> connection::connect() {
  // A server that went away has said why, and then closed the connection: two inputs.
  const bool is_there = server_ && PQconsumeInput(server_.get()) == 1 &&
                        PQconsumeInput(server_.get()) == 1 &&
                        PQstatus(server_.get()) == CONNECTION_OK;
  if (!is_there) {
    co_await connect_anew();
  }
}

awaitable<void> connection::connect_anew() {
  socket_.reset();
  prepared_.clear();
  // What stands in the URL comes after these, and wins.
  const std::array<const char*, 6> names{"application_name", "tcp_user_timeout", "client_encoding",
                                         "options",          "dbname",           nullptr};
  const std::array<const char*, 6> settings{
      "marketplace", "20000", "UTF8", "-c statement_timeout=30000", url_.c_str(), nullptr};
  server_.reset(PQconnectStartParams(names.data(), settings.data(), 1));
  if (!server_) {
    throw sql::error("out of memory", sql::error::what_is_left::nothing);
  }
  require(PQstatus(server_.get()) != CONNECTION_BAD);
  co_await negotiate(clock::now() + time_to_connect);
  require(PQsetnonblocking(server_.get(), 1) == 0);
}

awaitable<void> connection::negotiate(clock::time_point limit) {
  const auto executor = co_await boost::asio::this_coro::executor;
  auto wanted = PGRES_POLLING_WRITING;
  while (wanted == PGRES_POLLING_READING || wanted == PGRES_POLLING_WRITING) {
    watch(executor);  // each time, because it may try several addresses
    const auto what =
        wanted == PGRES_POLLING_READING ? descriptor::wait_read : descriptor::wait_write;
    co_await ready(what, limit);
    wanted = PQconnectPoll(server_.get());
  }
  require(wanted == PGRES_POLLING_OK);
  watch(executor);
}

void connection::watch(const boost::asio::any_io_executor& executor) {
  const int socket = dup(PQsocket(server_.get()));
  require(socket >= 0);
  socket_.emplace(executor, socket);
}

awaitable<sql::rows> connection::execute(std::string_view statement, sql::values parameters) {
  if (!socket_) {
    throw lost("there is no connection");
  }
  const std::string name = co_await prepare(statement);
  std::vector<std::string> numbers;
  numbers.reserve(parameters.size());
  std::vector<const char*> texts;
  texts.reserve(parameters.size());
  for (const sql::value& value : parameters) {
    if (const auto* number = std::get_if<std::int64_t>(&value)) {
      texts.push_back(numbers.emplace_back(std::to_string(*number)).c_str());
    } else if (const auto* text = std::get_if<std::string>(&value)) {
      if (text->find('\0') != std::string::npos) {
        throw sql::error("PostgreSQL stores no texts with a NUL in them",
                         sql::error::what_is_left::transaction);
      }
      texts.push_back(text->c_str());
    } else {
      texts.push_back(nullptr);
    }
  }
  require(PQsendQueryPrepared(server_.get(), name.c_str(), static_cast<int>(texts.size()),
                              texts.data(), nullptr, nullptr, 0) == 1);
  const result got = co_await answer();
  require_success(got.get());
  co_return rows_of(got.get());
}

awaitable<std::string> connection::prepare(std::string_view statement) {
  if (const auto found = prepared_.find(statement); found != prepared_.end()) {
    co_return found->second;
  }
  if (prepared_.size() >= most_prepared) {
    prepared_.clear();
    require(PQsendQuery(server_.get(), "DEALLOCATE ALL") == 1);
    const result dropped = co_await answer();
    require_success(dropped.get());
  }
  const std::string name = "s" + std::to_string(prepared_.size());
  const std::string text(statement);
  require(PQsendPrepare(server_.get(), name.c_str(), text.c_str(), 0, nullptr) == 1);
  const result got = co_await answer();
  require_success(got.get());
  prepared_.emplace(text, name);
  co_return name;
}

// The last result of what was sent: we send one statement at a time.
awaitable<connection::result> connection::answer() {
  const auto limit = clock::now() + time_to_answer;
  int flushed = PQflush(server_.get());
  while (flushed == 1) {
    co_await ready(descriptor::wait_write, limit);
    require(PQconsumeInput(server_.get()) == 1);
    flushed = PQflush(server_.get());
  }
  require(flushed == 0);
  result last;
  for (;;) {
    while (PQisBusy(server_.get()) != 0) {
      co_await ready(descriptor::wait_read, limit);
      require(PQconsumeInput(server_.get()) == 1);
    }
    result next(PQgetResult(server_.get()));
    if (!next) {
      break;
    }
    last = std::move(next);
  }
  co_return last;
}

awaitable<void> connection::notification() {
  bool is_notified = false;
  while (!is_notified) {
    while (const std::unique_ptr<PGnotify, closer> notice{PQnotifies(server_.get())}) {
      is_notified = true;  // several are one
    }
    if (!is_notified) {
      co_await ready(descriptor::wait_read, std::nullopt);
      require(PQconsumeInput(server_.get()) == 1);
    }
  }
}

void connection::cancel() {
  if (socket_) {
    socket_->cancel();
  }
}

awaitable<void> connection::ready(descriptor::wait_type what,
                                  std::optional<clock::time_point> limit) {
  boost::asio::steady_timer timer(socket_->get_executor());
  if (limit) {
    timer.expires_at(*limit);
    timer.async_wait([this](const boost::system::error_code& error) {
      if (!error) {
        cancel();
      }
    });
  }
  boost::system::error_code error;
  co_await socket_->async_wait(what, boost::asio::redirect_error(use_awaitable, error));
  if (error) {
    throw lost(limit ? "it does not answer" : error.message());
  }
}

void connection::require(bool done) {
  if (!done) {
    throw lost();
  }
}

// The connection is given up: connect() makes a new one.
sql::error connection::lost(std::string why) {
  if (why.empty()) {
    why = without_line_end(PQerrorMessage(server_.get()));
  }
  socket_.reset();
  server_.reset();
  return sql::error("PostgreSQL: " + why, sql::error::what_is_left::nothing);
}

void connection::require_success(const PGresult* answer) {
  using left = sql::error::what_is_left;
  const auto status = PQresultStatus(answer);
  if (status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK) {
    return;
  }
  if (PQstatus(server_.get()) != CONNECTION_OK) {
    throw lost();
  }
  const char* code = PQresultErrorField(answer, PG_DIAG_SQLSTATE);
  const std::string_view sqlstate = code == nullptr ? "" : code;
  const auto state = PQtransactionStatus(server_.get());
  const bool is_in_transaction = state == PQTRANS_INTRANS || state == PQTRANS_INERROR;
  // Serialization failure, deadlock.
  const bool may_succeed_again = sqlstate == "40001" || sqlstate == "40P01";
  throw sql::error("PostgreSQL: " + without_line_end(PQresultErrorMessage(answer)),
                   is_in_transaction ? left::transaction : left::connection, may_succeed_again);
}

}  // namespace marketplace::postgresql
