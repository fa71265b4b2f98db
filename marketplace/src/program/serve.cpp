// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers

#include "serve.hpp"

#include "singleton_task.hpp"
#include "storage.hpp"
#include <marketplace/card_refresher.hpp>
#include <marketplace/http/server.hpp>
#include <marketplace/storage_problem.hpp>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/use_future.hpp>

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <exception>
#include <iostream>
#include <optional>
#include <utility>

namespace marketplace {
namespace {

namespace asio = boost::asio;

timestamp wall_clock() {
  return std::chrono::floor<std::chrono::milliseconds>(std::chrono::system_clock::now());
}

void add_all_routes(http::router& to, service& s) {
  add_v1_routes(to, s);
  add_python_routes(to, s);
  add_ard_routes(to, s);
  add_openapi_routes(to);
  add_operation_routes(to, s);
  add_web_routes(to);
}

std::string text_of(const asio::ip::tcp::endpoint& endpoint) {
  const std::string address = endpoint.address().to_string();
  return "http://" + (endpoint.address().is_v6() ? "[" + address + "]" : address) + ":" +
         std::to_string(endpoint.port());
}

// All of a running service, made in the order in which its parts need each other.
class program {
 public:
  explicit program(const settings& with)
      : with_(with),
        storage_(open_storage(with.storage, context_,
                              [this](std::string_view operation, std::chrono::nanoseconds waited,
                                     std::chrono::nanoseconds took) {
                                measured_.observe_storage(operation, waited, took);
                              })) {}

  int run() {
    std::exception_ptr failed;
    asio::co_spawn(context_, main(),
                   [&failed](const std::exception_ptr& error) { failed = error; });
    context_.run();
    if (failed) {
      std::rethrow_exception(failed);
    }
    return EXIT_SUCCESS;
  }

 private:
  asio::awaitable<void> main() {
    storage_->on_change([this] {
      asio::post(context_, [this] {
        if (service_) {
          service_->changes.notify();
        }
      });
    });
    card_fetcher_options card_options;
    card_options.allow_http_and_loopback = with_.dev;
    cards_.emplace(context_.get_executor(), card_options);
    guard_.emplace(*storage_, access_options{with_.closed, with_.admin_key});
    registry_.emplace(*storage_, *cards_, with_.rules, wall_clock);
    service_.emplace(*storage_, *registry_, *guard_, *cards_, measured_, with_.limits,
                     valued(co_await storage_->secret()));
    service_->public_url = with_.public_url;
    watch();
    http::router routes;
    add_all_routes(routes, *service_);
    http::server_options options;
    options.trusted_proxies = with_.trusted_proxies;
    options.forwarded = with_.forwarded;
    server_.emplace(context_.get_executor(), std::move(routes), std::move(options),
                    [this](const http::served& what) {
                      measured_.count_request(what);
                      log::write_request(what);
                    });
    const auto endpoint = server_->listen(with_.listen);

    sweeper_.start();
    if (with_.refresh_cards.count() != 0) {
      refresher_.emplace(*storage_, *registry_, with_.refresh_cards,
                         [this](card_look result) { measured_.count_card_look(name_of(result)); });
      card_refresher_.start();
    }
    asio::co_spawn(context_, server_->run(), asio::detached);
    log::write(log::level::info, "started", {{"address", text_of(endpoint)}});
    std::cout << "marketplace: listening on " << text_of(endpoint) << '\n' << std::flush;

    asio::signal_set signals(context_, SIGINT, SIGTERM);
    co_await signals.async_wait(asio::use_awaitable);
    signals.clear();  // a second one ends the program at once
    log::write(log::level::info, "stopping");
    service_->is_stopping = true;
    service_->changes.notify();
    sweeper_.stop();
    card_refresher_.stop();
    co_await server_->stop(with_.grace);
    co_await storage_->close();
    log::write(log::level::info, "stopped");
    log::flush();
  }

  // What every route's work goes through, for /metrics and the page of the locks.
  void watch() {
    const auto keyed = [](const auto& mutex) {
      return [&mutex] {
        const auto now = mutex.statistics();
        return watched_lock::state{now.entries, now.waiters};
      };
    };
    measured_.watch(
        {"keyed mutex", &registry_->claims().diagnostics(), keyed(registry_->claims())});
    measured_.watch(
        {"keyed mutex", &service_->in_flight.diagnostics(), keyed(service_->in_flight)});
    measured_.watch({"keyed mutex", &cards_->hosts().diagnostics(), keyed(cards_->hosts())});
    measured_.watch({"semaphore", &cards_->slots().diagnostics(), [this] {
                       const auto now = cards_->slots().statistics();
                       const std::size_t all = card_fetcher_options().fetches_at_once;
                       return watched_lock::state{all - now.available, now.waiters};
                     }});
    measured_.add_gauge("marketplace_connections", "Connections of clients",
                        [this] { return static_cast<double>(server_->connections()); });
    measured_.add_gauge("marketplace_card_requests", "Requests for agent cards that went out",
                        [this] { return static_cast<double>(cards_->requests()); });
    measured_.add_gauge("marketplace_limited_clients", "Clients in the table of the register limit",
                        [this] { return static_cast<double>(service_->registering.size()); });
    measured_.add_gauge("marketplace_sweeper", "Whether this process looks for missed heartbeats",
                        [this] { return sweeper_.has_lock() ? 1.0 : 0.0; });
    measured_.add_gauge("marketplace_card_refresher", "Whether this process looks at cards again",
                        [this] { return card_refresher_.has_lock() ? 1.0 : 0.0; });
  }

  asio::awaitable<void> sweep() {
    const auto result = co_await storage_->sweep(wall_clock(), started_at_, with_.mass_expiry);
    if (!result) {
      log::write(log::level::warning, "sweep failed", {{"why", result.error().message()}});
      co_return;
    }
    measured_.count_sweep(result->stale, result->unreachable, result->frozen);
    if (result->frozen) {
      log::write(log::level::warning, "sweep frozen",
                 {{"why", "too many agents would have expired at once"}});
    }
  }

  asio::awaitable<void> refresh_cards() {
    try {
      co_await refresher_->run();
    } catch (const std::exception& error) {
      if (!service_->is_stopping) {
        log::write(log::level::warning, "cards are not refreshed", {{"why", error.what()}});
      }
    }
  }

  // In one process of all on this storage.
  singleton_task_options alone(std::string name, std::chrono::seconds interval) const {
    return {std::move(name), locks_of(with_.storage), interval};
  }

  const settings with_;
  asio::io_context context_{1};
  metrics measured_;
  std::unique_ptr<catalog> storage_;
  std::optional<card_fetcher> cards_;
  std::optional<access> guard_;
  std::optional<registry> registry_;
  std::optional<service> service_;
  std::optional<card_refresher> refresher_;
  std::optional<http::server> server_;
  singleton_task sweeper_{context_.get_executor(), alone("sweeper", with_.sweep_interval),
                          [this] { return sweep(); }};
  singleton_task card_refresher_{
      context_.get_executor(),
      alone("card refresher", std::min(with_.refresh_cards, std::chrono::seconds(60))),
      [this] { return refresh_cards(); }};
  const timestamp started_at_ = wall_clock();
};

}  // namespace

int serve(const settings& with) {
  log::set_level(with.log_level);
  return program(with).run();
}

void print_routes() {
  // The table alone: nothing is served, so there is nothing behind it.
  settings with;
  asio::io_context context(1);
  const auto storage = open_storage("memory", context, nullptr);
  metrics measured;
  card_fetcher cards(context.get_executor(), card_fetcher_options());
  access guard(*storage, access_options());
  registry agents(*storage, cards, with.rules, wall_clock);
  service s(*storage, agents, guard, cards, measured, with.limits, std::string(32, '\0'));
  http::router routes;
  add_all_routes(routes, s);
  for (const http::route& each : routes.routes()) {
    std::cout << each.method << ' ' << each.pattern << '\n';
  }
}

}  // namespace marketplace
