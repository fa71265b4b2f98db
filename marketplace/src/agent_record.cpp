// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers

#include <marketplace/agent_record.hpp>
#include <marketplace/text.hpp>

#include <array>
#include <charconv>
#include <cstddef>

namespace marketplace {
namespace {

using std::chrono::milliseconds;

constexpr std::array status_names{"active", "deprecated"};
constexpr std::array health_names{"unknown", "healthy", "stale", "unreachable"};

template <class Enum, std::size_t Size>
std::optional<Enum> value_of(const std::array<const char*, Size>& names, std::string_view text) {
  for (std::size_t i = 0; i < Size; ++i) {
    if (names[i] == text) {
      return static_cast<Enum>(i);
    }
  }
  return std::nullopt;
}

// ----- JSON, appended to a string: a list of agents is made of a hundred of these

// By bytes: whether a JSON text may hold it as it is.
constexpr auto is_plain = [] {
  std::array<bool, 256> plain{};
  for (std::size_t byte = 0x20; byte < plain.size(); ++byte) {
    plain[byte] = byte != '"' && byte != '\\';
  }
  return plain;
}();

void append_escaped(std::string& out, unsigned char byte) {
  constexpr std::string_view digits = "0123456789abcdef";
  out += '\\';
  if (byte >= 0x20) {
    out += static_cast<char>(byte);
    return;
  }
  out += "u00";
  out += digits[byte >> 4U];
  out += digits[byte & 15U];
}

// As most texts are. Without a way out of its loop, which so looks at many bytes at once.
bool is_plain_ascii(std::string_view text) noexcept {
  bool is = true;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    is &= (byte >= 0x20) & (byte < 0x80) & (byte != '"') & (byte != '\\');
  }
  return is;
}

// Well-formed UTF-8 and without control characters, whatever `text` is.
void append_text(std::string& out, std::string_view text) {
  out += '"';
  if (is_plain_ascii(text)) {
    out.append(text);
    out += '"';
    return;
  }
  const bool is_well_formed = is_utf8(text);
  std::size_t begin = 0;  // of what is to be copied at once
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    const bool is_broken = byte >= 0x80 && !is_well_formed;
    if (is_plain[byte] && !is_broken) {
      continue;
    }
    out.append(text, begin, i - begin);
    begin = i + 1;
    if (is_broken) {
      out += "\\ufffd";
    } else {
      append_escaped(out, byte);
    }
  }
  out.append(text, begin);
  out += '"';
}

void append_text(std::string& out, std::string_view name, std::string_view text) {
  out += name;
  append_text(out, text);
}

void append_number(std::string& out, std::string_view name, std::int64_t number) {
  std::array<char, 24> digits{};
  const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), number).ptr;
  out += name;
  out.append(digits.data(), end);
}

template <class Items, class Append>
void append_list(std::string& out, std::string_view name, const Items& items, Append append) {
  out += name;
  out += '[';
  bool is_first = true;
  for (const auto& item : items) {
    out += is_first ? "" : ",";
    is_first = false;
    append(item);
  }
  out += ']';
}

void append_texts(std::string& out, std::string_view name, const std::vector<std::string>& texts) {
  append_list(out, name, texts, [&out](const std::string& text) { append_text(out, text); });
}

void append_card(std::string& out, const agent_record& record) {
  const agent_card& card = record.card;
  if (card.provider.empty() && card.provider_url.empty()) {
    out += R"(,"provider":null)";
  } else {
    append_text(out, R"(,"provider":{"organization":)", card.provider);
    append_text(out, R"(,"url":)", card.provider_url);
    out += '}';
  }
  append_texts(out, R"(,"capabilities":)", card.capabilities);
  append_list(out, R"(,"skills":)", card.skills, [&out](const agent_skill& skill) {
    append_text(out, R"({"id":)", skill.id);
    append_text(out, R"(,"name":)", skill.name);
    append_texts(out, R"(,"tags":)", skill.tags);
    out += '}';
  });
  append_list(out, R"(,"interfaces":)", card.interfaces, [&out](const agent_interface& interface) {
    append_text(out, R"({"url":)", interface.url);
    append_text(out, R"(,"protocol_binding":)", interface.protocol_binding);
    append_text(out, R"(,"protocol_version":)", interface.protocol_version);
    out += '}';
  });
  if (record.card_text.empty()) {
    out += R"(,"card":null)";
    return;
  }
  append_text(out, R"(,"card":{"shape":)", to_string(card.shape));
  append_text(out, R"(,"url":)", record.card_url);
  append_text(out, R"(,"version":)", card.version);
  append_text(out, R"(,"protocol_version":)", card.protocol_version);
  append_texts(out, R"(,"violations":)", card.violations);
  out += record.is_split_host ? R"(,"is_split_host":true)" : R"(,"is_split_host":false)";
  out += card.is_signed ? R"(,"is_signed":true})" : R"(,"is_signed":false})";
}

// ----- times

// Takes `text`'s first `digits` characters, which are digits, away from it.
std::optional<int> take_number(std::string_view& text, std::size_t digits) {
  int number = 0;
  if (text.size() < digits) {
    return std::nullopt;
  }
  const std::string_view head = text.substr(0, digits);
  const char* const end = head.data() + head.size();
  const auto [stop, error] = std::from_chars(head.data(), head.data() + head.size(), number);
  if (error != std::errc() || stop != end || text.front() == '-') {
    return std::nullopt;
  }
  text.remove_prefix(digits);
  return number;
}

bool take(std::string_view& text, std::string_view any_of) {
  if (text.empty() || any_of.find(text.front()) == std::string_view::npos) {
    return false;
  }
  text.remove_prefix(1);
  return true;
}

// ".123456", cut off after milliseconds.
std::optional<milliseconds> take_fraction(std::string_view& text) {
  if (!take(text, ".")) {
    return milliseconds(0);
  }
  milliseconds::rep count = 0;
  std::size_t digits = 0;
  for (; !text.empty() && text.front() >= '0' && text.front() <= '9'; text.remove_prefix(1)) {
    if (digits++ < 3) {
      count = count * 10 + (text.front() - '0');
    }
  }
  for (std::size_t missing = digits; missing < 3; ++missing) {
    count *= 10;
  }
  return digits > 0 ? std::optional(milliseconds(count)) : std::nullopt;
}

// "Z", "+02:00".
std::optional<std::chrono::minutes> take_offset(std::string_view& text) {
  if (take(text, "Zz")) {
    return std::chrono::minutes(0);
  }
  const bool is_east = text.starts_with('+');
  if (!take(text, "+-")) {
    return std::nullopt;
  }
  const auto hours = take_number(text, 2);
  const bool has_colon = take(text, ":");
  const auto minutes = take_number(text, 2);
  if (!hours || !has_colon || !minutes || *hours > 23 || *minutes > 59) {
    return std::nullopt;
  }
  return std::chrono::minutes((is_east ? 1 : -1) * (*hours * 60 + *minutes));
}

}  // namespace

std::string_view to_string(agent_status status) noexcept {
  return status_names[static_cast<std::size_t>(status)];
}
std::string_view to_string(agent_health health) noexcept {
  return health_names[static_cast<std::size_t>(health)];
}
std::optional<agent_status> agent_status_of(std::string_view text) noexcept {
  return value_of<agent_status>(status_names, text);
}
std::optional<agent_health> agent_health_of(std::string_view text) noexcept {
  return value_of<agent_health>(health_names, text);
}

std::string to_json(const agent_record& record) {
  return with_liveness(to_json_without_liveness(record), record.health, record.last_seen_at,
                       record.ttl);
}

std::string to_json_without_liveness(const agent_record& record) {
  const agent_profile& profile = record.profile;
  std::string out;
  out.reserve(768 + profile.description.size());
  append_text(out, R"({"agent_id":)", profile.agent_id);
  append_text(out, R"(,"urn":)", record.urn);
  append_text(out, R"(,"agent_name":)", profile.agent_name);
  append_text(out, R"(,"base_url":)", profile.base_url);
  append_text(out, R"(,"description":)", profile.description);
  append_texts(out, R"(,"tags":)", profile.tags);
  append_text(out, R"(,"status":)", record.deleted_at ? "deleted" : to_string(record.status));
  append_number(out, R"(,"version":)", profile.version);
  append_text(out, R"(,"registered_at":)", to_text(profile.registered_at));
  append_text(out, R"(,"last_updated_at":)", to_text(profile.last_updated_at));
  if (record.deleted_at) {
    append_text(out, R"(,"deleted_at":)", to_text(*record.deleted_at));
  }
  append_card(out, record);
  out += '}';
  return out;
}

std::string with_liveness(std::string json, agent_health health,
                          std::optional<timestamp> last_seen_at,
                          std::optional<std::chrono::seconds> ttl) {
  json.pop_back();  // the brace
  append_text(json, R"(,"health":)", to_string(health));
  if (last_seen_at && ttl) {
    append_text(json, R"(,"last_seen_at":)", to_text(*last_seen_at));
    append_text(json, R"(,"expires_at":)", to_text(*last_seen_at + *ttl));
    append_number(json, R"(,"ttl_s":)", ttl->count());
    json += '}';
  } else {
    json += R"(,"last_seen_at":null,"expires_at":null,"ttl_s":null})";
  }
  return json;
}

std::string to_text(timestamp time) {
  const auto day = std::chrono::floor<std::chrono::days>(time);
  const std::chrono::year_month_day date(day);
  const std::chrono::hh_mm_ss clock(time - day);
  std::string text;
  text.reserve(24);
  const auto append = [&text](std::int64_t number, int digits) {
    std::int64_t place = 1;
    for (int i = 1; i < digits; ++i) {
      place *= 10;
    }
    for (; place > 0; place /= 10) {
      text += static_cast<char>('0' + number / place % 10);
    }
  };
  append(static_cast<int>(date.year()), 4);
  text += '-';
  append(static_cast<unsigned>(date.month()), 2);
  text += '-';
  append(static_cast<unsigned>(date.day()), 2);
  text += 'T';
  append(clock.hours().count(), 2);
  text += ':';
  append(clock.minutes().count(), 2);
  text += ':';
  append(clock.seconds().count(), 2);
  text += '.';
  append(clock.subseconds().count(), 3);
  text += 'Z';
  return text;
}

std::optional<timestamp> timestamp_of(std::string_view text) {
  const auto year = take_number(text, 4);
  const bool has_dash = take(text, "-");
  const auto month = take_number(text, 2);
  const bool has_second_dash = take(text, "-");
  const auto day = take_number(text, 2);
  const bool has_separator = take(text, "Tt ");
  const auto hour = take_number(text, 2);
  const bool has_colon = take(text, ":");
  const auto minute = take_number(text, 2);
  const bool has_second_colon = take(text, ":");
  const auto second = take_number(text, 2);
  if (!year || !has_dash || !month || !has_second_dash || !day || !has_separator || !hour ||
      !has_colon || !minute || !has_second_colon || !second) {
    return std::nullopt;
  }
  const auto fraction = take_fraction(text);
  const auto offset = take_offset(text);
  const std::chrono::year_month_day date(std::chrono::year(*year),
                                         std::chrono::month(static_cast<unsigned>(*month)),
                                         std::chrono::day(static_cast<unsigned>(*day)));
  // 60: a leap second, which is the next one to clocks like ours.
  if (!fraction || !offset || !text.empty() || !date.ok() || *hour > 23 || *minute > 59 ||
      *second > 60) {
    return std::nullopt;
  }
  return timestamp(std::chrono::sys_days(date)) + std::chrono::hours(*hour) +
         std::chrono::minutes(*minute) + std::chrono::seconds(*second) + *fraction - *offset;
}

std::string name_key(std::string_view agent_name) {
  return ascii_lower(trimmed(agent_name));
}

}  // namespace marketplace
