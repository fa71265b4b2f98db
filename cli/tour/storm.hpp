// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers
#pragma once

// Many tasks that register the same base_url at the same time.

#include "tour/agents_file.hpp"
#include "tour/rethrow.hpp"
#include <marketplace/agent_repository.hpp>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>

#include <cstddef>
#include <string>
#include <utility>

namespace corolock_cli {

struct storm_result {
  std::size_t created = 0;
  std::size_t refused = 0;
  std::size_t stored = 0;  ///< agents that are in the repository afterwards

  [[nodiscard]] std::string text() const {
    return std::to_string(created) + " created, " + std::to_string(refused) + " refused";
  }
};

inline constexpr std::size_t storm_size = 1000;

namespace detail {

inline boost::asio::awaitable<void> register_one(marketplace::agent_repository& repository,
                                                 marketplace::agent_profile profile,
                                                 storm_result& result) {
  const auto created = co_await repository.create_agent(std::move(profile));
  ++(created ? result.created : result.refused);
}
inline boost::asio::awaitable<void> count_stored(marketplace::agent_repository& repository,
                                                 storm_result& result) {
  const auto agents = co_await repository.list_agents(2 * storm_size);
  result.stored = agents ? agents->size() : 0;
}

}  // namespace detail

/// storm_size tasks on one thread, each with an agent_id of its own.
inline storm_result register_at_once(boost::asio::io_context& context,
                                     marketplace::agent_repository& repository,
                                     const marketplace::agent_profile& profile) {
  storm_result result;
  for (std::size_t i = 0; i < storm_size; ++i) {
    marketplace::agent_profile mine = profile;
    mine.agent_id = new_agent_id();
    boost::asio::co_spawn(context, detail::register_one(repository, std::move(mine), result),
                          &rethrow);
  }
  context.run();
  context.restart();
  boost::asio::co_spawn(context, detail::count_stored(repository, result), &rethrow);
  context.run();
  context.restart();
  return result;
}

}  // namespace corolock_cli
