// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers

#include <marketplace/text.hpp>

#include <algorithm>
#include <cstdint>
#include <cstring>

namespace marketplace {

namespace {

// How many bytes of ASCII it begins with.
std::size_t ascii_at(std::string_view text) noexcept {
  constexpr std::uint64_t high_bits = 0x8080'8080'8080'8080U;
  std::size_t n = 0;
  for (std::uint64_t word = 0; n + sizeof word <= text.size(); n += sizeof word) {
    std::memcpy(&word, text.data() + n, sizeof word);
    if ((word & high_bits) != 0) {
      break;
    }
  }
  while (n < text.size() && static_cast<unsigned char>(text[n]) < 0x80) {
    ++n;
  }
  return n;
}

}  // namespace

bool is_ascii(std::string_view text) noexcept {
  return ascii_at(text) == text.size();
}

bool is_utf8(std::string_view text) noexcept {
  for (std::size_t i = 0; i < text.size();) {
    const auto byte = [&](std::size_t k) { return static_cast<unsigned char>(text[i + k]); };
    const unsigned char first = byte(0);
    if (first < 0x80) {
      i += ascii_at(text.substr(i));
      continue;
    }
    const std::size_t length = first < 0xc2   ? 0
                               : first < 0xe0 ? 2
                               : first < 0xf0 ? 3
                               : first < 0xf5 ? 4
                                              : 0;
    if (length == 0 || text.size() - i < length) {
      return false;
    }
    for (std::size_t k = 1; k < length; ++k) {
      if ((byte(k) & 0xc0) != 0x80) {
        return false;
      }
    }
    const bool is_overlong = (first == 0xe0 && byte(1) < 0xa0) || (first == 0xf0 && byte(1) < 0x90);
    const bool is_beyond = (first == 0xed && byte(1) > 0x9f) || (first == 0xf4 && byte(1) > 0x8f);
    if (is_overlong || is_beyond) {
      return false;
    }
    i += length;
  }
  return true;
}

std::size_t characters_in(std::string_view utf8) noexcept {
  return static_cast<std::size_t>(std::count_if(utf8.begin(), utf8.end(), [](char c) {
    return (static_cast<unsigned char>(c) & 0xc0) != 0x80;
  }));
}

bool has_control_character(std::string_view text) noexcept {
  return std::any_of(text.begin(), text.end(), [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte < 0x20 || byte == 0x7f;
  });
}

std::string_view trimmed(std::string_view text) noexcept {
  const auto is_space = [](char c) { return c == ' ' || (c >= '\t' && c <= '\r'); };
  while (!text.empty() && is_space(text.front())) {
    text.remove_prefix(1);
  }
  while (!text.empty() && is_space(text.back())) {
    text.remove_suffix(1);
  }
  return text;
}

std::string ascii_lower(std::string_view text) {
  std::string result(text);
  std::transform(result.begin(), result.end(), result.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  });
  return result;
}

namespace {

bool is_of_a_word(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
         static_cast<unsigned char>(c) >= 0x80;
}

// Databases limit the length of words; longer ones differ in their beginnings, or not at all.
std::string_view cut_off(std::string_view word) {
  constexpr std::size_t most = 64;
  std::size_t size = std::min(word.size(), most);
  while (size < word.size() && (static_cast<unsigned char>(word[size]) & 0xc0U) == 0x80) {
    --size;  // not within a character
  }
  return word.substr(0, size);
}

}  // namespace

std::vector<std::string> words_of(std::string_view text) {
  const std::string lower = ascii_lower(text);
  const std::string_view all(lower);
  std::vector<std::string_view> words;
  for (auto at = all.begin(); at != all.end();) {
    const auto begin = std::find_if(at, all.end(), is_of_a_word);
    at = std::find_if_not(begin, all.end(), is_of_a_word);
    if (begin != at) {
      words.push_back(cut_off(std::string_view(begin, at)));
    }
  }
  std::sort(words.begin(), words.end());
  words.erase(std::unique(words.begin(), words.end()), words.end());
  return {words.begin(), words.end()};
}

std::string host_of(std::string_view url) {
  const std::size_t scheme = url.find("://");
  if (scheme == std::string_view::npos) {
    return {};
  }
  url.remove_prefix(scheme + 3);
  url = url.substr(0, url.find_first_of("/?#"));
  url = url.substr(url.find('@') == std::string_view::npos ? 0 : url.find('@') + 1);
  const std::size_t colon = url.rfind(':');
  if (colon != std::string_view::npos && url.find(']', colon) == std::string_view::npos) {
    url = url.substr(0, colon);
  }
  return ascii_lower(url);
}

}  // namespace marketplace
