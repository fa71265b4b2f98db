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

#include <ucontext.h>

#include <algorithm>
#include <csetjmp>
#include <new>
#include <vector>

COROLOCK_BEGIN
namespace explore::detail {

namespace {

using corolock::detail::this_thread_trampoline;
using corolock::detail::trampoline;

constexpr std::size_t stack_size = std::size_t{1} << 18;

struct fiber {
  run* run_;
  actor* actor_;
  callable function_;
  char* stack_;
  bool started_ = false;
  bool spins_ = false;               // the next load waits for another value
  const void* last_word_ = nullptr;  // that was read,
  std::uint64_t last_value_ = 0;     // and what it held
  bool may_go_on_ = true;            // the word that it spins on has another value
  trampoline trampoline_;
  const corolock::detail::extended_waiter* posts_ = nullptr;
  std::jmp_buf here_;
  std::jmp_buf* back_ = nullptr;
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

  void begin_run_with(run& r, unsigned id);
  void require_alive(const void* word);
  void announce(const void* word, access_kind kind, const char* verb);
  void leave();

  fiber* running_ = nullptr;
  std::vector<word_range> dead_;
  std::vector<fiber*> spinning_;
  std::vector<const void*> locked_;  // blocking mutexes

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
  threads_here = &threads;
  exchange_thread_locals(f);
  try {
    f.function_.call(f.function_.object);
  } catch (...) {
    f.run_->fail(failure_kind::exception, "an exception left " + f.run_->actor_name(f.actor_->id_));
  }
  f.run_->finished(*f.actor_);
  threads.leave();
}

bool enter(actor& a) {
  fiber& f = *static_cast<fiber*>(a.act_context_);
  std::jmp_buf back;
  f.back_ = &back;
  threads.running_ = &f;
  if (_setjmp(back) == 0) {  // NOLINT(cert-err52-cpp): a switch of stacks
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
  return false;
}

// Actors are numbered anew in each run: a number that is not greater than the last one is the
// first thread of another run.
void scheduler::begin_run_with(run& r, unsigned id) {
  if (run_ != &r || id <= last_id_) {
    dead_.clear();
    spinning_.clear();
    locked_.clear();
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
    _longjmp(*f.back_, 1);      // NOLINT(cert-err52-cpp)
  }
  fiber& again = *running_;
  threads_here = this;
  exchange_thread_locals(again);
}

void scheduler::require_alive(const void* word) {
  const auto* const p = static_cast<const char*>(word);
  for (const word_range& d : dead_) {
    if (p >= d.begin && p < d.begin + d.size) {
      threads_here = nullptr;
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

void scheduler::before(const void* word, word_operation what, std::memory_order) noexcept {
  fiber& f = *running_;
  require_alive(word);
  const bool reads = what == word_operation::load;
  announce(word, reads ? access_kind::read : access_kind::write, reads ? "reads" : "writes");
  if (f.spins_ && word == f.last_word_) {
    run_->spins();
    f.may_go_on_ = false;
    spinning_.push_back(&f);
    f.actor_->enabled_context_ = &f;
    f.actor_->enabled_ = [](void* p) { return static_cast<const fiber*>(p)->may_go_on_; };
  }
  f.spins_ = false;
  leave();
  std::erase(spinning_, &f);
  require_alive(word);
  if (run_->tracing()) {
    run_->note(reads ? "reads a word" : "writes a word", {});
  }
}

std::uint64_t scheduler::loaded(const void* word, std::uint64_t now, std::memory_order) noexcept {
  running_->last_word_ = word;
  running_->last_value_ = now;
  return now;
}

void scheduler::written(const void* word, std::uint64_t before, std::uint64_t now, word_operation,
                        std::memory_order) noexcept {
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
}

void scheduler::unlock(const void* mutex) noexcept {
  require_alive(mutex);
  announce(mutex, access_kind::release, "unlocks");
  leave();
  require_alive(mutex);
  std::erase(locked_, mutex);
}

}  // namespace

void start_thread(run& r, std::string_view name, callable function) {
  actor& a = r.add_task(r.keep(name));
  threads.begin_run_with(r, a.id_);
  r.prepare(a);
  auto* const stack = static_cast<char*>(r.allocate(stack_size));
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
