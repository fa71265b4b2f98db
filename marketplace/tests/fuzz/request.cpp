// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers

// Any bytes on a connection: what the service makes of them before it asks its storage. Nothing of
// it may crash, and what is refused is refused with a problem.

#include <marketplace/http/forwarded.hpp>
#include <marketplace/http/parser.hpp>
#include <marketplace/http/router.hpp>
#include <marketplace/registration.hpp>
#include <marketplace/service.hpp>

#include <boost/asio/buffer.hpp>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <utility>

namespace {

using namespace marketplace;

http::router table() {
  http::router routes;
  for (const char* pattern : {"/v1/agents", "/v1/agents/{id}", "/v1/agents/{id}/card"}) {
    for (const char* method : {"GET", "POST", "PUT"}) {
      routes.add({method, pattern, nullptr, nullptr, false});
    }
  }
  return routes;
}

void read(http::request& r) {
  static const http::router routes = table();
  routes.find(r);
  parameter(r, "q");
  parameters(r, "tag");
  number_parameter(r, "limit", 50, 1, 100);
  require_accepts(r, "application/json");
  http::x_forwarded_for(r.header_list("x-forwarded-for"));
  http::forwarded_for(r.header_list("forwarded"));
  if (r.method == "POST") {
    require_json(r);
    parse_v1_registration(r.body);
  } else if (r.method == "PUT") {
    parse_card_request(r.body);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  http::parser parser;
  http::set_limits(parser);
  parser.eager(true);
  boost::system::error_code error;
  std::size_t used = 0;
  while (!parser.is_done() && used < size) {
    const std::size_t n = parser.put(boost::asio::buffer(data + used, size - used), error);
    if (error || n == 0) {
      break;
    }
    used += n;
  }
  if (error || !parser.is_done()) {
    if (const auto problem = http::problem_of(error); problem && problem->status() < 400) {
      std::abort();
    }
    return 0;
  }
  auto message = parser.release();
  http::request r = http::request_of(message);
  r.body = std::move(message.body());
  try {
    read(r);
  } catch (const http::problem& refused) {
    const bool is_the_clients = refused.status() >= 400 && refused.status() < 500;
    if (!is_the_clients || refused.to_response(r.path(), "fuzz").body.empty()) {
      std::abort();
    }
  }
  return 0;
}
