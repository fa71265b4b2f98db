// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers
#pragma once

// Hashes, signatures and random names; on OpenSSL.

#include <marketplace/agent_profile.hpp>

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace marketplace {

std::string sha256_hex(std::string_view data);
std::string hmac_sha256(std::string_view key, std::string_view data);  ///< 32 bytes
std::string random_bytes(std::size_t n);                               ///< at most 1024

/// Without padding (RFC 4648, section 5).
std::string base64url(std::string_view bytes);
/// nullopt for what base64url() does not make.
std::optional<std::string> base64url_decoded(std::string_view text);

/// In a time that does not depend on where they differ.
bool are_equal(std::string_view a, std::string_view b) noexcept;

/// A UUID of version 7 (RFC 9562): ordered by time.
std::string new_agent_id(timestamp now);

/// A secret for a client: the prefix and 256 random bits.
std::string new_token(std::string_view prefix);

}  // namespace marketplace
