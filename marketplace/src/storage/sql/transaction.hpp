// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers
#pragma once

// What a catalog does in one transaction, or one statement, whatever the database.

#include "../stored_agent.hpp"
#include "connection.hpp"
#include "dialect.hpp"

#include <boost/asio/awaitable.hpp>

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace marketplace::sql {

template <class T>
using outcome = boost::asio::awaitable<repository_result<T>>;

/// What a catalog gives an agent that it stores.
struct numbers_of_agent {
  std::int64_t sequence = 0;
  std::int64_t change = 0;
};

/// A transaction that has begun, or a savepoint in it, or a connection to read from. All functions
/// throw sql::error, after which what they wrote has to be taken back. One that returns an error
/// has written nothing, but where is_to_be_taken_back() says so.
class transaction {
 public:
  transaction(connection& database, const dialect& words) : database_(database), words_(words) {}

  [[nodiscard]] bool has_changes() const noexcept { return has_changes_; }
  [[nodiscard]] bool is_to_be_taken_back() const noexcept { return is_to_be_taken_back_; }

  // ----- writing

  outcome<numbers_of_agent> create(const stored_agent& wanted, const change_context& context);
  outcome<agent_record> replace(const stored_agent& wanted, const change_context& context,
                                const std::string& action);
  outcome<agent_record> remove(const std::string& agent_id, std::optional<std::int64_t> version,
                               const change_context& context);
  outcome<agent_record> rotate_owner(const std::string& agent_id, const std::string& owner,
                                     const change_context& context);
  outcome<agent_record> touch(const std::string& agent_id, std::chrono::seconds ttl, timestamp now);
  outcome<sweep_result> begin_sweep(timestamp now, timestamp started_at, double at_most);
  outcome<sweep_result> sweep_some(timestamp now, timestamp started_at);
  outcome<bool> looks_at_card(const std::string& agent_id, timestamp now);
  outcome<bool> store_reply(const stored_reply& reply, timestamp now, std::size_t at_most);
  outcome<bool> create_key(const api_key& key);
  outcome<bool> revoke_key(const std::string& id, timestamp now);
  outcome<bool> write_probe();

  /// Writes what is gathered until the end. To be called once, before the commit.
  boost::asio::awaitable<void> finish();

  // ----- reading

  outcome<agent_record> find(const std::string& agent_id);
  outcome<agent_record> find_by_urn(const std::string& urn);
  outcome<std::optional<repository_error>> why_not_claim(const agent_claims& claims,
                                                         const std::string& except);
  outcome<search_page> search(const search_query& query);
  outcome<std::int64_t> count(const search_query& query);
  outcome<std::vector<tag_count>> tags(std::size_t limit);
  outcome<std::vector<agent_change>> changes(std::int64_t since, std::size_t limit);
  outcome<std::int64_t> last_change();
  outcome<std::vector<audit_entry>> history(const std::string& agent_id, std::size_t limit);
  outcome<std::vector<std::string>> cards_to_look_at(timestamp before, std::size_t limit);
  outcome<std::optional<stored_reply>> find_reply(const std::string& scope, const std::string& key,
                                                  timestamp now);
  outcome<std::vector<api_key>> keys();
  outcome<std::optional<api_key>> find_key(const std::string& sha256);
  outcome<std::string> secret();

 private:
  template <class T>
  using awaitable = boost::asio::awaitable<T>;

  template <class... Values>
  awaitable<rows> execute(std::string_view statement, Values... parameters) {
    values list;
    list.reserve(sizeof...(parameters));
    (list.emplace_back(std::move(parameters)), ...);
    return database_.execute(statement, std::move(list));
  }

  awaitable<std::optional<agent_record>> live(const std::string& agent_id);
  awaitable<bool> insert_reply(const stored_reply& reply, timestamp now);
  awaitable<bool> take_reply(const change_context& context);
  awaitable<std::int64_t> next_change();
  void give_back_change() noexcept;
  awaitable<void> record_change(const agent_profile& of, std::int64_t number, change_kind kind,
                                timestamp at);
  awaitable<void> audit(const change_context& context, const std::string& action,
                        const agent_record& record, std::string before, std::string after);
  awaitable<void> insert_found_by(const stored_agent& agent, std::int64_t sequence);
  awaitable<void> delete_found_by(const stored_agent& agent, std::int64_t sequence);
  awaitable<void> remember_card(std::int64_t sequence, timestamp now);
  awaitable<void> forget_card(std::int64_t sequence);
  void count_tags(const stored_agent& agent, std::int64_t difference);

  connection& database_;
  const dialect& words_;
  bool has_changes_ = false;
  bool is_to_be_taken_back_ = false;
  std::int64_t last_change_ = 0;  // 0: not looked up yet
  // How many more agents have a tag; in the order of the tags, as everybody else writes them.
  std::map<std::string, std::int64_t> tags_;
};

}  // namespace marketplace::sql
