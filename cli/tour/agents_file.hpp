// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers
#pragma once

// Agents in JSON Lines: one registration per line.

#include <marketplace/agent_profile.hpp>

#include <cstddef>
#include <stdexcept>
#include <string>
#include <vector>

namespace corolock_cli {

struct agent_line {
  std::size_t line;
  marketplace::agent_profile profile;
};
/// What is wrong with a line.
struct line_error {
  std::size_t line;
  std::string what;
};

/// Of how many lines it is told what is wrong with them.
inline constexpr std::size_t errors_max = 10;

struct agents_file {
  std::string name;                  ///< fit to be shown
  std::vector<agent_line> agents;    ///< at least one
  std::vector<std::size_t> skipped;  ///< lines that are no valid agent
  std::vector<line_error> errors;    ///< of the first errors_max of them
};

class file_error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// Reads the file. Agents without an agent_id get one. Empty lines are left out, lines that
/// are no valid agent are in `skipped`.
/// Throws file_error, which names the file, if it cannot be read or has no valid agent.
agents_file read_agents(const std::string& path);

/// A new random UUID (version 4).
std::string new_agent_id();

}  // namespace corolock_cli
