// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers

#include <marketplace/agent_card.hpp>
#include <marketplace/strict_json.hpp>
#include <marketplace/text.hpp>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

#include <algorithm>
#include <initializer_list>
#include <utility>

namespace marketplace {
namespace {

namespace json = boost::json;
using boost::system::result;

// Reads a card, and lists what its standard requires and it lacks. A list of thousands is no help.
class card_reader {
 public:
  explicit card_reader(agent_card& to) : card_(to) {}

  void read(const json::object& object) {
    card_.shape = shape_of(object);
    card_.name = text(object, "", "name", required::yes);
    card_.description = text(object, "", "description", required::yes);
    card_.version = text(object, "", "version", required::yes);
    card_.protocol_version = text(object, "", "protocolVersion",
                                  card_.shape == card_shape::v0_3 ? required::yes : required::no);
    read_provider(object);
    read_capabilities(object);
    texts(object, "", "defaultInputModes", required::yes);
    texts(object, "", "defaultOutputModes", required::yes);
    read_skills(object);
    if (card_.shape == card_shape::v1_0) {
      read_interfaces(object, "supportedInterfaces", "protocolBinding", required::yes);
    } else {
      read_v0_3_interfaces(object);
    }
    const json::value* signatures = object.if_contains("signatures");
    card_.is_signed =
        signatures != nullptr && signatures->is_array() && !signatures->get_array().empty();
  }

 private:
  enum class required { no, yes };
  static constexpr std::size_t most_violations = 100;

  static card_shape shape_of(const json::object& object) {
    const json::value* interfaces = object.if_contains("supportedInterfaces");
    if (interfaces != nullptr && interfaces->is_array()) {
      return card_shape::v1_0;
    }
    const json::value* url = object.if_contains("url");
    return url != nullptr && url->is_string() ? card_shape::v0_3 : card_shape::unknown;
  }

  void violation(std::string pointer, std::string_view what) {
    if (card_.violations.size() < most_violations) {
      card_.violations.push_back(std::move(pointer.append(": ").append(what)));
    }
  }

  // The member, or null: reports one that is missing and has to be there.
  const json::value* member(const json::object& in, const std::string& at, std::string_view name,
                            required how) {
    const json::value* found = in.if_contains(name);
    if (found == nullptr && how == required::yes) {
      violation(at + "/" + std::string(name), "is missing");
    }
    return found;
  }

  std::string text(const json::object& in, const std::string& at, std::string_view name,
                   required how) {
    const json::value* found = member(in, at, name, how);
    if (found == nullptr) {
      return {};
    }
    if (!found->is_string()) {
      violation(at + "/" + std::string(name), "is not a string");
      return {};
    }
    std::string value(found->get_string());
    if (value.empty() && how == required::yes) {
      violation(at + "/" + std::string(name), "is empty");
    }
    return value;
  }

  std::vector<std::string> texts(const json::object& in, const std::string& at,
                                 std::string_view name, required how) {
    std::vector<std::string> values;
    const json::value* found = member(in, at, name, how);
    if (found == nullptr) {
      return values;
    }
    const std::string pointer = at + "/" + std::string(name);
    if (!found->is_array()) {
      violation(pointer, "is not an array of strings");
      return values;
    }
    const json::array& all = found->get_array();
    values.reserve(all.size());
    for (std::size_t i = 0; i < all.size(); ++i) {
      if (all[i].is_string()) {
        values.emplace_back(all[i].get_string());
      } else {
        violation(pointer + "/" + std::to_string(i), "is not a string");
      }
    }
    return values;
  }

  void read_provider(const json::object& object) {
    const json::value* found = object.if_contains("provider");
    if (found == nullptr) {
      return;
    }
    if (!found->is_object()) {
      violation("/provider", "is not an object");
      return;
    }
    card_.provider = text(found->get_object(), "/provider", "organization", required::yes);
    card_.provider_url = text(found->get_object(), "/provider", "url", required::yes);
  }

  void read_capabilities(const json::object& object) {
    const json::value* found = member(object, "", "capabilities", required::yes);
    if (found == nullptr) {
      return;
    }
    if (!found->is_object()) {
      violation("/capabilities", "is not an object");
      return;
    }
    for (const auto& each : found->get_object()) {
      if (each.value().is_bool() && each.value().get_bool()) {
        card_.capabilities.emplace_back(each.key());
      }
    }
  }

  void read_skills(const json::object& object) {
    const json::value* found = member(object, "", "skills", required::yes);
    if (found == nullptr) {
      return;
    }
    if (!found->is_array()) {
      violation("/skills", "is not an array");
      return;
    }
    const json::array& all = found->get_array();
    for (std::size_t i = 0; i < all.size(); ++i) {
      const std::string at = "/skills/" + std::to_string(i);
      if (!all[i].is_object()) {
        violation(at, "is not an object");
        continue;
      }
      const json::object& each = all[i].get_object();
      agent_skill skill;
      skill.id = text(each, at, "id", required::yes);
      skill.name = text(each, at, "name", required::yes);
      text(each, at, "description", required::yes);
      skill.tags = texts(each, at, "tags", required::yes);
      card_.skills.push_back(std::move(skill));
    }
  }

  void read_interfaces(const json::object& object, std::string_view name, std::string_view binding,
                       required version) {
    const json::value* found = object.if_contains(name);
    if (found == nullptr) {
      return;
    }
    const std::string pointer = "/" + std::string(name);
    if (!found->is_array()) {
      violation(pointer, "is not an array");
      return;
    }
    const json::array& all = found->get_array();
    if (all.empty() && version == required::yes) {
      violation(pointer, "is empty");
    }
    for (std::size_t i = 0; i < all.size(); ++i) {
      const std::string at = pointer + "/" + std::to_string(i);
      if (!all[i].is_object()) {
        violation(at, "is not an object");
        continue;
      }
      const json::object& each = all[i].get_object();
      agent_interface one;
      one.url = text(each, at, "url", required::yes);
      one.protocol_binding = text(each, at, binding, required::yes);
      one.protocol_version = text(each, at, "protocolVersion", version);
      card_.interfaces.push_back(std::move(one));
    }
  }

  void read_v0_3_interfaces(const json::object& object) {
    agent_interface main;
    main.url = text(object, "", "url", required::yes);
    main.protocol_binding = text(object, "", "preferredTransport", required::no);
    if (main.protocol_binding.empty()) {
      main.protocol_binding = "JSONRPC";  // the standard's default
    }
    main.protocol_version = card_.protocol_version;
    if (!main.url.empty()) {
      card_.interfaces.push_back(std::move(main));
    }
    read_interfaces(object, "additionalInterfaces", "transport", required::no);
  }

  agent_card& card_;
};

}  // namespace

result<agent_card, text_error> parse_agent_card(std::string_view text) {
  if (text.size() > max_card_bytes) {
    return text_error::because("is longer than " + std::to_string(max_card_bytes) + " bytes");
  }
  const auto parsed = parse_json(text, max_card_depth);
  if (!parsed) {
    return parsed.error();
  }
  if (!parsed->is_object()) {
    return text_error::because("is not a JSON object");
  }
  agent_card card;
  card_reader(card).read(parsed->get_object());
  return card;
}

bool is_split_host(const agent_card& card, std::string_view base_url) {
  const std::string host = host_of(base_url);
  return !card.interfaces.empty() &&
         std::none_of(card.interfaces.begin(), card.interfaces.end(),
                      [&host](const agent_interface& each) { return host_of(each.url) == host; });
}

}  // namespace marketplace
