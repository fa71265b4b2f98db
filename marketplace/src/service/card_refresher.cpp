// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers

#include <marketplace/card_refresher.hpp>
#include <marketplace/storage_problem.hpp>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <algorithm>
#include <exception>
#include <utility>

namespace marketplace {
namespace {

namespace asio = boost::asio;

constexpr std::size_t at_a_time = 100;

}  // namespace

card_refresher::card_refresher(catalog& agents, registry& rules, std::chrono::seconds interval,
                               std::function<void(card_look)> told)
    : agents_(agents), rules_(rules), interval_(interval), told_(std::move(told)) {}

asio::awaitable<void> card_refresher::run() {
  using namespace asio::experimental::awaitable_operators;  // NOLINT(google-build-using-namespace)
  bool is_last = false;
  while (!is_last) {
    next_ = valued(co_await agents_.cards_to_look_at(rules_.now() - interval_, at_a_time));
    is_last = next_.size() < at_a_time;
    std::reverse(next_.begin(), next_.end());
    co_await (look_at_the_next() && look_at_the_next() && look_at_the_next() && look_at_the_next());
    if (const auto failed = std::exchange(failed_, nullptr)) {
      std::rethrow_exception(failed);
    }
  }
}

asio::awaitable<void> card_refresher::look_at_the_next() {
  try {
    const auto executor = co_await asio::this_coro::executor;
    while (!next_.empty()) {
      std::string agent_id = std::move(next_.back());
      next_.pop_back();
      // On a thread of its own: from where it stores on it cannot be cancelled, and this one can.
      const card_look found = co_await asio::co_spawn(
          executor, rules_.look_at_card(std::move(agent_id)), asio::use_awaitable);
      told_(found);
    }
  } catch (...) {  // run() throws the first, when all four have ended
    failed_ = failed_ ? failed_ : std::current_exception();
    next_.clear();
  }
}

std::string_view name_of(card_look result) {
  switch (result) {
    case card_look::unchanged: return "unchanged";
    case card_look::changed: return "changed";
    case card_look::failed: return "failed";
    case card_look::overtaken: break;
  }
  return "overtaken";
}

}  // namespace marketplace
