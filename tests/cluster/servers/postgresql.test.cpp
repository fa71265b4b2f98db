// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers

// What can go wrong with PostgreSQL.

#include "engines.hpp"
#include <corolock/cluster.hpp>
#include <support/asio.hpp>

#include <boost/asio/bind_executor.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <gtest/gtest.h>

#include <chrono>
#include <optional>
#include <string>

namespace asio = boost::asio;
using namespace std::chrono_literals;
using corolock::async_lock;
using corolock::cluster_errc;
using corolock::distributed_guard;
using corolock::distributed_mutex;
using corolock::release_result;
using corolock::session;
using corolock_test::completion;
using corolock_test::connected;
using corolock_test::sql;

class Postgresql : public testing::Test {
 protected:
  static std::string url() { return corolock_test::postgresql_engine::url(); }
  // The same server, with another user and password.
  static std::string url_as(const std::string& user) {
    const std::string is = url();
    return is.substr(0, is.find("//") + 2) + user + is.substr(is.find('@'));
  }

  template <class What>
  void until(What what) {
    corolock_test::until(context_, what);
  }
  distributed_guard lock(const session& s, const std::string& name) {
    completion<distributed_guard> got;
    async_lock(distributed_mutex(s, name), asio::bind_executor(context_, got.handler()));
    until([&] { return got.calls != 0; });
    EXPECT_TRUE(got.succeeded()) << got.error.message();
    return std::move(got.grant);
  }
  // What connecting there fails with.
  std::string problem(const std::string& where, cluster_errc why,
                      const corolock::session_options& options = {}) {
    const auto start = std::chrono::steady_clock::now();
    std::string what = "none";
    try {
      connected(context_, where, options);
    } catch (const corolock::cluster_error& error) {
      EXPECT_EQ(error.code(), why) << error.what();
      what = error.what();
    }
    EXPECT_LT(std::chrono::steady_clock::now() - start, options.time_to_connect + 2s);
    return what;
  }
  std::string waiting() {
    return ask_("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted");
  }

  asio::io_context context_;
  sql ask_{url()};
};

bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

TEST_F(Postgresql, ATtlBelowTheLeastIsRefused) {
  corolock::session_options options;
  options.ttl = 2999ms;
  EXPECT_TRUE(has(problem(url(), cluster_errc::invalid_options, options),
                  "the ttl is 2999 ms, the least for postgresql is 3000 ms"));
}

TEST_F(Postgresql, AWrongUrlIsRefused) {
  EXPECT_TRUE(has(problem("postgresql://127.0.0.1:x/db", cluster_errc::invalid_url), "port"));
  EXPECT_TRUE(has(problem("postgresql://h/db?wings=2", cluster_errc::invalid_url), "wings"));
}

TEST_F(Postgresql, AnUnknownUserAndDatabaseAreRefused) {
  EXPECT_TRUE(has(problem(url_as("nobody"), cluster_errc::refused), "\"nobody\""));
  EXPECT_TRUE(has(problem(url() + "_not", cluster_errc::refused), "does not exist"));
}

TEST_F(Postgresql, AWrongPasswordIsRefused) {
  ask_("CREATE ROLE guarded LOGIN PASSWORD 'right'");
  const std::string file = ask_("SHOW hba_file");
  const auto rules = [&](const std::string& text) {
    // COPY writes one line per row, and a backslash twice; there is none.
    ask_("COPY (SELECT unnest(string_to_array('" + text + "', E'\\n'))) TO '" + file + "'");
    ask_("SELECT pg_reload_conf()");
  };
  rules(
      "host all guarded all scram-sha-256\n"
      "host all all all trust");
  until([&] {
    try {
      sql other(url_as("guarded:wrong"));
      return false;
    } catch (const std::runtime_error&) {
      return true;
    }
  });
  const std::string said = problem(url_as("guarded:wrong"), cluster_errc::refused);
  EXPECT_TRUE(has(said, "password authentication failed")) << said;
  EXPECT_FALSE(has(said, "wrong"));
  ask_("GRANT CREATE ON SCHEMA public TO guarded");
  connected(context_, url_as("guarded:right"));
}

TEST_F(Postgresql, AServerThatIsNotThereIsUnreachable) {
  asio::ip::tcp::acceptor nobody(context_, {asio::ip::address_v4::loopback(), 0});
  const std::string port = std::to_string(nobody.local_endpoint().port());
  nobody.close();
  EXPECT_TRUE(has(problem("postgresql://u@127.0.0.1:" + port + "/db", cluster_errc::unreachable),
                  "Connection refused"));
}

TEST_F(Postgresql, AServerThatSaysNothingIsUnreachableAfterTheTimeToConnect) {
  const asio::ip::tcp::acceptor silent(context_, {asio::ip::address_v4::loopback(), 0});
  const std::string port = std::to_string(silent.local_endpoint().port());
  corolock::session_options options;
  options.time_to_connect = 200ms;
  EXPECT_TRUE(
      has(problem("postgresql://u@127.0.0.1:" + port + "/db", cluster_errc::unreachable, options),
          "does not answer in time"));
}

TEST_F(Postgresql, AServerOfAnotherKindIsNamedAsSuch) {
  asio::ip::tcp::acceptor other(context_, {asio::ip::address_v4::loopback(), 0});
  const std::string port = std::to_string(other.local_endpoint().port());
  std::string answer = "HTTP/1.1 400 Bad Request\r\n\r\n";
  other.async_accept([&](const corolock_test::error_code&, asio::ip::tcp::socket peer) {
    asio::write(peer, asio::buffer(answer));
  });
  problem("postgresql://u@127.0.0.1:" + port + "/db?sslmode=disable", cluster_errc::wrong_server);
}

TEST_F(Postgresql, ASequenceThatCachesIsRefused) {
  connected(context_, url());
  ask_("ALTER SEQUENCE corolock_tokens CACHE 10");
  EXPECT_TRUE(has(problem(url(), cluster_errc::wrong_server), "CACHE 1"));
  ask_("ALTER SEQUENCE corolock_tokens CACHE 1");
}

// The socket says so: no renewal is needed to notice.
TEST_F(Postgresql, AConnectionThatTheServerEndsLosesTheSession) {
  const session s = connected(context_, url());
  distributed_guard held = lock(s, "name");
  completion<void> lost;
  held.async_lost(asio::bind_executor(context_, lost.handler()));
  const auto start = std::chrono::steady_clock::now();
  ask_("SELECT pg_terminate_backend(" + s.id() + ")");
  until([&] { return lost.calls != 0; });
  EXPECT_TRUE(lost.succeeded());
  EXPECT_FALSE(held.held());
  EXPECT_TRUE(s.is_lost());
  EXPECT_LT(std::chrono::steady_clock::now() - start, 3s);  // the first renewal is sent after that
  EXPECT_TRUE(has(s.problem(), "57P01")) << s.problem();
  completion<std::optional<release_result>> released;
  held.async_release(asio::bind_executor(context_, released.handler()));
  until([&] { return released.calls != 0; });
  EXPECT_EQ(released.grant, release_result::already_lost);
}

TEST_F(Postgresql, AWaitWhoseConnectionEndsFailsAloneAndSaysSo) {
  const session mine = connected(context_, url());
  const session theirs = connected(context_, url());
  const distributed_guard held = lock(theirs, "name");
  const distributed_guard other = lock(mine, "other");
  completion<distributed_guard> got;
  async_lock(distributed_mutex(mine, "name"), asio::bind_executor(context_, got.handler()));
  until([&] { return waiting() == "1"; });
  ask_(
      "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted");
  until([&] { return got.calls != 0; });
  EXPECT_TRUE(got.failed_with(cluster_errc::lock_lost)) << got.error.message();
  EXPECT_TRUE(other.held());
}

TEST_F(Postgresql, WhoWaitedAndHoldsIsToldOfTheLoss) {
  const session mine = connected(context_, url());
  const session theirs = connected(context_, url());
  distributed_guard first = lock(theirs, "name");
  completion<distributed_guard> got;
  async_lock(distributed_mutex(mine, "name"), asio::bind_executor(context_, got.handler()));
  until([&] { return waiting() == "1"; });
  {
    const distributed_guard gone = std::move(first);
  }
  until([&] { return got.calls != 0; });
  ASSERT_TRUE(got.succeeded());
  ask_("SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory'");
  until([&] { return !got.grant.held(); });
  EXPECT_TRUE(mine.is_lost());
}
