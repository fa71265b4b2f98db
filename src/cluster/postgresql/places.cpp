// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers

#include "places.hpp"

#include "../look_up.hpp"
#include <corolock/cluster/error.hpp>

#include <boost/asio/ip/address.hpp>

#include <algorithm>
#include <libpq-fe.h>
#include <memory>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

COROLOCK_BEGIN
namespace cluster::detail::postgresql {

namespace net = boost::asio;
using net::ip::tcp;

namespace {

std::vector<std::string> list_of(std::string_view text) {
  std::vector<std::string> list;
  while (true) {
    const std::size_t comma = std::min(text.find(','), text.size());
    list.emplace_back(text.substr(0, comma));
    if (comma == text.size()) {
      return list;
    }
    text.remove_prefix(comma + 1);
  }
}

void add(places& to, const std::string& host, const std::string& address, const std::string& port) {
  const char* comma = to.hosts.empty() ? "" : ",";
  to.hosts += comma + host;
  to.addresses += comma + address;
  to.ports += comma + port;
}

// Neither an address nor the directory of a socket.
bool is_name(const std::string& host) {
  error_code is_no_address;
  net::ip::make_address(host, is_no_address);
  return is_no_address && !host.empty() && host.front() != '/' && host.front() != '@';
}

}  // namespace

net::awaitable<std::optional<places>> look_up_hosts(strand on, std::string url,
                                                    std::chrono::steady_clock::time_point limit) {
  std::vector<std::string> hosts;
  std::vector<std::string> ports;
  bool has_addresses = false;
  const std::unique_ptr<PQconninfoOption, decltype(&PQconninfoFree)> all(
      PQconninfoParse(url.c_str(), nullptr), &PQconninfoFree);
  for (const auto* each = all.get(); each != nullptr && each->keyword != nullptr; ++each) {
    const std::string_view keyword(each->keyword);
    const std::string_view value(each->val == nullptr ? "" : each->val);
    if (keyword == "host") {
      hosts = list_of(value);
    } else if (keyword == "port") {
      ports = list_of(value);
    } else if (keyword == "hostaddr") {
      has_addresses = !value.empty();
    }
  }
  if (ports.size() == 1) {
    ports.resize(hosts.size(), ports.front());
  }
  if (has_addresses || hosts.size() != ports.size() || std::ranges::none_of(hosts, is_name)) {
    co_return std::nullopt;
  }
  places found;
  std::string why;
  for (std::size_t i = 0; i < hosts.size(); ++i) {
    if (!is_name(hosts[i])) {
      add(found, hosts[i], "", ports[i]);
      continue;
    }
    auto [error, answers] = co_await look_up(on, hosts[i], "", limit);
    if (error) {
      why = hosts[i] + ": " + error.message();
    }
    for (const tcp::resolver::results_type::value_type& each : answers) {
      add(found, hosts[i], each.endpoint().address().to_string(), ports[i]);
    }
  }
  if (found.hosts.empty()) {
    throw cluster_error(cluster_errc::unreachable, "PostgreSQL: " + why);
  }
  co_return found;
}

}  // namespace cluster::detail::postgresql
COROLOCK_END
