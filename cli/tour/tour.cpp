// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers

#include "tour/tour.hpp"

#include "tour/own_folder.hpp"

#include <iostream>
#include <stdexcept>

namespace corolock_cli {

std::string sample_file() {
  return own_folder() + "/agents.jsonl";
}

int run_tour(const std::string& file) {
  const agents_file agents = read_agents(file);
  page out;
  out.heading("corolock: why a lock, where it belongs, when it is needed, and what it costs");
  out.paragraph("Nothing below is canned: it is computed now, by the code that it is about.");
  show_why(out);
  show_where(out, agents);
  show_when(out, agents);
  show_cost(out);
  out.heading("What to try next");
  out.block({
      "./dev run FILE                       this tour with your own agents, one JSON object a line",
      "./dev test                           see every guarantee proved",
      "examples/01_first_lock.cpp           the first of a few short programs to read and change",
      "docs/explanation/where-why-when.md   a checklist: does this code need a lock?",
      "docs/how-to/from-asyncio.md          Python's words and ours, side by side",
      "docs/reference/                      every lock: what it promises and what it costs",
  });
  if (!std::cout) {
    throw std::runtime_error("cannot write to standard output");
  }
  return 0;
}

}  // namespace corolock_cli
