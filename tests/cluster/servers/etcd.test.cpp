// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers

// What can go wrong with etcd.

#include "fixture.hpp"
#include "own_etcd.hpp"
#include "proxy.hpp"
#include <corolock/cluster.hpp>
#include <support/asio.hpp>

#include <boost/asio/bind_executor.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/write.hpp>
#include <gtest/gtest.h>

#include <chrono>
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>

namespace asio = boost::asio;
using namespace std::chrono_literals;
using corolock::cluster_errc;
using corolock::release_result;
using corolock_test::completion;
using corolock_test::etcd_says;
using corolock_test::has;
using corolock_test::own_etcd;
using corolock_test::proxy;
using corolock_test::with_port;
using corolock_test::with_ttl;

namespace {

// What follows "name":" in the text.
std::uint64_t number_in(const std::string& answer, const std::string& name) {
  const auto at = answer.find('"' + name + "\":\"");
  return at == std::string::npos ? 0 : std::stoull(answer.substr(at + name.size() + 4));
}

// All keys of locks.
constexpr auto whole_queue = R"({"key":"Y29yb2xvY2sv","range_end":"Y29yb2xvY2sw"})";

}  // namespace

class Etcd : public corolock_test::servers_test {
 protected:
  // The test's sessions are gone, and leave nothing behind.
  void TearDown() override {
    if (!HasFatalFailure()) {  // else the context may have what refers to the test's variables
      queued(0);
    }
  }

  static std::string url() { return corolock_test::etcd_engine::url(); }
  static std::size_t queue() { return corolock_test::etcd_queue(url()); }
  static std::string says(const std::string& path, const std::string& question) {
    return etcd_says(url(), path, question);
  }
  static void revoke(const session& s) {
    const auto lease = std::stoull(s.id(), nullptr, 16);
    says("/v3/lease/revoke", "{\"ID\":\"" + std::to_string(lease) + "\"}");
  }
  void queued(std::size_t count) {
    until([&] { return queue() == count; });
  }
  // That its key is there, when the server has known for some time: what it asks now is answered
  // later than that was.
  void is_told(const session& s) {
    const std::size_t before = queue();
    for (int i = 0; i < 3; ++i) {
      EXPECT_EQ(release(lock(s, "another name")), release_result::released);
    }
    EXPECT_EQ(queue(), before);
  }
  session connect_through(const proxy& by, const corolock::session_options& options = {}) {
    return connect(with_port(url(), by.port()), options);
  }
  // A watch that began at a revision would be refused after a compaction.
  void expect_that_a_waiter_outlives_a_compaction(bool is_free_meanwhile) {
    proxy network(context_, corolock_test::port_of(url()));
    const session first = connect(url());
    const session second = connect_through(network);
    guard held = lock(first, "name");
    const auto give_back = [&] { EXPECT_EQ(release(std::move(held)), release_result::released); };
    completion<guard> next;
    start(second, "name", next);
    queued(2);
    is_told(second);
    network.part();
    if (is_free_meanwhile) {
      give_back();
    }
    compact();
    EXPECT_EQ(next.calls, 0U);
    EXPECT_GE(network.cut("/v3/watch"), 1U);
    network.join();
    if (!is_free_meanwhile) {
      EXPECT_TRUE(verify(held));
      EXPECT_EQ(next.calls, 0U);
      give_back();
    }
    until([&] { return next.calls != 0; });
    ASSERT_TRUE(next.succeeded()) << next.error.message();
    EXPECT_EQ(queue(), 1U);
    EXPECT_EQ(release(std::move(next.grant)), release_result::released);
    EXPECT_EQ(queue(), 0U);
  }
  static void compact() {
    std::uint64_t revision = 0;
    for (int i = 0; i < 200; ++i) {
      revision = number_in(says("/v3/kv/put", R"({"key":"b3RoZXI=","value":"eA=="})"), "revision");
    }
    const std::string said = says("/v3/kv/compaction", "{\"physical\":true,\"revision\":\"" +
                                                           std::to_string(revision) + "\"}");
    EXPECT_TRUE(has(said, "200 OK")) << said;
  }
};

TEST_F(Etcd, TheLostReplyToALockIsAskedForAgainAndTheLockGrantedOnce) {
  for (const auto what : {proxy::then::closed, proxy::then::silent}) {
    proxy network(context_, corolock_test::port_of(url()));
    const session mine = connect_through(network);
    network.lose_reply_to("request_put", what);
    guard held = lock(mine, "name");
    EXPECT_EQ(network.lost(), 1U);
    EXPECT_EQ(held.token().token, number_in(says("/v3/kv/range", whole_queue), "create_revision"));
    EXPECT_EQ(queue(), 1U);
    EXPECT_TRUE(verify(held));
    EXPECT_FALSE(try_lock(connect(url()), "name"));
    EXPECT_EQ(release(std::move(held)), release_result::released);
    EXPECT_EQ(queue(), 0U);
  }
}

TEST_F(Etcd, TheLostReplyToATryLockIsAskedForAgainAndTheLockGrantedOnce) {
  proxy network(context_, corolock_test::port_of(url()));
  const session mine = connect_through(network);
  network.lose_reply_to("request_put");
  guard held = try_lock(mine, "name");
  EXPECT_TRUE(held);
  EXPECT_EQ(network.lost(), 1U);
  EXPECT_EQ(queue(), 1U);
  EXPECT_EQ(release(std::move(held)), release_result::released);
  EXPECT_EQ(queue(), 0U);
}

// Who knows the queue already asks for its place in another way.
TEST_F(Etcd, TheLostReplyToALockOfAKnownQueueIsAskedForAgainAndTheLockGrantedOnce) {
  for (const auto what : {proxy::then::closed, proxy::then::silent}) {
    proxy network(context_, corolock_test::port_of(url()));
    const session mine = connect_through(network);
    const corolock::distributed_mutex known(mine, "name");
    EXPECT_EQ(release(lock(mine, "name")), release_result::released);
    network.lose_reply_to("/v3/kv/put", what);
    guard held = lock(mine, "name");
    EXPECT_EQ(network.lost(), 1U);
    EXPECT_EQ(held.token().token, number_in(says("/v3/kv/range", whole_queue), "create_revision"));
    EXPECT_EQ(queue(), 1U);
    EXPECT_TRUE(verify(held));
    EXPECT_EQ(release(std::move(held)), release_result::released);
    EXPECT_EQ(queue(), 0U);
  }
}

TEST_F(Etcd, TheLostReplyToAReleaseIsAskedForAgainAndTheNextGetsTheLock) {
  for (const auto what : {proxy::then::closed, proxy::then::silent}) {
    proxy network(context_, corolock_test::port_of(url()));
    const session mine = connect_through(network);
    const session theirs = connect(url());
    guard held = lock(mine, "name");
    completion<guard> next;
    start(theirs, "name", next);
    queued(2);
    network.lose_reply_to("/v3/kv/deleterange", what);
    const auto token = held.token();
    EXPECT_EQ(release(std::move(held)), release_result::released);
    EXPECT_EQ(network.lost(), 1U);
    until([&] { return next.calls != 0; });
    ASSERT_TRUE(next.succeeded());
    EXPECT_GT(next.grant.token(), token);
    EXPECT_EQ(queue(), 1U);
    EXPECT_TRUE(verify(next.grant));
    EXPECT_EQ(release(std::move(next.grant)), release_result::released);
    EXPECT_EQ(queue(), 0U);
  }
}

// etcd 3.4's own lock tells such a waiter that it has the lock.
TEST_F(Etcd, AWaiterWhoseLeaseIsRevokedIsNeverToldThatItHolds) {
  const session first = connect(url());
  const session second = connect(url());
  const session third = connect(url());
  guard held = lock(first, "name");
  completion<guard> never;
  completion<guard> next;
  start(second, "name", never);
  queued(2);
  start(third, "name", next);
  queued(3);
  revoke(second);
  until([&] { return never.calls != 0; });
  EXPECT_TRUE(never.failed_with(cluster_errc::lock_lost) ||
              never.failed_with(cluster_errc::session_lost))
      << never.error.message();
  EXPECT_EQ(next.calls, 0U);
  EXPECT_TRUE(held.held());
  queued(2);
  const auto token = held.token();
  release(std::move(held));
  until([&] { return next.calls != 0; });
  ASSERT_TRUE(next.succeeded()) << next.error.message();
  EXPECT_GT(next.grant.token(), token);
  EXPECT_EQ(never.calls, 1U);
}

TEST_F(Etcd, AWaiterThatIsCutOffPastItsLeaseIsNeverToldThatItHolds) {
  proxy network(context_, corolock_test::port_of(url()));
  const session first = connect(url());
  const session second = connect_through(network, with_ttl(2s));
  const session third = connect(url());
  guard held = lock(first, "name");
  completion<guard> never;
  completion<guard> next;
  start(second, "name", never);
  queued(2);
  start(third, "name", next);
  queued(3);
  network.part();
  queued(2);
  until([&] { return never.calls != 0; });
  EXPECT_TRUE(never.failed_with(cluster_errc::session_lost)) << never.error.message();
  release(std::move(held));
  until([&] { return next.calls != 0; });
  EXPECT_TRUE(next.succeeded()) << next.error.message();
  network.join();
  // It is connected again, and what it has to say is that it is gone.
  completion<void> closed;
  second.async_close(asio::bind_executor(context_, closed.handler()));
  until([&] { return closed.calls != 0; });
  EXPECT_EQ(never.calls, 1U);
  EXPECT_TRUE(next.grant.held());
  EXPECT_TRUE(verify(next.grant));
}

// While it does not see it: it must not take another place as if it were the same.
TEST_F(Etcd, AWaiterWhoseKeyWasDeletedUnseenFailsAndLeavesNoKey) {
  proxy network(context_, corolock_test::port_of(url()));
  const session first = connect(url());
  const session second = connect_through(network);
  const guard held = lock(first, "name");
  completion<guard> never;
  start(second, "name", never);
  queued(2);
  is_told(second);
  network.part();
  says("/v3/kv/deleterange", whole_queue);
  EXPECT_EQ(queue(), 0U);
  network.join();
  until([&] { return never.calls != 0; });
  EXPECT_TRUE(never.failed_with(cluster_errc::lock_lost)) << never.error.message();
  queued(0);
  until([&] { return !held.held(); });  // its key is gone as well
}

TEST_F(Etcd, AHundredLocksAreToldThatTheLeaseWasRevoked) {
  const session mine = connect(url(), with_ttl(3s));
  expect_that_a_hundred_locks_go(mine, [&] { revoke(mine); });
}

TEST_F(Etcd, AWaiterWhoseWatchIsCutWhileTheServerCompactsGetsTheLockInTurn) {
  expect_that_a_waiter_outlives_a_compaction(false);
}

TEST_F(Etcd, AWaiterGetsTheLockThatWasReleasedInARevisionItNeverSees) {
  expect_that_a_waiter_outlives_a_compaction(true);
}

// ------------------------------------------------------------ a server that restarts

class EtcdThatRestarts : public corolock_test::servers_test {
 protected:
  void expect_that_locks_outlive(const std::string& url, int by_signal) {
    const session first = connect(url, with_ttl(10s));
    const session second = connect(url, with_ttl(10s));
    guard held = lock(first, "name");
    completion<guard> next;
    start(second, "name", next);
    completion<void> lost;
    held.async_lost(asio::bind_executor(context_, lost.handler()));
    const auto token = held.token();
    // The waiter's key is there: a third finds two ahead of it.
    until([&] { return number_in(server_.says("/v3/kv/range", whole_queue), "count") == 2; });
    server_.stop(by_signal);
    server_.start();
    const auto deadline = held.deadline();
    until([&] { return held.deadline() > deadline; });
    EXPECT_TRUE(held.held());
    EXPECT_EQ(held.token(), token);
    EXPECT_TRUE(verify(held));
    EXPECT_EQ(next.calls, 0U);
    EXPECT_EQ(lost.calls, 0U);
    EXPECT_EQ(release(std::move(held)), release_result::released);
    until([&] { return next.calls != 0; });
    ASSERT_TRUE(next.succeeded()) << next.error.message();
    EXPECT_GT(next.grant.token(), token);
    EXPECT_EQ(release(std::move(next.grant)), release_result::released);
  }

  own_etcd server_;
};

TEST_F(EtcdThatRestarts, AHolderKeepsItsLockWhenTheServerIsStoppedAndStartedAgain) {
  expect_that_locks_outlive(server_.url(), SIGTERM);
}

TEST_F(EtcdThatRestarts, AHolderKeepsItsLockWhenTheServerIsKilledAndStartedAgain) {
  expect_that_locks_outlive(server_.url(), SIGKILL);
}

// ------------------------------------------------------------ what connecting says

class EtcdConnection : public corolock_test::servers_test {
 protected:
  static std::string url() { return corolock_test::etcd_engine::url(); }
  static std::string at(asio::ip::port_type port) { return with_port(url(), port); }
  static corolock::session_options in_a_second() {
    corolock::session_options options;
    options.time_to_connect = 1s;
    return options;
  }
};

TEST_F(EtcdConnection, ATtlBelowTheLeastIsRefused) {
  EXPECT_TRUE(has(problem(url(), cluster_errc::invalid_options, with_ttl(1999ms)),
                  "the ttl is 1999 ms, the least for etcd is 2000 ms"));
}

TEST_F(EtcdConnection, AWrongUrlIsRefusedWithoutShowingThePassword) {
  for (const std::string wrong :
       {"etcd://", "etcd://h", "etcd://h:x", "etcd://h:65536", "etcd://h:0", "etcd://h:1,",
        "etcd://h:1/path", "etcd://h:1?ca=x", "etcds://h:1?wings=2", "etcd://hidden@h:1",
        "etcd://u:hidden@h", "etcd://u:hidden%2@h:1", "etcd://:hidden@h:1"}) {
    const std::string said = problem(wrong, cluster_errc::invalid_url);
    EXPECT_TRUE(has(said, "the URL of etcd")) << wrong << ": " << said;
    EXPECT_FALSE(has(said, "hidden"));
  }
}

TEST_F(EtcdConnection, AServerThatIsNotThereIsUnreachable) {
  asio::ip::tcp::acceptor nobody(context_, {asio::ip::address_v4::loopback(), 0});
  const auto port = nobody.local_endpoint().port();
  nobody.close();
  const std::string said = problem(at(port), cluster_errc::unreachable, in_a_second());
  EXPECT_TRUE(has(said, "127.0.0.1:" + std::to_string(port) + ": Connection refused")) << said;
}

TEST_F(EtcdConnection, AHostThatNobodyKnowsIsUnreachable) {
  const std::string said =
      problem("etcd://corolock.invalid:2379", cluster_errc::unreachable, in_a_second());
  EXPECT_TRUE(has(said, "corolock.invalid:2379: ")) << said;
}

TEST_F(EtcdConnection, AServerThatSaysNothingIsUnreachable) {
  const asio::ip::tcp::acceptor silent(context_, {asio::ip::address_v4::loopback(), 0});
  problem(at(silent.local_endpoint().port()), cluster_errc::unreachable, in_a_second());
}

TEST_F(EtcdConnection, PostgresqlIsNoEtcd) {
  const auto port = corolock_test::port_of(corolock_test::postgresql_engine::url());
  const std::string said = problem(at(port), cluster_errc::wrong_server, in_a_second());
  EXPECT_TRUE(has(said, "this is no etcd v3: 127.0.0.1:" + std::to_string(port))) << said;
}

TEST_F(EtcdConnection, AWebServerIsNoEtcd) {
  asio::ip::tcp::acceptor other(context_, {asio::ip::address_v4::loopback(), 0});
  const std::string answer =
      "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 6\r\n\r\n<html>";
  asio::ip::tcp::socket peer(context_);
  other.async_accept(
      peer, [&](const corolock_test::error_code&) { asio::write(peer, asio::buffer(answer)); });
  const std::string said = problem(at(other.local_endpoint().port()), cluster_errc::wrong_server);
  EXPECT_TRUE(has(said, "this is no etcd v3")) << said;
}

TEST_F(EtcdConnection, TlsAskedOfAPlainServerIsRefused) {
  const std::string said =
      problem("etcds" + url().substr(4), cluster_errc::wrong_server, in_a_second());
  EXPECT_TRUE(has(said, "TLS")) << said;
}

TEST_F(EtcdConnection, AFileOfCertificatesThatIsNotThereIsNamed) {
  const std::string said = problem("etcds://h:1?ca=/not/there", cluster_errc::invalid_url);
  EXPECT_TRUE(has(said, "'/not/there'")) << said;
}

// ------------------------------------------------------------ TLS, users

class EtcdWithTls : public corolock_test::servers_test {
 protected:
  static void SetUpTestSuite() { server = std::make_unique<own_etcd>(); }
  static void TearDownTestSuite() { server.reset(); }

  static std::string ca() { return "?ca=" + server->certificate(); }
  static corolock::session_options in_a_second() {
    corolock::session_options options;
    options.time_to_connect = 1s;
    return options;
  }
  void expect_locks(const std::string& url) {
    const session first = connect(url);
    const session second = connect(url);
    guard held = lock(first, "name");
    EXPECT_FALSE(try_lock(second, "name"));
    completion<guard> next;
    start(second, "name", next);
    until([&] { return number_in(queue(), "count") == 2; });
    EXPECT_TRUE(verify(held));
    const auto token = held.token();
    EXPECT_EQ(release(std::move(held)), release_result::released);
    until([&] { return next.calls != 0; });
    ASSERT_TRUE(next.succeeded()) << next.error.message() << ": " << second.problem();
    EXPECT_GT(next.grant.token(), token);
    EXPECT_EQ(release(std::move(next.grant)), release_result::released);
  }
  virtual std::string queue() { return server->says("/v3/kv/range", whole_queue); }

  static std::unique_ptr<own_etcd> server;
};
std::unique_ptr<own_etcd> EtcdWithTls::server;

TEST_F(EtcdWithTls, ItLocksAndReleases) {
  expect_locks(server->tls_url() + ca());
}

TEST_F(EtcdWithTls, ACertificateThatNobodySignedIsRefusedUnlessItIsNamed) {
  const std::string said = problem(server->tls_url(), cluster_errc::wrong_server, in_a_second());
  EXPECT_TRUE(has(said, "certificate")) << said;
}

TEST_F(EtcdWithTls, ACertificateOfAnotherHostIsRefused) {
  const std::string said = problem("etcds://localhost:" + server->tls_port() + ca(),
                                   cluster_errc::wrong_server, in_a_second());
  EXPECT_TRUE(has(said, "certificate")) << said;
}

TEST_F(EtcdWithTls, AServerWithTlsIsNoPlainOne) {
  const std::string said =
      problem("etcd://127.0.0.1:" + server->tls_port(), cluster_errc::wrong_server, in_a_second());
  EXPECT_TRUE(has(said, "this is no etcd v3")) << said;
}

class EtcdWithUsers : public EtcdWithTls {
 protected:
  static void SetUpTestSuite() {
    server = std::make_unique<own_etcd>();
    for (const auto& [path, question] :
         {std::pair("user/add", R"({"name":"root","password":"rooted"})"),
          std::pair("role/add", R"({"name":"root"})"),
          std::pair("user/grant", R"({"user":"root","role":"root"})"),
          std::pair("user/add", R"({"name":"locker","password":"p@ss:word"})"),
          std::pair("role/add", R"({"name":"locks"})"),
          std::pair("role/grant",
                    R"({"name":"locks","perm":{"permType":"READWRITE","key":"Y29yb2xvY2sv",)"
                    R"("range_end":"Y29yb2xvY2sw"}})"),
          std::pair("user/grant", R"({"user":"locker","role":"locks"})"),
          std::pair("user/add", R"({"name":"guest","password":"guest"})"),
          std::pair("enable", "{}")}) {
      const std::string said = server->says(std::string("/v3/auth/") + path, question);
      ASSERT_TRUE(has(said, "200 OK")) << path << ": " << said;
    }
  }

  std::string queue() override { return says_to_root("/v3/kv/range", whole_queue); }
  std::string says_to_root(const std::string& path, const std::string& question) {
    std::string answer = server->says(path, question, token_);
    if (!has(answer, "200 OK")) {
      const std::string said =
          server->says("/v3/auth/authenticate", R"({"name":"root","password":"rooted"})");
      const auto begin = said.find("\"token\":\"") + 9;
      token_ = said.substr(begin, said.find('"', begin) - begin);
      answer = server->says(path, question, token_);
    }
    return answer;
  }
  static std::string url_as(const std::string& user) {
    return "etcd://" + user + "@" + server->url().substr(7);
  }

  std::string token_;
};

TEST_F(EtcdWithUsers, AUserWithTheRightPasswordLocksAndReleases) {
  expect_locks(url_as("locker:p%40ss:word"));
}

TEST_F(EtcdWithUsers, AUserLocksAndReleasesWithTlsToo) {
  expect_locks(server->tls_url("locker:p%40ss:word@") + ca());
}

TEST_F(EtcdWithUsers, AWrongPasswordIsRefusedWithoutShowingIt) {
  const std::string said = problem(url_as("locker:hidden"), cluster_errc::refused);
  EXPECT_TRUE(has(said, "authentication failed")) << said;
  EXPECT_FALSE(has(said, "hidden"));
}

TEST_F(EtcdWithUsers, WhoIsNobodyIsRefused) {
  const std::string said = problem(server->url(), cluster_errc::refused);
  EXPECT_TRUE(has(said, "user name is empty")) << said;
}

TEST_F(EtcdWithUsers, AUserWithoutPermissionIsRefusedTheLock) {
  const session mine = connect(url_as("guest:guest"));
  completion<guard> got;
  start(mine, "name", got);
  until([&] { return got.calls != 0; });
  EXPECT_TRUE(got.failed_with(cluster_errc::refused)) << got.error.message();
  EXPECT_TRUE(has(mine.problem(), "permission denied")) << mine.problem();
}

TEST_F(EtcdWithUsers, AUserKeepsItsLockWhenTheServerIsStartedAgain) {
  const std::string url = url_as("locker:p%40ss:word");
  const session first = connect(url);
  const session second = connect(url);
  guard held = lock(first, "name");
  completion<guard> next;
  start(second, "name", next);
  until([&] { return number_in(queue(), "count") == 2; });
  server->stop(SIGKILL);
  server->start();
  const auto deadline = held.deadline();
  until([&] { return held.deadline() > deadline; });
  EXPECT_TRUE(verify(held));
  EXPECT_EQ(next.calls, 0U);
  EXPECT_EQ(release(std::move(held)), release_result::released);
  until([&] { return next.calls != 0; });
  EXPECT_TRUE(next.succeeded()) << next.error.message() << ": " << second.problem();
  EXPECT_EQ(release(std::move(next.grant)), release_result::released);
}

// A watch that is not let in says nothing, ever; with it the lock would come a third of a ttl late.
TEST_F(EtcdWithUsers, AUserWhoseLoginTheServerForgetsLogsInAgain) {
  const std::string url = url_as("locker:p%40ss:word");
  const session first = connect(url, with_ttl(60s));
  const session second = connect(url, with_ttl(60s));
  guard held = lock(first, "name");
  const std::string said =
      says_to_root("/v3/auth/user/changepw", R"({"name":"locker","password":"p@ss:word"})");
  ASSERT_TRUE(has(said, "200 OK")) << said;
  completion<guard> next;
  start(second, "name", next);
  until([&] { return number_in(queue(), "count") == 2; });
  EXPECT_TRUE(verify(held));
  const auto begin = std::chrono::steady_clock::now();
  EXPECT_EQ(release(std::move(held)), release_result::released);
  until([&] { return next.calls != 0; });
  EXPECT_TRUE(next.succeeded()) << next.error.message() << ": " << second.problem();
  EXPECT_LT(std::chrono::steady_clock::now() - begin, 10s);
  EXPECT_EQ(release(std::move(next.grant)), release_result::released);
}
