// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers

// When: the same repository, with and without a suspension point inside the section.

#include "tour/exploration.hpp"
#include "tour/tour.hpp"

#include <string>
#include <vector>

namespace corolock_cli {
namespace {

std::string row(std::string what, const exploration& found) {
  what.resize(42, ' ');
  return what + found.verdict;
}

}  // namespace

void show_when(page& out, const agents_file& agents) {
  const std::string& url = agents.agents.front().profile.base_url;

  out.heading("3. When");
  out.paragraph(
      "The same repository and the same tasks in the explorer, but at first nothing is awaited "
      "between check and store. On one thread tasks change places only at a co_await, so no task "
      "can come in between. Then somebody adds a database call:");
  out.block(
      {row("no lock, no co_await in between:", explore({"register", "unlocked", "at-once", url})),
       row("no lock, a database call in between:",
           explore({"register", "unlocked", "lookup", url})),
       row("the lock, a database call in between:",
           explore({"register", "locked", "lookup", url}))});
  out.paragraph(
      "So a lock is needed when all three hold: state is shared, it is changed, and there is a "
      "suspension point between reading and writing it. Where the third is missing there is "
      "nothing to lock yet: the lock would only state an intent. That may still be good practice: "
      "the day the co_await comes, nothing else will warn you.");
}

}  // namespace corolock_cli
