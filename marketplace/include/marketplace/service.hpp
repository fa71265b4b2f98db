// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers
#pragma once

// service: all that the routes share.

#include <corolock/async_keyed_mutex.hpp>
#include <corolock/diagnostics.hpp>
#include <marketplace/access.hpp>
#include <marketplace/catalog.hpp>
#include <marketplace/change_signal.hpp>
#include <marketplace/client_limits.hpp>
#include <marketplace/http/router.hpp>
#include <marketplace/metrics.hpp>
#include <marketplace/registry.hpp>

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace marketplace {

struct limit_options {
  rate_policy register_agent{"register", 10, std::chrono::seconds(60)};
  rate_policy search{"search", 120, std::chrono::seconds(60)};
  rate_policy write{"write", 60, std::chrono::seconds(60)};
  rate_policy preview{"preview", 20, std::chrono::seconds(60)};
};

using rate_ticket = http::name_values;

/// What the routes work with. One executor: nothing in here is thread-safe but the locks and the
/// catalog.
class service {
 public:
  using idempotency_mutex = corolock::basic_async_keyed_mutex<std::string, corolock::multi_threaded,
                                                              corolock::diagnostics>;

  service(catalog& storage, registry& agents, access& guard, card_fetcher& cards, metrics& measured,
          limit_options limits, std::string secret);

  catalog& storage;
  registry& agents;
  access& guard;
  card_fetcher& cards;
  metrics& measured;

  client_limits registering;
  client_limits searching;
  client_limits writing;
  client_limits previewing;

  /// Requests with an Idempotency-Key that are being served.
  idempotency_mutex in_flight{"idempotency keys"};
  /// Notified when something changed, and when the service stops.
  change_signal changes;
  bool is_stopping = false;
  /// Where clients reach the service, "https://registry.example.com"; empty: by http, at the host
  /// that they name.
  std::string public_url;
  const std::chrono::steady_clock::time_point started_at = std::chrono::steady_clock::now();

  /// Counts a request against a limit; throws 429 when it is above. The headers that tell are to be
  /// added to the response.
  rate_ticket require_within(client_limits& limit, const caller& who) const;

  /// A cursor is opaque and signed: it fits the same list only.
  [[nodiscard]] std::string cursor_of(const list_position& position, std::string_view list) const;
  /// Throws 400 for a cursor that is not of this list, or of nobody's making.
  [[nodiscard]] list_position position_of(std::string_view cursor, std::string_view list) const;

 private:
  std::string secret_;
};

/// The value of a query's parameter; throws 400 if it is given twice.
std::optional<std::string> parameter(const http::request& r, std::string_view name);
/// All values of a parameter that may be repeated.
std::vector<std::string> parameters(const http::request& r, std::string_view name);
/// A whole number within limits; throws 400.
std::int64_t number_parameter(const http::request& r, std::string_view name, std::int64_t standard,
                              std::int64_t least, std::int64_t most);
/// Throws 400 for a parameter that is not among these.
void require_known_parameters(const http::request& r,
                              std::initializer_list<std::string_view> known);
/// Throws 415 unless the body is said to be JSON.
void require_json(const http::request& r);
/// Throws 406 if the client takes nothing of this type.
void require_accepts(const http::request& r, std::string_view type);
/// Whether a list of entity tags (If-Match, If-None-Match) has this one.
bool has_etag(std::string_view list, std::string_view etag, bool weak_too);

void add_v1_routes(http::router& to, service& s);
void add_python_routes(http::router& to, service& s);  ///< those of the Python service
void add_ard_routes(http::router& to, service& s);     ///< ARD and AI Catalog
void add_openapi_routes(http::router& to);             ///< the API's description, and its page
void add_operation_routes(http::router& to, service& s);
void add_web_routes(http::router& to);

}  // namespace marketplace
