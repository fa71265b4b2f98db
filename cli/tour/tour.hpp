// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers
#pragma once

// `corolock tour`: a guided run on real code. Each part is a function in a file of its own, which
// computes what it shows.

#include "tour/agents_file.hpp"
#include "tour/page.hpp"

#include <string>

namespace corolock_cli {

/// The agents that the tour takes when it is given no file.
std::string sample_file();

/// The whole tour, on the agents of the file. Returns the program's exit code.
int run_tour(const std::string& file);

void show_why(page& out);
void show_where(page& out, const agents_file& agents);
void show_when(page& out, const agents_file& agents);
void show_cost(page& out);

}  // namespace corolock_cli
