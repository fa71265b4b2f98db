// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers

// Any text as a base_url: a key is its own key, and begins as one.

#include <marketplace/base_url.hpp>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto key = marketplace::base_url_key(text);
  if (!key) {
    if (key.error().message().empty()) {
      std::abort();
    }
    return 0;
  }
  const auto again = marketplace::base_url_key(*key);
  if (!again || *again != *key || !(key->starts_with("https://") || key->starts_with("http://"))) {
    std::abort();
  }
  return 0;
}
