// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers
#pragma once

// What the service asks of its storage: an agent_repository, and the search, the feed of changes,
// the audit trail, the idempotent replies and the keys that belong to one registry.

#include <marketplace/agent_record.hpp>
#include <marketplace/agent_repository.hpp>

#include <boost/asio/awaitable.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace marketplace {

/// What was answered to a request with an Idempotency-Key, to be answered again.
struct stored_reply {
  std::string scope;        ///< who, method and path
  std::string key;          ///< the client's
  std::string fingerprint;  ///< SHA-256 of the request's body
  int status = 0;
  std::string headers;  ///< lines "name: value\n"
  std::string body;
  timestamp expires_at;
};

/// Who changes something, and what is stored in the same transaction.
struct change_context {
  std::string actor;       ///< for the audit trail: a key's id, "owner", "anonymous 192.0.2.1"
  std::string request_id;  ///< of the audit trail, too
  timestamp at;            ///< the time of the change
  std::optional<stored_reply> reply;
};

/// What an agent claims for itself. Each is unique among the agents that are not deleted; agent_id
/// among all that ever were.
struct agent_claims {
  std::string agent_id;
  std::string base_url_key;
  std::string name_claim;  ///< empty: claims none
  std::string urn;         ///< empty: claims none
};

/// registered: the order in which they were, whatever their registered_at says.
enum class sort_order { registered, updated, name };

/// The place after one agent in a list. What does not change: an agent that is added or removed
/// elsewhere neither repeats nor hides one.
struct list_position {
  std::string value;  ///< of what is sorted by: a time, the name's key; empty for registered
  std::int64_t sequence = 0;
};

struct search_query {
  std::string text;  ///< words, each the beginning of one in name, description, tags or skills
  std::vector<std::string> tags;  ///< all of them
  std::string skill;              ///< its id
  std::string capability;
  std::string provider;
  std::optional<agent_health> health;
  std::optional<agent_status> status;  ///< a deleted agent has none of them
  std::string base_url_key;
  std::optional<timestamp> updated_since;
  bool include_deleted = false;
  sort_order sort = sort_order::registered;
  bool ascending = false;
  std::size_t limit = 50;
  std::size_t offset = 0;  ///< for the routes that count in offsets
  std::optional<list_position> after;
};

struct listed_agent {
  std::string agent_id;
  std::string json;  ///< to_json() of its record
  list_position position;
};

struct search_page {
  std::vector<listed_agent> agents;
  bool has_more = false;
};

enum class change_kind { registered, updated, deleted, health };

struct agent_change {
  std::int64_t sequence = 0;
  std::string agent_id;
  change_kind kind = change_kind::registered;
  std::int64_t version = 0;
  timestamp at;
};

struct audit_entry {
  std::int64_t sequence = 0;
  timestamp at;
  std::string actor;
  std::string action;  ///< "register", "update", "delete", "refresh", "rotate"
  std::string agent_id;
  std::string before_json;  ///< empty where there was none
  std::string after_json;
  std::string request_id;
};

struct api_key {
  std::string id;
  std::string sha256;  ///< of the secret, in hex
  std::string role;    ///< "admin", "publisher", "reader"
  std::string label;
  timestamp created_at;
  std::optional<timestamp> revoked_at;
};

struct tag_count {
  std::string tag;
  std::int64_t agents = 0;
};

/// What a sweep for missed heartbeats did.
struct sweep_result {
  std::size_t stale = 0;        ///< became so
  std::size_t unreachable = 0;  ///< became so
  bool frozen = false;          ///< nothing did, because too many would have at once
};

/// The interface of the service's storage. Like agent_repository: errors are values (unavailable
/// for what the storage itself could not do), any number of calls at once, time is the caller's.
///
/// **Cancellation.** A call that changes something cannot be cancelled once it has begun: whoever
/// holds locks for it keeps them until it is done. The others: total.
/// **Uniqueness** is decided in here, in the same transaction that stores, and nowhere else: what a
/// caller looked up before, under a lock of one process, is a courtesy.
class catalog : public agent_repository {
 public:
  template <class T>
  using result = boost::asio::awaitable<repository_result<T>>;

  // ----- agents

  /// Stores a new agent, as version 1. Errors: conflict (agent_id, base_url, agent_name, urn: the
  /// field and its holder; an agent_id that was deleted is held by itself), invalid.
  virtual result<agent_record> create(agent_record record, change_context context) = 0;

  /// Replaces an agent if it still has the version of `record`, which gets the next one; agent_id,
  /// urn, registered_at, owner, health and what belongs to it stay as they are stored.
  /// Errors: conflict, stale, not_found (a deleted one, too), invalid.
  virtual result<agent_record> replace(agent_record record, change_context context,
                                       std::string action = "update") = 0;

  /// Makes an agent a tombstone: its base_url and its name are free at once, its agent_id never is.
  /// With `version`, only if that is still its own. Errors: stale, not_found.
  virtual result<agent_record> remove(std::string agent_id, std::optional<std::int64_t> version,
                                      change_context context) = 0;

  /// Gives an agent another owner's token. Errors: not_found.
  virtual result<agent_record> rotate_owner(std::string agent_id, std::string owner,
                                            change_context context) = 0;

  /// An agent, tombstones too. Errors: not_found.
  virtual result<agent_record> find(std::string agent_id) = 0;
  virtual result<agent_record> find_by_urn(std::string urn) = 0;

  /// What create() would refuse of these claims, if anything; `except` is the claimer itself.
  virtual result<std::optional<repository_error>> why_not_claim(agent_claims claims,
                                                                std::string except = {}) = 0;

  // ----- lists

  virtual result<search_page> search(search_query query) = 0;
  /// How many there are; of the query, limit, offset, sort and after do not count.
  virtual result<std::int64_t> count(search_query query) = 0;
  /// The tags of agents that are not deleted, the most frequent first.
  virtual result<std::vector<tag_count>> tags(std::size_t limit) = 0;

  // ----- changes

  /// Up to `limit` changes after `since`, oldest first. The numbers have no gaps.
  virtual result<std::vector<agent_change>> changes(std::int64_t since, std::size_t limit) = 0;
  /// The number of the last change; 0 before the first.
  virtual result<std::int64_t> last_change() = 0;
  /// Called, from any thread, after a change was committed: by this process or, where the storage
  /// can tell, by another one. To be set before anything else is called.
  virtual void on_change(std::function<void()> told) = 0;
  /// The audit trail of an agent, newest first.
  virtual result<std::vector<audit_entry>> history(std::string agent_id, std::size_t limit) = 0;

  // ----- health

  /// A heartbeat: healthy from now on, until `ttl` has passed. Errors: not_found.
  virtual result<agent_record> touch(std::string agent_id, std::chrono::seconds ttl,
                                     timestamp now) = 0;
  /// Makes the health of each agent worse where health_at(now, ...) says so; only touch() makes it
  /// better. An agent last seen before `started_at` counts as seen then: nobody could reach a
  /// service that was down. But nothing becomes worse at all if that were more than the fraction
  /// `at_most` of the healthy agents in one sweep, and more than 5 of them: then it is the network
  /// that failed, or this host. Those that change are told in the feed, as change_kind::health.
  virtual result<sweep_result> sweep(timestamp now, timestamp started_at, double at_most) = 0;

  // ----- cards that were fetched

  /// Agents, not deleted, whose card nobody has looked at again since `before`: the longest ago
  /// first, their ids. The first look is the change that brought the card.
  virtual result<std::vector<std::string>> cards_to_look_at(timestamp before,
                                                            std::size_t limit) = 0;
  /// Somebody looks at the agent's card, now. No change of the agent: neither a version nor a line
  /// in the feed. False if there is no such agent, or no such card.
  virtual result<bool> looks_at_card(std::string agent_id, timestamp now) = 0;

  // ----- idempotent replies

  virtual result<std::optional<stored_reply>> find_reply(std::string scope, std::string key,
                                                         timestamp now) = 0;
  /// Stores a reply on its own; the first of two with one key stays. Drops those that have expired,
  /// and the oldest beyond `at_most`.
  virtual result<bool> store_reply(stored_reply reply, timestamp now, std::size_t at_most) = 0;

  // ----- keys

  virtual result<bool> create_key(api_key key) = 0;  ///< false if there is one with this id
  virtual result<std::vector<api_key>> keys() = 0;
  virtual result<bool> revoke_key(std::string id, timestamp now) = 0;  ///< false if there is none
  virtual result<std::optional<api_key>> find_key(std::string sha256) = 0;

  // ----- the storage itself

  /// 32 random bytes, made with the database and the same ever after: for signatures that every
  /// process on it can check.
  virtual result<std::string> secret() = 0;
  /// Whether it can be written to, now: writes something. Errors: unavailable, with the reason.
  virtual result<bool> check_writable() = 0;
  /// Waits for the writes that have begun, and takes no more.
  virtual boost::asio::awaitable<void> close() = 0;

  // ----- agent_repository, in terms of the above: without a card, an owner or an
  // actor; a name claims name_key()

  boost::asio::awaitable<repository_result<agent_profile>> create_agent(
      agent_profile profile) final;
  boost::asio::awaitable<repository_result<agent_profile>> get_agent(std::string agent_id) final;
  boost::asio::awaitable<repository_result<agent_profile>> update_agent(
      std::string agent_id, agent_profile profile) final;
  boost::asio::awaitable<repository_result<std::vector<agent_profile>>> list_agents(
      std::size_t limit = 100, std::size_t offset = 0) final;
  boost::asio::awaitable<repository_result<bool>> agent_exists(std::string agent_id) final;
};

/// What is measured of a storage: how long each kind of operation waited for a connection and took.
using storage_observer = std::function<void(
    std::string_view operation, std::chrono::nanoseconds waited, std::chrono::nanoseconds took)>;

}  // namespace marketplace
