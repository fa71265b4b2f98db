// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers

#include "tour/other_program.hpp"

#include "tour/own_folder.hpp"
#include "tour/page.hpp"

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <stdexcept>
#include <system_error>

namespace corolock_cli {

void fail_with(const std::string& name, const std::string& what) {
  throw std::runtime_error(shown(own_folder() + "/" + name, 300) + " " + what);
}

std::string output_of(const std::string& name, const std::vector<std::string>& arguments) {
  const std::string program = own_folder() + "/" + name;
  std::array<int, 2> ends{};
  if (pipe2(ends.data(), O_CLOEXEC) != 0) {
    fail_with(name, "cannot be started: " + std::generic_category().message(errno));
  }
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
  std::vector<std::string> words{program};
  words.insert(words.end(), arguments.begin(), arguments.end());
  std::vector<char*> pointers;
  pointers.reserve(words.size() + 1);
  for (std::string& word : words) {
    pointers.push_back(word.data());
  }
  pointers.push_back(nullptr);
  pid_t child = 0;
  const int error =
      posix_spawn(&child, program.c_str(), &actions, nullptr, pointers.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  close(ends[1]);
  if (error != 0) {
    close(ends[0]);
    fail_with(name, "cannot be started: " + std::generic_category().message(error));
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
    fail_with(name, "did not end well");
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

}  // namespace corolock_cli
