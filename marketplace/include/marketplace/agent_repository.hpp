// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers
#pragma once

// The seam between the marketplace and its storage.

#include <marketplace/agent_profile.hpp>

#include <boost/asio/awaitable.hpp>
#include <boost/system/result.hpp>

#include <cstddef>
#include <string>
#include <utility>
#include <vector>

namespace marketplace {

/// Why a repository did not do what it was asked. Its texts are returned by value, because
/// result::error() is one, too: a reference into it would dangle.
class repository_error {
 public:
  enum class kind {
    conflict,     ///< another agent has this agent_id or base_url: field(), holder()
    stale,        ///< the agent was updated since its profile was read
    not_found,    ///< there is no agent with this agent_id
    invalid,      ///< the profile is not one that can be stored: field()
    unavailable,  ///< the storage does not answer; it may, later
  };

  repository_error() = default;
  static repository_error conflict(std::string field, std::string holder) {
    std::string message = field + (holder.empty() ? " is taken" : " is held by agent " + holder);
    return {kind::conflict, std::move(field), std::move(holder), std::move(message)};
  }
  static repository_error stale(const std::string& agent_id) {
    return {kind::stale, "version", {}, "agent " + agent_id + " was updated by somebody else"};
  }
  static repository_error not_found(const std::string& agent_id) {
    return {kind::not_found, "agent_id", {}, "there is no agent " + agent_id};
  }
  static repository_error invalid(std::string field, const std::string& what) {
    std::string message = field + " " + what;
    return {kind::invalid, std::move(field), {}, std::move(message)};
  }
  static repository_error unavailable(std::string message) {
    return {kind::unavailable, {}, {}, std::move(message)};
  }

  [[nodiscard]] kind why() const noexcept { return kind_; }
  /// The profile's field that it is about: "agent_id", "base_url", "version", or empty.
  [[nodiscard]] std::string field() const { return field_; }
  /// The agent_id of the agent that is in the way, or empty.
  [[nodiscard]] std::string holder() const { return holder_; }
  /// All of it in one sentence.
  [[nodiscard]] std::string message() const { return message_; }

 private:
  repository_error(kind why, std::string field, std::string holder, std::string message)
      : kind_(why),
        field_(std::move(field)),
        holder_(std::move(holder)),
        message_(std::move(message)) {}

  kind kind_ = kind::unavailable;
  std::string field_;
  std::string holder_;
  std::string message_;
};

template <class T>
using repository_result = boost::system::result<T, repository_error>;

/// Where agents are stored. No two of them have the same agent_id, or base_urls with the same key.
///
/// **Errors** are values. An exception is a failure of the program, such as std::bad_alloc, or
/// **cancellation:** boost::system::system_error with operation_aborted, as from every operation of
/// Asio. A call that was cancelled has either stored all that it was to store or nothing.
/// **Thread safety.** Any number of calls at once, from any threads.
/// **Time** is the caller's: the repository stores the timestamps that it is given.
class agent_repository {
 public:
  agent_repository() = default;
  agent_repository(const agent_repository&) = delete;
  agent_repository& operator=(const agent_repository&) = delete;
  virtual ~agent_repository() = default;

  /// Stores a new agent, as version 1. Returns it as it is stored.
  /// Errors: conflict, invalid, unavailable.
  virtual boost::asio::awaitable<repository_result<agent_profile>> create_agent(
      agent_profile profile) = 0;

  /// Errors: not_found, unavailable.
  virtual boost::asio::awaitable<repository_result<agent_profile>> get_agent(
      std::string agent_id) = 0;

  /// Replaces the agent's profile, but for its agent_id and registered_at, which stay. `profile` is
  /// what get_agent() returned, with changes: its version says which state was changed, so that two
  /// updates at once cannot undo each other. Returns it as it is stored, with the next version.
  /// Errors: conflict, stale, not_found, invalid, unavailable.
  virtual boost::asio::awaitable<repository_result<agent_profile>> update_agent(
      std::string agent_id, agent_profile profile) = 0;

  /// Up to `limit` agents, the one created last first, without the first `offset`.
  /// Errors: unavailable.
  virtual boost::asio::awaitable<repository_result<std::vector<agent_profile>>> list_agents(
      std::size_t limit = 100, std::size_t offset = 0) = 0;

  /// Errors: unavailable.
  virtual boost::asio::awaitable<repository_result<bool>> agent_exists(std::string agent_id) = 0;
};

}  // namespace marketplace
