// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers

#include <marketplace/http/forwarded.hpp>
#include <marketplace/text.hpp>

#include <boost/asio/ip/address.hpp>
#include <boost/system/error_code.hpp>

#include <algorithm>
#include <cstddef>

namespace marketplace::http {
namespace {

// The parts between separators that stand in no quoted string; none if one has no end.
std::vector<std::string_view> split_unquoted(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  bool is_quoted = false;
  std::size_t begin = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (is_quoted && text[i] == '\\') {
      ++i;
    } else if (text[i] == '"') {
      is_quoted = !is_quoted;
    } else if (text[i] == separator && !is_quoted) {
      parts.push_back(trimmed(text.substr(begin, i - begin)));
      begin = i + 1;
    }
  }
  parts.push_back(trimmed(text.substr(begin)));
  if (is_quoted) {
    parts.clear();
  }
  return parts;
}

// Of "192.0.2.1", "192.0.2.1:80", "2001:db8::1" or "[2001:db8::1]:80"; empty if it is none.
std::string address_of(std::string_view node) {
  if (node.starts_with('[')) {
    const std::size_t end = node.find(']');
    if (end == std::string_view::npos) {
      return {};
    }
    node = node.substr(1, end - 1);
  } else if (node.find(':') == node.rfind(':')) {
    node = node.substr(0, node.find(':'));
  }
  boost::system::error_code error;
  const auto address = boost::asio::ip::make_address(node, error);
  return error ? std::string() : text_of(address);
}

}  // namespace

std::string text_of(const boost::asio::ip::address& address) {
  if (address.is_v6() && address.to_v6().is_v4_mapped()) {
    return boost::asio::ip::make_address_v4(boost::asio::ip::v4_mapped, address.to_v6())
        .to_string();
  }
  return address.to_string();
}

std::vector<std::string> x_forwarded_for(std::string_view header) {
  std::vector<std::string> chain;
  for (std::size_t begin = 0; begin <= header.size();) {
    const std::size_t end = std::min(header.find(',', begin), header.size());
    chain.push_back(address_of(trimmed(header.substr(begin, end - begin))));
    begin = end + 1;
  }
  return chain;
}

std::vector<std::string> forwarded_for(std::string_view header) {
  std::vector<std::string> chain;
  for (const std::string_view element : split_unquoted(header, ',')) {
    std::string& node = chain.emplace_back();
    for (const std::string_view pair : split_unquoted(element, ';')) {
      const std::size_t equals = pair.find('=');
      if (equals == std::string_view::npos || ascii_lower(pair.substr(0, equals)) != "for") {
        continue;
      }
      std::string_view value = pair.substr(equals + 1);
      if (value.size() >= 2 && value.starts_with('"') && value.ends_with('"')) {
        value = value.substr(1, value.size() - 2);
      }
      node = address_of(value);
    }
  }
  return chain;
}

}  // namespace marketplace::http
