// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers

#include "tour/page.hpp"

#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <iostream>

namespace corolock_cli {
namespace {

constexpr std::size_t width = 94;

constexpr std::string_view bold = "\033[1m";
constexpr std::string_view green = "\033[1;32m";
constexpr std::string_view plain = "\033[0m";

bool is_set(const char* variable) {
  const char* value = std::getenv(variable);  // NOLINT(concurrency-mt-unsafe): no other threads
  return value != nullptr && *value != '\0';
}

}  // namespace

page::page() : colour_(isatty(STDOUT_FILENO) != 0 && !is_set("NO_COLOR")) {}

void page::put(std::string_view text) {
  std::cout << text << std::flush;
}

void page::put_styled(std::string_view style, std::string_view text) {
  if (colour_) {
    std::cout << style << text << plain << '\n' << std::flush;
  } else {
    std::cout << text << '\n' << std::flush;
  }
}

void page::heading(std::string_view text) {
  put_styled(bold, text);
  put("\n");
}

void page::put_in_lines(std::string_view text, std::size_t indent, std::size_t hanging_indent) {
  std::string line(indent, ' ');
  bool is_empty = true;
  while (!text.empty()) {
    const std::string_view word = text.substr(0, text.find(' '));
    text.remove_prefix(std::min(text.size(), word.size() + 1));
    if (!is_empty && line.size() + 1 + word.size() > width) {
      put(line + "\n");
      line.assign(hanging_indent, ' ');
      is_empty = true;
    }
    line.append(is_empty ? "" : " ").append(word);
    is_empty = false;
  }
  put(line + "\n");
}

void page::paragraph(std::string_view text) {
  put_in_lines(text, 2, 2);
  put("\n");
}

void page::items(const std::vector<std::string>& texts) {
  for (const std::string& text : texts) {
    if (text.size() + 6 <= width) {
      put("      " + text + "\n");
    } else {
      put_in_lines(text, 6, 8);
    }
  }
  put("\n");
}

void page::block(const std::vector<std::string>& lines) {
  for (const std::string& line : lines) {
    put((line.empty() ? "" : "      " + line) + "\n");
  }
  put("\n");
}

void page::result(std::string_view line) {
  put_styled(green, line);
  put("\n");
}

std::string shown(std::string_view text, std::size_t characters) {
  std::string result;
  std::size_t count = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    const bool begins_character = (byte & 0xc0) != 0x80;
    if (begins_character && ++count > characters) {
      return result + "...";
    }
    // U+0080 to U+009F are control characters, too.
    const bool is_c1 =
        byte == 0xc2 && i + 1 < text.size() && static_cast<unsigned char>(text[i + 1]) < 0xa0;
    if (byte < 0x20 || byte == 0x7f || is_c1) {
      result += '?';
      i += is_c1 ? 1 : 0;
    } else {
      result += text[i];
    }
  }
  return result;
}

}  // namespace corolock_cli
