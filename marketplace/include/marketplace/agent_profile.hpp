// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers
#pragma once

// What the marketplace knows about an agent.

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace marketplace {

using timestamp = std::chrono::sys_time<std::chrono::milliseconds>;

struct agent_profile {
  std::string agent_id;    ///< a UUID, the agent's own; see agent_id_key()
  std::string agent_name;  ///< may be empty
  std::string base_url;    ///< as its owner wrote it; base_url_key() compares two of them
  std::string description;
  std::vector<std::string> tags;
  std::int64_t version = 1;  ///< one more with every update
  timestamp registered_at;
  timestamp last_updated_at;
};

/// The one spelling of a UUID, in lower case; nullopt if `agent_id` is none.
inline std::optional<std::string> agent_id_key(std::string_view agent_id) {
  constexpr std::string_view form = "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx";
  if (agent_id.size() != form.size()) {
    return std::nullopt;
  }
  std::string key(agent_id);
  for (std::size_t i = 0; i < form.size(); ++i) {
    char& c = key[i];
    if (c >= 'A' && c <= 'F') {
      c = static_cast<char>(c - 'A' + 'a');
    }
    const bool is_hex = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
    if (form[i] == '-' ? c != '-' : !is_hex) {
      return std::nullopt;
    }
  }
  return key;
}

}  // namespace marketplace
