// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers
#pragma once

// The files that are part of the program: its web pages and its OpenAPI document.

#include <span>
#include <string_view>

namespace marketplace {

struct embedded_file {
  std::string_view name;        ///< "index.html"
  std::string_view media_type;  ///< of Content-Type
  std::string_view bytes;
  std::string_view etag;  ///< with its quotes
};

std::span<const embedded_file> embedded_files();

/// Precondition: there is one of this name.
const embedded_file& embedded_file_named(std::string_view name);

}  // namespace marketplace
