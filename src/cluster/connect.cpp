// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers

#include "engine.hpp"

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
  if (!options.time) {
    options.time = steady_time();
  }
  if (url == "memory:") {
    co_return co_await connect_to_memory(std::move(on), shared_memory_server(), std::move(options));
  }
  co_return failed(cluster_errc::invalid_url,
                   "'" + url + "' does not begin with etcd://, postgresql:// or memory:");
}

}  // namespace cluster::detail
COROLOCK_END
