// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers
#pragma once

// What every catalog derives from a record, so that all of them find the same agents.

#include <marketplace/catalog.hpp>
#include <marketplace/text.hpp>

#include <compare>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace marketplace {

/// What lists can be narrowed to by equality.
enum class term_kind { tag, skill, capability, provider };

struct agent_term {
  agent_term(term_kind k, std::string t) : kind(k), text(std::move(t)) {}
  friend auto operator<=>(const agent_term&, const agent_term&) = default;

  term_kind kind;
  std::string text;
};

struct stored_agent {
  agent_record record;
  std::string base_url_key;
  std::string name_key;            ///< what lists are sorted by
  std::vector<agent_term> terms;   ///< sorted, each once
  std::vector<std::string> words;  ///< what a text is searched in; sorted, each once
};

/// The record with its agent_id in its one spelling. Errors: invalid.
repository_result<stored_agent> prepared(agent_record record);

/// The terms that a query asks for, all of them.
std::vector<agent_term> terms_of(const search_query& query);

/// When a sweep has to look at the agent again: its health gets worse then, at the earliest.
std::optional<timestamp> next_look(agent_health health, std::optional<timestamp> last_seen,
                                   std::optional<std::chrono::seconds> ttl);

/// Why a change whose reply has a key that another reply holds is not made.
repository_error reply_conflict(const stored_reply& reply);

/// What is stored of it for find(), without `sequence` and `change`: as it was registered.
agent_record made_first(agent_record record);
/// `before` with what `wanted` may change, as the next version.
agent_record made_next(const agent_record& before, agent_record wanted);
/// `before` as its tombstone.
agent_record made_tombstone(agent_record before, timestamp at);

}  // namespace marketplace
