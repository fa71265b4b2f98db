// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers
#pragma once

// What handlers see of HTTP: a request that is whole, and a response that is a value.

#include <algorithm>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace marketplace::http {

inline constexpr std::size_t max_body_bytes = std::size_t{512} * 1024;
inline constexpr std::size_t max_header_bytes = std::size_t{16} * 1024;

/// Names of headers and of query parameters with their values, in the order in which they came.
using name_values = std::vector<std::pair<std::string, std::string>>;

struct request {
  std::string method;   ///< "GET"
  std::string target;   ///< as it was sent: "/v1/agents?limit=5"
  name_values query;    ///< decoded
  name_values headers;  ///< names in lower case
  std::string body;
  std::string peer;  ///< the client's address, behind trusted proxies too
  std::string id;    ///< the request's own, for logs and problems

  std::vector<std::string> parameters;  ///< of the route's pattern, decoded once

  [[nodiscard]] std::string_view path() const {
    return std::string_view(target).substr(0, target.find('?'));
  }
  /// The first of that name (lower case), or empty.
  [[nodiscard]] std::string_view header(std::string_view name) const {
    const auto found = std::find_if(headers.begin(), headers.end(),
                                    [name](const auto& each) { return each.first == name; });
    return found == headers.end() ? std::string_view() : std::string_view(found->second);
  }
  /// All of that name, joined to one list as RFC 9110, 5.3 allows for those that are lists.
  [[nodiscard]] std::string header_list(std::string_view name) const {
    std::string list;
    for (const auto& [key, value] : headers) {
      if (key == name) {
        list += (list.empty() ? "" : ", ") + value;
      }
    }
    return list;
  }
  [[nodiscard]] bool has_header(std::string_view name) const {
    return std::any_of(headers.begin(), headers.end(),
                       [name](const auto& each) { return each.first == name; });
  }
};

struct response {
  response() = default;
  response(unsigned code, std::string type, std::string text)
      : status(code), content_type(std::move(type)), body(std::move(text)) {}

  unsigned status = 200;
  std::string content_type;  ///< empty without a body
  name_values headers;
  std::string body;

  response& with(std::string name, std::string value) & {
    headers.emplace_back(std::move(name), std::move(value));
    return *this;
  }
  response&& with(std::string name, std::string value) && {
    headers.emplace_back(std::move(name), std::move(value));
    return std::move(*this);
  }
};

inline response json_response(unsigned status, std::string body) {
  return {status, "application/json", std::move(body)};
}

}  // namespace marketplace::http
