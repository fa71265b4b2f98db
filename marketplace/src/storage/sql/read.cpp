// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers

#include "rows.hpp"
#include "transaction.hpp"

#include <array>
#include <charconv>
#include <utility>

namespace marketplace::sql {
namespace {

std::string select_record(std::string_view where) {
  return "SELECT " + std::string(record_columns) + " FROM agents WHERE " + std::string(where);
}

api_key key_in(row& from) {
  api_key key;
  key.id = from.take_text(0);
  key.sha256 = from.take_text(1);
  key.role = from.take_text(2);
  key.label = from.take_text(3);
  key.created_at = from_ms(from.integer(4));
  key.revoked_at = from_ms(from.integer_or_null(5));
  return key;
}

// A query in words of SQL, with its parameters.
class list_statement {
 public:
  list_statement(const search_query& query, const dialect& words)
      : sequence_("a.seq"), from_("agents a") {
    auto terms = terms_of(query);
    auto term = terms.begin();
    if (term != terms.end() && query.sort == sort_order::registered) {
      // The terms' own order is that of the list: no agent is read for nothing.
      from_ = "agent_terms t JOIN agents a ON a.seq = t.agent_seq";
      sequence_ = "t.agent_seq";
      where("t.kind = " + parameter(number_of(term->kind)) +
            " AND t.term = " + parameter(std::move(term->text)));
      ++term;
    }
    for (; term != terms.end(); ++term) {
      where("a.seq IN (SELECT agent_seq FROM agent_terms WHERE kind = " +
            parameter(number_of(term->kind)) + " AND term = " + parameter(std::move(term->text)) +
            ")");
    }
    const auto beginnings = words_of(query.text);
    if (!beginnings.empty()) {
      std::string agents(words.agents_with_words);
      agents.replace(agents.find("$?"), 2, parameter(words.match(beginnings)));
      where("a.seq IN (" + agents + ")");
    }
    if (!query.include_deleted || query.status) {
      where("a.deleted_ms IS NULL");
    }
    if (query.status) {
      where("a.status = " + parameter(number_of(*query.status)));
    }
    if (query.health) {
      where("a.health = " + parameter(number_of(*query.health)));
    }
    if (query.updated_since) {
      where("a.updated_ms >= " + parameter(in_ms(*query.updated_since)));
    }
    if (!query.base_url_key.empty()) {
      where("a.base_url_key = " + parameter(query.base_url_key));
    }
  }

  std::string count() { return "SELECT count(*) FROM " + from_ + where_; }

  std::string page(const search_query& query) {
    const std::string_view column = query.sort == sort_order::updated ? "a.updated_ms"
                                    : query.sort == sort_order::name  ? "a.name_key"
                                                                      : std::string_view();
    const std::string prefix = column.empty() ? std::string() : std::string(column) + ", ";
    const std::string direction = query.ascending ? " ASC" : " DESC";
    if (query.after) {
      const std::string after = value_of(*query.after, query.sort);
      where("(" + prefix + sequence_ + ") " + (query.ascending ? ">" : "<") + " (" + after +
            parameter(query.after->sequence) + ")");
    }
    std::string statement = "SELECT " + sequence_ +
                            ", a.agent_id, a.json, a.health, a.last_seen_ms, a.ttl_s" +
                            (column.empty() ? "" : ", ") + std::string(column) + " FROM " + from_ +
                            where_ + " ORDER BY ";
    if (!column.empty()) {
      statement += std::string(column) + direction + ", ";
    }
    // One more than wanted says whether there are more.
    statement += sequence_ + direction + " LIMIT " + parameter(clamped(query.limit) + 1) +
                 " OFFSET " + parameter(clamped(query.offset));
    return statement;
  }

  values take_parameters() { return std::move(parameters_); }

 private:
  std::string parameter(value v) {
    parameters_.push_back(std::move(v));
    return "$" + std::to_string(parameters_.size());
  }
  void where(const std::string& condition) {
    where_ += (where_.empty() ? " WHERE " : " AND ") + condition;
  }
  std::string value_of(const list_position& position, sort_order sort) {
    switch (sort) {
      case sort_order::name: return parameter(position.value) + ", ";
      case sort_order::updated: {
        std::int64_t ms = 0;
        std::from_chars(position.value.data(), position.value.data() + position.value.size(), ms);
        return parameter(ms) + ", ";
      }
      case sort_order::registered: break;
    }
    return {};
  }

  std::string sequence_;
  std::string from_;
  std::string where_;
  values parameters_;
};

listed_agent listed_in(row& from, sort_order sort) {
  listed_agent listed;
  listed.position.sequence = from.integer(0);
  listed.agent_id = from.take_text(1);
  listed.json = with_liveness(from.take_text(2), static_cast<agent_health>(from.integer(3)),
                              from_ms(from.integer_or_null(4)), from_s(from.integer_or_null(5)));
  if (sort == sort_order::updated) {
    listed.position.value = std::to_string(from.integer(6));
  } else if (sort == sort_order::name) {
    listed.position.value = from.take_text(6);
  }
  return listed;
}

}  // namespace

outcome<agent_record> transaction::find(const std::string& agent_id) {
  static const std::string statement = select_record("agent_id = $1");
  rows found = co_await execute(statement, agent_id);
  if (found.empty()) {
    co_return repository_error::not_found(agent_id);
  }
  co_return record_in(found[0]);
}

outcome<agent_record> transaction::find_by_urn(const std::string& urn) {
  static const std::string of_live = select_record("urn = $1 AND deleted_ms IS NULL AND urn <> ''");
  static const std::string of_deleted =
      select_record("urn = $1 AND deleted_ms IS NOT NULL AND urn <> '' ORDER BY seq DESC LIMIT 1");
  rows found = co_await execute(of_live, urn);
  if (found.empty()) {
    found = co_await execute(of_deleted, urn);
  }
  if (found.empty()) {
    co_return repository_error::not_found(urn);
  }
  co_return record_in(found[0]);
}

// One statement, because each is a trip to the server, or a lock of the file.
outcome<std::optional<repository_error>> transaction::why_not_claim(const agent_claims& claims,
                                                                    const std::string& except) {
  using refusal = std::optional<repository_error>;
  constexpr std::array<std::string_view, 4> fields{"base_url", "agent_id", "agent_name", "urn"};
  rows found = co_await execute(
      "SELECT (SELECT agent_id FROM agents WHERE base_url_key = $1 AND deleted_ms IS NULL), "
      "(SELECT agent_id FROM agents WHERE agent_id = $2), "
      "(SELECT agent_id FROM agents WHERE name_claim = $3 AND deleted_ms IS NULL "
      "AND name_claim <> ''), "
      "(SELECT agent_id FROM agents WHERE urn = $4 AND deleted_ms IS NULL AND urn <> '')",
      claims.base_url_key, claims.agent_id, claims.name_claim, claims.urn);
  row& holders = found[0];
  for (std::size_t i = 0; i != fields.size(); ++i) {
    std::string id = holders.is_null(i) ? std::string() : holders.take_text(i);
    const bool is_own = id == except || (fields[i] == "base_url" && id == claims.agent_id);
    if (!id.empty() && !is_own) {
      co_return refusal(repository_error::conflict(std::string(fields[i]), std::move(id)));
    }
  }
  co_return refusal();
}

outcome<search_page> transaction::search(const search_query& query) {
  list_statement list(query, words_);
  const std::string statement = list.page(query);
  values parameters = list.take_parameters();
  rows found = co_await database_.execute(statement, std::move(parameters));
  search_page page;
  page.has_more = found.size() > query.limit;
  if (page.has_more) {
    found.pop_back();
  }
  page.agents.reserve(found.size());
  for (row& each : found) {
    page.agents.push_back(listed_in(each, query.sort));
  }
  co_return page;
}

outcome<std::int64_t> transaction::count(const search_query& query) {
  list_statement list(query, words_);
  const std::string statement = list.count();
  values parameters = list.take_parameters();
  const rows found = co_await database_.execute(statement, std::move(parameters));
  co_return found[0].integer(0);
}

outcome<std::vector<tag_count>> transaction::tags(std::size_t limit) {
  rows found = co_await execute(
      "SELECT tag, agents FROM tag_counts WHERE agents > 0 ORDER BY agents DESC, tag LIMIT $1",
      clamped(limit));
  std::vector<tag_count> counts;
  counts.reserve(found.size());
  for (row& each : found) {
    counts.push_back({each.take_text(0), each.integer(1)});
  }
  co_return counts;
}

outcome<std::vector<agent_change>> transaction::changes(std::int64_t since, std::size_t limit) {
  rows found = co_await execute(
      "SELECT change_seq, agent_id, kind, version, at_ms FROM changes WHERE change_seq > $1 "
      "ORDER BY change_seq LIMIT $2",
      since, clamped(limit));
  std::vector<agent_change> changes;
  changes.reserve(found.size());
  for (row& each : found) {
    agent_change change;
    change.sequence = each.integer(0);
    change.agent_id = each.take_text(1);
    change.kind = static_cast<change_kind>(each.integer(2));
    change.version = each.integer(3);
    change.at = from_ms(each.integer(4));
    changes.push_back(std::move(change));
  }
  co_return changes;
}

outcome<std::int64_t> transaction::last_change() {
  const rows last = co_await execute("SELECT coalesce(max(change_seq), 0) FROM changes");
  co_return last[0].integer(0);
}

outcome<std::vector<std::string>> transaction::cards_to_look_at(timestamp before,
                                                                std::size_t limit) {
  rows found = co_await execute(
      "SELECT agent_id FROM card_looks JOIN agents ON seq = agent_seq WHERE last_ms < $1 "
      "ORDER BY last_ms, agent_seq LIMIT $2",
      in_ms(before), clamped(limit));
  std::vector<std::string> agents;
  agents.reserve(found.size());
  for (row& each : found) {
    agents.push_back(each.take_text(0));
  }
  co_return agents;
}

outcome<std::vector<audit_entry>> transaction::history(const std::string& agent_id,
                                                       std::size_t limit) {
  rows found = co_await execute(
      "SELECT id, at_ms, actor, action, agent_id, before_json, after_json, request_id FROM audit "
      "WHERE agent_id = $1 ORDER BY id DESC LIMIT $2",
      agent_id, clamped(limit));
  std::vector<audit_entry> entries;
  entries.reserve(found.size());
  for (row& each : found) {
    audit_entry entry;
    entry.sequence = each.integer(0);
    entry.at = from_ms(each.integer(1));
    entry.actor = each.take_text(2);
    entry.action = each.take_text(3);
    entry.agent_id = each.take_text(4);
    entry.before_json = each.take_text(5);
    entry.after_json = each.take_text(6);
    entry.request_id = each.take_text(7);
    entries.push_back(std::move(entry));
  }
  co_return entries;
}

outcome<std::optional<stored_reply>> transaction::find_reply(const std::string& scope,
                                                             const std::string& key,
                                                             timestamp now) {
  rows found = co_await execute(
      "SELECT fingerprint, status, headers, body, expires_ms FROM idempotency "
      "WHERE scope = $1 AND key = $2 AND expires_ms > $3",
      scope, key, in_ms(now));
  std::optional<stored_reply> reply;
  if (!found.empty()) {
    reply.emplace();
    reply->scope = scope;
    reply->key = key;
    reply->fingerprint = found[0].take_text(0);
    reply->status = static_cast<int>(found[0].integer(1));
    reply->headers = found[0].take_text(2);
    reply->body = found[0].take_text(3);
    reply->expires_at = from_ms(found[0].integer(4));
  }
  co_return reply;
}

outcome<std::vector<api_key>> transaction::keys() {
  rows found = co_await execute(
      "SELECT id, sha256, role, label, created_ms, revoked_ms FROM api_keys ORDER BY number");
  std::vector<api_key> keys;
  keys.reserve(found.size());
  for (row& each : found) {
    keys.push_back(key_in(each));
  }
  co_return keys;
}

outcome<std::optional<api_key>> transaction::find_key(const std::string& sha256) {
  rows found = co_await execute(
      "SELECT id, sha256, role, label, created_ms, revoked_ms FROM api_keys WHERE sha256 = $1 "
      "ORDER BY number LIMIT 1",
      sha256);
  std::optional<api_key> key;
  if (!found.empty()) {
    key = key_in(found[0]);
  }
  co_return key;
}

outcome<std::string> transaction::secret() {
  const rows found = co_await execute("SELECT value FROM facts WHERE name = 'secret'");
  const std::string& hex = found.at(0).text(0);
  std::string bytes;
  bytes.reserve(hex.size() / 2);
  for (std::size_t i = 0; i + 1 < hex.size(); i += 2) {
    unsigned byte = 0;
    std::from_chars(hex.data() + i, hex.data() + i + 2, byte, 16);
    bytes += static_cast<char>(byte);
  }
  co_return bytes;
}

}  // namespace marketplace::sql
