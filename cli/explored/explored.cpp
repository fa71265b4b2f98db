// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers

// What the tour takes from the schedule explorer. The first line of the output is what the schedule
// that is shown has come to (or all of them, where none fails), the second one the verdict, and the
// rest, if it failed, the schedule.
//
//   corolock-explored count unlocked|locked
//   corolock-explored register unlocked|locked at-once|lookup BASE_URL

#include <corolock/explore/asio.hpp>
#include <marketplace/in_memory_agent_repository.hpp>
#include <marketplace/no_lock.hpp>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <exception>
#include <iostream>
#include <string>
#include <string_view>
#include <vector>

namespace {

namespace explore = corolock::explore;
using boost::asio::awaitable;
using boost::asio::use_awaitable;

// In the place of a database: others run until it answers.
awaitable<void> database() {
  co_await boost::asio::post(use_awaitable);
}

template <class Lock>
auto count_users(int& outcome) {
  return [&outcome](explore::world& w) {
    auto& users = w.shared<int>("users", 10);
    auto& mutex = w.make<Lock>("mutex");
    explore::spawn_n(w, "task", 2, [&users, &mutex]() -> awaitable<void> {
      [[maybe_unused]] auto guard = co_await async_lock(mutex, use_awaitable);
      const int count = users.get();
      co_await database();
      users.set(count + 1);
    });
    w.finally([&w, &users, &outcome] {
      outcome = users.value();
      w.require(outcome == 12, "two more users than 10");
    });
  };
}

marketplace::agent_profile agent(unsigned number, const std::string& base_url) {
  marketplace::agent_profile profile;
  profile.agent_id = "00000000-0000-4000-8000-00000000000" + std::to_string(number);
  profile.base_url = base_url;
  return profile;
}

awaitable<void> look_up(const marketplace::agent_profile&) {
  explore::mark("is free: looks it up");
  co_await database();
  explore::mark("stores it");
}

template <class Lock>
auto register_agents(int& outcome, bool looks_up, const std::string& base_url) {
  using repository_type = marketplace::basic_in_memory_agent_repository<Lock>;
  return [&outcome, looks_up, &base_url](explore::world& w) {
    auto& repository = w.make<repository_type>(
        "repository", looks_up ? marketplace::before_store(&look_up) : nullptr);
    auto& created = w.make<int>("created", 0);
    explore::spawn_n(
        w, "task", 2, [&repository, &created, &base_url](unsigned number) -> awaitable<void> {
          const auto result = co_await repository.create_agent(agent(number, base_url));
          explore::mark(result ? "is told: created" : "is told: refused");
          created += result ? 1 : 0;
        });
    w.finally([&w, &created, &outcome] {
      outcome = created;
      w.require(outcome == 1, "one agent has the base_url");
    });
  };
}

template <class Body>
void show(Body body, int& outcome) {
  const explore::result result = explore::check(body);
  if (result.failure) {
    explore::replay(result.failure->token, body);
  }
  std::cout << outcome << '\n' << result.text();
}

bool show_case(const std::vector<std::string>& words) {
  int outcome = 0;
  if (words.size() < 2 || (words[1] != "locked" && words[1] != "unlocked")) {
    return false;
  }
  const bool is_locked = words[1] == "locked";
  if (words[0] == "count" && words.size() == 2) {
    is_locked ? show(count_users<corolock::async_mutex>(outcome), outcome)
              : show(count_users<marketplace::no_lock>(outcome), outcome);
    return true;
  }
  if (words[0] != "register" || words.size() != 4 ||
      (words[2] != "lookup" && words[2] != "at-once")) {
    return false;
  }
  using locks = corolock::async_keyed_mutex<std::string>;
  const bool looks_up = words[2] == "lookup";
  is_locked ? show(register_agents<locks>(outcome, looks_up, words[3]), outcome)
            : show(register_agents<marketplace::no_lock>(outcome, looks_up, words[3]), outcome);
  return true;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    if (!show_case({argv + 1, argv + argc})) {
      std::cerr << "corolock-explored: called by the tour of corolock\n";
      return 2;
    }
    return std::cout.flush() ? 0 : 1;
  } catch (const std::exception& error) {
    std::cerr << "corolock-explored: " << error.what() << '\n';
    return 1;
  }
}
