// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers
#pragma once

#include <filesystem>
#include <string>

namespace corolock_cli {

/// The folder that this program was started from: its sample and its other program are there.
inline std::string own_folder() {
  return std::filesystem::read_symlink("/proc/self/exe").parent_path().string();
}

}  // namespace corolock_cli
