# SPDX-License-Identifier: BSL-1.0

# Sets RESULT to "MAJOR.MINOR.PATCH" as the header's COROLOCK_VERSION_* macros have it, and makes
# CMake configure again when the header changes.
function(corolock_read_version RESULT HEADER)
  file(READ "${HEADER}" text)
  set(numbers "")
  foreach(part IN ITEMS MAJOR MINOR PATCH)
    if(NOT text MATCHES "#define COROLOCK_VERSION_${part} ([0-9]+)")
      message(FATAL_ERROR "${HEADER} does not define COROLOCK_VERSION_${part}")
    endif()
    list(APPEND numbers "${CMAKE_MATCH_1}")
  endforeach()
  list(JOIN numbers "." version)
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS "${HEADER}")
  set(${RESULT} "${version}" PARENT_SCOPE)
endfunction()
