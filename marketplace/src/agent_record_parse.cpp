// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers

#include <marketplace/agent_record.hpp>

#include <boost/json/array.hpp>
#include <boost/json/monotonic_resource.hpp>
#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>

#include <array>
#include <stdexcept>

namespace marketplace {
namespace {

namespace json = boost::json;

std::string text_in(const json::object& object, std::string_view name) {
  const json::string& text = object.at(name).as_string();
  return {text.data(), text.size()};
}

std::vector<std::string> texts_in(const json::object& object, std::string_view name) {
  const json::array& items = object.at(name).as_array();
  std::vector<std::string> texts;
  texts.reserve(items.size());
  for (const json::value& item : items) {
    texts.emplace_back(item.as_string().data(), item.as_string().size());
  }
  return texts;
}

timestamp time_in(const json::object& object, std::string_view name) {
  const auto time = timestamp_of(text_in(object, name));
  if (!time) {
    throw std::runtime_error(std::string(name) + " is not a time");
  }
  return *time;
}

card_shape shape_of(std::string_view text) {
  for (const card_shape shape : {card_shape::none, card_shape::v0_3, card_shape::v1_0}) {
    if (to_string(shape) == text) {
      return shape;
    }
  }
  return card_shape::unknown;
}

void read_card(const json::object& object, agent_record& record) {
  agent_card& card = record.card;
  if (const json::object* provider = object.at("provider").if_object()) {
    card.provider = text_in(*provider, "organization");
    card.provider_url = text_in(*provider, "url");
  }
  card.capabilities = texts_in(object, "capabilities");
  const json::array& skills = object.at("skills").as_array();
  card.skills.reserve(skills.size());
  for (const json::value& item : skills) {
    const json::object& skill = item.as_object();
    agent_skill read;
    read.id = text_in(skill, "id");
    read.name = text_in(skill, "name");
    read.tags = texts_in(skill, "tags");
    card.skills.push_back(std::move(read));
  }
  const json::array& interfaces = object.at("interfaces").as_array();
  card.interfaces.reserve(interfaces.size());
  for (const json::value& item : interfaces) {
    const json::object& interface = item.as_object();
    agent_interface read;
    read.url = text_in(interface, "url");
    read.protocol_binding = text_in(interface, "protocol_binding");
    read.protocol_version = text_in(interface, "protocol_version");
    card.interfaces.push_back(std::move(read));
  }
  if (const json::object* about = object.at("card").if_object()) {
    card.shape = shape_of(text_in(*about, "shape"));
    record.card_url = text_in(*about, "url");
    card.version = text_in(*about, "version");
    card.protocol_version = text_in(*about, "protocol_version");
    card.violations = texts_in(*about, "violations");
    record.is_split_host = about->at("is_split_host").as_bool();
    card.is_signed = about->at("is_signed").as_bool();
  }
}

agent_record read(std::string_view text) {
  std::array<unsigned char, 8192> memory;  // enough for most
  json::monotonic_resource resource(memory.data(), memory.size());
  const json::value root = json::parse(text, &resource);
  const json::object& object = root.as_object();
  agent_record record;
  agent_profile& profile = record.profile;
  profile.agent_id = text_in(object, "agent_id");
  record.urn = text_in(object, "urn");
  profile.agent_name = text_in(object, "agent_name");
  profile.base_url = text_in(object, "base_url");
  profile.description = text_in(object, "description");
  profile.tags = texts_in(object, "tags");
  record.status = agent_status_of(text_in(object, "status")).value_or(agent_status::active);
  profile.version = object.at("version").as_int64();
  profile.registered_at = time_in(object, "registered_at");
  profile.last_updated_at = time_in(object, "last_updated_at");
  if (object.contains("deleted_at")) {
    record.deleted_at = time_in(object, "deleted_at");
  }
  read_card(object, record);
  return record;
}

}  // namespace

agent_record record_of(std::string_view json) {
  try {
    return read(json);
  } catch (const std::exception& error) {
    throw std::runtime_error("a stored agent cannot be read: " + std::string(error.what()));
  }
}

}  // namespace marketplace
