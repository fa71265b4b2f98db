// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers

#include "engine.hpp"
#include "etcd/engine.hpp"

#include <utility>

COROLOCK_BEGIN
namespace cluster::detail {

namespace net = boost::asio;
using net::awaitable;

namespace {

std::tuple<std::exception_ptr, session> failed(cluster_errc why, const std::string& what) {
  return {std::make_exception_ptr(cluster_error(why, what)), session()};
}

}  // namespace

awaitable<std::tuple<std::exception_ptr, session>> connect(strand on, std::string url,
                                                           session_options options) {
  using result = std::tuple<std::exception_ptr, session>;
  if (!options.time) {
    options.time = steady_time();
  }
  if (url == "memory:") {
    co_return co_await connect_to_memory(std::move(on), shared_memory_server(), std::move(options));
  }
  if (url.starts_with("etcd://") || url.starts_with("etcds://")) {
    try {
      std::unique_ptr<engine> by = etcd::make_engine(on, url, options);
      co_return co_await open_session(std::move(on), std::move(options), std::move(by));
    } catch (const cluster_error&) {
      result none{std::current_exception(), session()};
      co_return none;
    }
  }
  co_return failed(cluster_errc::invalid_url,
                   "'" + url + "' does not begin with etcd://, postgresql:// or memory:");
}

}  // namespace cluster::detail
COROLOCK_END
