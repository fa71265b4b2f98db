// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers
#pragma once

// What a client says an agent is to be, checked member by member.

#include <marketplace/agent_card.hpp>
#include <marketplace/agent_record.hpp>
#include <marketplace/http/problem.hpp>

#include <boost/json/value.hpp>

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace marketplace {

/// The body of POST and PUT /v1/agents. What is not given may come from the card.
struct registration {
  std::optional<std::string> agent_id;  ///< its one spelling
  std::optional<std::string> agent_name;
  std::optional<std::string> base_url;
  std::string base_url_key;  ///< of base_url, if there is one
  std::optional<std::string> description;
  std::optional<std::vector<std::string>> tags;
  std::optional<agent_status> status;
  std::optional<std::string> card_text;  ///< given inline
  std::optional<std::string> card_url;   ///< to be fetched from there
  bool fetch_card = false;               ///< to be looked for at base_url
};

/// Reads a body, and reports all that is wrong with it at once. Throws a problem: 400 for what is
/// no JSON, 422 for the rest; members that are not known are errors, too.
registration parse_v1_registration(std::string_view body);

/// Looks at a card on its own: {"card": ...}, {"card_url": ...} or {"base_url": ...}.
registration parse_card_request(std::string_view body);

/// The parts of a profile as they are stored: in Unicode's NFC, trimmed, tags in lower case and
/// each once. They report what is wrong with `pointer` into `errors`.
std::string checked_name(std::string_view text, std::vector<http::field_error>& errors,
                         std::string_view pointer = "/agent_name");
std::string checked_description(std::string_view text, std::vector<http::field_error>& errors,
                                std::string_view pointer = "/description");
std::vector<std::string> checked_tags(const std::vector<std::string>& tags,
                                      std::vector<http::field_error>& errors,
                                      std::string_view pointer = "/tags");

/// The tags that a card's skills suggest: those that are tags here, up to 32.
std::vector<std::string> suggested_tags(const agent_card& card);

}  // namespace marketplace
