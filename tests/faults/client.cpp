// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers

// A process of clients under test: its tasks take a lock, write at the resource under its token,
// and give it back; README.md describes the history, which goes to stdout. run.py starts it.
//
//   client --seed N --process NAME --name LOCK --hold SECONDS --ttl SECONDS
//          --resource HOST:PORT URL

#include <corolock/asio.hpp>
#include <corolock/async_mutex.hpp>
#include <corolock/cluster.hpp>

#include <boost/asio.hpp>
#include <boost/json.hpp>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstdlib>
#include <exception>
#include <functional>
#include <iostream>
#include <map>
#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>

namespace {

namespace net = boost::asio;
namespace json = boost::json;
using namespace std::chrono_literals;
using net::ip::tcp;
using std::chrono::milliseconds;

struct settings {
  std::uint64_t seed = 0;
  std::string process;
  std::string name;
  double hold = 0;
  std::chrono::seconds ttl{};
  std::string resource;
  std::string url;
};

std::int64_t nanoseconds(std::chrono::steady_clock::time_point t) {
  return std::chrono::nanoseconds(t.time_since_epoch()).count();
}

std::int64_t now() {
  return nanoseconds(std::chrono::steady_clock::now());
}

/// A lock that was granted, and its number in the history.
struct grant {
  corolock::distributed_guard guard;
  corolock::fencing_token token;
  std::int64_t number = 0;
};

class client {
 public:
  client(net::io_context& context, settings options)
      : context_(context), settings_(std::move(options)) {}

  net::awaitable<void> run() {
    constexpr int tasks = 3;
    for (int i = 0; i < tasks; ++i) {
      // Two in this process for one name, so that locks are handed over within it; one alone.
      const std::string name = settings_.name + (i < 2 ? "" : "2");
      net::co_spawn(context_, work(name, settings_.seed * tasks + static_cast<std::uint64_t>(i)),
                    [this](const std::exception_ptr& error) { ended(error); });
    }
    net::signal_set stop(context_, SIGTERM);
    co_await stop.async_wait(net::use_awaitable);
    stopping_ = true;
  }

 private:
  void ended(const std::exception_ptr& error) {
    if (error) {
      std::rethrow_exception(error);
    }
    if (++ended_ == 3 && session_ && !session_.is_lost()) {
      session_.async_close(net::detached);
    }
  }

  void record(std::string_view op, std::string_view name, std::int64_t invoked,
              std::string_view result, json::object more = {}) const {
    json::object line{
        {"process", settings_.process}, {"op", op},        {"name", name}, {"t_invoke", invoked},
        {"t_complete", now()},          {"result", result}};
    line.insert(more.begin(), more.end());
    // Straight to the kernel: who is killed loses nothing of what happened.
    const std::string text = json::serialize(line) + "\n";
    if (::write(STDOUT_FILENO, text.data(), text.size()) != static_cast<ssize_t>(text.size())) {
      throw std::runtime_error("the history cannot be written");
    }
  }

  static json::object what(const grant& g) {
    return {{"grant", g.number}, {"token", json::array{g.token.token, g.token.sequence}}};
  }

  net::awaitable<void> pause_for(std::chrono::duration<double> time) {
    if (stopping_) {
      co_return;
    }
    net::steady_timer timer(context_, std::chrono::ceil<net::steady_timer::duration>(time));
    co_await timer.async_wait(net::as_tuple(net::use_awaitable));
  }

  /// The process's session; another one when the last was lost. None when we are to stop.
  net::awaitable<corolock::session> connected() {
    const auto gate = co_await corolock::async_lock(connecting_, net::use_awaitable);
    while (!stopping_ && (!session_ || session_.is_lost())) {
      corolock::session_options options;
      options.ttl = settings_.ttl;
      bool failed = false;
      try {
        session_ = co_await corolock::async_connect(context_.get_executor(), settings_.url, options,
                                                    net::use_awaitable);
      } catch (const corolock::cluster_error& error) {
        std::cerr << settings_.process << ": " << error.what() << '\n';
        failed = true;
      }
      if (failed) {  // a server that is not there says so at once
        co_await pause_for(50ms);
      }
    }
    co_return session_;
  }

  net::awaitable<void> work(std::string name, std::uint64_t seed) {
    std::seed_seq mixed{seed, std::hash<std::string>()(settings_.process)};
    std::mt19937_64 random(mixed);
    tcp::socket resource(context_);
    const auto colon = settings_.resource.find(':');
    const auto port = static_cast<std::uint16_t>(std::stoi(settings_.resource.substr(colon + 1)));
    const tcp::endpoint there(net::ip::make_address(settings_.resource.substr(0, colon)), port);
    co_await resource.async_connect(there, net::use_awaitable);
    while (!stopping_) {
      const corolock::session s = co_await connected();
      if (stopping_) {
        break;
      }
      std::optional<grant> held = co_await acquire(corolock::distributed_mutex(s, name), random);
      if (!held) {
        co_await pause_for(20ms);
        continue;
      }
      const std::uint64_t writes = 1 + random() % 4;
      for (std::uint64_t i = 0; i < writes; ++i) {
        const bool accepted = co_await write(*held, name, resource);
        if (!accepted) {
          break;
        }
        std::uniform_real_distribution<> seconds(0, settings_.hold);
        co_await pause_for(std::chrono::duration<double>(seconds(random)));
      }
      co_await release(*held, name, random() % 4 == 0);
    }
  }

  net::awaitable<std::optional<grant>> acquire(corolock::distributed_mutex m,
                                               std::mt19937_64& random) {
    const std::int64_t invoked = now();
    grant mine;
    boost::system::error_code error;
    if (random() % 4 == 0) {
      const milliseconds limit(random() % 1500);
      std::tie(error, mine.guard) =
          co_await m.async_lock_for(limit, net::as_tuple(net::use_awaitable));
    } else {
      std::tie(error, mine.guard) = co_await m.async_lock(net::as_tuple(net::use_awaitable));
    }
    if (error) {
      record("acquire", m.name(), invoked, error == corolock::errc::timed_out ? "fail" : "info");
      co_return std::nullopt;
    }
    mine.token = mine.guard.token();
    mine.number = ++grants_;
    json::object more = what(mine);
    more["deadline"] = nanoseconds(mine.guard.deadline());
    record("acquire", m.name(), invoked, "ok", std::move(more));
    co_return mine;
  }

  net::awaitable<json::object> ask(const grant& g, const std::string& name, tcp::socket& resource,
                                   json::object request) {
    for (const auto& [key, value] : what(g)) {
      request[key] = value;
    }
    request["process"] = settings_.process;
    request["name"] = name;
    const std::string line = json::serialize(request) + "\n";
    co_await net::async_write(resource, net::buffer(line), net::use_awaitable);
    std::string answer;
    co_await net::async_read_until(resource, net::dynamic_buffer(answer), '\n', net::use_awaitable);
    co_return json::parse(answer).as_object();
  }

  /// One update under the token; false when the lock is gone.
  net::awaitable<bool> write(const grant& g, const std::string& name, tcp::socket& resource) {
    std::int64_t invoked = now();
    std::int64_t value = 0;
    json::object lost = what(g);
    bool is_held = g.guard.held();
    if (is_held) {
      // Who is rejected tells until when it believed in its lock.
      lost["deadline"] = nanoseconds(g.guard.deadline());
      json::object question{{"op", "read"}};
      const json::object answer = co_await ask(g, name, resource, std::move(question));
      value = answer.at("value").as_int64() + 1;
      invoked = now();
      is_held = answer.at("accepted").as_bool();
    }
    if (is_held) {
      lost.erase("deadline");
      is_held = g.guard.held();
    }
    if (!is_held) {
      record("lost", name, invoked, "ok", std::move(lost));
      co_return false;
    }
    json::object more = what(g);
    more["deadline"] = nanoseconds(g.guard.deadline());
    more["id"] = ++writes_;
    json::object question{{"op", "write"}, {"id", writes_}, {"value", value}};
    const json::object answer = co_await ask(g, name, resource, std::move(question));
    const bool accepted = answer.at("accepted").as_bool();
    record("write", name, invoked, accepted ? "ok" : "fail", std::move(more));
    co_return accepted;
  }

  net::awaitable<void> release(grant& g, const std::string& name, bool drops) {
    const std::int64_t invoked = now();
    if (drops) {
      record("release", name, invoked, "info", what(g));
      g.guard = {};
      co_return;
    }
    const auto [error, result] = co_await g.guard.async_release(net::as_tuple(net::use_awaitable));
    const bool is_known = !error && result != corolock::release_result::unknown;
    const bool was_held = result == corolock::release_result::released;
    record("release", name, invoked, !is_known ? "info" : was_held ? "ok" : "fail", what(g));
  }

  net::io_context& context_;
  settings settings_;
  corolock::session session_;
  corolock::async_mutex connecting_;
  bool stopping_ = false;
  int ended_ = 0;
  std::int64_t grants_ = 0;
  std::int64_t writes_ = 0;
};

settings read(int count, char** arguments) {
  settings result;
  std::map<std::string_view, std::function<void(std::string)>> options{
      {"--seed", [&](const std::string& v) { result.seed = std::stoull(v); }},
      {"--process", [&](std::string v) { result.process = std::move(v); }},
      {"--name", [&](std::string v) { result.name = std::move(v); }},
      {"--hold", [&](const std::string& v) { result.hold = std::stod(v); }},
      {"--ttl", [&](const std::string& v) { result.ttl = std::chrono::seconds(std::stoi(v)); }},
      {"--resource", [&](std::string v) { result.resource = std::move(v); }},
  };
  for (int i = 1; i < count; ++i) {
    const auto option = options.find(arguments[i]);
    if (option != options.end() && i + 1 < count) {
      option->second(arguments[++i]);
    } else {
      result.url = arguments[i];
    }
  }
  return result;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    net::io_context context;
    client one(context, read(argc, argv));
    net::co_spawn(context, one.run(), net::detached);
    context.run();
    return EXIT_SUCCESS;
  } catch (const std::exception& error) {
    std::cerr << "client: " << error.what() << '\n';
    return EXIT_FAILURE;
  }
}
