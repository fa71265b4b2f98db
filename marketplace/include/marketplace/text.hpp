// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers
#pragma once

// Texts that strangers wrote: what they are made of.

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace marketplace {

[[nodiscard]] bool is_ascii(std::string_view text) noexcept;

/// Whether it is well-formed UTF-8: no overlong forms, no surrogates, nothing above U+10FFFF.
bool is_utf8(std::string_view text) noexcept;

/// Characters (code points) of well-formed UTF-8.
std::size_t characters_in(std::string_view utf8) noexcept;

/// Whether it has a character below U+0020, or U+007F.
bool has_control_character(std::string_view text) noexcept;

/// Without the spaces at both ends.
std::string_view trimmed(std::string_view text) noexcept;

/// A to Z only.
std::string ascii_lower(std::string_view text);

/// The words of a text, in lower case: runs of ASCII letters, digits and anything beyond ASCII. By
/// our own rule, because those of the databases differ; cut off after 64 bytes. Sorted, each once.
std::vector<std::string> words_of(std::string_view text);

/// The host of a URL, in lower case and without its port; empty for what has none.
std::string host_of(std::string_view url);

}  // namespace marketplace
