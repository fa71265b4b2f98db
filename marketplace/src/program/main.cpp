// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers

// The program `marketplace`: its arguments.

#include "serve.hpp"
#include <corolock/version.hpp>
#include <marketplace/base_url.hpp>
#include <marketplace/http/forwarded.hpp>
#include <marketplace/sqlite_catalog.hpp>

#include <CLI/CLI.hpp>

#include <cstdint>
#include <cstdlib>
#include <exception>
#include <fstream>
#include <iostream>
#include <map>
#include <stdexcept>
#include <string>

namespace marketplace {
namespace {

constexpr int usage_error = 2;

std::string version() {
  return "marketplace " + std::to_string(COROLOCK_VERSION_MAJOR) + "." +
         std::to_string(COROLOCK_VERSION_MINOR) + "." + std::to_string(COROLOCK_VERSION_PATCH);
}

// "127.0.0.1:8080" or "[::1]:8080"
boost::asio::ip::tcp::endpoint endpoint_of(const std::string& text) {
  const std::size_t colon = text.rfind(':');
  if (colon == std::string::npos) {
    throw CLI::ValidationError("--listen", "'" + text + "' has to be ADDRESS:PORT");
  }
  std::string address = text.substr(0, colon);
  if (address.starts_with('[') && address.ends_with(']')) {
    address = address.substr(1, address.size() - 2);
  }
  boost::system::error_code error;
  const auto parsed = boost::asio::ip::make_address(address, error);
  const std::string digits = text.substr(colon + 1);
  const bool is_number = !digits.empty() && digits.size() <= 5 &&
                         digits.find_first_not_of("0123456789") == std::string::npos;
  const int port = is_number ? std::stoi(digits) : -1;
  if (error || port < 0 || port > 65535) {
    throw CLI::ValidationError(
        "--listen", "'" + text + "' has to be ADDRESS:PORT, such as 127.0.0.1:8080 or [::1]:0");
  }
  return {parsed, static_cast<std::uint16_t>(port)};
}

std::string first_line_of(const std::string& file) {
  std::ifstream in(file);
  std::string line;
  if (!std::getline(in, line) || line.size() < 16) {
    throw CLI::ValidationError(
        "--admin-key-file",
        file + " has to hold a key of at least 16 characters in its first line");
  }
  return line;
}

struct arguments {
  settings with;
  std::string listen = "127.0.0.1:8080";
  std::string admin_key_file;
  bool limits = true;
  std::string backup_file;
};

CLI::App* add_serve(CLI::App& app, arguments& a) {
  CLI::App* serve = app.add_subcommand("serve", "Serve the marketplace over HTTP, until Ctrl-C");
  // CLI11 reads files for the whole program only: the lines for `serve` stand under [serve].
  serve->fallthrough();
  app.set_config("--config", "",
                 "Read options from this file: lines of `name = value` under [serve]");
  app.allow_config_extras(CLI::config_extras_mode::error);
  serve
      ->add_option("--storage", a.with.storage,
                   "memory, sqlite:FILE or postgresql://...; created and migrated by the program")
      ->capture_default_str();
  serve->add_option("--listen", a.listen, "ADDRESS:PORT; port 0 takes a free one")
      ->capture_default_str();
  serve->add_flag("--closed", a.with.closed, "Only holders of a publisher's key may register");
  serve->add_flag("--dev", a.with.dev,
                  "Fetch cards over http and from this machine, too; never on the internet");
  serve->add_option(
      "--admin-key-file", a.admin_key_file,
      "Its first line is a key with an admin's rights (or set MARKETPLACE_ADMIN_KEY)");
  serve
      ->add_option(
          "--unique-names", a.with.rules.unique_names,
          "Whether two agents may have one name (global: no; off: yes; owner: unless one API "
          "key registered both)")
      ->transform(CLI::CheckedTransformer(std::map<std::string, registry_options::name_rule>{
          {"global", registry_options::name_rule::global},
          {"owner", registry_options::name_rule::owner},
          {"off", registry_options::name_rule::off}}));
  serve->add_flag("--strict-cards", a.with.rules.strict_cards,
                  "Refuse agents whose card breaks its standard, instead of listing what is wrong");
  serve->add_option("--publisher", a.with.rules.publisher,
                    "Domain in the urns of agents whose card names no provider");
  serve->add_option("--rate-limits", a.limits, "on or off")->capture_default_str();
  serve
      ->add_option("--limit-register", a.with.limits.register_agent.quota,
                   "Registrations a minute for each client")
      ->capture_default_str();
  serve
      ->add_option("--limit-search", a.with.limits.search.quota,
                   "Text searches a minute for each client")
      ->capture_default_str();
  serve
      ->add_option("--limit-write", a.with.limits.write.quota,
                   "Updates and deletions a minute for each client")
      ->capture_default_str();
  serve
      ->add_option("--limit-preview", a.with.limits.preview.quota,
                   "Card previews a minute for each client")
      ->capture_default_str();
  serve
      ->add_option("--public-url", a.with.public_url,
                   "Where clients reach the service, such as https://registry.example.com")
      ->check([](const std::string& url) {
        const auto key = base_url_key(url);
        return key && !url.ends_with('/') ? std::string()
               : key                      ? "'" + url + "' must not end with a slash"
                                          : "'" + url + "' " + key.error().message();
      });
  serve
      ->add_option("--trusted-proxy", a.with.trusted_proxies,
                   "Address of a proxy that is believed whom it serves; may be repeated")
      ->transform([](const std::string& text) {
        boost::system::error_code error;
        const auto address = boost::asio::ip::make_address(text, error);
        if (error) {
          throw CLI::ValidationError("--trusted-proxy", "'" + text + "' is no address");
        }
        return http::text_of(address);
      });
  serve
      ->add_option("--proxy-header", a.with.forwarded,
                   "What the trusted proxies write: x-forwarded-for or forwarded (RFC 7239)")
      ->transform(CLI::CheckedTransformer(std::map<std::string, http::forwarded_header>{
          {"x-forwarded-for", http::forwarded_header::x_forwarded_for},
          {"forwarded", http::forwarded_header::standard}}));
  serve
      ->add_option_function<unsigned>(
          "--sweep-interval", [&a](unsigned s) { a.with.sweep_interval = std::chrono::seconds(s); },
          "Seconds between two looks for missed heartbeats (10)")
      ->check(CLI::Range(1U, 3600U));
  serve
      ->add_option_function<unsigned>(
          "--refresh-cards", [&a](unsigned s) { a.with.refresh_cards = std::chrono::seconds(s); },
          "Seconds after which a card that was fetched is looked at again (86400); 0: never")
      ->check(CLI::Range(0U, 31'536'000U));
  serve
      ->add_option_function<unsigned>(
          "--grace", [&a](unsigned s) { a.with.grace = std::chrono::seconds(s); },
          "Seconds that requests have to end when the service stops (10)")
      ->check(CLI::Range(0U, 600U));
  serve->add_option("--log-level", a.with.log_level, "debug, info, warning, error or off")
      ->transform(CLI::CheckedTransformer(
          std::map<std::string, log::level>{{"debug", log::level::debug},
                                            {"info", log::level::info},
                                            {"warning", log::level::warning},
                                            {"error", log::level::error},
                                            {"off", log::level::off}}));
  return serve;
}

int run(int argc, char** argv) {
  CLI::App app("marketplace: a registry of agents", "marketplace");
  app.set_version_flag("--version", version());
  app.require_subcommand(1);
  arguments a;
  CLI::App* serve_command = add_serve(app, a);
  CLI::App* backup =
      app.add_subcommand("backup", "Copy a SQLite database, also while it is served");
  backup->add_option("FILE", a.backup_file, "Where to; must not exist")->required();
  backup->add_option("--storage", a.with.storage, "sqlite:FILE")->capture_default_str();
  CLI::App* routes = app.add_subcommand("routes", "Print the table of routes");
  try {
    app.parse(argc, argv);
    if (serve_command->parsed()) {
      a.with.listen = endpoint_of(a.listen);
      if (!a.admin_key_file.empty()) {
        a.with.admin_key = first_line_of(a.admin_key_file);
      } else if (const char* key = std::getenv(  // NOLINT(concurrency-mt-unsafe): no other threads
                     "MARKETPLACE_ADMIN_KEY")) {
        a.with.admin_key = key;
      }
    }
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : usage_error;
  }
  if (!a.limits) {
    for (rate_policy* each : {&a.with.limits.register_agent, &a.with.limits.search,
                              &a.with.limits.write, &a.with.limits.preview}) {
      each->quota = 0;
    }
  }
  if (routes->parsed()) {
    print_routes();
    return EXIT_SUCCESS;
  }
  if (backup->parsed()) {
    constexpr std::string_view scheme = "sqlite:";
    if (!a.with.storage.starts_with(scheme)) {
      throw std::runtime_error("backup is for sqlite:FILE; use pg_dump for PostgreSQL");
    }
    backup_sqlite(a.with.storage.substr(scheme.size()), a.backup_file);
    std::cout << "marketplace: copied to " << a.backup_file << '\n';
    return EXIT_SUCCESS;
  }
  return serve(a.with);
}

}  // namespace
}  // namespace marketplace

int main(int argc, char** argv) {
  try {
    return marketplace::run(argc, argv);
  } catch (const std::exception& error) {
    std::cerr << "marketplace: " << error.what() << '\n';
    return EXIT_FAILURE;
  }
}
