// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers
#pragma once

// JSON as strangers send it, without what Boost.JSON lets pass: members given twice.

#include <marketplace/text_error.hpp>

#include <boost/json/value.hpp>
#include <boost/system/result.hpp>

#include <cstddef>
#include <functional>
#include <string_view>

namespace marketplace {

/// The value of a whole text. Errors: no JSON (RFC 8259: no comments, no trailing commas), invalid
/// UTF-8, deeper than `max_depth`, a member twice in one object (named), something after the value.
/// The message says where, in bytes. O(text).
boost::system::result<boost::json::value, text_error> parse_json(std::string_view text,
                                                                 std::size_t max_depth = 32);

/// Calls `told` with the texts of each member of `object` as they stand there, the name with its
/// quotes, while it returns true. Precondition: parse_json(object) is an object. O(object).
void for_each_member(std::string_view object,
                     const std::function<bool(std::string_view, std::string_view)>& told);

/// The text of a member's value as it stands in `object`, or empty if there is none of that name.
/// Precondition: parse_json(object) is an object. O(object).
std::string_view text_of_member(std::string_view object, std::string_view name);

}  // namespace marketplace
