// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers
#pragma once

#include "settings.hpp"

namespace marketplace {

/// Serves until SIGINT or SIGTERM, then drains. Prints its address on stdout when it is ready.
/// Throws std::exception for what keeps it from starting. Returns the program's exit code.
int serve(const settings& with);

/// The table of routes, a line each: "GET /v1/agents".
void print_routes();

}  // namespace marketplace
