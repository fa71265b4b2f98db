// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers
#pragma once

#include <string>
#include <utility>

namespace marketplace {

/// What is wrong with a text that somebody wrote, in words for that person.
class text_error {
 public:
  text_error() noexcept = default;
  /// By name, so that a result<std::string, text_error> cannot mistake its value for an error.
  static text_error because(std::string message) { return text_error(std::move(message)); }

  // By value, because result::error() is one, too: a reference into it would dangle.
  [[nodiscard]] std::string message() const { return message_; }

 private:
  explicit text_error(std::string message) noexcept : message_(std::move(message)) {}

  std::string message_;
};

}  // namespace marketplace
