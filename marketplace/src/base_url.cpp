// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers

#include <marketplace/base_url.hpp>

#include <boost/url/parse.hpp>
#include <boost/url/url_view.hpp>

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace marketplace {
namespace {

namespace urls = boost::urls;
using boost::system::result;

constexpr std::size_t max_length = 2048;

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}
char to_lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}
bool is_name_character(char c) {
  return is_digit(c) || (c >= 'a' && c <= 'z') || c == '-' || c == '_' || c == '.';
}

// RFC 3986 knows no characters outside ASCII, no spaces and no control characters. The parser only
// says that something is wrong; these are what people get wrong.
const char* forbidden_character(std::string_view text) {
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte >= 0x80) {
      return "contains a character outside ASCII (write the host as punycode, xn--..., and escape "
             "the rest as %XX)";
    }
    if (byte <= ' ' || byte == 0x7f) {
      return "contains a space or a control character";
    }
    if (c == '\\') {
      return "contains a backslash";
    }
  }
  return nullptr;
}

// Browsers read 0x7f.1 and 2130706433 as addresses, other programs do not: a host whose last label
// is a number has to be an address of four plain numbers.
bool is_doubtful_address(std::string_view host) {
  const std::string_view last = host.substr(host.rfind('.') + 1);
  return std::all_of(last.begin(), last.end(), is_digit) || last.starts_with("0x");
}

result<std::string, text_error> host_key(const urls::url_view& url) {
  switch (url.host_type()) {
    case urls::host_type::ipv6: return "[" + url.host_ipv6_address().to_string() + "]";
    case urls::host_type::ipv4: return url.host_ipv4_address().to_string();
    case urls::host_type::ipvfuture:
    case urls::host_type::none: return text_error::because("must name a host or an IP address");
    case urls::host_type::name: break;
  }
  std::string host = url.host_name();
  std::transform(host.begin(), host.end(), host.begin(), to_lower);
  if (host.ends_with('.')) {
    host.pop_back();
  }
  if (host.empty()) {
    return text_error::because("has no host");
  }
  if (!std::all_of(host.begin(), host.end(), is_name_character) || host.starts_with('.') ||
      host.ends_with('.') || host.find("..") != std::string::npos) {
    return text_error::because("has a host that is no domain name");
  }
  if (is_doubtful_address(host)) {
    return text_error::because(
        "has a number for a host that is no plain IPv4 address, such as 192.0.2.1");
  }
  return host;
}

bool may_use_http(std::string_view host) {
  return host == "127.0.0.1" || host == "0.0.0.0" || host == "[::1]" || host.ends_with(".local") ||
         (!host.starts_with('[') && host.find('.') == std::string_view::npos);
}

// ":8443", or nothing for the scheme's default.
result<std::string, text_error> port_key(const urls::url_view& url, std::string_view scheme) {
  const std::string_view digits = url.port();
  if (digits.empty()) {
    return std::string();
  }
  std::uint16_t port = 0;
  const auto parsed = std::from_chars(digits.data(), digits.data() + digits.size(), port);
  if (parsed.ec != std::errc() || port == 0) {
    return text_error::because("has a port that is not within 1 to 65535");
  }
  if (port == (scheme == "https" ? 443 : 80)) {
    return std::string();
  }
  return ":" + std::to_string(port);
}

int hex_value(char c) {
  return is_digit(c) ? c - '0' : to_lower(c) - 'a' + 10;
}

// Unreserved characters decoded, the rest of the escapes in upper case: %7e is ~, %2f stays %2F.
std::string normalized_escapes(std::string_view path) {
  std::string result;
  result.reserve(path.size());
  for (std::size_t i = 0; i < path.size(); ++i) {
    if (path[i] != '%') {
      result += path[i];
      continue;
    }
    const auto decoded = static_cast<char>(hex_value(path[i + 1]) * 16 + hex_value(path[i + 2]));
    if (is_name_character(to_lower(decoded)) || decoded == '~') {
      result += decoded;
    } else {
      constexpr std::string_view digits = "0123456789ABCDEF";
      result += '%';
      result += digits[static_cast<std::size_t>(hex_value(path[i + 1]))];
      result += digits[static_cast<std::size_t>(hex_value(path[i + 2]))];
    }
    i += 2;
  }
  return result;
}

// Empty, or begins with a slash. (Boost.URL's own normalization would decode %2F too.)
std::string path_key(std::string_view encoded_path) {
  const std::string path = normalized_escapes(encoded_path);
  std::vector<std::string_view> segments;
  for (std::size_t begin = 0; begin < path.size();) {
    const std::size_t end = std::min(path.find('/', begin + 1), path.size());
    const auto segment = std::string_view(path).substr(begin, end - begin);
    if (segment == "/..") {
      if (!segments.empty()) {
        segments.pop_back();
      }
    } else if (segment != "/.") {
      segments.push_back(segment);
    }
    begin = end;
  }
  while (!segments.empty() && segments.back() == "/") {
    segments.pop_back();
  }
  std::string result;
  for (const std::string_view segment : segments) {
    result += segment;
  }
  return result;
}

}  // namespace

result<std::string, text_error> base_url_key(std::string_view base_url) {
  if (base_url.empty()) {
    return text_error::because("is empty");
  }
  if (base_url.size() > max_length) {
    return text_error::because("is longer than " + std::to_string(max_length) + " characters");
  }
  if (const char* what = forbidden_character(base_url)) {
    return text_error::because(what);
  }
  const auto parsed = urls::parse_uri(base_url);
  // Boost.URL 1.81 takes what follows a port or an address for a path even if it has no slash.
  if (!parsed || (parsed->has_authority() && !parsed->encoded_path().empty() &&
                  !parsed->encoded_path().starts_with('/'))) {
    return text_error::because("is not a URL such as https://agent.example.com");
  }
  const urls::url_view& url = *parsed;
  const std::string_view given_scheme = url.scheme();
  std::string scheme(given_scheme);
  std::transform(scheme.begin(), scheme.end(), scheme.begin(), to_lower);
  if (scheme != "https" && scheme != "http") {
    return text_error::because("must begin with https://");
  }
  if (!url.has_authority()) {
    return text_error::because("has no host");
  }
  if (url.has_userinfo()) {
    return text_error::because("must not contain a user or a password");
  }
  if (url.has_query()) {
    return text_error::because("must not contain a query (?...)");
  }
  if (url.has_fragment()) {
    return text_error::because("must not contain a fragment (#...)");
  }
  const auto host = host_key(url);
  if (!host) {
    return host.error();
  }
  if (scheme == "http" && !may_use_http(*host)) {
    return text_error::because(
        "must begin with https:// (http:// is for localhost, names without dots, and .local)");
  }
  const auto port = port_key(url, scheme);
  if (!port) {
    return port.error();
  }
  return scheme + "://" + *host + *port + path_key(url.encoded_path());
}

}  // namespace marketplace
