// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers

// The measurements of `./dev bench cluster` that one process makes; run.py starts the servers and
// the processes. Each prints numbers, a line for a sample:
//
//   pairs URL BLOCKS ROUNDS      "floor lock": medians of blocks of bare round trips and of lock
//                                and unlock, in turn, in ns
//   holder URL CORO|RPC SECONDS  "granted released": each grant, on the monotonic clock, in ns
//   crowd URL TASKS              "tasks tokens": how many grants of the server that many local
//                                waiters cost

#include "cluster/etcd/gateway.hpp"
#include "cluster/postgresql/connection.hpp"
#include <corolock/cluster.hpp>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/json/object.hpp>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <exception>
#include <functional>
#include <iostream>
#include <memory>
#include <set>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace {

namespace net = boost::asio;
namespace json = boost::json;
namespace etcd = corolock::cluster::detail::etcd;
namespace postgresql = corolock::cluster::detail::postgresql;
using clock = std::chrono::steady_clock;
using corolock::cluster::detail::strand;
using net::awaitable;
using net::use_awaitable;
using namespace std::chrono_literals;

constexpr std::string_view name = "bench";

std::int64_t now_ns() {
  return std::chrono::nanoseconds(clock::now().time_since_epoch()).count();
}

std::int64_t median(std::vector<std::int64_t> of) {
  const auto middle = of.begin() + static_cast<std::ptrdiff_t>(of.size() / 2);
  std::nth_element(of.begin(), middle, of.end());
  return *middle;
}

bool is_etcd(std::string_view url) {
  return url.starts_with("etcd");
}

// A bare round trip: what cannot be had cheaper from this server over this connection.
class bare {
 public:
  // On a strand, as a session is.
  bare(const net::any_io_executor& executor, const std::string& url) {
    const strand on(executor);
    if (is_etcd(url)) {
      gateway_ = std::make_unique<etcd::gateway>(on, etcd::parse_url(url), 5s);
    } else {
      connection_ = std::make_shared<postgresql::connection>(on, url);
    }
  }

  awaitable<void> open() {
    if (connection_) {
      co_await connection_->connect(clock::now() + 5s);
    }
  }
  awaitable<void> trip() {
    if (gateway_) {
      json::object question{{"key", etcd::base64("nothing")}, {"serializable", true}};
      const etcd::reply got = co_await gateway_->ask("/v3/kv/range", std::move(question));
      require(got);
    } else {
      co_await connection_->ask("SELECT 1", clock::now() + 5s);
    }
  }
  void close() {
    if (connection_) {
      connection_->close("it is not needed any more");
    }
  }
  etcd::gateway& gateway() { return *gateway_; }

  static void require(const etcd::reply& got) {
    if (got.is != etcd::reply::kind::answered) {
      throw std::runtime_error("etcd: " + got.message);
    }
  }

 private:
  std::unique_ptr<etcd::gateway> gateway_;
  std::shared_ptr<postgresql::connection> connection_;
};

template <class Work>
awaitable<std::int64_t> timed(Work work, int rounds) {
  std::vector<std::int64_t> samples;
  samples.reserve(static_cast<std::size_t>(rounds));
  for (int i = 0; i < rounds; ++i) {
    const std::int64_t began = now_ns();
    co_await work();
    samples.push_back(now_ns() - began);
  }
  co_return median(std::move(samples));
}

awaitable<void> pairs(net::any_io_executor on, std::string url, int blocks, int rounds) {
  bare floor(on, url);
  co_await floor.open();
  const corolock::session s = co_await corolock::async_connect(on, url, {}, use_awaitable);
  const corolock::distributed_mutex mutex(s, name);
  const auto trip = [&floor]() -> awaitable<void> { co_await floor.trip(); };
  const auto lock = [&mutex]() -> awaitable<void> {
    corolock::distributed_guard guard = co_await mutex.async_lock(use_awaitable);
    co_await guard.async_release(use_awaitable);
  };
  co_await timed(trip, rounds / 5 + 1);  // connections and watches are opened
  co_await timed(lock, rounds / 5 + 1);
  for (int i = 0; i < blocks; ++i) {
    const std::int64_t bare_ns = co_await timed(trip, rounds);
    const std::int64_t lock_ns = co_await timed(lock, rounds);
    std::cout << bare_ns << ' ' << lock_ns << '\n';
  }
  floor.close();
  co_await s.async_close(use_awaitable);
}

awaitable<void> hold_ours(net::any_io_executor on, std::string url, clock::time_point until) {
  const corolock::session s = co_await corolock::async_connect(on, url, {}, use_awaitable);
  const corolock::distributed_mutex mutex(s, name);
  while (clock::now() < until) {
    auto [failed, guard] = co_await mutex.async_lock(net::as_tuple(use_awaitable));
    if (failed) {
      throw std::runtime_error(failed.message() + ": " + s.problem());
    }
    const std::int64_t granted = now_ns();
    std::cout << granted << ' ' << now_ns() << '\n';
    co_await guard.async_release(use_awaitable);
  }
  co_await s.async_close(use_awaitable);
}

// etcd's own lock, for comparison. It is not to be used: see docs/how-to/lock-on-etcd.md.
awaitable<void> hold_by_rpc(net::any_io_executor on, std::string url, clock::time_point until) {
  bare server(on, url);
  etcd::gateway& gateway = server.gateway();
  json::object grant{{"TTL", "60"}};
  const etcd::reply lease = co_await gateway.ask("/v3/lease/grant", std::move(grant));
  bare::require(lease);
  const json::value id = lease.body.at("ID");
  while (clock::now() < until) {
    json::object question{{"name", etcd::base64("rpc")}, {"lease", id}};
    const etcd::reply locked = co_await gateway.ask("/v3/lock/lock", std::move(question));
    bare::require(locked);
    const std::int64_t granted = now_ns();
    std::cout << granted << ' ' << now_ns() << '\n';
    json::object release{{"key", locked.body.at("key")}};
    const etcd::reply unlocked = co_await gateway.ask("/v3/lock/unlock", std::move(release));
    bare::require(unlocked);
  }
  json::object revocation{{"ID", id}};
  co_await gateway.ask("/v3/lease/revoke", std::move(revocation));
}

awaitable<void> crowd(net::any_io_executor on, std::string url, int tasks) {
  const corolock::session s = co_await corolock::async_connect(on, url, {}, use_awaitable);
  const corolock::distributed_mutex mutex(s, name);
  std::set<std::uint64_t> tokens;
  int done = 0;
  const auto one = [&mutex, &tokens, &done]() -> awaitable<void> {
    corolock::distributed_guard guard = co_await mutex.async_lock(use_awaitable);
    tokens.insert(guard.token().token);
    co_await guard.async_release(use_awaitable);
    ++done;
  };
  for (int i = 1; i < tasks; ++i) {
    net::co_spawn(on, one(), [](const std::exception_ptr& failed) {
      if (failed) {
        std::rethrow_exception(failed);
      }
    });
  }
  co_await one();  // the last in the queue
  while (done < tasks) {
    co_await net::post(use_awaitable);
  }
  std::cout << done << ' ' << tokens.size() << '\n';
  co_await s.async_close(use_awaitable);
}

awaitable<void> work(const net::any_io_executor& on, const std::vector<std::string>& words) {
  const std::string& what = words.at(0);
  const std::string& url = words.at(1);
  if (what == "pairs") {
    return pairs(on, url, std::stoi(words.at(2)), std::stoi(words.at(3)));
  }
  if (what == "crowd") {
    return crowd(on, url, std::stoi(words.at(2)));
  }
  if (what != "holder") {
    throw std::invalid_argument(what + ": not one of pairs, holder and crowd");
  }
  const auto until = clock::now() + std::chrono::seconds(std::stoi(words.at(3)));
  return words.at(2) == "RPC" ? hold_by_rpc(on, url, until) : hold_ours(on, url, until);
}

}  // namespace

int main(int count, char** arguments) {
  try {
    net::io_context context;
    const net::any_io_executor on = context.get_executor();
    std::exception_ptr failed;
    net::co_spawn(on, work(on, {arguments + 1, arguments + count}),
                  [&](const std::exception_ptr& why) { failed = why; });
    context.run();
    if (failed) {
      std::rethrow_exception(failed);
    }
    return 0;
  } catch (const std::exception& error) {
    std::cerr << "bench_cluster: " << error.what() << '\n';
    return 1;
  }
}
