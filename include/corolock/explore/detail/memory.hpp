// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers
#pragma once

// The memory of a run: coroutine frames, callables, and the objects of the body. One region per
// task and one for the setup; taking is adding, and a new run begins at the start again. So a run
// allocates nothing, and an object of one task has the same address in every run in which that task
// did the same: an address says what a word is.

#include <corolock/detail/config.hpp>

#include <array>
#include <cstddef>
#include <cstdint>

COROLOCK_BEGIN
namespace explore::detail {

class run_memory {
 public:
  static constexpr std::size_t region_count = 65;  // the last one is the setup's
  static constexpr std::size_t region_size = std::size_t{1} << 20;

  run_memory();
  ~run_memory();
  run_memory(const run_memory&) = delete;
  run_memory& operator=(const run_memory&) = delete;

  void reset() noexcept { used_.fill(0); }

  // Null when the region is full.
  void* take(std::size_t region, std::size_t size) noexcept {
    const std::size_t rounded = (size + 15) & ~std::size_t{15};
    if (rounded > region_size - used_[region]) {
      return nullptr;
    }
    char* result = begin_ + region * region_size + used_[region];
    used_[region] += rounded;
    return result;
  }

  [[nodiscard]] bool contains(const void* p) const noexcept {
    return offset(p) < region_count * region_size;
  }

  // The number of the object that a word belongs to; 0: of none yet.
  std::uint16_t& object_at(const void* word) noexcept { return objects_[offset(word) / 8]; }
  void belongs(const void* begin, std::size_t size, std::uint16_t object) noexcept {
    const std::size_t first = offset(begin) / 8;
    const std::size_t last = (offset(begin) + size + 7) / 8;
    for (std::size_t i = first; i < last; ++i) {
      objects_[i] = object;
    }
  }

 private:
  [[nodiscard]] std::size_t offset(const void* p) const noexcept {
    return reinterpret_cast<std::uintptr_t>(p) - reinterpret_cast<std::uintptr_t>(begin_);
  }

  char* begin_;
  std::uint16_t* objects_;
  std::array<std::size_t, region_count> used_{};
};

}  // namespace explore::detail
COROLOCK_END
