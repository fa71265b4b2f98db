// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers

// Cost: what the program corolock-timings measures, here and now.

#include "tour/other_program.hpp"
#include "tour/tour.hpp"

#include <algorithm>
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace corolock_cli {
namespace {

constexpr const char* program = "corolock-timings";

std::string right(std::string_view text, std::size_t width) {
  return std::string(width - std::min(width, text.size()), ' ') + std::string(text);
}

struct timing {
  std::string_view what, subject, median, deviation;  // nanoseconds
};

std::vector<timing> timings_in(std::string_view output) {
  std::vector<timing> timings;
  for (const std::string_view line : split(output, '\n')) {
    const auto fields = split(line, '\t');
    if (fields.size() != 4) {
      fail_with(program, "printed something else than timings");
    }
    timings.push_back({fields[0], fields[1], fields[2], fields[3]});
  }
  return timings;
}

void show_case(page& out, const std::vector<timing>& timings, std::string_view what) {
  std::vector<std::string> rows;
  for (const timing& one : timings) {
    if (one.what == what) {
      std::string row(one.subject);
      row.resize(38, ' ');
      rows.push_back(row + right(one.median, 9) + " ns  +- " + std::string(one.deviation));
    }
  }
  out.block(rows);
}

}  // namespace

void show_cost(page& out) {
  out.heading("4. Cost");
  const std::string output = output_of(program);
  const std::vector<timing> timings = timings_in(output);
  out.paragraph(
      "Measured here and now: the median of 15 rounds, and the median deviation from it. To lock "
      "and unlock when nobody else wants to:");
  show_case(out, timings, "alone");
  out.paragraph(
      "To hand the lock to the next one that waits: 8 tasks, each of which gives way once while it "
      "holds the lock. The channel is what Asio users take for a lock so far. std::mutex knows no "
      "hand-off, and blocks its thread; here two threads take turns with it and a condition "
      "variable:");
  show_case(out, timings, "hand-off");
}

}  // namespace corolock_cli
