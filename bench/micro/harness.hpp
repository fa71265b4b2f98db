// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers
#pragma once

// What every benchmark program shares. A program is a list of subjects; each is a function that
// does n operations. The same function is timed by Google Benchmark and counted by callgrind, so
// that both figures are of the same machine code.
//
//   PROGRAM [--benchmark_...]      times all subjects
//   PROGRAM --list                 prints them: case, subject, floor or -, n for counting or 0, and
//                                  which function it is: some serve in several cases
//   PROGRAM --run CASE SUBJECT N   does N operations and nothing else

#include <benchmark/benchmark.h>

#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

namespace bench {

// What a loop body does besides its lock: it keeps the compiler from merging or dropping rounds,
// and is no instruction and touches no memory.
[[gnu::always_inline]] inline void keep_loop() noexcept {
  asm volatile("");
}

inline void check(bool condition, const char* what) noexcept {
  if (!condition) {
    std::fprintf(stderr, "bench: %s\n", what);
    std::abort();
  }
}

enum class role { floor, subject };

struct subject {
  std::string case_name;
  std::string name;
  bench::role role;
  // Operations per call when timed: enough to hide what a call sets up.
  long batch;
  // Operations for callgrind: this many, and twice as many. 0: not counted.
  long counted;
  void (*run)(long n);
  // Runs on two threads and says how even it was: the operations of the least served task, as a
  // share of the mean.
  double (*run_on_two_threads)(long n) = nullptr;
};

inline void register_timing(const subject& s) {
  const std::string name = s.case_name + "/" + s.name;
  if (s.run_on_two_threads == nullptr) {
    benchmark::RegisterBenchmark(name.c_str(), [s](benchmark::State& state) {
      while (state.KeepRunningBatch(s.batch)) {
        s.run(s.batch);
      }
    });
    return;
  }
  benchmark::RegisterBenchmark(name.c_str(), [s](benchmark::State& state) {
    double least = 1;
    while (state.KeepRunningBatch(s.batch)) {
      const double share = s.run_on_two_threads(s.batch);
      least = share < least ? share : least;
    }
    state.counters["least_share"] = least;
  })->UseRealTime();
}

inline int run_program(int argc, char** argv, const std::vector<subject>& subjects) {
  const std::string_view mode = argc > 1 ? argv[1] : "";
  if (mode == "--list") {
    for (const subject& s : subjects) {
      std::printf("%s\t%s\t%s\t%ld\t%p\n", s.case_name.c_str(), s.name.c_str(),
                  s.role == role::floor ? "floor" : "-", s.counted, reinterpret_cast<void*>(s.run));
    }
    return 0;
  }
  if (mode == "--run") {
    if (argc != 5) {
      std::fprintf(stderr, "usage: %s --run CASE SUBJECT N\n", argv[0]);
      return 2;
    }
    const long n = std::atol(argv[4]);
    for (const subject& s : subjects) {
      if (s.case_name == argv[2] && s.name == argv[3]) {
        if (s.run_on_two_threads != nullptr) {
          std::printf("least share %.3f\n", s.run_on_two_threads(n));
        } else {
          s.run(n);
        }
        return 0;
      }
    }
    std::fprintf(stderr, "%s: no subject '%s' in case '%s'\n", argv[0], argv[3], argv[2]);
    return 2;
  }
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) {
    return 2;
  }
  for (const subject& s : subjects) {
    register_timing(s);
  }
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}

}  // namespace bench
