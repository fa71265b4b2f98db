// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers

// The program `corolock`: its arguments. Each command has a folder of its own.

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

  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : usage_error;
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
