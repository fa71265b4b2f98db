// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers
#pragma once

#include "../sql/connection.hpp"
#include "../sql/dialect.hpp"

#include <sqlite3.h>

#include <functional>
#include <memory>
#include <string>
#include <unordered_map>

namespace marketplace::sqlite {

struct closer {
  void operator()(sqlite3* database) const noexcept { sqlite3_close(database); }
  void operator()(sqlite3_stmt* statement) const noexcept { sqlite3_finalize(statement); }
};
using handle = std::unique_ptr<sqlite3, closer>;

/// What is wrong with a file, in SQLite's words and, where there are any, the system's.
std::string what_is_wrong(sqlite3* database, const std::string& file);

/// Opens a file. `flags`: SQLITE_OPEN_.... Throws sql::error.
handle open(const std::string& file, int flags);

enum class role { writer, reader };

class checkpointer;

/// A connection to a file. Nothing in it suspends.
class connection final : public sql::connection {
 public:
  connection(std::string file, role what_for);
  connection(const connection&) = delete;
  connection& operator=(const connection&) = delete;
  ~connection() override;

  /// The writer creates the file if it is not there, and looks whether it is a sound one of ours.
  boost::asio::awaitable<void> connect() override;
  boost::asio::awaitable<sql::rows> execute(std::string_view statement,
                                            sql::values parameters) override;

 private:
  struct prepared {
    std::unique_ptr<sqlite3_stmt, closer> statement;
    std::vector<std::size_t> parameters;  // of each that SQLite counts, which $ it is
  };
  struct hash : std::hash<std::string_view> {
    using is_transparent = void;
  };

  sql::rows run(std::string_view statement, const sql::values& parameters);
  prepared& prepare(std::string_view statement);
  void look_at_the_file();
  [[nodiscard]] sql::error error() const;

  const std::string file_;
  const role role_;
  handle database_;
  std::unordered_map<std::string, prepared, hash, std::equal_to<>> prepared_;
  std::unique_ptr<checkpointer> checkpointer_;  // the writer's
};

extern const sql::dialect dialect;

}  // namespace marketplace::sqlite
