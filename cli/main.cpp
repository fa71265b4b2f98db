// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers

// The program `corolock`: its arguments. Each command has a folder of its own.

#include "run/run.hpp"
#include "tour/tour.hpp"
#include <corolock/version.hpp>

#include <CLI/CLI.hpp>

#include <exception>
#include <iostream>
#include <string>

namespace {

constexpr int usage_error = 2;

std::string version() {
  return "corolock " + std::to_string(COROLOCK_VERSION_MAJOR) + "." +
         std::to_string(COROLOCK_VERSION_MINOR) + "." + std::to_string(COROLOCK_VERSION_PATCH);
}

int run(int argc, char** argv) {
  CLI::App app("corolock: locks for C++20 coroutines and Boost.Asio", "corolock");
  app.set_version_flag("--version", version());
  app.require_subcommand(1);

  std::string file;
  CLI::App* tour = app.add_subcommand(
      "tour", "Show on real code where a lock belongs, why, when, and what it costs");
  tour->add_option("FILE", file, "Agents to use, one JSON object per line (default: a sample)")
      ->type_name("");

  corolock_cli::run_options locked;
  CLI::App* under_lock =
      app.add_subcommand("run", "Run a command while a lock is held, on this machine or any other");
  under_lock->add_option("--lock", locked.lock, "The name of the lock")
      ->required()
      ->type_name("NAME");
  under_lock->add_option("--on", locked.on, "The server: etcd://HOST:PORT or postgresql://HOST/DB")
      ->required()
      ->envname("COROLOCK_ON")
      ->type_name("URL");
  const auto is_duration = [](const std::string& text) {
    return corolock_cli::parse_duration(text) ? ""
                                              : "'" + text + "' is no time such as 500ms or 30s";
  };
  std::string wait;
  std::string ttl = "10s";
  under_lock->add_option("--wait", wait, "Give up after TIME (default: never)")
      ->check(is_duration)
      ->type_name("TIME");
  under_lock->add_option("--ttl", ttl, "If this machine fails, others have the lock after TIME")
      ->check(is_duration)
      ->capture_default_str()
      ->type_name("TIME");
  under_lock->add_option("COMMAND", locked.command, "What to run, after --")
      ->required()
      ->type_name("");
  under_lock->footer(
      "TIME is 500ms, 30s, 5m or 2h. The command finds the fencing token in "
      "COROLOCK_TOKEN. The exit code is the command's, or 121: the lock was not "
      "obtained in time; 122: it was lost, and the command ended; 123: no server.");

  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : usage_error;
  }
  if (under_lock->parsed()) {
    if (!wait.empty()) {
      locked.wait = corolock_cli::parse_duration(wait);
    }
    locked.ttl = corolock_cli::parse_duration(ttl).value_or(locked.ttl);
    return corolock_cli::run_locked(locked);
  }
  if (tour->count("FILE") == 0) {
    return corolock_cli::run_tour(corolock_cli::sample_file());
  }
  return corolock_cli::run_tour(file);
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return run(argc, argv);
  } catch (const std::exception& error) {
    std::cerr << "corolock: " << error.what() << '\n';
    return 1;
  }
}
