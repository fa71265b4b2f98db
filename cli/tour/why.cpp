// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers

// Why: two tasks, one count, and a suspension point between reading and writing it.

#include "tour/rethrow.hpp"
#include "tour/tour.hpp"
#include <corolock/asio/lock.hpp>
#include <corolock/async_mutex.hpp>
#include <marketplace/no_lock.hpp>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <concepts>
#include <string>
#include <utility>
#include <vector>

namespace corolock_cli {
namespace {

namespace asio = boost::asio;
using asio::awaitable;
using asio::use_awaitable;

struct transcript {
  std::vector<event> events;

  void add(std::size_t task, std::string what) { events.push_back({task, std::move(what)}); }
};

// In the place of a database: others run until it answers.
awaitable<void> database() {
  co_await asio::post(use_awaitable);
}

template <class Lock>
awaitable<void> add_user(Lock& mutex, int& users, transcript& seen, std::size_t task) {
  constexpr bool locks = !std::same_as<Lock, marketplace::no_lock>;
  if (locks) {
    seen.add(task, "asks for the lock");
  }
  auto guard = co_await async_lock(mutex, use_awaitable);
  if (locks) {
    seen.add(task, "has the lock");
  }

  const int count = users;
  seen.add(task, "reads " + std::to_string(count));
  seen.add(task, "awaits the database");
  co_await database();
  users = count + 1;
  seen.add(task, "writes " + std::to_string(users));

  if (locks) {
    seen.add(task, "unlocks");
  }
  guard.unlock();
}

template <class Lock>
int run_two_tasks(transcript& seen) {
  asio::io_context context;
  Lock mutex;
  int users = 10;
  for (std::size_t task = 0; task < 2; ++task) {
    asio::co_spawn(context, add_user(mutex, users, seen, task), &rethrow);
  }
  context.run();
  return users;
}

}  // namespace

void show_why(page& out) {
  out.heading("1. Why");
  out.paragraph(
      "Two tasks on one thread each count a new user. There are 10 so far, and the database has to "
      "be asked in between:");
  out.block({"const int count = users;   // read",
             "co_await database();       // suspended here: the other task runs",
             "users = count + 1;         // write"});
  out.paragraph("What the two tasks did, from top to bottom:");
  transcript unlocked;
  const int without = run_two_tasks<marketplace::no_lock>(unlocked);
  out.interleaving(unlocked.events, 2);
  out.result("without the lock: " + std::to_string(without));

  out.paragraph(
      "Both read the count before either wrote it, and one user is lost. Now the same two tasks, "
      "with a lock taken first:");
  out.block({"auto guard = co_await corolock::async_lock(mutex, use_awaitable);"});
  transcript locked;
  const int with = run_two_tasks<corolock::async_mutex>(locked);
  out.interleaving(locked.events, 2);
  out.result("with the lock: " + std::to_string(with));
}

}  // namespace corolock_cli
