// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers
#pragma once

// Runs a function on a thread with a small stack. A stack that overflows ends the program.

#include <pthread.h>

#include <cstddef>
#include <cstdlib>

namespace corolock_test {

template <class Function>
void run_on_small_stack(Function function, std::size_t bytes = std::size_t{64} * 1024) {
  pthread_attr_t attributes;
  pthread_t thread;
  void* (*const call)(void*) = [](void* f) -> void* {
    (*static_cast<Function*>(f))();
    return nullptr;
  };
  if (pthread_attr_init(&attributes) != 0 || pthread_attr_setstacksize(&attributes, bytes) != 0 ||
      pthread_create(&thread, &attributes, call, &function) != 0 ||
      pthread_join(thread, nullptr) != 0) {
    std::abort();
  }
  pthread_attr_destroy(&attributes);
}

}  // namespace corolock_test
