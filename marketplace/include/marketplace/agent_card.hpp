// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers
#pragma once

// Agent cards: how an agent describes itself (A2A, v0.3 and v1.0).

#include <marketplace/text_error.hpp>

#include <boost/system/result.hpp>

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace marketplace {

inline constexpr std::size_t max_card_bytes = std::size_t{256} * 1024;
inline constexpr std::size_t max_card_depth = 32;

/// What a card is by its members, whatever it claims: v1.0 lists its supportedInterfaces, v0.3 has
/// a url of its own.
enum class card_shape { none, v0_3, v1_0, unknown };

struct agent_skill {
  std::string id;
  std::string name;
  std::vector<std::string> tags;
};

struct agent_interface {
  std::string url;
  std::string protocol_binding;  ///< v0.3: transport; "JSONRPC", "GRPC", "HTTP+JSON"
  std::string protocol_version;
};

/// What a registry reads out of a card. Members of the wrong type are left out and listed.
struct agent_card {
  card_shape shape = card_shape::none;
  std::string name;
  std::string description;
  std::string version;           ///< the agent's own
  std::string protocol_version;  ///< what it claims
  std::string provider;          ///< its organization
  std::string provider_url;
  std::vector<std::string> capabilities;  ///< those that are true: "streaming", ...
  std::vector<agent_skill> skills;
  std::vector<agent_interface> interfaces;
  bool is_signed = false;  ///< it has signatures; nobody verifies them here

  /// What the standard of its shape requires and the card lacks, as "/skills/0/tags: is missing";
  /// empty if it conforms.
  std::vector<std::string> violations;
};

/// Reads a card. A card that does not conform is still a card: see agent_card::violations.
/// Errors: not JSON, not an object, longer than max_card_bytes, deeper than max_card_depth, a
/// member twice, invalid UTF-8. Never throws for what is in `text`. O(text).
boost::system::result<agent_card, text_error> parse_agent_card(std::string_view text);

/// Whether none of the card's interfaces is on the host of `base_url`: common, and worth a flag.
bool is_split_host(const agent_card& card, std::string_view base_url);

inline std::string_view to_string(card_shape shape) noexcept {
  switch (shape) {
    case card_shape::none: return "none";
    case card_shape::v0_3: return "v0.3";
    case card_shape::v1_0: return "v1.0";
    case card_shape::unknown: break;
  }
  return "unknown";
}

}  // namespace marketplace
