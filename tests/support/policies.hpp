// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers
#pragma once

// The policies that typed tests run over: what holds for a primitive holds for its local twin.
//
//   template <class Threading> class AsyncMutex : public testing::Test {};
//   TYPED_TEST_SUITE(AsyncMutex, corolock_test::policies, corolock_test::policy_names);

#include <corolock/detail/sync.hpp>

#include <gtest/gtest.h>

#include <string>
#include <type_traits>

namespace corolock_test {

using policies = testing::Types<corolock::multi_threaded, corolock::single_threaded>;

struct policy_names {
  template <class Threading>
  // NOLINTNEXTLINE(readability-identifier-naming): the name is GoogleTest's
  static std::string GetName(int) {
    return Threading::is_thread_safe ? "ThreadSafe" : "Local";
  }
};

}  // namespace corolock_test
