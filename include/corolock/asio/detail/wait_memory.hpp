// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers
#pragma once

// wait_memory: room for one wait in the frame of the coroutine that waits: for its operation, and
// for what its executor allocates to post the completion. Each has one slot; what does not fit, or
// comes third (a timer's handler), takes Asio's recycled memory.
//
// The slots need no lock: the operation takes and leaves its slot on its own side, the one that
// posts takes the other, and each happens before the next.

#include <corolock/detail/config.hpp>

#include <boost/asio/recycling_allocator.hpp>

#include <cstddef>

COROLOCK_BEGIN
namespace asio::detail {

class wait_memory {
 public:
  void* allocate(std::size_t size) {
    if (small_.fits(size)) {
      return small_.take();
    }
    if (large_.fits(size)) {
      return large_.take();
    }
    return boost::asio::recycling_allocator<std::byte>().allocate(size);
  }
  void deallocate(void* memory, std::size_t size) noexcept {
    if (memory == small_.bytes) {
      small_.is_taken = false;
    } else if (memory == large_.bytes) {
      large_.is_taken = false;
    } else {
      boost::asio::recycling_allocator<std::byte>().deallocate(static_cast<std::byte*>(memory),
                                                               size);
    }
  }

 private:
  template <std::size_t Size>
  struct slot {
    alignas(std::max_align_t) std::byte bytes[Size];
    bool is_taken = false;

    bool fits(std::size_t size) const noexcept { return size <= Size && !is_taken; }
    void* take() noexcept {
      is_taken = true;
      return bytes;
    }
  };

  slot<48> small_;
  slot<256> large_;
};

/// The allocator on it.
template <class T>
class wait_allocator {
 public:
  using value_type = T;

  explicit wait_allocator(wait_memory& memory) noexcept : memory_(&memory) {}
  template <class U>
  wait_allocator(const wait_allocator<U>& other) noexcept : memory_(other.memory_) {}

  T* allocate(std::size_t n) { return static_cast<T*>(memory_->allocate(n * sizeof(T))); }
  void deallocate(T* memory, std::size_t n) noexcept { memory_->deallocate(memory, n * sizeof(T)); }

  template <class U>
  bool operator==(const wait_allocator<U>& other) const noexcept {
    return memory_ == other.memory_;
  }

 private:
  template <class>
  friend class wait_allocator;

  wait_memory* memory_;
};

}  // namespace asio::detail
COROLOCK_END
