// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers

#include "secret.hpp"

#include <unistd.h>

#include <cerrno>
#include <system_error>

namespace marketplace {

std::string new_secret() {
  std::string bytes(32, '\0');
  if (getentropy(bytes.data(), bytes.size()) != 0) {
    throw std::system_error(errno, std::generic_category(), "getentropy");
  }
  return bytes;
}

}  // namespace marketplace
