// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers
#pragma once

// How often a stress test repeats: less under a sanitizer, which makes everything slower.

#include <cstddef>

#if defined(__has_feature)
#define COROLOCK_TEST_HAS_FEATURE(feature) __has_feature(feature)
#else
#define COROLOCK_TEST_HAS_FEATURE(feature) 0
#endif

#if defined(__SANITIZE_ADDRESS__) || COROLOCK_TEST_HAS_FEATURE(address_sanitizer)
#define COROLOCK_TEST_ASAN 1
#else
#define COROLOCK_TEST_ASAN 0
#endif
#if defined(__SANITIZE_THREAD__) || COROLOCK_TEST_HAS_FEATURE(thread_sanitizer)
#define COROLOCK_TEST_TSAN 1
#else
#define COROLOCK_TEST_TSAN 0
#endif
#define COROLOCK_TEST_SANITIZED (COROLOCK_TEST_ASAN || COROLOCK_TEST_TSAN)

namespace corolock_test {

constexpr std::size_t rounds(std::size_t normally) noexcept {
  return COROLOCK_TEST_SANITIZED ? normally / 10 : normally;
}

}  // namespace corolock_test
