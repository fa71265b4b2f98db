// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers

// The fibers of virtual threads. makecontext makes the first entry; after that a switch is a
// setjmp and a longjmp, which save no signal mask and so make no system call. glibc's checked
// longjmp takes a jump to another stack for an error, so it is switched off here.

#if defined(_FORTIFY_SOURCE)
#undef _FORTIFY_SOURCE
#endif

#include <corolock/detail/trampoline.hpp>
#include <corolock/explore/detail/run.hpp>
#include <corolock/explore/threads.hpp>

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define COROLOCK_ADDRESS_SANITIZER 1
#endif
#elif defined(__SANITIZE_ADDRESS__)
#define COROLOCK_ADDRESS_SANITIZER 1
#endif
#if defined(COROLOCK_ADDRESS_SANITIZER)
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif
#include <ucontext.h>

#include <algorithm>
#include <array>
#include <csetjmp>
#include <map>
#include <new>
#include <vector>

COROLOCK_BEGIN
namespace explore::detail {

namespace {

using corolock::detail::this_thread_trampoline;
using corolock::detail::trampoline;

constexpr std::size_t stack_size = std::size_t{1} << 18;

// Tells AddressSanitizer, where there is one, of each switch: one side before it, the other after.
#if defined(COROLOCK_ADDRESS_SANITIZER)
class stack_switches {
 public:
  // From the search to a thread, and there.
  void to_thread(const char* stack) noexcept {
    __sanitizer_start_switch_fiber(&of_search_, stack, stack_size);
  }
  void in_thread(unsigned id) noexcept {
    __sanitizer_finish_switch_fiber(std::exchange(of_threads_[id], nullptr), &bottom_, &size_);
  }
  // From a thread, which comes back or does not, to the search, and there.
  void to_search(unsigned id) noexcept {
    __sanitizer_start_switch_fiber(&of_threads_[id], bottom_, size_);
  }
  void to_search_for_good() noexcept { __sanitizer_start_switch_fiber(nullptr, bottom_, size_); }
  void in_search() noexcept { __sanitizer_finish_switch_fiber(of_search_, nullptr, nullptr); }

  // Frames that were left behind have marked the stack.
  static void clear(const char* stack) noexcept { ASAN_UNPOISON_MEMORY_REGION(stack, stack_size); }
  // What is kept of a thread ends where it leaves for good. So each one that nobody goes back to is
  // gone to for a moment, on the stack where we are.
  [[gnu::no_sanitize_address]] void forget_threads() noexcept {
    for (void*& kept : of_threads_) {
      if (kept != nullptr) {
        __sanitizer_start_switch_fiber(&of_search_, bottom_, size_);
        __sanitizer_finish_switch_fiber(std::exchange(kept, nullptr), nullptr, nullptr);
        to_search_for_good();
        in_search();
      }
    }
  }

 private:
  void* of_search_ = nullptr;
  std::array<void*, 64> of_threads_{};  // by the number of the actor
  const void* bottom_ = nullptr;        // of the search's stack
  std::size_t size_ = 0;
};
#else
struct stack_switches {
  static void to_thread(const char*) noexcept {}
  static void in_thread(unsigned) noexcept {}
  static void to_search(unsigned) noexcept {}
  static void to_search_for_good() noexcept {}
  static void in_search() noexcept {}
  static void clear(const char*) noexcept {}
  static void forget_threads() noexcept {}
};
#endif

struct fiber {
  run* run_;
  actor* actor_;
  callable function_;
  char* stack_;
  bool started_ = false;
  bool spins_ = false;               // the next load waits for another value
  const void* next_word_ = nullptr;  // of the load that is announced, if it may be stale
  const void* last_word_ = nullptr;  // that was read,
  std::uint64_t last_value_ = 0;     // and what it held
  bool may_go_on_ = true;            // the word that it spins on has another value
  trampoline trampoline_;
  const corolock::detail::extended_waiter* posts_ = nullptr;
  std::jmp_buf here_;
  std::jmp_buf* back_ = nullptr;
};

// What a thread has seen of each word: the number of the newest store.
using view = std::vector<std::size_t>;

void join(view& into, const view& from) {
  into.resize(std::max(into.size(), from.size()));
  for (std::size_t i = 0; i != from.size(); ++i) {
    into[i] = std::max(into[i], from[i]);
  }
}

constexpr bool acquires(std::memory_order order) noexcept {
  return order == std::memory_order_acquire || order == std::memory_order_acq_rel ||
         order == std::memory_order_seq_cst || order == std::memory_order_consume;
}
constexpr bool releases(std::memory_order order) noexcept {
  return order == std::memory_order_release || order == std::memory_order_acq_rel ||
         order == std::memory_order_seq_cst;
}

// The stores of every word, each with what its reader learns if it acquires; and what each thread
// has seen. A load may see any store that is not older than what its thread has seen of the word.
class store_history {
 public:
  void forget() {
    words_.clear();
    seen_.clear();
    mutexes_.clear();
  }

  [[nodiscard]] std::size_t visible(unsigned thread, const void* word) {
    const std::size_t n = find(word);
    return n == words_.size() ? 1 : words_[n].stores.size() - seen(thread, n);
  }
  [[nodiscard]] bool is_newest(const void* word, std::uint64_t value) {
    const std::size_t n = find(word);
    return n == words_.size() || words_[n].stores.back().value == value;
  }

  // `age` stores before the newest one.
  std::uint64_t load(unsigned thread, const void* word, std::uint64_t now, std::size_t age,
                     std::memory_order order) {
    const std::size_t n = find_or_add(word, now);
    const std::size_t index = words_[n].stores.size() - 1 - age;
    seen(thread, n) = index;
    if (acquires(order)) {
      join(seen_[thread], words_[n].stores[index].released);
    }
    return words_[n].stores[index].value;
  }

  void see_newest(unsigned thread, const void* word) {
    const std::size_t n = find(word);
    if (n != words_.size()) {
      seen(thread, n) = words_[n].stores.size() - 1;
    }
  }

  void store(unsigned thread, const void* word, std::uint64_t before, std::uint64_t now, bool reads,
             std::memory_order order) {
    const std::size_t n = find_or_add(word, before);
    view released;
    if (reads) {
      if (acquires(order)) {
        join(seen_at(thread), words_[n].stores.back().released);
      }
      released = words_[n].stores.back().released;  // a release sequence goes on
    }
    seen(thread, n) = words_[n].stores.size();
    if (releases(order)) {
      join(released, seen_[thread]);
    }
    words_[n].stores.push_back({now, std::move(released)});
  }

  void lock(unsigned thread, const void* mutex) { join(seen_at(thread), mutexes_[mutex]); }
  void unlock(unsigned thread, const void* mutex) { mutexes_[mutex] = seen_at(thread); }

 private:
  struct one_store {
    std::uint64_t value;
    view released;
  };
  struct one_word {
    const void* word;
    std::vector<one_store> stores;
  };

  [[nodiscard]] std::size_t find(const void* word) const noexcept {
    return static_cast<std::size_t>(
        std::find_if(words_.begin(), words_.end(),
                     [word](const one_word& w) { return w.word == word; }) -
        words_.begin());
  }
  std::size_t find_or_add(const void* word, std::uint64_t initial) {
    const std::size_t n = find(word);
    if (n == words_.size()) {
      words_.push_back({word, {{initial, {}}}});
    }
    return n;
  }
  view& seen_at(unsigned thread) {
    seen_.resize(std::max<std::size_t>(seen_.size(), thread + std::size_t{1}));
    return seen_[thread];
  }
  std::size_t& seen(unsigned thread, std::size_t n) {
    view& v = seen_at(thread);
    v.resize(std::max(v.size(), n + 1));
    return v[n];
  }

  std::vector<one_word> words_;
  std::vector<view> seen_;
  std::map<const void*, view> mutexes_;
};

struct word_range {
  const char* begin;
  std::size_t size;
};

class scheduler final : public thread_hook {
 public:
  void before(const void* word, word_operation what, std::memory_order) noexcept override;
  std::uint64_t loaded(const void* word, std::uint64_t now, std::memory_order) noexcept override;
  void written(const void* word, std::uint64_t before, std::uint64_t now, word_operation,
               std::memory_order) noexcept override;
  void spin() noexcept override { running_->spins_ = true; }
  void lock(const void* mutex) noexcept override;
  void unlock(const void* mutex) noexcept override;
  [[noreturn]] void leave_for_good() noexcept override;

  void begin_run_with(run& r, unsigned id);
  void require_alive(const void* word);
  void announce(const void* word, access_kind kind, const char* verb);
  void leave();

  fiber* running_ = nullptr;
  bool abandons_ = false;  // the thread that ran has left for good
  [[no_unique_address]] stack_switches switches_;
  std::vector<word_range> dead_;
  std::vector<fiber*> spinning_;
  std::vector<const void*> locked_;  // blocking mutexes
  store_history history_;            // with options::stale_loads

 private:
  run* run_ = nullptr;
  unsigned last_id_ = 0;
};

thread_local scheduler threads;

// Of the thread that runs, before it is left and after it is back.
void exchange_thread_locals(fiber& f) noexcept {
  std::swap(f.trampoline_, this_thread_trampoline);
#if COROLOCK_ASSERTIONS
  std::swap(f.posts_, corolock::detail::this_thread_posts);
#endif
}

void run_thread() {
  fiber& f = *threads.running_;
  threads.switches_.in_thread(f.actor_->id_);
  threads_here = &threads;
  exchange_thread_locals(f);
  try {
    f.function_.call(f.function_.object);
  } catch (...) {
    f.run_->fail(failure_kind::exception, "an exception left " + f.run_->actor_name(f.actor_->id_));
  }
  f.run_->finished(*f.actor_);
  exchange_thread_locals(f);
  threads.leave_for_good();
}

bool enter(actor& a) {
  fiber& f = *static_cast<fiber*>(a.act_context_);
  std::jmp_buf back;
  f.back_ = &back;
  threads.running_ = &f;
  if (_setjmp(back) == 0) {  // NOLINT(cert-err52-cpp): a switch of stacks
    threads.switches_.to_thread(f.stack_);
    if (f.started_) {
      _longjmp(f.here_, 1);  // NOLINT(cert-err52-cpp)
    }
    f.started_ = true;
    ucontext_t context;
    ::getcontext(&context);
    context.uc_stack.ss_sp = f.stack_;
    context.uc_stack.ss_size = stack_size;
    context.uc_link = nullptr;
    ::makecontext(&context, run_thread, 0);
    ::setcontext(&context);
  }
  threads.switches_.in_search();
  if (std::exchange(threads.abandons_, false)) {
    f.run_->abandon(failure_kind::contract, {});  // which has told already why
  }
  return false;
}

// Actors are numbered anew in each run: a number that is not greater than the last one is the
// first thread of another run.
void scheduler::begin_run_with(run& r, unsigned id) {
  if (run_ != &r || id <= last_id_) {
    switches_.forget_threads();
    dead_.clear();
    spinning_.clear();
    locked_.clear();
    history_.forget();
    threads_here = nullptr;
    this_thread_trampoline = trampoline();
#if COROLOCK_ASSERTIONS
    corolock::detail::this_thread_posts = nullptr;
#endif
  }
  run_ = &r;
  last_id_ = id;
}

[[gnu::noinline]] void scheduler::leave() {
  fiber& f = *running_;
  exchange_thread_locals(f);
  threads_here = nullptr;
  if (_setjmp(f.here_) == 0) {  // NOLINT(cert-err52-cpp): a switch of stacks
    switches_.to_search(f.actor_->id_);
    _longjmp(*f.back_, 1);  // NOLINT(cert-err52-cpp)
  }
  fiber& again = *running_;
  switches_.in_thread(again.actor_->id_);
  threads_here = this;
  exchange_thread_locals(again);
}

// Ended, or abandoned in the middle of something.
[[gnu::noinline]] void scheduler::leave_for_good() noexcept {
  abandons_ = running_->actor_->state_ != actor_state::finished;
  threads_here = nullptr;
  switches_.to_search_for_good();
  _longjmp(*running_->back_, 1);  // NOLINT(cert-err52-cpp): a switch of stacks
}

void scheduler::require_alive(const void* word) {
  const auto* const p = static_cast<const char*>(word);
  for (const word_range& d : dead_) {
    if (p >= d.begin && p < d.begin + d.size) {
      run_->abandon(failure_kind::contract,
                    run_->actor_name(running_->actor_->id_) + " touches a destroyed object");
    }
  }
}

void scheduler::announce(const void* word, access_kind kind, const char* verb) {
  fiber& f = *running_;
  actor& a = *f.actor_;
  const std::uint16_t object = run_->object_of(word);
  a.announce(verb, object, {});
  a.site_ ^= (std::uint64_t{a.steps_} << 8) ^ static_cast<std::uint64_t>(kind);
  a.announced_.add(object, kind);
  a.act_ = enter;
  a.act_context_ = &f;
}

void scheduler::before(const void* word, word_operation what, std::memory_order order) noexcept {
  fiber& f = *running_;
  require_alive(word);
  const bool reads = what == word_operation::load;
  announce(word, reads ? access_kind::read : access_kind::write, reads ? "reads" : "writes");
  if (f.spins_ && word == f.last_word_) {
    run_->spins();
    f.may_go_on_ = run_->settings().stale_loads && !history_.is_newest(word, f.last_value_);
    spinning_.push_back(&f);
    f.actor_->enabled_context_ = &f;
    f.actor_->enabled_ = [](void* p) { return static_cast<const fiber*>(p)->may_go_on_; };
  } else if (reads && run_->settings().stale_loads && order != std::memory_order_seq_cst) {
    f.next_word_ = word;
    f.actor_->count_outcomes_ = [](actor& a) {
      const fiber& loading = *static_cast<const fiber*>(a.act_context_);
      a.alternatives_ = static_cast<std::uint8_t>(
          std::min<std::size_t>(255, threads.history_.visible(a.id_, loading.next_word_)));
    };
  }
  f.spins_ = false;
  leave();
  std::erase(spinning_, &f);
  require_alive(word);
  if (what == word_operation::compare_exchange && run_->settings().stale_loads) {
    history_.see_newest(f.actor_->id_, word);
  }
  if (run_->tracing()) {
    run_->note(reads ? "reads a word" : "writes a word", {});
  }
}

std::uint64_t scheduler::loaded(const void* word, std::uint64_t now,
                                std::memory_order order) noexcept {
  if (run_->settings().stale_loads) {
    const bool may_be_stale = std::exchange(running_->next_word_, nullptr) != nullptr;
    const actor& a = *running_->actor_;
    now = history_.load(a.id_, word, now, may_be_stale ? a.choice_ : 0U, order);
  }
  running_->last_word_ = word;
  running_->last_value_ = now;
  return now;
}

void scheduler::written(const void* word, std::uint64_t before, std::uint64_t now,
                        word_operation what, std::memory_order order) noexcept {
  if (run_->settings().stale_loads) {
    history_.store(running_->actor_->id_, word, before, now, what != word_operation::store, order);
  }
  running_->last_word_ = word;  // an exchange reads it too
  running_->last_value_ = before;
  for (fiber* f : spinning_) {
    if (f->last_word_ == word) {
      f->may_go_on_ = now != f->last_value_;
    }
  }
}

void scheduler::lock(const void* mutex) noexcept {
  fiber& f = *running_;
  require_alive(mutex);
  announce(mutex, access_kind::acquire, "locks");
  f.actor_->enabled_context_ = const_cast<void*>(mutex);
  f.actor_->enabled_ = [](void* m) {
    return std::find(threads.locked_.begin(), threads.locked_.end(), m) == threads.locked_.end();
  };
  leave();
  require_alive(mutex);
  locked_.push_back(mutex);
  if (run_->settings().stale_loads) {
    history_.lock(f.actor_->id_, mutex);
  }
}

void scheduler::unlock(const void* mutex) noexcept {
  require_alive(mutex);
  announce(mutex, access_kind::release, "unlocks");
  leave();
  require_alive(mutex);
  std::erase(locked_, mutex);
  if (run_->settings().stale_loads) {
    history_.unlock(running_->actor_->id_, mutex);
  }
}

}  // namespace

void start_thread(run& r, std::string_view name, callable function) {
  actor& a = r.add_task(r.keep(name));
  threads.begin_run_with(r, a.id_);
  r.prepare(a);
  auto* const stack = static_cast<char*>(r.allocate(stack_size));
  stack_switches::clear(stack);
  fiber& f = *::new (r.allocate(sizeof(fiber))) fiber;
  f.run_ = &r;
  f.actor_ = &a;
  f.function_ = function;
  f.stack_ = stack;
  a.act_ = enter;
  a.act_context_ = &f;
  r.start(a, {});
}

void mark_dead(const void* begin, std::size_t size) {
  threads.dead_.push_back({static_cast<const char*>(begin), size});
}

}  // namespace explore::detail
COROLOCK_END
