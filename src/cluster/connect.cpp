// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers

#include "engine.hpp"
#include "etcd/engine.hpp"
#include "postgresql/engine.hpp"

#include <utility>

COROLOCK_BEGIN
namespace cluster::detail {

namespace net = boost::asio;
using net::awaitable;

namespace {

std::tuple<std::exception_ptr, session> failed(std::exception_ptr why) {
  return {std::move(why), session()};
}

// What of a URL may be shown: it may have a password in it.
std::string scheme_of(const std::string& url) {
  return url.substr(0, url.find_first_of(":/@"));
}

std::unique_ptr<engine> engine_of(const strand& on, const std::string& url,
                                  const session_options& options) {
  if (url.starts_with("etcd://") || url.starts_with("etcds://")) {
    return etcd::make_engine(on, url, options);
  }
  if (url.starts_with("postgresql://") || url.starts_with("postgres://")) {
    return postgresql::make_engine(on, url, options);
  }
  throw cluster_error(
      cluster_errc::invalid_url,
      "a URL begins with etcd://, postgresql:// or memory:, not with '" + scheme_of(url) + "'");
}

}  // namespace

awaitable<std::tuple<std::exception_ptr, session>> connect(strand on, std::string url,
                                                           session_options options) {
  if (!options.time) {
    options.time = steady_time();
  }
  if (url == "memory:") {
    co_return co_await connect_to_memory(std::move(on), shared_memory_server(), std::move(options));
  }
  try {
    std::unique_ptr<engine> by = engine_of(on, url, options);
    co_return co_await open_session(std::move(on), std::move(options), std::move(by));
  } catch (const cluster_error&) {
    co_return failed(std::current_exception());
  }
}

}  // namespace cluster::detail
COROLOCK_END
