// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers
#pragma once

// What detail/sync.hpp gives under COROLOCK_EXPLORE: the same names, so that the library's own code
// is explored unmodified. Every operation on a shared word is reported to the explorer, which
// records it in the footprint of the step that runs; nothing here is atomic, because the explorer
// has one thread.
//
// Two kinds of code call it:
//   tasks     run whole steps, from suspension to suspension; an operation is recorded, no more
//   threads   (explore/threads.hpp) every operation is a step of its own: the hook switches to the
//             scheduler before it, and may answer a load with an older value

#include <corolock/detail/config.hpp>

#include <atomic>
#include <concepts>
#include <cstdint>
#include <cstring>
#include <source_location>
#include <string>
#include <string_view>
#include <type_traits>

COROLOCK_BEGIN

namespace explore::detail {

struct actor;

/// What an operation does to its word.
enum class word_operation : std::uint8_t { load, store, exchange, compare_exchange, fetch_add };

/// Virtual threads: each operation asks before it is done. Null where only tasks run.
class thread_hook {
 public:
  /// Returns when it is this operation's turn.
  virtual void before(const void* word, word_operation what, std::memory_order order) noexcept = 0;
  /// What a load sees, given what the word holds.
  virtual std::uint64_t loaded(const void* word, std::uint64_t now,
                               std::memory_order order) noexcept = 0;
  /// The word has been written.
  virtual void written(const void* word, std::uint64_t before, std::uint64_t now,
                       word_operation what, std::memory_order order) noexcept = 0;
  /// The thread spins until another one has written something.
  virtual void spin() noexcept = 0;
  virtual void lock(const void* mutex) noexcept = 0;
  virtual void unlock(const void* mutex) noexcept = 0;
  /// The run is abandoned. Does not return.
  virtual void leave_for_good() noexcept = 0;

 protected:
  ~thread_hook() = default;
};

inline constinit thread_local thread_hook* threads_here = nullptr;

/// A word of the code under test is read or written by the step that runs.
void touched(const void* word, bool written) noexcept;

template <class T>
std::uint64_t bits_of(const T& value) noexcept {
  static_assert(std::is_trivially_copyable_v<T> && sizeof(T) <= sizeof(std::uint64_t));
  std::uint64_t bits = 0;
  std::memcpy(&bits, &value, sizeof(T));
  return bits;
}
template <class T>
T from_bits(std::uint64_t bits) noexcept {
  T value;
  std::memcpy(static_cast<void*>(&value), &bits, sizeof(T));
  return value;
}

inline void before(const void* word, word_operation what, std::memory_order order) noexcept {
  if (threads_here != nullptr) {
    threads_here->before(word, what, order);
  } else {
    touched(word, what != word_operation::load);
  }
}
template <class T>
void write(T& object, T value, word_operation what, std::memory_order order) noexcept {
  const T old = object;
  object = value;
  if (threads_here != nullptr) {
    threads_here->written(&object, bits_of(old), bits_of(value), what, order);
  }
}

/// Both threading policies: the explorer's steps do not overlap.
template <bool IsThreadSafe>
struct recorded_threading {
  static constexpr bool is_thread_safe = IsThreadSafe;

  class blocking_mutex {
   public:
    void lock() noexcept {
      if (threads_here != nullptr) {
        threads_here->lock(this);
      } else {
        touched(this, true);
      }
    }
    void unlock() noexcept {
      if (threads_here != nullptr) {
        threads_here->unlock(this);
      }
    }

   private:
    std::uint64_t place_ = 0;  // gives it an address of its own
  };

  template <class T>
  static T load(const T& object, std::memory_order order) noexcept {
    before(&object, word_operation::load, order);
    if (threads_here != nullptr) {
      return from_bits<T>(threads_here->loaded(&object, bits_of(object), order));
    }
    return object;
  }
  template <class T>
  static void store(T& object, T value, std::memory_order order) noexcept {
    before(&object, word_operation::store, order);
    write(object, value, word_operation::store, order);
  }
  template <class T>
  static T exchange(T& object, T value, std::memory_order order) noexcept {
    before(&object, word_operation::exchange, order);
    const T old = object;
    write(object, value, word_operation::exchange, order);
    return old;
  }
  template <class T>
  static bool compare_exchange(T& object, T& expected, T desired,
                               std::memory_order order) noexcept {
    before(&object, word_operation::compare_exchange, order);
    if (object != expected) {
      expected = object;
      return false;
    }
    write(object, desired, word_operation::compare_exchange, order);
    return true;
  }
  template <class T>
  static T fetch_add(T& object, T value, std::memory_order order) noexcept {
    before(&object, word_operation::fetch_add, order);
    const T old = object;
    write(object, static_cast<T>(old + value), word_operation::fetch_add, order);
    return old;
  }
  static void pause(unsigned) noexcept {
    if (threads_here != nullptr) {
      threads_here->spin();
    }
  }
};

}  // namespace explore::detail

struct multi_threaded : explore::detail::recorded_threading<true> {};
struct single_threaded : explore::detail::recorded_threading<false> {};

namespace detail {

/// A request and a release of one lock commute: whoever has asked is the next owner, whether the
/// release came before or after. The footprint of what runs in this scope is that one operation on
/// the lock, instead of the words that it touches.
enum class lock_operation : std::uint8_t { request, release };

class [[nodiscard]] operation_scope {
 public:
  operation_scope(lock_operation what, const void* lock) noexcept;
  ~operation_scope();
  operation_scope(const operation_scope&) = delete;
  operation_scope& operator=(const operation_scope&) = delete;
};

/// A key as reports show it; empty where it has no text.
template <class Key>
std::string text_of_key(const void* key) {
  const Key& k = *static_cast<const Key*>(key);
  if constexpr (std::convertible_to<const Key&, std::string_view>) {
    return '"' + std::string(std::string_view(k)) + '"';
  } else if constexpr (requires { std::to_string(k); }) {
    return std::to_string(k);
  } else {
    return {};
  }
}

enum class wait_status : std::uint32_t;

/// What a task queues for, and since where it does.
struct queued_wait {
  const void* lock = nullptr;  // its queue
  std::source_location where;
  const wait_status* status = nullptr;
  const void* primitive = nullptr;  // what has the name
  const void* key = nullptr;        // of a keyed lock
  std::string (*text_of_key)(const void*) = nullptr;
};

/// Whoever runs has a queue open; is about to close it; reads this link of a waiter.
void queue_opened() noexcept;
void queue_closes() noexcept;
void link_is_read(std::uintptr_t link) noexcept;

/// The link of a waiter is a plain variable, and while the waiter is queued those that queue or
/// leave behind it write it. A race for it need not change any outcome, so each read is looked at.
class link_word {
 public:
  link_word() noexcept = default;
  link_word(const link_word&) = delete;
  link_word& operator=(const link_word& other) noexcept {
    return *this = static_cast<std::uintptr_t>(other);
  }
  link_word& operator=(std::uintptr_t word) noexcept {
    word_ = word;
    return *this;
  }
  operator std::uintptr_t() const noexcept {  // NOLINT(google-explicit-constructor)
    link_is_read(word_);
    return word_;
  }

 private:
  std::uintptr_t word_ = 0;
};

/// The task in whose step a waiter was made. A coroutine without an executor, so one that is not
/// the explorer's own but awaited by a task, is resumed in a step of that task, and not in the
/// step of whoever granted it what it waits for.
struct waiter;
class waiting_task {
 public:
  static constexpr bool exists = true;

  waiting_task() noexcept;
  waiting_task(const waiting_task&) = delete;
  waiting_task& operator=(const waiting_task&) = delete;
  ~waiting_task() { unlist(); }

  /// Instead of the trampoline: the task goes on with this frame. False: there is no such task, or
  /// it does something else.
  bool resumes(waiter& n, std::uintptr_t frame) const noexcept;
  /// The frame is about to be destroyed. False: it is not one that resumes() was told of.
  bool forgets(const waiter& n) const noexcept;

  /// It queues; until it takes something, it is on the run's list of waits.
  void queues(const queued_wait& w) noexcept;
  /// It has been given a lock, perhaps in a step of another task.
  void takes(const void* lock, const void* primitive, std::source_location where) const noexcept;

  // For the explorer.
  [[nodiscard]] const queued_wait& wait() const noexcept { return wait_; }
  [[nodiscard]] const explore::detail::actor* task() const noexcept { return task_; }
  [[nodiscard]] const waiting_task* next() const noexcept { return next_; }

 private:
  void unlist() noexcept {
    if (link_ != nullptr) {
      *link_ = next_;
      if (next_ != nullptr) {
        next_->link_ = link_;
      }
      link_ = nullptr;
    }
  }

  explore::detail::actor* task_;
  waiting_task* next_ = nullptr;
  waiting_task** link_ = nullptr;  // what points to it; null: not on the list
  queued_wait wait_;
};

using call_site = std::source_location;

// A policy's record of a wait need not say where it was.
template <class Record>
std::source_location place_of(const Record& record) noexcept {
  if constexpr (requires { std::source_location(record.where_); }) {
    return record.where_;
  } else {
    return {};
  }
}

void taken_here(const void* lock, std::source_location where) noexcept;

template <class Waiter>
void tell_queued(Waiter& n, const void* lock) noexcept {
  n.task_.queues({lock, place_of(n.record_), &n.status_, lock});
}
template <class Waiter, class Key>
void tell_queued(Waiter& n, const void* lock, const void* primitive, const Key& key) noexcept {
  n.task_.queues({lock, place_of(n.record_), &n.status_, primitive, &key, &text_of_key<Key>});
}
template <class Record>
void tell_taken(const void* lock, const Record& record) noexcept {
  taken_here(lock, place_of(record));
}
template <class Waiter>
void tell_granted(const Waiter& n, const void* lock, const void* primitive) noexcept {
  n.task_.takes(lock, primitive, place_of(n.record_));
}
void tell_released(const void* lock) noexcept;

}  // namespace detail

COROLOCK_END
