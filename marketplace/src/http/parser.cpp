// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers

#include <marketplace/http/parser.hpp>
#include <marketplace/text.hpp>

#include <boost/beast/core/error.hpp>
#include <boost/beast/http/error.hpp>
#include <boost/beast/http/field.hpp>

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>

namespace marketplace::http {
namespace {

namespace beast = boost::beast;

// "http://host/path" is to be taken for "/path" (RFC 9112, 3.2.2).
std::string origin_form(std::string_view target) {
  for (const std::string_view scheme : {"http://", "https://"}) {
    if (ascii_lower(target.substr(0, scheme.size())) == scheme) {
      const std::size_t path = target.find_first_of("/?", scheme.size());
      if (path == std::string_view::npos) {
        return "/";
      }
      return (target[path] == '?' ? "/" : "") + std::string(target.substr(path));
    }
  }
  return std::string(target);
}

}  // namespace

void set_limits(parser& of) {
  of.header_limit(max_header_bytes);
  of.body_limit(max_body_bytes);
}

std::optional<problem> problem_of(const boost::system::error_code& error) {
  using enum beast::http::error;
  if (error == body_limit) {
    return problem(413, "BODY_TOO_LARGE",
                   "a request's body has at most " + std::to_string(max_body_bytes) + " bytes");
  }
  if (error == header_limit || error == buffer_overflow) {
    return problem(
        431, "HEADERS_TOO_LARGE",
        "a request's headers have at most " + std::to_string(max_header_bytes) + " bytes");
  }
  if (error == bad_version) {
    return problem::bad_request("the protocol is HTTP/1.1");
  }
  if (error == beast::error::timeout) {
    return problem(408, "TIMEOUT", "the request did not come in time");
  }
  if (error.category() == beast::http::make_error_code(bad_method).category() &&
      error != end_of_stream) {
    return problem::bad_request("this is not a request of HTTP/1.1: " + error.message());
  }
  return std::nullopt;
}

bool is_framed(const beast::http::fields& headers, unsigned version) {
  constexpr auto name = beast::http::field::transfer_encoding;
  const std::size_t codings = headers.count(name);
  return codings == 0 ||
         (codings == 1 && version >= 11 && ascii_lower(trimmed(headers[name])) == "chunked");
}

std::size_t bytes_in(const beast::http::fields& headers) {
  std::size_t bytes = 0;
  for (const auto& field : headers) {
    bytes += field.name_string().size() + field.value().size() + 4;
  }
  return bytes;
}

void require_host(const beast::http::fields& headers, unsigned version) {
  const std::size_t hosts = headers.count(beast::http::field::host);
  if (hosts > 1 || (hosts == 0 && version >= 11)) {
    throw problem::bad_request(hosts == 0 ? "a request of HTTP/1.1 has to have the header Host"
                                          : "a request has one header Host only");
  }
}

request request_of(const beast::http::request<beast::http::string_body>& message) {
  request r;
  r.method = message.method_string();
  r.target = origin_form(message.target());
  for (const auto& field : message) {
    r.headers.emplace_back(ascii_lower(field.name_string()), field.value());
  }
  return r;
}

}  // namespace marketplace::http
