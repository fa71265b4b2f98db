// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers

#include "rows.hpp"
#include "transaction.hpp"

#include <algorithm>
#include <set>
#include <utility>

namespace marketplace::sql {
namespace {

std::string joined(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) {
    text += text.empty() ? "" : " ";
    text += word;
  }
  return text;
}

agent_claims claims_of(const stored_agent& agent) {
  agent_claims claims;
  claims.agent_id = agent.record.profile.agent_id;
  claims.base_url_key = agent.base_url_key;
  claims.name_claim = agent.record.name_claim;
  claims.urn = agent.record.urn;
  return claims;
}

}  // namespace

outcome<numbers_of_agent> transaction::create(const stored_agent& wanted,
                                              const change_context& context) {
  const agent_record& record = wanted.record;
  numbers_of_agent numbers;
  numbers.change = co_await next_change();
  const auto next = next_look(record.health, record.last_seen_at, record.ttl);
  std::string json = to_json_without_liveness(record);
  std::string statement =
      "INSERT INTO agents (agent_id, urn, name_claim, name_key, base_url_key, status, health, "
      "last_seen_ms, ttl_s, next_look_ms, version, change_seq, updated_ms, owner, card_etag, json, "
      "card_text) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, "
      "$17) ON CONFLICT DO NOTHING";
  statement += words_.returning_number;
  rows inserted = co_await execute(
      statement, record.profile.agent_id, record.urn, record.name_claim, wanted.name_key,
      wanted.base_url_key, number_of(record.status), number_of(record.health),
      or_null(in_ms(record.last_seen_at)), or_null(in_s(record.ttl)), or_null(in_ms(next)),
      record.profile.version, numbers.change, in_ms(record.profile.last_updated_at), record.owner,
      record.card_etag, json, record.card_text);
  if (!words_.number_inserted.empty()) {
    inserted = co_await execute(words_.number_inserted);
  }
  if (inserted.empty()) {
    give_back_change();
    const agent_claims claims = claims_of(wanted);
    const std::string nobody;
    auto refusal = co_await why_not_claim(claims, nobody);
    if (*refusal) {
      co_return **std::move(refusal);
    }
    co_return repository_error::unavailable("the agent was refused for no known reason");
  }
  numbers.sequence = inserted[0].integer(0);
  const bool is_first = co_await take_reply(context);
  if (!is_first) {
    is_to_be_taken_back_ = true;
    co_return reply_conflict(*context.reply);
  }
  co_await insert_found_by(wanted, numbers.sequence);
  count_tags(wanted, 1);
  if (!record.card_url.empty()) {
    co_await remember_card(numbers.sequence, context.at);
  }
  co_await record_change(record.profile, numbers.change, change_kind::registered, context.at);
  const std::string action = "register";
  std::string after =
      with_liveness(std::move(json), record.health, record.last_seen_at, record.ttl);
  co_await audit(context, action, record, std::string(), std::move(after));
  co_return numbers;
}

outcome<agent_record> transaction::replace(const stored_agent& wanted,
                                           const change_context& context,
                                           const std::string& action) {
  const std::string& agent_id = wanted.record.profile.agent_id;
  const auto before = co_await live(agent_id);
  if (!before) {
    co_return repository_error::not_found(agent_id);
  }
  if (before->profile.version != wanted.record.profile.version) {
    co_return repository_error::stale(agent_id);
  }
  stored_agent after = wanted;
  after.record = made_next(*before, wanted.record);
  agent_record& record = after.record;
  agent_claims claims = claims_of(after);
  claims.agent_id.clear();
  auto refusal = co_await why_not_claim(claims, agent_id);
  if (*refusal) {
    co_return **std::move(refusal);
  }
  const bool is_first = co_await take_reply(context);
  if (!is_first) {
    co_return reply_conflict(*context.reply);
  }
  record.change = co_await next_change();
  co_await execute(
      "UPDATE agents SET name_claim = $2, name_key = $3, base_url_key = $4, status = $5, "
      "version = $6, change_seq = $7, updated_ms = $8, card_etag = $9, json = $10, card_text = $11 "
      "WHERE seq = $1",
      record.sequence, record.name_claim, after.name_key, after.base_url_key,
      number_of(record.status), record.profile.version, record.change,
      in_ms(record.profile.last_updated_at), record.card_etag, to_json_without_liveness(record),
      record.card_text);
  const auto stored_before = prepared(*before);
  co_await delete_found_by(*stored_before, record.sequence);
  count_tags(*stored_before, -1);
  co_await insert_found_by(after, record.sequence);
  count_tags(after, 1);
  if (!record.card_url.empty()) {
    co_await remember_card(record.sequence, context.at);
  } else if (!before->card_url.empty()) {
    co_await forget_card(record.sequence);
  }
  co_await record_change(record.profile, record.change, change_kind::updated, context.at);
  std::string json_before = to_json(*before);
  std::string json_after = to_json(record);
  co_await audit(context, action, record, std::move(json_before), std::move(json_after));
  co_return record;
}

outcome<agent_record> transaction::remove(const std::string& agent_id,
                                          std::optional<std::int64_t> version,
                                          const change_context& context) {
  auto before = co_await live(agent_id);
  if (!before) {
    co_return repository_error::not_found(agent_id);
  }
  if (version && before->profile.version != *version) {
    co_return repository_error::stale(agent_id);
  }
  const bool is_first = co_await take_reply(context);
  if (!is_first) {
    co_return reply_conflict(*context.reply);
  }
  agent_record record = made_tombstone(*before, context.at);
  record.change = co_await next_change();
  co_await execute(
      "UPDATE agents SET deleted_ms = $2, next_look_ms = NULL, version = $3, change_seq = $4, "
      "updated_ms = $2, json = $5 WHERE seq = $1",
      record.sequence, in_ms(context.at), record.profile.version, record.change,
      to_json_without_liveness(record));
  const auto stored_before = prepared(*before);
  count_tags(*stored_before, -1);
  if (!before->card_url.empty()) {
    co_await forget_card(record.sequence);
  }
  co_await record_change(record.profile, record.change, change_kind::deleted, context.at);
  const std::string action = "delete";
  std::string json_before = to_json(*before);
  co_await audit(context, action, record, std::move(json_before), std::string());
  co_return record;
}

outcome<agent_record> transaction::rotate_owner(const std::string& agent_id,
                                                const std::string& owner,
                                                const change_context& context) {
  auto record = co_await live(agent_id);
  if (!record) {
    co_return repository_error::not_found(agent_id);
  }
  const bool is_first = co_await take_reply(context);
  if (!is_first) {
    co_return reply_conflict(*context.reply);
  }
  record->owner = owner;
  co_await execute("UPDATE agents SET owner = $2 WHERE seq = $1", record->sequence, owner);
  const std::string action = "rotate";
  const std::string json = to_json(*record);
  co_await audit(context, action, *record, json, json);
  co_return *std::move(record);
}

outcome<agent_record> transaction::touch(const std::string& agent_id, std::chrono::seconds ttl,
                                         timestamp now) {
  auto record = co_await live(agent_id);
  if (!record) {
    co_return repository_error::not_found(agent_id);
  }
  const bool is_news = record->health != agent_health::healthy;
  record->last_seen_at = now;
  record->ttl = ttl;
  record->health = agent_health::healthy;
  if (is_news) {
    record->change = co_await next_change();
    co_await record_change(record->profile, record->change, change_kind::health, now);
  }
  co_await execute(
      "UPDATE agents SET health = $2, last_seen_ms = $3, ttl_s = $4, next_look_ms = $5, "
      "change_seq = $6 WHERE seq = $1",
      record->sequence, number_of(record->health), in_ms(now), std::int64_t{ttl.count()},
      in_ms(now + ttl), record->change);
  co_return *std::move(record);
}

outcome<sweep_result> transaction::begin_sweep(timestamp now, timestamp started_at,
                                               double at_most) {
  co_await execute("DELETE FROM idempotency WHERE expires_ms <= $1", in_ms(now));
  const rows worse = co_await execute(
      "SELECT count(*) FROM agents WHERE next_look_ms <= $1 AND health = $2 "
      "AND ttl_s * 1000 <= $3",
      in_ms(now), number_of(agent_health::healthy), (now - started_at).count());
  sweep_result result;
  if (worse[0].integer(0) > 5) {
    const rows healthy = co_await execute(
        "SELECT count(*) FROM agents WHERE next_look_ms IS NOT NULL AND health = $1",
        number_of(agent_health::healthy));
    result.frozen = static_cast<double>(worse[0].integer(0)) >
                    at_most * static_cast<double>(healthy[0].integer(0));
  }
  co_return result;
}

outcome<sweep_result> transaction::sweep_some(timestamp now, timestamp started_at) {
  // Few at a time, because those that register meanwhile wait for this transaction.
  const rows found = co_await execute(
      "SELECT seq, agent_id, version, health, last_seen_ms, ttl_s FROM agents "
      "WHERE next_look_ms <= $1 AND ttl_s * CASE health WHEN $2 THEN 1000 ELSE 3000 END <= $3 "
      "ORDER BY seq LIMIT 200",
      in_ms(now), number_of(agent_health::healthy), (now - started_at).count());
  sweep_result result;
  for (const row& each : found) {
    agent_record record;
    record.sequence = each.integer(0);
    record.profile.agent_id = each.text(1);
    record.profile.version = each.integer(2);
    record.last_seen_at = from_ms(each.integer(4));
    record.ttl = from_s(each.integer(5));
    record.health = health_at(now, std::max(*record.last_seen_at, started_at), record.ttl);
    record.change = co_await next_change();
    const auto next = next_look(record.health, record.last_seen_at, record.ttl);
    co_await execute(
        "UPDATE agents SET health = $2, next_look_ms = $3, change_seq = $4 WHERE seq = $1",
        record.sequence, number_of(record.health), or_null(in_ms(next)), record.change);
    co_await record_change(record.profile, record.change, change_kind::health, now);
    ++(record.health == agent_health::stale ? result.stale : result.unreachable);
  }
  co_return result;
}

outcome<bool> transaction::looks_at_card(const std::string& agent_id, timestamp now) {
  const rows updated = co_await execute(
      "UPDATE card_looks SET last_ms = $2 WHERE agent_seq = "
      "(SELECT seq FROM agents WHERE agent_id = $1) RETURNING agent_seq",
      agent_id, in_ms(now));
  co_return !updated.empty();
}

outcome<bool> transaction::store_reply(const stored_reply& reply, timestamp now,
                                       std::size_t at_most) {
  const bool is_stored = co_await insert_reply(reply, now);
  co_await execute("DELETE FROM idempotency WHERE expires_ms <= $1", in_ms(now));
  co_await execute(
      "DELETE FROM idempotency WHERE number <= (SELECT max(number) FROM idempotency) - $1",
      clamped(at_most));
  co_return is_stored;
}

outcome<bool> transaction::create_key(const api_key& key) {
  const rows inserted = co_await execute(
      "INSERT INTO api_keys (id, sha256, role, label, created_ms, revoked_ms) "
      "VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING RETURNING number",
      key.id, key.sha256, key.role, key.label, in_ms(key.created_at),
      or_null(in_ms(key.revoked_at)));
  co_return !inserted.empty();
}

outcome<bool> transaction::revoke_key(const std::string& id, timestamp now) {
  const rows updated = co_await execute(
      "UPDATE api_keys SET revoked_ms = coalesce(revoked_ms, $2) WHERE id = $1 RETURNING number",
      id, in_ms(now));
  co_return !updated.empty();
}

outcome<bool> transaction::write_probe() {
  co_await execute(
      "INSERT INTO facts (name, value) VALUES ('probe', '0') "
      "ON CONFLICT (name) DO UPDATE SET value = CASE facts.value WHEN '0' THEN '1' ELSE '0' END");
  co_return true;
}

// ----- parts of the above

boost::asio::awaitable<std::optional<agent_record>> transaction::live(const std::string& agent_id) {
  std::optional<agent_record> record;
  auto found = co_await find(agent_id);
  if (found && !found->deleted_at) {
    record = *std::move(found);
  }
  co_return record;
}

boost::asio::awaitable<bool> transaction::insert_reply(const stored_reply& reply, timestamp now) {
  const rows inserted = co_await execute(
      "INSERT INTO idempotency (scope, key, number, fingerprint, status, headers, body, "
      "expires_ms) VALUES ($1, $2, (SELECT coalesce(max(number), 0) + 1 FROM idempotency), $3, $4, "
      "$5, $6, $7) "
      "ON CONFLICT (scope, key) DO UPDATE SET number = excluded.number, "
      "fingerprint = excluded.fingerprint, status = excluded.status, headers = excluded.headers, "
      "body = excluded.body, expires_ms = excluded.expires_ms "
      "WHERE idempotency.expires_ms <= $8 RETURNING number",
      reply.scope, reply.key, reply.fingerprint, std::int64_t{reply.status}, reply.headers,
      reply.body, in_ms(reply.expires_at), in_ms(now));
  co_return !inserted.empty();
}

boost::asio::awaitable<bool> transaction::take_reply(const change_context& context) {
  bool is_first = true;
  if (context.reply) {
    is_first = co_await insert_reply(*context.reply, context.at);
  }
  co_return is_first;
}

// Writing transactions take turns, so that nobody else takes this number, and one that is rolled
// back gives its number back: no gaps.
boost::asio::awaitable<std::int64_t> transaction::next_change() {
  if (last_change_ == 0) {
    const rows last = co_await execute("SELECT coalesce(max(change_seq), 0) FROM changes");
    last_change_ = last[0].integer(0);
  }
  co_return ++last_change_;
}

// Of the last one, before anything was written with it.
void transaction::give_back_change() noexcept {
  --last_change_;
}

boost::asio::awaitable<void> transaction::record_change(const agent_profile& of,
                                                        std::int64_t number, change_kind kind,
                                                        timestamp at) {
  co_await execute(
      "INSERT INTO changes (change_seq, agent_id, kind, version, at_ms) "
      "VALUES ($1, $2, $3, $4, $5)",
      number, of.agent_id, number_of(kind), of.version, in_ms(at));
  has_changes_ = true;
}

boost::asio::awaitable<void> transaction::audit(const change_context& context,
                                                const std::string& action,
                                                const agent_record& record, std::string before,
                                                std::string after) {
  co_await execute(
      "INSERT INTO audit (at_ms, actor, action, agent_id, before_json, after_json, request_id) "
      "VALUES ($1, $2, $3, $4, $5, $6, $7)",
      in_ms(context.at), context.actor, action, record.profile.agent_id, std::move(before),
      std::move(after), context.request_id);
}

boost::asio::awaitable<void> transaction::insert_found_by(const stored_agent& agent,
                                                          std::int64_t sequence) {
  for (const agent_term& term : agent.terms) {
    co_await execute("INSERT INTO agent_terms (kind, term, agent_seq) VALUES ($1, $2, $3)",
                     number_of(term.kind), term.text, sequence);
  }
  std::string words = joined(agent.words);
  co_await execute(words_.insert_words, sequence, std::move(words));
}

boost::asio::awaitable<void> transaction::delete_found_by(const stored_agent& agent,
                                                          std::int64_t sequence) {
  for (const agent_term& term : agent.terms) {
    co_await execute("DELETE FROM agent_terms WHERE kind = $1 AND term = $2 AND agent_seq = $3",
                     number_of(term.kind), term.text, sequence);
  }
  std::string words = joined(agent.words);
  co_await execute(words_.delete_words, sequence, std::move(words));
}

// A time that is there already stays: only a look changes it.
boost::asio::awaitable<void> transaction::remember_card(std::int64_t sequence, timestamp now) {
  co_await execute(
      "INSERT INTO card_looks (agent_seq, last_ms) VALUES ($1, $2) ON CONFLICT DO NOTHING",
      sequence, in_ms(now));
}

boost::asio::awaitable<void> transaction::forget_card(std::int64_t sequence) {
  co_await execute("DELETE FROM card_looks WHERE agent_seq = $1", sequence);
}

void transaction::count_tags(const stored_agent& agent, std::int64_t difference) {
  for (const agent_term& term : agent.terms) {
    if (term.kind == term_kind::tag) {
      tags_[term.text] += difference;
    }
  }
}

boost::asio::awaitable<void> transaction::finish() {
  for (const auto& [tag, difference] : tags_) {
    if (difference != 0) {
      co_await execute(
          "INSERT INTO tag_counts (tag, agents) VALUES ($1, $2) "
          "ON CONFLICT (tag) DO UPDATE SET agents = tag_counts.agents + excluded.agents",
          tag, difference);
    }
  }
}

}  // namespace marketplace::sql
