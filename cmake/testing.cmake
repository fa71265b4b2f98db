# SPDX-License-Identifier: BSL-1.0

include(GoogleTest)

find_package(GTest REQUIRED GLOBAL)
find_package(Boost ${COROLOCK_BOOST_VERSION} REQUIRED COMPONENTS context GLOBAL)

# What stands before the name of each of our ctest tests, so that several builds can be run as one.
set(COROLOCK_TEST_PREFIX "" CACHE STRING "What the name of every test begins with")

# One executable of all FOLDER/*.test.cpp and FOLDER/*.explore.cpp, each of its cases a test of
# ctest; nothing at all while the folder has none. ASIO: the tests include Boost.Asio, precompiled.
# SLOW_TIMEOUT: the suite Slow has this limit, and the label `slow` instead, by which `./dev test`
# leaves it out. WITH: the executable is one test, an argument of this script and its own arguments.
#
#   corolock_add_tests(NAME FOLDER folder [ASIO] [LIBRARIES lib...] [LABELS label...] [TIMEOUT s]
#                      [SLOW_TIMEOUT s] [WITH script argument...])
function(corolock_add_tests NAME)
  cmake_parse_arguments(PARSE_ARGV 1 arg "ASIO" "FOLDER;TIMEOUT;SLOW_TIMEOUT" "LIBRARIES;LABELS;WITH")
  if(arg_UNPARSED_ARGUMENTS OR NOT arg_FOLDER)
    message(FATAL_ERROR "corolock_add_tests(${NAME}): bad arguments: ${arg_UNPARSED_ARGUMENTS}")
  endif()
  if(NOT arg_TIMEOUT)
    set(arg_TIMEOUT 120)
  endif()

  file(GLOB sources CONFIGURE_DEPENDS
    "${arg_FOLDER}/*.test.cpp" "${arg_FOLDER}/*.explore.cpp")
  if(NOT sources)
    return()
  endif()
  add_executable(${NAME} ${sources})
  target_include_directories(${NAME} PRIVATE "${PROJECT_SOURCE_DIR}/tests")
  target_link_libraries(${NAME} PRIVATE ${arg_LIBRARIES} GTest::gmock GTest::gtest_main)
  if(arg_ASIO)
    target_link_libraries(${NAME} PRIVATE corolock::asio corolock_asio_compiled)
    target_precompile_headers(${NAME} REUSE_FROM corolock_asio_compiled)
  endif()
  set_target_properties(${NAME} PROPERTIES
    RUNTIME_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/tests/bin")
  set_property(GLOBAL APPEND PROPERTY COROLOCK_TEST_EXECUTABLES ${NAME})
  if(arg_WITH)
    corolock_add_script_test(${NAME} LABELS ${arg_LABELS} TIMEOUT ${arg_TIMEOUT}
      COMMAND ${arg_WITH} $<TARGET_FILE:${NAME}>)
    return()
  endif()
  set(discovery
    TEST_PREFIX "${COROLOCK_TEST_PREFIX}"
    DISCOVERY_MODE PRE_TEST
    DISCOVERY_TIMEOUT 60)
  if(arg_SLOW_TIMEOUT)
    gtest_discover_tests(${NAME} ${discovery} TEST_FILTER "Slow.*" TEST_LIST ${NAME}_slow
      PROPERTIES LABELS slow TIMEOUT ${arg_SLOW_TIMEOUT})
    list(APPEND discovery TEST_FILTER "-Slow.*")
  endif()
  gtest_discover_tests(${NAME} ${discovery}
    PROPERTIES LABELS "${arg_LABELS}" TIMEOUT ${arg_TIMEOUT})
endfunction()

# A test that is a Python script, which stands in the caller's folder.
#
#   corolock_add_script_test(NAME [LABELS label...] [TIMEOUT s] COMMAND script argument...)
function(corolock_add_script_test NAME)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "TIMEOUT" "LABELS;COMMAND")
  if(NOT arg_TIMEOUT)
    set(arg_TIMEOUT 120)
  endif()
  list(POP_FRONT arg_COMMAND script)
  set(name "${COROLOCK_TEST_PREFIX}${NAME}")
  add_test(NAME "${name}"
    COMMAND "${COROLOCK_PYTHON}" "${CMAKE_CURRENT_SOURCE_DIR}/${script}" ${arg_COMMAND})
  set_tests_properties("${name}" PROPERTIES LABELS "${arg_LABELS}" TIMEOUT ${arg_TIMEOUT})
endfunction()
