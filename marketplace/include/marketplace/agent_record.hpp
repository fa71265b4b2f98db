// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers
#pragma once

// All that the service keeps about an agent: its profile and what belongs to it.

#include <marketplace/agent_card.hpp>
#include <marketplace/agent_profile.hpp>

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace marketplace {

enum class agent_status { active, deprecated };

/// healthy until a heartbeat's ttl has passed, stale after one, unreachable after three; unknown
/// while there was no heartbeat. See health_at().
enum class agent_health { unknown, healthy, stale, unreachable };

struct agent_record {
  agent_profile profile;
  /// Of the profile's base_url where it is known already; empty: the catalog makes it.
  std::string base_url_key;
  std::string urn;         ///< urn:air:<publisher>:...; unique
  std::string name_claim;  ///< what no other agent may claim for its name; empty: claims nothing
  agent_status status = agent_status::active;

  std::string card_text;  ///< as it was fetched or given; empty without a card
  std::string card_url;   ///< where it was fetched; empty if it was given
  std::string card_etag;
  agent_card card;  ///< what card_text says; of its parts only skills, provider, capabilities,
                    ///< interfaces, shape, violations and version are kept by a catalog
  bool is_split_host = false;

  agent_health health = agent_health::unknown;
  std::optional<timestamp> last_seen_at;
  std::optional<std::chrono::seconds> ttl;

  std::string owner;  ///< SHA-256, in hex, of the token that may change it; empty: nobody's
  std::optional<timestamp> deleted_at;

  /// The order of registration, given by the catalog; what list cursors count in.
  std::int64_t sequence = 0;
  /// The number of its last change in the feed, given by the catalog.
  std::int64_t change = 0;
};

/// The one function of what a missed heartbeat means.
inline agent_health health_at(timestamp now, std::optional<timestamp> last_seen,
                              std::optional<std::chrono::seconds> ttl) {
  if (!last_seen || !ttl) {
    return agent_health::unknown;
  }
  const auto silent = now - *last_seen;
  return silent < *ttl       ? agent_health::healthy
         : silent < 3 * *ttl ? agent_health::stale
                             : agent_health::unreachable;
}

std::string_view to_string(agent_status status) noexcept;
std::string_view to_string(agent_health health) noexcept;
std::optional<agent_status> agent_status_of(std::string_view text) noexcept;
std::optional<agent_health> agent_health_of(std::string_view text) noexcept;

/// The agent as the API shows it: one JSON object, the same for every caller, without its card's
/// text and without `sequence`, `change` and `owner`.
std::string to_json(const agent_record& record);

/// to_json() in two steps, for catalogs that keep the first one's result: a heartbeat changes what
/// the second one adds, and nothing else.
std::string to_json_without_liveness(const agent_record& record);
std::string with_liveness(std::string json, agent_health health,
                          std::optional<timestamp> last_seen_at,
                          std::optional<std::chrono::seconds> ttl);

/// The record that to_json_without_liveness() was made of; what is not in there, is not in here.
/// Throws std::runtime_error if it was made of none.
agent_record record_of(std::string_view json);

/// "2026-11-23T04:48:37.123Z"; RFC 3339, UTC, milliseconds.
std::string to_text(timestamp time);
/// Takes any RFC 3339 text, with an offset and a fraction too.
std::optional<timestamp> timestamp_of(std::string_view text);

/// What two agent_names have to differ in: trimmed, in lower case (ASCII); empty for no claim.
std::string name_key(std::string_view agent_name);

}  // namespace marketplace
