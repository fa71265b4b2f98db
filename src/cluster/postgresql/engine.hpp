// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers
#pragma once

// Locks on PostgreSQL: session advisory locks, and a sequence for the tokens.

#include "../engine.hpp"

#include <memory>
#include <string>

COROLOCK_BEGIN
namespace cluster::detail::postgresql {

// Throws cluster_error if the URL is none that libpq takes.
std::unique_ptr<engine> make_engine(const strand& on, std::string url,
                                    const session_options& options);

}  // namespace cluster::detail::postgresql
COROLOCK_END
