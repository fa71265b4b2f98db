// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers
#pragma once

// What a refusal of the storage is to a client.

#include <marketplace/agent_repository.hpp>
#include <marketplace/http/problem.hpp>

#include <utility>

namespace marketplace {

/// conflict: 409 with the holder, stale: 412, not_found: 404, invalid: 422, unavailable: 503.
http::problem problem_of(const repository_error& error);

/// The value, or the problem as an exception.
template <class T>
T valued(repository_result<T> result) {
  if (!result) {
    throw problem_of(result.error());
  }
  return std::move(*result);
}

}  // namespace marketplace
