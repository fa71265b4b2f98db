// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers
#pragma once

// What a step does to what others can see, and which steps depend on each other.
//
// Two steps of different tasks
//   are independent    when their order cannot be seen: it is explored once
//   are ordered        when one makes the other possible (a release and the grant after it)
//   race               when both orders are possible and can be told apart: both are explored

#include <corolock/detail/config.hpp>

#include <cstddef>
#include <cstdint>

COROLOCK_BEGIN
namespace explore::detail {

enum class access_kind : std::uint8_t {
  read,
  write,       // also: read and write, and whatever is not one of the others
  request,     // of a FIFO lock: queues or acquires. Requests race; who asks first is first
  grant,       // of a FIFO lock: its new owner runs
  release,     // of a FIFO lock
  acquire,     // of a lock without a queue: possible while it is free
  expire,      // of the clock: a timer fires, if its deadline is the next one
  order,       // after all earlier ones of the same object
  everything,  // after all earlier steps: time passes when nothing else can happen
};

inline constexpr unsigned access_kinds = 9;

struct access {
  std::uint16_t object;
  access_kind kind;

  friend bool operator==(const access&, const access&) = default;
};

// As bits, so that those of several pairs of accesses can be joined.
inline constexpr std::uint8_t independent = 0;
inline constexpr std::uint8_t dependent = 1;  // in every relation but independence
inline constexpr std::uint8_t races = 2;
inline constexpr std::uint8_t lock_race = 4;  // a race in which the first may disable the second
inline constexpr std::uint8_t ordered = 8;    // one makes the other possible

// The numbers of objects.
namespace objects {
inline constexpr std::uint16_t elsewhere = 0;     // all words outside the explorer's memory
inline constexpr std::uint16_t named = 1;         // what the body makes, in this order
inline constexpr std::uint16_t words = 0x4000;    // words in the explorer's memory, as they come
inline constexpr std::uint16_t wait = 0x8000;     // + task: its wait
inline constexpr std::uint16_t stop = 0x8040;     // + task: its stop token
inline constexpr std::uint16_t life = 0x8080;     // + task: whether it has been destroyed
inline constexpr std::uint16_t failure = 0x80C0;  // + task: the exception that is put into it
inline constexpr std::uint16_t copies = 0x8100;   // + first task: the copies of spawn_n
inline constexpr std::uint16_t budget = 0x8140;   // + kind of interference
inline constexpr std::uint16_t time = 0x8150;     // the clock, and what is armed
inline constexpr std::uint16_t all = 0xFFFF;

constexpr bool is_interference(std::uint16_t object) noexcept {
  return object >= stop && object < copies;
}
}  // namespace objects

// Without regard to which of the two is first.
constexpr std::uint8_t conflict(access_kind a, access_kind b) noexcept {
  using enum access_kind;
  if (a > b) {
    return conflict(b, a);
  }
  switch (a) {
    case read: return b == read || b == grant ? independent : dependent | races;
    case write: return b == expire ? dependent | lock_race : dependent | races;
    case request: return b == request || b == acquire ? dependent | races : independent;
    case acquire:
    case expire: return dependent | lock_race;
    default: return dependent;  // grants and releases
  }
}

// Of an access and a later one. Only a release that comes first makes a grant possible; that a
// grant comes before a release of the same lock may be as chance would have it.
constexpr std::uint8_t relation(access first, access second) noexcept {
  using enum access_kind;
  if (first.kind == everything || second.kind == everything) {
    const access other = first.kind == everything ? second : first;
    return other.kind == everything ||
                   (other.kind == write && objects::is_interference(other.object))
               ? dependent | lock_race
               : dependent | ordered;
  }
  if (first.object != second.object) {
    return independent;
  }
  if (second.kind == order ||
      (first.kind == release && (second.kind == grant || second.kind == acquire))) {
    return dependent | ordered;
  }
  return conflict(first.kind, second.kind);
}

}  // namespace explore::detail
COROLOCK_END
