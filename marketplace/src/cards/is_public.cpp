// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers

#include <marketplace/card_fetcher.hpp>

#include <algorithm>
#include <array>
#include <cstdint>

namespace marketplace {
namespace {

using boost::asio::ip::address;
using boost::asio::ip::address_v6;

struct range_v4 {
  std::uint32_t network;
  unsigned prefix;
};

// IANA's special-purpose registry (RFC 6890 and its updates), multicast and reserved.
constexpr std::array<range_v4, 16> special_v4{{
    {0x00000000, 8},   // this network
    {0x0a000000, 8},   // private
    {0x64400000, 10},  // shared, carrier-grade NAT
    {0x7f000000, 8},   // loopback
    {0xa9fe0000, 16},  // link-local, and cloud metadata
    {0xac100000, 12},  // private
    {0xc0000000, 24},  // protocol assignments
    {0xc0000200, 24},  // documentation
    {0xc0586300, 24},  // 6to4 relays
    {0xc0a80000, 16},  // private
    {0xc6120000, 15},  // benchmarks
    {0xc6336400, 24},  // documentation
    {0xcb007100, 24},  // documentation
    {0xe0000000, 4},   // multicast
    {0xf0000000, 4},   // reserved, broadcast
    {0xffffffff, 32},
}};

bool is_public_v4(std::uint32_t bits) {
  return std::none_of(special_v4.begin(), special_v4.end(), [bits](const range_v4& each) {
    const std::uint32_t mask = ~std::uint32_t{0} << (32 - each.prefix);
    return (bits & mask) == each.network;
  });
}

std::uint32_t v4_within(const address_v6::bytes_type& bytes, std::size_t at) {
  return (std::uint32_t{bytes[at]} << 24U) | (std::uint32_t{bytes[at + 1]} << 16U) |
         (std::uint32_t{bytes[at + 2]} << 8U) | bytes[at + 3];
}

// Global unicast is 2000::/3; what is special within it, and what leads to an IPv4 address.
bool is_public_v6(const address_v6& a) {
  const auto bytes = a.to_bytes();
  const unsigned first = (unsigned{bytes[0]} << 8U) | bytes[1];
  const unsigned second = (unsigned{bytes[2]} << 8U) | bytes[3];
  const bool is_nat64 =
      first == 0x0064 && second == 0xff9b &&
      std::all_of(bytes.begin() + 4, bytes.begin() + 12, [](unsigned char b) { return b == 0; });
  if (is_nat64 || a.is_v4_mapped()) {
    return is_public_v4(v4_within(bytes, 12));
  }
  if (first == 0x2002) {  // 6to4
    return is_public_v4(v4_within(bytes, 2));
  }
  const bool is_global = (first & 0xe000U) == 0x2000;
  const bool is_protocol = first == 0x2001 && second < 0x0200;  // Teredo, benchmarks, ORCHID
  const bool is_documentation =
      (first == 0x2001 && second == 0x0db8) || (first == 0x3fff && second < 0x1000);
  return is_global && !is_protocol && !is_documentation;
}

}  // namespace

bool is_public(const address& a) {
  return a.is_v4() ? is_public_v4(a.to_v4().to_uint()) : is_public_v6(a.to_v6());
}

}  // namespace marketplace
