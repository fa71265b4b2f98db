// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers
#pragma once

// What the schedule explorer says of a case, by the program corolock-explored.

#include "tour/page.hpp"

#include <string>
#include <vector>

namespace corolock_cli {

struct exploration {
  std::string outcome;             ///< of the schedule that is shown, else of all of them
  std::string verdict;             ///< in a line
  std::vector<std::string> table;  ///< the schedule that fails
  std::vector<std::string> notes;  ///< why it fails, and what follows

  void show_failure(page& out) const {
    out.block(table);
    out.items(notes);
  }
};

/// The arguments are those of corolock-explored.
exploration explore(const std::vector<std::string>& arguments);

}  // namespace corolock_cli
