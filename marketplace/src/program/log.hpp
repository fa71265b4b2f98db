// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers
#pragma once

// The log: one JSON object a line, on stderr. No bodies, no tokens, no query strings.

#include <marketplace/http/server.hpp>

#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>

namespace marketplace::log {

enum class level { debug, info, warning, error, off };

/// Lines below it are not written.
void set_level(level least);

using fields = std::initializer_list<std::pair<std::string_view, std::string>>;

void write(level how, std::string_view event, fields what = {});

/// Of a request that was served. Its path may hold nothing secret: tokens are in headers.
void write_request(const http::served& what);

/// Writes what is still in memory.
void flush();

}  // namespace marketplace::log
