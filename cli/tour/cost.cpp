// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers

// Cost: what the program corolock-timings measures, here and now.

#include "tour/own_folder.hpp"
#include "tour/tour.hpp"

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

namespace corolock_cli {
namespace {

[[noreturn]] void fail(const std::string& program, const std::string& what) {
  throw std::runtime_error("cannot measure the cost: " + shown(program, 300) + " " + what);
}

// Runs the program and returns what it prints.
std::string output_of(const std::string& program) {
  std::array<int, 2> ends{};
  if (pipe2(ends.data(), O_CLOEXEC) != 0) {
    fail(program, "cannot be started: " + std::generic_category().message(errno));
  }
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
  std::string name = program;
  std::array<char*, 2> arguments{name.data(), nullptr};
  pid_t child = 0;
  const int error = posix_spawn(&child, name.c_str(), &actions, nullptr, arguments.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  close(ends[1]);
  if (error != 0) {
    close(ends[0]);
    fail(program, "cannot be started: " + std::generic_category().message(error));
  }
  std::string output;
  std::array<char, 4096> buffer{};
  while (true) {
    const ssize_t size = read(ends[0], buffer.data(), buffer.size());
    if (size > 0) {
      output.append(buffer.data(), static_cast<std::size_t>(size));
    } else if (size == 0 || errno != EINTR) {
      break;
    }
  }
  close(ends[0]);
  int status = 0;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
    fail(program, "did not end well");
  }
  return output;
}

std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  while (!text.empty()) {
    parts.push_back(text.substr(0, text.find(separator)));
    text.remove_prefix(std::min(text.size(), parts.back().size() + 1));
  }
  return parts;
}

std::string right(std::string_view text, std::size_t width) {
  return std::string(width - std::min(width, text.size()), ' ') + std::string(text);
}

struct timing {
  std::string_view what, subject, median, deviation;  // nanoseconds
};

std::vector<timing> timings_in(std::string_view output, const std::string& program) {
  std::vector<timing> timings;
  for (const std::string_view line : split(output, '\n')) {
    const auto fields = split(line, '\t');
    if (fields.size() != 4) {
      fail(program, "printed something else than timings");
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
  const std::string program = own_folder() + "/corolock-timings";
  const std::string output = output_of(program);
  const std::vector<timing> timings = timings_in(output, program);
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
