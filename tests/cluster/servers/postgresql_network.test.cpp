// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers

// What can go wrong on the way to PostgreSQL, or with a pooler on it.

#include "fixture.hpp"
#include "proxy.hpp"
#include <corolock/cluster.hpp>
#include <support/asio.hpp>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/bind_executor.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <gtest/gtest.h>

#include <chrono>
#include <string>
#include <utility>

namespace asio = boost::asio;
using namespace std::chrono_literals;
using corolock::cluster_errc;
using corolock::release_result;
using corolock_test::completion;
using corolock_test::has;
using corolock_test::proxy;
using corolock_test::sql;
using corolock_test::url_in;
using corolock_test::with_port;
using corolock_test::with_ttl;

class PostgresqlNetwork : public corolock_test::servers_test {
 protected:
  // The test's sessions are gone, and leave nothing behind.
  void TearDown() override {
    if (!HasFatalFailure()) {  // else the context may have what refers to the test's variables
      locks(0);
    }
  }

  static std::string url() { return corolock_test::postgresql_engine::url(); }
  void locks(int count) {
    until([&] {
      return ask_("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'") ==
             std::to_string(count);
    });
  }
  // The request that executes a prepared statement has its name and a zero; the one that prepares
  // it has not.
  static std::string execution_of(const std::string& statement) { return statement + '\0'; }
  session connect_through(const proxy& by, const corolock::session_options& options = {}) {
    return connect(with_port(url(), by.port()), options);
  }

  sql ask_{url()};
};

// The server has carried it out, and frees the lock when it finds that the connection has ended.
TEST_F(PostgresqlNetwork, TheLostReplyToALockIsTheEndOfTheSessionAndAnotherGetsTheLock) {
  for (const auto what : {proxy::then::closed, proxy::then::silent}) {
    proxy network(context_, corolock_test::port_of(url()));
    const session mine = connect_through(network, with_ttl(3s));
    const session theirs = connect(url());
    const guard other = lock(mine, "other");
    completion<void> lost;
    other.async_lost(asio::bind_executor(context_, lost.handler()));
    network.lose_reply_to(execution_of("corolock_try_lock"), what);
    completion<guard> got;
    start(mine, "name", got);
    until([&] { return got.calls != 0; });
    EXPECT_EQ(network.lost(), 1U);
    EXPECT_TRUE(got.failed_with(cluster_errc::session_lost)) << got.error.message();
    until([&] { return lost.calls != 0; });
    EXPECT_TRUE(lost.succeeded());
    EXPECT_FALSE(other.held());
    EXPECT_TRUE(mine.is_lost());
    EXPECT_NE(mine.problem(), "");
    guard next = lock(theirs, "name");
    EXPECT_EQ(release(std::move(next)), release_result::released);
  }
}

// It waited on a connection of its own: nothing else of the session is touched.
TEST_F(PostgresqlNetwork, TheLostReplyToALockThatWasWaitedForEndsThatWaitAlone) {
  proxy network(context_, corolock_test::port_of(url()));
  const session mine = connect_through(network);
  const session theirs = connect(url());
  guard held = lock(theirs, "name");
  const guard other = lock(mine, "other");
  network.lose_reply_to(execution_of("corolock_lock"));
  completion<guard> got;
  start(mine, "name", got);
  locks(3);
  const auto token = held.token();
  EXPECT_EQ(release(std::move(held)), release_result::released);
  until([&] { return got.calls != 0; });
  EXPECT_EQ(network.lost(), 1U);
  EXPECT_TRUE(got.failed_with(cluster_errc::lock_lost)) << got.error.message();
  EXPECT_TRUE(other.held());
  const guard next = lock(theirs, "name");
  EXPECT_GT(next.token(), token);
}

TEST_F(PostgresqlNetwork, TheLostReplyToAReleaseIsUnknownAndTheLockIsFree) {
  for (const auto what : {proxy::then::closed, proxy::then::silent}) {
    proxy network(context_, corolock_test::port_of(url()));
    const session mine = connect_through(network, with_ttl(3s));
    const session theirs = connect(url());
    guard held = lock(mine, "name");
    network.lose_reply_to(execution_of("corolock_unlock"), what);
    EXPECT_EQ(release(std::move(held)), release_result::unknown);
    EXPECT_EQ(network.lost(), 1U);
    EXPECT_TRUE(mine.is_lost());
    const guard next = try_lock(theirs, "name");
    EXPECT_TRUE(next);
  }
}

TEST_F(PostgresqlNetwork, AHundredLocksAreToldThatTheBackendWasTerminated) {
  const session mine = connect(url());
  expect_that_a_hundred_locks_go(mine,
                                 [&] { ask_("SELECT pg_terminate_backend(" + mine.id() + ")"); });
}

// By their names, which libpq would look up in the thread that everything else runs on.
TEST_F(PostgresqlNetwork, ServersAreTriedInTurnByAllAddressesOfTheirNames) {
  const std::string free_port = std::to_string(proxy(context_, 1).port());  // nobody is there now
  const std::string address = "127.0.0.1:" + std::to_string(corolock_test::port_of(url()));
  const auto at = [address](const std::string& servers) {
    const std::string with_address = url();
    return with_address.substr(0, with_address.find(address)) + servers +
           with_address.substr(with_address.find(address) + address.size());
  };
  const std::string port = std::to_string(corolock_test::port_of(url()));
  for (const std::string& servers :
       {"localhost:" + port, "localhost:" + free_port + ",localhost:" + port,
        "corolock.invalid:" + port + ",127.0.0.1:" + port,
        "127.0.0.1:" + free_port + ",localhost:" + port}) {
    const session mine = connect(at(servers));
    EXPECT_EQ(release(lock(mine, "name")), release_result::released) << servers;
  }
  const std::string said = problem(at("corolock.invalid:" + port), cluster_errc::unreachable);
  EXPECT_TRUE(has(said, "corolock.invalid: ")) << said;
}

// ------------------------------------------------------------ PgBouncer

class PgBouncer : public PostgresqlNetwork {
 protected:
  // The pooler has a database for each of its modes.
  static std::string url_with(const std::string& mode) {
    return url_in("COROLOCK_PGBOUNCER") + "/" + mode;
  }
};

TEST_F(PgBouncer, PoolingOfTransactionsIsRefused) {
  const std::string said = problem(url_with("transaction"), cluster_errc::wrong_server);
  EXPECT_TRUE(has(said, "pool_mode = session is needed")) << said;
}

TEST_F(PgBouncer, PoolingOfTransactionsIsRefusedWhileOthersUseThePool) {
  // They hold some of its backends, and leave others free.
  sql busy(url_with("transaction"));
  busy("BEGIN");
  for (int i = 0; i < 3; ++i) {
    const std::string said = problem(url_with("transaction"), cluster_errc::wrong_server);
    EXPECT_TRUE(has(said, "pool_mode = session is needed")) << said;
    sql idle(url_with("transaction"));
    idle("SELECT 1");
  }
}

TEST_F(PgBouncer, PoolingOfStatementsIsRefused) {
  const std::string said = problem(url_with("statement"), cluster_errc::wrong_server);
  EXPECT_TRUE(has(said, "pool_mode = session is needed")) << said;
}

TEST_F(PgBouncer, PoolingOfSessionsLocksAndReleases) {
  const session first = connect(url_with("session"));
  const session second = connect(url_with("session"));
  guard held = lock(first, "name");
  EXPECT_FALSE(try_lock(second, "name"));
  completion<guard> next;
  start(second, "name", next);
  locks(2);
  EXPECT_TRUE(verify(held));
  const auto token = held.token();
  EXPECT_EQ(release(std::move(held)), release_result::released);
  until([&] { return next.calls != 0; });
  ASSERT_TRUE(next.succeeded()) << next.error.message();
  EXPECT_GT(next.grant.token(), token);
  EXPECT_TRUE(verify(next.grant));
  EXPECT_EQ(release(std::move(next.grant)), release_result::released);
}

// The pooler keeps the backend and must not keep its locks.
TEST_F(PgBouncer, ASessionThatIsClosedFreesItsLocksForOthers) {
  const session mine = connect(url_with("session"));
  const session theirs = connect(url());
  const guard held = lock(mine, "name");
  completion<guard> next;
  start(theirs, "name", next);
  locks(2);
  completion<void> closed;
  mine.async_close(asio::bind_executor(context_, closed.handler()));
  until([&] { return next.calls != 0; });
  EXPECT_TRUE(next.succeeded()) << next.error.message();
}

// A backend's number, by which its wait is cancelled, is the server's, not the one that the pooler
// made up.
TEST_F(PgBouncer, ACancelledWaitEndsAtOnce) {
  const session first = connect(url_with("session"));
  const session second = connect(url_with("session"));
  const guard held = lock(first, "name");
  asio::cancellation_signal stop;
  completion<guard> got;
  async_lock(
      corolock::distributed_mutex(second, "name"),
      asio::bind_cancellation_slot(stop.slot(), asio::bind_executor(context_, got.handler())));
  locks(2);
  const auto begin = std::chrono::steady_clock::now();
  stop.emit(asio::cancellation_type::total);
  until([&] { return got.calls != 0; });
  EXPECT_LT(std::chrono::steady_clock::now() - begin, 5s);  // a ttl is twice as much
  EXPECT_TRUE(got.was_aborted()) << got.error.message();
  EXPECT_FALSE(second.is_lost());
  locks(1);
}
