// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers

#include "connection.hpp"

#include "checkpointer.hpp"

#include <array>
#include <charconv>
#include <filesystem>
#include <system_error>
#include <utility>

namespace marketplace::sqlite {
namespace {

// Every connection has these; FULL: a commit is on the disk when it returns.
constexpr std::array<std::string_view, 3> settings{
    "PRAGMA synchronous = FULL",
    "PRAGMA busy_timeout = 5000",
    "PRAGMA mmap_size = 268435456",
};
constexpr std::array<std::string_view, 4> settings_of_writer{
    "PRAGMA journal_mode = WAL",
    // The journals of savepoints: the pages of each, and in a file two system calls for a page.
    "PRAGMA temp_store = MEMORY",
    "PRAGMA cache_size = -65536",
    "PRAGMA journal_size_limit = 67108864",
};
// How large a file may be to be checked as a whole before it is used.
constexpr std::uintmax_t most_to_check = std::uintmax_t{64} << 20;

// Statements that differ in their filters are many; those that are used are few.
constexpr std::size_t most_prepared = 200;

void bind(sqlite3_stmt* statement, int index, const sql::value& value) {
  if (const auto* number = std::get_if<std::int64_t>(&value)) {
    sqlite3_bind_int64(statement, index, *number);
  } else if (const auto* text = std::get_if<std::string>(&value)) {
    sqlite3_bind_text64(statement, index, text->data(), text->size(), SQLITE_STATIC, SQLITE_UTF8);
  } else {
    sqlite3_bind_null(statement, index);
  }
}

sql::row row_of(sqlite3_stmt* statement) {
  const int size = sqlite3_column_count(statement);
  std::vector<sql::value> columns;
  columns.reserve(static_cast<std::size_t>(size));
  for (int i = 0; i < size; ++i) {
    switch (sqlite3_column_type(statement, i)) {
      case SQLITE_NULL: columns.emplace_back(nullptr); break;
      case SQLITE_INTEGER:
        columns.emplace_back(std::int64_t{sqlite3_column_int64(statement, i)});
        break;
      default: {
        const auto* text = static_cast<const char*>(sqlite3_column_blob(statement, i));
        const auto bytes = static_cast<std::size_t>(sqlite3_column_bytes(statement, i));
        columns.emplace_back(bytes == 0 ? std::string() : std::string(text, bytes));
      }
    }
  }
  return sql::row(std::move(columns));
}

// The next use of the statement begins anew, and nothing of this one's texts is kept.
class use {
 public:
  explicit use(sqlite3_stmt* statement) noexcept : statement_(statement) {}
  use(const use&) = delete;
  use& operator=(const use&) = delete;
  ~use() {
    sqlite3_reset(statement_);
    sqlite3_clear_bindings(statement_);
  }

 private:
  sqlite3_stmt* statement_;
};

constexpr std::array<std::string_view, 1> schema_of_words{
    "CREATE VIRTUAL TABLE agent_words USING fts5 "
    "(words, content = '', tokenize = 'ascii', detail = none, columnsize = 0)",
};
constexpr std::array<std::string_view, 1> begin{"BEGIN IMMEDIATE"};

std::string match(const std::vector<std::string>& beginnings) {
  std::string text;
  for (const std::string& word : beginnings) {
    text += (text.empty() ? "\"" : " AND \"") + word + "\"*";
  }
  return text;
}

}  // namespace

// The tokenizer `ascii` has our words' own rule.
const sql::dialect dialect{
    "INTEGER PRIMARY KEY",
    "INTEGER",
    "TEXT",
    "STRICT",
    "STRICT, WITHOUT ROWID",
    schema_of_words,
    begin,
    "",
    "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'schema_version'",
    // RETURNING makes a temporary table, and a statement journal: at its beginning FTS5 would write
    // what it gathers for the transaction's end.
    "",
    "SELECT last_insert_rowid() WHERE changes() = 1",
    "INSERT INTO agent_words (rowid, words) VALUES ($1, $2)",
    "INSERT INTO agent_words (agent_words, rowid, words) VALUES ('delete', $1, $2)",
    "SELECT rowid FROM agent_words WHERE agent_words MATCH $?",
    &match,
};

std::string what_is_wrong(sqlite3* database, const std::string& file) {
  std::string message = file + ": " + sqlite3_errmsg(database);
  if (const int code = sqlite3_system_errno(database); code != 0) {
    message += " (" + std::generic_category().message(code) + ")";
  }
  return message;
}

handle open(const std::string& file, int flags) {
  // Nobody asks how much memory it has; to count it takes a mutex for every allocation.
  [[maybe_unused]] static const int refused_later = sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
  sqlite3* opened = nullptr;
  const int code = sqlite3_open_v2(file.c_str(), &opened, flags | SQLITE_OPEN_NOMUTEX, nullptr);
  handle database(opened);
  if (code != SQLITE_OK) {
    throw sql::error(opened == nullptr ? "out of memory" : what_is_wrong(opened, file),
                     sql::error::what_is_left::nothing);
  }
  sqlite3_extended_result_codes(opened, 1);
  return database;
}

connection::connection(std::string file, role what_for) : file_(std::move(file)), role_(what_for) {}
connection::~connection() = default;

boost::asio::awaitable<void> connection::connect() {
  if (database_) {
    co_return;
  }
  const bool is_writer = role_ == role::writer;
  database_ = open(file_, SQLITE_OPEN_READWRITE | (is_writer ? SQLITE_OPEN_CREATE : 0));
  try {
    if (is_writer) {
      look_at_the_file();
    }
    for (const std::string_view setting : settings) {
      run(setting, {});
    }
    if (is_writer) {
      for (const std::string_view setting : settings_of_writer) {
        run(setting, {});
      }
      checkpointer_ = std::make_unique<checkpointer>(database_.get(), file_);
    } else {
      run("PRAGMA query_only = 1", {});
    }
  } catch (...) {
    prepared_.clear();
    database_.reset();
    throw;
  }
}

// Before anything is written to it.
void connection::look_at_the_file() {
  const auto refuse = [this](const std::string& why) {
    throw sql::error(file_ + ": " + why, sql::error::what_is_left::nothing);
  };
  if (sqlite3_db_readonly(database_.get(), "main") == 1) {
    refuse("it cannot be written to");
  }
  const auto tables = run("SELECT count(*) FROM sqlite_master", {});
  if (tables[0].integer(0) > 0 && run(dialect.has_schema, {}).empty()) {
    refuse("it is the database of another program");
  }
  std::error_code unknown;
  if (std::filesystem::file_size(file_, unknown) <= most_to_check) {
    const auto checked = run("PRAGMA quick_check(1)", {});
    if (checked.at(0).text(0) != "ok") {
      refuse("the database is corrupt: " + checked[0].text(0));
    }
  }
}

boost::asio::awaitable<sql::rows> connection::execute(std::string_view statement,
                                                      sql::values parameters) {
  co_return run(statement, parameters);
}

sql::rows connection::run(std::string_view statement, const sql::values& parameters) {
  prepared& what = prepare(statement);
  sqlite3_stmt* const s = what.statement.get();
  const use once(s);
  for (std::size_t i = 0; i < what.parameters.size(); ++i) {
    bind(s, static_cast<int>(i) + 1, parameters.at(what.parameters[i]));
  }
  sql::rows rows;
  int code = SQLITE_ROW;
  while ((code = sqlite3_step(s)) == SQLITE_ROW) {
    rows.push_back(row_of(s));
  }
  if (code != SQLITE_DONE) {
    throw error();
  }
  return rows;
}

connection::prepared& connection::prepare(std::string_view statement) {
  if (const auto found = prepared_.find(statement); found != prepared_.end()) {
    return found->second;
  }
  sqlite3_stmt* made = nullptr;
  const int code =
      sqlite3_prepare_v3(database_.get(), statement.data(), static_cast<int>(statement.size()),
                         SQLITE_PREPARE_PERSISTENT, &made, nullptr);
  prepared what;
  what.statement.reset(made);
  if (code != SQLITE_OK) {
    throw error();
  }
  const int count = sqlite3_bind_parameter_count(made);
  for (int i = 1; i <= count; ++i) {
    const std::string_view name = sqlite3_bind_parameter_name(made, i);
    std::size_t number = 0;
    std::from_chars(name.data() + 1, name.data() + name.size(), number);  // behind the $
    what.parameters.push_back(number - 1);
  }
  if (prepared_.size() >= most_prepared) {
    prepared_.clear();
  }
  return prepared_.emplace(statement, std::move(what)).first->second;
}

sql::error connection::error() const {
  using left = sql::error::what_is_left;
  return sql::error(
      what_is_wrong(database_.get(), file_),
      sqlite3_get_autocommit(database_.get()) != 0 ? left::connection : left::transaction);
}

}  // namespace marketplace::sqlite
