// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers

// What every lock of corolock does, local or not, on every engine.

#include "engines.hpp"
#include <corolock/asio.hpp>
#include <corolock/cluster.hpp>
#include <support/asio.hpp>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/bind_executor.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/io_context.hpp>
#include <gtest/gtest.h>

#include <chrono>
#include <cstddef>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace asio = boost::asio;
using namespace std::chrono_literals;
using corolock::async_lock;
using corolock::async_lock_for;
using corolock::errc;
using corolock::fencing_token;
using corolock_test::completion;

template <class Engine>
class Conformance : public testing::Test {
 protected:
  using client = typename Engine::client;
  using guard =
      std::conditional_t<Engine::is_remote, corolock::distributed_guard, corolock::mutex_guard>;

  // The test's clients are gone: their sessions close, and leave nothing behind.
  void TearDown() override {
    context_.restart();
    context_.run_for(20s);
    EXPECT_TRUE(context_.stopped());
    EXPECT_EQ(engine_.queue("name"), 0U);
  }

  client connect() { return engine_.connect(context_); }
  std::vector<client> connect(std::size_t count) {
    std::vector<client> all;
    all.reserve(count);
    for (std::size_t i = 0; i < count; ++i) {
      all.push_back(connect());
    }
    return all;
  }
  template <class What>
  void until(What what) {
    corolock_test::until(context_, what);
  }
  void queued(const std::string& name, std::size_t count) {
    until([&] { return engine_.queue(name) == count; });
  }

  void start(const client& c, const std::string& name, completion<guard>& into) {
    async_lock(c.mutex(name), asio::bind_executor(context_, into.handler()));
  }
  void start(const client& c, const std::string& name, completion<guard>& into,
             asio::cancellation_signal& stop) {
    async_lock(c.mutex(name), asio::bind_cancellation_slot(
                                  stop.slot(), asio::bind_executor(context_, into.handler())));
  }
  guard lock(const client& c, const std::string& name) {
    completion<guard> got;
    start(c, name, got);
    until([&] { return got.calls != 0; });
    EXPECT_TRUE(got.succeeded()) << got.error.message();
    return std::move(got.grant);
  }
  guard try_lock(const client& c, const std::string& name) {
    if constexpr (Engine::is_remote) {
      completion<guard> got;
      corolock::async_try_lock(c.mutex(name), asio::bind_executor(context_, got.handler()));
      until([&] { return got.calls != 0; });
      EXPECT_TRUE(got.succeeded()) << got.error.message();
      return std::move(got.grant);
    } else {
      return c.mutex(name).try_lock();
    }
  }
  // Gives the lock back, and waits until the server knows.
  void release(guard held) {
    if constexpr (Engine::is_remote) {
      completion<std::optional<corolock::release_result>> got;
      held.async_release(asio::bind_executor(context_, got.handler()));
      until([&] { return got.calls != 0; });
      EXPECT_EQ(got.grant, corolock::release_result::released);
    }
  }

  asio::io_context context_;
  Engine engine_;
};

using engines = testing::Types<corolock_test::local_engine, corolock_test::memory_engine,
                               corolock_test::postgresql_engine, corolock_test::etcd_engine>;
struct engine_names {
  template <class Engine>
  static std::string GetName(int) {  // NOLINT(readability-identifier-naming)
    return Engine::title;
  }
};
TYPED_TEST_SUITE(Conformance, engines, engine_names);

TYPED_TEST(Conformance, LocksAndReleases) {
  const auto c = this->connect();
  auto held = this->lock(c, "name");
  EXPECT_EQ(this->engine_.queue("name"), 1U);
  this->release(std::move(held));
  EXPECT_EQ(this->engine_.queue("name"), 0U);
}

TYPED_TEST(Conformance, ADroppedGuardGivesTheLockBack) {
  const auto c = this->connect();
  {
    const auto held = this->lock(c, "name");
  }
  this->queued("name", 0);
}

TYPED_TEST(Conformance, TryLockNeitherWaitsNorQueues) {
  const auto clients = this->connect(2);
  auto held = this->lock(clients[0], "name");
  EXPECT_FALSE(this->try_lock(clients[1], "name"));
  EXPECT_FALSE(this->try_lock(clients[0], "name"));
  EXPECT_EQ(this->engine_.queue("name"), 1U);
  this->release(std::move(held));
  EXPECT_TRUE(this->try_lock(clients[1], "name"));
}

TYPED_TEST(Conformance, ClientsAreServedInTheOrderInWhichTheyAsked) {
  const auto clients = this->connect(5);
  auto held = this->lock(clients[0], "name");
  std::vector<completion<typename TestFixture::guard>> waits(clients.size() - 1);
  for (std::size_t i = 0; i < waits.size(); ++i) {
    this->start(clients[i + 1], "name", waits[i]);
    this->queued("name", i + 2);
  }
  this->release(std::move(held));
  for (std::size_t i = 0; i < waits.size(); ++i) {
    this->until([&] { return waits[i].calls != 0; });
    ASSERT_TRUE(waits[i].succeeded()) << waits[i].error.message();
    for (std::size_t k = i + 1; k < waits.size(); ++k) {
      ASSERT_EQ(waits[k].calls, 0U);
    }
    this->release(std::move(waits[i].grant));
  }
  EXPECT_EQ(this->engine_.queue("name"), 0U);
}

TYPED_TEST(Conformance, ATimeLimitEndsAWaitAndItsPlaceInTheQueue) {
  const auto clients = this->connect(2);
  auto held = this->lock(clients[0], "name");
  completion<typename TestFixture::guard> got;
  async_lock_for(clients[1].mutex("name"), 50ms,
                 asio::bind_executor(this->context_, got.handler()));
  this->until([&] { return got.calls != 0; });
  EXPECT_TRUE(got.failed_with(errc::timed_out)) << got.error.message();
  this->queued("name", 1);
  this->release(std::move(held));
  EXPECT_TRUE(this->try_lock(clients[1], "name"));
}

TYPED_TEST(Conformance, ACancelledWaitLeavesTheQueue) {
  const auto clients = this->connect(3);
  auto held = this->lock(clients[0], "name");
  asio::cancellation_signal stop;
  completion<typename TestFixture::guard> cancelled;
  completion<typename TestFixture::guard> next;
  this->start(clients[1], "name", cancelled, stop);
  this->queued("name", 2);
  this->start(clients[2], "name", next);
  this->queued("name", 3);
  stop.emit(asio::cancellation_type::total);
  this->until([&] { return cancelled.calls != 0; });
  EXPECT_TRUE(cancelled.was_aborted()) << cancelled.error.message();
  this->queued("name", 2);
  this->release(std::move(held));
  this->until([&] { return next.calls != 0; });
  EXPECT_TRUE(next.succeeded());
}

// At ever other moments: whichever comes first, there is one outcome, and the lock is free at last.
TYPED_TEST(Conformance, ACancellationMayMeetTheGrant) {
  const auto clients = this->connect(2);
  for (int round = 0; round < 40; ++round) {
    auto held = this->lock(clients[0], "name");
    asio::cancellation_signal stop;
    completion<typename TestFixture::guard> got;
    this->start(clients[1], "name", got, stop);
    this->queued("name", 2);
    {
      const auto gone = std::move(held);
    }
    for (int i = 0; i < round; ++i) {
      this->context_.restart();
      this->context_.poll_one();
    }
    stop.emit(asio::cancellation_type::total);
    this->until([&] { return got.calls != 0; });
    ASSERT_TRUE(got.was_aborted() || got.succeeded()) << got.error.message();
    {
      const auto gone = std::move(got.grant);
    }
    this->queued("name", 0);
    ASSERT_EQ(got.calls, 1U);
  }
}

// Names that a server's keys or numbers might confuse.
TYPED_TEST(Conformance, NamesAreLocksOfTheirOwn) {
  const auto c = this->connect();
  const std::vector<std::string> names{
      "a", "a/", "a/b", "b/a", "%2F", "/", "a b", "€uro", std::string(255, 'x')};
  std::vector<typename TestFixture::guard> all;
  all.reserve(names.size());
  for (const std::string& name : names) {
    all.push_back(this->try_lock(c, name));
    EXPECT_TRUE(all.back()) << name;
  }
}

// Many tasks of several processes: one inside at a time, with tokens that a resource accepts.
TYPED_TEST(Conformance, OneTaskAtATimeHasTheLock) {
  const auto clients = this->connect(3);
  constexpr std::size_t tasks = 20;  // of each client
  corolock::token_gate gate;
  std::size_t inside = 0;
  std::size_t done = 0;
  fencing_token last;
  for (const auto& c : clients) {
    for (std::size_t i = 0; i < tasks; ++i) {
      async_lock(c.mutex("name"),
                 asio::bind_executor(this->context_, [&](const corolock_test::error_code& error,
                                                         typename TestFixture::guard held) {
                   EXPECT_FALSE(error) << error.message();
                   EXPECT_EQ(inside, 0U);
                   ++inside;
                   if constexpr (TypeParam::is_remote) {
                     EXPECT_GT(held.token(), last);
                     last = held.token();
                     EXPECT_TRUE(gate.accept("name", last));
                     EXPECT_TRUE(held.held());
                   }
                   asio::post(this->context_, [&, mine = std::move(held)]() mutable {
                     --inside;
                     ++done;
                     {
                       const auto gone = std::move(mine);
                     }
                   });
                 }));
    }
  }
  this->until([&] { return done == tasks * clients.size(); });
  this->queued("name", 0);
}

template <class Engine>
class RemoteConformance : public Conformance<Engine> {};
using remote_engines = testing::Types<corolock_test::memory_engine,
                                      corolock_test::postgresql_engine, corolock_test::etcd_engine>;
TYPED_TEST_SUITE(RemoteConformance, remote_engines, engine_names);

TYPED_TEST(RemoteConformance, ASessionGivesItsLocksBackWhenItIsClosed) {
  const auto clients = this->connect(2);
  const auto held = this->lock(clients[0], "name");
  completion<corolock::distributed_guard> waits;
  this->start(clients[1], "name", waits);
  this->queued("name", 2);
  completion<void> closed;
  clients[0].session.async_close(asio::bind_executor(this->context_, closed.handler()));
  this->until([&] { return closed.calls != 0 && waits.calls != 0; });
  EXPECT_TRUE(closed.succeeded());
  EXPECT_TRUE(waits.succeeded());
  EXPECT_GT(waits.grant.token(), held.token());
  EXPECT_FALSE(held.held());
}

TYPED_TEST(RemoteConformance, AClosedSessionEndsItsWaits) {
  const auto clients = this->connect(2);
  auto held = this->lock(clients[0], "name");
  completion<corolock::distributed_guard> waits;
  this->start(clients[1], "name", waits);
  this->queued("name", 2);
  completion<void> closed;
  clients[1].session.async_close(asio::bind_executor(this->context_, closed.handler()));
  this->until([&] { return closed.calls != 0 && waits.calls != 0; });
  EXPECT_TRUE(waits.failed_with(corolock::cluster_errc::session_closed));
  this->queued("name", 1);
  this->release(std::move(held));
}

TYPED_TEST(RemoteConformance, VerifyAsksTheServer) {
  const auto c = this->connect();
  const auto held = this->lock(c, "name");
  completion<bool> said;
  held.async_verify(asio::bind_executor(this->context_, said.handler()));
  this->until([&] { return said.calls != 0; });
  EXPECT_TRUE(said.succeeded()) << said.error.message();
  EXPECT_TRUE(said.grant);
}

TYPED_TEST(RemoteConformance, TheEngineSaysWhatItGives) {
  const auto what = this->connect().session.what();
  EXPECT_TRUE(what.fenced);
  EXPECT_TRUE(what.fifo);
  EXPECT_GT(what.least_ttl, 0ms);
}

// A hundred locks at once, and a session that goes while they are held.
TYPED_TEST(RemoteConformance, AHundredLocksGoWithTheirSession) {
  const auto c = this->connect();
  std::vector<corolock::distributed_guard> guards;
  std::vector<completion<void>> lost(100);
  guards.reserve(lost.size());
  for (std::size_t i = 0; i < lost.size(); ++i) {
    guards.push_back(this->lock(c, "name " + std::to_string(i)));
    guards.back().async_lost(asio::bind_executor(this->context_, lost[i].handler()));
  }
  completion<void> closed;
  c.session.async_close(asio::bind_executor(this->context_, closed.handler()));
  for (std::size_t i = 0; i < lost.size(); ++i) {
    this->until([&] { return lost[i].calls != 0; });
    EXPECT_TRUE(lost[i].succeeded());
    EXPECT_FALSE(guards[i].held());
  }
  this->until([&] { return closed.calls != 0; });
  this->queued("name 99", 0);
}
