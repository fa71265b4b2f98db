// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers

#include "../sql/engine.hpp"
#include "connection.hpp"
#include <marketplace/sqlite_catalog.hpp>

#include <memory>
#include <utility>

namespace marketplace {
namespace {

// More would only take turns: a read of what is in memory takes microseconds.
constexpr std::size_t reader_count = 4;

}  // namespace

std::unique_ptr<sql_catalog::engine> sqlite_catalog::make_engine(const std::string& file,
                                                                 storage_observer observer) {
  engine::parts parts;
  parts.words = &sqlite::dialect;
  parts.writer = std::make_unique<sqlite::connection>(file, sqlite::role::writer);
  parts.readers.reserve(reader_count);
  for (std::size_t i = 0; i < reader_count; ++i) {
    parts.readers.push_back(std::make_unique<sqlite::connection>(file, sqlite::role::reader));
  }
  parts.reader_threads = reader_count;
  parts.look_up_here = true;
  parts.observer = std::move(observer);
  return std::make_unique<engine>(std::move(parts));
}

sqlite_catalog::sqlite_catalog(const std::string& file, storage_observer observer)
    : sql_catalog(make_engine(file, std::move(observer))) {}

}  // namespace marketplace
