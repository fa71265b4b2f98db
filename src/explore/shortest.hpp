// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers
#pragma once

// From failing schedules to the one that is shown, and the two steps whose order makes the
// difference. It has the fewest preemptions that a small search finds; then blocks of steps are
// exchanged, and tasks left out, as long as it fails and gets shorter.

#include "search.hpp"

#include <map>
#include <string>
#include <string_view>
#include <vector>

COROLOCK_BEGIN
namespace explore::detail {

failure shortest_failure(search& s, const options& o, const std::vector<schedule>& failing);

std::string token_of(const run& r, const schedule& s);
bool is_token(std::string_view text);
// Whether the token was made for this body.
bool is_of(std::string_view token, run& r);
result replay_token(search& s, const options& o, std::string_view token);

// What is seen of each shared<T>, over several runs.
class advice_collector {
 public:
  void look_at(search& s);
  [[nodiscard]] std::vector<advice> all(const run& r) const;

 private:
  struct seen {
    std::uint64_t readers = 0;
    std::uint64_t writers = 0;
    bool split = false;
    bool read_again = false;
  };
  std::map<std::uint16_t, seen> seen_;
};

}  // namespace explore::detail
COROLOCK_END
