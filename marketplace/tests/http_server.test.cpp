// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers

// The server over loopback. Client and server share one thread: what happens next is decided by
// what was sent, never by time.

#include <corolock/asio/lock.hpp>
#include <corolock/asio/wait.hpp>
#include <corolock/async_event.hpp>
#include <corolock/async_mutex.hpp>
#include <marketplace/http/forwarded.hpp>
#include <marketplace/http/server.hpp>

#include <boost/asio.hpp>
#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace marketplace::http {
namespace {

namespace asio = boost::asio;
using asio::awaitable;
using asio::use_awaitable;
using tcp = asio::ip::tcp;
using namespace std::chrono_literals;

// A server whose handlers the test can hold, and what it told of its requests.
class ServerTest : public testing::Test {
 public:
  asio::io_context context;
  corolock::async_mutex lock;
  corolock::async_event go_on;
  corolock::async_event began;
  std::vector<unsigned> statuses;
  corolock::async_event told;
  std::optional<server> one;
  tcp::endpoint address;

  void start(server_options options = {}) {
    router routes;
    routes.add(
        {"GET", "/plain",
         [](request&) -> awaitable<response> { co_return response(200, "text/plain", "hello"); },
         nullptr, false});
    routes.add(
        {"POST", "/echo",
         [](request& r) -> awaitable<response> { co_return response(200, "text/plain", r.body); },
         nullptr, false});
    routes.add(
        {"GET", "/peer",
         [](request& r) -> awaitable<response> { co_return response(200, "text/plain", r.peer); },
         nullptr, false});
    routes.add({"GET", "/throws",
                [](request&) -> awaitable<response> {
                  throw std::runtime_error("a bug");
                  co_return response();
                },
                nullptr, false});
    routes.add({"POST", "/locked", [this](request&) { return hold(); }, nullptr, true});
    routes.add({"POST", "/stored",
                [this](request&) -> awaitable<response> {
                  co_await asio::this_coro::reset_cancellation_state(asio::disable_cancellation());
                  co_return co_await hold();
                },
                nullptr, true});
    one.emplace(context.get_executor(), std::move(routes), std::move(options),
                [this](const served& what) {
                  statuses.push_back(what.status);
                  told.set();
                });
    address = one->listen({asio::ip::address_v4::loopback(), 0});
    asio::co_spawn(context, one->run(), asio::detached);
  }

  awaitable<response> hold() {
    const auto guard = co_await corolock::async_lock(lock, use_awaitable);
    began.set();
    co_await corolock::async_wait(go_on, use_awaitable);
    co_return response(200, "text/plain", "had it");
  }

  // Runs the client's story to its end, and then the server's.
  void run(awaitable<void> story) {
    bool is_done = false;
    asio::co_spawn(context, std::move(story), [&](const std::exception_ptr& error) {
      is_done = true;
      EXPECT_FALSE(error) << "the client threw";
      asio::co_spawn(context, one->stop(0ms), asio::detached);
    });
    context.run();
    EXPECT_TRUE(is_done);
    EXPECT_EQ(one->connections(), 0U);
  }

  awaitable<tcp::socket> connected() {
    tcp::socket socket(context);
    co_await socket.async_connect(address, use_awaitable);
    co_return socket;
  }

  static awaitable<void> send(tcp::socket& to, std::string text) {
    co_await asio::async_write(to, asio::buffer(text), use_awaitable);
  }

  // One response: its head and its body, by Content-Length.
  static awaitable<std::string> receive(tcp::socket& from) {
    std::string text;
    const auto head = co_await asio::async_read_until(from, asio::dynamic_buffer(text), "\r\n\r\n",
                                                      use_awaitable);
    const std::size_t field = text.find("Content-Length: ");
    const std::size_t length = field > head ? 0 : std::stoul(text.substr(field + 16));
    if (text.size() < head + length) {
      co_await asio::async_read(from, asio::dynamic_buffer(text),
                                asio::transfer_exactly(head + length - text.size()), use_awaitable);
    }
    co_return text;
  }

  // All that comes until the server closes.
  static awaitable<std::string> receive_all(tcp::socket& from) {
    std::string text;
    boost::system::error_code error;
    co_await asio::async_read(from, asio::dynamic_buffer(text),
                              asio::redirect_error(use_awaitable, error));
    co_return text;
  }

  static unsigned status_of(const std::string& text) {
    return static_cast<unsigned>(std::stoul(text.substr(9, 3)));
  }
};

TEST_F(ServerTest, AConnectionServesOneRequestAfterAnother) {
  start();
  run([](ServerTest& t) -> awaitable<void> {
    tcp::socket socket = co_await t.connected();
    for (int i = 0; i < 3; ++i) {
      co_await send(socket, "GET /plain HTTP/1.1\r\nHost: x\r\n\r\n");
      const std::string answer = co_await receive(socket);
      EXPECT_EQ(status_of(answer), 200U);
      EXPECT_TRUE(answer.ends_with("\r\n\r\nhello"));
    }
  }(*this));
  EXPECT_EQ(statuses, (std::vector<unsigned>{200, 200, 200}));
}

TEST_F(ServerTest, RequestsSentTogetherAreAnsweredInTheirOrder) {
  start();
  run([](ServerTest& t) -> awaitable<void> {
    tcp::socket socket = co_await t.connected();
    co_await send(
        socket,
        "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\none"
        "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nConnection: close\r\n\r\ntwo");
    const std::string answers = co_await receive_all(socket);
    const std::size_t first = answers.find("one");
    EXPECT_NE(first, std::string::npos);
    EXPECT_GT(answers.find("two"), first);
  }(*this));
}

TEST_F(ServerTest, HeadHasTheLengthOfTheBodyAndNotTheBody) {
  start();
  run([](ServerTest& t) -> awaitable<void> {
    tcp::socket socket = co_await t.connected();
    co_await send(socket, "HEAD /plain HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    const std::string answer = co_await receive_all(socket);
    EXPECT_NE(answer.find("Content-Length: 5\r\n"), std::string::npos);
    EXPECT_TRUE(answer.ends_with("\r\n\r\n"));
  }(*this));
}

TEST_F(ServerTest, WhatIsNoRequestIsA400AndTheConnectionCloses) {
  start();
  run([](ServerTest& t) -> awaitable<void> {
    for (const char* bad :
         {"BREW coffee\r\n\r\n", "GET /plain HTTP/1.1\r\nno colon\r\n\r\n",
          "POST /echo HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
          "POST /echo HTTP/1.1\r\nContent-Length: x\r\n\r\n"}) {
      tcp::socket socket = co_await t.connected();
      co_await send(socket, bad);
      socket.shutdown(tcp::socket::shutdown_send);
      const std::string answer = co_await receive_all(socket);
      EXPECT_TRUE(answer.starts_with("HTTP/1.1 400")) << bad << answer;
      EXPECT_NE(answer.find("application/problem+json"), std::string::npos);
    }
  }(*this));
}

TEST_F(ServerTest, TooMuchIs413InTheBodyAnd431InTheHeaders) {
  start();
  run([](ServerTest& t) -> awaitable<void> {
    tcp::socket body = co_await t.connected();
    co_await send(body, "POST /echo HTTP/1.1\r\nContent-Length: 99999999\r\n\r\n");
    body.shutdown(tcp::socket::shutdown_send);
    EXPECT_EQ(status_of(co_await receive_all(body)), 413U);
    tcp::socket head = co_await t.connected();
    co_await send(head, "GET /plain HTTP/1.1\r\nX: " + std::string(20'000, 'x') + "\r\n\r\n");
    head.shutdown(tcp::socket::shutdown_send);
    EXPECT_EQ(status_of(co_await receive_all(head)), 431U);
  }(*this));
}

TEST_F(ServerTest, ABodyThatIsToBeAskedForIsAskedFor) {
  start();
  run([](ServerTest& t) -> awaitable<void> {
    tcp::socket socket = co_await t.connected();
    co_await send(
        socket,
        "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n");
    const std::string go = co_await receive(socket);
    EXPECT_EQ(status_of(go), 100U);
    co_await send(socket, "ok");
    const std::string answer = co_await receive(socket);
    EXPECT_TRUE(answer.ends_with("ok"));
  }(*this));
}

TEST_F(ServerTest, AHandlerThatThrowsIsA500AndTheNextRequestIsServed) {
  start();
  run([](ServerTest& t) -> awaitable<void> {
    tcp::socket socket = co_await t.connected();
    co_await send(socket, "GET /throws HTTP/1.1\r\nHost: x\r\n\r\n");
    const std::string answer = co_await receive(socket);
    EXPECT_EQ(status_of(answer), 500U);
    co_await send(socket, "GET /plain HTTP/1.1\r\nHost: x\r\n\r\n");
    const std::string next = co_await receive(socket);
    EXPECT_EQ(status_of(next), 200U);
  }(*this));
}

TEST_F(ServerTest, AClientThatGoesAwayGivesItsLockToTheNext) {
  start();
  run([](ServerTest& t) -> awaitable<void> {
    const std::string wish = "POST /locked HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n";
    tcp::socket first = co_await t.connected();
    co_await send(first, wish);
    co_await corolock::async_wait(t.began, use_awaitable);
    EXPECT_TRUE(t.lock.is_locked());
    first.close();
    co_await corolock::async_wait(t.told, use_awaitable);
    EXPECT_EQ(t.statuses, (std::vector<unsigned>{499}));
    EXPECT_FALSE(t.lock.is_locked());

    t.go_on.set();
    tcp::socket second = co_await t.connected();
    co_await send(second, wish);
    const std::string answer = co_await receive(second);
    EXPECT_TRUE(answer.ends_with("had it"));
  }(*this));
}

TEST_F(ServerTest, AClientThatSendsItsNextRequestEarlyHasNotGoneAway) {
  start();
  run([](ServerTest& t) -> awaitable<void> {
    tcp::socket socket = co_await t.connected();
    co_await send(socket, "POST /locked HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n");
    co_await corolock::async_wait(t.began, use_awaitable);
    co_await send(socket, "GET /plain HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    t.go_on.set();
    const std::string answers = co_await receive_all(socket);
    EXPECT_NE(answers.find("had it"), std::string::npos);
    EXPECT_TRUE(answers.ends_with("hello"));
  }(*this));
}

TEST_F(ServerTest, StoppingLetsARequestThatIsBeingServedEnd) {
  start();
  run([](ServerTest& t) -> awaitable<void> {
    tcp::socket socket = co_await t.connected();
    co_await send(socket, "POST /locked HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n");
    co_await corolock::async_wait(t.began, use_awaitable);
    asio::co_spawn(t.context, t.one->stop(1h), asio::detached);
    co_await asio::post(use_awaitable);
    EXPECT_TRUE(t.one->is_stopping());
    t.go_on.set();
    const std::string answer = co_await receive_all(socket);
    EXPECT_EQ(status_of(answer), 200U);
    EXPECT_NE(answer.find("Connection: close"), std::string::npos);
  }(*this));
}

TEST_F(ServerTest, StoppingCutsOffWhatDoesNotEndInTime) {
  start();
  run([](ServerTest& t) -> awaitable<void> {
    tcp::socket socket = co_await t.connected();
    co_await send(socket, "POST /locked HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n");
    co_await corolock::async_wait(t.began, use_awaitable);
    co_await t.one->stop(0ms);
    EXPECT_FALSE(t.lock.is_locked());
    co_await receive_all(socket);
  }(*this));
}

TEST_F(ServerTest, AClientThatGoesAwayAfterAnEarlyRequestGivesItsLockToTheNext) {
  start();
  run([](ServerTest& t) -> awaitable<void> {
    tcp::socket first = co_await t.connected();
    co_await send(first, "POST /locked HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n");
    co_await corolock::async_wait(t.began, use_awaitable);
    co_await send(first, "GET /plain HTTP/1.1\r\nHost: x\r\n\r\n");
    first.close();
    co_await corolock::async_wait(t.told, use_awaitable);
    EXPECT_EQ(t.statuses, (std::vector<unsigned>{499}));
    EXPECT_FALSE(t.lock.is_locked());
  }(*this));
}

TEST_F(ServerTest, AHandlerThatCannotBeCancelledLeavesTheNextOneCancellable) {
  start();
  run([](ServerTest& t) -> awaitable<void> {
    t.go_on.set();
    tcp::socket socket = co_await t.connected();
    co_await send(socket, "POST /stored HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n");
    co_await receive(socket);
    t.go_on.reset();
    t.began.reset();
    t.told.reset();
    co_await send(socket, "POST /locked HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n");
    co_await corolock::async_wait(t.began, use_awaitable);
    socket.close();
    co_await corolock::async_wait(t.told, use_awaitable);
    EXPECT_EQ(t.statuses, (std::vector<unsigned>{200, 499}));
  }(*this));
}

TEST_F(ServerTest, ARequestThatDoesNotComeToItsEndInTimeIsA408) {
  server_options options;
  options.header_limit = 40ms;
  options.body_limit = 40ms;
  start(std::move(options));
  run([](ServerTest& t) -> awaitable<void> {
    for (const char* slow : {"GET /plain HTTP/1.1\r\nHost: ",
                             "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nhal"}) {
      tcp::socket socket = co_await t.connected();
      co_await send(socket, slow);
      const std::string answer = co_await receive(socket);
      EXPECT_EQ(status_of(answer), 408U) << slow;
    }
  }(*this));
}

TEST_F(ServerTest, AConnectionWithoutARequestIsClosedInTime) {
  server_options options;
  options.idle_limit = 40ms;
  start(std::move(options));
  run([](ServerTest& t) -> awaitable<void> {
    tcp::socket socket = co_await t.connected();
    const std::string answer = co_await receive_all(socket);
    EXPECT_EQ(answer, "");
  }(*this));
}

TEST_F(ServerTest, OnlyATrustedProxySaysWhoTheClientIs) {
  server_options options;
  options.trusted_proxies = {"127.0.0.1"};
  start(std::move(options));
  run([](ServerTest& t) -> awaitable<void> {
    tcp::socket socket = co_await t.connected();
    co_await send(socket,
                  "GET /peer HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: 1.1.1.1, 192.0.2.7\r\n\r\n");
    const std::string answer = co_await receive(socket);
    EXPECT_TRUE(answer.ends_with("192.0.2.7"));
  }(*this));
}

TEST_F(ServerTest, WhatTheClientItselfClaimsToBeIsNotTakenFromATrustedProxy) {
  server_options options;
  options.trusted_proxies = {"127.0.0.1", "192.0.2.200"};
  start(std::move(options));
  run([](ServerTest& t) -> awaitable<void> {
    for (const auto& [headers, client] : std::vector<std::pair<std::string, std::string>>{
             {"X-Forwarded-For: 1.1.1.1\r\nX-Forwarded-For: 192.0.2.7\r\n", "192.0.2.7"},
             {"X-Forwarded-For: 1.1.1.1, 192.0.2.7, 192.0.2.200\r\n", "192.0.2.7"},
             {"X-Forwarded-For: 192.0.2.7:4711\r\n", "192.0.2.7"},
             {"X-Forwarded-For: a lie\r\n", "127.0.0.1"},
             {"X-Forwarded-For: 1.1.1.1, \"\r\nX-Forwarded-For: 192.0.2.7\r\n", "192.0.2.7"},
             {"X-Forwarded-For: ::ffff:192.0.2.7\r\n", "192.0.2.7"},
             {"Forwarded: for=192.0.2.7\r\n", "127.0.0.1"},
             {"", "127.0.0.1"}}) {
      tcp::socket socket = co_await t.connected();
      co_await send(socket, "GET /peer HTTP/1.1\r\nHost: x\r\n" + headers + "\r\n");
      const std::string answer = co_await receive(socket);
      EXPECT_TRUE(answer.ends_with("\r\n\r\n" + client)) << headers << answer;
    }
  }(*this));
}

TEST(ForwardedTest, TheAddressesOfTheStandardHeaderAreReadWhateverTheirForm) {
  using list = std::vector<std::string>;
  EXPECT_EQ(forwarded_for("for=192.0.2.43, For=\"[2001:DB8::1]:4711\";proto=https"),
            (list{"192.0.2.43", "2001:db8::1"}));
  EXPECT_EQ(forwarded_for("by=203.0.113.43;for=192.0.2.60;proto=http"), (list{"192.0.2.60"}));
  EXPECT_EQ(forwarded_for("for=unknown, for=_hidden, proto=http, for=\"192.0.2.1:80\""),
            (list{"", "", "", "192.0.2.1"}));
  EXPECT_EQ(forwarded_for("for=\"a,b;for=1.1.1.1\", for=192.0.2.9"), (list{"", "192.0.2.9"}));
  EXPECT_EQ(forwarded_for("for=1.1.1.1;x=\", for=192.0.2.7"), (list{})) << "the client's quote";
  EXPECT_EQ(forwarded_for("for=1.1.1.1;x=\", for=\"[2001:db8::1]:80\""), (list{}));
  EXPECT_EQ(x_forwarded_for("2001:db8::1, [2001:db8::2]:1, 192.0.2.1:80"),
            (list{"2001:db8::1", "2001:db8::2", "192.0.2.1"}));
}

TEST_F(ServerTest, TrailersAreNoHeaders) {
  server_options options;
  options.trusted_proxies = {"127.0.0.1"};
  start(std::move(options));
  run([](ServerTest& t) -> awaitable<void> {
    tcp::socket socket = co_await t.connected();
    const std::string head =
        "GET /peer HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: 192.0.2.7\r\n"
        "Transfer-Encoding: chunked\r\n\r\n0\r\n";
    co_await send(socket, head + "X-Forwarded-For: 6.6.6.6\r\nHost: y\r\n\r\n");
    const std::string answer = co_await receive(socket);
    EXPECT_TRUE(answer.ends_with("192.0.2.7")) << answer;
    std::string trailers;
    for (int i = 0; i < 3000; ++i) {
      trailers += "Aaaa: a\r\n";
    }
    co_await send(socket, head + trailers + "\r\n");
    const std::string too_much = co_await receive_all(socket);
    EXPECT_EQ(status_of(too_much), 431U);
  }(*this));
}

TEST_F(ServerTest, CodingsAreForHttp11AndAnEmptyLineBeforeARequestIsSkipped) {
  start();
  run([](ServerTest& t) -> awaitable<void> {
    tcp::socket socket = co_await t.connected();
    co_await send(socket, "\r\nGET /plain HTTP/1.1\r\nHost: x\r\n\r\n");
    const std::string answer = co_await receive(socket);
    EXPECT_EQ(status_of(answer), 200U);
    co_await send(socket,
                  "GET /plain HTTP/1.0\r\nConnection: keep-alive\r\n"
                  "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n");
    const std::string refused = co_await receive_all(socket);
    EXPECT_EQ(status_of(refused), 400U);
  }(*this));
}

TEST_F(ServerTest, AnybodyElsesWordForItIsNotTaken) {
  start();
  run([](ServerTest& t) -> awaitable<void> {
    tcp::socket socket = co_await t.connected();
    co_await send(socket, "GET /peer HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: 192.0.2.7\r\n\r\n");
    const std::string answer = co_await receive(socket);
    EXPECT_TRUE(answer.ends_with("127.0.0.1"));
  }(*this));
}

}  // namespace
}  // namespace marketplace::http
