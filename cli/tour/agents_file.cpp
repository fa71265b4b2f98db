// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers

#include "tour/agents_file.hpp"

#include "tour/page.hpp"
#include <marketplace/agent_json.hpp>

#include <boost/uuid/random_generator.hpp>
#include <boost/uuid/uuid_io.hpp>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <memory>
#include <string_view>
#include <system_error>
#include <utility>

namespace corolock_cli {
namespace {

constexpr std::size_t megabytes_max = 16;

[[noreturn]] void fail(const std::string& path, const std::string& what) {
  throw file_error(shown(path, 200) + ": " + what);
}
[[noreturn]] void fail_with_errno(const std::string& path) {
  fail(path, std::generic_category().message(errno));
}

std::string contents_of(const std::string& path) {
  struct close {
    void operator()(std::FILE* file) const { std::fclose(file); }
  };
  const std::unique_ptr<std::FILE, close> file(std::fopen(path.c_str(), "rbe"));
  if (!file) {
    fail_with_errno(path);
  }
  std::string contents;
  std::array<char, 65536> buffer{};
  while (const std::size_t size = std::fread(buffer.data(), 1, buffer.size(), file.get())) {
    contents.append(buffer.data(), size);
    if (contents.size() > megabytes_max * 1024 * 1024) {
      fail(path, "is larger than " + std::to_string(megabytes_max) +
                     " MiB, which is more than the tour takes");
    }
  }
  if (std::ferror(file.get()) != 0) {
    fail_with_errno(path);
  }
  return contents;
}

bool is_blank(std::string_view line) {
  return line.find_first_not_of(" \t") == std::string_view::npos;
}

std::string no_agent_in(const agents_file& result) {
  std::string what = "has no valid agent";
  for (const line_error& error : result.errors) {
    what += "\n  line " + std::to_string(error.line) + ": " + error.what;
  }
  if (result.skipped.size() > result.errors.size()) {
    what +=
        "\n  and " + std::to_string(result.skipped.size() - result.errors.size()) + " more lines";
  }
  return what;
}

}  // namespace

std::string new_agent_id() {
  static boost::uuids::random_generator generate;
  return boost::uuids::to_string(generate());
}

agents_file read_agents(const std::string& path) {
  const std::string contents = contents_of(path);
  std::string_view rest = contents;
  if (rest.starts_with("\xef\xbb\xbf")) {  // the byte order mark that some editors put in front
    rest.remove_prefix(3);
  }
  if (rest.empty()) {
    fail(path, "is empty");
  }
  agents_file result;
  result.name = shown(path.substr(path.rfind('/') + 1), 40);
  for (std::size_t number = 1; !rest.empty(); ++number) {
    std::string_view line = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(std::min(rest.size(), line.size() + 1));
    if (line.ends_with('\r')) {
      line.remove_suffix(1);
    }
    if (is_blank(line)) {
      continue;
    }
    auto profile = marketplace::parse_registration(line);
    if (!profile) {
      result.skipped.push_back(number);
      if (result.errors.size() < errors_max) {
        result.errors.push_back({number, profile.error().message()});
      }
      continue;
    }
    if (profile->agent_id.empty()) {
      profile->agent_id = new_agent_id();
    }
    result.agents.push_back({number, *std::move(profile)});
  }
  if (result.agents.empty()) {
    fail(path, no_agent_in(result));
  }
  return result;
}

}  // namespace corolock_cli
