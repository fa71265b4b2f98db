// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers
#pragma once

// Agents as people write them, in JSON.

#include <marketplace/agent_profile.hpp>
#include <marketplace/text_error.hpp>

#include <boost/system/result.hpp>

#include <cstddef>
#include <string_view>

namespace marketplace {

inline constexpr std::size_t max_registration_bytes = std::size_t{256} * 1024;

/// The profile that a registration asks for. It is a JSON object with
///
///   agent_name    required, up to 100 characters, may be empty
///   base_url      required, see base_url_key()
///   description   required, 1 to 4,096 characters
///   agent_id      a UUID; the profile's is empty without it
///   tags          up to 32 strings of 1 to 64 characters each
///
/// Members with other names are ignored; a name twice is an error. Never throws for what is in
/// `text`; the error's message names the field and what is wrong with it.
boost::system::result<agent_profile, text_error> parse_registration(std::string_view text);

}  // namespace marketplace
