// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers

#include "search.hpp"

#include <algorithm>
#include <bit>
#include <utility>

COROLOCK_BEGIN
namespace explore::detail {

namespace {

std::uint64_t bit(unsigned id) noexcept {
  return std::uint64_t{1} << id;
}

std::uint64_t mix(std::uint64_t h) noexcept {
  h = (h ^ (h >> 31)) * 0x7FB5D329728EA185U;
  h = (h ^ (h >> 27)) * 0x81DADEF4BC2DD44DU;
  return h ^ (h >> 33);
}

void join(vector_clock& into, const vector_clock& from, unsigned actors) noexcept {
  for (unsigned i = 0; i != actors; ++i) {
    into[i] = std::max(into[i], from[i]);
  }
}

// How many random runs are done twice, to see whether the body does the same again.
constexpr unsigned audited_runs = 10;

bool happens_before(const executed_step& e, const vector_clock& c) noexcept {
  return e.index <= c[e.who.actor];
}

}  // namespace

search::search(run& r, const options& o, leaf_function leaf)
    : run_(r),
      options_(o),
      leaf_(std::move(leaf)),
      hashing_(static_cast<bool>(o.on_run)),
      deadline_(std::chrono::steady_clock::now() + o.time_limit) {
  scratch_.clear();
  footprints_.intern(scratch_);
}

// -------------------------------------------------------------------------------------- running

void search::begin_run() {
  run_.begin();
  ++runs;
  length_ = 0;
  hash_ = 0;
  intentions_.clear();
  for (unsigned i = 0; i != run_.actor_count(); ++i) {
    clocks_[i].fill(0);
  }
  if (hashing_) {
    for (const std::uint16_t object : seen_objects_) {
      seen_[object].fill(0);
    }
    seen_objects_.clear();
  }
}

search::site& search::site_of(unsigned actor, std::uint64_t key) {
  auto& sites = sites_[actor];
  for (site& s : sites) {
    if (s.key == key) {
      return s;
    }
  }
  sites.push_back({key, {}, {}, 0, false});
  return sites.back();
}

footprint search::predict(const small_footprint& now, site& s) {
  if (s.valid && s.announced.size == now.size &&
      std::equal(now.accesses.begin(), now.accesses.begin() + now.size,
                 s.announced.accesses.begin())) {
    return s.predicted;
  }
  scratch_.assign(now.accesses.begin(), now.accesses.begin() + now.size);
  scratch_.insert(scratch_.end(), s.beyond.begin(), s.beyond.end());
  s.predicted = footprints_.intern(scratch_);
  s.announced = now;
  s.valid = true;
  return s.predicted;
}

bool search::learn(site& s, std::size_t announced) {
  const std::vector<access>& touched = run_.accesses();
  bool known = true;
  for (std::size_t i = announced; i != touched.size(); ++i) {
    if (std::find(s.beyond.begin(), s.beyond.end(), touched[i]) == s.beyond.end()) {
      s.beyond.push_back(touched[i]);
      s.valid = false;
      known = false;
    }
  }
  return known;
}

bool search::do_step(scheduled who, std::uint64_t enabled) {
  if (steps_.size() == length_) {
    steps_.emplace_back();
  }
  executed_step& e = steps_[length_];
  e.who = who;
  if (only_running_) {
    run_.step(who.actor, who.choice);
    ++length_;
    limit_steps();
    return true;
  }
  const actor& a = run_.at(who.actor);
  site& s = site_of(a.id_, a.site_);
  e.touched = predict(a.announced_, s);
  e.preempts = length_ != 0 && steps_[length_ - 1].who.actor != who.actor &&
               (enabled & bit(steps_[length_ - 1].who.actor)) != 0;
  const std::size_t announced = a.announced_.size;
  if (auditing_) {
    intend(a, enabled);
  }
  run_.step(who.actor, who.choice);
  e.index = static_cast<std::uint16_t>(a.steps_);
  e.woke = run_.woken();
  ++length_;
  const auto& touched = run_.accesses();
  if (auditing_) {
    intentions_.back().touched = touched;
  }
  e.actual = e.touched;
  if (touched.size() != footprints_[e.touched].size()) {
    scratch_.assign(touched.begin(), touched.end());
    e.actual = footprints_.intern(scratch_);
  }
  if (hashing_) {
    hash_step(e);
  }
  if (touched.size() != announced && !learn(s, announced)) {
    return false;
  }
  limit_steps();
  return true;
}

void search::limit_steps() {
  if (length_ >= options_.max_steps) {
    run_.fail(failure_kind::livelock,
              "livelock: " + std::to_string(length_) + " steps, and no end (options::max_steps)");
  }
}

// Of what this step did, in a form that does not depend on the order of independent steps: each
// access with its place among the accesses that it conflicts with.
void search::hash_step(const executed_step& e) {
  const std::uint64_t who = run_.at(e.who.actor).identity_;
  hash_ +=
      mix((who << 40) ^ (std::uint64_t{e.index} << 16) ^ e.who.choice ^ (std::uint64_t{1} << 60));
  const auto& touched = run_.accesses();
  const auto place_of = [this](std::uint16_t object) -> std::array<std::uint16_t, access_kinds>& {
    if (seen_.size() <= object) {
      seen_.resize(std::size_t{object} + 1);
    }
    return seen_[object];
  };
  for (const access& x : touched) {
    const auto& counts = place_of(x.object);
    std::uint64_t before = 0;
    for (unsigned kind = 1; kind != access_kinds; ++kind) {  // all but reads
      if ((conflict(x.kind, static_cast<access_kind>(kind)) & (races | lock_race)) != 0) {
        before += counts[kind];
      }
    }
    hash_ += mix(
        mix((std::uint64_t{x.object} << 32) ^ (static_cast<std::uint64_t>(x.kind) << 24) ^ who) +
        (std::uint64_t{e.index} << 32) + before);
  }
  for (const access& x : touched) {
    ++place_of(x.object)[static_cast<unsigned>(x.kind)];
    seen_objects_.push_back(x.object);
  }
}

unsigned search::preemptions() const noexcept {
  unsigned count = 0;
  for (std::size_t i = 0; i != length_; ++i) {
    count += steps_[i].preempts ? 1 : 0;
  }
  return count;
}

void search::intend(const actor& a, std::uint64_t enabled) {
  intentions_.push_back({a.site_, enabled, a.verb_, a.object_, a.where_, {}});
}

std::string search::told(const intention& i) const {
  std::string text = i.verb;
  if (i.object != objects::elsewhere) {
    text += " " + run_.object_name(i.object);
  }
  const std::string where = location(i.where);
  text += where.empty() ? "" : " at " + where;
  std::string objects;
  for (const access& x : i.touched) {
    if (x.object >= objects::named && x.object < objects::words) {
      objects += (objects.empty() ? "" : ", ") + run_.object_name(x.object);
    }
  }
  return "'" + text + "'" + (objects.empty() ? "" : " touching " + objects);
}

bool search::audit() {
  schedule same;
  for (std::size_t i = 0; i != length_; ++i) {
    same.push_back(steps_[i].who);
  }
  const std::vector<intention> first = intentions_;
  const std::string why =
      "; look for unordered containers, addresses, clocks and random numbers in the body";
  std::size_t at = same.size();
  const bool fits = follow(same, &at, false);
  --runs;  // not one of the search's own
  std::size_t i = 0;
  while (i != first.size() && i != intentions_.size() && first[i].site == intentions_[i].site &&
         first[i].enabled == intentions_[i].enabled && first[i].touched == intentions_[i].touched) {
    ++i;
  }
  if (i != first.size()) {
    const std::string who = run_.actor_name(same[i].actor);
    divergence =
        "the body does not do the same again: at step " + std::to_string(i + 1) + " " + who +
        " first did " + told(first[i]) +
        (i < intentions_.size() ? ", then " + told(intentions_[i]) : ", then it could not go on") +
        why;
  } else if (!fits || length_ != same.size()) {
    divergence = "the body does not do the same again: after " + std::to_string(at) +
                 " steps it differs" + why;
  }
  end_run();
  return divergence.empty();
}

bool search::leaf() {
  run_.conclude();
  return leaf_(*this);
}

bool search::over_budget() const {
  return runs >= runs_allowed ||
         ((runs & 63) == 0 && std::chrono::steady_clock::now() >= deadline_);
}

// The task of the last step if it can go on, else the first one; what interferes, last.
scheduled search::pick(std::uint64_t among) const {
  if (length_ != 0) {
    const unsigned last = steps_[length_ - 1].who.actor;
    if ((among & bit(last)) != 0 && run_.at(last).kind_ == actor_kind::task) {
      return {static_cast<std::uint8_t>(last), 0};
    }
  }
  for (std::uint64_t rest = among; rest != 0; rest &= rest - 1) {
    const auto id = static_cast<unsigned>(std::countr_zero(rest));
    if (run_.at(id).kind_ == actor_kind::task) {
      return {static_cast<std::uint8_t>(id), 0};
    }
  }
  return {static_cast<std::uint8_t>(std::countr_zero(among)), 0};
}

bool search::follow(const schedule& s, std::size_t* at, bool to_the_end) {
  begin_run();
  bool fits = true;
  for (std::size_t i = 0; i != s.size() && !run_.failure(); ++i) {
    const std::uint64_t enabled = run_.enabled();
    if ((enabled & bit(s[i].actor)) == 0 || s[i].choice >= run_.at(s[i].actor).alternatives_) {
      *at = i;
      fits = false;
      break;
    }
    do_step(s[i], enabled);
  }
  while (fits && to_the_end && !run_.failure()) {
    const std::uint64_t enabled = run_.enabled();
    if (enabled == 0) {
      break;
    }
    do_step(pick(enabled), enabled);
  }
  if (fits && run_.enabled() == 0) {
    run_.conclude();
  }
  return fits;
}

// ------------------------------------------------------------------------------------- sampling

void search::sample(unsigned count, bool pct) {
  random_numbers random(options_.seed);
  std::array<std::uint32_t, 64> priority{};
  std::size_t longest = 8;
  for (unsigned n = 0; n != count && !over_budget(); ++n) {
    auditing_ = n < audited_runs;
    only_running_ = n >= runs_looked_at && !hashing_;
    begin_run();
    std::uint64_t changes = 0;  // for runs of up to 64 steps: a bit for each step with a change
    if (pct) {
      for (auto& p : priority) {
        p = 1000 + random.below(1U << 20);
      }
      for (unsigned i = 1; i < options_.depth; ++i) {
        changes |=
            bit(random.below(static_cast<std::uint32_t>(std::min<std::size_t>(longest, 64))));
      }
    }
    std::uint32_t lowest = 999;
    while (!run_.failure()) {
      const std::uint64_t enabled = run_.enabled();
      if (enabled == 0) {
        break;
      }
      scheduled who{};
      if (pct) {
        const auto highest = [&] {
          unsigned best = static_cast<unsigned>(std::countr_zero(enabled));
          for (std::uint64_t rest = enabled; rest != 0; rest &= rest - 1) {
            const auto id = static_cast<unsigned>(std::countr_zero(rest));
            best = priority[id] > priority[best] ? id : best;
          }
          return best;
        };
        unsigned id = highest();
        if (length_ < 64 && (changes & bit(static_cast<unsigned>(length_))) != 0) {
          priority[id] = lowest--;
          id = highest();
        }
        who.actor = static_cast<std::uint8_t>(id);
      } else {
        std::uint64_t rest = enabled;
        for (std::uint32_t skip = random.below(static_cast<std::uint32_t>(std::popcount(enabled)));
             skip != 0; --skip) {
          rest &= rest - 1;
        }
        who.actor = static_cast<std::uint8_t>(std::countr_zero(rest));
      }
      if (const unsigned outcomes = run_.at(who.actor).alternatives_; outcomes > 1) {
        who.choice = static_cast<std::uint8_t>(random.below(outcomes));
      }
      do_step(who, enabled);
    }
    longest = std::max(longest, length_);
    const bool go_on = leaf();
    end_run();
    if ((auditing_ && !audit()) || !go_on) {
      break;
    }
  }
  auditing_ = false;
  only_running_ = false;
}

// ---------------------------------------------------------------------------------- depth first

bool search::depth_first(bool with_sleep_sets) {
restart:
  std::vector<dfs_frame> frames;
  std::size_t depth = 0;
  for (;;) {
    if (over_budget()) {
      return false;
    }
    begin_run();
    bool cut = false;
    bool known = true;
    unsigned preempted = 0;
    unsigned early = 0;
    for (std::size_t d = 0; !run_.failure(); ++d) {
      const std::uint64_t enabled = run_.enabled();
      if (d == depth) {
        if (enabled == 0) {
          break;
        }
        if (frames.size() == depth) {
          frames.emplace_back();
        }
        dfs_frame& f = frames[d];
        f.rest.clear();
        f.sleep.clear();
        if (with_sleep_sets && d != 0) {
          for (const element& q : frames[d - 1].sleep) {
            if (q.who.actor != steps_[d - 1].who.actor &&
                !footprints_.depend(q.touched, steps_[d - 1].touched)) {
              f.sleep.push_back(q);
            }
          }
        }
        const scheduled first = pick(enabled);
        for (unsigned i = 0; i <= run_.actor_count(); ++i) {
          const unsigned id = i == 0 ? first.actor : i - 1;
          if ((i != 0 && id == first.actor) || (enabled & bit(id)) == 0) {
            continue;
          }
          const actor& a = run_.at(id);
          const bool preempts = d != 0 && id != steps_[d - 1].who.actor &&
                                (enabled & bit(steps_[d - 1].who.actor)) != 0;
          if (preempts && options_.preemptions && preempted >= *options_.preemptions) {
            continue;
          }
          if (a.kind_ == actor_kind::timer && options_.early_timers &&
              early >= *options_.early_timers && run_.at(first.actor).kind_ == actor_kind::task) {
            continue;
          }
          for (unsigned c = 0; c != a.alternatives_; ++c) {
            const scheduled who{static_cast<std::uint8_t>(id), static_cast<std::uint8_t>(c)};
            const bool asleep = std::any_of(f.sleep.begin(), f.sleep.end(),
                                            [&](const element& q) { return q.who == who; });
            if (!asleep) {
              f.rest.push_back(who);
            }
          }
        }
        if (f.rest.empty()) {
          cut = true;
          break;
        }
        std::reverse(f.rest.begin(), f.rest.end());
        ++depth;
      }
      const scheduled who = frames[d].rest.back();
      const bool is_early = run_.at(who.actor).kind_ == actor_kind::timer &&
                            run_.at(pick(enabled).actor).kind_ == actor_kind::task;
      known = do_step(who, enabled) && known;
      frames[d].taken = {who, steps_[d].touched};
      preempted += steps_[d].preempts ? 1 : 0;
      early += is_early ? 1 : 0;
      if (with_sleep_sets && !known) {
        break;
      }
    }
    if (with_sleep_sets && !known) {  // as in optimal()
      end_run();
      ++restarts;
      goto restart;  // NOLINT(cppcoreguidelines-avoid-goto)
    }
    bool go_on = true;
    if (cut) {
      ++blocked;
    } else {
      go_on = leaf();
    }
    end_run();
    if (!go_on) {
      return false;
    }
    while (depth != 0) {
      dfs_frame& f = frames[depth - 1];
      if (with_sleep_sets) {
        f.sleep.push_back(f.taken);
      }
      f.rest.pop_back();
      if (!f.rest.empty()) {
        break;
      }
      --depth;
    }
    if (depth == 0) {
      return true;
    }
  }
}

// -------------------------------------------------------------------------------------- optimal

std::int32_t search::new_node(const element& e) {
  std::int32_t n = free_nodes_;
  if (n >= 0) {
    free_nodes_ = nodes_[static_cast<std::size_t>(n)].next;
  } else {
    n = static_cast<std::int32_t>(nodes_.size());
    nodes_.emplace_back();
  }
  nodes_[static_cast<std::size_t>(n)] = {e, -1, -1};
  return n;
}

// One node; its children are gone.
void search::free_node(std::int32_t n) {
  nodes_[static_cast<std::size_t>(n)].next = free_nodes_;
  free_nodes_ = n;
}

// Whether some execution that begins with q is equivalent to one that begins with v.
bool search::weak_initial(const element& q, const std::vector<element>& v) {
  for (std::size_t i = 0; i != v.size(); ++i) {
    if (v[i].who.actor == q.who.actor) {
      return v[i].who.choice == q.who.choice &&
             std::none_of(
                 v.begin(), v.begin() + static_cast<std::ptrdiff_t>(i),
                 [&](const element& x) { return footprints_.depend(x.touched, v[i].touched); });
    }
  }
  return std::none_of(v.begin(), v.end(),
                      [&](const element& x) { return footprints_.depend(x.touched, q.touched); });
}

// The wakeup tree of f learns to explore v, unless something in it does already.
void search::add_branch(frame& f, std::vector<element>& v) {
  for (const element& q : f.sleep) {
    if (weak_initial(q, v)) {
      return;
    }
  }
  std::int32_t parent = -1;
  std::int32_t* list = &f.tree;
  for (;;) {
    std::int32_t child = *list;
    std::int32_t last = -1;
    while (child >= 0 && !weak_initial(nodes_[static_cast<std::size_t>(child)].what, v)) {
      last = child;
      child = nodes_[static_cast<std::size_t>(child)].next;
    }
    if (child < 0) {
      for (const element& e : v) {  // a new branch, behind the last child, all of v
        const std::int32_t n = new_node(e);
        if (last >= 0) {
          nodes_[static_cast<std::size_t>(last)].next = n;
          last = -1;
        } else if (parent >= 0) {
          nodes_[static_cast<std::size_t>(parent)].child = n;
        } else {
          f.tree = n;
        }
        parent = n;
      }
      return;
    }
    const scheduled taken = nodes_[static_cast<std::size_t>(child)].what.who;
    const auto in_v = std::find_if(v.begin(), v.end(),
                                   [&](const element& e) { return e.who.actor == taken.actor; });
    if (in_v != v.end()) {
      v.erase(in_v);
    }
    if (nodes_[static_cast<std::size_t>(child)].child < 0) {
      return;
    }
    parent = child;
    list = &nodes_[static_cast<std::size_t>(child)].child;
  }
}

// The step `last` (number `second`; or pending, after the end) races with number `first`: explores
// it before that one. The branch is all that does not need `first`, also what came after `second`:
// a step that sleeps may depend on that alone, and without it seem to have covered the branch.
// (Counts.WhatComesBehindARaceBelongsToItsBranch)
void search::reverse(std::size_t first, std::size_t second, const element& last) {
  const executed_step& e = steps_[first];
  branch_.clear();
  for (std::size_t i = first + 1; i != length_; ++i) {
    if (i != second && !happens_before(e, steps_[i].clock)) {
      branch_.push_back({steps_[i].who, steps_[i].touched});
    }
  }
  branch_.push_back(last);
  add_branch(frames_[first], branch_);
}

// Whether a made b possible, whatever else they touch. What happens at any time from outside is not
// made possible by time that passes.
bool search::is_ordered(const executed_step& a, const executed_step& b) {
  if ((footprints_.relate(a.actual, b.actual) & ordered) == 0) {
    return false;
  }
  const auto interferes = [this](const executed_step& e) {
    const actor_kind kind = run_.at(e.who.actor).kind_;
    return kind != actor_kind::task && kind != actor_kind::timer;
  };
  return !interferes(a) && !interferes(b);
}

// The races of a step with earlier ones, the nearest first. What its clock has taken in by then
// lies between, and makes a race of what is further back impossible.
void search::races_of(std::size_t number) {
  const unsigned actors = run_.actor_count();
  const executed_step& self = steps_[number];
  const element last{self.who, self.touched};
  bool locks = false;
  bool others = false;
  vector_clock c = self.before;
  for (std::size_t i = number; i-- != 0;) {
    const executed_step& e = steps_[i];
    if (e.who.actor == self.who.actor || happens_before(e, self.before)) {
      continue;
    }
    const std::uint8_t how = footprints_.relate(e.touched, self.touched);
    locks = locks || (how & lock_race) != 0;
    if ((how & dependent) == 0 || happens_before(e, c)) {
      continue;
    }
    if (is_ordered(e, self)) {
      join(c, e.clock, actors);
    } else if ((how & lock_race) == 0) {
      others = true;
    }
  }
  // While nothing is known of the release that let this one through. Timers are let through by
  // earlier ones, which cannot be told to wait: there, what is further back can race as well.
  if (locks) {
    vector_clock d = self.before;
    for (std::size_t i = number; i-- != 0;) {
      const executed_step& e = steps_[i];
      if (e.who.actor != self.who.actor && !happens_before(e, d) &&
          (footprints_.relate(e.touched, self.touched) & lock_race) != 0) {
        if (run_.at(self.who.actor).kind_ != actor_kind::timer) {
          join(d, e.clock, actors);
        }
        reverse(i, number, last);
      }
    }
  }
  if (others) {
    for (std::size_t i = number; i-- != 0;) {
      const executed_step& e = steps_[i];
      if (e.who.actor != self.who.actor && !happens_before(e, c) &&
          (footprints_.relate(e.touched, self.touched) & (dependent | lock_race)) == dependent) {
        join(c, e.clock, actors);
        reverse(i, number, last);
      }
    }
  }
}

// At the end an actor is ready but not able to go on: another one took what it announces.
void search::races_of_blocked(unsigned id) {
  const actor& a = run_.at(id);
  const element last{{static_cast<std::uint8_t>(id), 0}, predict(a)};
  vector_clock c = clocks_[id];
  for (std::size_t i = length_; i-- != 0;) {
    const executed_step& e = steps_[i];
    if (e.who.actor != id && !happens_before(e, c) &&
        (footprints_.relate(e.touched, last.touched) & lock_race) != 0) {
      join(c, e.clock, run_.actor_count());
      reverse(i, length_, last);
    }
  }
}

// What was taken back could have been done before the step that took it back.
void search::races_of_withdrawn(const withdrawn_operation& w, const vector_clock& before) {
  if (!happens_before(steps_[w.step - 1], before)) {
    reverse(w.step - 1, length_, {{w.actor, 0}, predict(w.announced, site_of(w.actor, w.site))});
  }
}

void search::update_clocks() {
  const unsigned actors = run_.actor_count();
  withdrawn_before_.clear();
  for (unsigned i = 0; i != actors; ++i) {
    clocks_[i].fill(0);
  }
  for (std::size_t i = 0; i != length_; ++i) {
    executed_step& e = steps_[i];
    for (std::size_t n = withdrawn_before_.size();
         n != run_.withdrawn().size() && run_.withdrawn()[n].step == i + 1; ++n) {
      withdrawn_before_.push_back(clocks_[run_.withdrawn()[n].actor]);
    }
    if (i >= timed_) {
      e.before = clocks_[e.who.actor];
      e.clock = e.before;
      for (std::size_t j = i; j-- != 0;) {
        const executed_step& x = steps_[j];
        if (!happens_before(x, e.clock) && footprints_.depend(x.touched, e.touched)) {
          join(e.clock, x.clock, actors);
        }
      }
      e.clock[e.who.actor] = e.index;
    }
    clocks_[e.who.actor] = e.clock;
    for (std::uint64_t rest = e.woke; rest != 0; rest &= rest - 1) {
      join(clocks_[static_cast<unsigned>(std::countr_zero(rest))], e.clock, actors);
    }
  }
}

void search::find_races() {
  update_clocks();
  for (std::size_t i = 0; i != length_; ++i) {
    races_of(i);
  }
  timed_ = length_;
  for (unsigned id = 0; id != run_.actor_count(); ++id) {
    if (run_.at(id).state_ == actor_state::ready) {
      races_of_blocked(id);
    }
  }
  for (std::size_t n = 0; n != withdrawn_before_.size(); ++n) {
    races_of_withdrawn(run_.withdrawn()[n], withdrawn_before_[n]);
  }
}

void search::forget_frames() {
  for (frame& f : frames_) {
    f.tree = -1;
  }
  nodes_.clear();
  free_nodes_ = -1;
  depth_ = 0;
  timed_ = 0;
}

// A decision that is met for the first time: who sleeps, and what the branch taken so far wants.
void search::enter_frame(std::size_t depth) {
  if (frames_.size() == depth) {
    frames_.emplace_back();
  }
  frame& f = frames_[depth];
  f.sleep.clear();
  f.tree = -1;
  f.expanded = false;
  if (depth != 0) {
    frame& above = frames_[depth - 1];
    const executed_step& last = steps_[depth - 1];
    for (const element& q : above.sleep) {
      if (q.who.actor != last.who.actor && !footprints_.depend(q.touched, last.touched)) {
        f.sleep.push_back(q);
      }
    }
    node& taken = nodes_[static_cast<std::size_t>(above.tree)];
    f.tree = std::exchange(taken.child, -1);
  }
}

// Makes the head of the frame's tree the step to take. False: all that is possible sleeps.
bool search::take_next(std::size_t depth, std::uint64_t enabled) {
  frame& f = frames_[depth];
  while (f.tree >= 0) {
    node& head = nodes_[static_cast<std::size_t>(f.tree)];
    if ((enabled & bit(head.what.who.actor)) != 0) {
      break;
    }
    // Only time, which passes when nothing else can happen, can have been promised too early.
    const std::int32_t gone = f.tree;
    f.tree = head.next;
    while (nodes_[static_cast<std::size_t>(gone)].child >= 0) {
      const std::int32_t below = nodes_[static_cast<std::size_t>(gone)].child;
      nodes_[static_cast<std::size_t>(gone)].child = nodes_[static_cast<std::size_t>(below)].child;
      free_node(below);
    }
    free_node(gone);
  }
  if (f.tree < 0) {
    scheduled who{};
    bool found = false;
    for (std::uint64_t awake = enabled; awake != 0 && !found; awake &= ~bit(who.actor)) {
      who = pick(awake);
      for (unsigned c = 0; c != run_.at(who.actor).alternatives_ && !found; ++c) {
        who.choice = static_cast<std::uint8_t>(c);
        found = std::none_of(f.sleep.begin(), f.sleep.end(),
                             [&](const element& q) { return q.who == who; });
      }
    }
    if (!found) {
      return false;
    }
    f.tree = new_node({who, 0});
  }
  const scheduled who = nodes_[static_cast<std::size_t>(f.tree)].what.who;
  const unsigned outcomes = run_.at(who.actor).alternatives_;
  if (outcomes > 1 && !f.expanded) {  // every outcome is explored
    f.expanded = true;
    const footprint touched = predict(run_.at(who.actor));
    for (unsigned c = 0; c != outcomes; ++c) {
      branch_.assign(1, {{who.actor, static_cast<std::uint8_t>(c)}, touched});
      add_branch(f, branch_);
    }
  }
  return true;
}

// To the last decision with something left to explore. False: there is none.
bool search::back_up() {
  while (depth_ != 0) {
    frame& f = frames_[depth_ - 1];
    const std::int32_t done = f.tree;
    if (done < 0) {  // what it was promised could not be done
      --depth_;
      continue;
    }
    const node& n = nodes_[static_cast<std::size_t>(done)];
    f.sleep.push_back(n.what);
    f.tree = n.next;
    f.expanded = false;
    free_node(done);
    if (f.tree >= 0) {
      timed_ = std::min(timed_, depth_ - 1);
      return true;
    }
    --depth_;
  }
  return false;
}

double search::part_done() const {
  double done = 0;
  double share = 1;
  for (std::size_t d = 0; d != depth_; ++d) {
    const frame& f = frames_[d];
    double left = 0;
    for (std::int32_t n = f.tree; n >= 0; n = nodes_[static_cast<std::size_t>(n)].next) {
      left += 1;
    }
    const auto slept = static_cast<double>(f.sleep.size());
    share /= slept + left;
    done += share * slept;
  }
  return done;
}

bool search::optimal() {
  forget_frames();
  for (;;) {
    if (over_budget()) {
      return false;
    }
    begin_run();
    bool known = true;
    bool cut = false;
    for (std::size_t d = 0; known && !run_.failure(); ++d) {
      const std::uint64_t enabled = run_.enabled();
      const bool first_time = d == depth_;
      if (first_time) {
        enter_frame(d);
        if (enabled == 0) {
          break;
        }
      }
      if (first_time || !frames_[d].expanded) {
        if (!take_next(d, enabled)) {
          depth_ = d;  // what was left to explore here cannot happen
          cut = true;
          break;
        }
        if (first_time) {
          ++depth_;
        }
      }
      node& head = nodes_[static_cast<std::size_t>(frames_[d].tree)];
      known = do_step(head.what.who, enabled);
      head.what.touched = steps_[d].touched;
    }
    if (!known) {
      end_run();
      ++restarts;
      forget_frames();
      continue;
    }
    if (run_.needs_sleep_sets()) {
      end_run();
      return false;
    }
    bool go_on = true;
    if (cut) {
      ++blocked;
    } else {
      find_races();
      go_on = leaf();
    }
    end_run();
    if (!go_on || !back_up()) {
      return go_on;
    }
  }
}

}  // namespace explore::detail
COROLOCK_END
