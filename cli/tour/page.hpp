// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers
#pragma once

// What the tour writes: plain text, at most 100 columns wide, in colour only on a terminal.

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace corolock_cli {

class page {
 public:
  /// On standard output.
  page();

  void heading(std::string_view text);
  /// Text, set in lines; an empty line follows.
  void paragraph(std::string_view text);
  /// Texts, each as it is or, if it is too long, set in lines; an empty line follows.
  void items(const std::vector<std::string>& texts);
  /// Lines as they are, indented; an empty line follows.
  void block(const std::vector<std::string>& lines);
  /// A line that a script can check: on a line of its own, from its beginning.
  void result(std::string_view line);

 private:
  void put(std::string_view text);
  void put_in_lines(std::string_view text, std::size_t indent, std::size_t hanging_indent);
  void put_styled(std::string_view style, std::string_view text);

  bool colour_;
};

/// Text from outside, fit to be shown: without what would control a terminal, and not longer than
/// `characters`.
std::string shown(std::string_view text, std::size_t characters = 60);

}  // namespace corolock_cli
