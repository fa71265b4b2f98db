// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers
#pragma once

// Whom proxies say they serve.

#include <boost/asio/ip/address.hpp>

#include <string>
#include <string_view>
#include <vector>

namespace marketplace::http {

/// The one text of an address: an IPv4 address in IPv6's clothes (::ffff:192.0.2.1) is one of IPv4.
std::string text_of(const boost::asio::ip::address& address);

/// The addresses of a header X-Forwarded-For, in the order of its text: the client first, the last
/// proxy but one last. Without ports; empty for what is no address. O(n).
std::vector<std::string> x_forwarded_for(std::string_view header);

/// The same of the parameters `for` of a header Forwarded (RFC 7239, 4 and 6). Empty for an element
/// without one, for "unknown" and for names that a proxy made up. No addresses at all if a quoted
/// string has no end: what a client sent may have swallowed what the proxies added.
std::vector<std::string> forwarded_for(std::string_view header);

}  // namespace marketplace::http
