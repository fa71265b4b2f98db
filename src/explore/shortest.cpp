// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers

#include "shortest.hpp"

#include <algorithm>
#include <bit>
#include <cstdio>
#include <optional>
#include <set>

COROLOCK_BEGIN
namespace explore::detail {

namespace {

// How bad a failing schedule is to read.
struct length_of_failure {
  unsigned preemptions;
  std::size_t switches;
  std::size_t steps;

  friend auto operator<=>(const length_of_failure&, const length_of_failure&) = default;
};

struct failing_run {
  schedule steps;
  length_of_failure length;
};

schedule taken(const search& s) {
  schedule result;
  for (std::size_t i = 0; i != s.length(); ++i) {
    result.push_back(s.steps()[i].who);
  }
  return result;
}

length_of_failure measure(const search& s) {
  std::size_t switches = 0;
  for (std::size_t i = 1; i < s.length(); ++i) {
    switches += s.steps()[i].who.actor != s.steps()[i - 1].who.actor ? 1 : 0;
  }
  return {s.preemptions(), switches, s.length()};
}

// Runs the schedule; what it came to if it still fails in the same way.
std::optional<failing_run> fails(search& s, const schedule& steps, failure_kind kind) {
  std::size_t at = 0;
  std::optional<failing_run> result;
  if (s.follow(steps, &at, true) && s.here().failure() && s.here().failure()->kind == kind) {
    result = failing_run{taken(s), measure(s)};
  }
  s.here().end();
  return result;
}

// The fewest preemptions with which it fails, if a small search finds that out.
void search_with_few_preemptions(run& r, const options& o, failure_kind kind, failing_run& best) {
  constexpr std::uint64_t runs_for_each_bound = 500;
  for (unsigned bound = 0; bound < best.length.preemptions; ++bound) {
    options few = o;
    few.preemptions = bound;
    few.on_run = nullptr;
    bool found = false;
    search s(r, few, [&](search& here) {
      if (!r.failure() || r.failure()->kind != kind) {
        return true;
      }
      best = {taken(here), measure(here)};
      found = true;
      return false;
    });
    s.runs_allowed = runs_for_each_bound;
    s.depth_first(false);
    if (found) {
      return;
    }
  }
}

// Exchanges neighbouring blocks of steps for as long as that makes it shorter.
void exchange_blocks(search& s, failure_kind kind, failing_run& best) {
  unsigned tries = 400;
  for (bool better = true; better && tries != 0;) {
    better = false;
    for (std::size_t i = 0; i < best.steps.size() && !better && tries != 0; ++i) {
      std::size_t j = i + 1;
      while (j < best.steps.size() && best.steps[j].actor == best.steps[i].actor) {
        ++j;
      }
      std::size_t k = j;
      while (k < best.steps.size() && best.steps[k].actor == best.steps[j].actor) {
        ++k;
      }
      if (k == j) {
        break;
      }
      schedule candidate = best.steps;
      std::rotate(candidate.begin() + static_cast<std::ptrdiff_t>(i),
                  candidate.begin() + static_cast<std::ptrdiff_t>(j),
                  candidate.begin() + static_cast<std::ptrdiff_t>(k));
      --tries;
      if (auto shorter = fails(s, candidate, kind); shorter && shorter->length < best.length) {
        best = *shorter;
        better = true;
      }
    }
  }
}

// Where the failure shows before the end, without the tasks that it does not need.
void drop_tasks(search& s, failure_kind kind, failing_run& best) {
  std::set<unsigned> actors;
  for (const scheduled& x : best.steps) {
    actors.insert(x.actor);
  }
  for (const unsigned id : actors) {
    schedule without;
    std::copy_if(best.steps.begin(), best.steps.end(), std::back_inserter(without),
                 [id](const scheduled& x) { return x.actor != id; });
    std::size_t at = 0;
    if (s.follow(without, &at, false) && s.here().failure() && s.here().failure()->kind == kind) {
      best = {taken(s), measure(s)};
    }
    s.here().end();
  }
}

// Whether the line of a trace is about the object.
bool names(const std::string& text, const std::string& object) {
  return text.ends_with(" " + object) || text.find(" " + object + " →") != std::string::npos;
}

// What step `number` of the traced run did to the object, in a few words.
std::string in_words(const std::vector<trace_event>& events, std::size_t number,
                     const std::string& object) {
  const trace_event* found = nullptr;
  for (const trace_event& e : events) {
    if (e.step == number + 1 && (found == nullptr || names(e.text, object))) {
      found = &e;  // the last one that names it: a write rather than the read before it
    }
  }
  if (found == nullptr) {
    return {};
  }
  const std::string where = location(found->where);
  return found->text + (where.empty() ? "" : " (" + where + ")");
}

// The name of an object for which the two race.
std::string contested(search& s, const executed_step& a, const executed_step& b,
                      const std::vector<std::string>& objects) {
  for (const access x : s.footprints()[a.actual]) {
    for (const access y : s.footprints()[b.actual]) {
      if ((relation(x, y) & (races | lock_race)) != 0 && x.object >= objects::named &&
          x.object < objects::named + objects.size()) {
        return objects[x.object - objects::named];
      }
    }
  }
  return {};
}

// The race of which the other order does not fail.
std::string reason_of(search& s, const failing_run& best) {
  std::size_t at = 0;
  s.here().set_tracing(true);
  s.follow(best.steps, &at, true);
  s.here().set_tracing(false);
  s.update_clocks();
  const std::vector<executed_step> steps(
      s.steps().begin(), s.steps().begin() + static_cast<std::ptrdiff_t>(s.length()));
  const std::vector<trace_event> events = s.here().events();
  std::vector<std::string> names;
  for (unsigned id = 0; id != s.here().actor_count(); ++id) {
    names.push_back(s.here().actor_name(id));
  }
  std::vector<std::string> objects;
  for (const named_object& o : s.here().objects_made()) {
    objects.emplace_back(o.name);
  }
  s.here().end();

  unsigned tries = 100;
  for (std::size_t j = steps.size(); j-- != 0;) {
    for (std::size_t i = j; i-- != 0;) {
      const executed_step& a = steps[i];
      const executed_step& b = steps[j];
      if (a.who.actor == b.who.actor || a.index <= b.before[a.who.actor] ||
          (s.footprints().relate(a.actual, b.actual) & (races | lock_race)) == 0) {
        continue;
      }
      if (tries-- == 0) {
        return {};
      }
      schedule other;
      for (std::size_t k = 0; k != i; ++k) {
        other.push_back(steps[k].who);
      }
      for (std::size_t k = i + 1; k != j; ++k) {
        if (a.index > steps[k].clock[a.who.actor]) {
          other.push_back(steps[k].who);
        }
      }
      other.push_back(b.who);
      const bool passes = s.follow(other, &at, true) && !s.here().failure();
      s.here().end();
      if (passes) {
        const std::string object = contested(s, a, b, objects);
        const std::string first = in_words(events, i, object);
        const std::string second = in_words(events, j, object);
        if (!first.empty() && !second.empty()) {
          std::string reason = names[a.who.actor];
          reason.append(": ").append(first).append("\n    before ");
          return reason.append(names[b.who.actor]).append(": ").append(second);
        }
      }
    }
  }
  return {};
}

// A task has read an object and wrote it later, and another one wrote it in between.
std::vector<std::string> lost_updates(search& s) {
  std::vector<std::string> hints;
  const auto writes = [&s](const executed_step& e, std::uint16_t object) {
    const auto& touched = s.footprints()[e.actual];
    return std::any_of(touched.begin(), touched.end(), [object](access x) {
      return x.object == object && x.kind == access_kind::write;
    });
  };
  const auto reads = [&s](const executed_step& e, std::uint16_t object) {
    return s.footprints().contains(e.actual, {object, access_kind::read});
  };
  const std::vector<executed_step>& steps = s.steps();
  for (std::size_t n = 0; n != s.here().objects_made().size(); ++n) {
    const auto object = static_cast<std::uint16_t>(objects::named + n);
    if (!s.here().objects_made()[n].is_shared) {
      continue;
    }
    for (std::size_t last = 0; last != s.length(); ++last) {
      if (!writes(steps[last], object) || reads(steps[last], object)) {
        continue;
      }
      std::size_t between = s.length();
      for (std::size_t i = last; i-- != 0;) {
        if (steps[i].who.actor != steps[last].who.actor) {
          between = writes(steps[i], object) ? i : between;
        } else if (reads(steps[i], object)) {
          if (between != s.length()) {
            hints.push_back("lost update: " + s.here().actor_name(steps[last].who.actor) +
                            " read " + s.here().object_name(object) + " in step " +
                            std::to_string(i + 1) + " and wrote it in step " +
                            std::to_string(last + 1) + "; " +
                            s.here().actor_name(steps[between].who.actor) +
                            " wrote it in between, in step " + std::to_string(between + 1));
          }
          break;
        } else if (writes(steps[i], object)) {
          break;
        }
      }
    }
  }
  return hints;
}

// The run as it is told: it has just been followed with tracing, and has not been ended.
failure told(search& s) {
  run& r = s.here();
  failure f;
  f.kind = r.failure()->kind;
  f.message = r.failure()->message;
  f.steps = static_cast<std::uint32_t>(s.length());
  f.preemptions = s.preemptions();
  f.waits = r.wait_graph();
  f.hints = lost_updates(s);
  f.token = token_of(r, taken(s));
  std::array<int, 64> column{};
  column.fill(-1);
  for (unsigned id = 0; id != r.actor_count(); ++id) {
    if (std::any_of(s.steps().begin(), s.steps().begin() + static_cast<std::ptrdiff_t>(s.length()),
                    [id](const executed_step& e) { return e.who.actor == id; })) {
      column[id] = static_cast<int>(f.columns.size());
      f.columns.push_back(r.actor_name(id));
    }
  }
  std::uint32_t last = 0;
  for (const trace_event& e : r.events()) {
    if (e.step == 0 || e.step > s.length()) {
      continue;
    }
    const executed_step& step = s.steps()[e.step - 1];
    f.lines.push_back({e.step, static_cast<unsigned>(column[step.who.actor]), e.text,
                       location(e.where), e.step != last && step.preempts});
    last = e.step;
  }
  return f;
}

constexpr std::string_view digits = "abcdefghijklmnopqrstuvwxyz234567";

std::string base32(const std::vector<std::uint8_t>& bytes) {
  std::string text;
  unsigned bits = 0;
  unsigned have = 0;
  for (const std::uint8_t b : bytes) {
    bits = (bits << 8) | b;
    have += 8;
    for (; have >= 5; have -= 5) {
      text += digits[(bits >> (have - 5)) & 31];
    }
  }
  if (have != 0) {
    text += digits[(bits << (5 - have)) & 31];
  }
  return text;
}

std::optional<std::vector<std::uint8_t>> from_base32(std::string_view text) {
  std::vector<std::uint8_t> bytes;
  unsigned bits = 0;
  unsigned have = 0;
  for (const char c : text) {
    const std::size_t digit = digits.find(c);
    if (digit == std::string_view::npos) {
      return std::nullopt;
    }
    bits = (bits << 5) | static_cast<unsigned>(digit);
    have += 5;
    if (have >= 8) {
      bytes.push_back(static_cast<std::uint8_t>(bits >> (have - 8)));
      have -= 8;
    }
  }
  return bytes;
}

std::string hash_text(std::uint32_t h) {
  char text[9];
  std::snprintf(text, sizeof text, "%08x", static_cast<unsigned>(h));
  return text;
}

result unusable(std::string message) {
  result r;
  r.verdict = verdict::failed;
  r.runs = 1;
  r.failure.emplace();
  r.failure->kind = failure_kind::nondeterminism;
  r.failure->message = std::move(message);
  return r;
}

}  // namespace

failure shortest_failure(search& s, const options& o, const std::vector<schedule>& failing) {
  std::size_t at = 0;
  std::optional<failing_run> best;
  failure_kind kind{};
  for (const schedule& candidate : failing) {
    if (!best) {
      s.follow(candidate, &at, true);
      if (s.here().failure()) {
        kind = s.here().failure()->kind;
        best = failing_run{taken(s), measure(s)};
      }
      s.here().end();
    } else if (auto other = fails(s, candidate, kind); other && other->length < best->length) {
      best = *other;
    }
  }
  if (!best) {
    failure f;
    f.kind = failure_kind::nondeterminism;
    f.message =
        "a schedule that failed did not fail again: the body does not do the same each time";
    return f;
  }
  if (kind == failure_kind::nondeterminism) {
    best->length.preemptions = 0;
  }
  if (kind != failure_kind::livelock) {
    search_with_few_preemptions(s.here(), o, kind, *best);
    exchange_blocks(s, kind, *best);
    drop_tasks(s, kind, *best);
  }
  const std::string reason = reason_of(s, *best);
  s.here().set_tracing(true);
  s.follow(best->steps, &at, true);
  s.here().set_tracing(false);
  failure f;
  if (s.here().failure()) {
    f = told(s);
  }
  s.here().end();
  f.reason = reason;
  return f;
}

std::string token_of(const run& r, const schedule& s) {
  std::vector<std::uint8_t> bytes;
  for (std::size_t i = 0; i != s.size();) {
    std::size_t n = 1;
    while (i + n != s.size() && s[i + n] == s[i] && n != 255) {
      ++n;
    }
    bytes.push_back(static_cast<std::uint8_t>(s[i].actor | (s[i].choice != 0 ? 0x80 : 0)));
    if (s[i].choice != 0) {
      bytes.push_back(s[i].choice);
    }
    bytes.push_back(static_cast<std::uint8_t>(n));
    i += n;
  }
  return "v1." + hash_text(r.body_hash()) + "." + base32(bytes);
}

bool is_token(std::string_view text) {
  return text.size() >= 12 && text.starts_with("v1.") && text[11] == '.';
}

bool is_of(std::string_view token, run& r) {
  r.begin();
  const std::string hash = hash_text(r.body_hash());
  r.end();
  return token.substr(3, 8) == hash;
}

result replay_token(search& s, const options&, std::string_view token) {
  const std::string quoted = "the token '" + std::string(token) + "' ";
  if (!is_token(token)) {
    return unusable(quoted + "is not one: v1.HASH.SCHEDULE is expected");
  }
  const auto bytes = from_base32(token.substr(12));
  if (!bytes) {
    return unusable(quoted + "is damaged: its schedule has a character that none has");
  }
  schedule steps;
  for (std::size_t i = 0; i < bytes->size();) {
    scheduled x{static_cast<std::uint8_t>((*bytes)[i] & 0x7F), 0};
    const bool has_choice = ((*bytes)[i] & 0x80) != 0;
    if (i + (has_choice ? 2 : 1) >= bytes->size()) {
      return unusable(quoted + "is damaged: its schedule is cut off");
    }
    if (has_choice) {
      x.choice = (*bytes)[++i];
    }
    steps.insert(steps.end(), (*bytes)[i + 1], x);
    i += 2;
  }

  std::size_t at = 0;
  run& r = s.here();
  if (!is_of(token, r)) {
    return unusable(quoted + "is of another body: its tasks and objects have other names than " +
                    "those of this one");
  }
  r.set_tracing(true);
  const bool fits = s.follow(steps, &at, true);
  r.set_tracing(false);
  result found;
  found.runs = 1;
  found.verdict = verdict::sampled;
  if (!fits) {
    const unsigned id = steps[at].actor;
    std::string why = "is not there";
    if (id < r.actor_count()) {
      const actor& a = r.at(id);
      why = a.state_ == actor_state::finished  ? "has ended"
            : a.state_ == actor_state::waiting ? "waits for " + r.object_name(a.object_)
                                               : "cannot go on";
    }
    found =
        unusable(quoted + "does not fit: at step " + std::to_string(at + 1) + " it schedules " +
                 (id < r.actor_count() ? r.actor_name(id) : "an unknown task") + ", which " + why);
  } else if (r.failure()) {
    found.verdict = verdict::failed;
    found.traces = 1;
    found.failing = 1;
    found.failure = told(s);
  } else {
    found.traces = 1;
  }
  r.end();
  return found;
}

void advice_collector::look_at(search& s) {
  struct last_seen {
    std::uint64_t read_by = 0;
  };
  std::map<std::uint16_t, last_seen> now;
  for (std::size_t i = 0; i != s.length(); ++i) {
    const executed_step& e = s.steps()[i];
    const std::uint64_t who = std::uint64_t{1} << e.who.actor;
    const std::vector<access>& touched = s.footprints()[e.actual];
    for (const access x : touched) {
      const named_object* o = s.here().find_object(x.object);
      if (o == nullptr || !o->is_shared) {
        continue;
      }
      seen& all = seen_[x.object];
      last_seen& here = now[x.object];
      if (x.kind == access_kind::read) {
        all.readers |= who;
        continue;
      }
      all.writers |= who;
      const bool reads_again = std::any_of(touched.begin(), touched.end(), [&](access y) {
        return y.object == x.object && y.kind == access_kind::read;
      });
      if ((here.read_by & who) != 0) {
        (reads_again ? all.read_again : all.split) = true;
      }
      here.read_by &= ~who;
    }
    for (const access x : touched) {
      const named_object* o = s.here().find_object(x.object);
      if (o != nullptr && o->is_shared && x.kind == access_kind::read) {
        now[x.object].read_by |= who;
      }
    }
  }
}

std::vector<advice> advice_collector::all(const run& r) const {
  std::vector<advice> result;
  result.reserve(seen_.size());
  for (const auto& [object, what] : seen_) {
    result.push_back({r.object_name(object), std::popcount(what.readers | what.writers) > 1,
                      what.writers != 0, what.split, what.read_again});
  }
  return result;
}

}  // namespace explore::detail
COROLOCK_END
