// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers

// Virtual threads: the litmus tests, spinning, locks that block, and destroyed words.

#include <corolock/explore.hpp>
#include <corolock/explore/threads.hpp>

#include <gtest/gtest.h>

#include <cstdint>
#include <stdexcept>

namespace {

using namespace corolock;
using words = multi_threaded;

struct word {
  std::uint64_t value = 0;

  std::uint64_t load() const noexcept {  // NOLINT(modernize-use-nodiscard)
    return words::load(value, std::memory_order_acquire);
  }
  void store(std::uint64_t v) noexcept { words::store(value, v, std::memory_order_release); }
};

// Two threads on two words.
template <class First, class Second>
explore::result litmus(First first, Second second) {
  return explore::check([=](explore::world& w) {
    auto& x = w.make<word>("x");
    auto& y = w.make<word>("y");
    explore::spawn_thread(w, "first", [&x, &y, first] { first(x, y); });
    explore::spawn_thread(w, "second", [&x, &y, second] { second(x, y); });
  });
}

void expect_traces(const explore::result& r, std::uint64_t count) {
  EXPECT_EQ(r.verdict, explore::verdict::verified);
  EXPECT_EQ(r.traces, count);
  EXPECT_EQ(r.blocked, 0U);
}

TEST(Threads, StoreBufferingHasThreeTraces) {
  expect_traces(litmus([](word& x, word& y) { x.store(1), y.load(); },
                       [](word& x, word& y) { y.store(1), x.load(); }),
                3);
}

TEST(Threads, MessagePassingHasThreeTraces) {
  expect_traces(litmus([](word& x, word& y) { x.store(1), y.store(1); },
                       [](word& x, word& y) { y.load(), x.load(); }),
                3);
}

TEST(Threads, LoadBufferingHasThreeTraces) {
  expect_traces(litmus([](word& x, word& y) { x.load(), y.store(1); },
                       [](word& x, word& y) { y.load(), x.store(1); }),
                3);
}

TEST(Threads, StoresAgainstAStoreAndALoadHaveThreeTraces) {
  expect_traces(litmus([](word& x, word& y) { x.store(2), y.store(1); },
                       [](word& x, word& y) { y.load(), x.store(1); }),
                3);
}

TEST(Threads, TwoStoresAgainstTwoStoresHaveThreeTraces) {
  expect_traces(litmus([](word& x, word& y) { x.store(1), y.store(2); },
                       [](word& x, word& y) { y.store(1), x.store(2); }),
                3);
}

TEST(Threads, AStoreAndALoadOfOneWordAgainstAStoreHaveThreeTraces) {
  expect_traces(
      litmus([](word& x, word&) { x.store(1), x.load(); }, [](word& x, word&) { x.store(2); }), 3);
}

TEST(Threads, ALoadAndAStoreLoseAnUpdate) {
  const auto counters = [](bool atomic) {
    return explore::check([atomic](explore::world& w) {
      auto& x = w.make<word>("x");
      for (const char* name : {"first", "second"}) {
        explore::spawn_thread(w, name, [&x, atomic] {
          if (atomic) {
            words::fetch_add(x.value, std::uint64_t{1}, std::memory_order_relaxed);
          } else {
            x.store(x.load() + 1);
          }
        });
      }
      w.finally([&] { w.require(x.value == 2, "x is 2"); });
    });
  };
  EXPECT_FALSE(counters(false));
  expect_traces(counters(true), 2);
}

TEST(Threads, WhoSpinsGoesOnWhenTheWordChanges) {
  const explore::result r = litmus([](word& x, word& y) { y.store(1), x.store(1); },
                                   [](word& x, word& y) {
                                     while (x.load() == 0) {
                                       words::pause(1);
                                     }
                                     if (y.load() != 1) {
                                       throw std::logic_error("y is not seen");
                                     }
                                   });
  EXPECT_EQ(r.verdict, explore::verdict::verified);
  EXPECT_EQ(r.traces, 2U);
}

TEST(Threads, ASpinThatNobodyEndsIsALostWakeUp) {
  const explore::result r = litmus([](word&, word& y) { y.store(1); },
                                   [](word& x, word&) {
                                     while (x.load() == 0) {
                                       words::pause(1);
                                     }
                                   });
  ASSERT_TRUE(r.failure);
  EXPECT_EQ(r.failure->kind, explore::failure_kind::lost_wakeup);
}

TEST(Threads, ABlockingMutexExcludes) {
  const explore::result r = explore::check([](explore::world& w) {
    auto& x = w.make<word>("x");
    auto& m = w.make<words::blocking_mutex>("m");
    for (const char* name : {"first", "second", "third"}) {
      explore::spawn_thread(w, name, [&x, &m] {
        m.lock();
        x.store(x.load() + 1);
        m.unlock();
      });
    }
    w.finally([&] { w.require(x.value == 3, "x is 3"); });
  });
  expect_traces(r, 6);
}

TEST(Threads, AnOperationOnADestroyedWordFails) {
  const explore::result r = litmus([](word& x, word& y) { y.store(1), explore::destroy_here(x); },
                                   [](word& x, word&) { x.load(); });
  ASSERT_TRUE(r.failure);
  EXPECT_EQ(r.failure->message, "second touches a destroyed object");
}

TEST(Threads, AnExceptionThatLeavesAThreadFails) {
  const explore::result r =
      litmus([](word& x, word&) { x.load(), throw std::logic_error("no"); }, [](word&, word&) {});
  ASSERT_TRUE(r.failure);
  EXPECT_EQ(r.failure->kind, explore::failure_kind::exception);
}

// Whether two threads can come to an outcome, with loads that may be stale and without.
struct possible {
  bool consistent;
  bool stale;
};
template <class First, class Second, class Outcome>
possible outcome_of(First first, Second second, Outcome outcome) {
  possible result{};
  for (const bool stale : {false, true}) {
    explore::options o;
    o.stale_loads = stale;
    const explore::result r = explore::check(
        [=](explore::world& w) {
          auto& x = w.make<word>("x");
          auto& y = w.make<word>("y");
          auto& a = w.construct<std::uint64_t>(std::uint64_t{9});
          auto& b = w.construct<std::uint64_t>(std::uint64_t{9});
          explore::spawn_thread(w, "first", [&x, &y, &a, first] { first(x.value, y.value, a); });
          explore::spawn_thread(w, "second",
                                [&x, &y, &a, &b, second] { second(x.value, y.value, a, b); });
          w.finally([&w, &a, &b, outcome] { w.require(!outcome(a, b), "the outcome"); });
        },
        o);
    (stale ? result.stale : result.consistent) = !r;
    EXPECT_NE(r.verdict, explore::verdict::bounded);
  }
  return result;
}

constexpr auto relaxed = std::memory_order_relaxed;

TEST(StaleLoads, ARelaxedMessageCanArriveBeforeWhatItAnnounces) {
  const auto reader = [](auto& x, auto& y, auto& a, auto& b) {
    a = words::load(y, relaxed);
    b = words::load(x, relaxed);
  };
  const auto announced_but_not_there = [](auto a, auto b) { return a == 1 && b == 0; };
  const possible p = outcome_of(
      [](auto& x, auto& y, auto&) {
        words::store(x, std::uint64_t{1}, relaxed);
        words::store(y, std::uint64_t{1}, relaxed);
      },
      reader, announced_but_not_there);
  EXPECT_FALSE(p.consistent);
  EXPECT_TRUE(p.stale);
}

TEST(StaleLoads, AReleasedMessageThatIsAcquiredBringsWhatCameBeforeIt) {
  const possible p = outcome_of(
      [](auto& x, auto& y, auto&) {
        words::store(x, std::uint64_t{1}, relaxed);
        words::store(y, std::uint64_t{1}, std::memory_order_release);
      },
      [](auto& x, auto& y, auto& a, auto& b) {
        a = words::load(y, std::memory_order_acquire);
        b = words::load(x, relaxed);
      },
      [](auto a, auto b) { return a == 1 && b == 0; });
  EXPECT_FALSE(p.consistent);
  EXPECT_FALSE(p.stale);
}

TEST(StaleLoads, AReleasedMessageThatIsNotAcquiredBringsNothing) {
  const possible p = outcome_of(
      [](auto& x, auto& y, auto&) {
        words::store(x, std::uint64_t{1}, relaxed);
        words::store(y, std::uint64_t{1}, std::memory_order_release);
      },
      [](auto& x, auto& y, auto& a, auto& b) {
        a = words::load(y, relaxed);
        b = words::load(x, relaxed);
      },
      [](auto a, auto b) { return a == 1 && b == 0; });
  EXPECT_FALSE(p.consistent);
  EXPECT_TRUE(p.stale);
}

TEST(StaleLoads, TwoThreadsThatStoreAndLookMayBothSeeNothing) {
  const possible p = outcome_of(
      [](auto& x, auto& y, auto& a) {
        words::store(x, std::uint64_t{1}, std::memory_order_release);
        a = words::load(y, std::memory_order_acquire);
      },
      [](auto& x, auto& y, auto&, auto& b) {
        words::store(y, std::uint64_t{1}, std::memory_order_release);
        b = words::load(x, std::memory_order_acquire);
      },
      [](auto a, auto b) { return a == 0 && b == 0; });
  EXPECT_FALSE(p.consistent);
  EXPECT_TRUE(p.stale);
}

TEST(StaleLoads, AThreadNeverSeesAWordGoBack) {
  const possible p = outcome_of(
      [](auto& x, auto&, auto&) {
        words::store(x, std::uint64_t{1}, relaxed);
        words::store(x, std::uint64_t{2}, relaxed);
      },
      [](auto& x, auto&, auto& a, auto& b) {
        a = words::load(x, relaxed);
        b = words::load(x, relaxed);
      },
      [](auto a, auto b) { return a > b; });
  EXPECT_FALSE(p.consistent);
  EXPECT_FALSE(p.stale);
}

TEST(StaleLoads, AReadModifyWriteCarriesOnWhatWasReleasedBeforeIt) {
  const possible p = outcome_of(
      [](auto& x, auto& y, auto&) {
        words::store(x, std::uint64_t{1}, relaxed);
        words::store(y, std::uint64_t{1}, std::memory_order_release);
        words::fetch_add(y, std::uint64_t{1}, relaxed);
      },
      [](auto& x, auto& y, auto& a, auto& b) {
        a = words::load(y, std::memory_order_acquire);
        b = words::load(x, relaxed);
      },
      [](auto a, auto b) { return a == 2 && b == 0; });
  EXPECT_FALSE(p.stale);
}

}  // namespace
