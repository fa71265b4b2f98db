// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers
#pragma once

#include <string>

namespace marketplace {

/// 32 random bytes, nobody can guess them.
std::string new_secret();

}  // namespace marketplace
