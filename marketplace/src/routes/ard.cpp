// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers

// Agentic Resource Discovery (v0.91) and the AI Catalog: what the marketplace knows, as entries of
// these standards. Both still change: nothing outside of this file knows them.

#include <corolock/asio/lock.hpp>
#include <corolock/async_mutex.hpp>
#include <marketplace/secrets.hpp>
#include <marketplace/service.hpp>
#include <marketplace/storage_problem.hpp>
#include <marketplace/strict_json.hpp>
#include <marketplace/text.hpp>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include <algorithm>
#include <charconv>
#include <map>
#include <memory>
#include <utility>

namespace marketplace {
namespace {

namespace asio = boost::asio;
namespace json = boost::json;
using asio::awaitable;
using http::json_response;
using http::problem;
using http::request;
using http::response;

constexpr std::string_view base_path = "/api/ard";
constexpr std::string_view card_type = "application/a2a-agent-card+json";
constexpr std::string_view registry_type = "application/ai-registry+json";

constexpr std::size_t entries_in_document = 1000;
constexpr std::size_t pool_per_word = 100;     // of the newest agents with a word of a search
constexpr std::size_t words_at_most = 8;       // of a search
constexpr std::size_t scanned_at_most = 2000;  // by a facet that no index has

// ------------------------------------------------------------------------------------- errors

problem invalid_argument(std::string detail) {
  return {400, "INVALID_ARGUMENT", std::move(detail)};
}

// The standard has five codes.
std::string_view code_of(unsigned status) {
  switch (status) {
    case 401:
    case 403: return "UNAUTHENTICATED";
    case 404:
    case 410: return "NOT_FOUND";
    case 429: return "RATE_LIMIT_EXCEEDED";
    default: return status < 500 ? "INVALID_ARGUMENT" : "INTERNAL_ERROR";
  }
}

response write_problem(const problem& what, const request&) {
  const unsigned status = what.status() == 422 ? 400 : what.status() == 410 ? 404 : what.status();
  response answer = json_response(
      status,
      json::serialize(json::object({{"errorCode", code_of(status)}, {"message", what.detail()}})));
  answer.headers = what.headers();
  if (status == 404) {
    answer.with("Cache-Control", "no-cache");
  }
  return answer;
}

// ------------------------------------------------------------------------------------ entries

// "https://registry.example.com", as this client reaches the service.
std::string origin_of(const service& s, const request& r) {
  if (!s.public_url.empty()) {
    return s.public_url;
  }
  const std::string_view host = r.header("host");
  const bool is_host = !host.empty() && std::all_of(host.begin(), host.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           std::string_view(".-_:[]").find(c) != std::string_view::npos;
  });
  if (!is_host) {
    throw invalid_argument("the Host header has to be a host, with a port if need be");
  }
  return "http://" + std::string(host);
}

// The publisher of an identifier, a domain.
std::string publisher_of(std::string_view origin) {
  std::string_view host = origin.substr(origin.find("://") + 3);
  host = host.substr(0, host.find_first_of(":/"));
  const bool is_domain =
      host.find('.') != std::string_view::npos && host.find('[') == std::string_view::npos;
  return is_domain ? std::string(host) : "registry.internal";
}

std::string own_card_path(const json::object& agent) {
  return "/v1/agents/" + std::string(agent.at("agent_id").get_string()) + "/card";
}

// Where the agent's card is: where it was fetched, or here if it was given, or where a client would
// look for it.
std::string card_url_of(const json::object& agent, const std::string& origin) {
  const json::value& card = agent.at("card");
  if (card.is_object()) {
    const json::value& url = card.get_object().at("url");
    return url.get_string().empty() ? origin + own_card_path(agent) : std::string(url.get_string());
  }
  std::string base(agent.at("base_url").get_string());
  while (base.ends_with('/')) {
    base.pop_back();
  }
  return base + "/.well-known/agent-card.json";
}

// The skills' members of this name, each once.
json::array of_skills(const json::object& agent, std::string_view member) {
  json::array all;
  for (const json::value& skill : agent.at("skills").get_array()) {
    const json::value& text = skill.get_object().at(member);
    if (!text.get_string().empty() && std::find(all.begin(), all.end(), text) == all.end()) {
      all.push_back(text);
    }
  }
  return all;
}

// An agent, as the API shows it, as an entry. Its url is the last member.
json::object entry_of(const json::object& agent, const std::string& origin) {
  json::object entry;
  entry["identifier"] = agent.at("urn");
  const json::value& name = agent.at("agent_name");
  entry["displayName"] = name.get_string().empty() ? agent.at("base_url") : name;
  entry["type"] = card_type;
  entry["description"] = agent.at("description");
  entry["tags"] = agent.at("tags");
  json::array capabilities = of_skills(agent, "id");
  if (!capabilities.empty()) {
    entry["capabilities"] = std::move(capabilities);
  }
  json::array queries = of_skills(agent, "name");
  if (queries.size() >= 2) {
    queries.resize(std::min<std::size_t>(5, queries.size()));
    entry["representativeQueries"] = std::move(queries);
  }
  if (const json::object* card = agent.at("card").if_object();
      card != nullptr && !card->at("version").get_string().empty()) {
    entry["version"] = card->at("version");
  }
  entry["updatedAt"] = agent.at("last_updated_at");
  entry["metadata"] = json::object({{"agentId", agent.at("agent_id")},
                                    {"baseUrl", agent.at("base_url")},
                                    {"status", agent.at("status")},
                                    {"health", agent.at("health")},
                                    {"createdAt", agent.at("registered_at")}});
  entry["url"] = card_url_of(agent, origin);
  return entry;
}

json::object entry_of(const listed_agent& agent, const std::string& origin) {
  return entry_of(json::parse(agent.json).get_object(), origin);
}

// urn:air:<publisher>(:<name>)+
bool is_identifier(std::string_view text) {
  constexpr std::string_view scheme = "urn:air:";
  if (!text.starts_with(scheme) || text.size() > 1024) {
    return false;
  }
  text.remove_prefix(scheme.size());
  std::size_t parts = 0;
  bool is_in_part = false;
  for (const char c : text) {
    const bool is_plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                          (c >= '0' && c <= '9') || c == '.' || c == '-' || (c == '_' && parts > 1);
    if (c == ':' ? !is_in_part : !is_plain) {
      return false;
    }
    parts += c != ':' && !is_in_part ? 1 : 0;
    is_in_part = c != ':';
  }
  return is_in_part && parts >= 2;
}

// ------------------------------------------------------------------------------- the document

/// The newest agents as one document. Kept until something changes, then made again by one request
/// while those that come meanwhile wait for it.
class catalog_document {
 public:
  explicit catalog_document(service& s) : s_(s) {
    s.measured.watch({"mutex", &making_.diagnostics(), [this] {
                        const auto now = making_.statistics();
                        return watched_lock::state{now.locked ? std::size_t{1} : std::size_t{0},
                                                   now.waiters};
                      }});
  }

  struct version {
    std::vector<std::string> pieces;  ///< of the list of entries; the origin stands in between
    std::string hash;
    std::uint64_t seen = 0;  ///< of the changes
    std::chrono::steady_clock::time_point made_at;
    std::chrono::steady_clock::duration took{};
  };
  using version_ptr = std::shared_ptr<const version>;

  awaitable<version_ptr> current() {
    if (is_fresh()) {
      co_return last_;
    }
    auto [error, guard] = co_await corolock::async_lock_for(making_, std::chrono::seconds(10),
                                                            asio::as_tuple(asio::use_awaitable));
    if (error == corolock::errc::timed_out) {
      throw problem::unavailable("the document is being made; try again");
    }
    if (error) {
      throw boost::system::system_error(error);
    }
    if (!is_fresh()) {  // nobody made it while this one waited
      last_ = co_await made();
    }
    co_return last_;
  }

 private:
  // One that takes long to make is kept for a while even though something changed: making it never
  // takes more than a sixth of the time.
  [[nodiscard]] bool is_fresh() const {
    if (!last_) {
      return false;
    }
    const auto age = std::chrono::steady_clock::now() - last_->made_at;
    return last_->seen == s_.changes.seen() ||
           (last_->took > std::chrono::milliseconds(50) && age < 5 * last_->took);
  }

  awaitable<version_ptr> made() {
    auto fresh = std::make_shared<version>();
    fresh->seen = s_.changes.seen();  // before looking
    const auto began = std::chrono::steady_clock::now();
    fresh->pieces.emplace_back();
    search_query query;
    query.limit = 100;
    for (std::size_t entries = 0; entries < entries_in_document; entries += query.limit) {
      const search_page page = valued(co_await s_.storage.search(query));
      for (const listed_agent& each : page.agents) {
        add(each, fresh->pieces);
      }
      if (!page.has_more) {
        break;
      }
      query.after = page.agents.back().position;
    }
    std::string all;
    for (const std::string& piece : fresh->pieces) {
      all += piece + '\n';
    }
    fresh->hash = sha256_hex(all).substr(0, 24);
    fresh->made_at = std::chrono::steady_clock::now();
    fresh->took = fresh->made_at - began;
    co_return fresh;
  }

  // An entry whose url is one of this service begins with the path: the origin goes in front.
  static void add(const listed_agent& agent, std::vector<std::string>& pieces) {
    const json::object entry = entry_of(agent, "");
    const std::string_view url = entry.at("url").get_string();
    std::string text = "," + json::serialize(entry);
    if (url.starts_with('/')) {
      const std::size_t at = text.size() - url.size() - 2;
      pieces.back() += text.substr(0, at);
      pieces.push_back(text.substr(at));
    } else {
      pieces.back() += text;
    }
  }

  service& s_;
  corolock::basic_async_mutex<corolock::multi_threaded, corolock::diagnostics> making_{
      "ARD document"};
  version_ptr last_;
};

json::object registry_entry(const std::string& origin) {
  return {{"identifier", "urn:air:" + publisher_of(origin) + ":registry:marketplace"},
          {"displayName", "Agent marketplace"},
          {"type", registry_type},
          {"description", "Every agent; this document has the " +
                              std::to_string(entries_in_document) + " that were registered last."},
          {"url", origin + std::string(base_path)}};
}

std::string document_text(const catalog_document::version& of, const std::string& origin) {
  std::string text = R"({"specVersion":"1.0","host":)";
  text += json::serialize(
      json::object({{"displayName", "Agent marketplace"}, {"documentationUrl", origin + "/docs"}}));
  text += R"(,"entries":[)" + json::serialize(registry_entry(origin));
  for (std::size_t i = 0; i < of.pieces.size(); ++i) {
    text += (i > 0 ? origin : "") + of.pieces[i];
  }
  text += "]}";
  return text;
}

awaitable<response> get_document(service& s, catalog_document& document, request& r) {
  const std::string origin = origin_of(s, r);
  const auto version = co_await document.current();
  const std::string etag = "\"" + version->hash + "-" + sha256_hex(origin).substr(0, 8) + "\"";
  response answer(304, "", "");
  if (!has_etag(r.header_list("if-none-match"), etag, true)) {
    answer = response(200, "application/ai-catalog+json", document_text(*version, origin));
  }
  answer.with("ETag", etag).with("Cache-Control", "max-age=60").with("Vary", "Host");
  co_return answer;
}

// -------------------------------------------------------------------------------------- query

using constraints = std::map<std::string, std::vector<std::string>>;

/// What POST /search and POST /explore are asked.
struct wish {
  std::vector<std::string> words;  ///< in lower case, each once
  constraints filter;
};

// "publisher" is no term of an entry, but a part of its identifier.
constexpr std::array terms{"identifier",  "displayName", "type",         "publisher",
                           "description", "tags",        "capabilities", "representativeQueries",
                           "version",     "updatedAt",   "url"};

void require_term(const std::string& path) {
  const bool is_known = std::find(terms.begin(), terms.end(), path) != terms.end() ||
                        (path.starts_with("metadata.") && path.size() > 9);
  if (!is_known) {
    throw invalid_argument("\"" + path.substr(0, 100) +
                           "\" is no term that entries have here; it can be " +
                           "identifier, displayName, type, publisher, description, tags, "
                           "capabilities, representativeQueries, version, updatedAt, url or "
                           "metadata.<name>");
  }
}

void add_text(const json::value& value, std::vector<std::string>& to) {
  if (value.is_string()) {
    to.emplace_back(value.get_string());
  }
}

std::vector<std::string> values_of(const json::object& entry, const std::string& path) {
  std::vector<std::string> values;
  if (path == "publisher") {
    const std::string_view urn = entry.at("identifier").get_string();
    const std::string_view rest = urn.substr(std::string_view("urn:air:").size());
    values.emplace_back(rest.substr(0, rest.find(':')));
    return values;
  }
  const bool is_metadata = path.starts_with("metadata.");
  const json::object& from = is_metadata ? entry.at("metadata").get_object() : entry;
  const json::value* value = from.if_contains(is_metadata ? path.substr(9) : path);
  if (value == nullptr) {
    return values;
  }
  if (const json::array* list = value->if_array()) {
    values.reserve(list->size());
    for (const json::value& each : *list) {
      add_text(each, values);
    }
  } else {
    add_text(*value, values);
  }
  return values;
}

bool fits(const json::object& entry, const constraints& filter) {
  return std::all_of(filter.begin(), filter.end(), [&entry](const auto& constraint) {
    const std::vector<std::string> values = values_of(entry, constraint.first);
    return std::any_of(values.begin(), values.end(), [&constraint](const std::string& value) {
      return std::find(constraint.second.begin(), constraint.second.end(), value) !=
             constraint.second.end();
    });
  });
}

// The words of a question that say what it is about.
std::vector<std::string> topic_of(std::string_view text) {
  constexpr std::array fillers{"a",    "an",   "and",    "any",  "are",  "by",   "can",  "could",
                               "do",   "does", "find",   "for",  "from", "get",  "give", "help",
                               "i",    "in",   "is",     "it",   "me",   "my",   "need", "of",
                               "on",   "or",   "please", "show", "some", "that", "the",  "to",
                               "want", "what", "which",  "who",  "will", "with", "you"};
  const std::vector<std::string> all = words_of(text);
  std::vector<std::string> words = all;
  std::erase_if(words, [&fillers](const std::string& word) {
    return std::find(fillers.begin(), fillers.end(), word) != fillers.end();
  });
  if (words.empty()) {
    words = all;
  }
  words.resize(std::min(words.size(), words_at_most));
  return words;
}

json::object body_of(const request& r) {
  require_json(r);
  auto parsed = parse_json(r.body);
  if (!parsed) {
    throw invalid_argument("the body " + parsed.error().message());
  }
  if (!parsed->is_object()) {
    throw invalid_argument("the body has to be a JSON object");
  }
  return std::move(parsed->get_object());
}

void require_members(const json::object& object, std::initializer_list<std::string_view> known,
                     std::string_view what) {
  for (const auto& member : object) {
    if (std::find(known.begin(), known.end(), std::string_view(member.key())) == known.end()) {
      throw invalid_argument(std::string(what) + " has a member that is not known here: \"" +
                             std::string(member.key()).substr(0, 100) + "\"");
    }
  }
}

std::vector<std::string> values_of_constraint(const std::string& path, const json::value& given) {
  std::vector<std::string> values;
  add_text(given, values);
  if (const json::array* list = given.if_array()) {
    for (const json::value& each : *list) {
      add_text(each, values);
    }
    if (values.size() != list->size() || values.size() > 32) {
      values.clear();
    }
  }
  if (values.empty()) {
    throw invalid_argument("query.filter: " + path +
                           " has to be a string or an array of 1 to 32 strings");
  }
  if (path == "tags") {
    std::transform(values.begin(), values.end(), values.begin(), ascii_lower);
  }
  return values;
}

wish wish_of(const json::value* given, bool needs_text) {
  wish wanted;
  if (given == nullptr && !needs_text) {
    return wanted;
  }
  const json::object* query = given != nullptr ? given->if_object() : nullptr;
  if (query == nullptr) {
    throw invalid_argument("query has to be an object");
  }
  require_members(*query, {"text", "filter", "@context"}, "query");
  const json::value* text = query->if_contains("text");
  if (text != nullptr && (!text->is_string() || text->get_string().size() > 2048)) {
    throw invalid_argument("query.text has to be a string of at most 2048 bytes");
  }
  if (text != nullptr) {
    wanted.words = topic_of(text->get_string());
  }
  if (wanted.words.empty() && (needs_text || text != nullptr)) {
    throw invalid_argument("query.text has to say in words what is looked for");
  }
  const json::value* filter = query->if_contains("filter");
  if (filter == nullptr) {
    return wanted;
  }
  if (!filter->is_object()) {
    throw invalid_argument("query.filter has to be an object");
  }
  for (const auto& member : filter->get_object()) {
    const std::string path(member.key());
    require_term(path);
    wanted.filter[path] = values_of_constraint(path, member.value());
  }
  return wanted;
}

std::int64_t number_of(const json::object& object, std::string_view name, std::int64_t standard,
                       std::int64_t least, std::int64_t most) {
  const json::value* given = object.if_contains(name);
  if (given == nullptr) {
    return standard;
  }
  if (!given->is_int64() || given->get_int64() < least || given->get_int64() > most) {
    throw invalid_argument(std::string(name) + " has to be a whole number from " +
                           std::to_string(least) + " to " + std::to_string(most));
  }
  return given->get_int64();
}

// ------------------------------------------------------------------------------------- search

/// An agent that a search found.
struct match {
  json::object entry;
  std::int64_t score = 0;
  std::int64_t sequence = 0;
};

// What of the filter the storage can look up.
search_query narrowed(const constraints& filter) {
  search_query query;
  if (const auto tags = filter.find("tags"); tags != filter.end() && tags->second.size() == 1) {
    query.tags = tags->second;
  }
  if (const auto skill = filter.find("capabilities");
      skill != filter.end() && skill->second.size() == 1) {
    query.skill = skill->second.front();
  }
  return query;
}

bool begins_one_of(const std::string& beginning, const std::vector<std::string>& words) {
  return std::any_of(words.begin(), words.end(),
                     [&beginning](const std::string& word) { return word.starts_with(beginning); });
}

// 1 to 100: how many of the words the agent has, and a little more for those in its name.
std::int64_t score_of(const json::object& entry, const std::vector<std::string>& words) {
  const std::vector<std::string> name = words_of(entry.at("displayName").get_string());
  std::string text(entry.at("description").get_string());
  for (const char* path : {"tags", "capabilities", "representativeQueries"}) {
    for (const std::string& each : values_of(entry, path)) {
      text += " " + each;
    }
  }
  const std::vector<std::string> rest = words_of(text);
  std::size_t in_name = 0;
  std::size_t anywhere = 0;
  for (const std::string& word : words) {
    const bool is_in_name = begins_one_of(word, name);
    in_name += is_in_name ? 1U : 0U;
    anywhere += is_in_name || begins_one_of(word, rest) ? 1U : 0U;
  }
  const std::size_t score = (80 * anywhere + 20 * in_name) / words.size();
  return static_cast<std::int64_t>(std::max<std::size_t>(1, score));
}

// The agents with any of the words, the best first. Of those with one word only the newest count:
// what a word finds more often says little.
awaitable<std::vector<match>> matches_of(service& s, const wish& wanted,
                                         const std::string& origin) {
  std::map<std::int64_t, json::object> pool;
  std::vector<std::string> texts = wanted.words;
  if (texts.size() > 1) {
    std::string all;
    for (const std::string& word : wanted.words) {
      all += word + " ";
    }
    texts.push_back(std::move(all));
  }
  for (const std::string& text : texts) {
    search_query query = narrowed(wanted.filter);
    query.text = text;
    query.limit = pool_per_word;
    const search_page page = valued(co_await s.storage.search(std::move(query)));
    for (const listed_agent& each : page.agents) {
      if (!pool.contains(each.position.sequence)) {
        pool.emplace(each.position.sequence, entry_of(each, origin));
      }
    }
  }
  std::vector<match> found;
  found.reserve(pool.size());
  for (auto& [sequence, entry] : pool) {
    if (fits(entry, wanted.filter)) {
      const std::int64_t score = score_of(entry, wanted.words);
      found.push_back({std::move(entry), score, sequence});
    }
  }
  std::sort(found.begin(), found.end(), [](const match& a, const match& b) {
    return std::pair(a.score, a.sequence) > std::pair(b.score, b.sequence);
  });
  co_return found;
}

// What a pageToken of this search belongs to.
std::string list_name(const wish& wanted) {
  json::array words(wanted.words.begin(), wanted.words.end());
  json::object filter;
  for (const auto& [path, values] : wanted.filter) {
    filter[path] = json::array(values.begin(), values.end());
  }
  return "ard search " + json::serialize(words) + json::serialize(filter);
}

awaitable<response> post_search(service& s, request& r) {
  require_known_parameters(r, {});
  const caller who = co_await s.guard.identify(r);
  const rate_ticket ticket = s.require_within(s.searching, who);
  const json::object body = body_of(r);
  require_members(body, {"query", "federation", "pageSize", "pageToken"}, "the body");
  const wish wanted = wish_of(body.if_contains("query"), true);
  const auto page_size = static_cast<std::size_t>(number_of(body, "pageSize", 10, 1, 100));
  const json::value* given = body.if_contains("federation");
  const json::value federation = given != nullptr ? *given : json::value("auto");
  if (federation != "auto" && federation != "referrals" && federation != "none") {
    throw invalid_argument("federation has to be auto, referrals or none");
  }
  const std::string list = list_name(wanted);
  std::optional<std::pair<std::int64_t, std::int64_t>> after;
  if (const json::value* token = body.if_contains("pageToken")) {
    if (!token->is_string()) {
      throw invalid_argument("pageToken has to be a string");
    }
    const list_position position = s.position_of(std::string_view(token->get_string()), list);
    std::int64_t score = 0;
    std::from_chars(position.value.data(), position.value.data() + position.value.size(), score);
    after = {score, position.sequence};
  }
  const std::string origin = origin_of(s, r);
  std::vector<match> found = co_await matches_of(s, wanted, origin);
  std::erase_if(found, [&after](const match& each) {
    return after && std::pair(each.score, each.sequence) >= *after;
  });
  json::object answer;
  if (found.size() > page_size) {
    found.resize(page_size);
    const match& last = found.back();
    answer["pageToken"] = s.cursor_of({std::to_string(last.score), last.sequence}, list);
  }
  json::array results;
  results.reserve(found.size());
  for (match& each : found) {
    each.entry["score"] = each.score;
    each.entry["source"] = origin + std::string(base_path);
    results.push_back(std::move(each.entry));
  }
  answer["results"] = std::move(results);
  if (federation == "referrals") {
    answer["referrals"] = json::array();  // no other registry is known here
  }
  response done = json_response(200, json::serialize(answer));
  done.headers = ticket;
  co_return done;
}

// ------------------------------------------------------------------------------------ explore

struct facet {
  std::string field;
  std::size_t limit = 20;
  std::int64_t at_least = 1;
};

using counts = std::map<std::string, std::int64_t>;

std::vector<facet> facets_of(const json::object& body) {
  const json::value* given = body.if_contains("resultType");
  const json::object* type = given != nullptr ? given->if_object() : nullptr;
  const json::value* list = type != nullptr ? type->if_contains("facets") : nullptr;
  if (list == nullptr || !list->is_array() || list->get_array().empty() ||
      list->get_array().size() > 16) {
    throw invalid_argument(
        "resultType has to be an object with the member facets, an array of 1 to 16 objects");
  }
  require_members(*type, {"facets"}, "resultType");
  std::vector<facet> facets;
  facets.reserve(list->get_array().size());
  for (const json::value& each : list->get_array()) {
    const json::object* one = each.if_object();
    const json::value* field = one != nullptr ? one->if_contains("field") : nullptr;
    if (field == nullptr || !field->is_string()) {
      throw invalid_argument("a facet has to be an object with the member field, a string");
    }
    require_members(*one, {"field", "limit", "minCount"}, "a facet");
    facet wanted;
    wanted.field = std::string(field->get_string());
    require_term(wanted.field);
    wanted.limit = static_cast<std::size_t>(number_of(*one, "limit", 20, 1, 1000));
    wanted.at_least = number_of(*one, "minCount", 1, 0, std::int64_t{1} << 53);
    facets.push_back(std::move(wanted));
  }
  return facets;
}

json::object json_of(const facet& wanted, const counts& of) {
  std::vector<std::pair<std::int64_t, std::string>> sorted;
  sorted.reserve(of.size());
  for (const auto& [value, count] : of) {
    if (count >= wanted.at_least) {
      sorted.emplace_back(-count, value);
    }
  }
  std::sort(sorted.begin(), sorted.end());
  json::array buckets;
  std::int64_t others = 0;
  for (const auto& [count, value] : sorted) {
    if (buckets.size() < wanted.limit) {
      buckets.push_back(json::object({{"value", value}, {"count", -count}}));
    } else {
      others -= count;
    }
  }
  return {{"buckets", std::move(buckets)}, {"otherCount", others}};
}

// All that the filter lets through. Throws 400 if that is more than can be looked at.
awaitable<std::vector<match>> scanned(service& s, const wish& wanted, const std::string& origin) {
  search_query query = narrowed(wanted.filter);
  query.limit = 100;
  const std::int64_t all = valued(co_await s.storage.count(query));
  if (all > static_cast<std::int64_t>(scanned_at_most)) {
    throw invalid_argument("these facets would have to look at " + std::to_string(all) +
                           " entries, and look at no more than " + std::to_string(scanned_at_most) +
                           ": narrow them with query.text, or with one tag in query.filter");
  }
  std::vector<match> found;
  for (std::size_t looked_at = 0; looked_at < scanned_at_most; looked_at += query.limit) {
    const search_page page = valued(co_await s.storage.search(query));
    for (const listed_agent& each : page.agents) {
      json::object entry = entry_of(each, origin);
      if (fits(entry, wanted.filter)) {
        found.push_back({std::move(entry), 0, each.position.sequence});
      }
    }
    if (!page.has_more) {
      break;
    }
    query.after = page.agents.back().position;
  }
  co_return found;
}

// Of all agents: what the storage counts anyway. nullopt for what it does not.
awaitable<std::optional<counts>> counted(service& s, const std::string& field) {
  std::optional<counts> result;
  if (field == "type") {
    const std::int64_t all = valued(co_await s.storage.count(search_query()));
    result.emplace();
    if (all > 0) {
      result->emplace(card_type, all);
    }
  } else if (field == "tags") {
    const std::vector<tag_count> tags = valued(co_await s.storage.tags(scanned_at_most));
    result.emplace();
    for (const tag_count& each : tags) {
      result->emplace(each.tag, each.agents);
    }
  }
  co_return result;
}

awaitable<response> post_explore(service& s, request& r) {
  require_known_parameters(r, {});
  const caller who = co_await s.guard.identify(r);
  const rate_ticket ticket = s.require_within(s.searching, who);
  const json::object body = body_of(r);
  require_members(body, {"query", "resultType"}, "the body");
  const wish wanted = wish_of(body.if_contains("query"), false);
  const std::vector<facet> facets = facets_of(body);
  const std::string origin = origin_of(s, r);
  const bool is_all = wanted.words.empty() && wanted.filter.empty();
  std::optional<std::vector<match>> found;
  json::object results;
  for (const facet& each : facets) {
    std::optional<counts> values;
    if (is_all) {
      values = co_await counted(s, each.field);
    }
    if (!values) {
      if (!found && wanted.words.empty()) {
        found = co_await scanned(s, wanted, origin);
      } else if (!found) {
        found = co_await matches_of(s, wanted, origin);
      }
      values.emplace();
      for (const match& one : *found) {
        for (const std::string& value : values_of(one.entry, each.field)) {
          ++(*values)[value];
        }
      }
    }
    results[each.field] = json_of(each, *values);
  }
  response answer = json_response(
      200,
      json::serialize(json::object({{"resultType", "facets"}, {"facets", std::move(results)}})));
  answer.headers = ticket;
  co_return answer;
}

// ---------------------------------------------------------------------------------------- list

/// The filter of GET /agents: conditions joined by AND.
struct list_filter {
  std::string name;  ///< in lower case
  std::vector<std::string> types;
  std::vector<std::string> publishers;
  std::optional<timestamp> created_after;
  std::optional<timestamp> updated_after;

  [[nodiscard]] bool has_what_no_index_has() const {
    return !name.empty() || !publishers.empty() || created_after.has_value();
  }
};

std::string_view next_token(std::string_view& rest) {
  rest = rest.substr(std::min(rest.find_first_not_of(' '), rest.size()));
  std::size_t size = 0;
  if (rest.empty()) {
    return rest;
  }
  if (rest.front() == '\'' || rest.front() == '"') {
    const std::size_t end = rest.find(rest.front(), 1);
    if (end == std::string_view::npos) {
      throw invalid_argument("filter: a quote is not closed");
    }
    size = end + 1;
  } else if (rest.front() == '=' || rest.front() == '>') {
    size = 1;
  } else {
    size = std::min(rest.find_first_of(" =>'\""), rest.size());
  }
  const std::string_view token = rest.substr(0, size);
  rest.remove_prefix(size);
  return token;
}

std::string_view unquoted(std::string_view token) {
  const bool is_quoted = !token.empty() && (token.front() == '\'' || token.front() == '"');
  return is_quoted ? token.substr(1, token.size() - 2) : token;
}

std::vector<std::string> split(std::string_view list) {
  std::vector<std::string> parts;
  while (!list.empty()) {
    const std::size_t end = std::min(list.find(','), list.size());
    parts.emplace_back(trimmed(list.substr(0, end)));
    list.remove_prefix(std::min(end + 1, list.size()));
  }
  return parts;
}

timestamp time_of(std::string_view field, std::string_view value) {
  const std::string day = std::string(value) + "T00:00:00Z";
  const auto time = timestamp_of(value.size() == 10 ? std::string_view(day) : value);
  if (!time) {
    throw invalid_argument("filter: " + std::string(field) +
                           " has to be a time of RFC 3339, such as 2026-01-31T12:00:00Z");
  }
  return *time;
}

void take_condition(std::string_view field, std::string_view sign, std::string_view value,
                    list_filter& filter) {
  const bool is_time = field == "createdAfter" || field == "updatedAfter";
  if ((sign != "=" && !(is_time && sign == ">")) || value.empty()) {
    throw invalid_argument("filter: after \"" + std::string(field.substr(0, 64)) +
                           "\" there has to be = and a value");
  }
  if (field == "displayName") {
    filter.name = ascii_lower(value);
  } else if (field == "type") {
    filter.types = split(value);
  } else if (field == "publisherId") {
    filter.publishers = split(value);
  } else if (field == "createdAfter") {
    filter.created_after = time_of(field, value);
  } else if (field == "updatedAfter") {
    filter.updated_after = time_of(field, value);
  } else {
    throw invalid_argument(
        "filter: there is no field \"" + std::string(field.substr(0, 64)) +
        "\"; it can be displayName, type, publisherId, createdAfter or updatedAfter");
  }
}

// type = 'a,b' AND createdAfter > '2026-01-01'
list_filter parse_filter(std::string_view text) {
  list_filter filter;
  while (!trimmed(text).empty()) {
    const std::string_view field = next_token(text);
    const std::string_view sign = next_token(text);
    take_condition(field, sign, unquoted(next_token(text)), filter);
    const std::string_view joint = next_token(text);
    if (!joint.empty() && (joint != "AND" || trimmed(text).empty())) {
      throw invalid_argument("filter: conditions are joined by AND");
    }
  }
  return filter;
}

void parse_order(std::string_view text, search_query& query) {
  std::string_view rest = text;
  const std::string_view field = next_token(rest);
  const std::string_view direction = next_token(rest);
  query.ascending = direction.empty() || direction == "ASC";
  if (field == "displayName" || field == "name") {
    query.sort = sort_order::name;
  } else if (field == "updatedAt" || field == "updated_at") {
    query.sort = sort_order::updated;
  } else if (field != "createdAt" && field != "created_at") {
    throw invalid_argument("orderBy has to be displayName, createdAt or updatedAt");
  }
  if ((!query.ascending && direction != "DESC") || !trimmed(rest).empty()) {
    throw invalid_argument("orderBy has to be one field, with ASC or DESC if need be");
  }
}

bool fits(const json::object& entry, const list_filter& filter) {
  if (ascii_lower(std::string_view(entry.at("displayName").get_string())).find(filter.name) ==
      std::string::npos) {
    return false;
  }
  const std::string publisher = values_of(entry, "publisher").front();
  const bool is_published =
      filter.publishers.empty() || std::find(filter.publishers.begin(), filter.publishers.end(),
                                             publisher) != filter.publishers.end();
  const auto created =
      timestamp_of(std::string_view(entry.at("metadata").at("createdAt").get_string()));
  return is_published && (!filter.created_after || created > filter.created_after);
}

awaitable<response> get_entries(service& s, request& r) {
  require_known_parameters(r, {"filter", "orderBy", "pageSize", "pageToken"});
  const std::string filter_text = parameter(r, "filter").value_or("");
  const std::string order = parameter(r, "orderBy").value_or("createdAt DESC");
  const auto page_size = static_cast<std::size_t>(number_parameter(r, "pageSize", 20, 1, 100));
  const list_filter filter = parse_filter(filter_text);
  search_query query;
  parse_order(order, query);
  const std::string list = "ard list " + order + "\n" + filter_text;
  if (const auto token = parameter(r, "pageToken")) {
    query.after = s.position_of(*token, list);
  }
  if (filter.updated_after) {
    query.updated_since = *filter.updated_after + std::chrono::milliseconds(1);
  }
  const std::string origin = origin_of(s, r);
  const bool is_of_no_type =
      !filter.types.empty() &&
      std::find(filter.types.begin(), filter.types.end(), card_type) == filter.types.end();
  const bool is_scan = filter.has_what_no_index_has();
  json::object answer;
  json::array items;
  if (is_of_no_type) {
    answer["total"] = 0;
  } else if (!is_scan) {
    answer["total"] = valued(co_await s.storage.count(query));
  }
  // What no index has is looked for in a thousand entries at a time: the page may be short then,
  // and still not be the last.
  query.limit = is_scan ? 100 : page_size;
  std::optional<list_position> last;
  for (int rounds = is_of_no_type ? 0 : is_scan ? 10 : 1; rounds > 0; --rounds) {
    const search_page page = valued(co_await s.storage.search(query));
    last.reset();
    for (const listed_agent& each : page.agents) {
      if (items.size() == page_size) {
        break;
      }
      json::object entry = entry_of(each, origin);
      if (!is_scan || fits(entry, filter)) {
        items.push_back(std::move(entry));
      }
      const bool is_at_end = !page.has_more && &each == &page.agents.back();
      last = is_at_end ? std::nullopt : std::optional(each.position);
    }
    if (!last || items.size() == page_size) {
      break;
    }
    query.after = last;
  }
  answer["items"] = std::move(items);
  if (last) {
    answer["pageToken"] = s.cursor_of(*last, list);
  }
  co_return json_response(200, json::serialize(answer)).with("Cache-Control", "no-cache");
}

awaitable<response> get_entry(service& s, request& r) {
  require_known_parameters(r, {});
  const std::string& urn = r.parameters[0];
  if (!is_identifier(urn)) {
    throw invalid_argument("\"" + urn.substr(0, 200) +
                           "\" is no identifier: urn:air:<publisher>:<namespace>:<name>");
  }
  const std::string origin = origin_of(s, r);
  const agent_record record = valued(co_await s.storage.find_by_urn(urn));
  if (record.deleted_at) {
    throw problem::not_found("agent " + urn + " was deleted");
  }
  const std::string body =
      json::serialize(entry_of(json::parse(to_json(record)).get_object(), origin));
  const std::string etag = "\"" + sha256_hex(body).substr(0, 32) + "\"";
  response answer(304, "", "");
  if (!has_etag(r.header_list("if-none-match"), etag, true)) {
    answer = json_response(200, body);
  }
  answer.with("ETag", etag).with("Cache-Control", "no-cache");
  co_return answer;
}

}  // namespace

void add_ard_routes(http::router& to, service& s) {
  const auto document = std::make_shared<catalog_document>(s);
  for (const char* path : {"/.well-known/ai-catalog.json", "/.well-known/ard.json"}) {
    to.add({"GET", path, [&s, document](request& r) { return get_document(s, *document, r); },
            write_problem, true});
  }
  using serve = awaitable<response> (*)(service&, request&);
  const auto add = [&](std::string method, std::string_view path, serve function) {
    to.add({std::move(method), std::string(base_path) + std::string(path),
            [&s, function](request& r) { return function(s, r); }, write_problem, false});
  };
  add("POST", "/search", post_search);
  add("POST", "/explore", post_explore);
  add("GET", "/agents", get_entries);
  add("GET", "/agents/{urn}", get_entry);
}

}  // namespace marketplace
