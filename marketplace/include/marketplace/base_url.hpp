// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers
#pragma once

// base_url_key: whether two agents have the same address, however it is spelled.

#include <marketplace/text_error.hpp>

#include <boost/system/result.hpp>

#include <string>
#include <string_view>

namespace marketplace {

/// The one spelling that stands for all equivalent spellings of a base_url: by RFC 3986 section 6,
/// and without slashes at the end, because an agent's clients append paths to it.
///
/// Errors: what is no absolute https URL of a host (http: only of localhost, of a name without dots
/// and below .local), has a user, a query or a fragment, or spells its host so that programs
/// disagree about it. Idempotent: a key is its own key.
boost::system::result<std::string, text_error> base_url_key(std::string_view base_url);

}  // namespace marketplace
