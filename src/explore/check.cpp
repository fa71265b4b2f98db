// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers

#include "search.hpp"
#include "shortest.hpp"

#include <cstdlib>
#include <ostream>

COROLOCK_BEGIN
namespace explore::detail {

namespace {

run_options settings_of(const options& o) {
  run_options settings;
  settings.cancellations = o.cancellations;
  settings.destructions = o.destructions;
  settings.exceptions = o.exceptions;
  settings.adversarial_time = o.adversarial_time;
  settings.symmetry = o.symmetry;
  settings.strict = o.strict;
  settings.stale_loads = o.stale_loads;
  settings.starvation_bound = o.starvation_bound;
  return settings;
}

// The driver of one check: collects what the search finds.
class checker {
 public:
  checker(run::body_function body, void* context, const options& o)
      : options_(o),
        run_(body, context, settings_of(o)),
        search_(run_, options_, [this](search& s) { return on_leaf(s); }) {}

  result check() {
    bool complete = false;
    search_method method = options_.method;
    const bool bounds = options_.preemptions.has_value() || options_.early_timers.has_value();
    if (method == search_method::automatic) {
      if (!bounds) {  // which a random run need not keep
        warming_up_ = true;
        search_.sample(options_.warm_up, false);
        warming_up_ = false;
      }
      method = search_method::optimal;
    }
    search_.runs_allowed =
        options_.max_runs + std::min(search_.runs, ~std::uint64_t{0} - options_.max_runs);
    if (bounds && method != search_method::random && method != search_method::pct) {
      method = search_method::naive;
    }
    const bool found =
        !search_.divergence.empty() || (!failing_.empty() && !options_.count_failures);
    if (!found) {
      switch (method) {
        case search_method::random: search_.sample(sampled_runs(), false); break;
        case search_method::pct: search_.sample(sampled_runs(), true); break;
        case search_method::naive: complete = search_.depth_first(false); break;
        case search_method::sleep_sets: complete = search_.depth_first(true); break;
        default:
          complete = !run_.needs_sleep_sets() && search_.optimal();
          if (run_.needs_sleep_sets()) {
            result_.traces = 0;
            result_.failing = 0;
            complete = search_.depth_first(true);
          }
          break;
      }
    }
    result_.runs = search_.runs;
    result_.blocked = search_.blocked;
    result_.restarts = search_.restarts;
    result_.advice = advice_.all(run_);
    if (!search_.divergence.empty()) {
      result_.verdict = verdict::failed;
      result_.failure.emplace();
      result_.failure->kind = failure_kind::nondeterminism;
      result_.failure->message = search_.divergence;
    } else if (!failing_.empty()) {
      result_.verdict = verdict::failed;
      result_.failure = shortest_failure(search_, options_, failing_);
      result_.runs = search_.runs;
    } else if (method == search_method::random || method == search_method::pct) {
      result_.verdict = verdict::sampled;
    } else if (complete && !bounds) {
      result_.verdict = verdict::verified;
    } else {
      result_.verdict = verdict::bounded;
    }
    result_.bound = bound(complete);
    return std::move(result_);
  }

 private:
  [[nodiscard]] unsigned sampled_runs() const {
    return static_cast<unsigned>(std::min<std::uint64_t>(options_.max_runs, 1U << 31));
  }

  [[nodiscard]] std::string bound(bool complete) const {
    std::string text;
    const auto add = [&text](const std::string& part) {
      text += (text.empty() ? "" : ", ") + part;
    };
    if (options_.preemptions) {
      add("at most " + std::to_string(*options_.preemptions) + " preemptions");
    }
    if (options_.early_timers) {
      add("at most " + std::to_string(*options_.early_timers) + " early timers");
    }
    if (!complete && result_.verdict == verdict::bounded) {
      add(search_.runs >= search_.runs_allowed
              ? "a budget of " + std::to_string(options_.max_runs) + " runs"
              : "a time limit of " + std::to_string(options_.time_limit.count()) + " ms");
    }
    return text;
  }

  bool on_leaf(search& s) {
    const bool failed = run_.failure().has_value();
    if (!warming_up_) {
      if (counted_since_ != s.restarts) {  // the search began again, and comes to all of them again
        counted_since_ = s.restarts;
        result_.traces = 0;
        result_.failing = 0;
      }
      ++result_.traces;
      result_.failing += failed ? 1 : 0;
      if (options_.on_run) {
        options_.on_run(
            {s.trace_hash(), static_cast<std::uint32_t>(s.length()), s.preemptions(), failed});
      }
      show_progress(s);
    }
    if (warming_up_ || result_.traces < runs_looked_at) {
      advice_.look_at(s);
    }
    if (failed && failing_.size() < 1000) {
      schedule taken;
      for (std::size_t i = 0; i != s.length(); ++i) {
        taken.push_back(s.steps()[i].who);
      }
      failing_.push_back(std::move(taken));
    }
    return !failed || options_.count_failures;
  }

  void show_progress(search& s) {
    if (options_.progress == nullptr || (result_.traces & 0xFFF) != 0) {
      return;
    }
    const auto now = std::chrono::steady_clock::now();
    if (now < next_progress_) {
      return;
    }
    next_progress_ = now + std::chrono::seconds(1);
    const double part = s.part_done();
    *options_.progress << "corolock: " << result_.traces << " traces";
    if (part > 0.0001) {
      *options_.progress << ", about "
                         << static_cast<std::uint64_t>(static_cast<double>(result_.traces) / part)
                         << " in all";
    }
    *options_.progress << '\n';
  }

  const options& options_;
  run run_;
  search search_;
  result result_;
  advice_collector advice_;
  std::vector<schedule> failing_;
  bool warming_up_ = false;
  std::uint64_t counted_since_ = 0;  // how many restarts there were
  std::chrono::steady_clock::time_point next_progress_ =
      std::chrono::steady_clock::now() + std::chrono::seconds(1);
};

void require_no_run(const char* what) {
  if (current_run != nullptr) {
    current_run->abandon(failure_kind::contract, std::string(what) + " was called inside a body");
  }
}

}  // namespace

result check(run::body_function body, void* context, const options& o) {
  require_no_run("explore::check()");
  if (const char* token = std::getenv("COROLOCK_REPLAY");  // NOLINT(concurrency-mt-unsafe)
      token != nullptr && *token != 0) {
    run r(body, context, settings_of(o));
    // A token of another body is meant for another check of this program.
    if (!is_token(token) || is_of(token, r)) {
      return replay(token, body, context, o);
    }
  }
  return checker(body, context, o).check();
}

result replay(std::string_view token, run::body_function body, void* context, const options& o) {
  require_no_run("explore::replay()");
  run r(body, context, settings_of(o));
  search s(r, o, [](search&) { return true; });
  return replay_token(s, o, token);
}

}  // namespace explore::detail
COROLOCK_END
