// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers
#pragma once

// What the catalog in a database needs of a database.

#include <boost/asio/awaitable.hpp>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace marketplace::sql {

using value = std::variant<std::nullptr_t, std::int64_t, std::string>;

/// One row of a result. Reading a column as what it is not throws std::bad_variant_access.
class row {
 public:
  explicit row(std::vector<value> columns) : columns_(std::move(columns)) {}

  [[nodiscard]] std::int64_t integer(std::size_t column) const {
    return std::get<std::int64_t>(columns_.at(column));
  }
  [[nodiscard]] std::optional<std::int64_t> integer_or_null(std::size_t column) const {
    return is_null(column) ? std::nullopt : std::optional(integer(column));
  }
  [[nodiscard]] const std::string& text(std::size_t column) const {
    return std::get<std::string>(columns_.at(column));
  }
  [[nodiscard]] std::string take_text(std::size_t column) {
    return std::get<std::string>(std::move(columns_.at(column)));
  }
  [[nodiscard]] bool is_null(std::size_t column) const {
    return std::holds_alternative<std::nullptr_t>(columns_.at(column));
  }

 private:
  std::vector<value> columns_;
};

using rows = std::vector<row>;
using values = std::vector<value>;

/// Why a statement was not executed.
class error : public std::runtime_error {
 public:
  enum class what_is_left {
    transaction,  ///< the transaction, as it was before the statement or with a savepoint to go to
    connection,   ///< the connection, but no transaction
    nothing,
  };
  error(const std::string& message, what_is_left left, bool may_succeed_again = false)
      : std::runtime_error(message), left_(left), may_succeed_again_(may_succeed_again) {}

  [[nodiscard]] what_is_left left() const noexcept { return left_; }
  /// It was in the way of another transaction: the whole one may be tried again at once.
  [[nodiscard]] bool may_succeed_again() const noexcept { return may_succeed_again_; }

 private:
  what_is_left left_;
  bool may_succeed_again_;
};

/// A connection to a database, for one user at a time.
class connection {
 public:
  connection() = default;
  connection(const connection&) = delete;
  connection& operator=(const connection&) = delete;
  virtual ~connection() = default;

  /// Connects, if it is not connected. Throws error.
  virtual boost::asio::awaitable<void> connect() = 0;
  /// Executes one statement with its parameters $1, $2, ... and returns all its rows.
  /// Throws error. To be called on one executor, and not to be cancelled.
  virtual boost::asio::awaitable<rows> execute(std::string_view statement, values parameters) = 0;
};

/// A value that may be null.
inline value or_null(std::optional<std::int64_t> number) {
  return number ? value(*number) : value(nullptr);
}

}  // namespace marketplace::sql
