// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers

// What those who run the service ask it.

#include <marketplace/service.hpp>
#include <marketplace/storage_problem.hpp>

#include <string>
#include <utility>

namespace marketplace {
namespace {

using boost::asio::awaitable;
using http::json_response;
using http::request;
using http::response;

// The process serves requests.
awaitable<response> get_healthz(service&, request&) {
  co_return json_response(200, R"({"status":"ok"})").with("Cache-Control", "no-store");
}

// It can do its work: the storage takes writes.
awaitable<response> get_readyz(service& s, request&) {
  if (s.is_stopping) {
    throw http::problem::unavailable("the service is stopping");
  }
  valued(co_await s.storage.check_writable());
  co_return json_response(200, R"({"status":"ready"})").with("Cache-Control", "no-store");
}

awaitable<response> get_metrics(service& s, request&) {
  co_return response(200, "text/plain; version=0.0.4; charset=utf-8", s.measured.text())
      .with("Cache-Control", "no-store");
}

awaitable<response> get_locks(service& s, request&) {
  const std::chrono::duration<double> up = std::chrono::steady_clock::now() - s.started_at;
  std::string body = s.measured.locks_json();
  body.pop_back();
  body += ",\"uptime_s\":" + std::to_string(up.count()) + "}";
  co_return json_response(200, std::move(body)).with("Cache-Control", "no-store");
}

}  // namespace

void add_operation_routes(http::router& to, service& s) {
  using serve = awaitable<response> (*)(service&, request&);
  const auto add = [&](std::string pattern, serve function) {
    to.add({"GET", std::move(pattern), [&s, function](request& r) { return function(s, r); },
            nullptr, false});
  };
  add("/healthz", get_healthz);
  add("/readyz", get_readyz);
  add("/metrics", get_metrics);
  add("/v1/locks", get_locks);
}

}  // namespace marketplace
