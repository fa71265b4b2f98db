// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers
#pragma once

// From bytes to a request: what Beast's parser is told, and what becomes of what it says.

#include <marketplace/http/message.hpp>
#include <marketplace/http/problem.hpp>

#include <boost/beast/http/fields.hpp>
#include <boost/beast/http/message.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/system/error_code.hpp>

#include <optional>

namespace marketplace::http {

using parser = boost::beast::http::request_parser<boost::beast::http::string_body>;

/// Sets the limits of headers and body.
void set_limits(parser& of);

/// What to answer to bytes that are no request; nullopt if the connection just ended.
std::optional<problem> problem_of(const boost::system::error_code& error);

/// Whether it is certain where the body ends: the parser takes a body in a coding that it does not
/// know for the next request (RFC 9112, 6.3), and HTTP/1.0 has no codings (6.1).
bool is_framed(const boost::beast::http::fields& headers, unsigned version);

std::size_t bytes_in(const boost::beast::http::fields& headers);

/// Throws a problem (400) unless the header Host is there once; HTTP/1.0 may do without
/// (RFC 9112, 3.2).
void require_host(const boost::beast::http::fields& headers, unsigned version);

/// The request, but for body, peer and id. To be called when the header is complete: what comes
/// behind the body are trailers, and those are no headers (RFC 9110, 6.5.1).
request request_of(const boost::beast::http::request<boost::beast::http::string_body>& message);

}  // namespace marketplace::http
