// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers
#pragma once

// The routes on the catalog in memory, without a socket.

#include <marketplace/in_memory_catalog.hpp>
#include <marketplace/secrets.hpp>
#include <marketplace/service.hpp>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>

#include <exception>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace marketplace_test {

inline marketplace::limit_options no_limits() {
  marketplace::limit_options limits;
  for (marketplace::rate_policy* each :
       {&limits.register_agent, &limits.search, &limits.write, &limits.preview}) {
    each->quota = 0;
  }
  return limits;
}

/// A whole service whose clock the test moves.
class serving {
 public:
  explicit serving(marketplace::limit_options limits = no_limits(),
                   marketplace::access_options guards = {})
      : guard(storage, std::move(guards)),
        one(storage, agents, guard, cards, measured, std::move(limits), std::string(32, 's')) {
    storage.on_change([this] { one.changes.notify(); });
    marketplace::add_v1_routes(routes, one);
    marketplace::add_python_routes(routes, one);
    marketplace::add_ard_routes(routes, one);
    marketplace::add_openapi_routes(routes);
    marketplace::add_operation_routes(routes, one);
    marketplace::add_web_routes(routes);
  }

  /// The response, as the server would write it.
  marketplace::http::response ask(std::string method, std::string target, std::string body = {},
                                  marketplace::http::name_values headers = {}) {
    marketplace::http::request r;
    r.method = std::move(method);
    r.target = std::move(target);
    r.body = std::move(body);
    r.peer = "192.0.2.1";
    r.id = "request-1";
    r.headers = std::move(headers);
    r.headers.emplace_back("host", "registry.example.com:8080");
    if (!r.body.empty() && !r.has_header("content-type")) {
      r.headers.emplace_back("content-type", "application/json");
    }
    time += std::chrono::milliseconds(1);
    try {
      return run(routes.find(r), r);
    } catch (const marketplace::http::problem& what) {
      const auto writer = routes.writer_of(r.path());
      return writer ? writer(what, r) : what.to_response(r.path(), r.id);
    }
  }
  marketplace::http::response get(std::string target, marketplace::http::name_values headers = {}) {
    return ask("GET", std::move(target), {}, std::move(headers));
  }
  marketplace::http::response post(std::string target, std::string body) {
    return ask("POST", std::move(target), std::move(body));
  }

  boost::asio::io_context context;
  marketplace::in_memory_catalog storage;
  marketplace::card_fetcher cards{context.get_executor(), marketplace::card_fetcher_options()};
  marketplace::metrics measured;
  marketplace::timestamp time{std::chrono::milliseconds(1'700'000'000'000)};
  marketplace::registry agents{storage, cards, marketplace::registry_options(),
                               [this] { return time; }};
  marketplace::access guard;
  marketplace::service one;
  marketplace::http::router routes;

 private:
  marketplace::http::response run(const marketplace::http::route& to,
                                  marketplace::http::request& r) {
    marketplace::http::response answer;
    std::exception_ptr failed;
    boost::asio::co_spawn(context, to.serve(r),
                          [&](const std::exception_ptr& error, marketplace::http::response made) {
                            failed = error;
                            answer = std::move(made);
                          });
    context.run();
    context.restart();
    if (failed) {
      std::rethrow_exception(failed);
    }
    return answer;
  }
};

inline boost::json::value json_of(const marketplace::http::response& answer) {
  return boost::json::parse(answer.body);
}

inline std::string header_of(const marketplace::http::response& answer, std::string_view name) {
  for (const auto& [each, value] : answer.headers) {
    if (each == name) {
      return value;
    }
  }
  return {};
}

}  // namespace marketplace_test
