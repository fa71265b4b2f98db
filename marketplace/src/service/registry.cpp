// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers

#include <corolock/asio/lock.hpp>
#include <marketplace/base_url.hpp>
#include <marketplace/registry.hpp>
#include <marketplace/secrets.hpp>
#include <marketplace/storage_problem.hpp>
#include <marketplace/text.hpp>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/cancellation_state.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <algorithm>
#include <string_view>
#include <utility>

namespace marketplace {
namespace {

namespace asio = boost::asio;
using http::problem;

// What the client sees of an agent, "/v1/agents/<id>".
std::string url_of(const std::string& agent_id) {
  return "/v1/agents/" + agent_id;
}

// The host of a URL as a part of a urn: what that cannot have in it becomes a '-'.
std::string publisher_of(std::string_view url) {
  std::string publisher = host_of(url);
  for (char& c : publisher) {
    const bool is_plain = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '-';
    c = is_plain ? c : '-';
  }
  const std::size_t begin = std::min(publisher.find_first_not_of("-."), publisher.size());
  publisher.erase(0, begin);
  publisher.resize(publisher.find_last_not_of("-.") + 1);
  return publisher;
}

// "My Agent, v2" -> "my-agent-v2"
std::string slug_of(std::string_view name) {
  std::string slug;
  for (const char c : ascii_lower(name)) {
    const bool is_plain = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
    if (is_plain) {
      slug += c;
    } else if (!slug.empty() && slug.back() != '-') {
      slug += '-';
    }
  }
  while (!slug.empty() && slug.back() == '-') {
    slug.pop_back();
  }
  return slug.substr(0, 63);
}

bool is_same_wish(const agent_record& stored, const agent_record& wanted) {
  return stored.profile.agent_name == wanted.profile.agent_name &&
         stored.profile.base_url == wanted.profile.base_url &&
         stored.profile.description == wanted.profile.description &&
         stored.profile.tags == wanted.profile.tags && stored.status == wanted.status &&
         stored.card_text == wanted.card_text;
}

problem unreadable_card(const text_error& error) {
  std::vector<http::field_error> errors;
  errors.push_back({"/card", "format", "the card " + error.message()});
  return problem::invalid(std::move(errors));
}

problem no_card(const std::string& where, const text_error& error) {
  std::vector<http::field_error> errors;
  errors.push_back({"/card_url", "fetch", "the card at " + where + ": " + error.message()});
  return problem::invalid(std::move(errors));
}

// Throws 503 if so many wait for the card's host that the turn did not come.
asio::awaitable<boost::system::result<fetched_card, text_error>> in_its_turn(
    asio::awaitable<boost::system::result<fetched_card, text_error>> fetch) {
  try {
    co_return co_await std::move(fetch);
  } catch (const boost::system::system_error& error) {
    if (error.code() != corolock::errc::timed_out) {
      throw;
    }
  }
  throw problem::unavailable("many wait for the host of this card; try again");
}

// Between an API key and a name, in what is claimed for the name within the key.
constexpr char end_of_key = '\n';

// The API key that asks; empty for everybody else.
std::string_view key_of(const caller& who) {
  return who.is == role::anonymous ? std::string_view() : std::string_view(who.identity);
}

// The rest of the coroutine goes on when the client goes away: what is written is written.
auto uninterrupted() {
  return asio::this_coro::reset_cancellation_state(asio::disable_cancellation());
}

}  // namespace

http::problem problem_of(const repository_error& error) {
  using kind = repository_error::kind;
  switch (error.why()) {
    case kind::conflict:
      return problem(409, "AGENT_ALREADY_REGISTERED", error.message())
          .with_holder({error.field(), error.holder(), url_of(error.holder())});
    case kind::stale: return {412, "PRECONDITION_FAILED", error.message()};
    case kind::not_found: return problem::not_found(error.message());
    case kind::invalid: return problem::invalid({{"/" + error.field(), "format", error.message()}});
    case kind::unavailable: break;
  }
  return problem::unavailable(error.message());
}

registry::registry(catalog& agents, card_fetcher& cards, registry_options options, clock now)
    : agents_(agents), cards_(cards), options_(std::move(options)), now_(std::move(now)) {}

asio::awaitable<registered> registry::register_agent(registration wanted, caller who,
                                                     reply_maker make_reply) {
  const std::string agent_id = wanted.agent_id ? *wanted.agent_id : new_agent_id(now_());
  wanted.agent_id = agent_id;
  std::optional<fetched_card> card;
  if (!wanted.base_url) {  // the card says where the agent is: there is nothing to claim before
    card = co_await card_of(wanted);
    wanted.base_url = card->card.interfaces.empty() ? "" : card->card.interfaces.front().url;
    auto key = base_url_key(*wanted.base_url);
    if (!key) {
      throw problem::invalid(
          {{"/base_url", "missing",
            "base_url is missing, and the card's url " + key.error().message()}});
    }
    wanted.base_url_key = *std::move(key);
  }
  const std::string& url_key = wanted.base_url_key;
  const std::vector<std::string> place_keys{"1 agent_id " + agent_id, "1 base_url " + url_key};
  const bool others_claim_it = claims_.is_locked(place_keys[0]) || claims_.is_locked(place_keys[1]);
  const guard places = co_await claim(place_keys);

  // Before a card is fetched or read, because who cannot be registered is told that and nothing
  // else; and behind others that wanted the same, one of whom has it now. Of all the rest the
  // catalog says so as it stores them.
  const bool has_card = !card && (wanted.card_text || wanted.card_url || wanted.fetch_card);
  if (has_card || others_claim_it) {
    agent_claims claims;
    claims.agent_id = agent_id;
    claims.base_url_key = url_key;
    auto refusal = valued(co_await agents_.why_not_claim(std::move(claims)));
    if (refusal) {
      co_return co_await registered_before(*std::move(refusal), wanted, who);
    }
  }
  if (!card) {
    card = co_await card_of(wanted);
  }
  registered result;
  result.record = record_of(wanted, std::move(card), key_of(who));
  result.record.urn = urn_of(result.record, urn_form::name);
  std::vector<std::string> names{"2 urn " + result.record.urn};
  if (!result.record.name_claim.empty()) {
    names.push_back("2 agent_name " + result.record.name_claim);
  }
  const guard claimed_names = co_await claim(std::move(names));

  result.owner_token = new_token("mo_");
  result.record.owner = sha256_hex(result.owner_token);
  change_context context = context_of(who);
  result.record.profile.registered_at = context.at;
  result.record.profile.last_updated_at = context.at;
  co_await uninterrupted();
  auto stored = co_await store_first(result, context, make_reply);
  if (!stored && stored.error().field() == "urn") {  // what is looked at last: all else is free
    result.record.urn = urn_of(result.record, urn_form::name_and_id);
    stored = co_await store_first(result, context, make_reply);
  }
  if (!stored) {
    co_return co_await registered_before(stored.error(), wanted, who);
  }
  result.record = *std::move(stored);
  co_return result;
}

catalog::result<agent_record> registry::store_first(const registered& wanted,
                                                    change_context context,
                                                    const reply_maker& make_reply) {
  if (make_reply) {
    context.reply = make_reply(wanted);
  }
  return agents_.create(wanted.record, std::move(context));
}

// What its owner registered before, if it is the same; throws the refusal if it is not.
asio::awaitable<registered> registry::registered_before(repository_error refusal,
                                                        const registration& wanted,
                                                        const caller& who) {
  const std::string holder = refusal.holder();
  if (!holder.empty() && !who.token_sha256.empty()) {
    registered there;
    there.record = valued(co_await agents_.find(holder));
    if (are_equal(there.record.owner, who.token_sha256) && !there.record.deleted_at &&
        is_same_wish(there.record, record_of(wanted, std::nullopt, {}))) {
      co_return there;
    }
  }
  throw problem_of(refusal);
}

asio::awaitable<agent_record> registry::update_agent(std::string agent_id, registration wanted,
                                                     std::int64_t version, caller who) {
  agent_record before = co_await find_owned(std::move(agent_id), who);
  agent_id = before.profile.agent_id;
  if (wanted.agent_id && *wanted.agent_id != agent_id) {
    throw problem::invalid({{"/agent_id", "format", "agent_id of an agent cannot be changed"}});
  }
  wanted.agent_id = agent_id;
  if (before.profile.version != version) {
    throw problem_of(repository_error::stale(agent_id));
  }
  std::optional<fetched_card> card;
  if (!wanted.base_url) {
    card = co_await card_of(wanted);
    wanted.base_url =
        card->card.interfaces.empty() ? before.profile.base_url : card->card.interfaces.front().url;
    auto key = base_url_key(*wanted.base_url);
    if (!key) {
      throw problem::invalid({{"/base_url", "format", "the card's url " + key.error().message()}});
    }
    wanted.base_url_key = *std::move(key);
  }
  const std::string& url_key = wanted.base_url_key;
  const std::vector<std::string> place_keys{"1 agent_id " + agent_id, "1 base_url " + url_key};
  const guard places = co_await claim(place_keys);
  before = co_await find_owned(agent_id, who);  // as it is now that nobody else changes it
  agent_claims claims;
  claims.base_url_key = url_key;
  co_await require_free(claims, agent_id);
  if (!card) {
    card = co_await card_of(wanted);
  }
  const bool has_new_card = card.has_value();
  // The key that registered it, whoever changes it.
  const std::size_t end = before.name_claim.find(end_of_key);
  const std::string key =
      end == std::string::npos ? std::string() : before.name_claim.substr(0, end);
  agent_record after = record_of(wanted, std::move(card), key);
  after.urn = before.urn;
  after.owner = before.owner;
  after.profile.version = version;
  after.profile.registered_at = before.profile.registered_at;
  if (!has_new_card) {  // a card that nobody mentions stays
    after.card_text = before.card_text;
    after.card_url = before.card_url;
    after.card_etag = before.card_etag;
    after.card = before.card;
    after.is_split_host = !after.card_text.empty() && is_split_host(after.card, *wanted.base_url);
  }
  guard names;
  if (!after.name_claim.empty()) {
    std::vector<std::string> name_keys{"2 agent_name " + after.name_claim};
    names = co_await claim(std::move(name_keys));
  }
  claims.name_claim = after.name_claim;
  co_await require_free(claims, agent_id);
  change_context context = context_of(who);
  after.profile.last_updated_at = context.at;
  co_await uninterrupted();
  co_return valued(co_await agents_.replace(std::move(after), std::move(context)));
}

asio::awaitable<agent_record> registry::delete_agent(std::string agent_id,
                                                     std::optional<std::int64_t> version,
                                                     caller who) {
  agent_record record = co_await find_owned(std::move(agent_id), who);
  const std::vector<std::string> place_keys{"1 agent_id " + record.profile.agent_id};
  const guard places = co_await claim(place_keys);
  record = co_await find_owned(record.profile.agent_id, who);
  co_await uninterrupted();
  co_return valued(co_await agents_.remove(record.profile.agent_id, version, context_of(who)));
}

asio::awaitable<agent_record> registry::refresh_agent(std::string agent_id, caller who) {
  agent_record record = co_await find_owned(std::move(agent_id), who);
  const std::vector<std::string> place_keys{"1 agent_id " + record.profile.agent_id};
  const guard places = co_await claim(place_keys);
  record = co_await find_owned(record.profile.agent_id, who);
  registration source;
  source.base_url = record.profile.base_url;
  if (record.card_url.empty()) {
    source.fetch_card = true;
  } else {
    source.card_url = record.card_url;
  }
  auto card = co_await card_of(source);
  take_card(record, *std::move(card));
  change_context context = context_of(who);
  record.profile.last_updated_at = context.at;
  co_await uninterrupted();
  co_return valued(co_await agents_.replace(std::move(record), std::move(context), "refresh"));
}

asio::awaitable<card_look> registry::look_at_card(std::string agent_id) {
  // Before the host is asked: one that never answers is asked no more often than others.
  const bool is_there = valued(co_await agents_.looks_at_card(agent_id, now_()));
  auto seen = co_await agents_.find(agent_id);
  if (!is_there || !seen || seen->card_url.empty()) {
    co_return card_look::overtaken;
  }
  std::optional<boost::system::result<fetched_card, text_error>> answer;
  try {
    answer = co_await cards_.fetch(seen->card_url, seen->card_etag);
  } catch (const boost::system::system_error& error) {
    if (error.code() != corolock::errc::timed_out) {
      throw;
    }
  }
  if (!answer || !*answer || (options_.strict_cards && !(*answer)->card.violations.empty())) {
    co_return card_look::failed;
  }
  fetched_card card = **std::move(answer);
  if (card.is_unchanged || card.text == seen->card_text) {
    co_return card_look::unchanged;
  }
  const std::vector<std::string> place_keys{"1 agent_id " + agent_id};
  const guard places = co_await claim(place_keys);
  change_context context;
  context.actor = "card refresher";
  context.at = now_();
  agent_record record = *std::move(seen);
  take_card(record, std::move(card));
  record.profile.last_updated_at = context.at;
  co_await uninterrupted();
  const auto stored = co_await agents_.replace(std::move(record), std::move(context), "refresh");
  if (stored) {
    co_return card_look::changed;
  }
  const auto why = stored.error().why();
  if (why != repository_error::kind::stale && why != repository_error::kind::not_found) {
    throw problem_of(stored.error());
  }
  co_return card_look::overtaken;
}

asio::awaitable<registered> registry::rotate_owner(std::string agent_id, caller who) {
  agent_record record = co_await find_owned(std::move(agent_id), who);
  const std::vector<std::string> place_keys{"1 agent_id " + record.profile.agent_id};
  const guard places = co_await claim(place_keys);
  record = co_await find_owned(record.profile.agent_id, who);
  registered result;
  result.owner_token = new_token("mo_");
  co_await uninterrupted();
  result.record = valued(co_await agents_.rotate_owner(
      record.profile.agent_id, sha256_hex(result.owner_token), context_of(who)));
  co_return result;
}

asio::awaitable<agent_record> registry::heartbeat(std::string agent_id, std::chrono::seconds ttl,
                                                  caller who) {
  const agent_record record = co_await find_owned(std::move(agent_id), who);
  co_await uninterrupted();
  co_return valued(co_await agents_.touch(record.profile.agent_id, ttl, now_()));
}

asio::awaitable<agent_record> registry::find(std::string agent_id_or_urn) {
  repository_result<agent_record> found = repository_error::not_found(agent_id_or_urn);
  if (agent_id_or_urn.starts_with("urn:")) {
    found = co_await agents_.find_by_urn(agent_id_or_urn);
  } else if (auto key = agent_id_key(agent_id_or_urn)) {
    found = co_await agents_.find(*std::move(key));
  }
  agent_record record = valued(std::move(found));
  if (record.deleted_at) {
    throw problem(410, "GONE", "agent " + record.profile.agent_id + " was deleted");
  }
  co_return record;
}

// To be asked again once the agent is claimed: its owner may have been rotated meanwhile.
asio::awaitable<agent_record> registry::find_owned(std::string agent_id_or_urn, const caller& who) {
  agent_record record = co_await find(std::move(agent_id_or_urn));
  access::require_owner(who, record);
  co_return record;
}

asio::awaitable<fetched_card> registry::preview(registration wanted) {
  auto card = co_await card_of(wanted);
  co_return *std::move(card);
}

// ------------------------------------------------------------------------------------- steps

asio::awaitable<registry::guard> registry::claim(std::vector<std::string> keys) {
  auto [error, claimed] = co_await corolock::async_lock_all_for(
      claims_, std::move(keys), options_.lock_limit, asio::as_tuple(asio::use_awaitable));
  if (error == corolock::errc::timed_out) {
    throw problem::unavailable("others are busy with this agent or its base_url; try again");
  }
  if (error) {
    throw boost::system::system_error(error);
  }
  co_return std::move(claimed);
}

asio::awaitable<void> registry::require_free(agent_claims claims, std::string except) {
  const auto refusal = valued(co_await agents_.why_not_claim(std::move(claims), std::move(except)));
  if (refusal) {
    throw problem_of(*refusal);
  }
}

// The card that is asked for, fetched or given; nullopt if none is.
asio::awaitable<std::optional<fetched_card>> registry::card_of(const registration& wanted) {
  std::optional<fetched_card> result;
  if (wanted.card_text) {
    auto parsed = parse_agent_card(*wanted.card_text);
    if (!parsed) {
      throw unreadable_card(parsed.error());
    }
    result.emplace();
    result->text = *wanted.card_text;
    result->card = *std::move(parsed);
  } else if (wanted.card_url) {
    auto fetched = co_await in_its_turn(cards_.fetch(*wanted.card_url));
    if (!fetched) {
      throw no_card(*wanted.card_url, fetched.error());
    }
    result = *std::move(fetched);
  } else if (wanted.fetch_card) {
    auto fetched = co_await in_its_turn(cards_.discover(*wanted.base_url));
    if (!fetched) {
      throw no_card(*wanted.base_url, fetched.error());
    }
    result = *std::move(fetched);
  }
  if (result && options_.strict_cards && !result->card.violations.empty()) {
    std::vector<http::field_error> errors;
    errors.reserve(result->card.violations.size());
    for (const std::string& violation : result->card.violations) {
      errors.push_back({"/card" + violation.substr(0, violation.find(':')), "card", violation});
    }
    throw problem::invalid(std::move(errors));
  }
  co_return result;
}

std::string registry::urn_of(const agent_record& record, urn_form form) const {
  std::string publisher = publisher_of(record.card.provider_url);
  if (publisher.empty()) {
    publisher =
        options_.publisher.empty() ? publisher_of(record.profile.base_url) : options_.publisher;
  }
  const std::string slug = slug_of(record.profile.agent_name);
  const std::string& id = record.profile.agent_id;
  std::string urn = "urn:air:" + publisher + ":agents:";
  if (slug.empty()) {
    urn += id;
  } else if (form == urn_form::name) {
    urn += slug;
  } else {
    urn += slug + "-" + id.substr(id.size() - 12);
  }
  return urn;
}

void registry::take_card(agent_record& record, fetched_card card) const {
  record.card_text = std::move(card.text);
  record.card_url = std::move(card.url);
  record.card_etag = std::move(card.etag);
  record.card = std::move(card.card);
  record.is_split_host = is_split_host(record.card, record.profile.base_url);
}

agent_record registry::record_of(const registration& wanted, std::optional<fetched_card> card,
                                 std::string_view names_of) const {
  agent_record record;
  std::vector<http::field_error> errors;
  agent_profile& profile = record.profile;
  profile.agent_id = *wanted.agent_id;
  profile.base_url = *wanted.base_url;
  record.base_url_key = wanted.base_url_key;
  profile.agent_name = wanted.agent_name ? *wanted.agent_name
                       : card            ? checked_name(card->card.name, errors)
                                         : "";
  profile.description = wanted.description ? *wanted.description
                        : card             ? checked_description(card->card.description, errors)
                                           : "";
  profile.tags = wanted.tags ? *wanted.tags
                 : card      ? suggested_tags(card->card)
                             : std::vector<std::string>();
  record.status = wanted.status.value_or(agent_status::active);
  if (!errors.empty()) {
    throw problem::invalid(std::move(errors));
  }
  const std::string name = name_key(profile.agent_name);
  if (options_.unique_names == registry_options::name_rule::global) {
    record.name_claim = name;
  } else if (options_.unique_names == registry_options::name_rule::owner && !names_of.empty()) {
    // Without a name the claim is one that nobody else makes: it says whose the name will be.
    record.name_claim =
        std::string(names_of) + end_of_key + (name.empty() ? end_of_key + profile.agent_id : name);
  }
  if (card) {
    take_card(record, *std::move(card));
  }
  return record;
}

change_context registry::context_of(const caller& who) const {
  change_context context;
  context.actor = who.actor;
  context.request_id = who.request_id;
  context.at = now_();
  return context;
}

}  // namespace marketplace
