// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers

#include "schema.hpp"

#include "../secret.hpp"

#include <array>
#include <optional>
#include <span>

namespace marketplace::sql {
namespace {

using boost::asio::awaitable;

// Names of indexes say what they are for. `json` is all of an agent that to_json() shows but its
// health. Empty urns and name_claims claim nothing.
constexpr std::array<std::string_view, 21> first_version{
    R"(CREATE TABLE agents (
         seq @serial,
         agent_id @text NOT NULL UNIQUE,
         urn @text NOT NULL,
         name_claim @text NOT NULL,
         name_key @text NOT NULL,
         base_url_key @text NOT NULL,
         status @integer NOT NULL,
         health @integer NOT NULL,
         last_seen_ms @integer,
         ttl_s @integer,
         next_look_ms @integer,
         version @integer NOT NULL,
         change_seq @integer NOT NULL,
         updated_ms @integer NOT NULL,
         deleted_ms @integer,
         owner @text NOT NULL,
         card_etag @text NOT NULL,
         json @text NOT NULL,
         card_text @text NOT NULL) @rows)",
    "CREATE UNIQUE INDEX agents_unique_base_url ON agents (base_url_key) WHERE deleted_ms IS NULL",
    "CREATE UNIQUE INDEX agents_unique_urn ON agents (urn) "
    "WHERE deleted_ms IS NULL AND urn <> ''",
    "CREATE UNIQUE INDEX agents_unique_name ON agents (name_claim) "
    "WHERE deleted_ms IS NULL AND name_claim <> ''",
    "CREATE INDEX agents_deleted_urn ON agents (urn) WHERE deleted_ms IS NOT NULL",
    "CREATE INDEX agents_by_update ON agents (updated_ms, seq)",
    "CREATE INDEX agents_by_name ON agents (name_key, seq)",
    "CREATE INDEX agents_to_look_at ON agents (next_look_ms, health) "
    "WHERE next_look_ms IS NOT NULL",
    R"(CREATE TABLE agent_terms (
         kind @integer NOT NULL,
         term @text NOT NULL,
         agent_seq @integer NOT NULL,
         PRIMARY KEY (kind, term, agent_seq)) @keyed)",
    R"(CREATE TABLE tag_counts (
         tag @text NOT NULL PRIMARY KEY,
         agents @integer NOT NULL) @keyed)",
    "CREATE INDEX tag_counts_most_frequent ON tag_counts (agents DESC, tag)",
    R"(CREATE TABLE changes (
         change_seq @integer NOT NULL PRIMARY KEY,
         agent_id @text NOT NULL,
         kind @integer NOT NULL,
         version @integer NOT NULL,
         at_ms @integer NOT NULL) @rows)",
    R"(CREATE TABLE audit (
         id @serial,
         at_ms @integer NOT NULL,
         actor @text NOT NULL,
         action @text NOT NULL,
         agent_id @text NOT NULL,
         before_json @text NOT NULL,
         after_json @text NOT NULL,
         request_id @text NOT NULL) @rows)",
    "CREATE INDEX audit_of_agent ON audit (agent_id, id)",
    R"(CREATE TABLE idempotency (
         scope @text NOT NULL,
         key @text NOT NULL,
         number @integer NOT NULL,
         fingerprint @text NOT NULL,
         status @integer NOT NULL,
         headers @text NOT NULL,
         body @text NOT NULL,
         expires_ms @integer NOT NULL,
         PRIMARY KEY (scope, key)) @rows)",
    "CREATE INDEX idempotency_oldest ON idempotency (number)",
    "CREATE INDEX idempotency_expiring ON idempotency (expires_ms)",
    R"(CREATE TABLE api_keys (
         number @serial,
         id @text NOT NULL UNIQUE,
         sha256 @text NOT NULL,
         role @text NOT NULL,
         label @text NOT NULL,
         created_ms @integer NOT NULL,
         revoked_ms @integer) @rows)",
    "CREATE INDEX api_keys_secret ON api_keys (sha256)",
    "CREATE TABLE facts (name @text NOT NULL PRIMARY KEY, value @text NOT NULL) @keyed",
    "CREATE TABLE schema_version (version @integer NOT NULL) @rows",
};
// When each card that was fetched was last looked at. For an older database: a card that was given,
// which cannot be told here from one that was fetched, is looked at without being fetched.
constexpr std::array<std::string_view, 3> second_version{
    R"(CREATE TABLE card_looks (
         agent_seq @integer NOT NULL PRIMARY KEY,
         last_ms @integer NOT NULL) @rows)",
    "CREATE INDEX card_looks_oldest ON card_looks (last_ms)",
    "INSERT INTO card_looks (agent_seq, last_ms) "
    "SELECT seq, updated_ms FROM agents WHERE card_text <> '' AND deleted_ms IS NULL",
};
constexpr std::int64_t newest = 2;

std::string in_words_of(const dialect& words, std::string_view statement) {
  const std::array<std::pair<std::string_view, std::string_view>, 5> replacements{{
      {"@serial", words.serial},
      {"@integer", words.integer},
      {"@text", words.text},
      {"@rows", words.rows},
      {"@keyed", words.keyed},
  }};
  std::string result(statement);
  for (const auto& [name, word] : replacements) {
    for (std::size_t at = 0; (at = result.find(name, at)) != std::string::npos;) {
      result.replace(at, name.size(), word);
    }
  }
  return result;
}

// SQL has no other way to write bytes that both databases understand.
std::string in_hex(std::string_view bytes) {
  constexpr std::string_view digits = "0123456789abcdef";
  std::string text;
  text.reserve(2 * bytes.size());
  for (const char c : bytes) {
    const auto byte = static_cast<unsigned char>(c);
    text += digits[byte >> 4];
    text += digits[byte & 15];
  }
  return text;
}

awaitable<std::int64_t> version_of(connection& database, const dialect& words) {
  const rows has_schema = co_await database.execute(words.has_schema, values());
  if (has_schema.empty()) {
    co_return 0;
  }
  const rows version = co_await database.execute("SELECT version FROM schema_version", values());
  co_return version.at(0).integer(0);
}

awaitable<void> execute_all(connection& database, const dialect& words,
                            std::span<const std::string_view> statements) {
  for (const std::string_view statement : statements) {
    const std::string in_words = in_words_of(words, statement);
    co_await database.execute(in_words, values());
  }
}

awaitable<void> create(connection& database, const dialect& words) {
  co_await execute_all(database, words, first_version);
  for (const std::string_view statement : words.schema_of_words) {
    co_await database.execute(statement, values());
  }
  values secret;
  secret.emplace_back(in_hex(new_secret()));
  co_await database.execute("INSERT INTO facts (name, value) VALUES ('secret', $1)",
                            std::move(secret));
  co_await database.execute("INSERT INTO schema_version (version) VALUES (1)", values());
}

// From the first version to the newest.
awaitable<void> update(connection& database, const dialect& words) {
  co_await execute_all(database, words, second_version);
  values version;
  version.emplace_back(newest);
  co_await database.execute("UPDATE schema_version SET version = $1", std::move(version));
}

awaitable<void> migrate_within(connection& database, const dialect& words) {
  const std::int64_t version = co_await version_of(database, words);
  if (version > newest) {
    throw error("its schema has version " + std::to_string(version) +
                    ", and this program knows none beyond " + std::to_string(newest) +
                    ": a newer one made it",
                error::what_is_left::transaction);
  }
  if (version == 0) {
    co_await create(database, words);
  }
  if (version < newest) {
    co_await update(database, words);
  }
}

}  // namespace

awaitable<void> migrate(connection& database, const dialect& words) {
  co_await database.connect();
  for (const std::string_view statement : words.begin) {
    co_await database.execute(statement, values());
  }
  std::optional<error> failure;
  try {
    co_await migrate_within(database, words);
    co_await database.execute("COMMIT", values());
  } catch (const error& e) {
    failure = e;
  }
  if (failure && failure->left() == error::what_is_left::transaction) {
    co_await database.execute("ROLLBACK", values());
  }
  if (failure) {
    throw error(*failure);
  }
}

}  // namespace marketplace::sql
