// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers
#pragma once

// The catalog in a database, whatever the database.

#include <marketplace/catalog.hpp>

#include <memory>

namespace marketplace {

/// What is in the base of sqlite_catalog and postgresql_catalog.
///
/// Writes share transactions: those that come while one is being committed are all in the next one.
/// Reads take one of a few connections; those that find none free wait in order, and that wait can
/// be cancelled. A read that has a connection is not cancelled either.
/// **Executors.** It works on threads of its own; the calls resume on the caller's executor.
/// **Lifetime.** It outlives the calls. Its destructor waits for the writes that have begun.
class sql_catalog : public catalog {
 public:
  ~sql_catalog() override;

  result<agent_record> create(agent_record record, change_context context) override;
  result<agent_record> replace(agent_record record, change_context context,
                               std::string action = "update") override;
  result<agent_record> remove(std::string agent_id, std::optional<std::int64_t> version,
                              change_context context) override;
  result<agent_record> rotate_owner(std::string agent_id, std::string owner,
                                    change_context context) override;
  result<agent_record> find(std::string agent_id) override;
  result<agent_record> find_by_urn(std::string urn) override;
  result<std::optional<repository_error>> why_not_claim(agent_claims claims,
                                                        std::string except = {}) override;

  result<search_page> search(search_query query) override;
  result<std::int64_t> count(search_query query) override;
  result<std::vector<tag_count>> tags(std::size_t limit) override;

  result<std::vector<agent_change>> changes(std::int64_t since, std::size_t limit) override;
  result<std::int64_t> last_change() override;
  void on_change(std::function<void()> told) override;
  result<std::vector<audit_entry>> history(std::string agent_id, std::size_t limit) override;

  result<agent_record> touch(std::string agent_id, std::chrono::seconds ttl,
                             timestamp now) override;
  result<sweep_result> sweep(timestamp now, timestamp started_at, double at_most) override;
  result<std::vector<std::string>> cards_to_look_at(timestamp before, std::size_t limit) override;
  result<bool> looks_at_card(std::string agent_id, timestamp now) override;

  result<std::optional<stored_reply>> find_reply(std::string scope, std::string key,
                                                 timestamp now) override;
  result<bool> store_reply(stored_reply reply, timestamp now, std::size_t at_most) override;

  result<bool> create_key(api_key key) override;
  result<std::vector<api_key>> keys() override;
  result<bool> revoke_key(std::string id, timestamp now) override;
  result<std::optional<api_key>> find_key(std::string sha256) override;

  result<std::string> secret() override;
  result<bool> check_writable() override;
  boost::asio::awaitable<void> close() override;

 protected:
  class engine;
  explicit sql_catalog(std::unique_ptr<engine> with);

 private:
  const std::unique_ptr<engine> engine_;
};

}  // namespace marketplace
