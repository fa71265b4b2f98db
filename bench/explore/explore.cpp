// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers

// How fast the explorer is: schedules per second on one core, the time of a whole search, the time
// to a failure, and what it allocates.
//
//   bench_explore [--json FILE] [--only NAME] [--repetitions N]
//
// A repetition is a round through all cases, so that a slow minute slows all of them.

#include "asio.hpp"
#include <support/allocation_counter.hpp>

#include <explore/support/programs.hpp>
#include <time.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <string>
#include <utility>
#include <vector>

namespace {

using namespace corolock_test;
using corolock_bench::asio_increments;
using corolock_bench::sharing;
using explore::search_method;
using nanoseconds = std::chrono::duration<double, std::nano>;

// CPU time: what else the machine does counts as little as it can.
nanoseconds now() {
  timespec t{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return std::chrono::seconds(t.tv_sec) + std::chrono::nanoseconds(t.tv_nsec);
}

// So many schedules, or whatever else the case counts, in this time.
struct measured {
  double count;
  nanoseconds time;
};

// What is reported of a case.
enum class figure : std::uint8_t { rate, time, allocations };

struct bench_case {
  std::string name;
  figure what;
  double bar;  // at least, of a rate; at most, of the others; 0: none
  std::function<measured()> run;
  std::vector<measured> results{};
};

explore::options by(search_method method) {
  explore::options o;
  o.method = method;
  o.symmetry = false;
  o.count_failures = true;
  return o;
}

// Whole checks, for a tenth of a second at least.
template <class Body>
std::function<measured()> checks(Body body, explore::options o) {
  return [body = std::move(body), o = std::move(o)] {
    measured m{0, {}};
    const nanoseconds start = now();
    do {
      m.count += static_cast<double>(explore::check(body, o).traces);
      m.time = now() - start;
    } while (m.time < std::chrono::milliseconds(100));
    return m;
  };
}

template <class Body>
bench_case sampled(std::string name, double bar, search_method method, Body body) {
  explore::options o = by(method);
  o.max_runs = 200'000;
  return {std::move(name), figure::rate, bar, checks(std::move(body), std::move(o))};
}

template <class Body>
bench_case explored(std::string name, double bar, Body body,
                    search_method method = search_method::optimal) {
  return {std::move(name), figure::rate, bar, checks(std::move(body), by(method))};
}

template <class Body>
bench_case whole(std::string name, std::chrono::milliseconds bar, Body body) {
  return {std::move(name), figure::time, nanoseconds(bar).count(), [body = std::move(body)] {
            const nanoseconds start = now();
            explore::check(body, by(search_method::optimal));
            return measured{1, now() - start};
          }};
}

// From the call of check() to the first schedule that fails.
template <class Body>
bench_case first_failure(std::string name, Body body) {
  return {std::move(name), figure::time, nanoseconds(std::chrono::milliseconds(1)).count(),
          [body = std::move(body)] {
            explore::options o = by(search_method::random);
            o.max_runs = 50;
            nanoseconds found{};
            o.on_run = [&found](const explore::run_summary& s) {
              if (s.failed && found == nanoseconds()) {
                found = now();
              }
            };
            const nanoseconds start = now();
            explore::check(body, o);
            return measured{1, found - start};
          }};
}

// To the end of check(), as a user calls it: the failure is shown in its shortest form.
template <class Body>
bench_case shortest_trace(std::string name, Body body) {
  return {std::move(name), figure::time, nanoseconds(std::chrono::milliseconds(10)).count(),
          [body = std::move(body)] {
            const nanoseconds start = now();
            explore::check(body);
            return measured{1, now() - start};
          }};
}

// What twice as many schedules allocate more.
template <class Body>
bench_case allocating(std::string name, search_method method, Body body) {
  return {std::move(name), figure::allocations, 0, [body = std::move(body), method] {
            const auto allocations = [&](std::uint64_t runs) {
              explore::options o = by(method);
              o.max_runs = runs;
              const allocation_counter counter;
              explore::check(body, o);
              return static_cast<double>(counter.by_this_thread());
            };
            constexpr std::uint64_t runs = 5000;
            return measured{static_cast<double>(runs),
                            nanoseconds(allocations(2 * runs) - allocations(runs))};
          }};
}

std::vector<bench_case> all_cases() {
  using std::chrono::milliseconds;
  return {
      sampled("random.lock3", 1e6, search_method::random, guarded_increments(3)),
      sampled("random.lock10", 150e3, search_method::random, guarded_increments(10)),
      sampled("pct.lock3", 0, search_method::pct, guarded_increments(3)),
      explored("optimal.lost_update4", 250e3, lost_update(4, nullptr, false, false)),
      explored("optimal.lockinc5", 250e3, guarded_increments(5)),
      explored("optimal.lastzero10", 0, lastzero(10)),
      explored("naive.lost_update4", 0, lost_update(4, nullptr, false, false),
               search_method::naive),
      explored("naive.philosophers4", 0, philosophers<textbook_lock>(4, true),
               search_method::naive),
      sampled("random.asio_lock3", 0, search_method::random, asio_increments(3, sharing::anything)),
      explored("optimal.asio_lockinc3", 0, asio_increments(3, sharing::anything)),
      explored("optimal.asio_lockinc5.only_shared", 0, asio_increments(5, sharing::only_shared)),
      whole("optimal.lastzero15", milliseconds(8000), lastzero(15)),
      whole("optimal.indexer15", milliseconds(400), indexer(15)),
      whole("optimal.philosophers8", milliseconds(5), philosophers<real_lock>(8, true)),
      whole("optimal.philosophers8.textbook", milliseconds(5),
            philosophers<textbook_lock>(8, true)),
      first_failure("first_failure.lost_update", lost_update(2)),
      first_failure("first_failure.abba", abba<real_lock>(false)),
      shortest_trace("shortest_trace.lost_update", lost_update(2)),
      shortest_trace("shortest_trace.abba", abba<real_lock>(false)),
      allocating("allocations.random", search_method::random, guarded_increments(3)),
      allocating("allocations.optimal", search_method::optimal,
                 lost_update(5, nullptr, false, false)),
  };
}

struct summary {
  double rate;  // per second
  double ns;    // per schedule, or of the whole; of allocations: their number per schedule
  double ns_mad;
};

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const std::size_t n = values.size();
  return (values[(n - 1) / 2] + values[n / 2]) / 2;
}

summary summarize(const std::vector<measured>& results) {
  std::vector<double> ns;
  for (const measured& m : results) {
    ns.push_back(m.time.count() / m.count);
  }
  const double middle = median(ns);
  std::vector<double> deviations;
  for (const double x : ns) {
    deviations.push_back(x < middle ? middle - x : x - middle);
  }
  return {middle == 0 ? 0 : 1e9 / middle, middle, median(deviations)};
}

void print(const bench_case& c) {
  const summary s = summarize(c.results);
  const double value = c.what == figure::rate ? s.rate : s.ns;
  const double scale = c.what == figure::rate ? 1e3 : c.what == figure::time ? 1e6 : 1;
  const char* const unit = c.what == figure::rate ? "k/s" : c.what == figure::time ? "ms" : "each";
  const bool has_bar = c.bar != 0 || c.what == figure::allocations;
  // Of thousands of schedules one may make a buffer grow.
  const bool reached = c.what == figure::rate   ? value >= c.bar
                       : c.what == figure::time ? value <= c.bar
                                                : value < 0.001;
  const std::string bar = has_bar ? std::to_string(static_cast<long>(c.bar / scale)) : "-";
  std::printf("%-32s %12.3f %-5s %5.1f %%   %8s   %s\n", c.name.c_str(), value / scale, unit,
              s.ns == 0 ? 0 : 100 * s.ns_mad / s.ns, bar.c_str(),
              !has_bar  ? ""
              : reached ? "reached"
                        : "not reached");
}

void write_json(const std::string& file, const std::vector<bench_case>& cases) {
  std::ofstream out(file);
  const char* separator = "[\n";
  for (const bench_case& c : cases) {
    const summary s = summarize(c.results);
    out << std::exchange(separator, ",\n") << R"(  {"case": ")" << c.name << '"';
    if (c.what == figure::allocations) {
      out << R"(, "allocations_per_schedule": )" << s.ns << '}';
      continue;
    }
    if (c.what == figure::rate) {
      out << R"(, "schedules_per_second": )" << static_cast<std::uint64_t>(s.rate);
    } else {
      out << R"(, "schedules_per_second": null)";
    }
    out << R"(, "ns_median": )" << s.ns << R"(, "ns_mad": )" << s.ns_mad << '}';
  }
  out << "\n]\n";
  if (!out) {
    std::fprintf(stderr, "bench: cannot write %s\n", file.c_str());
    std::exit(1);
  }
}

}  // namespace

int main(int argc, char** argv) {
  std::string json;
  std::string only;
  unsigned long repetitions = 5;
  for (int i = 1; i < argc; i += 2) {
    const std::string name = argv[i];
    if (i + 1 == argc || (name != "--json" && name != "--only" && name != "--repetitions")) {
      std::fputs("usage: ./dev bench explore [--json FILE] [--only NAME] [--repetitions N]\n",
                 stderr);
      return 2;
    }
    if (name == "--json") {
      json = argv[i + 1];
    } else if (name == "--only") {
      only = argv[i + 1];
    } else {
      repetitions = std::max(1UL, std::strtoul(argv[i + 1], nullptr, 10));
    }
  }

  std::vector<bench_case> cases = all_cases();
  std::erase_if(cases, [&only](const bench_case& c) { return !c.name.starts_with(only); });
  if (cases.empty()) {
    std::fprintf(stderr, "bench: no case begins with %s\n", only.c_str());
    return 2;
  }
  double load = 0;
  if (::getloadavg(&load, 1) == 1) {
    std::printf("load before: %.2f\n", load);
  }
  for (unsigned long n = 0; n != repetitions; ++n) {
    for (bench_case& c : cases) {
      c.run();  // untimed: caches, the processor's clock, what the case before left behind
      c.results.push_back(c.run());
    }
  }
  std::printf("%-32s %12s %-5s %7s   %8s\n", "case", "median", "", "spread", "must be");
  for (const bench_case& c : cases) {
    print(c);
  }
  if (!json.empty()) {
    write_json(json, cases);
  }
  return 0;
}
