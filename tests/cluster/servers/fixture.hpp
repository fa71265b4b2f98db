// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers
#pragma once

// What the tests of what may go wrong share, whatever the server.

#include "engines.hpp"
#include <corolock/cluster.hpp>
#include <support/asio.hpp>

#include <boost/asio/bind_executor.hpp>
#include <boost/asio/io_context.hpp>
#include <gtest/gtest.h>

#include <chrono>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace corolock_test {

inline bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

/// A server's port in its URL, and the URL with another.
inline std::pair<std::size_t, std::size_t> place_of_port(const std::string& url) {
  const std::size_t begin = url.rfind(':') + 1;
  return {begin, url.find_first_not_of("0123456789", begin)};
}
inline asio::ip::port_type port_of(const std::string& url) {
  return static_cast<asio::ip::port_type>(std::stoul(url.substr(place_of_port(url).first)));
}
inline std::string with_port(const std::string& url, asio::ip::port_type port) {
  const auto [begin, end] = place_of_port(url);
  return url.substr(0, begin) + std::to_string(port) +
         (end == std::string::npos ? "" : url.substr(end));
}

inline corolock::session_options with_ttl(std::chrono::milliseconds ttl) {
  corolock::session_options options;
  options.ttl = ttl;
  return options;
}

class servers_test : public testing::Test {
 protected:
  using guard = corolock::distributed_guard;
  using session = corolock::session;

  template <class What>
  void until(What what) {
    corolock_test::until(context_, what);
  }
  session connect(const std::string& url, const corolock::session_options& options = {}) {
    return connected(context_, url, options);
  }
  void start(const session& s, const std::string& name, completion<guard>& into) {
    async_lock(corolock::distributed_mutex(s, name), asio::bind_executor(context_, into.handler()));
  }
  guard lock(const session& s, const std::string& name) {
    completion<guard> got;
    start(s, name, got);
    until([&] { return got.calls != 0; });
    EXPECT_TRUE(got.succeeded()) << got.error.message() << ": " << s.problem();
    return std::move(got.grant);
  }
  guard try_lock(const session& s, const std::string& name) {
    completion<guard> got;
    async_try_lock(corolock::distributed_mutex(s, name),
                   asio::bind_executor(context_, got.handler()));
    until([&] { return got.calls != 0; });
    EXPECT_TRUE(got.succeeded()) << got.error.message() << ": " << s.problem();
    return std::move(got.grant);
  }
  std::optional<corolock::release_result> release(guard held) {
    completion<std::optional<corolock::release_result>> got;
    held.async_release(asio::bind_executor(context_, got.handler()));
    until([&] { return got.calls != 0; });
    EXPECT_TRUE(got.succeeded());
    return got.grant;
  }
  bool verify(const guard& held) {
    completion<bool> said;
    held.async_verify(asio::bind_executor(context_, said.handler()));
    until([&] { return said.calls != 0; });
    EXPECT_TRUE(said.succeeded()) << said.error.message();
    return said.grant;
  }
  /// What connecting there fails with.
  std::string problem(const std::string& where, corolock::cluster_errc why,
                      const corolock::session_options& options = {}) {
    const auto begin = std::chrono::steady_clock::now();
    std::string what = "none";
    try {
      connected(context_, where, options);
    } catch (const corolock::cluster_error& error) {
      EXPECT_EQ(error.code(), why) << error.what();
      what = error.what();
    }
    EXPECT_NE(what, "none");
    EXPECT_LT(std::chrono::steady_clock::now() - begin,
              options.time_to_connect + std::chrono::seconds(2));
    return what;
  }

  /// A hundred locks of a session that the server ends: all are told, and none is given back.
  template <class End>
  void expect_that_a_hundred_locks_go(const session& mine, End end) {
    constexpr std::size_t count = 100;
    std::vector<guard> held;
    std::vector<completion<void>> lost(count);
    held.reserve(count);
    for (std::size_t i = 0; i < count; ++i) {
      held.push_back(lock(mine, "name " + std::to_string(i)));
      held.back().async_lost(asio::bind_executor(context_, lost[i].handler()));
    }
    end();
    for (std::size_t i = 0; i < count; ++i) {
      until([&] { return lost[i].calls != 0; });
      EXPECT_TRUE(lost[i].succeeded()) << lost[i].error.message();
      EXPECT_FALSE(held[i].held()) << i;
    }
    for (guard& each : held) {
      EXPECT_EQ(release(std::move(each)), corolock::release_result::already_lost);
    }
    until([&] { return mine.is_lost(); });
  }

  asio::io_context context_;
};

}  // namespace corolock_test
