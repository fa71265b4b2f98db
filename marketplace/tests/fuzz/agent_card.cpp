// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers

// Any text as an agent's card: read or refused, with a reason.

#include <marketplace/agent_card.hpp>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto card = marketplace::parse_agent_card(text);
  if (!card) {
    if (card.error().message().empty()) {
      std::abort();
    }
    return 0;
  }
  if (card->violations.size() > 100 || card->shape == marketplace::card_shape::none) {
    std::abort();
  }
  marketplace::is_split_host(*card, "https://example.com");
  return 0;
}
