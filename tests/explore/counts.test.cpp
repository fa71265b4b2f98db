// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers

// How many traces programs have of which that is known: from the literature, from other tools, and
// by counting. The optimal search must find exactly as many, and cut off nothing; the naive one
// must find every interleaving.
//
// Slow.* count more than five million interleavings: ./dev test --slow.

#include <explore/support/programs.hpp>
#include <gtest/gtest.h>

#include <chrono>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

namespace {

using namespace corolock_test;
using explore::search_method;

explore::options by(search_method method) {
  explore::options o;
  o.method = method;
  o.symmetry = false;
  o.strict = true;
  o.count_failures = true;
  return o;
}

template <class Body>
void expect_traces(const Body& body, std::uint64_t traces, std::uint64_t failing = 0,
                   const explore::options& o = by(search_method::optimal)) {
  const explore::result r = explore::check(body, o);
  EXPECT_EQ(r.traces, traces);
  EXPECT_EQ(r.failing, failing) << r;
  EXPECT_EQ(r.blocked, 0U);
}

template <class Body>
void expect_interleavings(const Body& body, std::uint64_t count) {
  explore::options o = by(search_method::naive);
  o.max_runs = count + 1;
  o.time_limit = std::chrono::hours(2);
  EXPECT_EQ(explore::check(body, o).traces, count);
}

constexpr std::uint64_t factorial(unsigned n) {
  return n == 0 ? 1 : n * factorial(n - 1);
}
constexpr std::uint64_t power(std::uint64_t base, unsigned exponent) {
  return exponent == 0 ? 1 : base * power(base, exponent - 1);
}

// ------------------------------------------------------------------------------ shared variables

TEST(Counts, IndependentWritersHaveOneTrace) {
  for (unsigned n = 1; n != 9; ++n) {
    SCOPED_TRACE(n);
    expect_traces(independent_writers(n), 1);
    expect_interleavings(independent_writers(n), factorial(n));
  }
}

TEST(Counts, WritersOfOneVariableHaveATraceForEveryOrder) {
  for (unsigned n = 1; n != 7; ++n) {
    SCOPED_TRACE(n);
    expect_traces(writers(n), factorial(n));
    expect_interleavings(writers(n), factorial(n));
  }
}

TEST(Counts, EachReaderIsBeforeOrAfterTheWriter) {
  for (const unsigned n : {1U, 2U, 3U, 8U, 13U}) {
    SCOPED_TRACE(n);
    expect_traces(readers(n), power(2, n));
  }
  for (unsigned n = 1; n != 9; ++n) {
    SCOPED_TRACE(n);
    expect_interleavings(readers(n), factorial(n + 1));
  }
}

TEST(Counts, WhatAReaderReadsOfItsOwnAddsNothing) {
  for (const unsigned n : {2U, 6U, 8U}) {
    SCOPED_TRACE(n);
    expect_traces(readers(n, true), power(2, n));
  }
  expect_interleavings(readers(4, true), 22680);
  expect_interleavings(readers(5, true), 1247400);
}

TEST(Counts, LostUpdate) {
  for (unsigned n = 2; n != 6; ++n) {
    SCOPED_TRACE(n);
    const std::uint64_t orders = factorial(n);
    expect_traces(lost_update(n), orders * orders, orders * orders - orders);
  }
  expect_interleavings(lost_update(2), 6);
  expect_interleavings(lost_update(3), 90);
  expect_interleavings(lost_update(4), 2520);
  expect_interleavings(lost_update(5), 113400);
}

TEST(Counts, LostUpdateEndsWithEachValueSoOften) {
  using histogram = std::map<int, int>;
  const auto of = [](unsigned n) {
    histogram found;
    int last = 0;
    explore::options o = by(search_method::optimal);
    o.on_run = [&](const explore::run_summary&) { ++found[last]; };
    explore::check(lost_update(n, &last), o);
    return found;
  };
  EXPECT_EQ(of(2), (histogram{{2, 2}, {1, 2}}));
  EXPECT_EQ(of(3), (histogram{{3, 6}, {2, 18}, {1, 12}}));
  EXPECT_EQ(of(4), (histogram{{4, 24}, {3, 144}, {2, 264}, {1, 144}}));
}

TEST(Counts, AtomicAdditionsHaveATraceForEveryOrderOfEachVariable) {
  for (unsigned n = 2; n != 5; ++n) {
    for (unsigned count = 1; count != 4; ++count) {
      SCOPED_TRACE(std::to_string(n) + " tasks, " + std::to_string(count) + " variables");
      expect_traces(fetch_adds(n, count), power(factorial(n), count));
    }
  }
  expect_interleavings(fetch_adds(2, 3), 20);
  expect_interleavings(fetch_adds(3, 3), 1680);
}

TEST(Counts, Lastzero) {
  const std::vector<std::uint64_t> traces{2, 5, 12, 28, 64, 144, 320, 704};
  for (unsigned n = 1; n <= traces.size(); ++n) {
    SCOPED_TRACE(n);
    expect_traces(lastzero(n), traces[n - 1]);
  }
  expect_traces(lastzero(10), 3328);
  const std::vector<std::uint64_t> interleavings{3, 35, 920, 44300, 3487880};
  for (unsigned n = 1; n <= interleavings.size(); ++n) {
    SCOPED_TRACE(n);
    expect_interleavings(lastzero(n), interleavings[n - 1]);
  }
}

TEST(Counts, LastzeroOfFifteen) {
  expect_traces(lastzero(15), 147456);
}

TEST(Counts, Indexer) {
  expect_traces(indexer(11), 1);
  expect_traces(indexer(12), 8);
  expect_traces(indexer(13), 64);
  expect_traces(indexer(14), 512);
  expect_traces(indexer(15), 4096);
}

TEST(Counts, TheExampleOfThePaperOnOptimalReduction) {
  expect_traces(optimal_example, 5);
  expect_interleavings(optimal_example, 69);
}

TEST(Counts, LitmusTests) {
  const std::vector<litmus> all{
      {"SB", {"WxRy", "WyRx"}}, {"MP", {"WxWy", "RyRx"}},   {"LB", {"RxWy", "RyWx"}},
      {"S", {"WxWy", "RyWx"}},  {"2+2W", {"WxWy", "WyWx"}},
  };
  for (const litmus& one : all) {
    SCOPED_TRACE(one.name);
    expect_traces(litmus_test(one), 3);
    expect_interleavings(litmus_test(one), 6);
  }
  const litmus coherence{"CoWR", {"WxRx", "Wx"}};
  expect_traces(litmus_test(coherence), 3);
  expect_interleavings(litmus_test(coherence), 3);
}

// Each order of a read and the writes that it may see, and no more: 2 of x, 3 of y, 2 * 2 of z. The
// last task's third write is behind the race for y. Without it in the branch, a step that sleeps
// seems to make that branch superfluous.
TEST(Counts, WhatComesBehindARaceBelongsToItsBranch) {
  const litmus test{"", {"Rx", "RyRz", "RzWx", "WyWyWz"}};
  expect_traces(litmus_test(test), 24);
  expect_interleavings(litmus_test(test), 1680);
}

// ------------------------------------------------------------------------------------------ locks

TEST(Counts, IncrementsUnderALockHaveATraceForEveryOrder) {
  for (unsigned n = 2; n != 7; ++n) {
    SCOPED_TRACE(n);
    expect_traces(lockinc<textbook_lock>(n), factorial(n));
    expect_interleavings(lockinc<textbook_lock>(n), factorial(n));
    expect_traces(lockinc<real_lock>(n), factorial(n));
    expect_traces(guarded_increments(n), factorial(n));
  }
}

TEST(Counts, TasksWithLocksOfTheirOwnHaveOneTrace) {
  const std::vector<std::uint64_t> interleavings{20, 1680, 369600};
  for (unsigned n = 2; n != 5; ++n) {
    SCOPED_TRACE(n);
    expect_traces(private_locks<textbook_lock>(n), 1);
    expect_interleavings(private_locks<textbook_lock>(n), interleavings[n - 2]);
    expect_traces(private_locks<real_lock>(n), 1);
  }
}

TEST(Counts, AbbaHasThreeTracesAndOneDeadlock) {
  expect_traces(abba<textbook_lock>(false), 3, 1);
  expect_interleavings(abba<textbook_lock>(false), 6);
  expect_traces(abba<real_lock>(false), 3, 1);
}

TEST(Counts, AbbaBehindAGateHasTwoTracesAndNoDeadlock) {
  expect_traces(abba<textbook_lock>(true), 2);
  expect_interleavings(abba<textbook_lock>(true), 2);
  expect_traces(abba<real_lock>(true), 2);
}

TEST(Counts, PhilosophersDeadlockInOneTrace) {
  for (unsigned n = 2; n != 9; ++n) {
    SCOPED_TRACE(n);
    expect_traces(philosophers<textbook_lock>(n, false), power(2, n) - 1, 1);
    expect_traces(philosophers<real_lock>(n, false), power(2, n) - 1, 1);
  }
  expect_interleavings(philosophers<textbook_lock>(2, false), 6);
  expect_interleavings(philosophers<textbook_lock>(3, false), 168);
  expect_interleavings(philosophers<textbook_lock>(4, false), 98184);
}

TEST(Counts, PhilosophersThatKeepAnOrderNeverDeadlock) {
  for (unsigned n = 2; n != 9; ++n) {
    SCOPED_TRACE(n);
    const std::uint64_t traces = n == 2 ? 2 : power(2, n) - 2;
    expect_traces(philosophers<textbook_lock>(n, true), traces);
    expect_traces(philosophers<real_lock>(n, true), traces);
  }
  expect_interleavings(philosophers<textbook_lock>(3, true), 142);
  expect_interleavings(philosophers<textbook_lock>(4, true), 64000);
}

// ----------------------------------------------------------------------- cancellation, symmetry

TEST(Counts, AStopComesBeforeOrAfterEachSuspension) {
  for (unsigned k = 1; k != 9; ++k) {
    SCOPED_TRACE(k);
    expect_traces(polls(k), k + 1);
  }
}

TEST(Counts, StopsOfIndependentTasksMultiply) {
  explore::options o = by(search_method::optimal);
  o.cancellations = 2;
  expect_traces(polls(3, 2), std::uint64_t{4} * 3, 0, o);
  expect_traces(polls(4, 4), std::uint64_t{5} * 5, 0, o);
}

TEST(Counts, CopiesAreNotToldApart) {
  explore::options o = by(search_method::optimal);
  o.symmetry = true;
  // Of the lost update: in which order they start is not told apart, so only the orders of all
  // accesses remain in which the reads are in the order of the copies, 1 * 3 * 5 * ...
  std::uint64_t orders = 1;
  for (unsigned n = 2; n != 6; ++n) {
    SCOPED_TRACE(n);
    orders *= 2 * n - 1;
    expect_traces(lockinc<textbook_lock>(n, true), 1, 0, o);
    expect_traces(lockinc<real_lock>(n, true), 1, 0, o);
    expect_traces(lost_update(n, nullptr, true), orders, orders - 1, o);
  }
}

// ---------------------------------------------------------------------------------- other methods

template <class Body>
std::multiset<std::uint64_t> traces_by(search_method method, const Body& body) {
  std::multiset<std::uint64_t> found;
  explore::options o = by(method);
  o.on_run = [&found](const explore::run_summary& s) { found.insert(s.trace); };
  explore::check(body, o);
  return found;
}

TEST(Counts, SleepSetsAloneFindTheSameTraces) {
  const auto expect_same = [](const auto& body) {
    EXPECT_EQ(traces_by(search_method::sleep_sets, body), traces_by(search_method::optimal, body));
  };
  expect_same(lost_update(3));
  expect_same(lastzero(4));
  expect_same(readers(6));
  expect_same(abba<textbook_lock>(false));
  expect_same(abba<real_lock>(false));
  expect_same(philosophers<textbook_lock>(3, false));
  expect_same(philosophers<real_lock>(3, false));
}

TEST(Counts, SleepSetsAloneRepeatThemselves) {
  EXPECT_GT(explore::check(lastzero(6), by(search_method::sleep_sets)).blocked, 0U);
}

TEST(Counts, RandomSchedulesFindTheCommonMistakesSoon) {
  for (const auto method : {search_method::random, search_method::pct}) {
    explore::options o;
    o.method = method;
    for (o.seed = 1; o.seed != 20; ++o.seed) {
      o.max_runs = 100;
      EXPECT_FALSE(explore::check(lost_update(2), o));
      EXPECT_FALSE(explore::check(lost_update(4), o));
      EXPECT_FALSE(explore::check(abba<real_lock>(false), o));
      EXPECT_FALSE(explore::check(abba<textbook_lock>(false), o));
    }
  }
}

// ------------------------------------------------------------------------------------------- slow

TEST(Slow, InterleavingsOfPhilosophers) {
  expect_interleavings(philosophers<textbook_lock>(5, false), 66468720);
}

TEST(Slow, InterleavingsOfPhilosophersThatKeepAnOrder) {
  expect_interleavings(philosophers<textbook_lock>(5, true), 49719072);
}

TEST(Slow, InterleavingsOfReadersWithASlotOfTheirOwn) {
  expect_interleavings(readers(6, true), 97297200);
}

TEST(Slow, InterleavingsOfLastzero) {
  expect_interleavings(lastzero(6), 416108000);
}

}  // namespace
