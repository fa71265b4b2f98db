// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers
#pragma once

// What `marketplace serve` can be told.

#include "log.hpp"
#include <marketplace/http/server.hpp>
#include <marketplace/registry.hpp>
#include <marketplace/service.hpp>

#include <boost/asio/ip/tcp.hpp>

#include <chrono>
#include <string>
#include <vector>

namespace marketplace {

struct settings {
  std::string storage = "sqlite:marketplace.db";
  boost::asio::ip::tcp::endpoint listen{boost::asio::ip::address_v4::loopback(), 8080};
  bool closed = false;
  bool dev = false;
  std::string admin_key;
  registry_options rules;
  limit_options limits;
  std::vector<std::string> trusted_proxies;
  http::forwarded_header forwarded = http::forwarded_header::x_forwarded_for;
  std::string public_url;
  std::chrono::seconds sweep_interval{10};
  double mass_expiry = 0.15;
  std::chrono::seconds refresh_cards{86'400};  ///< 0: never
  std::chrono::milliseconds grace{10'000};     ///< for requests that are being served when it stops
  log::level log_level = log::level::info;
};

}  // namespace marketplace
