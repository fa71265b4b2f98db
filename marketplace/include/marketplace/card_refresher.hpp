// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers
#pragma once

// card_refresher: cards that were fetched are looked at again, so that no listing shows for ever
// what an agent could do on the day that it was registered.

#include <marketplace/catalog.hpp>
#include <marketplace/registry.hpp>

#include <boost/asio/awaitable.hpp>

#include <chrono>
#include <exception>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace marketplace {

/// Four at a time, of the sixteen fetches that there may be: who registers an agent does not wait
/// behind it. Each agent's look is stored before its host is asked, so that one pass after another,
/// or after a crash, goes on with the next. On one executor.
class card_refresher {
 public:
  card_refresher(catalog& agents, registry& rules, std::chrono::seconds interval,
                 std::function<void(card_look)> told);

  /// Looks at every card at which nobody has looked for an interval. Throws http::problem if the
  /// storage fails; then the rest is for the next call. Cancellation: terminal; a card that is
  /// being stored is stored.
  boost::asio::awaitable<void> run();

 private:
  boost::asio::awaitable<void> look_at_the_next();

  catalog& agents_;
  registry& rules_;
  const std::chrono::seconds interval_;
  const std::function<void(card_look)> told_;
  std::vector<std::string> next_;  // the last one first
  std::exception_ptr failed_;
};

/// "unchanged", "changed", "failed", "overtaken".
std::string_view name_of(card_look result);

}  // namespace marketplace
