// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers
#pragma once

// The footprints of a search: each set of accesses once, under a number, and the relation of any
// two of them looked up instead of computed.

#include <corolock/explore/detail/access.hpp>

#include <algorithm>
#include <cstdint>
#include <vector>

COROLOCK_BEGIN
namespace explore::detail {

using footprint = std::uint32_t;

class footprint_table {
 public:
  // `accesses` in any order; they are sorted in place.
  footprint intern(std::vector<access>& accesses) {
    std::sort(accesses.begin(), accesses.end(), [](access a, access b) { return key(a) < key(b); });
    accesses.erase(std::unique(accesses.begin(), accesses.end()), accesses.end());
    std::uint64_t h = accesses.size();
    for (const access a : accesses) {
      h = (h ^ key(a)) * 0x9E3779B97F4A7C15U;
      h ^= h >> 29;
    }
    for (std::size_t slot = h & (slots_.size() - 1); !slots_.empty();
         slot = (slot + 1) & (slots_.size() - 1)) {
      if (slots_[slot] == 0) {
        break;
      }
      if (sets_[slots_[slot] - 1] == accesses) {
        return slots_[slot] - 1;
      }
    }
    const auto number = static_cast<footprint>(sets_.size());
    sets_.push_back(accesses);
    hashes_.push_back(h);
    if (sets_.size() * 2 > slots_.size()) {
      grow_slots();
    } else {
      place(number);
    }
    return number;
  }

  [[nodiscard]] const std::vector<access>& operator[](footprint f) const noexcept {
    return sets_[f];
  }

  [[nodiscard]] bool contains(footprint f, access a) const noexcept {
    const auto& set = sets_[f];
    return std::find(set.begin(), set.end(), a) != set.end();
  }

  // Of a step that touches a, and a later one that touches b.
  [[nodiscard]] std::uint8_t relate(footprint a, footprint b) {
    if (a < side_ && b < side_) {
      if (const std::uint8_t known = matrix_[a * side_ + b]; known != 0) {
        return known & 0x7FU;
      }
    }
    return relate_first(a, b);
  }

  [[nodiscard]] bool depend(footprint a, footprint b) { return (relate(a, b) & dependent) != 0; }

 private:
  static constexpr std::size_t side_max = 4096;

  static std::uint32_t key(access a) noexcept {
    return (std::uint32_t{a.object} << 8) | static_cast<std::uint32_t>(a.kind);
  }

  // Not looked at before.
  [[gnu::noinline]] std::uint8_t relate_first(footprint a, footprint b) {
    if (a >= side_ || b >= side_) {
      if (sets_.size() > side_max) {
        return compute(a, b);
      }
      grow_matrix();
    }
    const auto known = static_cast<std::uint8_t>(compute(a, b) | 0x80U);
    matrix_[a * side_ + b] = known;
    return known & 0x7FU;
  }

  [[nodiscard]] std::uint8_t compute(footprint a, footprint b) const noexcept {
    std::uint8_t result = independent;
    for (const access x : sets_[a]) {
      for (const access y : sets_[b]) {
        result |= relation(x, y);
      }
    }
    return result;
  }

  void place(footprint f) noexcept {
    std::size_t slot = hashes_[f] & (slots_.size() - 1);
    while (slots_[slot] != 0) {
      slot = (slot + 1) & (slots_.size() - 1);
    }
    slots_[slot] = f + 1;
  }
  void grow_slots() {
    slots_.assign(std::max<std::size_t>(64, slots_.size() * 2), 0);
    for (footprint f = 0; f != sets_.size(); ++f) {
      place(f);
    }
  }
  void grow_matrix() {
    std::size_t side = std::max<std::size_t>(64, side_);
    while (side < sets_.size()) {
      side *= 2;
    }
    side_ = std::min(side, side_max);
    matrix_.assign(side_ * side_, 0);
  }

  std::vector<std::vector<access>> sets_;
  std::vector<std::uint64_t> hashes_;
  std::vector<footprint> slots_;  // number + 1; 0: free
  std::vector<std::uint8_t> matrix_;
  std::size_t side_ = 0;
};

}  // namespace explore::detail
COROLOCK_END
