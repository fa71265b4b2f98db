// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers

#include <marketplace/secrets.hpp>

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>
#include <openssl/sha.h>

#include <array>
#include <cstdint>
#include <cstring>
#include <memory>
#include <stdexcept>

namespace marketplace {
namespace {

const unsigned char* bytes_of(std::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}

std::string hex(std::string_view bytes) {
  constexpr std::string_view digits = "0123456789abcdef";
  std::string result(2 * bytes.size(), '\0');
  auto out = result.begin();
  for (const char c : bytes) {
    const auto byte = static_cast<unsigned char>(c);
    *out++ = digits[byte >> 4U];
    *out++ = digits[byte & 15U];
  }
  return result;
}

constexpr std::string_view alphabet =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

}  // namespace

std::string sha256_hex(std::string_view data) {
  std::string digest(SHA256_DIGEST_LENGTH, '\0');
  // Made once: to look an algorithm up costs more than a short text's digest, a context as much.
  static const std::unique_ptr<EVP_MD, void (*)(EVP_MD*)> algorithm(
      EVP_MD_fetch(nullptr, "SHA256", nullptr), &EVP_MD_free);
  thread_local const std::unique_ptr<EVP_MD_CTX, void (*)(EVP_MD_CTX*)> context(EVP_MD_CTX_new(),
                                                                                &EVP_MD_CTX_free);
  if (EVP_DigestInit_ex(context.get(), algorithm.get(), nullptr) != 1 ||
      EVP_DigestUpdate(context.get(), data.data(), data.size()) != 1 ||
      EVP_DigestFinal_ex(context.get(), reinterpret_cast<unsigned char*>(digest.data()), nullptr) !=
          1) {
    throw std::runtime_error("SHA-256 failed");
  }
  return hex(digest);
}

std::string hmac_sha256(std::string_view key, std::string_view data) {
  std::string digest(SHA256_DIGEST_LENGTH, '\0');
  unsigned int length = 0;
  if (HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()), bytes_of(data), data.size(),
           reinterpret_cast<unsigned char*>(digest.data()), &length) == nullptr) {
    throw std::runtime_error("HMAC failed");
  }
  return digest;
}

std::string random_bytes(std::size_t n) {
  // A draw costs nearly the same for many bytes as for few. What is handed out is wiped.
  thread_local struct {
    std::array<unsigned char, 1024> bytes{};
    std::size_t used = 1024;
  } pool;
  std::string bytes(n, '\0');
  if (n > pool.bytes.size()) {
    throw std::invalid_argument("random_bytes: more than 1024 at once");
  }
  if (pool.bytes.size() - pool.used < n) {
    if (RAND_bytes(pool.bytes.data(), static_cast<int>(pool.bytes.size())) != 1) {
      throw std::runtime_error("there are no random numbers to be had");
    }
    pool.used = 0;
  }
  std::memcpy(bytes.data(), pool.bytes.data() + pool.used, n);
  OPENSSL_cleanse(pool.bytes.data() + pool.used, n);
  pool.used += n;
  return bytes;
}

std::string base64url(std::string_view bytes) {
  std::string text((bytes.size() * 4 + 2) / 3, '\0');
  auto out = text.begin();
  std::uint32_t bits = 0;
  unsigned held = 0;
  for (const char c : bytes) {
    bits = (bits << 8U) | static_cast<unsigned char>(c);
    for (held += 8; held >= 6; held -= 6) {
      *out++ = alphabet[(bits >> (held - 6)) & 63U];
    }
  }
  if (held > 0) {
    *out = alphabet[(bits << (6 - held)) & 63U];
  }
  return text;
}

std::optional<std::string> base64url_decoded(std::string_view text) {
  std::string bytes;
  std::uint32_t bits = 0;
  unsigned held = 0;
  for (const char c : text) {
    const std::size_t value = alphabet.find(c);
    if (value == std::string_view::npos) {
      return std::nullopt;
    }
    bits = (bits << 6U) | static_cast<std::uint32_t>(value);
    held += 6;
    if (held >= 8) {
      held -= 8;
      bytes += static_cast<char>((bits >> held) & 255U);
    }
  }
  if (base64url(bytes) != text) {  // one spelling for each
    return std::nullopt;
  }
  return bytes;
}

bool are_equal(std::string_view a, std::string_view b) noexcept {
  return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

std::string new_agent_id(timestamp now) {
  std::string bytes = random_bytes(16);
  auto milliseconds = static_cast<std::uint64_t>(now.time_since_epoch().count());
  for (std::size_t i = 6; i-- > 0;) {
    bytes[i] = static_cast<char>(milliseconds & 255U);
    milliseconds >>= 8U;
  }
  bytes[6] = static_cast<char>((static_cast<unsigned char>(bytes[6]) & 0x0fU) | 0x70U);
  bytes[8] = static_cast<char>((static_cast<unsigned char>(bytes[8]) & 0x3fU) | 0x80U);
  std::string id = hex(bytes);
  for (const std::size_t at : {std::size_t{20}, std::size_t{16}, std::size_t{12}, std::size_t{8}}) {
    id.insert(at, 1, '-');
  }
  return id;
}

std::string new_token(std::string_view prefix) {
  return std::string(prefix) + base64url(random_bytes(32));
}

}  // namespace marketplace
