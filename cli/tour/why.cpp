// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers

// Why: two tasks, one count, and a suspension point between reading and writing it.

#include "tour/exploration.hpp"
#include "tour/tour.hpp"

namespace corolock_cli {

void show_why(page& out) {
  out.heading("1. Why");
  out.paragraph(
      "Two tasks on one thread each count a new user. There are 10 so far, and the database has to "
      "be asked in between:");
  out.block({"const int count = users;   // read",
             "co_await database();       // suspended here: the other task runs",
             "users = count + 1;         // write"});
  out.paragraph(
      "The schedule explorer runs them in every order of their steps that can matter. This is the "
      "shortest one that loses a user, one column per task, from top to bottom, with the lines of "
      "cli/explored/explored.cpp:");
  const exploration without = explore({"count", "unlocked"});
  without.show_failure(out);
  out.result("without the lock: " + without.outcome);

  out.paragraph("Now the same two tasks, with a lock taken first, in every order again:");
  out.block({"auto guard = co_await corolock::async_lock(mutex, use_awaitable);"});
  const exploration with = explore({"count", "locked"});
  out.block({with.verdict});
  out.result("with the lock: " + with.outcome);
}

}  // namespace corolock_cli
