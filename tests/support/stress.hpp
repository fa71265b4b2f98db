// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers
#pragma once

// The fixture of the stress tests: every one runs with the thread-safe policy as it is, and with
// one that hesitates where a race would be (support/threads.hpp).

#include <corolock/async_barrier.hpp>
#include <corolock/async_condition.hpp>
#include <corolock/async_event.hpp>
#include <corolock/async_mutex.hpp>
#include <corolock/async_semaphore.hpp>
#include <corolock/async_shared_mutex.hpp>
#include <support/threads.hpp>

#include <gtest/gtest.h>

template <class Threading>
class Stress : public testing::Test {
 protected:
  using mutex = corolock::basic_async_mutex<Threading>;
  using guard = typename mutex::guard_type;
  using semaphore = corolock::basic_async_semaphore<Threading>;
  using event = corolock::basic_async_event<Threading>;
  using shared_mutex = corolock::basic_async_shared_mutex<Threading>;
  using condition = corolock::basic_async_condition<Threading>;
  using barrier = corolock::basic_async_barrier<Threading>;
};
TYPED_TEST_SUITE(Stress, corolock_test::threading_policies, corolock_test::threading_policy_names);
