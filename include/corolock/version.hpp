// SPDX-License-Identifier: BSL-1.0

#pragma once

// The version of corolock; CMake reads it from here. While the major version is 0, a new minor
// version may break source compatibility and a new patch version does not.

#define COROLOCK_VERSION_MAJOR 0
#define COROLOCK_VERSION_MINOR 1
#define COROLOCK_VERSION_PATCH 0
