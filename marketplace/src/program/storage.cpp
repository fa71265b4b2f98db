// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers

#include "storage.hpp"

#include <marketplace/in_memory_catalog.hpp>
#include <marketplace/postgresql_catalog.hpp>
#include <marketplace/sqlite_catalog.hpp>

#include <stdexcept>
#include <string_view>
#include <utility>

namespace marketplace {

namespace {

bool is_postgresql(std::string_view storage) {
  return storage.starts_with("postgresql://") || storage.starts_with("postgres://");
}

}  // namespace

std::string locks_of(const std::string& storage) {
  return is_postgresql(storage) ? storage : "memory:";
}

std::unique_ptr<catalog> open_storage(const std::string& storage, boost::asio::io_context&,
                                      storage_observer observer) {
  constexpr std::string_view sqlite = "sqlite:";
  if (storage == "memory") {
    return std::make_unique<in_memory_catalog>();
  }
  if (storage.starts_with(sqlite) && storage.size() > sqlite.size()) {
    return std::make_unique<sqlite_catalog>(storage.substr(sqlite.size()), std::move(observer));
  }
  if (is_postgresql(storage)) {
    return std::make_unique<postgresql_catalog>(storage, std::move(observer));
  }
  throw std::runtime_error("--storage '" + storage +
                           "' is none of memory, sqlite:FILE and postgresql://...");
}

}  // namespace marketplace
