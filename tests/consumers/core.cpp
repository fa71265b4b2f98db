// SPDX-License-Identifier: BSL-1.0

// A consumer of the core: a coroutine type of its own, and a lock.
#include <corolock/version.hpp>

int main() {
  return COROLOCK_VERSION_MAJOR;
}
