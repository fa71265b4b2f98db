// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers
#pragma once

// client_limits: how often each client may do a thing.

#include <corolock/rate_limiter.hpp>

#include <chrono>
#include <cstddef>
#include <list>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>

namespace marketplace {

/// So many requests in such a window, and as many at once after a pause.
struct rate_policy {
  std::string name;
  std::size_t quota = 0;  ///< 0: no limit
  std::chrono::seconds window{60};
};

struct rate_verdict {
  bool is_allowed = true;
  std::size_t remaining = 0;
  std::chrono::seconds retry_after{0};  ///< until the next request would be allowed
};

/// A rate limiter (GCRA) for each client. The table is bounded: the client that was not seen for
/// the longest time is forgotten first, which can only favour it. Not thread-safe. O(1).
template <class Clock = std::chrono::steady_clock>
class basic_client_limits {
 public:
  explicit basic_client_limits(rate_policy policy, std::size_t clients = 100'000)
      : policy_(std::move(policy)), clients_(clients) {}

  [[nodiscard]] const rate_policy& policy() const noexcept { return policy_; }
  [[nodiscard]] std::size_t size() const noexcept { return by_age_.size(); }

  /// Counts a request of this client, if it is allowed.
  rate_verdict take(const std::string& client) {
    if (policy_.quota == 0) {
      return {};
    }
    limiter_type& limiter = limiter_of(client);
    rate_verdict verdict;
    verdict.is_allowed = limiter.try_acquire();
    verdict.remaining = limiter.statistics().available;
    verdict.retry_after = std::chrono::ceil<std::chrono::seconds>(limiter.due() - Clock::now());
    if (verdict.retry_after.count() < 0) {
      verdict.retry_after = {};
    }
    return verdict;
  }

 private:
  using limiter_type = corolock::basic_rate_limiter<Clock, corolock::single_threaded>;
  struct entry {
    entry(std::string_view name, const rate_policy& policy)
        : client(name), limiter(policy.quota, policy.window, policy.quota) {}
    std::string client;
    limiter_type limiter;
  };

  limiter_type& limiter_of(const std::string& client) {
    const auto found = by_name_.find(client);
    if (found != by_name_.end()) {
      by_age_.splice(by_age_.begin(), by_age_, found->second);
      return by_age_.front().limiter;
    }
    if (by_age_.size() == clients_) {
      by_name_.erase(by_age_.back().client);
      by_age_.pop_back();
    }
    by_age_.emplace_front(client, policy_);
    by_name_.emplace(by_age_.front().client, by_age_.begin());
    return by_age_.front().limiter;
  }

  const rate_policy policy_;
  const std::size_t clients_;
  std::list<entry> by_age_;  // the last one seen first
  std::unordered_map<std::string_view, typename std::list<entry>::iterator> by_name_;
};

using client_limits = basic_client_limits<>;

}  // namespace marketplace
