// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers
#pragma once

// The fixture of the stress tests: every one runs with the thread-safe policy as it is, and with
// one that hesitates where a race would be (support/threads.hpp).

#include <support/threads.hpp>

#include <gtest/gtest.h>

template <class Threading>
class Stress : public testing::Test {};
TYPED_TEST_SUITE(Stress, corolock_test::threading_policies, corolock_test::threading_policy_names);
