// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers

#include "tour/exploration.hpp"

#include "tour/other_program.hpp"

#include <cstddef>
#include <string_view>

namespace corolock_cli {

exploration explore(const std::vector<std::string>& arguments) {
  const std::string program = "corolock-explored";
  const std::string output = output_of(program, arguments);
  const std::vector<std::string_view> lines = split(output, '\n');
  if (lines.size() < 2) {
    fail_with(program, "printed something else than a verdict");
  }
  exploration result{std::string(lines[0]), std::string(lines[1]), {}, {}};
  for (std::size_t i = 2; i < lines.size(); ++i) {
    std::string_view line = lines[i];
    if (line.find('|') != line.npos || line.find("-+-") != line.npos) {
      result.table.emplace_back(line);
    } else if (!line.empty() && line.find("COROLOCK_REPLAY=") == line.npos &&
               line.find("As a test:") == line.npos) {
      line.remove_prefix(line.starts_with("  ") ? 2 : 0);
      result.notes.emplace_back(line);
    }
  }
  return result;
}

}  // namespace corolock_cli
