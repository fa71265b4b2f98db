// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers
#pragma once

// router: which handler serves a request.

#include <marketplace/http/message.hpp>
#include <marketplace/http/problem.hpp>

#include <boost/asio/awaitable.hpp>

#include <cstddef>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace marketplace::http {

/// Returns the response or throws a problem. The request lives until it is done.
using handler = std::function<boost::asio::awaitable<response>(request&)>;

/// How the body of a problem looks to the clients of a route: each standard has its own.
using problem_writer = std::function<response(const problem&, const request&)>;

struct route {
  std::string method;
  std::string pattern;  ///< "/v1/agents/{id}"; a parameter is one whole segment
  handler serve;
  problem_writer write;   ///< empty: problem+json
  bool may_wait = false;  ///< ends when the client goes away (it waits for others)
};

/// The table of routes. Exact: no trailing slashes, no dot segments, no case folding. A segment is
/// percent-decoded once; %2F within one does not split it.
class router {
 public:
  void add(route one) { routes_.push_back(std::move(one)); }

  /// The route of the request, its parameters and query filled in; HEAD is served by GET's.
  /// Throws: 400 for a target that cannot be decoded, 404, 405 with Allow.
  const route& find(request& r) const;

  /// How the clients of this path expect a problem, when find() had no route for them.
  [[nodiscard]] problem_writer writer_of(std::string_view path) const;

  [[nodiscard]] const std::vector<route>& routes() const noexcept { return routes_; }

 private:
  std::vector<route> routes_;
};

/// Decodes percent-escapes once, and '+' as a space if asked for. Throws a problem (400) for a bad
/// escape, a control character or what is not UTF-8; `what` names the text.
std::string percent_decoded(std::string_view text, bool plus_is_space, std::string_view what);

/// The inverse, for one segment of a path.
std::string percent_encoded(std::string_view text);

}  // namespace marketplace::http
