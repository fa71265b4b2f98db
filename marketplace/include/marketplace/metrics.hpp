// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers
#pragma once

// metrics: what the service counts and measures, for Prometheus and for the page of the locks.

#include <corolock/diagnostics.hpp>
#include <marketplace/http/server.hpp>

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace marketplace {

/// A lock as the metrics see it.
struct watched_lock {
  std::string kind;  ///< "keyed mutex", "semaphore", ...
  const corolock::diagnostics* record = nullptr;
  struct state {
    std::size_t held = 0;
    std::size_t waiters = 0;
  };
  std::function<state()> look;
};

/// On prometheus-cpp. May be told things from any thread.
class metrics {
 public:
  metrics();
  metrics(const metrics&) = delete;
  metrics& operator=(const metrics&) = delete;
  ~metrics();

  void watch(watched_lock lock);
  /// A number that is looked up when it is asked for.
  void add_gauge(std::string name, std::string help, std::function<double()> look);

  void count_request(const http::served& what);
  void count_limited(std::string_view policy);
  void observe_storage(std::string_view operation, std::chrono::nanoseconds waited,
                       std::chrono::nanoseconds took);
  void count_card_look(std::string_view result);
  void count_sweep(std::size_t stale, std::size_t unreachable, bool frozen);

  /// In Prometheus' text format 0.0.4.
  [[nodiscard]] std::string text() const;
  /// The locks: {"locks": [...]} for the page.
  [[nodiscard]] std::string locks_json() const;

 private:
  class state;
  std::unique_ptr<state> state_;
};

}  // namespace marketplace
