// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers
#pragma once

// Locks on etcd v3: keys under a lease, in the order of their creation.

#include "../engine.hpp"

#include <memory>
#include <string>

COROLOCK_BEGIN
namespace cluster::detail::etcd {

// Throws cluster_error if the text is no URL of etcd's.
std::unique_ptr<engine> make_engine(const strand& on, const std::string& text,
                                    const session_options& options);

}  // namespace cluster::detail::etcd
COROLOCK_END
