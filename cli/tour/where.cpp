// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers

// Where: around the whole of check, lookup and store; on the marketplace's repository.

#include "tour/exploration.hpp"
#include "tour/rethrow.hpp"
#include "tour/storm.hpp"
#include "tour/tour.hpp"
#include <corolock/asio/timer.hpp>
#include <marketplace/in_memory_agent_repository.hpp>
#include <marketplace/no_lock.hpp>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <algorithm>
#include <chrono>
#include <map>
#include <string>
#include <vector>

namespace corolock_cli {
namespace {

namespace asio = boost::asio;
using asio::awaitable;
using asio::use_awaitable;

constexpr std::chrono::milliseconds lookup_time(20);
constexpr std::size_t ranges_shown = 8;

// In the place of a slow lookup: of the agent's own description over the network, say.
struct slow_lookup {
  std::size_t* count;

  awaitable<void> operator()(const marketplace::agent_profile&) const { return wait(*count); }
  static awaitable<void> wait(std::size_t& count) {
    ++count;
    corolock::asio::timer timer(co_await asio::this_coro::executor);
    timer.expires_after(lookup_time);
    co_await timer.async_wait(use_awaitable);
  }
};

struct measured_storm {
  storm_result result;
  std::size_t lookups = 0;
};

template <class Repository>
measured_storm run_storm(const marketplace::agent_profile& profile) {
  measured_storm storm;
  asio::io_context context;
  Repository repository(slow_lookup{&storm.lookups});
  storm.result = register_at_once(context, repository, profile);
  return storm;
}

std::string lookups_text(const measured_storm& storm) {
  return std::to_string(storm.lookups) + (storm.lookups == 1 ? " lookup" : " lookups");
}

// What became of the lines of the file.
struct registrations {
  std::vector<std::size_t> created;
  std::vector<std::size_t> refused;
  std::vector<line_error> errors;  // of the first errors_max of them
};

awaitable<void> register_all(marketplace::agent_repository& repository, const agents_file& agents,
                             registrations& result) {
  std::map<std::string, std::size_t> line_of;
  for (const agent_line& one : agents.agents) {
    const auto created = co_await repository.create_agent(one.profile);
    if (created) {
      line_of[created->agent_id] = one.line;
      result.created.push_back(one.line);
      continue;
    }
    result.refused.push_back(one.line);
    if (result.errors.size() < errors_max) {
      const std::string holder = created.error().holder();
      result.errors.push_back({one.line, created.error().message() + " (line " +
                                             std::to_string(line_of[holder]) + ")"});
    }
  }
}

// "lines 1-3, 5"
std::string ranges_of(const std::vector<std::size_t>& lines) {
  std::string text = lines.size() == 1 ? "line " : "lines ";
  std::size_t ranges = 0;
  for (auto at = lines.begin(); at != lines.end(); ++ranges) {
    if (ranges == ranges_shown) {
      return text + ", ...";
    }
    auto last = at;
    while (last + 1 != lines.end() && last[1] == *last + 1) {
      ++last;
    }
    text += (ranges == 0 ? "" : ", ") + std::to_string(*at);
    if (last != at) {
      text += "-" + std::to_string(*last);
    }
    at = last + 1;
  }
  return text;
}

void add_ranges(std::vector<std::string>& rows, const char* what,
                const std::vector<std::size_t>& lines) {
  if (!lines.empty()) {
    rows.push_back(what + ranges_of(lines));
  }
}
void add_errors(std::vector<std::string>& rows, const std::string& what,
                const std::vector<line_error>& errors, std::size_t total) {
  for (const line_error& error : errors) {
    rows.push_back("line " + std::to_string(error.line) + " " + what + ": " + error.what);
  }
  if (total > errors.size()) {
    rows.push_back("and " + std::to_string(total - errors.size()) + " more lines " + what);
  }
}

void show_file(page& out, const agents_file& agents) {
  asio::io_context context;
  marketplace::in_memory_agent_repository repository;
  registrations result;
  asio::co_spawn(context, register_all(repository, agents, result), &rethrow);
  context.run();

  out.paragraph("Now each line of " + agents.name +
                " once, into an empty repository with the lock:");
  out.result(std::to_string(result.created.size()) + " created, " +
             std::to_string(result.refused.size()) + " refused, " +
             std::to_string(agents.skipped.size()) + " skipped");
  std::vector<std::string> rows;
  add_ranges(rows, "created: ", result.created);
  add_ranges(rows, "refused: ", result.refused);
  add_ranges(rows, "skipped: ", agents.skipped);
  add_errors(rows, "refused", result.errors, result.refused.size());
  add_errors(rows, "skipped", agents.errors, agents.skipped.size());
  out.items(rows);
}

}  // namespace

void show_where(page& out, const agents_file& agents) {
  using unlocked = marketplace::basic_in_memory_agent_repository<marketplace::no_lock>;
  using locked = marketplace::in_memory_agent_repository;
  const agent_line& first = agents.agents.front();

  out.heading("2. Where");
  out.paragraph("Agents register with a marketplace, each base_url once. Its create_agent() does:");
  out.block({"check that nobody has this base_url",
             "co_await lookup(profile);   // slow, here 20 ms: other tasks run",
             "store the profile"});
  out.paragraph("Two tasks register the agent of line " + std::to_string(first.line) + " of " +
                agents.name + ", " + shown(first.profile.base_url, 50) +
                ", at the same time. Without a lock the explorer finds:");
  explore({"register", "unlocked", "lookup", first.profile.base_url}).show_failure(out);
  out.paragraph("Outside the explorer, " + std::to_string(storm_size) +
                " such tasks, without a lock:");
  const measured_storm without = run_storm<unlocked>(first.profile);
  out.result(without.result.text());
  out.paragraph("That makes " + std::to_string(without.result.stored - 1) + " duplicates and " +
                lookups_text(without) +
                ": all tasks made their check before the first one stored. Now with a lock, held "
                "from the check until the profile is stored. The explorer, and then the " +
                std::to_string(storm_size) + " tasks:");
  out.block({explore({"register", "locked", "lookup", first.profile.base_url}).verdict});
  const measured_storm with = run_storm<locked>(first.profile);
  out.result(with.result.text());
  out.paragraph("That took " + lookups_text(with) +
                ". The lock belongs around all three steps: around the store alone it would "
                "protect nothing. It is a lock per base_url, so other agents do not wait for it.");
  show_file(out, agents);
}

}  // namespace corolock_cli
