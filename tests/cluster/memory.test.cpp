// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers

// Everything that a session does whatever its engine is, on a server and a clock that stand still
// until they are told otherwise.

#include <corolock/cluster.hpp>
#include <support/asio.hpp>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/use_future.hpp>
#include <gtest/gtest.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace asio = boost::asio;
using namespace std::chrono_literals;
using corolock::async_lock;
using corolock::async_lock_for;
using corolock::async_try_lock;
using corolock::cluster_errc;
using corolock::distributed_guard;
using corolock::distributed_mutex;
using corolock::errc;
using corolock::fencing_token;
using corolock::release_result;
using corolock::session;
using corolock_test::completion;
using corolock_test::error_code;
using corolock_test::poll;

class DistributedMutex : public testing::Test {
 protected:
  // A ttl of 9 s: renewed every 3 s, held until 8.1 s after the last renewal was sent.
  session connect() {
    corolock::session_options options;
    options.ttl = 9s;
    options.margin = 900ms;
    session made;
    std::exception_ptr failed;
    cluster_.async_connect(context_.get_executor(), options,
                           [&](const std::exception_ptr& e, session s) {
                             failed = e;
                             made = std::move(s);
                           });
    poll(context_);
    EXPECT_EQ(failed, nullptr);
    return made;
  }
  distributed_guard lock(const distributed_mutex& m) {
    completion<distributed_guard> c;
    async_lock(m, c.handler());
    poll(context_);
    EXPECT_TRUE(c.succeeded()) << c.error.message();
    return std::move(c.grant);
  }
  std::optional<release_result> release(distributed_guard& guard) {
    completion<std::optional<release_result>> c;
    guard.async_release(c.handler());
    poll(context_);
    return c.grant;
  }
  void drop(distributed_guard guard) {
    {
      const distributed_guard gone(std::move(guard));
    }
    poll(context_);
  }
  // In steps that are shorter than a third of a ttl, so that every renewal is sent in time.
  void advance(std::chrono::milliseconds by) {
    for (; by > 0ms; by -= 500ms) {
      time_->advance(std::min<std::chrono::milliseconds>(by, 500ms));
      poll(context_);
    }
  }

  asio::io_context context_;
  std::shared_ptr<corolock::manual_time> time_ = std::make_shared<corolock::manual_time>();
  corolock::memory_cluster cluster_{time_};
};

TEST_F(DistributedMutex, LocksAndReleases) {
  const distributed_mutex m(connect(), "name");
  distributed_guard guard = lock(m);
  EXPECT_TRUE(guard.held());
  EXPECT_GT(guard.token().token, 0U);
  EXPECT_EQ(guard.deadline(), time_->now() + 8100ms);
  EXPECT_EQ(cluster_.queue_length("name"), 1U);
  EXPECT_EQ(release(guard), release_result::released);
  EXPECT_FALSE(guard);
  EXPECT_EQ(cluster_.queue_length("name"), 0U);
}

TEST_F(DistributedMutex, ADroppedGuardGivesTheLockBack) {
  const distributed_mutex m(connect(), "name");
  drop(lock(m));
  EXPECT_EQ(cluster_.queue_length("name"), 0U);
}

TEST_F(DistributedMutex, AssigningToAGuardGivesItsLockBack) {
  const session s = connect();
  const distributed_mutex a(s, "a");
  const distributed_mutex b(s, "b");
  distributed_guard guard = lock(a);
  guard = lock(b);
  poll(context_);
  EXPECT_EQ(cluster_.queue_length("a"), 0U);
  EXPECT_EQ(cluster_.queue_length("b"), 1U);
}

TEST_F(DistributedMutex, ProcessesAreServedInTheOrderInWhichTheyAsked) {
  std::vector<completion<distributed_guard>> waits(5);
  std::vector<distributed_mutex> locks;
  locks.reserve(waits.size());
  for (auto& wait : waits) {
    async_lock(locks.emplace_back(connect(), "name"), wait.handler());
    poll(context_);
  }
  fencing_token last;
  for (std::size_t i = 0; i < waits.size(); ++i) {
    ASSERT_TRUE(waits[i].succeeded());
    for (std::size_t k = i + 1; k < waits.size(); ++k) {
      ASSERT_EQ(waits[k].calls, 0U);
    }
    EXPECT_GT(waits[i].grant.token(), last);
    last = waits[i].grant.token();
    drop(std::move(waits[i].grant));
  }
}

TEST_F(DistributedMutex, TasksOfOneProcessAreServedInTheOrderInWhichTheyAsked) {
  const distributed_mutex m(connect(), "name");
  distributed_guard first = lock(m);
  std::vector<completion<distributed_guard>> waits(5);
  for (auto& wait : waits) {
    async_lock(m, wait.handler());
  }
  poll(context_);
  fencing_token last = first.token();
  EXPECT_EQ(release(first), release_result::released);
  for (std::size_t i = 0; i < waits.size(); ++i) {
    ASSERT_TRUE(waits[i].succeeded());
    if (i + 1 < waits.size()) {
      ASSERT_EQ(waits[i + 1].calls, 0U);
    }
    EXPECT_GT(waits[i].grant.token(), last);
    last = waits[i].grant.token();
    drop(std::move(waits[i].grant));
  }
  EXPECT_EQ(cluster_.queue_length("name"), 0U);
}

TEST_F(DistributedMutex, TryLockFindsItTakenByATaskOfThisProcess) {
  const distributed_mutex m(connect(), "name");
  const distributed_guard held = lock(m);
  completion<distributed_guard> c;
  async_try_lock(m, c.handler());
  poll(context_);
  EXPECT_TRUE(c.succeeded());
  EXPECT_FALSE(c.grant);
}

TEST_F(DistributedMutex, TryLockFindsItTakenByAnotherProcessAndStaysInNoQueue) {
  const distributed_mutex mine(connect(), "name");
  const distributed_mutex theirs(connect(), "name");
  distributed_guard held = lock(theirs);
  completion<distributed_guard> c;
  async_try_lock(mine, c.handler());
  poll(context_);
  EXPECT_TRUE(c.succeeded());
  EXPECT_FALSE(c.grant);
  EXPECT_EQ(cluster_.queue_length("name"), 1U);
  drop(std::move(held));
  completion<distributed_guard> again;
  async_try_lock(mine, again.handler());
  poll(context_);
  EXPECT_TRUE(again.succeeded());
  EXPECT_TRUE(again.grant);
}

TEST_F(DistributedMutex, AWaitHasATimeLimit) {
  const distributed_mutex mine(connect(), "name");
  const distributed_mutex theirs(connect(), "name");
  const distributed_guard held = lock(theirs);
  completion<distributed_guard> c;
  async_lock_for(mine, 2s, c.handler());
  completion<distributed_guard> behind_it;  // in this process's own queue
  async_lock_for(mine, 1s, behind_it.handler());
  poll(context_);
  advance(500ms);
  EXPECT_EQ(behind_it.calls, 0U);
  advance(500ms);
  EXPECT_TRUE(behind_it.failed_with(errc::timed_out));
  EXPECT_EQ(c.calls, 0U);
  advance(1s);
  EXPECT_TRUE(c.failed_with(errc::timed_out));
  EXPECT_FALSE(c.grant);
  EXPECT_EQ(cluster_.queue_length("name"), 1U);
}

TEST_F(DistributedMutex, ACancelledWaitLeavesTheQueueOnTheServer) {
  const distributed_mutex mine(connect(), "name");
  const distributed_mutex theirs(connect(), "name");
  const distributed_guard held = lock(theirs);
  asio::cancellation_signal stop;
  completion<distributed_guard> c;
  async_lock(mine, asio::bind_cancellation_slot(stop.slot(), c.handler()));
  poll(context_);
  EXPECT_EQ(cluster_.queue_length("name"), 2U);
  stop.emit(asio::cancellation_type::total);
  poll(context_);
  EXPECT_TRUE(c.was_aborted());
  EXPECT_EQ(cluster_.queue_length("name"), 1U);
}

TEST_F(DistributedMutex, ACancelledWaitInTheProcessLeavesTheOthers) {
  const distributed_mutex m(connect(), "name");
  distributed_guard held = lock(m);
  asio::cancellation_signal stop;
  completion<distributed_guard> cancelled;
  completion<distributed_guard> next;
  async_lock(m, asio::bind_cancellation_slot(stop.slot(), cancelled.handler()));
  async_lock(m, next.handler());
  poll(context_);
  stop.emit(asio::cancellation_type::total);
  poll(context_);
  EXPECT_TRUE(cancelled.was_aborted());
  drop(std::move(held));
  EXPECT_TRUE(next.succeeded());
}

// The grant has been made when the cancellation comes, and nobody was told: it passes on.
TEST_F(DistributedMutex, AGrantThatMeetsACancellationPassesOn) {
  const distributed_mutex mine(connect(), "name");
  const distributed_mutex theirs(connect(), "name");
  distributed_guard held = lock(theirs);
  asio::cancellation_signal stop;
  completion<distributed_guard> c;
  async_lock(mine, asio::bind_cancellation_slot(stop.slot(), c.handler()));
  poll(context_);
  {
    const distributed_guard gone(std::move(held));
  }
  stop.emit(asio::cancellation_type::total);
  poll(context_);
  EXPECT_EQ(c.calls, 1U);
  if (c.error) {
    EXPECT_TRUE(c.was_aborted());
    EXPECT_EQ(cluster_.queue_length("name"), 0U);
  } else {
    EXPECT_EQ(cluster_.queue_length("name"), 1U);
  }
}

// ------------------------------------------------------------------------------ the hand-over

TEST_F(DistributedMutex, IsHandedOverUnderTheSameTokenAtMost16Times) {
  const distributed_mutex m(connect(), "name");
  distributed_guard guard = lock(m);
  std::vector<completion<distributed_guard>> waits(40);
  for (auto& wait : waits) {
    async_lock(m, wait.handler());
  }
  poll(context_);
  const fencing_token first = guard.token();
  EXPECT_EQ(first.sequence, 0U);
  drop(std::move(guard));
  for (std::size_t i = 0; i < waits.size(); ++i) {
    const fencing_token token = waits[i].grant.token();
    // A remote grant serves 17 tasks: the first, and 16 by hand-over.
    EXPECT_EQ(token.sequence, (i + 1) % 17);
    EXPECT_EQ(token.token == first.token, i < 16);
    drop(std::move(waits[i].grant));
  }
  EXPECT_EQ(cluster_.grants(), 3U);
}

TEST_F(DistributedMutex, IsHandedOverForAtMostHalfALease) {
  const distributed_mutex m(connect(), "name");
  distributed_guard guard = lock(m);
  std::vector<completion<distributed_guard>> waits(2);
  for (auto& wait : waits) {
    async_lock(m, wait.handler());
  }
  poll(context_);
  const fencing_token first = guard.token();
  advance(4s);
  drop(std::move(guard));
  EXPECT_EQ(waits[0].grant.token().token, first.token);
  advance(500ms);
  drop(std::move(waits[0].grant));
  EXPECT_GT(waits[1].grant.token().token, first.token);
}

TEST_F(DistributedMutex, IsNotHandedOverPastAProcessThatHasWaitedLonger) {
  const distributed_mutex mine(connect(), "name");
  const distributed_mutex theirs(connect(), "name");
  distributed_guard guard = lock(mine);
  completion<distributed_guard> other;
  async_lock(theirs, other.handler());
  poll(context_);
  advance(500ms);
  completion<distributed_guard> next;
  async_lock(mine, next.handler());
  poll(context_);
  drop(std::move(guard));
  EXPECT_TRUE(other.succeeded());
  EXPECT_EQ(next.calls, 0U);
  drop(std::move(other.grant));
  EXPECT_TRUE(next.succeeded());
}

TEST_F(DistributedMutex, IsHandedOverBeforeAProcessThatCameLater) {
  const distributed_mutex mine(connect(), "name");
  const distributed_mutex theirs(connect(), "name");
  distributed_guard guard = lock(mine);
  completion<distributed_guard> next;
  async_lock(mine, next.handler());
  poll(context_);
  advance(500ms);
  completion<distributed_guard> other;
  async_lock(theirs, other.handler());
  poll(context_);
  drop(std::move(guard));
  EXPECT_TRUE(next.succeeded());
  EXPECT_EQ(other.calls, 0U);
  drop(std::move(next.grant));
  EXPECT_TRUE(other.succeeded());
}

TEST_F(DistributedMutex, AThousandWaitersCostFarFewerGrantsOfTheServer) {
  const distributed_mutex m(connect(), "name");
  std::vector<completion<distributed_guard>> waits(1000);
  for (auto& wait : waits) {
    async_lock(m, wait.handler());
  }
  poll(context_);
  for (auto& wait : waits) {
    ASSERT_TRUE(wait.succeeded());
    drop(std::move(wait.grant));
  }
  EXPECT_EQ(cluster_.grants(), 59U);  // 1000 / 17, rounded up
  EXPECT_EQ(cluster_.queue_length("name"), 0U);
}

// Kept for a task that gives up before it gets it: nothing stays behind on the server.
TEST_F(DistributedMutex, WhatIsKeptForACancelledWaitIsGivenBack) {
  const distributed_mutex m(connect(), "name");
  distributed_guard guard = lock(m);
  asio::cancellation_signal stop;
  completion<distributed_guard> c;
  async_lock(m, asio::bind_cancellation_slot(stop.slot(), c.handler()));
  poll(context_);
  completion<std::optional<release_result>> released;
  guard.async_release(released.handler());
  stop.emit(asio::cancellation_type::total);
  poll(context_);
  EXPECT_TRUE(released.succeeded());
  EXPECT_EQ(c.calls, 1U);
  drop(std::move(c.grant));
  EXPECT_EQ(cluster_.queue_length("name"), 0U);
}

// One that has left the gate's queue, but whose task has not gone on yet: nobody is served, and
// nobody is to be waited for. The cancellation comes after so many handlers of the release.
TEST_F(DistributedMutex, AWaitThatIsCancelledAsTheLockIsKeptForItHoldsNobodyUp) {
  for (int handlers = 0; handlers < 20; ++handlers) {
    const distributed_mutex m(connect(), "name");
    distributed_guard guard = lock(m);
    completion<distributed_guard> second;
    async_lock(m, second.handler());
    poll(context_);
    drop(std::move(guard));  // kept for the second; what gives it back is in the queue from now on
    ASSERT_TRUE(second.succeeded());
    asio::cancellation_signal stop;
    completion<distributed_guard> third;
    async_lock(m, asio::bind_cancellation_slot(stop.slot(), third.handler()));
    poll(context_);
    completion<std::optional<release_result>> released;
    second.grant.async_release(released.handler());
    for (int i = 0; i < handlers; ++i) {
      context_.restart();
      context_.poll_one();
    }
    stop.emit(asio::cancellation_type::total);
    poll(context_);
    EXPECT_TRUE(released.succeeded());
    ASSERT_EQ(third.calls, 1U) << handlers;
    drop(std::move(third.grant));
    EXPECT_EQ(cluster_.queue_length("name"), 0U) << handlers;
  }
}

// ------------------------------------------------------------------------------- the lease

TEST_F(DistributedMutex, TheLeaseIsRenewedWhileTheSessionLives) {
  const distributed_mutex m(connect(), "name");
  const distributed_guard guard = lock(m);
  const auto first = guard.deadline();
  advance(60s);
  EXPECT_TRUE(guard.held());
  EXPECT_GE(guard.deadline(), first + 57s);
}

TEST_F(DistributedMutex, IsLostAtTheDeadlineBeforeAnotherProcessHasIt) {
  const distributed_mutex theirs(connect(), "name");
  advance(1s);  // their renewals do not coincide with the end of our lease
  const session s = connect();
  const distributed_mutex mine(s, "name");
  distributed_guard guard = lock(mine);
  completion<void> lost;
  guard.async_lost(lost.handler());
  completion<distributed_guard> other;
  async_lock(theirs, other.handler());
  poll(context_);
  cluster_.set_reachable(s, false);
  advance(8s);
  EXPECT_TRUE(guard.held());
  EXPECT_EQ(lost.calls, 0U);
  advance(500ms);
  EXPECT_FALSE(guard.held());
  EXPECT_TRUE(lost.succeeded());
  EXPECT_EQ(other.calls, 0U);
  EXPECT_TRUE(s.is_lost());
  EXPECT_NE(s.problem().find("not renewed in time"), std::string::npos);
  advance(500ms);
  EXPECT_TRUE(other.succeeded());
  EXPECT_GT(other.grant.token(), guard.token());
  EXPECT_EQ(release(guard), release_result::already_lost);
}

// No I/O and no timer has to run for that: a process that was paused knows it when it looks.
TEST_F(DistributedMutex, HeldIsFalseAfterAPauseBeforeAnythingElseHasRun) {
  const distributed_mutex m(connect(), "name");
  const distributed_guard guard = lock(m);
  time_->advance(8099ms);
  EXPECT_TRUE(guard.held());
  time_->advance(1ms);
  EXPECT_FALSE(guard.held());
}

TEST_F(DistributedMutex, ARenewalThatIsNotAnsweredIsSentAgain) {
  const session s = connect();
  const distributed_mutex m(s, "name");
  const distributed_guard guard = lock(m);
  cluster_.set_reachable(s, false);
  advance(7s);
  cluster_.set_reachable(s, true);
  advance(2s);
  EXPECT_TRUE(guard.held());
  EXPECT_FALSE(s.is_lost());
}

TEST_F(DistributedMutex, ALeaseThatTheServerHasEndedIsLostAtTheNextRenewal) {
  const session s = connect();
  const distributed_mutex m(s, "name");
  distributed_guard guard = lock(m);
  cluster_.expire(s);
  advance(3s);
  EXPECT_FALSE(guard.held());
  EXPECT_TRUE(s.is_lost());
  EXPECT_NE(s.problem().find("ended the session's lease"), std::string::npos);
  EXPECT_EQ(release(guard), release_result::already_lost);
}

TEST_F(DistributedMutex, AWaiterWhoseLeaseEndsIsNeverGranted) {
  const session s = connect();
  const distributed_mutex mine(s, "name");
  const distributed_mutex theirs(connect(), "name");
  distributed_guard held = lock(theirs);
  completion<distributed_guard> c;
  async_lock(mine, c.handler());
  poll(context_);
  cluster_.expire(s);
  drop(std::move(held));
  advance(3s);
  EXPECT_TRUE(c.failed_with(cluster_errc::session_lost));
  EXPECT_FALSE(c.grant);
}

TEST_F(DistributedMutex, ALostSessionLosesAllItsGuards) {
  const session s = connect();
  std::vector<distributed_guard> guards;
  std::vector<completion<void>> lost(100);
  guards.reserve(lost.size());
  for (std::size_t i = 0; i < lost.size(); ++i) {
    guards.push_back(lock(distributed_mutex(s, "name " + std::to_string(i))));
    guards.back().async_lost(lost[i].handler());
  }
  poll(context_);
  cluster_.expire(s);
  advance(3s);
  for (std::size_t i = 0; i < lost.size(); ++i) {
    EXPECT_FALSE(guards[i].held());
    EXPECT_TRUE(lost[i].succeeded());
    EXPECT_EQ(cluster_.queue_length("name " + std::to_string(i)), 0U);
  }
}

TEST_F(DistributedMutex, ALostSessionTakesNoMoreWaits) {
  const session s = connect();
  cluster_.expire(s);
  advance(3s);
  completion<distributed_guard> c;
  async_lock(distributed_mutex(s, "name"), c.handler());
  poll(context_);
  EXPECT_TRUE(c.failed_with(cluster_errc::session_lost));
}

TEST_F(DistributedMutex, AWaitLastsThroughAnOutage) {
  const session s = connect();
  const distributed_mutex m(s, "name");
  cluster_.set_reachable(s, false);
  completion<distributed_guard> c;
  async_lock(m, c.handler());
  advance(5s);
  EXPECT_EQ(c.calls, 0U);
  cluster_.set_reachable(s, true);
  poll(context_);
  EXPECT_TRUE(c.succeeded());
}

TEST_F(DistributedMutex, AWaitThatIsCancelledInAnOutageLeavesNothingBehind) {
  const session s = connect();
  const distributed_mutex mine(s, "name");
  const distributed_mutex theirs(connect(), "name");
  const distributed_guard held = lock(theirs);
  asio::cancellation_signal stop;
  completion<distributed_guard> c;
  async_lock(mine, asio::bind_cancellation_slot(stop.slot(), c.handler()));
  poll(context_);
  cluster_.set_reachable(s, false);
  stop.emit(asio::cancellation_type::total);
  poll(context_);
  EXPECT_TRUE(c.was_aborted());
  EXPECT_EQ(cluster_.queue_length("name"), 2U);
  cluster_.set_reachable(s, true);
  advance(3s);
  EXPECT_EQ(cluster_.queue_length("name"), 1U);
}

// ------------------------------------------------------------------------------- lost replies

TEST_F(DistributedMutex, ALostReplyToAnAcquireIsAskedForAgain) {
  const session s = connect();
  const distributed_mutex m(s, "name");
  cluster_.drop_next_reply(s);
  const distributed_guard guard = lock(m);
  EXPECT_TRUE(guard.held());
  EXPECT_EQ(cluster_.queue_length("name"), 1U);
}

TEST_F(DistributedMutex, ALostReplyToAReleaseIsAskedForAgain) {
  const session s = connect();
  const distributed_mutex m(s, "name");
  distributed_guard guard = lock(m);
  cluster_.drop_next_reply(s);
  EXPECT_EQ(release(guard), release_result::released);
  EXPECT_EQ(cluster_.queue_length("name"), 0U);
}

TEST_F(DistributedMutex, AReleaseWithoutAnAnswerIsUnknownAndDoneLater) {
  const session s = connect();
  const distributed_mutex m(s, "name");
  distributed_guard guard = lock(m);
  cluster_.set_reachable(s, false);
  EXPECT_EQ(release(guard), release_result::unknown);
  EXPECT_EQ(cluster_.queue_length("name"), 1U);
  cluster_.set_reachable(s, true);
  advance(3s);
  EXPECT_EQ(cluster_.queue_length("name"), 0U);
}

// ------------------------------------------------------------------------------- the guard

TEST_F(DistributedMutex, VerifyAsksTheServer) {
  const session s = connect();
  const distributed_mutex m(s, "name");
  const distributed_guard guard = lock(m);
  completion<bool> yes;
  guard.async_verify(yes.handler());
  poll(context_);
  EXPECT_TRUE(yes.succeeded());
  EXPECT_TRUE(yes.grant);
  cluster_.expire(s);
  EXPECT_TRUE(guard.held());  // not known yet
  completion<void> lost;
  guard.async_lost(lost.handler());
  completion<bool> no;
  guard.async_verify(no.handler());
  poll(context_);
  EXPECT_TRUE(no.succeeded());
  EXPECT_FALSE(no.grant);
  EXPECT_FALSE(guard.held());
  EXPECT_TRUE(lost.succeeded());
}

TEST_F(DistributedMutex, VerifyWithoutAnAnswerSaysSo) {
  const session s = connect();
  const distributed_mutex m(s, "name");
  const distributed_guard guard = lock(m);
  cluster_.set_reachable(s, false);
  completion<bool> c;
  guard.async_verify(c.handler());
  poll(context_);
  EXPECT_TRUE(c.failed_with(cluster_errc::unreachable));
}

TEST_F(DistributedMutex, AWaitForTheLossEndsWhenTheGuardIsGivenBack) {
  const distributed_mutex m(connect(), "name");
  distributed_guard guard = lock(m);
  completion<void> lost;
  guard.async_lost(lost.handler());
  poll(context_);
  EXPECT_EQ(lost.calls, 0U);
  EXPECT_EQ(release(guard), release_result::released);
  EXPECT_TRUE(lost.was_aborted());
}

TEST_F(DistributedMutex, AWaitForTheLossCanBeCancelled) {
  const distributed_mutex m(connect(), "name");
  const distributed_guard guard = lock(m);
  asio::cancellation_signal stop;
  completion<void> lost;
  guard.async_lost(asio::bind_cancellation_slot(stop.slot(), lost.handler()));
  poll(context_);
  stop.emit(asio::cancellation_type::terminal);
  poll(context_);
  EXPECT_TRUE(lost.was_aborted());
  EXPECT_TRUE(guard.held());
}

TEST_F(DistributedMutex, TheGuardKeepsItsSessionAlive) {
  distributed_guard guard = lock(distributed_mutex(connect(), "name"));
  advance(60s);
  EXPECT_TRUE(guard.held());
  drop(std::move(guard));
  EXPECT_EQ(cluster_.queue_length("name"), 0U);
}

// ------------------------------------------------------------------------------- the session

TEST_F(DistributedMutex, AClosedSessionGivesEverythingBack) {
  const session s = connect();
  const distributed_mutex mine(s, "name");
  const distributed_mutex theirs(connect(), "other");
  const distributed_guard guard = lock(mine);
  const distributed_guard held = lock(theirs);
  completion<distributed_guard> wait;
  async_lock(distributed_mutex(s, "other"), wait.handler());
  poll(context_);
  completion<void> closed;
  s.async_close(closed.handler());
  poll(context_);
  EXPECT_TRUE(closed.succeeded());
  EXPECT_TRUE(wait.failed_with(cluster_errc::session_closed));
  EXPECT_FALSE(guard.held());
  EXPECT_EQ(cluster_.queue_length("name"), 0U);
  EXPECT_EQ(cluster_.queue_length("other"), 1U);
}

TEST_F(DistributedMutex, NothingIsLeftToRunWhenTheLastHandleIsGone) {
  lock(distributed_mutex(connect(), "name")).async_release(asio::use_future);
  context_.restart();
  context_.run();  // returns: no renewal is waited for
  EXPECT_EQ(cluster_.queue_length("name"), 0U);
}

TEST_F(DistributedMutex, TheContextMayGoWithEverythingInTheMiddle) {
  auto context = std::make_unique<asio::io_context>();
  asio::cancellation_signal stop;
  asio::co_spawn(
      *context,
      [](corolock::memory_cluster& cluster,
         asio::cancellation_signal& signal) -> asio::awaitable<void> {
        const auto executor = co_await asio::this_coro::executor;
        const session s = co_await cluster.async_connect(executor, corolock::session_options(),
                                                         asio::use_awaitable);
        const distributed_mutex m(s, "name");
        const distributed_guard guard = co_await async_lock(m, asio::use_awaitable);
        auto ignored = [](const error_code&, const distributed_guard&) {};
        async_lock_for(m, 1h, asio::bind_cancellation_slot(signal.slot(), ignored));
        guard.async_lost([](const error_code&) {});
        const distributed_guard never = co_await async_lock(m, asio::use_awaitable);
      }(cluster_, stop),
      corolock_test::rethrow());
  context->poll();
  EXPECT_EQ(cluster_.queue_length("name"), 1U);
  context.reset();
  time_->advance(2h);
  stop.emit(asio::cancellation_type::total);
}

// ------------------------------------------------------------------------------- run_while_held

TEST_F(DistributedMutex, WorkRunsWhileTheLockIsHeld) {
  const distributed_mutex m(connect(), "name");
  fencing_token seen;
  std::optional<release_result> result;
  corolock_test::launch(
      context_,
      [](const distributed_mutex& lock, fencing_token& token,
         std::optional<release_result>& how) -> asio::awaitable<void> {
        auto work = [&token](const distributed_guard& guard) -> asio::awaitable<void> {
          token = guard.token();
          co_return;
        };
        how = co_await corolock::run_while_held(lock, work);
      }(m, seen, result));
  poll(context_);
  EXPECT_EQ(result, release_result::released);
  EXPECT_GT(seen.token, 0U);
  EXPECT_EQ(cluster_.queue_length("name"), 0U);
}

TEST_F(DistributedMutex, WorkIsCancelledAtTheDeadline) {
  const session s = connect();
  const distributed_mutex m(s, "name");
  bool is_started = false;
  std::optional<release_result> result;
  corolock_test::launch(
      context_,
      [](const distributed_mutex& lock, bool& started,
         std::optional<release_result>& how) -> asio::awaitable<void> {
        auto work = [&started](const distributed_guard&) -> asio::awaitable<void> {
          started = true;
          asio::steady_timer never(co_await asio::this_coro::executor,
                                   asio::steady_timer::time_point::max());
          co_await never.async_wait(asio::use_awaitable);
        };
        how = co_await corolock::run_while_held(lock, work);
      }(m, is_started, result));
  poll(context_);
  EXPECT_TRUE(is_started);
  cluster_.set_reachable(s, false);
  advance(8s);
  EXPECT_EQ(result, std::nullopt);
  advance(500ms);
  EXPECT_EQ(result, release_result::already_lost);
}

TEST_F(DistributedMutex, WhatTheWorkThrowsIsThrownAndTheLockGivenBack) {
  const distributed_mutex m(connect(), "name");
  std::string said;
  corolock_test::launch(
      context_, [](const distributed_mutex& lock, std::string& what) -> asio::awaitable<void> {
        auto work = [](const distributed_guard&) -> asio::awaitable<void> {
          throw std::runtime_error("no");
          co_return;
        };
        try {
          co_await corolock::run_while_held(lock, work);
        } catch (const std::runtime_error& error) {
          what = error.what();
        }
      }(m, said));
  poll(context_);
  EXPECT_EQ(said, "no");
  EXPECT_EQ(cluster_.queue_length("name"), 0U);
}

// ------------------------------------------------------------------------------- bad input

TEST_F(DistributedMutex, BadNamesAreRefusedWithTheReason) {
  const session s = connect();
  const auto problem = [&](const std::string& name) {
    try {
      const distributed_mutex m(s, name);
    } catch (const corolock::cluster_error& error) {
      EXPECT_EQ(error.code(), cluster_errc::invalid_name);
      return std::string(error.what());
    }
    return std::string("none");
  };
  EXPECT_NE(problem("").find("is empty"), std::string::npos);
  EXPECT_NE(problem(std::string(256, 'a')).find("256 bytes"), std::string::npos);
  EXPECT_NE(problem(std::string("a\0b", 3)).find("control character at byte 1"), std::string::npos);
  EXPECT_EQ(problem(std::string(255, 'a')), "none");
  EXPECT_EQ(problem("sweeper/of €"), "none");
}

TEST_F(DistributedMutex, BadOptionsAreRefusedWithTheReason) {
  const auto problem = [&](std::chrono::milliseconds ttl, std::chrono::milliseconds margin) {
    corolock::session_options options;
    options.ttl = ttl;
    options.margin = margin;
    std::string what = "none";
    cluster_.async_connect(context_.get_executor(), options,
                           [&](const std::exception_ptr& e, const session&) {
                             try {
                               if (e) {
                                 std::rethrow_exception(e);
                               }
                             } catch (const corolock::cluster_error& error) {
                               EXPECT_EQ(error.code(), cluster_errc::invalid_options);
                               what = error.what();
                             }
                           });
    poll(context_);
    return what;
  };
  EXPECT_NE(problem(9ms, 0ms).find("the ttl is 9 ms, the least for memory is 10 ms"),
            std::string::npos);
  EXPECT_NE(problem(25h, 0ms).find("the most is a day"), std::string::npos);
  EXPECT_NE(problem(1s, 501ms).find("the margin is 501 ms"), std::string::npos);
  EXPECT_NE(problem(1s, -1ms).find("the margin is -1 ms"), std::string::npos);
  EXPECT_EQ(problem(10ms, 5ms), "none");
}

TEST_F(DistributedMutex, AUrlOfAnotherKindIsRefused) {
  std::string what;
  corolock::async_connect(context_.get_executor(), "redis://localhost", {},
                          [&](const std::exception_ptr& e, const session& s) {
                            EXPECT_FALSE(s);
                            try {
                              std::rethrow_exception(e);
                            } catch (const corolock::cluster_error& error) {
                              EXPECT_EQ(error.code(), cluster_errc::invalid_url);
                              what = error.what();
                            }
                          });
  poll(context_);
  EXPECT_NE(what.find("not with 'redis'"), std::string::npos);
}

TEST_F(DistributedMutex, TheUrlOfTheServerInMemoryIsOneServer) {
  std::vector<session> sessions(2);
  for (session& each : sessions) {
    corolock::async_connect(context_.get_executor(), "memory:", {},
                            [&](const std::exception_ptr& e, session s) {
                              EXPECT_EQ(e, nullptr);
                              each = std::move(s);
                            });
  }
  poll(context_);
  const distributed_guard guard = lock(distributed_mutex(sessions[0], "name"));
  completion<distributed_guard> c;
  async_try_lock(distributed_mutex(sessions[1], "name"), c.handler());
  poll(context_);
  EXPECT_TRUE(c.succeeded());
  EXPECT_FALSE(c.grant);
}

TEST(TokenGate, AcceptsWhatIsNotOlderThanTheNewest) {
  corolock::token_gate gate;
  EXPECT_FALSE(gate.accept("a", {0, 5}));
  EXPECT_TRUE(gate.accept("a", {3, 1}));
  EXPECT_TRUE(gate.accept("a", {3, 1}));
  EXPECT_FALSE(gate.accept("a", {3, 0}));
  EXPECT_FALSE(gate.accept("a", {2, 9}));
  EXPECT_TRUE(gate.accept("a", {4, 0}));
  EXPECT_FALSE(gate.accept("a", {3, 9}));
  EXPECT_TRUE(gate.accept("b", {1, 0}));
  EXPECT_EQ(gate.newest("a"), (fencing_token{4, 0}));
  EXPECT_EQ(gate.newest("c"), fencing_token());
}
