// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers

// Random programs: the traces that the optimal search finds are those that the naive one finds.
//
// What goes wrong in a reduction is a trace that is never explored, and no count of a well-known
// program need show it. Here are small programs with everything that makes it hard: accesses that
// depend on values, several in one step, locks of both kinds, deadlocks.
//
//   COROLOCK_FUZZ=40             so many times as many programs (./dev test --fuzz)
//   COROLOCK_FUZZ_SEED=17        only this one; a failure says which, with the smallest program
//                                that still shows it

#include <explore/support/programs.hpp>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <compare>
#include <cstdint>
#include <cstdlib>
#include <optional>
#include <random>
#include <string>
#include <utility>
#include <vector>

namespace {

using namespace corolock;
using namespace corolock_test;
using explore::search_method;

// ------------------------------------------------------------------------------- the programs

enum class op : std::uint8_t {
  // Each is a suspension, and begins a step.
  yield,
  read,     // x -> register
  write,    // register + value -> x
  add,      // x + value -> x, indivisible
  acquire,  // of a textbook lock
  release,
  lock,  // of an async_mutex
  wait,  // for an async_event
  take,  // a unit of an async_semaphore
  choose,
  // These are part of the step that runs.
  get,   // x -> register
  set,   // register + value -> x
  swap,  // if x is `value`, then `value` + 1 -> x
  skip,  // unless the register is `value`: not the next one
  unlock,
  try_lock,
  signal,  // sets an event
  reset,
  give,  // a unit back
};

constexpr std::array names{"yield",  "read",     "write",  "add",   "acquire", "release", "lock",
                           "wait",   "take",     "choose", "get",   "set",     "swap",    "skip",
                           "unlock", "try_lock", "signal", "reset", "give"};

struct instruction {
  op what;
  unsigned object;
  int value;
};

struct program {
  std::vector<std::vector<instruction>> tasks;
  bool strict = false;
  bool sites = false;  // every yield has a place of its own, as in code without loops
};

constexpr unsigned task_max = 4;
constexpr unsigned variable_count = 3;
constexpr unsigned lock_count = 2;

std::string text(const program& p) {
  std::string all = p.strict ? "strict" : p.sites ? "each yield a place of its own" : "";
  for (std::size_t t = 0; t != p.tasks.size(); ++t) {
    all += "\n  task " + std::to_string(t) + ":";
    for (const instruction& i : p.tasks[t]) {
      all += std::string(" ") + names[static_cast<std::size_t>(i.what)] + "(" +
             std::to_string(i.object) + ", " + std::to_string(i.value) + ")";
    }
  }
  return all;
}

enum class kind : std::uint8_t { textbook, steps, mutexes, primitives };

class generator {
 public:
  explicit generator(std::uint64_t seed) : random_(seed) {}

  program make(kind k) {
    program p;
    p.strict = k == kind::textbook;
    p.sites = below(2) == 0;
    const unsigned count = 2 + below(3);
    const unsigned suspensions = count == 2 ? 5 : count == 3 ? 3 : 2;
    for (unsigned t = 0; t != count; ++t) {
      p.tasks.push_back(task(k, 1 + below(suspensions)));
    }
    return p;
  }

 private:
  unsigned below(unsigned n) { return static_cast<unsigned>(random_() % n); }

  op pick(kind k) {
    static const std::vector<op> strict{op::read, op::read,    op::write,   op::write,  op::add,
                                        op::skip, op::acquire, op::acquire, op::release};
    static const std::vector<op> steps{op::yield, op::yield, op::read, op::write,   op::add,
                                       op::get,   op::set,   op::swap, op::swap,    op::skip,
                                       op::skip,  op::set,   op::get,  op::acquire, op::release};
    static const std::vector<op> mutexes{op::yield,  op::read, op::write,   op::lock, op::lock,
                                         op::lock,   op::get,  op::set,     op::skip, op::unlock,
                                         op::unlock, op::swap, op::try_lock};
    static const std::vector<op> primitives{
        op::yield, op::read, op::write,  op::lock,     op::wait,   op::take,  op::choose,
        op::get,   op::set,  op::skip,   op::unlock,   op::signal, op::reset, op::give,
        op::give,  op::swap, op::signal, op::try_lock, op::take,   op::lock};
    switch (k) {
      case kind::textbook: return strict[below(static_cast<unsigned>(strict.size()))];
      case kind::steps: return steps[below(static_cast<unsigned>(steps.size()))];
      case kind::mutexes: return mutexes[below(static_cast<unsigned>(mutexes.size()))];
      default: return primitives[below(static_cast<unsigned>(primitives.size()))];
    }
  }

  std::vector<instruction> task(kind k, unsigned suspensions) {
    std::vector<instruction> all;
    for (unsigned inside = 0; suspensions != 0;) {
      const op what = pick(k);
      inside = what < op::get ? 0 : inside + 1;
      if (inside > 4) {
        continue;
      }
      suspensions -= what < op::get ? 1 : 0;
      all.push_back({what, below(what == op::acquire || what == op::lock ? lock_count : 3),
                     static_cast<int>(below(2))});
    }
    for (unsigned more = below(3); more != 0 && k != kind::textbook; --more) {
      const op what = pick(k);
      if (what >= op::get) {
        all.push_back({what, below(3), static_cast<int>(below(2))});
      }
    }
    return all;
  }

  std::mt19937_64 random_;
};

// -------------------------------------------------------------------------------- running them

// Begins a step, at a place that is told apart.
struct yield_at {
  using explorer_operation_tag = void;
  std::uint64_t place;

  explicit yield_at(std::uint64_t p) noexcept : place(p) {}
  void announce(explore::detail::run&, explore::detail::actor& a,
                std::source_location where) const noexcept {
    a.announce("yield", explore::detail::objects::elsewhere, where);
    a.site_ ^= place << 32;
  }
  void result(explore::detail::run&, explore::detail::actor&, std::source_location) const noexcept {
  }
};

// What a run of a program uses. It outlives the run, to be looked at afterwards.
struct machine {
  explicit machine(const program& p) : code(p) {}

  struct task_state {
    int value = 0;  // the register
    unsigned done = 0;
    unsigned acquired = 0;
    std::array<mutex_guard*, lock_count> guards{};
    permit* unit = nullptr;
  };

  const program& code;
  std::array<explore::shared<int>*, variable_count> variables{};
  std::array<textbook_lock*, lock_count> textbook_locks{};
  std::array<async_mutex*, lock_count> mutexes{};
  async_event* event = nullptr;
  async_semaphore* semaphore = nullptr;
  std::array<task_state, task_max> tasks{};

  void operator()(explore::world& w) {
    for (auto& v : variables) {
      v = &w.shared<int>("v", 0);
    }
    for (auto& l : textbook_locks) {
      l = &w.make<textbook_lock>("l");
    }
    for (auto& m : mutexes) {
      m = &w.make<async_mutex>("m");
    }
    event = &w.make<async_event>("e");
    semaphore = &w.make<async_semaphore>("s", std::size_t{1});
    for (unsigned t = 0; t != code.tasks.size(); ++t) {
      tasks[t] = {};
      for (auto& guard : tasks[t].guards) {
        guard = &w.construct<mutex_guard>();
      }
      tasks[t].unit = &w.construct<permit>();
      w.spawn("t", [this, t]() { return interpret(code.tasks[t], tasks[t]); });
    }
  }

  // The registers, the variables, and how far each task has come.
  [[nodiscard]] std::uint64_t outcome() const {
    std::uint64_t h = 0;
    const auto add = [&h](std::uint64_t x) { h = (h ^ x) * 0x9E3779B97F4A7C15U ^ (h >> 31); };
    for (const auto* v : variables) {
      add(static_cast<std::uint64_t>(v->value()));
    }
    for (const task_state& t : tasks) {
      add(static_cast<std::uint64_t>(t.value));
      add(t.done);
    }
    return h;
  }

 private:
  // What a task does not hold it does not give back, and what it holds it does not take again.
  explore::task<> interpret(const std::vector<instruction>& todo, task_state& self) {
    for (std::size_t n = 0; n < todo.size(); ++n) {
      const instruction i = todo[n];
      explore::shared<int>& x = *variables[i.object];
      const unsigned number = i.object % lock_count;
      mutex_guard& guard = *self.guards[number];
      switch (i.what) {
        case op::yield: co_await yield_at(code.sites ? n + 1 : 0); break;
        case op::read: self.value = co_await x.read(); break;
        case op::write: co_await x.write(self.value + i.value); break;
        case op::add: {
          const int by = i.value + 1;
          self.value = co_await x.update([by](int& v) { return v += by; });
          break;
        }
        case op::acquire:
          if ((self.acquired & (1U << number)) == 0) {
            co_await textbook_locks[number]->acquire();
            self.acquired |= 1U << number;
          }
          break;
        case op::release:
          if ((self.acquired & (1U << number)) != 0) {
            co_await textbook_locks[number]->release();
            self.acquired &= ~(1U << number);
          }
          break;
        case op::lock:
          if (!guard) {
            guard = co_await mutexes[number]->async_lock();
          }
          break;
        case op::wait: co_await event->async_wait(); break;
        case op::take:
          if (!*self.unit) {
            auto taken = co_await semaphore->async_acquire();
            *self.unit = std::move(taken).value();
          }
          break;
        case op::choose: self.value = static_cast<int>(co_await explore::choose(2)); break;
        case op::get: self.value = x.get(); break;
        case op::set: x.set(self.value + i.value); break;
        case op::swap:
          if (x.get() == i.value) {
            x.set(i.value + 1);
          }
          break;
        case op::skip: n += self.value == i.value ? 0 : 1; break;
        case op::unlock:
          if (guard) {
            guard.unlock();
          }
          break;
        case op::try_lock:
          if (!guard) {
            guard = mutexes[number]->try_lock();
            self.value = guard ? 1 : 0;
          }
          break;
        case op::signal: event->set(); break;
        case op::reset: event->reset(); break;
        case op::give:
          if (*self.unit) {
            self.unit->give_back();
          }
          break;
      }
      ++self.done;
    }
    for (mutex_guard* guard : self.guards) {
      if (*guard) {
        guard->unlock();
      }
    }
    if (*self.unit) {
      self.unit->give_back();
    }
  }
};

struct seen {
  std::uint64_t trace;
  std::uint64_t outcome;
  friend auto operator<=>(const seen&, const seen&) = default;
};

constexpr std::uint64_t naive_limit = 3000;

std::vector<seen> runs_of(const program& p, search_method method, explore::result& r) {
  std::vector<seen> all;
  machine m(p);
  explore::options o;
  o.method = method;
  o.strict = p.strict;
  o.count_failures = true;
  o.max_runs = method == search_method::naive ? naive_limit : 10 * naive_limit;
  o.on_run = [&](const explore::run_summary& s) { all.push_back({s.trace, m.outcome()}); };
  r = explore::check(m, o);
  std::sort(all.begin(), all.end());
  return all;
}

// Nothing if the program is too large; else what is wrong, empty if nothing is.
std::optional<std::string> problem_of(const program& p) {
  explore::result naive;
  std::vector<seen> expected = runs_of(p, search_method::naive, naive);
  if (!naive.bound.empty() || naive.traces >= naive_limit) {
    return std::nullopt;
  }
  expected.erase(std::unique(expected.begin(), expected.end()), expected.end());
  for (std::size_t i = 1; i < expected.size(); ++i) {
    if (expected[i].trace == expected[i - 1].trace) {
      return "one trace has two outcomes";
    }
  }
  explore::result optimal;
  std::vector<seen> found = runs_of(p, search_method::optimal, optimal);
  if (optimal.blocked != 0) {
    return std::to_string(optimal.blocked) + " runs were cut off";
  }
  const std::size_t runs = found.size();
  found.erase(std::unique(found.begin(), found.end()), found.end());
  if (p.strict && found.size() != runs) {
    return std::to_string(runs - found.size()) + " traces too many";
  }
  if (found != expected) {
    return std::to_string(found.size()) + " of " + std::to_string(expected.size()) +
           " traces were found";
  }
  return "";
}

// The same with fewer instructions, as long as it shows a problem.
program smallest(program p) {
  for (bool smaller = true; smaller;) {
    smaller = false;
    for (std::size_t t = 0; t != p.tasks.size(); ++t) {
      for (std::size_t i = 0; i != p.tasks[t].size(); ++i) {
        program q = p;
        q.tasks[t].erase(q.tasks[t].begin() + static_cast<std::ptrdiff_t>(i));
        const auto problem = problem_of(q);
        if (problem && !problem->empty()) {
          p = std::move(q);
          smaller = true;
          --i;
        }
      }
    }
  }
  return p;
}

unsigned from_environment(const char* name, unsigned otherwise) {
  const char* value = std::getenv(name);  // NOLINT(concurrency-mt-unsafe)
  return value == nullptr ? otherwise : static_cast<unsigned>(std::strtoul(value, nullptr, 10));
}

void compare(kind k, unsigned programs) {
  const unsigned only = from_environment("COROLOCK_FUZZ_SEED", 0);
  const unsigned first = only == 0 ? 1 : only;
  unsigned compared = 0;
  const unsigned wanted = only == 0 ? programs * from_environment("COROLOCK_FUZZ", 1) : 1;
  for (unsigned seed = first; compared != wanted; ++seed) {
    const program p = generator(seed).make(k);
    const auto problem = problem_of(p);
    compared += problem || only != 0 ? 1 : 0;
    if (problem && !problem->empty()) {
      const program small = smallest(p);
      FAIL() << "COROLOCK_FUZZ_SEED=" << seed << ": " << *problem << "\n"
             << text(p) << "\nsmallest: " << *problem_of(small) << "\n"
             << text(small);
    }
  }
}

TEST(Fuzz, ProgramsOfSingleAccessesAndTextbookLocks) {
  compare(kind::textbook, 2000);
}

TEST(Fuzz, StepsOfSeveralAccessesThatDependOnValues) {
  compare(kind::steps, 1500);
}

TEST(Fuzz, AsyncMutexes) {
  compare(kind::mutexes, 1000);
}

TEST(Fuzz, EventsSemaphoresAndChoices) {
  compare(kind::primitives, 700);
}

}  // namespace
