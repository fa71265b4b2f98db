# SPDX-License-Identifier: BSL-1.0
#
# Files as bytes of the program: cmake -DOUTPUT=x.cpp "-DFILES=a;b" -P embed.cmake writes a
# translation unit that defines marketplace::embedded_files() (marketplace/embedded_files.hpp).
# An ETag is the beginning of the file's SHA-256.

set(type_html "text/html")
set(type_css "text/css")
set(type_js "text/javascript")
set(type_json "application/json")
set(type_svg "image/svg+xml")

set(arrays "")
set(table "")
set(number 0)
foreach(file IN LISTS FILES)
  get_filename_component(name "${file}" NAME)
  get_filename_component(extension "${file}" LAST_EXT)
  string(SUBSTRING "${extension}" 1 -1 extension)
  if(NOT DEFINED type_${extension})
    message(FATAL_ERROR "embed.cmake: ${file}: no media type is known for .${extension}")
  endif()
  set(type "${type_${extension}}")
  if(type MATCHES "^text/")
    set(type "${type}; charset=utf-8")
  endif()
  file(READ "${file}" hex HEX)
  file(SHA256 "${file}" hash)
  string(SUBSTRING "${hash}" 0 16 hash)
  string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," bytes "${hex}")
  string(APPEND arrays "constexpr unsigned char file_${number}[] = {${bytes}0};\n")
  string(APPEND table
    "    {\"${name}\", \"${type}\", bytes(file_${number}, sizeof(file_${number}) - 1), \"\\\"${hash}\\\"\"},\n")
  math(EXPR number "${number} + 1")
endforeach()

file(WRITE "${OUTPUT}.new" "// Written by embed.cmake.

#include <marketplace/embedded_files.hpp>

#include <array>
#include <cstddef>

namespace marketplace {
namespace {

${arrays}
std::string_view bytes(const unsigned char* data, std::size_t size) {
  return {reinterpret_cast<const char*>(data), size};
}

}  // namespace

std::span<const embedded_file> embedded_files() {
  static const std::array<embedded_file, ${number}> files{{
${table}  }};
  return files;
}

}  // namespace marketplace
")
file(COPY_FILE "${OUTPUT}.new" "${OUTPUT}" ONLY_IF_DIFFERENT)
