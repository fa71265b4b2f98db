// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers
#pragma once

// A lock for each key.
//
//   async_keyed_mutex<Key>, local_async_keyed_mutex<Key>    the locks; the local one is for one
//                                                           thread or one strand
//   keyed_guard<Key>, local_keyed_guard<Key>                the grant of one key
//   keys_guard<Key>, local_keys_guard<Key>                  the grant of several keys at once

#include <corolock/detail/awaiter.hpp>
#include <corolock/diagnostics.hpp>

#include <concepts>
#include <cstddef>
#include <functional>
#include <map>
#include <ranges>
#include <span>
#include <type_traits>
#include <utility>
#include <vector>

COROLOCK_BEGIN

namespace detail {

// An entry of the map exists exactly as long as its key is held, and is no more than the queue of
// those that wait for the key. The map's lock serialises these queues, so they need no atomics.
template <class Key, class Compare>
using key_map = std::map<Key, wait_queue<single_threaded>, Compare>;

// One key of a request. Everything that may throw is done here, before the request can queue.
template <class Key, class Compare>
struct key_slot {
  using map = key_map<Key, Compare>;

  explicit key_slot(Key&& key) {
    map scratch;
    scratch.try_emplace(std::move(key));
    node_ = scratch.extract(scratch.begin());
  }
  explicit key_slot(typename map::node_type&& node) noexcept : node_(std::move(node)) {}
  explicit key_slot(typename map::iterator held) noexcept : entry_(held) {}

  typename map::node_type node_;    // until the key is held: what to insert when it is free
  typename map::iterator entry_{};  // held, or waited for
};

// The slots of all keys of a range: sorted, each key once.
template <class Key, class Compare, class Keys>
std::vector<key_slot<Key, Compare>> slots_of(Keys&& keys) {
  key_map<Key, Compare> scratch;
  for (auto&& key : keys) {
    scratch.try_emplace(Key(std::forward<decltype(key)>(key)));
  }
  std::vector<key_slot<Key, Compare>> slots;
  slots.reserve(scratch.size());
  while (!scratch.empty()) {
    slots.emplace_back(scratch.extract(scratch.begin()));
  }
  return slots;
}

template <class Key, class Compare, class Diagnostics>
struct keyed_waiter : recorded_waiter<Diagnostics> {
  using slot = key_slot<Key, Compare>;

  explicit keyed_waiter(typename Diagnostics::call_site where) noexcept
      : recorded_waiter<Diagnostics>(typename Diagnostics::wait_record(where)) {}

  [[nodiscard]] std::span<slot> held() const noexcept { return slots_.first(held_); }

  std::span<slot> slots_;  // in the order in which they are acquired
  std::size_t held_ = 0;   // the first so many are held; it queues for the one after them
};

// A wait for one key.
template <class Key, class Compare, class Diagnostics>
struct key_waiter : keyed_waiter<Key, Compare, Diagnostics> {
  using slot = key_slot<Key, Compare>;

  key_waiter(slot&& one, typename Diagnostics::call_site where) noexcept
      : keyed_waiter<Key, Compare, Diagnostics>(where), slot_(std::move(one)) {
    this->slots_ = std::span(&slot_, 1);
  }
  key_waiter(Key key, typename Diagnostics::call_site where)
      : key_waiter(slot(std::move(key)), where) {}

  slot slot_;
};

// A wait for several keys.
template <class Key, class Compare, class Diagnostics>
struct keys_waiter : keyed_waiter<Key, Compare, Diagnostics> {
  using slot = key_slot<Key, Compare>;

  keys_waiter(std::vector<slot>&& all, typename Diagnostics::call_site where) noexcept
      : keyed_waiter<Key, Compare, Diagnostics>(where), all_(std::move(all)) {
    this->slots_ = all_;
  }
  keys_waiter(const std::vector<Key>& keys, typename Diagnostics::call_site where)
      : keys_waiter(slots_of<Key, Compare>(keys), where) {}

  std::vector<slot> all_;
};

// What basic_async_keyed_mutex has in place of a wait_queue: opening it locks the map, and with it
// the queues of all keys. Why each race is safe:
//
//   destroy after unlock   Whoever frees or hands over a key does so with the map locked. After it
//                          has unlocked the map it touches only the nodes that it took out, and the
//                          waiters of its wake_list. (Stress.AKeyedMutexIsDestroyedByTheNextOwner)
//   several keys           A request holds its first keys and queues for the next one, or holds
//                          all. Whoever grants it a key advances it, with the map locked; so
//                          whenever the map is unlocked a waiter stands in exactly one queue, and a
//                          stop or a destruction finds it there.
//   memory                 A node that is not needed any more goes to the slot of the key that was
//                          released, and is freed there after the map is unlocked: the slot of a
//                          held key is empty, and a release leaves one node, its own entry or the
//                          one that the new holder did not need.
template <class Key, class Threading, class Compare, class Diagnostics>
class keyed_queue {
 public:
  using map = key_map<Key, Compare>;
  using slot = key_slot<Key, Compare>;
  using waiter_type = keyed_waiter<Key, Compare, Diagnostics>;

  [[nodiscard]] queue_word open() noexcept {
    lock_.lock();
    return queue_empty;
  }
  void close(queue_word) noexcept { lock_.unlock(); }

  // From here on: the map is locked.

  [[nodiscard]] const map& entries() const noexcept { return entries_; }
  [[nodiscard]] std::size_t waiters() const noexcept { return waiters_; }

  // Takes all keys if all are free, else none.
  [[nodiscard]] bool try_acquire(waiter_type& n) noexcept {
    for (const slot& s : n.slots_) {
      if (entries_.contains(s.node_.key())) {
        return false;
      }
    }
    return advance(n);
  }

  // Takes the first keys, and queues for the first one that is not free.
  void push_back(queue_word&, waiter_type& n) noexcept { advance(n); }

  // The waiter leaves. What it holds is released by left(), which can grant.
  void remove(queue_word&, waiter_type& n) noexcept {
    wait_queue<single_threaded>& queue = n.slots_[n.held_].entry_->second;
    queue_word w = queue.open();
    queue.remove(w, n);
    queue.close(w);
    --waiters_;
    leaving_ = &n;
  }
  void left(wake_list<Threading>& woken) noexcept { release(leaving_->held(), woken); }

  // Gives each key to the first that waits for it; where nobody waits the entry ends.
  void release(std::span<slot> held, wake_list<Threading>& woken) noexcept {
    for (slot& s : held) {
      wait_queue<single_threaded>& queue = s.entry_->second;
      tell_released(&queue);
      queue_word w = queue.open();
      if (queue.front(w) == nullptr) {
        s.node_ = entries_.extract(s.entry_);
        continue;
      }
      auto& n = static_cast<waiter_type&>(queue.pop_front(w));
      queue.close(w);
      --waiters_;
      s.node_ = std::move(n.slots_[n.held_].node_);
      ++n.held_;
      tell_granted(n, &queue, this);
      if (advance(n)) {
        woken.add(n, wait_status::granted);
      }
    }
  }

 private:
  // Acquires key after key. True when all are held; else it has queued for one.
  bool advance(waiter_type& n) noexcept {
    for (; n.held_ != n.slots_.size(); ++n.held_) {
      slot& s = n.slots_[n.held_];
      const auto at = entries_.lower_bound(s.node_.key());
      if (at != entries_.end() && !entries_.key_comp()(s.node_.key(), at->first)) {
        s.entry_ = at;
        queue_word w = at->second.open();
        at->second.push_back(w, n);
        at->second.close(w);
        ++waiters_;
        tell_queued(n, &at->second, this, at->first);
        return false;
      }
      s.entry_ = entries_.insert(at, std::move(s.node_));
      tell_granted(n, &s.entry_->second, this);
    }
    return true;
  }

  typename Threading::blocking_mutex lock_;
  map entries_;
  std::size_t waiters_ = 0;
  waiter_type* leaving_ = nullptr;  // between remove() and left()
};

}  // namespace detail

/// The grant of one key. It unlocks the key when it is destroyed, and when another guard is
/// assigned to it. Movable, not copyable; an empty guard owns nothing.
template <class Mutex>
class [[nodiscard("a dropped guard unlocks at once")]] basic_keyed_guard {
 public:
  basic_keyed_guard() noexcept = default;
  basic_keyed_guard(basic_keyed_guard&& other) noexcept
      : mutex_(std::exchange(other.mutex_, nullptr)), entry_(other.entry_), hold_(other.hold_) {}
  basic_keyed_guard& operator=(basic_keyed_guard&& other) noexcept {
    basic_keyed_guard old(std::move(*this));
    mutex_ = std::exchange(other.mutex_, nullptr);
    entry_ = other.entry_;
    hold_ = other.hold_;
    return *this;
  }
  ~basic_keyed_guard() { unlock(); }

  /// Unlocks the key now, if this guard owns one.
  void unlock() noexcept {
    if (Mutex* held = std::exchange(mutex_, nullptr)) {
      held->unlock(entry_, hold_);
    }
  }

  /// The key that is held. Precondition: the guard is not empty.
  [[nodiscard]] const typename Mutex::key_type& key() const noexcept {
    COROLOCK_ASSERT(mutex_ != nullptr, "key() of an empty keyed_guard");
    return entry_->first;
  }
  explicit operator bool() const noexcept { return mutex_ != nullptr; }

 private:
  friend Mutex;
  basic_keyed_guard(Mutex& held, typename Mutex::entry entry,
                    typename Mutex::hold_record hold) noexcept
      : mutex_(&held), entry_(entry), hold_(hold) {}

  Mutex* mutex_ = nullptr;
  typename Mutex::entry entry_{};
  [[no_unique_address]] typename Mutex::hold_record hold_{};
};

/// The grant of several keys. It unlocks them when it is destroyed, and when another guard is
/// assigned to it. Movable, not copyable; an empty guard owns nothing. The guard of an empty range
/// of keys is not empty: it was granted.
template <class Mutex>
class [[nodiscard("a dropped guard unlocks at once")]] basic_keys_guard {
  using slot = typename Mutex::slot;

 public:
  basic_keys_guard() noexcept = default;
  basic_keys_guard(basic_keys_guard&& other) noexcept
      : mutex_(std::exchange(other.mutex_, nullptr)),
        slots_(std::exchange(other.slots_, {})),
        hold_(other.hold_) {}
  basic_keys_guard& operator=(basic_keys_guard&& other) noexcept {
    basic_keys_guard old(std::move(*this));
    mutex_ = std::exchange(other.mutex_, nullptr);
    slots_ = std::exchange(other.slots_, {});
    hold_ = other.hold_;
    return *this;
  }
  ~basic_keys_guard() { unlock(); }

  /// Unlocks all keys now, if this guard owns some.
  void unlock() noexcept {
    if (Mutex* held = std::exchange(mutex_, nullptr)) {
      held->unlock(std::exchange(slots_, {}), hold_);
    }
  }

  /// The keys that are held, sorted, each once: a range of const Key&. Valid while they are held.
  [[nodiscard]] auto keys() const noexcept {
    return std::views::transform(
        slots_, [](const slot& s) -> const typename Mutex::key_type& { return s.entry_->first; });
  }
  explicit operator bool() const noexcept { return mutex_ != nullptr; }

 private:
  friend Mutex;
  basic_keys_guard(Mutex& held, std::vector<slot>&& slots,
                   typename Mutex::hold_record hold) noexcept
      : mutex_(&held), slots_(std::move(slots)), hold_(hold) {}

  Mutex* mutex_ = nullptr;
  std::vector<slot> slots_;
  [[no_unique_address]] typename Mutex::hold_record hold_{};
};

/// What statistics() of a keyed mutex tells: a picture of one moment, for people.
struct keyed_mutex_statistics {
  std::size_t entries = 0;  ///< keys that are held
  std::size_t waiters = 0;  ///< for any key
};

/// A lock for each key, first come, first served at each. An entry exists exactly as long as its
/// key is held or waited for, so the keys may be unbounded: addresses, user ids, URLs.
///
/// **When.** Tasks may work on different things at once, but only one on each thing, and the things
/// come and go.
/// **When not.** A few fixed things: give each an async_mutex of its own. Never hold one key while
/// waiting for another by a second async_lock(), because two tasks may do so in opposite orders and
/// wait for each other for ever: async_lock_all() takes both.
///
/// | state of the key | async_lock | try_lock | unlock | destroy |
/// |---|---|---|---|---|
/// | free: no entry | held, no suspension | a guard | (no guard owns it) | fine |
/// | held | queues | empty | free, the entry ends | *contract violation* |
/// | held, waiters | queues | empty | held by the first waiter | *contract violation* |
///
/// async_lock_all() sorts the keys by Compare, leaves out duplicates, and acquires one after the
/// other. As everybody does so in the same order, no two tasks can wait for each other. Meanwhile
/// it holds the keys that it has already.
///
/// **Order.** FIFO for each key, try_lock() included. A request for several keys stands in the
/// queue of one key at a time: at the next key it arrives when it has got the one before.
/// **Resumption.** As async_mutex.
/// **Cancellation.** Total: a wait that is stopped, or whose frame is destroyed, leaves its queue
/// and unlocks the keys that it held already. A grant to a task that is stopped before it ran is
/// passed on.
/// **Memory order.** What was done before a key is unlocked is seen by its next owner.
/// **Thread safety.** Distinct objects: safe. Shared objects: safe; of the local one: unsafe.
/// **Lifetime.** It outlives its waiters and its guards. It may be destroyed as soon as no key is
/// held, as async_mutex.
/// **Exceptions.** What the copy of a key, the comparison of two keys of one request, or the
/// allocation throws leaves async_lock(), async_lock_all() and try_lock(), and nothing has
/// happened. Comparing a key with those in the map must not throw; Compare and the keys'
/// destructors must not use the mutex.
/// **Cost.** One allocation per key of a request, of an entry, before it queues, and one more for
/// each async_lock_all(); O(log entries) per key. All keys share a short blocking lock.
/// **See also.** async_mutex, guarded.
template <class Key, class Threading, class Diagnostics = no_diagnostics,
          class Compare = std::less<Key>>
class basic_async_keyed_mutex {
  using key_waiter = detail::key_waiter<Key, Compare, Diagnostics>;
  using keys_waiter = detail::keys_waiter<Key, Compare, Diagnostics>;

 public:
  using key_type = Key;
  using guard_type = basic_keyed_guard<basic_async_keyed_mutex>;
  using keys_guard_type = basic_keys_guard<basic_async_keyed_mutex>;
  using call_site = typename Diagnostics::call_site;
  using hold_record = typename Diagnostics::hold_record;

  // For the front ends (see detail/awaiter.hpp).
  using threading = Threading;
  using waiter_type = key_waiter;
  using all_waiter_type = keys_waiter;
  static constexpr bool wait_may_end = false;

  basic_async_keyed_mutex() = default;
  /// With a diagnostics policy: its constructor's arguments, such as the lock's name.
  template <class... Args>
    requires(sizeof...(Args) > 0 && std::is_constructible_v<Diagnostics, Args...>)
  explicit basic_async_keyed_mutex(Args&&... args) : diagnostics_(std::forward<Args>(args)...) {}
  ~basic_async_keyed_mutex() {
    COROLOCK_ASSERT(queue_.entries().empty(),
                    "an async_keyed_mutex was destroyed while a key was held");
  }

  basic_async_keyed_mutex(const basic_async_keyed_mutex&) = delete;
  basic_async_keyed_mutex& operator=(const basic_async_keyed_mutex&) = delete;

  /// co_await it: the guard of the key, in order of arrival. Does not suspend if the key is free.
  detail::wait_awaiter<basic_async_keyed_mutex, key_waiter> async_lock(
      Key key, call_site where = call_site::current()) {
    return detail::wait_awaiter<basic_async_keyed_mutex, key_waiter>(*this, slot(std::move(key)),
                                                                     where);
  }
  /// co_await it: the guard of the key, or errc::stopped. A stopped token never acquires.
  detail::stoppable_awaiter<basic_async_keyed_mutex, key_waiter> async_lock(
      Key key, std::stop_token token, call_site where = call_site::current()) {
    return detail::stoppable_awaiter<basic_async_keyed_mutex, key_waiter>(
        *this, std::move(token), slot(std::move(key)), where);
  }
  /// co_await it: one guard of all keys of the range. Does not suspend if all are free.
  template <std::ranges::input_range Keys>
    requires std::constructible_from<Key, std::ranges::range_reference_t<Keys>>
  detail::wait_awaiter<basic_async_keyed_mutex, keys_waiter> async_lock_all(
      Keys&& keys, call_site where = call_site::current()) {
    return detail::wait_awaiter<basic_async_keyed_mutex, keys_waiter>(
        *this, detail::slots_of<Key, Compare>(keys), where);
  }
  /// co_await it: one guard of all keys of the range, or errc::stopped.
  template <std::ranges::input_range Keys>
    requires std::constructible_from<Key, std::ranges::range_reference_t<Keys>>
  detail::stoppable_awaiter<basic_async_keyed_mutex, keys_waiter> async_lock_all(
      Keys&& keys, std::stop_token token, call_site where = call_site::current()) {
    return detail::stoppable_awaiter<basic_async_keyed_mutex, keys_waiter>(
        *this, std::move(token), detail::slots_of<Key, Compare>(keys), where);
  }

  /// The guard of the key if it is free, else an empty one. Never waits.
  // NOLINTNEXTLINE(performance-unnecessary-value-param): moved, where Key can be
  guard_type try_lock(Key key, call_site where = call_site::current()) {
    key_waiter n(std::move(key), where);
    return detail::enter_now(*this, n) == detail::wait_status::granted ? take(n) : guard_type();
  }

  /// True if some task holds the key. From the moment of a hand-over that is the next waiter.
  [[nodiscard]] bool is_locked(const Key& key) const noexcept {
    return locked([&key](const queue_type& q) { return q.entries().contains(key); });
  }
  /// How many keys are held.
  [[nodiscard]] std::size_t size() const noexcept { return statistics().entries; }

  [[nodiscard]] keyed_mutex_statistics statistics() const noexcept {
    return locked([](const queue_type& q) {
      return keyed_mutex_statistics{q.entries().size(), q.waiters()};
    });
  }

  /// The diagnostics policy's own object. It counts a request for several keys once, and knows no
  /// owner.
  [[nodiscard]] const Diagnostics& diagnostics() const noexcept { return diagnostics_; }

 private:
  friend guard_type;
  friend keys_guard_type;
  friend struct detail::core_access;

  using queue_type = detail::keyed_queue<Key, Threading, Compare, Diagnostics>;
  using slot = typename queue_type::slot;
  using entry = typename queue_type::map::iterator;

  template <class Function>
  auto locked(Function function) const noexcept {
    auto& queue = const_cast<queue_type&>(queue_);
    const detail::queue_word w = queue.open();
    const auto result = function(queue);
    queue.close(w);
    return result;
  }

  // The queue's word tells nothing here: what is free is in the map.
  template <class W>
  detail::wait_status enter(detail::queue_word&, W& n) noexcept {
    return queue_.try_acquire(n) ? detail::wait_status::granted : detail::wait_status::queued;
  }
  void left(detail::queue_word&, detail::wake_list<Threading>& woken) noexcept {
    queue_.left(woken);
  }
  template <class W>
  void give_up(W& n) noexcept {
    release(n.held());
  }
  guard_type take(key_waiter& n) noexcept {
    return guard_type(*this, n.slot_.entry_, diagnostics_.granted(n.record_));
  }
  keys_guard_type take(keys_waiter& n) noexcept {
    return keys_guard_type(*this, std::move(n.all_), diagnostics_.granted(n.record_));
  }

  void unlock(entry held, const hold_record& hold) noexcept {
    diagnostics_.released(hold);
    slot one(held);
    release(std::span(&one, 1));
  }
  void unlock(std::vector<slot> held, const hold_record& hold) noexcept {
    diagnostics_.released(hold);
    release(held);
  }
  void release(std::span<slot> held) noexcept {
    detail::wake_list<Threading> woken;
    const detail::queue_word w = queue_.open();
    queue_.release(held, woken);
    queue_.close(w);  // *this may be gone
    for (slot& s : held) {
      s.node_ = {};  // frees the entries that ended, before anybody runs
    }
    woken.wake();
  }

  queue_type queue_;
  [[no_unique_address]] Diagnostics diagnostics_;
};

template <class Key>
using async_keyed_mutex = basic_async_keyed_mutex<Key, multi_threaded>;
template <class Key>
using local_async_keyed_mutex = basic_async_keyed_mutex<Key, single_threaded>;
template <class Key>
using keyed_guard = typename async_keyed_mutex<Key>::guard_type;
template <class Key>
using local_keyed_guard = typename local_async_keyed_mutex<Key>::guard_type;
template <class Key>
using keys_guard = typename async_keyed_mutex<Key>::keys_guard_type;
template <class Key>
using local_keys_guard = typename local_async_keyed_mutex<Key>::keys_guard_type;

COROLOCK_END
