// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers
#pragma once

// The catalogs that one suite holds to one behaviour.

#include <marketplace/in_memory_catalog.hpp>
#include <marketplace/postgresql_catalog.hpp>
#include <marketplace/sqlite_catalog.hpp>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/use_future.hpp>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <future>
#include <libpq-fe.h>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace marketplace {

// What value() of a result does with an error: the test fails, and says why.
[[noreturn]] inline void throw_exception_from_error(const repository_error& error,
                                                    const boost::source_location& where) {
  throw std::runtime_error(error.message() + ", line " + std::to_string(where.line()));
}

}  // namespace marketplace

namespace marketplace_test {

using marketplace::agent_record;
using marketplace::catalog;
using marketplace::change_context;
using marketplace::repository_error;
using marketplace::timestamp;

/// A folder of its own, gone with the object.
class temporary_folder {
 public:
  temporary_folder() {
    std::string pattern =
        (std::filesystem::temp_directory_path() / "marketplace_test.XXXXXX").string();
    if (mkdtemp(pattern.data()) == nullptr) {
      throw std::runtime_error("mkdtemp failed");
    }
    path_ = pattern;
  }
  temporary_folder(const temporary_folder&) = delete;
  temporary_folder& operator=(const temporary_folder&) = delete;
  ~temporary_folder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  [[nodiscard]] std::string file(const std::string& name) const { return (path_ / name).string(); }

 private:
  std::filesystem::path path_;
};

/// The URL of the PostgreSQL to test with, or empty: see with_postgresql.py.
inline std::string postgresql_url() {
  const char* url = std::getenv("COROLOCK_POSTGRESQL");  // NOLINT(concurrency-mt-unsafe)
  return url == nullptr ? "" : url;
}

/// Executes one statement there.
inline void execute_in_postgresql(const std::string& statement) {
  const std::unique_ptr<PGconn, decltype(&PQfinish)> server(PQconnectdb(postgresql_url().c_str()),
                                                            &PQfinish);
  const std::unique_ptr<PGresult, decltype(&PQclear)> done(PQexec(server.get(), statement.c_str()),
                                                           &PQclear);
  const auto status = PQresultStatus(done.get());
  if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK) {
    throw std::runtime_error(statement + ": " + PQerrorMessage(server.get()));
  }
}

/// The URL of an empty schema of the database.
inline std::string new_postgresql_schema() {
  static int count = 0;
  const std::string name = "test_" + std::to_string(getpid()) + "_" + std::to_string(++count);
  execute_in_postgresql("CREATE SCHEMA " + name);
  return postgresql_url() + "?options=-csearch_path%3D" + name;
}

/// Runs what is awaited, and all that it started, to the end.
class runner {
 public:
  template <class T>
  T operator()(boost::asio::awaitable<T> what) {
    auto result = boost::asio::co_spawn(context_, std::move(what), boost::asio::use_future);
    run();
    return result.get();
  }
  void run() {
    context_.restart();
    context_.run();
  }
  boost::asio::io_context& context() { return context_; }

 private:
  boost::asio::io_context context_;
};

inline timestamp at(std::int64_t ms) {
  return timestamp(std::chrono::milliseconds(1'700'000'000'000 + ms));
}

inline std::string id(unsigned number) {
  char text[37];
  std::snprintf(text, sizeof text, "%08x-0000-4000-8000-00000000000a", number);
  return text;
}

inline agent_record agent(unsigned number) {
  const std::string text = std::to_string(number);
  agent_record record;
  record.profile.agent_id = id(number);
  record.profile.agent_name = "Agent " + text;
  record.profile.base_url = "https://agent" + text + ".example";
  record.profile.description = "for tests";
  record.profile.registered_at = at(number);
  record.profile.last_updated_at = at(number);
  record.name_claim = "agent " + text;
  record.urn = "urn:air:example:agents:agent-" + text;
  return record;
}

inline change_context by(std::string actor, timestamp when = at(0)) {
  change_context context;
  context.actor = std::move(actor);
  context.request_id = "request 1";
  context.at = when;
  return context;
}

}  // namespace marketplace_test
