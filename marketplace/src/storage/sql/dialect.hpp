// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers
#pragma once

// Where two databases need different words for the same.

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace marketplace::sql {

struct dialect {
  // In the schema, for @serial, @integer, @text, @rows (behind a table) and @keyed (behind a table
  // that is only ever looked up by its primary key).
  std::string_view serial;
  std::string_view integer;
  std::string_view text;
  std::string_view rows;
  std::string_view keyed;
  std::span<const std::string_view> schema_of_words;

  /// Begin a transaction that writes: it waits for the other ones that do.
  std::span<const std::string_view> begin;
  /// In the transaction, after changes; may be empty.
  std::string_view notify;

  /// One row if there is a table schema_version.
  std::string_view has_schema;

  /// Behind an insertion: has it return the number of its row, or nothing if it was left out.
  std::string_view returning_number;
  /// After it: the same, where that is cheaper; else empty.
  std::string_view number_inserted;

  // The words of an agent: $1 is its number, $2 its words with spaces in between.
  std::string_view insert_words;
  std::string_view delete_words;
  std::string_view agents_with_words;  ///< the numbers of those that match $?
  /// The text to match all words that begin so.
  std::string (*match)(const std::vector<std::string>& beginnings);
};

}  // namespace marketplace::sql
