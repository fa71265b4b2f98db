// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers

// What a search allocates: nothing for a further schedule, once it has seen what there is.

#include <support/allocation_counter.hpp>

#include <explore/support/programs.hpp>
#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>

namespace {

using namespace corolock_test;
using explore::search_method;

// What so many schedules more allocate: a buffer that grows once more, at most.
template <class Body>
std::size_t further_allocations(const Body& body, search_method method, std::uint64_t first,
                                std::uint64_t more) {
  const auto allocations_of = [&](std::uint64_t runs) {
    explore::options o;
    o.method = method;
    o.symmetry = false;
    o.max_runs = runs;
    const allocation_counter allocations;
    const explore::result r = explore::check(body, o);
    EXPECT_EQ(r.runs, runs);
    return allocations.by_this_thread();
  };
  return allocations_of(first + more) - allocations_of(first);
}

TEST(Allocations, AFurtherRandomScheduleAllocatesNothing) {
  for (const auto method : {search_method::random, search_method::pct}) {
    EXPECT_EQ(further_allocations(guarded_increments(3), method, 2000, 2000), 0U);
  }
}

TEST(Allocations, AFurtherTraceAllocatesNothing) {
  const auto body = lost_update(5, nullptr, false, false);
  EXPECT_LE(further_allocations(body, search_method::optimal, 9000, 5000), 2U);
  EXPECT_LE(further_allocations(body, search_method::naive, 2000, 5000), 4U);
}

}  // namespace
