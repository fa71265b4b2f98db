// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers

#include <marketplace/catalog.hpp>

namespace marketplace {
namespace {

using boost::asio::awaitable;

std::string any_case(const std::string& agent_id) {
  return agent_id_key(agent_id).value_or(agent_id);
}

change_context without_actor(timestamp at) {
  change_context context;
  context.at = at;
  return context;
}

// Of the whole record, what the narrow interface knows.
repository_result<agent_profile> profile_of(repository_result<agent_record> record) {
  if (!record) {
    return record.error();
  }
  return std::move(record->profile);
}

}  // namespace

awaitable<repository_result<agent_profile>> catalog::create_agent(agent_profile profile) {
  agent_record record;
  record.name_claim = name_key(profile.agent_name);
  change_context context = without_actor(profile.registered_at);
  record.profile = std::move(profile);
  auto created = co_await create(std::move(record), std::move(context));
  co_return profile_of(std::move(created));
}

awaitable<repository_result<agent_profile>> catalog::get_agent(std::string agent_id) {
  auto found = co_await find(any_case(agent_id));
  if (found && found->deleted_at) {
    co_return repository_error::not_found(agent_id);
  }
  co_return profile_of(std::move(found));
}

awaitable<repository_result<agent_profile>> catalog::update_agent(std::string agent_id,
                                                                  agent_profile profile) {
  auto before = co_await find(any_case(agent_id));
  if (!before || before->deleted_at) {
    co_return before ? repository_error::not_found(agent_id) : before.error();
  }
  auto id = agent_id_key(profile.agent_id);
  if (!id) {
    co_return repository_error::invalid("agent_id", "is not a UUID");
  }
  if (*id != before->profile.agent_id) {
    auto other = co_await find(*id);
    co_return other ? repository_error::conflict("agent_id", *id)
                    : repository_error::invalid("agent_id", "of an agent cannot be changed");
  }
  agent_record record = *std::move(before);
  record.name_claim = name_key(profile.agent_name);
  change_context context = without_actor(profile.last_updated_at);
  record.profile = std::move(profile);
  auto replaced = co_await replace(std::move(record), std::move(context));
  co_return profile_of(std::move(replaced));
}

awaitable<repository_result<std::vector<agent_profile>>> catalog::list_agents(std::size_t limit,
                                                                              std::size_t offset) {
  search_query query;
  query.limit = limit;
  query.offset = offset;
  auto page = co_await search(std::move(query));
  if (!page) {
    co_return page.error();
  }
  std::vector<agent_profile> profiles;
  profiles.reserve(page->agents.size());
  for (const listed_agent& listed : page->agents) {
    profiles.push_back(record_of(listed.json).profile);
  }
  co_return profiles;
}

awaitable<repository_result<bool>> catalog::agent_exists(std::string agent_id) {
  auto found = co_await get_agent(std::move(agent_id));
  if (!found && found.error().why() != repository_error::kind::not_found) {
    co_return found.error();
  }
  co_return found.has_value();
}

}  // namespace marketplace
