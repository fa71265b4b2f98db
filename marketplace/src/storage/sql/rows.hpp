// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers
#pragma once

// How what is stored stands in rows.

#include "../stored_agent.hpp"
#include "connection.hpp"

namespace marketplace::sql {

inline std::int64_t in_ms(timestamp time) {
  return time.time_since_epoch().count();
}
inline timestamp from_ms(std::int64_t ms) {
  return timestamp(std::chrono::milliseconds(ms));
}
inline std::optional<std::int64_t> in_ms(std::optional<timestamp> time) {
  return time ? std::optional(in_ms(*time)) : std::nullopt;
}
inline std::optional<timestamp> from_ms(std::optional<std::int64_t> ms) {
  return ms ? std::optional(from_ms(*ms)) : std::nullopt;
}
inline std::optional<std::chrono::seconds> from_s(std::optional<std::int64_t> s) {
  return s ? std::optional(std::chrono::seconds(*s)) : std::nullopt;
}
inline std::optional<std::int64_t> in_s(std::optional<std::chrono::seconds> ttl) {
  return ttl ? std::optional<std::int64_t>(ttl->count()) : std::nullopt;
}
template <class Enum>
std::int64_t number_of(Enum which) {
  return static_cast<std::int64_t>(which);
}
/// LIMIT and OFFSET have to fit into 64 bits with a sign.
inline std::int64_t clamped(std::size_t size) {
  constexpr std::size_t most = std::size_t{1} << 62;
  return static_cast<std::int64_t>(size < most ? size : most);
}

/// What record_in() reads, in this order.
inline constexpr std::string_view record_columns =
    "json, seq, name_claim, status, health, last_seen_ms, ttl_s, change_seq, owner, card_etag, "
    "card_text";

inline agent_record record_in(row& from) {
  agent_record record = record_of(from.text(0));
  record.sequence = from.integer(1);
  record.name_claim = from.take_text(2);
  record.status = static_cast<agent_status>(from.integer(3));
  record.health = static_cast<agent_health>(from.integer(4));
  record.last_seen_at = from_ms(from.integer_or_null(5));
  record.ttl = from_s(from.integer_or_null(6));
  record.change = from.integer(7);
  record.owner = from.take_text(8);
  record.card_etag = from.take_text(9);
  record.card_text = from.take_text(10);
  return record;
}

}  // namespace marketplace::sql
