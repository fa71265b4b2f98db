// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers

// When: the same repository, with and without a suspension point inside the section.

#include "tour/storm.hpp"
#include "tour/tour.hpp"
#include <marketplace/in_memory_agent_repository.hpp>
#include <marketplace/no_lock.hpp>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <string>
#include <vector>

namespace corolock_cli {
namespace {

namespace asio = boost::asio;

// As short as a database call can be: it comes back the next time that the loop goes round.
asio::awaitable<void> call_database(const marketplace::agent_profile&) {
  co_await asio::post(asio::use_awaitable);
}

template <class Repository>
storm_result run_storm(const marketplace::agent_profile& profile,
                       marketplace::before_store lookup) {
  asio::io_context context;
  Repository repository(std::move(lookup));
  return register_at_once(context, repository, profile);
}

std::string row(std::string what, const storm_result& result) {
  what.resize(46, ' ');
  return what + result.text();
}

}  // namespace

void show_when(page& out, const agents_file& agents) {
  using unlocked = marketplace::basic_in_memory_agent_repository<marketplace::no_lock>;
  using locked = marketplace::in_memory_agent_repository;
  const marketplace::agent_profile& profile = agents.agents.front().profile;

  out.heading("3. When");
  out.paragraph("The same " + std::to_string(storm_size) +
                " tasks and the same code, but at first nothing is awaited between check and "
                "store. On one thread tasks change places only at a co_await, so no task can come "
                "in between. "
                "Then somebody adds a database call:");
  std::vector<std::string> rows;
  rows.push_back(row("no lock, no co_await in between:", run_storm<unlocked>(profile, nullptr)));
  rows.push_back(
      row("no lock, a database call in between:", run_storm<unlocked>(profile, &call_database)));
  rows.push_back(
      row("the lock, a database call in between:", run_storm<locked>(profile, &call_database)));
  out.block(rows);
  out.paragraph(
      "So a lock is needed when all three hold: state is shared, it is changed, and there is a "
      "suspension point between reading and writing it. Where the third is missing there is "
      "nothing "
      "to lock yet. A lock may still be good practice there: the day the co_await comes, nothing "
      "else will warn you.");
}

}  // namespace corolock_cli
