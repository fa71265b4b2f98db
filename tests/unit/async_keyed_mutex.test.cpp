// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers

#include <corolock/async_keyed_mutex.hpp>
#include <support/manual_executor.hpp>
#include <support/policies.hpp>
#include <support/task.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <memory>
#include <new>
#include <optional>
#include <stdexcept>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

using corolock_test::manual_executor;
using corolock_test::started;
using corolock_test::task;
using testing::ElementsAre;

using names = std::vector<std::string>;

template <class Threading>
class AsyncKeyedMutex : public testing::Test {
 protected:
  using mutex_type = corolock::basic_async_keyed_mutex<std::string, Threading>;
  using guard = typename mutex_type::guard_type;
  using keys_guard = typename mutex_type::keys_guard_type;

  // Tasks that end with the guard in their result; the test decides when it is dropped.
  static task<guard> lock(mutex_type& m, std::string key) {
    guard g = co_await m.async_lock(std::move(key));
    co_return g;
  }
  static task<guard> lock_on(mutex_type& m, manual_executor& e, std::string key) {
    guard g = co_await m.async_lock(std::move(key)).on(e);
    co_return g;
  }
  static task<corolock::outcome<guard>> lock_on(mutex_type& m, manual_executor& e, std::string key,
                                                std::stop_token token) {
    corolock::outcome<guard> g = co_await m.async_lock(std::move(key), token).on(e);
    co_return g;
  }
  static task<keys_guard> lock_all(mutex_type& m, names keys) {
    keys_guard g = co_await m.async_lock_all(keys);
    co_return g;
  }
  static task<keys_guard> lock_all_on(mutex_type& m, manual_executor& e, names keys) {
    keys_guard g = co_await m.async_lock_all(keys).on(e);
    co_return g;
  }
  static task<corolock::outcome<keys_guard>> lock_all_on(mutex_type& m, manual_executor& e,
                                                         names keys, std::stop_token token) {
    corolock::outcome<keys_guard> g = co_await m.async_lock_all(keys, token).on(e);
    co_return g;
  }

  // Locks, records, unlocks.
  static task<> append(mutex_type& m, std::string key, std::vector<int>& order, int id) {
    const guard g = co_await m.async_lock(std::move(key));
    order.push_back(id);
  }
  // Locks, unlocks, then does something, while it still runs on the trampoline.
  static task<> locked_then(mutex_type& m, std::string key, std::function<void()> f) {
    {
      const guard g = co_await m.async_lock(std::move(key));
    }
    f();
  }

  static names keys_of(const keys_guard& g) {
    names keys;
    for (const std::string& key : g.keys()) {
      keys.push_back(key);
    }
    return keys;
  }
  static std::size_t waiters(const mutex_type& m) { return m.statistics().waiters; }

  manual_executor executor_;
  std::vector<int> order_;
};
TYPED_TEST_SUITE(AsyncKeyedMutex, corolock_test::policies, corolock_test::policy_names);

// ----------------------------------------------------------------------------------- one key

TYPED_TEST(AsyncKeyedMutex, LocksAFreeKeyWithoutSuspending) {
  typename TestFixture::mutex_type m;
  auto t = started(this->lock(m, "a"));
  ASSERT_TRUE(t.done());
  const auto g = t.result();
  EXPECT_TRUE(g);
  EXPECT_EQ(g.key(), "a");
  EXPECT_TRUE(m.is_locked("a"));
  EXPECT_FALSE(m.is_locked("b"));
}

TYPED_TEST(AsyncKeyedMutex, DifferentKeysDoNotWaitForEachOther) {
  typename TestFixture::mutex_type m;
  const auto a = started(this->lock(m, "a"));
  const auto b = started(this->lock(m, "b"));
  EXPECT_TRUE(a.done());
  EXPECT_TRUE(b.done());
  EXPECT_EQ(m.size(), 2U);
}

TYPED_TEST(AsyncKeyedMutex, TheSameKeyIsHeldByOneTaskAtATime) {
  typename TestFixture::mutex_type m;
  auto a = m.try_lock("a");
  const auto t = started(this->lock(m, "a"));
  EXPECT_FALSE(t.done());
  EXPECT_FALSE(m.try_lock("a"));
  a.unlock();
  EXPECT_FALSE(a);
  EXPECT_TRUE(t.done());
  EXPECT_TRUE(m.is_locked("a"));
}

TYPED_TEST(AsyncKeyedMutex, WaitersOfAKeyAreServedInOrderOfArrival) {
  typename TestFixture::mutex_type m;
  auto g = m.try_lock("a");
  std::vector<task<>> tasks;
  for (int id = 0; id < 5; ++id) {
    tasks.push_back(started(this->append(m, "a", this->order_, id)));
  }
  g.unlock();
  EXPECT_THAT(this->order_, ElementsAre(0, 1, 2, 3, 4));
}

TYPED_TEST(AsyncKeyedMutex, TryLockDoesNotOvertakeAWaiterThatHasBeenGrantedTheKey) {
  typename TestFixture::mutex_type m;
  auto g = m.try_lock("a");
  const auto t = started(this->lock_on(m, this->executor_, "a"));
  g.unlock();
  EXPECT_FALSE(t.done());
  EXPECT_FALSE(m.try_lock("a"));
  this->executor_.run_all();
  EXPECT_TRUE(t.done());
}

// ----------------------------------------------------------------------------------- entries

TYPED_TEST(AsyncKeyedMutex, AnEntryLivesAsLongAsItsKeyIsHeldOrWaitedFor) {
  typename TestFixture::mutex_type m;
  EXPECT_EQ(m.size(), 0U);
  auto g = m.try_lock("a");
  auto t = started(this->lock_on(m, this->executor_, "a"));
  EXPECT_EQ(m.size(), 1U);
  g.unlock();
  EXPECT_EQ(m.size(), 1U);
  this->executor_.run_all();
  EXPECT_EQ(m.size(), 1U);
  t.destroy();
  EXPECT_EQ(m.size(), 0U);
}

TYPED_TEST(AsyncKeyedMutex, ARefusedTryLockLeavesTheEntryAsItWas) {
  typename TestFixture::mutex_type m;
  auto g = m.try_lock("a");
  EXPECT_FALSE(m.try_lock("a"));
  EXPECT_EQ(m.size(), 1U);
  g.unlock();
  EXPECT_EQ(m.size(), 0U);
}

TYPED_TEST(AsyncKeyedMutex, TenThousandKeysLeaveNoEntryBehind) {
  typename TestFixture::mutex_type m;
  for (int i = 0; i < 10'000; ++i) {
    const auto t = started(this->append(m, std::to_string(i), this->order_, i));
    EXPECT_TRUE(t.done());
  }
  EXPECT_EQ(m.size(), 0U);
}

TYPED_TEST(AsyncKeyedMutex, StatisticsCountEntriesAndWaiters) {
  typename TestFixture::mutex_type m;
  auto a = m.try_lock("a");
  auto b = m.try_lock("b");
  auto s = started(this->lock(m, "a"));
  auto t = started(this->lock(m, "a"));
  auto u = started(this->lock(m, "b"));
  EXPECT_EQ(m.statistics().entries, 2U);
  EXPECT_EQ(this->waiters(m), 3U);
  t.destroy();
  EXPECT_EQ(this->waiters(m), 2U);
  b.unlock();
  EXPECT_EQ(this->waiters(m), 1U);
}

// ------------------------------------------------------------------------------------ guards

TYPED_TEST(AsyncKeyedMutex, AMovedGuardUnlocksOnce) {
  typename TestFixture::mutex_type m;
  auto a = m.try_lock("a");
  auto b = std::move(a);
  EXPECT_FALSE(a);  // NOLINT(bugprone-use-after-move): that is the question
  EXPECT_EQ(b.key(), "a");
  b.unlock();
  b.unlock();
  EXPECT_EQ(m.size(), 0U);
}

TYPED_TEST(AsyncKeyedMutex, AnAssignedGuardReleasesWhatItHeld) {
  typename TestFixture::mutex_type m;
  auto g = m.try_lock("a");
  g = m.try_lock("b");
  EXPECT_FALSE(m.is_locked("a"));
  EXPECT_EQ(g.key(), "b");
  auto all = started(this->lock_all(m, {"c", "d"})).result();
  all = started(this->lock_all(m, {"e"})).result();
  EXPECT_THAT(this->keys_of(all), ElementsAre("e"));
  EXPECT_EQ(m.size(), 2U);
}

TYPED_TEST(AsyncKeyedMutex, AnExceptionInTheSectionUnlocks) {
  typename TestFixture::mutex_type m;
  auto f = [](auto& mutex) -> task<> {
    const auto g = co_await mutex.async_lock("a");
    throw std::runtime_error("in the section");
  };
  auto t = started(f(m));
  EXPECT_THROW(t.result(), std::runtime_error);
  EXPECT_EQ(m.size(), 0U);
}

// ------------------------------------------------------------------------------ cancellation

TYPED_TEST(AsyncKeyedMutex, AStoppedTokenAcquiresNothing) {
  typename TestFixture::mutex_type m;
  std::stop_source stop;
  stop.request_stop();
  auto a = started(this->lock_on(m, this->executor_, "a", stop.get_token()));
  EXPECT_EQ(a.result().error(), corolock::errc::stopped);
  auto b = started(this->lock_all_on(m, this->executor_, {"a", "b"}, stop.get_token()));
  EXPECT_EQ(b.result().error(), corolock::errc::stopped);
  EXPECT_EQ(m.size(), 0U);
}

TYPED_TEST(AsyncKeyedMutex, AWaitThatMayBeStoppedLocksAFreeKeyWithoutSuspending) {
  typename TestFixture::mutex_type m;
  std::stop_source stop;
  auto a = started(this->lock_on(m, this->executor_, "a", stop.get_token()));
  EXPECT_EQ(a.result()->key(), "a");
}

TYPED_TEST(AsyncKeyedMutex, AStoppedHeadMakesRoomForTheNext) {
  typename TestFixture::mutex_type m;
  std::stop_source stop;
  auto g = m.try_lock("a");
  auto a = started(this->lock_on(m, this->executor_, "a", stop.get_token()));
  const auto b = started(this->append(m, "a", this->order_, 1));
  const auto c = started(this->append(m, "a", this->order_, 2));
  stop.request_stop();
  this->executor_.run_all();
  EXPECT_EQ(a.result().error(), corolock::errc::stopped);
  EXPECT_THAT(this->order_, ElementsAre());  // the key is still held
  g.unlock();
  EXPECT_THAT(this->order_, ElementsAre(1, 2));
}

TYPED_TEST(AsyncKeyedMutex, AWaiterStoppedInTheMiddleKeepsTheOrderOfTheOthers) {
  typename TestFixture::mutex_type m;
  std::stop_source stop;
  auto g = m.try_lock("a");
  const auto a = started(this->append(m, "a", this->order_, 1));
  auto b = started(this->lock_on(m, this->executor_, "a", stop.get_token()));
  const auto c = started(this->append(m, "a", this->order_, 2));
  stop.request_stop();
  const auto d = started(this->append(m, "a", this->order_, 3));
  g.unlock();
  EXPECT_THAT(this->order_, ElementsAre(1, 2, 3));
  this->executor_.run_all();
  EXPECT_EQ(b.result().error(), corolock::errc::stopped);
}

TYPED_TEST(AsyncKeyedMutex, AGrantPassesOnWhenItsWaiterIsStoppedBeforeItRan) {
  typename TestFixture::mutex_type m;
  std::stop_source stop;
  auto g = m.try_lock("a");
  auto a = started(this->lock_on(m, this->executor_, "a", stop.get_token()));
  const auto b = started(this->append(m, "a", this->order_, 1));
  g.unlock();
  EXPECT_THAT(this->order_, ElementsAre());
  stop.request_stop();
  EXPECT_THAT(this->order_, ElementsAre(1));
  this->executor_.run_all();
  EXPECT_EQ(a.result().error(), corolock::errc::stopped);
  EXPECT_EQ(m.size(), 0U);
}

TYPED_TEST(AsyncKeyedMutex, TheEntryEndsWhenTheOnlyWaiterIsStoppedAfterTheGrant) {
  typename TestFixture::mutex_type m;
  std::stop_source stop;
  auto g = m.try_lock("a");
  const auto a = started(this->lock_on(m, this->executor_, "a", stop.get_token()));
  g.unlock();
  stop.request_stop();
  EXPECT_EQ(m.size(), 0U);
  this->executor_.run_all();
}

// -------------------------------------------------------------------------- destroyed frames

TYPED_TEST(AsyncKeyedMutex, AWaiterDestroyedInTheQueueLeavesIt) {
  typename TestFixture::mutex_type m;
  auto g = m.try_lock("a");
  auto a = started(this->lock(m, "a"));
  const auto b = started(this->append(m, "a", this->order_, 1));
  auto c = started(this->lock(m, "a"));
  a.destroy();
  c.destroy();
  EXPECT_EQ(this->waiters(m), 1U);
  g.unlock();
  EXPECT_THAT(this->order_, ElementsAre(1));
  EXPECT_EQ(m.size(), 0U);
}

TYPED_TEST(AsyncKeyedMutex, AGrantedFrameThatIsDestroyedPassesTheKeyOn) {
  typename TestFixture::mutex_type m;
  auto g = m.try_lock("a");
  auto a = started(this->lock_on(m, this->executor_, "a"));
  const auto b = started(this->append(m, "a", this->order_, 1));
  g.unlock();
  EXPECT_TRUE(this->executor_.drop(a.address()));
  a.destroy();
  EXPECT_THAT(this->order_, ElementsAre(1));
  EXPECT_EQ(m.size(), 0U);
}

TYPED_TEST(AsyncKeyedMutex, AGrantedFrameThatIsDestroyedOnTheTrampolinePassesTheKeyOn) {
  typename TestFixture::mutex_type m;
  task<typename TestFixture::guard> b;
  auto g = m.try_lock("a");
  const auto a = started(this->locked_then(m, "a", [&] { b.destroy(); }));
  b = started(this->lock(m, "a"));
  const auto c = started(this->append(m, "a", this->order_, 2));
  g.unlock();
  EXPECT_THAT(this->order_, ElementsAre(2));
  EXPECT_EQ(m.size(), 0U);
}

// ------------------------------------------------------------------------------ several keys

TYPED_TEST(AsyncKeyedMutex, LocksAllFreeKeysWithoutSuspending) {
  typename TestFixture::mutex_type m;
  auto t = started(this->lock_all(m, {"b", "c", "a"}));
  ASSERT_TRUE(t.done());
  auto g = t.result();
  EXPECT_TRUE(g);
  EXPECT_THAT(this->keys_of(g), ElementsAre("a", "b", "c"));
  EXPECT_EQ(m.size(), 3U);
  g.unlock();
  EXPECT_FALSE(g);
  EXPECT_EQ(m.size(), 0U);
}

TYPED_TEST(AsyncKeyedMutex, LocksAKeyThatIsNamedTwiceOnce) {
  typename TestFixture::mutex_type m;
  auto t = started(this->lock_all(m, {"b", "a", "b", "a", "b"}));
  ASSERT_TRUE(t.done());
  auto g = t.result();
  EXPECT_THAT(this->keys_of(g), ElementsAre("a", "b"));
  EXPECT_EQ(m.size(), 2U);
}

TYPED_TEST(AsyncKeyedMutex, AnEmptyRangeOfKeysIsGrantedAtOnce) {
  typename TestFixture::mutex_type m;
  auto t = started(this->lock_all(m, {}));
  ASSERT_TRUE(t.done());
  EXPECT_TRUE(t.result());
  EXPECT_EQ(m.size(), 0U);
}

TYPED_TEST(AsyncKeyedMutex, WaitsForOneKeyAfterTheOtherAndHoldsThoseItHas) {
  typename TestFixture::mutex_type m;
  auto b = m.try_lock("b");
  auto d = m.try_lock("d");
  const auto t = started(this->lock_all(m, {"d", "c", "b", "a"}));
  EXPECT_TRUE(m.is_locked("a"));
  EXPECT_FALSE(m.is_locked("c"));
  EXPECT_EQ(this->waiters(m), 1U);
  b.unlock();
  EXPECT_FALSE(t.done());
  EXPECT_TRUE(m.is_locked("b"));
  EXPECT_TRUE(m.is_locked("c"));
  EXPECT_EQ(this->waiters(m), 1U);
  d.unlock();
  EXPECT_TRUE(t.done());
  EXPECT_EQ(m.size(), 4U);
  EXPECT_EQ(this->waiters(m), 0U);
}

TYPED_TEST(AsyncKeyedMutex, TwoTasksThatNameTheKeysInOppositeOrdersDoNotWaitForEachOther) {
  typename TestFixture::mutex_type m;
  auto f = [](auto& mutex, manual_executor& e, names keys, std::vector<int>& order,
              int id) -> task<> {
    for (int i = 0; i < 3; ++i) {
      const auto g = co_await mutex.async_lock_all(keys).on(e);
      order.push_back(id);
    }
  };
  // Each would get the first key that it names, and wait for the other one's.
  auto a = m.try_lock("a");
  auto b = m.try_lock("b");
  const auto s = started(f(m, this->executor_, {"a", "b"}, this->order_, 0));
  const auto t = started(f(m, this->executor_, {"b", "a"}, this->order_, 1));
  a.unlock();
  b.unlock();
  this->executor_.run_all();
  EXPECT_TRUE(s.done());
  EXPECT_TRUE(t.done());
  EXPECT_THAT(this->order_, ElementsAre(0, 1, 0, 1, 0, 1));
  EXPECT_EQ(m.size(), 0U);
}

TYPED_TEST(AsyncKeyedMutex, OneReleaseOfSeveralKeysServesTheWaitersOfEach) {
  typename TestFixture::mutex_type m;
  auto all = started(this->lock_all(m, {"a", "b", "c"})).result();
  const auto x = started(this->lock_all_on(m, this->executor_, {"a", "c"}));
  const auto y = started(this->lock_on(m, this->executor_, "b"));
  const auto z = started(this->lock_on(m, this->executor_, "c"));
  all.unlock();
  // z stood in c's queue before x, which arrived there when it had got a.
  this->executor_.run_all();
  EXPECT_FALSE(x.done());
  EXPECT_TRUE(y.done());
  EXPECT_TRUE(z.done());
  EXPECT_EQ(m.size(), 3U);
}

TYPED_TEST(AsyncKeyedMutex, ASingleKeyWaitsForTheTaskThatHoldsItWithOthers) {
  typename TestFixture::mutex_type m;
  auto all = started(this->lock_all(m, {"a", "b"})).result();
  const auto t = started(this->append(m, "b", this->order_, 1));
  EXPECT_FALSE(m.try_lock("a"));
  all.unlock();
  EXPECT_THAT(this->order_, ElementsAre(1));
  EXPECT_EQ(m.size(), 0U);
}

TYPED_TEST(AsyncKeyedMutex, AStopUnlocksTheKeysThatTheWaiterHoldsAlready) {
  typename TestFixture::mutex_type m;
  std::stop_source stop;
  auto c = m.try_lock("c");
  auto t = started(this->lock_all_on(m, this->executor_, {"a", "b", "c"}, stop.get_token()));
  const auto a = started(this->append(m, "a", this->order_, 1));
  EXPECT_EQ(m.size(), 3U);
  stop.request_stop();
  EXPECT_THAT(this->order_, ElementsAre(1));
  EXPECT_EQ(m.size(), 1U);
  this->executor_.run_all();
  EXPECT_EQ(t.result().error(), corolock::errc::stopped);
  EXPECT_EQ(this->waiters(m), 0U);
}

TYPED_TEST(AsyncKeyedMutex, AStopUnlocksKeysThatWereHandedOverToTheWaiter) {
  typename TestFixture::mutex_type m;
  std::stop_source stop;
  auto a = m.try_lock("a");
  auto b = m.try_lock("b");
  auto t = started(this->lock_all_on(m, this->executor_, {"a", "b"}, stop.get_token()));
  a.unlock();
  EXPECT_TRUE(m.is_locked("a"));
  stop.request_stop();
  EXPECT_FALSE(m.is_locked("a"));
  b.unlock();
  EXPECT_EQ(m.size(), 0U);
  this->executor_.run_all();
  EXPECT_EQ(t.result().error(), corolock::errc::stopped);
}

TYPED_TEST(AsyncKeyedMutex, AWaiterDestroyedInTheQueueUnlocksTheKeysThatItHolds) {
  typename TestFixture::mutex_type m;
  auto b = m.try_lock("b");
  auto t = started(this->lock_all(m, {"a", "b"}));
  const auto a = started(this->append(m, "a", this->order_, 1));
  t.destroy();
  EXPECT_THAT(this->order_, ElementsAre(1));
  EXPECT_EQ(m.size(), 1U);
  EXPECT_EQ(this->waiters(m), 0U);
}

TYPED_TEST(AsyncKeyedMutex, AllKeysPassOnWhenTheirWaiterIsStoppedBeforeItRan) {
  typename TestFixture::mutex_type m;
  std::stop_source stop;
  auto b = m.try_lock("b");
  auto t = started(this->lock_all_on(m, this->executor_, {"a", "b"}, stop.get_token()));
  const auto x = started(this->append(m, "a", this->order_, 1));
  const auto y = started(this->append(m, "b", this->order_, 2));
  b.unlock();
  EXPECT_THAT(this->order_, ElementsAre());
  stop.request_stop();
  EXPECT_THAT(this->order_, ElementsAre(1, 2));
  EXPECT_EQ(m.size(), 0U);
  this->executor_.run_all();
  EXPECT_EQ(t.result().error(), corolock::errc::stopped);
}

TYPED_TEST(AsyncKeyedMutex, AllKeysPassOnWhenTheirGrantedFrameIsDestroyed) {
  typename TestFixture::mutex_type m;
  auto b = m.try_lock("b");
  auto t = started(this->lock_all_on(m, this->executor_, {"a", "b"}));
  const auto x = started(this->append(m, "a", this->order_, 1));
  b.unlock();
  EXPECT_TRUE(this->executor_.drop(t.address()));
  t.destroy();
  EXPECT_THAT(this->order_, ElementsAre(1));
  EXPECT_EQ(m.size(), 0U);
}

TYPED_TEST(AsyncKeyedMutex, AReleaseMayAdvanceAWaiterToTheNextKeyThatItReleases) {
  typename TestFixture::mutex_type m;
  auto all = started(this->lock_all(m, {"a", "b"})).result();
  const auto t = started(this->lock_all(m, {"a", "b"}));
  EXPECT_FALSE(t.done());
  all.unlock();
  EXPECT_TRUE(t.done());
  EXPECT_EQ(m.size(), 2U);
}

// -------------------------------------------------------------------------------- exceptions

namespace {

// A key whose copy throws when it is told to; so does a map node's allocation to the mutex.
struct fragile_key {
  explicit fragile_key(int v) : value(v) {}
  fragile_key(const fragile_key& other) : value(other.value) {
    if (copies_left-- == 0) {
      throw std::bad_alloc();
    }
  }
  friend bool operator<(const fragile_key& a, const fragile_key& b) { return a.value < b.value; }

  int value;
  static inline int copies_left = -1;  // negative: as many as you like
};

}  // namespace

TYPED_TEST(AsyncKeyedMutex, AKeyThatCannotBeCopiedLeavesNothingBehind) {
  using mutex = corolock::basic_async_keyed_mutex<fragile_key, TypeParam>;
  mutex m;
  auto lock = [](mutex& mx, const fragile_key& key) -> task<> {
    const auto g = co_await mx.async_lock(key);
  };
  auto lock_all = [](mutex& mx, const std::vector<fragile_key>& keys) -> task<> {
    const auto g = co_await mx.async_lock_all(keys);
  };
  const fragile_key one(1);
  std::vector<fragile_key> keys;
  keys.reserve(3);
  for (int i = 0; i < 3; ++i) {
    keys.emplace_back(i);
  }
  // The copy at which it fails moves on until none fails.
  bool failed = true;
  for (int at = 0; failed; ++at) {
    fragile_key::copies_left = at;
    auto t = started(lock(m, one));
    failed = fragile_key::copies_left < 0;
    fragile_key::copies_left = -1;
    if (failed) {
      EXPECT_THROW(t.result(), std::bad_alloc);
    }
    EXPECT_EQ(m.size(), 0U);
  }
  failed = true;
  int failures = 0;
  for (int at = 0; failed; ++at) {
    fragile_key::copies_left = at;
    auto t = started(lock_all(m, keys));
    failed = fragile_key::copies_left < 0;
    fragile_key::copies_left = -1;
    if (failed) {
      ++failures;
      EXPECT_THROW(t.result(), std::bad_alloc);
    }
    EXPECT_EQ(m.size(), 0U);
  }
  EXPECT_GE(failures, 3);
  fragile_key::copies_left = 0;
  EXPECT_THROW(m.try_lock(one).unlock(), std::bad_alloc);
  fragile_key::copies_left = -1;
  EXPECT_EQ(m.size(), 0U);
}

TYPED_TEST(AsyncKeyedMutex, ACopyThatThrowsForAKeyThatIsHeldChangesNothing) {
  using mutex = corolock::basic_async_keyed_mutex<fragile_key, TypeParam>;
  mutex m;
  auto lock = [](mutex& mx, const fragile_key& key) -> task<> {
    const auto g = co_await mx.async_lock(key);
  };
  const fragile_key one(1);
  const auto held = m.try_lock(one);
  fragile_key::copies_left = 0;
  auto t = started(lock(m, one));
  fragile_key::copies_left = -1;
  EXPECT_THROW(t.result(), std::bad_alloc);
  EXPECT_EQ(m.statistics().entries, 1U);
  EXPECT_EQ(m.statistics().waiters, 0U);
}

// ------------------------------------------------------------------------------- other keys

TYPED_TEST(AsyncKeyedMutex, TheOrderOfTheKeysIsTheComparisons) {
  corolock::basic_async_keyed_mutex<int, TypeParam, corolock::no_diagnostics, std::greater<int>> m;
  auto f = [](auto& mutex, std::vector<int>& keys) -> task<> {
    const auto g = co_await mutex.async_lock_all(std::vector<int>(keys));
    keys.clear();
    for (const int key : g.keys()) {
      keys.push_back(key);
    }
  };
  std::vector<int> keys = {1, 3, 2};
  const auto t = started(f(m, keys));
  EXPECT_THAT(keys, ElementsAre(3, 2, 1));
}

TYPED_TEST(AsyncKeyedMutex, AKeyNeedOnlyBeMovable) {
  corolock::basic_async_keyed_mutex<std::unique_ptr<int>, TypeParam> m;
  auto g = m.try_lock(std::make_unique<int>(1));
  EXPECT_EQ(*g.key(), 1);
}

// ------------------------------------------------------------------------------- diagnostics

TYPED_TEST(AsyncKeyedMutex, DiagnosticsCountWaitsAndHolds) {
  corolock::basic_async_keyed_mutex<int, TypeParam, corolock::diagnostics> m("users");
  auto f = [](auto& mutex, const std::vector<int>& keys) -> task<> {
    const auto g = co_await mutex.async_lock_all(keys);
  };
  m.try_lock(1).unlock();
  const std::vector<int> keys = {1, 2};
  const auto t = started(f(m, keys));
  EXPECT_TRUE(t.done());
  EXPECT_EQ(m.diagnostics().name(), "users");
  EXPECT_EQ(m.diagnostics().waits().total(), 2U);
  EXPECT_EQ(m.diagnostics().holds().total(), 2U);
}

// ------------------------------------------------------------------------------------ misuse

template <class Threading>
class AsyncKeyedMutexDeathTest : public AsyncKeyedMutex<Threading> {};
TYPED_TEST_SUITE(AsyncKeyedMutexDeathTest, corolock_test::policies, corolock_test::policy_names);

TYPED_TEST(AsyncKeyedMutexDeathTest, DestroyingItWhileAKeyIsHeldIsMisuse) {
  EXPECT_DEATH(
      {
        std::optional<typename TestFixture::mutex_type> m(std::in_place);
        const auto g = m->try_lock("a");
        m.reset();
      },
      "an async_keyed_mutex was destroyed while a key was held");
}

TYPED_TEST(AsyncKeyedMutexDeathTest, AskingAnEmptyGuardForItsKeyIsMisuse) {
  const typename TestFixture::guard g;
  EXPECT_DEATH(static_cast<void>(g.key()), "key\\(\\) of an empty keyed_guard");
}
