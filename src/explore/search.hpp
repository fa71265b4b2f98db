// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers
#pragma once

// The search: which schedules of a body are run.
//
// optimal is Optimal-DPOR (Abdulla, Aronis, Jonsson, Sagonas: "Optimal dynamic partial order
// reduction", POPL 2014) with wakeup trees and sleep sets over the steps of the tasks, with one
// change that steps of more than one access make necessary. The theory takes for granted that
// the next step of a task does the same whatever the others have done. Here it may not: `if (x)
// y = 1` touches y or does not. So the dependence of two steps is decided by what each of them
// *may* touch: everything that a step from this point of this task was ever seen to touch, plus
// what is announced for this time. When a run adds to that, the search begins again with what it
// has learned; that ends, because the sets only grow. On the search that is then completed the
// relation never changed, which is what the theory asks for.
// (Fuzz.EveryTraceOfNaiveIsFoundOnceByOptimal)
//
// Timers together with interference, or with adversarial time, enable and disable each other
// beyond what races of executed steps tell. Bodies with both are searched depth first with sleep
// sets, which need only the dependence relation: every trace once, and some runs that are cut
// off.
//
// Of two racing steps e and e' (dependent, and nothing in between makes e' follow e) the other
// order is explored by a branch in front of e that does what does not need e, and then e'. For
// the acquires of a lock that is held there are two special rules: the race is tested before the
// acquire learns from the release that it follows, and a task that is still blocked in an
// acquire at the end takes part with it. (Counts.AbbaHasThreeTracesAndOneDeadlock fails without
// them.)

#include "footprints.hpp"
#include <corolock/explore/check.hpp>

#include <array>
#include <chrono>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

COROLOCK_BEGIN
namespace explore::detail {

// A scheduled step: who, and which outcome of its operation.
struct scheduled {
  std::uint8_t actor;
  std::uint8_t choice;

  friend bool operator==(const scheduled&, const scheduled&) = default;
};
using schedule = std::vector<scheduled>;

// How many steps of each actor happen before a point, itself included.
using vector_clock = std::array<std::uint16_t, 64>;

struct executed_step {
  scheduled who;
  std::uint16_t index;  // counts the actor's steps from 1
  bool preempts;
  footprint touched;  // what it may touch
  footprint actual;   // what it did touch
  std::uint64_t woke;
  vector_clock before;  // what it follows without regard to what it touches
  vector_clock clock;   // what it follows, itself included
};

// Numbers that repeat from run to run without <random>'s weight.
class random_numbers {
 public:
  explicit random_numbers(std::uint64_t seed) noexcept : state_(seed) {}
  std::uint32_t below(std::uint32_t n) noexcept {
    state_ += 0x9E3779B97F4A7C15U;
    std::uint64_t z = state_;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9U;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBU;
    z ^= z >> 31;
    return static_cast<std::uint32_t>(((z >> 32) * n) >> 32);
  }

 private:
  std::uint64_t state_;
};

// Of how many runs what they touch is looked at, for the advice on each shared variable.
constexpr unsigned runs_looked_at = 1000;

class search {
 public:
  // Told of every complete run, before it ends; false: stop.
  using leaf_function = std::function<bool(search&)>;

  search(run& r, const options& o, leaf_function leaf);

  // Each returns true if it came to its own end: nothing is left to explore.
  void sample(unsigned runs, bool pct);
  bool depth_first(bool with_sleep_sets);
  // False also when the body needs sleep sets; then nothing it found counts.
  bool optimal();

  // Does the run that was done last again. The body has to do the same again; else false, and
  // divergence says where it does not.
  bool audit();

  // Does one schedule, then goes on without preemptions. False: it does not fit at *at.
  bool follow(const schedule& s, std::size_t* at, bool to_the_end);

  // Of the run that was done last: fills in the clocks of steps().
  void update_clocks();
  // An estimate of how much of the search is done, 0 .. 1.
  [[nodiscard]] double part_done() const;

  [[nodiscard]] run& here() noexcept { return run_; }
  [[nodiscard]] const std::vector<executed_step>& steps() const noexcept { return steps_; }
  [[nodiscard]] std::size_t length() const noexcept { return length_; }
  [[nodiscard]] footprint_table& footprints() noexcept { return footprints_; }
  [[nodiscard]] std::uint64_t trace_hash() const noexcept { return hash_; }
  [[nodiscard]] unsigned preemptions() const noexcept;

  std::uint64_t runs = 0;
  std::uint64_t runs_allowed = ~std::uint64_t{0};
  std::uint64_t blocked = 0;
  std::uint64_t restarts = 0;
  std::string divergence;

 private:
  // What a task was about to do.
  struct intention {
    std::uint64_t site = 0;
    std::uint64_t enabled = 0;
    const char* verb = "";
    std::uint16_t object = 0;
    std::source_location where;
    std::vector<access> touched;  // and what it came to
  };
  struct site {
    std::uint64_t key;
    std::vector<access> beyond;  // what was seen that had not been announced
    small_footprint announced;   // of the last time,
    footprint predicted;         // and what it came to
    bool valid;
  };
  struct element {
    scheduled who;
    footprint touched;
  };
  struct node {
    element what;
    std::int32_t child = -1;
    std::int32_t next = -1;
  };
  struct frame {
    std::vector<element> sleep;
    std::int32_t tree = -1;  // the first child; that one is being explored
    bool expanded = false;   // the other outcomes of its operation are in the tree
  };
  struct dfs_frame {
    std::vector<scheduled> rest;
    std::vector<element> sleep;
    element taken;
  };

  void begin_run();
  void intend(const actor& a, std::uint64_t enabled);
  [[nodiscard]] std::string told(const intention& i) const;
  void end_run() { run_.end(); }
  // One step. False: it touched what it was not known to touch (which is known now).
  bool do_step(scheduled who, std::uint64_t enabled);
  site& site_of(unsigned actor, std::uint64_t key);
  footprint predict(const small_footprint& announced, site& s);
  footprint predict(const actor& a) { return predict(a.announced_, site_of(a.id_, a.site_)); }
  bool learn(site& s, std::size_t announced);
  void limit_steps();
  [[nodiscard]] bool is_ordered(const executed_step& a, const executed_step& b);
  void hash_step(const executed_step& e);
  bool leaf();
  bool over_budget() const;
  [[nodiscard]] scheduled pick(std::uint64_t among) const;

  // optimal
  std::int32_t new_node(const element& e);
  void free_node(std::int32_t n);
  void enter_frame(std::size_t depth);
  bool take_next(std::size_t depth, std::uint64_t enabled);
  bool back_up();
  void forget_frames();
  [[nodiscard]] bool weak_initial(const element& q, const std::vector<element>& v);
  void add_branch(frame& f, std::vector<element>& v);
  void find_races();
  void races_of(std::size_t number);
  void races_of_blocked(unsigned id);
  void races_of_withdrawn(const withdrawn_operation& w, const vector_clock& before);
  void reverse(std::size_t first, std::size_t second, const element& last);

  run& run_;
  const options& options_;
  leaf_function leaf_;
  footprint_table footprints_;
  std::array<std::vector<site>, 64> sites_;
  std::vector<access> scratch_;
  std::vector<executed_step> steps_;
  std::size_t length_ = 0;
  std::array<vector_clock, 64> clocks_{};
  std::uint64_t hash_ = 0;
  bool hashing_ = false;
  bool auditing_ = false;
  bool only_running_ = false;  // of a random run nothing is asked but its schedule and how it ends
  std::vector<intention> intentions_;
  std::vector<std::array<std::uint16_t, access_kinds>> seen_;  // accesses of each object, by kind
  std::vector<std::uint16_t> seen_objects_;                    // those with any

  std::vector<node> nodes_;
  std::int32_t free_nodes_ = -1;
  std::vector<frame> frames_;
  std::size_t depth_ = 0;
  std::size_t timed_ = 0;  // the steps that are those of the trace before, with their clocks
  std::vector<element> branch_;
  std::vector<vector_clock> withdrawn_before_;  // what each withdrawn operation would have followed
  std::chrono::steady_clock::time_point deadline_;
};

}  // namespace explore::detail
COROLOCK_END
