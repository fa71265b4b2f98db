// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers
#pragma once

// The programs beside this one, whose code is compiled in another way: timed, or explored.

#include <string>
#include <string_view>
#include <vector>

namespace corolock_cli {

/// Runs the program of this name and returns what it prints. Throws if it does not end well.
std::string output_of(const std::string& name, const std::vector<std::string>& arguments = {});

/// Throws: that program did not do what it is for.
[[noreturn]] void fail_with(const std::string& name, const std::string& what);

std::vector<std::string_view> split(std::string_view text, char separator);

}  // namespace corolock_cli
