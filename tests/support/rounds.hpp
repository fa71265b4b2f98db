// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers
#pragma once

// How often a stress test repeats: less under a sanitizer, which makes everything slower.

#include <cstddef>

#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
#define COROLOCK_TEST_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer) || __has_feature(address_sanitizer)
#define COROLOCK_TEST_SANITIZED 1
#endif
#endif
#if !defined(COROLOCK_TEST_SANITIZED)
#define COROLOCK_TEST_SANITIZED 0
#endif

namespace corolock_test {

constexpr std::size_t rounds(std::size_t normally) noexcept {
  return COROLOCK_TEST_SANITIZED ? normally / 10 : normally;
}

}  // namespace corolock_test
