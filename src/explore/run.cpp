// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers

#include <corolock/explore/detail/run.hpp>
#include <corolock/explore/world.hpp>

#include <sys/mman.h>

#include <algorithm>
#include <csetjmp>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <new>

COROLOCK_BEGIN
namespace explore::detail {

namespace {

constexpr std::size_t setup_region = run_memory::region_count - 1;

// Where abandon() goes back to. One per thread, like the run.
thread_local std::jmp_buf* way_back = nullptr;

std::uint64_t bit(unsigned id) noexcept {
  return std::uint64_t{1} << id;
}

void* reserve(std::size_t size) {
  void* p = ::mmap(nullptr, size, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (p == MAP_FAILED) {
    throw std::bad_alloc();
  }
  return p;
}

}  // namespace

run_memory::run_memory()
    : begin_(static_cast<char*>(reserve(region_count * region_size))),
      objects_(static_cast<std::uint16_t*>(
          reserve(region_count * region_size / 8 * sizeof(std::uint16_t)))) {}

run_memory::~run_memory() {
  ::munmap(begin_, region_count * region_size);
  ::munmap(objects_, region_count * region_size / 8 * sizeof(std::uint16_t));
}

run::run(body_function body, void* context, const run_options& options)
    : body_(body),
      body_context_(context),
      options_(options),
      world_(std::make_unique<world>(*this)) {
  for (auto& of_task : timer_ids_) {
    of_task.fill(-1);
  }
}

run::~run() = default;

// ------------------------------------------------------------------------------------- building

void run::begin() {
  do {
    rebuild_ = false;
    build();
    if (rebuild_) {
      end();
    }
  } while (rebuild_);
}

// What the body's functions throw, other than its tasks.
template <class Function>
void run::attempt(const char* who, const Function& function) {
  try {
    function();
  } catch (const std::exception& e) {
    fail(failure_kind::exception, std::string("an exception left ") + who + ": " + e.what());
  } catch (...) {
    fail(failure_kind::exception, std::string("an exception left ") + who);
  }
}

void run::build() {
  memory_.reset();
  setup_count_ = 0;
  tasks_ = 0;
  timers_ = 0;
  step_count_ = 0;
  woken_ = 0;
  budget_ = {0, options_.cancellations, options_.destructions, options_.exceptions, 0};
  now_ = {};
  attached_ = nullptr;  // of a run that was left behind: lost with it
  accesses_.clear();
  withdrawn_.clear();
  holdings_.clear();
  waits_ = nullptr;
  objects_.clear();
  finals_.clear();
  invariants_.clear();
  events_.clear();
  wait_graph_.clear();
  failure_.reset();
  ending_ = false;
  in_scope_ = false;
  recording_ = false;
  current_ = nullptr;
  current_run = this;
  for (actor& a : actors_) {
    a.state_ = actor_state::absent;
  }

  std::jmp_buf here;
  way_back = &here;
  if (setjmp(here) == 0) {  // NOLINT(cert-err52-cpp): see abandon()
    attempt("the body", [this] { body_(body_context_, *world_); });
  }
  way_back = nullptr;
  current_ = nullptr;
  limit_interference();
}

// Where more may interfere than are allowed to, who does it first takes it from the others.
void run::limit_interference() {
  std::array<unsigned, 5> count{};
  for (unsigned id = 0; id != setup_count_; ++id) {
    ++count[static_cast<unsigned>(actors_[id].kind_)];
  }
  for (unsigned id = 0; id != setup_count_; ++id) {
    actor& a = actors_[id];
    const auto kind = static_cast<unsigned>(a.kind_);
    has_interference_ = has_interference_ || a.kind_ != actor_kind::task;
    if (a.kind_ != actor_kind::task && count[kind] > budget_[kind]) {
      a.announced_.add(static_cast<std::uint16_t>(objects::budget + kind), access_kind::acquire);
    }
  }
}

actor& run::reset_actor(unsigned id, actor_kind kind, std::string_view name) noexcept {
  actor& a = actors_[id];
  a.kind_ = kind;
  a.state_ = actor_state::waiting;
  a.id_ = static_cast<std::uint8_t>(id);
  a.identity_ = static_cast<std::uint16_t>(id);
  a.target_ = static_cast<std::uint8_t>(id);
  a.alternatives_ = 1;
  a.count_outcomes_ = nullptr;
  a.choice_ = 0;
  a.can_stop_ = false;
  a.raise_ = false;
  a.granted_ = false;
  a.copies_ = -1;
  a.next_copy_ = -1;
  a.held_ = false;
  a.open_queues_ = 0;
  a.passed_over_ = 0;
  a.name_ = name;
  a.index_ = 0;
  a.steps_ = 0;
  a.announced_.size = 0;
  a.act_ = nullptr;
  a.enabled_ = nullptr;
  a.resume_ = nullptr;
  a.root_ = nullptr;
  a.destroy_ = nullptr;
  return a;
}

actor& run::add_actor(actor_kind kind, std::string_view name) {
  if (setup_count_ == actors_.size()) {
    abandon(failure_kind::contract, "more than 64 tasks and interferences");
  }
  const unsigned id = setup_count_++;
  actor_count_ = std::max(actor_count_, setup_count_);
  return reset_actor(id, kind, name);
}

actor& run::add_task(std::string_view name) {
  if (step_count_ != 0 || current_ != nullptr || ending_) {
    abandon(failure_kind::contract, "'" + std::string(name) +
                                        "' was spawned after the setup: spawn all tasks in it, "
                                        "outside of other tasks");
  }
  actor& a = add_actor(actor_kind::task, name);
  tasks_ |= bit(a.id_);
  return a;
}

void run::start(actor& a, std::coroutine_handle<> root) {
  a.root_ = root;
  a.resume_ = root;
  if ((visible_starts_ & bit(a.id_)) != 0) {
    a.announce("start", objects::elsewhere, {});
    announce_common(a);
  } else {
    accesses_.clear();
    recording_ = true;
    go_on(a);
    recording_ = false;
    if (!accesses_.empty()) {
      visible_starts_ |= bit(a.id_);
      rebuild_ = true;
    }
  }
  current_ = nullptr;
}

std::stop_token run::add_stop(actor& task) {
  actor* const before = current_;
  current_ = nullptr;
  if (stop_sources_.size() <= task.id_) {
    stop_sources_.resize(std::size_t{task.id_} + 1);
  }
  auto& source = stop_sources_[task.id_];
  source.emplace();
  if (options_.cancellations != 0) {
    task.can_stop_ = true;
    actor& a = add_actor(actor_kind::stop, task.name_);
    a.target_ = task.id_;
    a.announce("stop", objects::elsewhere, {});
    a.announced_.add(static_cast<std::uint16_t>(objects::stop + task.id_), access_kind::write);
  }
  current_ = before;
  return source->get_token();
}

void run::add_interference(actor& task) {
  if (options_.destructions != 0) {
    actor& a = add_actor(actor_kind::destruction, task.name_);
    a.target_ = task.id_;
    a.announce("destroy", objects::elsewhere, {});
    a.announced_.add(static_cast<std::uint16_t>(objects::life + task.id_), access_kind::write);
  }
  if (options_.exceptions != 0) {
    actor& a = add_actor(actor_kind::exception, task.name_);
    a.target_ = task.id_;
    a.announce("throw into", objects::elsewhere, {});
    a.announced_.add(static_cast<std::uint16_t>(objects::failure + task.id_), access_kind::write);
  }
}

void run::make_copy(actor& a, actor* previous) noexcept {
  if (!options_.symmetry || options_.destructions != 0 || options_.exceptions != 0) {
    return;
  }
  a.copies_ = previous == nullptr ? static_cast<std::int16_t>(a.id_) : previous->copies_;
  if (previous != nullptr) {
    previous->next_copy_ = a.id_;
    a.held_ = true;
  }
}

std::string_view run::keep(std::string_view text) {
  char* copy = static_cast<char*>(allocate(text.size() + 1));
  std::memcpy(copy, text.data(), text.size());
  copy[text.size()] = 0;
  return {copy, text.size()};
}

std::uint16_t run::add_object(std::string_view name, const void* address, std::size_t size,
                              const char* what, bool is_shared) {
  if (step_count_ != 0 || current_ != nullptr) {
    abandon(failure_kind::contract,
            "'" + std::string(name) + "' was made after the setup: make what tasks share in it");
  }
  const auto object = static_cast<std::uint16_t>(objects::named + objects_.size());
  objects_.push_back({name, address, what, is_shared});
  if (memory_.contains(address)) {
    memory_.belongs(address, size, object);
  }
  return object;
}

std::uint16_t run::object_of(const void* address) noexcept {
  if (!memory_.contains(address)) {
    return objects::elsewhere;
  }
  std::uint16_t& object = memory_.object_at(address);
  if (object == 0) {
    object = next_word_;
    if (next_word_ < objects::wait - 1) {
      ++next_word_;
    }
  }
  return object;
}

void* run::allocate(std::size_t size) {
  const std::size_t region = current_ == nullptr ? setup_region : current_->id_;
  if (void* p = memory_.take(region, size)) {
    return p;
  }
  return ::operator new(size);
}

void run::deallocate(void* p) noexcept {
  if (!memory_.contains(p)) {
    ::operator delete(p);
  }
}

// -------------------------------------------------------------------------------------- running

std::uint64_t run::timers_due() noexcept {
  std::uint64_t due = 0;
  virtual_clock::time_point first = virtual_clock::time_point::max();
  for (std::uint64_t rest = timers_; rest != 0; rest &= rest - 1) {
    const auto id = static_cast<unsigned>(std::countr_zero(rest));
    const actor& a = actors_[id];
    if (a.deadline_ < first) {
      first = a.deadline_;
      due = 0;
    }
    if (a.deadline_ == first) {
      due |= bit(id);
    }
  }
  return due;
}

std::uint64_t run::enabled() {
  std::uint64_t tasks = 0;
  std::uint64_t others = 0;
  for (unsigned id = 0; id != setup_count_; ++id) {
    actor& a = actors_[id];
    if (a.state_ == actor_state::ready) {
      if (a.kind_ == actor_kind::task) {
        if (!a.held_ && (a.enabled_ == nullptr || a.enabled_(a.enabled_context_))) {
          if (a.count_outcomes_ != nullptr) {
            a.count_outcomes_(a);
          }
          tasks |= bit(id);
        }
      } else if (budget_[static_cast<unsigned>(a.kind_)] > 0) {
        others |= bit(id);
      }
    }
  }
  if (timers_ != 0 && (tasks == 0 || options_.adversarial_time)) {
    others |= timers_due();
  }
  return tasks | others;
}

void run::step(unsigned id, unsigned choice) {
  actor& a = actors_[id];
  accesses_.clear();
  woken_ = 0;
  ++step_count_;
  ++a.steps_;
  a.choice_ = static_cast<std::uint8_t>(choice);
  current_ = &a;
  for (unsigned i = 0; i != a.announced_.size; ++i) {
    accesses_.push_back(a.announced_.accesses[i]);
  }
  recording_ = true;
  std::jmp_buf here;
  way_back = &here;
  if (setjmp(here) == 0) {  // NOLINT(cert-err52-cpp): see abandon()
    if (a.kind_ == actor_kind::task) {
      if (a.copies_ >= 0) {
        a.copies_ = -1;
        if (a.next_copy_ >= 0) {
          actors_[static_cast<unsigned>(a.next_copy_)].held_ = false;
          woken_ |= bit(static_cast<unsigned>(a.next_copy_));
        }
      }
      go_on(a);
    } else {
      interfere(a);
    }
    recording_ = false;
    for (const callable& c : invariants_) {
      attempt("an invariant", [&c] { c.call(c.object); });
    }
  }
  recording_ = false;
  in_scope_ = false;
  way_back = nullptr;
  current_ = nullptr;
}

void run::go_on(actor& a) {
  bool (*const act)(actor&) = std::exchange(a.act_, nullptr);
  if (act == nullptr || act(a)) {
    std::exchange(a.resume_, nullptr).resume();
  }
  if (a.state_ == actor_state::finished && a.root_) {
    std::exchange(a.root_, nullptr).destroy();
  }
}

void run::interfere(actor& a) {
  actor& target = actors_[a.target_];
  a.state_ = actor_state::finished;
  if (a.kind_ == actor_kind::timer) {
    timers_ &= ~bit(a.id_);
    now_ = std::max(now_, a.deadline_);
    if (tracing_) {
      note("fires", a.where_);
    }
    a.act_(a);
    return;
  }
  unsigned& budget = budget_[static_cast<unsigned>(a.kind_)];
  --budget;
  const bool going_on = target.state_ != actor_state::finished;
  switch (a.kind_) {
    case actor_kind::stop:
      if (tracing_) {
        note("request_stop()", {});
      }
      stop_sources_[a.target_]->request_stop();
      break;
    case actor_kind::destruction:
      if (going_on) {
        if (tracing_) {
          note("destroys " + actor_name(a.target_), {});
        }
        if (target.state_ == actor_state::ready) {
          withdraw(target);
        }
        target.state_ = actor_state::finished;
        target.act_ = nullptr;
        if (target.root_) {
          std::exchange(target.root_, nullptr).destroy();
        } else if (target.destroy_ != nullptr) {
          target.destroy_(target);
        }
      }
      break;
    case actor_kind::exception:
      if (going_on) {
        if (tracing_) {
          note("will throw into " + actor_name(a.target_), {});
        }
        target.raise_ = true;
      }
      break;
    default: break;
  }
}

void run::withdraw(const actor& a) {
  if (current_ != nullptr) {
    withdrawn_.push_back({step_count_, a.id_, a.site_, a.announced_});
  }
}

void run::touched(const void* word, bool written) noexcept {
  if (current_ == nullptr || !recording_ || in_scope_) {
    return;
  }
  record(object_of(word), written ? access_kind::write : access_kind::read);
}

void run::grant(actor& a) noexcept {
  const std::uint16_t object = a.object_;
  const bool is_lock =
      a.announced_.size != 0 && a.announced_.accesses[0].kind == access_kind::request;
  a.state_ = actor_state::ready;
  a.granted_ = true;
  a.site_ |= 1;
  a.announced_.size = 0;
  if (is_lock) {
    a.announced_.add(object, access_kind::grant);
    a.passed_over_ = 0;
    if (options_.starvation_bound != 0) {
      pass_over(a, object);
    }
  }
  // Whether it had to wait or not: which of the two, a release that commutes with its request
  // decides.
  a.announced_.add(static_cast<std::uint16_t>(objects::wait + a.id_), access_kind::read);
  announce_common(a);
}

// Who waits for the lock too has been passed over once more.
void run::pass_over(const actor& owner, std::uint16_t lock) {
  for (unsigned id = 0; id != setup_count_; ++id) {
    actor& a = actors_[id];
    if (&a != &owner && a.state_ == actor_state::waiting && a.object_ == lock &&
        ++a.passed_over_ > options_.starvation_bound) {
      fail(failure_kind::starvation, "starvation: " + actor_name(id) + " waits for " +
                                         object_name(lock) + ", which others were granted " +
                                         std::to_string(a.passed_over_) + " times since it asked");
    }
  }
}

void run::post(actor& a, resumption r) noexcept {
  wake(a);
  grant(a);
  a.posted_ = r;
  a.act_ = [](actor& self) {
    self.state_ = actor_state::waiting;  // a predicate that does not hold makes it wait again
    std::exchange(self.posted_, resumption())();
    return false;
  };
}

// The same for a coroutine that is a part of the task, but has no executor.
void run::post(actor& a, const corolock::detail::waiter& n, std::uintptr_t frame) noexcept {
  wake(a);
  grant(a);
  a.posted_waiter_ = &n;
  a.posted_frame_ = frame;
  a.act_ = [](actor& self) {
    self.state_ = actor_state::waiting;
    self.posted_waiter_ = nullptr;
    corolock::detail::resume_frame(self.posted_frame_);
    return false;
  };
}

actor& run::arm(virtual_clock::time_point deadline, bool (*fire)(actor&), void* context,
                std::source_location where) {
  record(objects::time, access_kind::write);
  saw_timers_ = true;
  const unsigned creator = current_ == nullptr ? 64U : current_->target_;
  auto& ids = timer_ids_[creator];
  for (std::int16_t& id : ids) {
    if (id < 0) {
      if (actor_count_ == actors_.size()) {
        break;
      }
      id = static_cast<std::int16_t>(actor_count_++);
    }
    const auto number = static_cast<unsigned>(id);
    if ((timers_ & bit(number)) == 0 && number >= setup_count_) {
      actor& a = reset_actor(number, actor_kind::timer, {});
      a.identity_ = static_cast<std::uint16_t>(64 + creator * ids.size() +
                                               static_cast<unsigned>(&id - ids.data()));
      a.target_ = static_cast<std::uint8_t>(creator == 64 ? number : creator);
      a.announce("fire", objects::elsewhere, where);
      a.announced_.add(objects::time, access_kind::expire);
      if (!options_.adversarial_time) {
        a.announced_.add(objects::all, access_kind::everything);
      }
      a.deadline_ = deadline;
      a.act_ = fire;
      a.act_context_ = context;
      timers_ |= bit(number);
      woken_ |= bit(number);
      return a;
    }
  }
  abandon(failure_kind::contract, "more timers at once than the explorer has room for");
}

void run::disarm(actor& timer) noexcept {
  record(objects::time, access_kind::write);
  withdraw(timer);
  timers_ &= ~bit(timer.id_);
  timer.state_ = actor_state::absent;
}

void run::enter_scope(corolock::detail::lock_operation what, const void* lock) noexcept {
  if (current_ == nullptr) {
    return;
  }
  const std::uint16_t object = object_of(lock);
  const bool releases = what == corolock::detail::lock_operation::release;
  record(object, releases ? access_kind::release : access_kind::request);
  if (releases) {
    if (const named_object* o = find_object(object); o != nullptr && tracing_ && !ending_) {
      note("unlock " + std::string(o->name), {});
    }
  }
  in_scope_ = true;
}

void run::note(std::string text, std::source_location where) {
  if (tracing_ && current_ != nullptr) {
    events_.push_back({step_count_, current_->id_, std::move(text), where});
  }
}

void run::fail(failure_kind kind, std::string message) {
  if (!failure_ && !ending_) {
    failure_ = failure_record{kind, std::move(message), step_count_};
  }
}

std::string run::how_resumed(const actor& a) const {
  const std::string where = location(a.where_);
  return "a step of " + actor_name(current_->id_) + " ran the code of " + actor_name(a.id_) +
         " behind its '" + a.verb_ + "'" + (where.empty() ? "" : " at " + where) +
         " before it returned: what wakes a task has to post it, not to resume it";
}

void run::resumed_by_another(const actor& a) {
  // In one expression, because what else lives here when the run is left is lost.
  abandon(failure_kind::contract, how_resumed(a));
}

// A contract is violated in the middle of a step, in a function that cannot throw, and going on
// would be undefined: the run is left behind as it is. Its memory is used again by the next run;
// what its objects hold outside it is lost.
void run::abandon(failure_kind kind, std::string message) {
  fail(kind, std::move(message));
  if (way_back == nullptr) {
    std::fprintf(stderr, "corolock: %s\n", failure_ ? failure_->message.c_str() : "");
    std::abort();
  }
  abandoned_ = true;
  if (thread_hook* const thread = std::exchange(threads_here, nullptr)) {
    thread->leave_for_good();  // calls this again, from the stack of the search
  }
  std::longjmp(*way_back, 1);  // NOLINT(cert-err52-cpp)
}

// --------------------------------------------------------------------------------------- ending

void run::conclude() {
  if (failure_) {
    return;
  }
  std::uint64_t unfinished = 0;
  for (unsigned id = 0; id != setup_count_; ++id) {
    if (actors_[id].kind_ == actor_kind::task && actors_[id].state_ != actor_state::finished) {
      unfinished |= bit(id);
    }
  }
  if (unfinished != 0) {
    report_deadlock();
    return;
  }
  std::jmp_buf here;
  way_back = &here;
  if (setjmp(here) == 0) {  // NOLINT(cert-err52-cpp): see abandon()
    for (const callable& c : finals_) {
      attempt("a final check", [&c] { c.call(c.object); });
    }
    delete std::exchange(attached_, nullptr);
    while (!destroyed_at_end_.empty()) {
      const destroyed_at_end d = destroyed_at_end_.back();
      destroyed_at_end_.pop_back();
      d.destroy(d.object);
    }
  }
  way_back = nullptr;
  if (failure_ && failure_->kind == failure_kind::contract) {
    for (const holding& h : holdings_) {
      wait_graph_.push_back(actor_name(h.actor) + " still has " +
                            object_name(object_of(h.primitive)) + " since " + location(h.where));
    }
  }
}

// A virtual thread that has not ended may be in the middle of anything: what it was about to close
// stays open for ever, and its objects cannot be destroyed.
bool run::has_unfinished_thread() const noexcept {
  return attached_ == nullptr &&
         std::any_of(actors_.begin(), actors_.begin() + setup_count_, [](const actor& a) {
           return a.kind_ == actor_kind::task && a.state_ != actor_state::finished && !a.root_;
         });
}

void run::end() {
  ending_ = true;
  current_ = nullptr;
  if (!abandoned_ && !has_unfinished_thread()) {
    std::jmp_buf here;
    way_back = &here;
    if (setjmp(here) == 0) {  // NOLINT(cert-err52-cpp): see abandon()
      for (unsigned id = 0; id != setup_count_; ++id) {
        actor& a = actors_[id];
        a.act_ = nullptr;
        if (a.root_) {
          std::exchange(a.root_, nullptr).destroy();
        }
      }
      delete std::exchange(attached_, nullptr);
      while (!destroyed_at_end_.empty()) {
        const destroyed_at_end d = destroyed_at_end_.back();
        destroyed_at_end_.pop_back();
        d.destroy(d.object);
      }
    }
    way_back = nullptr;
  }
  abandoned_ = false;
  destroyed_at_end_.clear();
  current_run = nullptr;
}

void run::taken(const actor& a, const void* lock, const void* primitive,
                std::source_location where) {
  holdings_.push_back({lock, primitive, a.id_, where});
  note_of_asio(a, "has ", primitive, where);
}
void run::queued(const actor& a, const corolock::detail::queued_wait& wait) {
  note_of_asio(a, "waits for ", wait.primitive, wait.where);
}
// A task of the explorer's own has told already, at its co_await.
void run::note_of_asio(const actor& a, const char* what, const void* primitive,
                       std::source_location where) {
  if (tracing_ && &a == current_ && a.destroy_ != nullptr) {
    if (const named_object* o = find_object(object_of(primitive))) {
      note(what + std::string(o->name), where);
    }
  }
}

// A unit that its own task gives back is that task's; else it is the oldest one.
void run::released(const void* lock) noexcept {
  auto given_back = holdings_.end();
  for (auto h = holdings_.begin(); h != holdings_.end(); ++h) {
    if (h->lock == lock) {
      const bool own = current_ != nullptr && h->actor == current_->id_;
      if (own || given_back == holdings_.end()) {
        given_back = h;
      }
      if (own) {
        break;
      }
    }
  }
  if (given_back != holdings_.end()) {
    holdings_.erase(given_back);
  }
}

// ", held by one since file:line", of everybody who has a part of it; adds them to `by`.
std::string run::held_by(const void* lock, std::uint64_t& by) const {
  std::string text;
  for (const holding& h : holdings_) {
    if (h.lock == lock) {
      const bool ended = actors_[h.actor].state_ == actor_state::finished;
      const std::string where = location(h.where);
      text += (text.empty() ? ", held by " : " and by ") + actor_name(h.actor) +
              (where.empty() ? "" : " since " + where) + (ended ? ", which has ended" : "");
      by |= bit(h.actor);
    }
  }
  return text;
}

// A deadlock is a circle of tasks, each of which waits for what the next one has.
void run::report_deadlock() {
  std::array<std::uint64_t, 64> waits_for{};
  std::uint64_t waiting = 0;
  for (unsigned id = 0; id != setup_count_; ++id) {
    const actor& a = actors_[id];
    if (a.kind_ != actor_kind::task || a.state_ == actor_state::finished) {
      continue;
    }
    waiting |= bit(id);
    const auto report = [&](const std::string& what, std::source_location asked, const void* lock) {
      const std::string where = location(asked.line() == 0 ? a.where_ : asked);
      wait_graph_.push_back(actor_name(id) + " waits for " + what +
                            (where.empty() ? "" : " at " + where) + held_by(lock, waits_for[id]));
    };
    const std::size_t before = wait_graph_.size();
    for (const auto* w = waits_; w != nullptr; w = w->next()) {
      const corolock::detail::queued_wait& wait = w->wait();
      if (w->task() == &a && *wait.status == corolock::detail::wait_status::queued) {
        const std::string key =
            wait.text_of_key == nullptr ? std::string() : wait.text_of_key(wait.key);
        const std::uint16_t object = object_of(wait.primitive);
        report(object_name(find_object(object) == nullptr ? a.object_ : object) +
                   (key.empty() ? "" : "[" + key + "]"),
               wait.where, wait.lock);
      }
    }
    if (wait_graph_.size() == before && a.destroy_ != nullptr) {
      wait_graph_.push_back(actor_name(id) +
                            " waits for something outside the explorer, such as an io_context, a "
                            "thread or a callback of the body's own");
    } else if (wait_graph_.size() == before) {
      report(object_name(a.object_), a.where_,
             a.enabled_ == nullptr ? nullptr : a.enabled_context_);
    }
  }
  for (unsigned n = 0; n != setup_count_; ++n) {  // as far as a chain of so many waits leads
    for (unsigned id = 0; id != setup_count_; ++id) {
      for (std::uint64_t rest = waits_for[id]; rest != 0; rest &= rest - 1) {
        waits_for[id] |= waits_for[static_cast<unsigned>(std::countr_zero(rest))];
      }
    }
  }
  bool circle = false;
  for (unsigned id = 0; id != setup_count_; ++id) {
    circle = circle || (waits_for[id] & waiting & bit(id)) != 0;
  }
  if (circle) {
    fail(failure_kind::deadlock, "deadlock: no task can go on");
  } else {
    fail(failure_kind::lost_wakeup,
         "lost wake-up: a task waits, and nobody is left who could wake it");
  }
}

std::string location(std::source_location where) {
  const std::string_view file = where.file_name();
  const std::size_t slash = file.rfind('/');
  return where.line() == 0
             ? std::string()
             : std::string(slash == std::string_view::npos ? file : file.substr(slash + 1)) + ":" +
                   std::to_string(where.line());
}

std::string run::actor_name(unsigned id) const {
  const actor& a = actors_[id];
  const actor& target = actors_[a.target_];
  std::string name(target.name_);
  if (target.index_ != 0) {
    name += "[" + std::to_string(target.index_) + "]";
  }
  switch (a.kind_) {
    case actor_kind::task: return name;
    case actor_kind::stop: return "stop " + name;
    case actor_kind::destruction: return "destroy " + name;
    case actor_kind::exception: return "throw into " + name;
    case actor_kind::timer: return "timer of " + name;
  }
  return name;
}

std::string run::object_name(std::uint16_t object) const {
  const std::size_t i = static_cast<std::size_t>(object) - objects::named;
  return object >= objects::named && i < objects_.size() ? std::string(objects_[i].name)
                                                         : std::string("something");
}

std::uint32_t run::body_hash() const noexcept {
  std::uint32_t h = 2166136261U;
  const auto add = [&h](std::string_view text) {
    for (const char c : text) {
      h = (h ^ static_cast<unsigned char>(c)) * 16777619U;
    }
    h = (h ^ 0xFFU) * 16777619U;
  };
  for (unsigned id = 0; id != setup_count_; ++id) {
    add(actor_name(id));
  }
  for (const named_object& o : objects_) {
    add(o.name);
  }
  return h;
}

// --------------------------------------------------------------------------------- called by code

void touched(const void* word, bool written) noexcept {
  if (current_run != nullptr) {
    current_run->touched(word, written);
  }
}

void inline_access(run& r, std::string_view name) {
  if (r.settings().strict) {
    r.abandon(failure_kind::contract, "strict mode: '" + std::string(name) +
                                          "' is accessed inside a step; co_await its read(), "
                                          "write() or update()");
  }
}

void task_promise_base::unhandled_exception() {
  if (continuation_) {
    exception_ = std::current_exception();
    return;
  }
  run& r = *current_run;
  const std::string who = r.actor_name(r.current().id_);
  try {
    throw;
  } catch (const injected_exception&) {  // asked for
  } catch (const std::exception& e) {
    r.fail(failure_kind::exception, "an exception left " + who + ": " + e.what());
  } catch (...) {
    r.fail(failure_kind::exception, "an exception left " + who);
  }
}

}  // namespace explore::detail

namespace detail {

operation_scope::operation_scope(lock_operation what, const void* lock) noexcept {
  if (explore::detail::current_run != nullptr && explore::detail::threads_here == nullptr) {
    explore::detail::current_run->enter_scope(what, lock);
  }
}
operation_scope::~operation_scope() {
  if (explore::detail::current_run != nullptr) {
    explore::detail::current_run->leave_scope();
  }
}

namespace {

// Whose step runs, if any does.
explore::detail::actor* who_runs() noexcept {
  explore::detail::run* const r = explore::detail::current_run;
  return r != nullptr && r->in_step() ? &r->current() : nullptr;
}

}  // namespace

void queue_opened() noexcept {
  if (auto* const a = who_runs()) {
    ++a->open_queues_;
  }
}
void queue_closes() noexcept {
  if (auto* const a = who_runs()) {
    --a->open_queues_;
  }
}
void link_is_read(std::uintptr_t link) noexcept {
  const auto* const a = who_runs();
  if (a != nullptr && a->open_queues_ == 0 && (link & link_is_queued) != 0) {
    contract_violation("the link of a queued waiter is read while its queue is not open");
  }
}

waiting_task::waiting_task() noexcept
    : task_(explore::detail::threads_here == nullptr && explore::detail::current_run != nullptr &&
                    explore::detail::current_run->in_step()
                ? &explore::detail::current_run->current()
                : nullptr) {}

void waiting_task::queues(const queued_wait& w) noexcept {
  unlist();
  if (task_ == nullptr || explore::detail::current_run == nullptr) {
    return;
  }
  wait_ = w;
  waiting_task*& first = explore::detail::current_run->waits();
  next_ = first;
  if (next_ != nullptr) {
    next_->link_ = &next_;
  }
  link_ = &first;
  first = this;
  explore::detail::current_run->queued(*task_, w);
}

void waiting_task::takes(const void* lock, const void* primitive,
                         std::source_location where) const noexcept {
  if (task_ != nullptr && explore::detail::current_run != nullptr) {
    explore::detail::current_run->taken(*task_, lock, primitive, where);
  }
}

void taken_here(const void* lock, std::source_location where) noexcept {
  using namespace explore::detail;
  if (threads_here == nullptr && current_run != nullptr && current_run->in_step()) {
    current_run->taken(current_run->current(), lock, lock, where);
  }
}
void tell_released(const void* lock) noexcept {
  if (explore::detail::threads_here == nullptr && explore::detail::current_run != nullptr) {
    explore::detail::current_run->released(lock);
  }
}

bool waiting_task::resumes(waiter& n, std::uintptr_t frame) const noexcept {
  if (task_ == nullptr || explore::detail::current_run == nullptr ||
      task_->kind_ != explore::detail::actor_kind::task ||
      task_->state_ != explore::detail::actor_state::waiting) {
    return false;
  }
  n.link_ = link_is_listed;
  explore::detail::current_run->post(*task_, n, frame);
  return true;
}

bool waiting_task::forgets(const waiter& n) const noexcept {
  if (task_ == nullptr || task_->posted_waiter_ != &n) {
    return false;
  }
  task_->posted_waiter_ = nullptr;
  task_->act_ = nullptr;
  if (task_->state_ == explore::detail::actor_state::ready) {
    task_->state_ = explore::detail::actor_state::waiting;
  }
  return true;
}

void contract_violation(const char* message, std::source_location where) noexcept {
  if (explore::detail::current_run == nullptr) {
    std::fprintf(stderr, "corolock: %s (%s:%u)\n", message, where.file_name(),
                 static_cast<unsigned>(where.line()));
    std::abort();
  }
  explore::detail::current_run->abandon(explore::failure_kind::contract, message);
}

}  // namespace detail
COROLOCK_END
