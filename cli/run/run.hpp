// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers
#pragma once

// `corolock run`: a command that runs while a lock is held, as flock(1) does on one machine.

#include <chrono>
#include <optional>
#include <string>
#include <vector>

namespace corolock_cli {

struct run_options {
  std::string lock;
  std::string on;
  std::optional<std::chrono::milliseconds> wait;  // none: for ever
  std::chrono::milliseconds ttl{10'000};
  std::vector<std::string> command;
};

/// What it ends with when it is not with the command's own code, or 128 and a signal's number.
namespace exit_code {
inline constexpr int not_obtained = 121;
inline constexpr int lost = 122;
inline constexpr int no_server = 123;
inline constexpr int not_executable = 126;
inline constexpr int not_found = 127;
}  // namespace exit_code

/// "500ms", "30s", "5m", "2h", or a number of seconds. None if it is no duration.
std::optional<std::chrono::milliseconds> parse_duration(const std::string& text);

/// The exit code.
int run_locked(const run_options& options);

}  // namespace corolock_cli
