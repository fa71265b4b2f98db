// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers

#include "stored_agent.hpp"

#include <marketplace/base_url.hpp>
#include <marketplace/text.hpp>

#include <algorithm>
#include <utility>

namespace marketplace {
namespace {

template <class T>
void sort_once(std::vector<T>& items) {
  std::sort(items.begin(), items.end());
  items.erase(std::unique(items.begin(), items.end()), items.end());
}

std::vector<agent_term> terms_of(const agent_record& record) {
  std::vector<agent_term> terms;
  const agent_card& card = record.card;
  terms.reserve(record.profile.tags.size() + card.skills.size() + card.capabilities.size() + 1);
  for (const std::string& tag : record.profile.tags) {
    terms.emplace_back(term_kind::tag, tag);
  }
  for (const agent_skill& skill : card.skills) {
    terms.emplace_back(term_kind::skill, skill.id);
  }
  for (const std::string& capability : card.capabilities) {
    terms.emplace_back(term_kind::capability, capability);
  }
  if (!card.provider.empty()) {
    terms.emplace_back(term_kind::provider, card.provider);
  }
  sort_once(terms);
  return terms;
}

std::string text_of(const agent_record& record) {
  std::string text = record.profile.agent_name + ' ' + record.profile.description;
  const auto add = [&text](const std::string& part) {
    text += ' ';
    text += part;
  };
  for (const std::string& tag : record.profile.tags) {
    add(tag);
  }
  for (const agent_skill& skill : record.card.skills) {
    add(skill.id);
    add(skill.name);
    for (const std::string& tag : skill.tags) {
      add(tag);
    }
  }
  return text;
}

}  // namespace

repository_result<stored_agent> prepared(agent_record record) {
  auto id = agent_id_key(record.profile.agent_id);
  if (!id) {
    return repository_error::invalid("agent_id", "is not a UUID");
  }
  record.profile.agent_id = *std::move(id);
  stored_agent agent;
  agent.base_url_key = std::exchange(record.base_url_key, {});
  if (agent.base_url_key.empty()) {
    auto url = base_url_key(record.profile.base_url);
    if (!url) {
      return repository_error::invalid("base_url", url.error().message());
    }
    agent.base_url_key = *std::move(url);
  }
  agent.name_key = name_key(record.profile.agent_name);
  agent.terms = terms_of(record);
  agent.words = words_of(text_of(record));
  agent.record = std::move(record);
  return agent;
}

std::vector<agent_term> terms_of(const search_query& query) {
  std::vector<agent_term> terms;
  terms.reserve(query.tags.size() + 3);
  for (const std::string& tag : query.tags) {
    terms.emplace_back(term_kind::tag, tag);
  }
  for (const auto& [kind, text] : {std::pair(term_kind::skill, &query.skill),
                                   std::pair(term_kind::capability, &query.capability),
                                   std::pair(term_kind::provider, &query.provider)}) {
    if (!text->empty()) {
      terms.emplace_back(kind, *text);
    }
  }
  sort_once(terms);
  return terms;
}

std::optional<timestamp> next_look(agent_health health, std::optional<timestamp> last_seen,
                                   std::optional<std::chrono::seconds> ttl) {
  if (!last_seen || !ttl) {
    return std::nullopt;
  }
  switch (health) {
    case agent_health::healthy: return *last_seen + *ttl;
    case agent_health::stale: return *last_seen + 3 * *ttl;
    case agent_health::unknown:
    case agent_health::unreachable: break;
  }
  return std::nullopt;
}

repository_error reply_conflict(const stored_reply& reply) {
  return repository_error::conflict("Idempotency-Key " + reply.key, {});
}

agent_record made_first(agent_record record) {
  record.profile.version = 1;
  record.deleted_at.reset();
  return record;
}

agent_record made_next(const agent_record& before, agent_record wanted) {
  wanted.profile.agent_id = before.profile.agent_id;
  wanted.profile.registered_at = before.profile.registered_at;
  wanted.profile.version = before.profile.version + 1;
  wanted.urn = before.urn;
  wanted.owner = before.owner;
  wanted.health = before.health;
  wanted.last_seen_at = before.last_seen_at;
  wanted.ttl = before.ttl;
  wanted.deleted_at.reset();
  wanted.sequence = before.sequence;
  return wanted;
}

agent_record made_tombstone(agent_record before, timestamp at) {
  ++before.profile.version;
  before.profile.last_updated_at = at;
  before.deleted_at = at;
  return before;
}

}  // namespace marketplace
