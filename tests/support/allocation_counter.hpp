// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers
#pragma once

// Counts what operator new allocates. The header replaces the global operators, so one file of an
// executable may include it, and all tests that count stand in that file. (A sanitizer has
// operators of its own: there it tells us of every allocation, malloc's too.)
//
//   const allocation_counter allocations;
//   ...
//   EXPECT_EQ(allocations.by_this_thread(), 0U);

#include <support/rounds.hpp>

#include <atomic>
#include <cstddef>
#include <cstdlib>
#include <new>

namespace corolock_test {

class allocation_counter {
 public:
  /// Since this object was constructed.
  [[nodiscard]] std::size_t by_this_thread() const noexcept { return in_thread - thread_before_; }
  [[nodiscard]] std::size_t by_all_threads() const noexcept { return in_process - process_before_; }

  static void count() noexcept {
    ++in_thread;
    ++in_process;
  }

 private:
  static inline thread_local std::size_t in_thread = 0;
  static inline std::atomic<std::size_t> in_process = 0;

  std::size_t thread_before_ = in_thread;
  std::size_t process_before_ = in_process;
};

}  // namespace corolock_test

#if COROLOCK_TEST_SANITIZED

// NOLINTNEXTLINE(bugprone-reserved-identifier,readability-identifier-naming)
extern "C" void __sanitizer_malloc_hook(const volatile void*, std::size_t) {
  corolock_test::allocation_counter::count();
}

#else

// NOLINTBEGIN(misc-definitions-in-headers): one file of an executable includes this
// The other forms of the library's own operators call these. noinline: else g++ sees through a pair
// of them, and warns of free() on what new returned.
[[gnu::noinline]] void* operator new(std::size_t bytes) {
  corolock_test::allocation_counter::count();
  if (void* memory = std::malloc(bytes == 0 ? 1 : bytes)) {
    return memory;
  }
  throw std::bad_alloc();
}
[[gnu::noinline]] void* operator new(std::size_t bytes, std::align_val_t alignment) {
  corolock_test::allocation_counter::count();
  const auto step = static_cast<std::size_t>(alignment);
  if (void* memory = std::aligned_alloc(step, (bytes + step - 1) / step * step)) {
    return memory;
  }
  throw std::bad_alloc();
}
[[gnu::noinline]] void operator delete(void* memory) noexcept {
  std::free(memory);
}
[[gnu::noinline]] void operator delete(void* memory, std::size_t) noexcept {
  std::free(memory);
}
[[gnu::noinline]] void operator delete(void* memory, std::align_val_t) noexcept {
  std::free(memory);
}
[[gnu::noinline]] void operator delete(void* memory, std::size_t, std::align_val_t) noexcept {
  std::free(memory);
}
// NOLINTEND(misc-definitions-in-headers)

#endif
