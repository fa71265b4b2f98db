// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers
#pragma once

// The repository that forgets everything at the end of the program.

#include <corolock/asio/lock.hpp>
#include <corolock/async_keyed_mutex.hpp>
#include <marketplace/agent_repository.hpp>
#include <marketplace/base_url.hpp>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

namespace marketplace {

namespace detail {

// The agents and their indexes. Nothing is awaited in here, so what keeps threads apart is a
// std::mutex. Each function is one step; what must not happen between two of them is the caller's.
class agent_table {
 public:
  [[nodiscard]] std::optional<repository_error> why_not_insert(const agent_profile& profile,
                                                               const std::string& url_key) const {
    const std::lock_guard lock(mutex_);
    if (auto conflict = url_conflict(url_key, profile.agent_id)) {
      return conflict;
    }
    if (by_id_.contains(profile.agent_id)) {
      return repository_error::conflict("agent_id", profile.agent_id);
    }
    return std::nullopt;
  }

  void insert(const agent_profile& profile, const std::string& url_key) {
    const std::lock_guard lock(mutex_);
    const std::uint64_t number = ++last_number_;
    agents_.emplace(number, entry(profile, url_key));
    by_id_[profile.agent_id] = number;
    by_url_[url_key] = number;
  }

  [[nodiscard]] std::optional<repository_error> why_not_replace(const agent_profile& profile,
                                                                const std::string& url_key) const {
    const std::lock_guard lock(mutex_);
    const auto found = by_id_.find(profile.agent_id);
    if (found == by_id_.end()) {
      return repository_error::not_found(profile.agent_id);
    }
    if (agents_.at(found->second).profile.version != profile.version) {
      return repository_error::stale(profile.agent_id);
    }
    return url_conflict(url_key, profile.agent_id);
  }

  // Precondition: the agent exists. Returns what is stored.
  agent_profile replace(agent_profile profile, const std::string& url_key) {
    const std::lock_guard lock(mutex_);
    const std::uint64_t number = by_id_.at(profile.agent_id);
    entry& stored = agents_.at(number);
    profile.registered_at = stored.profile.registered_at;
    profile.version = stored.profile.version + 1;
    by_url_.erase(stored.url_key);
    by_url_[url_key] = number;
    stored = entry(profile, url_key);
    return profile;
  }

  [[nodiscard]] std::optional<agent_profile> find(const std::string& agent_id) const {
    const std::lock_guard lock(mutex_);
    const auto found = by_id_.find(agent_id);
    if (found == by_id_.end()) {
      return std::nullopt;
    }
    return agents_.at(found->second).profile;
  }

  [[nodiscard]] std::vector<agent_profile> list(std::size_t limit, std::size_t offset) const {
    const std::lock_guard lock(mutex_);
    std::vector<agent_profile> result;
    for (auto at = agents_.rbegin(); at != agents_.rend() && result.size() < limit; ++at) {
      if (offset > 0) {
        --offset;
      } else {
        result.push_back(at->second.profile);
      }
    }
    return result;
  }

 private:
  struct entry {
    entry(agent_profile p, std::string key) : profile(std::move(p)), url_key(std::move(key)) {}
    agent_profile profile;
    std::string url_key;
  };

  [[nodiscard]] std::optional<repository_error> url_conflict(const std::string& url_key,
                                                             const std::string& agent_id) const {
    const auto found = by_url_.find(url_key);
    if (found == by_url_.end()) {
      return std::nullopt;
    }
    const std::string& holder = agents_.at(found->second).profile.agent_id;
    if (holder == agent_id) {
      return std::nullopt;
    }
    return repository_error::conflict("base_url", holder);
  }

  mutable std::mutex mutex_;
  std::map<std::uint64_t, entry> agents_;  // by the order of their creation
  std::unordered_map<std::string, std::uint64_t> by_id_;
  std::unordered_map<std::string, std::uint64_t> by_url_;
  std::uint64_t last_number_ = 0;
};

}  // namespace detail

/// What has to be looked up between the checks of a profile and its storing, such as the agent's
/// own description of itself. What it throws ends the call, and nothing is stored.
using before_store = std::function<boost::asio::awaitable<void>(const agent_profile&)>;

/// Agents in memory. All operations take O(log agents), list_agents() O(limit + offset).
///
/// create_agent() and update_agent() hold a lock from the check of a profile until it is stored,
/// because there is a suspension point in between, at which another task could claim the same
/// base_url or agent_id. It is a keyed lock, on each key that is about to be claimed: tasks that
/// claim others do not wait. (Lock is a parameter so that one can see what happens without it.)
template <class Lock>
class basic_in_memory_agent_repository final : public agent_repository {
 public:
  explicit basic_in_memory_agent_repository(before_store lookup = nullptr)
      : lookup_(std::move(lookup)) {}

  boost::asio::awaitable<repository_result<agent_profile>> create_agent(
      agent_profile profile) override {
    const auto claim = claim_of(profile);
    if (!claim) {
      co_return claim.error();
    }
    [[maybe_unused]] auto guard =
        co_await async_lock_all(lock_, claim->keys, boost::asio::use_awaitable);
    if (auto refusal = table_.why_not_insert(profile, claim->url_key)) {
      co_return *std::move(refusal);
    }
    if (lookup_) {
      co_await lookup_(profile);
    }
    profile.version = 1;
    table_.insert(profile, claim->url_key);
    co_return profile;
  }

  boost::asio::awaitable<repository_result<agent_profile>> get_agent(
      std::string agent_id) override {
    auto found = table_.find(any_case(agent_id));
    if (!found) {
      co_return repository_error::not_found(agent_id);
    }
    co_return *std::move(found);
  }

  boost::asio::awaitable<repository_result<agent_profile>> update_agent(
      std::string agent_id, agent_profile profile) override {
    agent_id = any_case(agent_id);
    const auto claim = claim_of(profile);
    if (!claim) {
      co_return claim.error();
    }
    if (profile.agent_id != agent_id) {
      co_return why_not_renamed(agent_id, profile.agent_id);
    }
    [[maybe_unused]] auto guard =
        co_await async_lock_all(lock_, claim->keys, boost::asio::use_awaitable);
    if (auto refusal = table_.why_not_replace(profile, claim->url_key)) {
      co_return *std::move(refusal);
    }
    if (lookup_) {
      co_await lookup_(profile);
    }
    co_return table_.replace(std::move(profile), claim->url_key);
  }

  boost::asio::awaitable<repository_result<std::vector<agent_profile>>> list_agents(
      std::size_t limit = 100, std::size_t offset = 0) override {
    co_return table_.list(limit, offset);
  }

  boost::asio::awaitable<repository_result<bool>> agent_exists(std::string agent_id) override {
    co_return table_.find(any_case(agent_id)).has_value();
  }

 private:
  // What nobody else may have.
  struct claim_type {
    std::string url_key;
    std::array<std::string, 2> keys;  // of the lock
  };

  static std::string any_case(const std::string& agent_id) {
    return agent_id_key(agent_id).value_or(agent_id);
  }

  // Gives the profile's agent_id its one spelling, too.
  static repository_result<claim_type> claim_of(agent_profile& profile) {
    auto id = agent_id_key(profile.agent_id);
    if (!id) {
      return repository_error::invalid("agent_id", "is not a UUID");
    }
    profile.agent_id = *std::move(id);
    auto url = base_url_key(profile.base_url);
    if (!url) {
      return repository_error::invalid("base_url", url.error().message());
    }
    claim_type claim;
    claim.url_key = *std::move(url);
    claim.keys = {"agent_id " + profile.agent_id, "base_url " + claim.url_key};
    return claim;
  }

  [[nodiscard]] repository_error why_not_renamed(const std::string& from,
                                                 const std::string& to) const {
    if (!table_.find(from)) {
      return repository_error::not_found(from);
    }
    if (table_.find(to)) {
      return repository_error::conflict("agent_id", to);
    }
    return repository_error::invalid("agent_id", "of an agent cannot be changed");
  }

  Lock lock_;
  detail::agent_table table_;
  const before_store lookup_;
};

using in_memory_agent_repository =
    basic_in_memory_agent_repository<corolock::async_keyed_mutex<std::string>>;

}  // namespace marketplace
